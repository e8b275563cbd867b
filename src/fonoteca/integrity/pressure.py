"""Yielding to other load: the kernel's pressure stall information says how long tasks wait for the disk.

ionice does nothing on ZFS; https://docs.kernel.org/accounting/psi.html works on every file system.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PRESSURE_FILE = Path("/proc/pressure/io")
LOOK_EVERY_S = 1.0
TRUST_S = 10.0
_SETTLE_S = 0.1
_SOME = re.compile(r"^some avg10=([0-9]+\.[0-9]+) .*\btotal=([0-9]+)$", re.M)


class Pressure(NamedTuple):
    """Percent of the last ten seconds in which some task waited for the disk, and all such microseconds since the start."""

    avg10: float
    total_us: int


def parse_pressure(text: str) -> Pressure | None:
    """What /proc/pressure/io says of `some` tasks; None where it says nothing."""
    found = _SOME.search(text)
    return Pressure(float(found[1]), int(found[2])) if found else None


def read_pressure(path: Path = PRESSURE_FILE) -> Pressure | None:
    """The pressure now; None where the kernel does not tell."""
    try:
        return parse_pressure(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError):
        return None


class PressureGate:
    """Lets its users through while others do not wait for the disk for more than `limit` percent of the time.

    Who reads as fast as it can waits for the disk itself, so a high average alone says little: the gate then closes for a second,
    in which only others can wait. Only where they do, it stays closed; else it opens for ten seconds. It also opens, for its users to
    end, once `is_over`.
    """

    def __init__(
        self, limit: float, *, read: Callable[[], Pressure | None] = read_pressure,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.limit = limit
        self._is_over = is_over
        self.waited_s = 0.0
        self._read, self._clock, self._sleep = read, clock, sleep
        self._lock = threading.Lock()
        self._open_until = 0.0

    def wait(self) -> None:
        """Come back when there is no other load; every user waits meanwhile."""
        with self._lock:
            if self._clock() < self._open_until:
                return
            pressure, trust = self._read(), LOOK_EVERY_S
            if pressure is not None and pressure.avg10 > self.limit:
                self._wait_for_others()
                trust = TRUST_S
            self._open_until = self._clock() + trust

    def _wait_for_others(self) -> None:
        began = self._clock()
        self._sleep(_SETTLE_S)  # what is under way ends
        while not self._is_over() and (share := self._share_of_others()) is not None and share > self.limit:
            continue
        self.waited_s += self._clock() - began

    def _share_of_others(self) -> float | None:
        """Percent of one second in which somebody waited for the disk while we did not read."""
        first, began = self._read(), self._clock()
        self._sleep(LOOK_EVERY_S)
        second, seconds = self._read(), self._clock() - began
        if first is None or second is None or seconds <= 0:
            return None
        return (second.total_us - first.total_us) / seconds / 10_000
