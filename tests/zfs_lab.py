"""Guests with real OpenZFS: started from a saved state in a second or two, told what to do, thrown away. Built on first use."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from zfs_lab_kit.build import build_lab, can_build
from zfs_lab_kit.connection import Connection, Job, Ran
from zfs_lab_kit.machine import Machine
from zfs_lab_kit.parts import LabError
from zfs_lab_kit.slots import taken_slots
from zfs_lab_kit.states import Recipe, find_state, pack_tree

__all__ = ["BLUEPRINT", "DISKS", "PLAIN", "Guest", "Job", "LabError", "Ran", "build_lab", "need_lab", "opened", "opened_pair"]

DISK_BYTES = 22_000_000_000_000


class Guest:
    """A Debian 13 with OpenZFS 2.3 in QEMU. What runs in it is root; nothing of it outlives `close`."""

    def __init__(self, image: Path, *, disks: int = 0, state: Path | None = None, network: str | None = None) -> None:
        self.machine = Machine(image, disks=disks, network=network, state=state)
        try:
            self._connection = Connection(self.machine.connect(self.machine.agent_path))
            if state:
                self.machine.go_on()
            elif not self._connection.wait_for_hello(300):
                raise LabError("the guest did not boot")
            self.set_clock(time.time())
        except LabError as error:
            words = self.machine.last_words()
            self.close()
            raise LabError(f"{error}; QEMU and the guest's console:\n{words}") from error

    def start(
        self, command: Sequence[str | Path] | str, *, stdin: bytes = b"", cwd: str = "/", env: Mapping[str, str] | None = None
    ) -> Job:
        """A program in the background; a string goes through sh."""
        words = command if isinstance(command, str) else [str(word) for word in command]
        asked: dict[str, object] = {"command": words, "cwd": cwd, "env": dict(env or {})}
        return self._connection.start(asked, stdin, words if isinstance(words, str) else shlex.join(words))

    def run(
        self, command: Sequence[str | Path] | str, *, check: bool = True, timeout_s: float = 300, stdin: bytes = b"", cwd: str = "/",
        env: Mapping[str, str] | None = None,
    ) -> Ran:  # fmt: skip
        """A program to its end; with `check` a LabError that shows what it said where it fails."""
        return _checked(self.start(command, stdin=stdin, cwd=cwd, env=env), check, timeout_s)

    def start_fonoteca(self, *arguments: str | Path, stdin: bytes = b"", cwd: str = "/", env: Mapping[str, str] | None = None) -> Job:
        """`fonoteca …` of this checkout in the background."""
        words = [str(word) for word in arguments]
        return self._connection.start({"fonoteca": words, "cwd": cwd, "env": dict(env or {})}, stdin, f"fonoteca {shlex.join(words)}")

    def fonoteca(
        self, *arguments: str | Path, check: bool = False, cwd: str = "/", timeout_s: float = 300, env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Ran:  # fmt: skip
        """`fonoteca …` of this checkout to its end, in a child of a process that has it imported."""
        return _checked(self.start_fonoteca(*arguments, stdin=stdin, cwd=cwd, env=env), check, timeout_s)

    def load_fonoteca(self, place: str, modules: Sequence[str]) -> None:
        """Have Fonoteca imported from `place` for all calls to come."""
        _checked(self.start_fonoteca("load-fonoteca", place, *modules), True, 300)

    def set_clock(self, at: float) -> None:
        """Set the guest's clock: Unix seconds."""
        asked: dict[str, object] = {"command": ["true"], "cwd": "/", "clock": at}
        _checked(self._connection.start(asked, b"", "setting the clock"), True, 120)

    def put(self, path: str, data: bytes | Path) -> None:
        """A file in the guest, its folders too."""
        content = data.read_bytes() if isinstance(data, Path) else data
        self.run(["sh", "-c", 'mkdir -p "${0%/*}/" && cat > "$0"', path], stdin=content)

    def get(self, path: str) -> bytes:
        """The bytes of a file in the guest."""
        return self.run(["cat", path]).out_bytes

    def put_tree(self, host_folder: Path, guest_folder: str) -> None:
        """What is in a folder of the host, links too, into one of the guest."""
        self.run(["sh", "-c", 'mkdir -p "$0" && tar -x -C "$0"', guest_folder], stdin=pack_tree(host_folder))

    def sparse_disks(self, count: int = 22, size: int = DISK_BYTES, folder: str = "/tmp/v") -> list[str]:
        """Files that stand for disks: `folder`/d01 …; they take room only as they are written."""
        paths = [f"{folder}/d{number:02}" for number in range(1, count + 1)]
        self.run(["sh", "-c", 'mkdir -p "$0"; size=$1; shift; exec truncate -s "$size" "$@"', folder, str(size), *paths])
        return paths

    def corrupt(self, *paths: str) -> int:
        """Overwrite every used extent of file vdevs outside of their labels; how many bytes. Export the pool before, or clear its cache."""
        return int(self.run(["python3", "-SE", "/lab/corrupt.py", *paths]).out)

    def start_zed(self, *zedlets: str) -> Job:
        """ZED with only the zedlets named, of those in /usr/lib/zfs-linux/zed.d or put into /etc/zfs/zed.d by the test."""
        for name in zedlets:
            self.run(["ln", "-sf", f"/usr/lib/zfs-linux/zed.d/{name}", "/etc/zfs/zed.d/"])
        job = self.start(["zed", "-F"])
        self.wait_until("test -e /run/zed.pid", timeout_s=60)
        return job

    def wait_until(self, command: str, *, timeout_s: float = 120) -> None:
        """Return when a shell command succeeds; a LabError with what it said last when it never does."""
        deadline = time.monotonic() + timeout_s
        while (ran := self.run(command, check=False)).status:
            if time.monotonic() > deadline:
                raise LabError(f"never came true in the guest: {command}\n{ran.out}{ran.err}")
            time.sleep(0.2)

    def close(self) -> None:
        """End it."""
        if hasattr(self, "_connection"):
            self._connection.close()
        self.machine.close()


