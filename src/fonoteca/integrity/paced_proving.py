"""Reading files again without haste: at a rate, beside other load, leaving the page cache as it was, a result for each at once."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import queue
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from fonoteca.ground.findings import Finding
from fonoteca.integrity.page_cache import QuietReader
from fonoteca.integrity.pressure import PressureGate
from fonoteca.integrity.proving import printable_path
from fonoteca.integrity.schedule import PieceCheck, Provable
from fonoteca.integrity.token_bucket import TokenBucket

BUFFER_BYTES = 1 << 20
PADDING = Path("/dev/zero")
"""What pads of torrents are read from."""


class StoppedReading(Exception):
    """The run is to end before this file was read."""


class Pace(NamedTuple):
    """What every read waits for; `stop` ends the run at the next read, and so does `is_over`, such as when the hours are."""

    stop: threading.Event
    bucket: TokenBucket | None = None
    gate: PressureGate | None = None
    is_over: Callable[[], bool] = lambda: False

    def before(self, count: int) -> None:
        """Wait until `count` more bytes may be read. StoppedReading where the run ends."""
        if self.gate is not None:
            self.gate.wait()
        if self.bucket is not None:
            self.bucket.take(count)
        if self.stop.is_set():
            raise StoppedReading
        if self.is_over():
            self.stop.set()
            raise StoppedReading


class Outcome(NamedTuple):
    """One file read: `finding` None where every byte is good; bytes read, and the time of change it had when it was opened."""

    item: Provable
    finding: Finding | None
    read: int
    mtime_ns: int


def prove_paced(
    items: Iterable[Provable], pace: Pace, *, threads: int = 1, check_database: Callable[[Path], list[str]] | None = None,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Iterator[list[Outcome]]:  # fmt: skip
    """Outcomes as soon as they are there, some at a time, in any order; at most `threads` files are open at once.

    `items` is asked from the caller's thread, a few ahead. When `pace.stop` is set, files under way are given up.
    """
    run = _Run(pace, check_database or (lambda _: []), on_bytes)
    workers = [threading.Thread(target=run.work, name="prove", daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    waiting, under_way = iter(items), 0
    try:
        while True:
            while under_way < 2 * threads and not pace.stop.is_set() and (item := next(waiting, None)) is not None:
                run.jobs.put(item)
                under_way += 1
            if not under_way:
                return
            outcomes = run.take()
            under_way -= len(outcomes)
            if done := [outcome for outcome in outcomes if isinstance(outcome, Outcome)]:
                yield done
    finally:
        pace.stop.set()
        for _ in workers:
            run.jobs.put(None)
        for worker in workers:
            worker.join()


class _Run:
    """What the working threads share."""

    def __init__(self, pace: Pace, check_database: Callable[[Path], list[str]], on_bytes: Callable[[int], None]) -> None:
        self._pace, self._check_database, self._on_bytes = pace, check_database, on_bytes
        self.jobs: queue.SimpleQueue[Provable | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._pieces = _PieceMemory()

    def take(self) -> list[Outcome | None]:
        """What is done by now, at least one: None for a file that was given up. Raises what a thread could not go on after."""
        found = [self._outcomes.get()]
        while not self._outcomes.empty():
            found.append(self._outcomes.get())
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return [one for one in found if not isinstance(one, BaseException)]

    def work(self) -> None:
        """Until there is nothing more to do."""
        while (item := self.jobs.get()) is not None:
            try:
                self._outcomes.put(None if self._pace.stop.is_set() else self._prove(item))
            except StoppedReading:
                self._outcomes.put(None)
            except BaseException as error:
                self._outcomes.put(error)

    def _prove(self, item: Provable) -> Outcome:
        if item.is_database:
            return self._prove_database(item)
        try:
            handle = _open_without_waiting(item.path)
        except (FileNotFoundError, NotADirectoryError):
            return Outcome(item, _find(item, "missing", "it is not there"), 0, 0)
        except OSError as error:
            return Outcome(item, _find(item, "unreadable", str(error.strerror)), 0, 0)
        try:
            return self._prove_open(item, handle)
        except OSError as error:
            return Outcome(item, _find(item, "unreadable", str(error.strerror)), 0, 0)
        finally:
            os.close(handle)

    def _prove_open(self, item: Provable, handle: int) -> Outcome:
        status = os.fstat(handle)
        fact = _wrong_from_outside(item, status)
        if fact is not None:
            return Outcome(item, _find(item, *fact), 0, status.st_mtime_ns)
        if item.pieces is not None:
            read, bad = self._pieces.check(item.pieces, self._read_range)
            finding = _find(item, "changed", f"{bad} of its pieces are not those of the torrent") if bad else None
            return Outcome(item, finding, read, status.st_mtime_ns)
        read, sha256 = self._hash(handle, status.st_size)
        finding = _find(item, "changed", f"SHA-256 is {sha256}, should be {item.sha256}") if sha256 != item.sha256 else None
        return Outcome(item, finding, read, status.st_mtime_ns)

    def _prove_database(self, item: Provable) -> Outcome:
        try:
            status = os.stat(item.path)
            self._pace.before(status.st_size)
            faults = self._check_database(item.path)
        except FileNotFoundError:
            return Outcome(item, _find(item, "missing", "it is not there"), 0, 0)
        finding = _find(item, "bad-database", faults[0]) if faults else None
        return Outcome(item, finding, status.st_size, status.st_mtime_ns)

    def _hash(self, handle: int, size: int) -> tuple[int, str]:
        view, digest, read = self._buffer(), hashlib.sha256(), 0
        reader = QuietReader(handle, size)
        try:
            while True:
                self._pace.before(max(0, min(BUFFER_BYTES, size - read)))
                count = reader.read_into(view)
                if not count:
                    return read, digest.hexdigest()
                digest.update(view[:count])
                read += count
                self._on_bytes(count)
        finally:
            reader.close()

    def _read_range(self, path: Path, start: int, length: int) -> Iterator[memoryview]:
        """Bytes of one file, at the same pace; fewer where it ends before."""
        view = self._buffer()
        with open_neighbour(path) as file:
            reader = QuietReader(file.fileno(), start + length, start=start)
            try:
                while length > 0:
                    self._pace.before(min(BUFFER_BYTES, length))
                    count = reader.read_into(view[: min(BUFFER_BYTES, length)])
                    if not count:
                        return
                    self._on_bytes(count)
                    length -= count
                    yield view[:count]
            finally:
                reader.close()

    def _buffer(self) -> memoryview:
        buffer: memoryview | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = memoryview(mmap.mmap(-1, BUFFER_BYTES))
        return buffer


def _open_without_waiting(path: Path) -> int:
    """A handle to read; a pipe that nobody writes to is opened at once, too."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)


