"""Reading files once without pushing out of memory what others work with.

Since Linux 6.14 a read can say that its pages are to be dropped behind it (RWF_DONTCACHE); pages that were there before stay. Elsewhere
mincore(2) tells which pages are there before they are read, and posix_fadvise(2) drops the others. The latter needs files that this user
owns or may write to, since mincore tells nothing of other people's. ZFS has a cache of its own, which the dataset's primarycache rules.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path

RWF_DONTCACHE = 0x80  # <linux/fs.h>
WINDOW_BYTES = 32 << 20
"""How far ahead the fallback looks: more than any read-ahead brings in."""

_PAGE = mmap.PAGESIZE
_REFUSALS = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class QuietReader:
    """One file, read from `start` to `end`; `close` leaves the page cache as it was found."""

    def __init__(self, handle: int, end: int, *, start: int = 0, drops_behind: bool = True) -> None:
        self._handle, self._end, self._offset = handle, end, start
        self._flags = RWF_DONTCACHE if drops_behind else 0
        self._looked_to = self._dropped_to = start // _PAGE * _PAGE
        self._absent: list[tuple[int, int]] = []

    def read_into(self, view: memoryview) -> int:
        """The next bytes; 0 at the end of the file."""
        if self._flags:
            try:
                return self._advance(os.preadv(self._handle, [view], self._offset, self._flags))
            except OSError as error:
                if error.errno not in _REFUSALS:
                    raise
                self._flags = 0
        while self._looked_to < min(self._end, self._offset + WINDOW_BYTES):
            self._look()
        return self._advance(os.preadv(self._handle, [view], self._offset))

    def _advance(self, count: int) -> int:
        self._offset += count
        if self._offset - self._dropped_to >= WINDOW_BYTES:
            self._drop()
        return count

    def _look(self) -> None:
        length = min(WINDOW_BYTES, self._end - self._looked_to)
        pages = resident_pages(self._handle, self._looked_to, length)
        self._absent += [(self._looked_to + start * _PAGE, count * _PAGE) for start, count in _runs_of_zero(pages)]
        self._looked_to += length

    def _drop(self) -> None:
        """Drop what lies behind and was not there before."""
        kept = []
        for start, length in self._absent:
            if start < self._offset:
                os.posix_fadvise(self._handle, start, length, os.POSIX_FADV_DONTNEED)
            else:
                kept.append((start, length))
        self._absent, self._dropped_to = kept, self._offset

    def close(self) -> None:
        """Done, wherever it stopped. The handle stays open."""
        self._offset = max(self._offset, self._end)
        self._drop()


def _runs_of_zero(pages: bytes) -> Iterator[tuple[int, int]]:
    for found in re.finditer(b"\0+", pages):
        yield found.start(), found.end() - found.start()


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_longlong]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    return libc


_LIBC = _libc()
_FAILED = ctypes.c_void_p(-1).value
_ONLY_BIT = bytes(value & 1 for value in range(256))


def resident_pages(handle: int, offset: int, length: int) -> bytes:
    """One byte a page from `offset` (a multiple of the page size): 1 where it is in memory. All 1 where that cannot be told."""
    count = -(-length // _PAGE)
    if not count:
        return b""
    address = _LIBC.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, handle, offset)
    if address == _FAILED:
        return b"\1" * count
    try:
        told = ctypes.create_string_buffer(count)
        is_told = _LIBC.mincore(address, length, told) == 0
    finally:
        _LIBC.munmap(address, length)
    return told.raw[:count].translate(_ONLY_BIT) if is_told else b"\1" * count


def file_system_of(path: Path, mounts: str | None = None) -> str:
    """The type of the file system that `path` is on, such as ext4 or zfs; empty where it cannot be told. `mounts` as /proc/mounts."""
    try:
        text = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape") if mounts is None else mounts
    except OSError:
        return ""
    place = os.path.realpath(path)
    best, found = -1, ""
    for line in text.splitlines():
        words = line.split(" ")
        top = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[1]) if len(words) > 2 else ""
        if top and (place == top or place.startswith(top.rstrip("/") + "/")) and len(top) >= best:
            best, found = len(top), words[2]
    return found