def _checked(job: Job, check: bool, timeout_s: float) -> Ran:
    ran = job.wait(timeout_s)
    if check and ran.status:
        raise LabError(f"in the guest, {job.words[:500]} ended with status {ran.status}:\n{ran.out[-2000:]}{ran.err[-4000:]}")
    return ran


def _make_blueprint(guest: Guest) -> None:
    """The pool tank: 2 × RAIDZ3 × 10 × 22 TB in sparse files, and two spares."""
    disks = guest.sparse_disks()
    options = ["-o", "ashift=12", "-O", "recordsize=1M", "-O", "compression=zstd", "-O", "atime=off", "-O", "xattr=sa"]
    guest.run(["zpool", "create", *options, "tank", "raidz3", *disks[:10], "raidz3", *disks[10:20], "spare", *disks[20:]])


PLAIN = Recipe("plain")
BLUEPRINT = Recipe("blueprint", after=PLAIN, prepare=_make_blueprint)
DISKS = Recipe("disks", disks=22)


def need_lab() -> None:
    """Skip the test where the lab cannot be built; in CI nothing may be missing, so there it fails."""
    if (reason := can_build()) and not os.environ.get("CI"):
        pytest.skip(reason)
    build_lab()


@contextlib.contextmanager
def opened(recipe: Recipe) -> Iterator[Guest]:
    """A guest in a saved state, alone with it; it waits for a free slot."""
    need_lab()
    with taken_slots(), contextlib.closing(_restore(recipe)) as guest:
        yield guest


@contextlib.contextmanager
def opened_pair(recipe: Recipe) -> Iterator[tuple[Guest, Guest]]:
    """Two guests with a wire between them: 10.77.0.1 and 10.77.0.2."""
    need_lab()
    with taken_slots(2), contextlib.closing(_restore(recipe)) as first:
        wire = f"stream,server=off,addr.type=unix,addr.path={first.machine.folder / 'wire'}"
        with contextlib.closing(_restore(recipe, wire)) as second:
            for number, guest in enumerate((first, second), 1):
                mac = f"52:54:00:00:00:0{number}"
                guest.run(
                    f"hostname guest{number}; ip link set eth0 address {mac}; ip addr add 10.77.0.{number}/24 dev eth0; ip link set eth0 up"
                )
            yield first, second


def _restore(recipe: Recipe, network: str | None = None) -> Guest:
    """A guest from the saved state; once more where newer source took that state's place meanwhile."""
    image, _ = build_lab()
    for _ in range(3):
        state = find_state(recipe, Guest)
        try:
            return Guest(image, disks=recipe.disks, state=state, network=network)
        except (LabError, FileNotFoundError):
            if state.is_dir():
                raise
    raise LabError("saved states of the lab vanish as fast as they are made: is something emptying its cache?")
