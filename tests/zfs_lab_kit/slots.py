"""How many guests run at once on a machine: each takes a slot, so that tests of several working copies do not starve each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from zfs_lab_kit.parts import LabError, choose_lab_cache, locked

SLOTS = int(os.environ.get("FONOTECA_ZFS_LAB_SLOTS") or 3)
"""Two for guests that work, one so that a test which waits for two does not keep a core idle."""


@contextlib.contextmanager
def taken_slots(count: int = 1, *, cache: Path | None = None, timeout_s: float = 1800) -> Iterator[None]:
    """Hold `count` slots, all of them or none: who needs two waits for both alone, and nobody waits for them in a circle."""
    folder = cache or choose_lab_cache()
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    held: list[IO[str]] = []
    try:
        with locked(folder / "slots.lock"):
            while len(held) < count:
                for number in range(SLOTS):
                    if len(held) < count and (handle := _try_slot(folder / f"slot{number}.lock")):
                        held.append(handle)
                if len(held) < count:
                    _check_time(deadline, timeout_s)
                    time.sleep(0.05)
        yield
    finally:
        for handle in held:
            handle.close()


def _try_slot(path: Path) -> IO[str] | None:
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    return handle


def _check_time(deadline: float, timeout_s: float) -> None:
    if time.monotonic() > deadline:
        raise LabError(f"no slot for a guest of the ZFS lab came free within {timeout_s:.0f} s: {SLOTS} run already")
