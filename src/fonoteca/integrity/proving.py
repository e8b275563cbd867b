"""Proving that files are still what was written: everything read once, on every core, nothing stopping at the first damage."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import threading
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.ground.workers import map_in_order

BUFFER_BYTES = 1024 * 1024
"""What one thread reads at a time: small enough to stay in the cache of a core between being read and being hashed."""

BATCH_FILES = 64
BATCH_BYTES = 4 * 1024 * 1024
_REPORT_BYTES = 32 * 1024 * 1024


class Expected(msgspec.Struct, frozen=True):
    """One file as it was written: `size` in bytes where known, `sha256` in hex; `track` and `container` only name it in findings."""

    path: Path
    size: int | None
    sha256: str
    track: str | None = None
    container: str | None = None


class Proved(msgspec.Struct, frozen=True):
    """A file that has exactly the bytes it should have; `size` is how many were read."""

    expected: Expected
    size: int


def prove_files(
    expected: Iterable[Expected], *, threads: int = 1, on_bytes: Callable[[int], None] | None = None
) -> Iterator[Proved | Finding]:
    """One answer a file, in the order given: proved, or missing, wrong-size, changed or unreadable.

    Streams with bounded memory. `on_bytes` hears how many more bytes are done, one call at a time but from the working threads.
    """
    prover = _Prover(on_bytes)
    with ThreadPoolExecutor(threads, "prove") as executor:

        def submit(batch: list[Expected]) -> Future[list[Proved | Finding]]:
            return executor.submit(prover.prove_batch, batch)

        try:
            for _, future in map_in_order(submit, _cut_batches(expected), threads * 3):
                yield from future.result()
        finally:
            prover.is_stopped = True


def _cut_batches(expected: Iterable[Expected]) -> Iterator[list[Expected]]:
    batch: list[Expected] = []
    room = BATCH_BYTES
    for one in expected:
        batch.append(one)
        room -= one.size if one.size is not None else BATCH_BYTES // 16
        if room <= 0 or len(batch) >= BATCH_FILES:
            yield batch
            batch, room = [], BATCH_BYTES
    if batch:
        yield batch


class _Prover:
    """What the working threads share: where they report to, and whether to stop."""

    def __init__(self, on_bytes: Callable[[int], None] | None) -> None:
        self.is_stopped = False
        self._on_bytes = on_bytes
        self._lock = threading.Lock()
        self._local = threading.local()

    def prove_batch(self, batch: list[Expected]) -> list[Proved | Finding]:
        return [self._prove(one) for one in batch if not self.is_stopped]

    def _prove(self, expected: Expected) -> Proved | Finding:
        try:
            handle = os.open(expected.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            self._report(expected.size or 0)
            return _find(expected, "missing", "it is not there")
        except OSError as error:
            self._report(expected.size or 0)
            return _find(expected, "unreadable", str(error.strerror))
        try:
            return self._prove_open(expected, handle)
        except OSError as error:
            return _find(expected, "unreadable", str(error.strerror))
        finally:
            os.close(handle)

    def _prove_open(self, expected: Expected, handle: int) -> Proved | Finding:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return _find(expected, "unreadable", "it is no regular file")
        if expected.size is not None and status.st_size != expected.size:
            self._report(expected.size)
            how = "cut short" if status.st_size < expected.size else "too long"
            return _find(expected, "wrong-size", f"{how}: has {status.st_size} bytes, should have {expected.size}")
        size, sha256 = self._hash(handle)
        if sha256 != expected.sha256:
            return _find(expected, "changed", f"SHA-256 is {sha256}, should be {expected.sha256}")
        return Proved(expected, size)

    def _hash(self, handle: int) -> tuple[int, str]:
        view = self._buffer()
        digest = hashlib.sha256()
        update, readv, parts = digest.update, os.readv, [view]
        size = unreported = 0
        while count := readv(handle, parts):
            update(view if count == BUFFER_BYTES else view[:count])
            size += count
            unreported += count
            if unreported >= _REPORT_BYTES:
                self._report(unreported)
                unreported = 0
                if self.is_stopped:
                    break
        self._report(unreported)
        return size, digest.hexdigest()

    def _buffer(self) -> memoryview:
        buffer: memoryview | None = getattr(self._local, "buffer", None)
        if buffer is None:
            # A mapping starts on a page, a bytearray 16 bytes later: copying out of the page cache is slower then (12 % of all).
            buffer = self._local.buffer = memoryview(mmap.mmap(-1, BUFFER_BYTES))
        return buffer

    def _report(self, count: int) -> None:
        if self._on_bytes is not None and count:
            with self._lock:
                self._on_bytes(count)


def _find(expected: Expected, code: str, fact: str) -> Finding:
    return Finding(code, printable_path(expected.path), fact, expected.track, expected.container)


def printable_path(path: Path | str) -> str:
    """The path as text that any report can hold: bytes that are no UTF-8 as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def find_extra(folder: Path, known: Container[str]) -> Iterator[Finding]:
    """What lies anywhere below `folder` and is not in `known`, which holds paths relative to it with slashes.

    Links are never followed; memory grows with the largest single folder only. Unreadable folders are findings of their own.
    """
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, below)) as entries:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError as error:
            yield Finding("unreadable", printable_path(os.path.join(folder, below)), str(error.strerror))
            continue
        for name, _ in (entry for entry in found if not entry[1]):
            if below + name not in known:
                yield Finding("extra", printable_path(os.path.join(folder, below + name)), "it is on no list")
        waiting += [below + name + "/" for name, is_folder in reversed(found) if is_folder]
