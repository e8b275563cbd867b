"""The bytes of one file, in memory or read piece by piece; never mapped, since a file cut under a mapping kills the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

PIECE_BYTES = 1 << 20
WINDOW_BYTES = 16 << 20
WHOLE_BYTES_AT_MOST = 256 << 20
"""Files up to this size are read whole; larger Ogg files keep the tags they came with."""


class Hash(Protocol):
    """The one method of hashlib objects that is needed here."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Takes more bytes."""


class ByteSource(Protocol):
    """Random access to the bytes of one file; reads past the end give fewer bytes, never an error."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset`; what is missing at the end is left off."""

    def window(self, offset: int) -> tuple[bytes, int]:
        """A buffer that holds `offset` and what follows it, and the file offset of the buffer's first byte."""

    def hash_into(self, digest: Hash, start: int, end: int) -> None:
        """Feed the bytes from `start` up to `end`."""


class MemorySource:
    """A file that was read whole."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """A copy of the bytes."""
        return self.data[max(offset, 0) : max(offset, 0) + max(length, 0)]

    def window(self, offset: int) -> tuple[bytes, int]:
        """The whole file."""
        return self.data, 0

    def hash_into(self, digest: Hash, start: int, end: int) -> None:
        """In one call, without a copy."""
        digest.update(memoryview(self.data)[start:end])


class FileSource:
    """A file too large for memory, by an open descriptor that stays the caller's."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """By pread; short reads are gone on with."""
        wanted = max(0, min(length, self.size - offset))
        parts: list[bytes] = []
        while wanted and (part := os.pread(self.descriptor, wanted, offset)):
            parts.append(part)
            offset, wanted = offset + len(part), wanted - len(part)
        return b"".join(parts)

    def window(self, offset: int) -> tuple[bytes, int]:
        """The next 16 MiB."""
        return self.read(offset, WINDOW_BYTES), offset

    def hash_into(self, digest: Hash, start: int, end: int) -> None:
        """Piece by piece."""
        for piece in self.pieces(start, end):
            digest.update(piece)

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, a mebibyte at a time; ends early where the file does."""
        while start < end and (piece := self.read(start, min(PIECE_BYTES, end - start))):
            yield piece
            start += len(piece)