def open_neighbour(path: Path) -> FileIO:
    """A file to read beside the one that is proved, or PADDING. OSError where it is no regular file: nobody waits for a pipe."""
    handle = _open_without_waiting(path)
    if path != PADDING and not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return open(handle, "rb", buffering=0)


def _wrong_from_outside(item: Provable, status: os.stat_result) -> tuple[str, str] | None:
    if not stat.S_ISREG(status.st_mode):
        return "unreadable", "it is no regular file"
    if item.size is not None and status.st_size != item.size:
        how = "cut short" if status.st_size < item.size else "too long"
        return "wrong-size", f"{how}: has {status.st_size} bytes, should have {item.size}"
    return None


def _find(item: Provable, code: str, fact: str) -> Finding:
    return Finding(code, printable_path(item.path), fact, item.track, item.container)


_Span = tuple[Path, int, int]
_PieceKey = tuple[_Span | bytes, ...]


class _PieceMemory:
    """Pieces that were checked a moment ago for the neighbour, so that no piece is read for every file that it touches.

    Known by the very files that they touch: other torrents and other folders have pieces of the same number and SHA-1.
    """

    MOST = 4096

    def __init__(self) -> None:
        self._known: dict[_PieceKey, bool] = {}
        self._lock = threading.Lock()

    def check(self, check: PieceCheck, read: Callable[[Path, int, int], Iterator[memoryview]]) -> tuple[int, int]:
        """Bytes read, and how many of the pieces are not what they should be."""
        total = bad = 0
        for number in range(len(check.pieces) // 20):
            key: _PieceKey = (*spans_of(check, number), check.pieces[number * 20 : number * 20 + 20])
            is_good = self._known.get(key)
            if is_good is None:
                count, is_good = check_piece(check, number, read)
                total += count
                self._remember(key, is_good)
            bad += not is_good
        return total, bad

    def _remember(self, key: _PieceKey, is_good: bool) -> None:
        with self._lock:
            if len(self._known) >= self.MOST:
                self._known.pop(next(iter(self._known)))
            self._known[key] = is_good


def spans_of(check: PieceCheck, number: int) -> Iterator[_Span]:
    """Where the bytes of a piece lie, in order: path, first byte there, length."""
    start = (check.first_piece + number) * check.piece_length
    end = start + check.piece_length
    for path, first, size in check.files:
        low, high = max(start, first), min(end, first + size)
        if low < high:
            yield path, low - first, high - low


def check_piece(check: PieceCheck, number: int, read: Callable[[Path, int, int], Iterator[memoryview]]) -> tuple[int, bool]:
    """Bytes read, and whether the piece (counted from the check's first) has its SHA-1. Its files are read where they lie."""
    digest, count = hashlib.sha1(usedforsecurity=False), 0
    for path, first, length in spans_of(check, number):
        got = 0
        try:
            for view in read(path, first, length):
                digest.update(view)
                got += len(view)
        except OSError:
            return count, False
        count += got
        if got != length:
            return count, False
    return count, digest.digest() == check.pieces[number * 20 : number * 20 + 20]
