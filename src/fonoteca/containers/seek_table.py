"""The table at the end of a seekable Zstandard file: where each frame begins, packed and unpacked."""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from fonoteca.containers.frames import CachedRanges, FrameDecoder, find_frame_end, read_frame_header, skippable_length
from fonoteca.containers.stores import RangedFile
from fonoteca.ground.errors import ContainerFormatError

_SKIPPABLE_MAGIC = 0x184D2A5E
_SEEKABLE_MAGIC = 0x8F92EAB1
_FOOTER = struct.Struct("<IBI")
MAXIMUM_FRAMES = 1_000_000
"""Frames that a reader keeps in mind: 16 MB of table, 10 TB of content at 10 MiB each."""


class SeekTable:
    """Where frames begin: `starts` in the file, `positions` in the content; both end with the end of the last frame."""

    def __init__(self, entries: Iterable[tuple[int, int]] = ()) -> None:
        self.starts = array("Q", [0])
        self.positions = array("Q", [0])
        for packed, unpacked in entries:
            self.append(self.starts[-1] + packed, unpacked)

    def append(self, end: int, unpacked: int, start: int | None = None) -> None:
        """One more frame, which ends at `end`; `start` where it does not follow the one before."""
        if len(self.starts) > MAXIMUM_FRAMES:
            raise ContainerFormatError(f"more than {MAXIMUM_FRAMES:,} Zstandard frames", "Read the file from its beginning instead.")
        if start is not None:
            self.starts[-1] = start
        self.starts.append(end)
        self.positions.append(self.positions[-1] + unpacked)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def content_bytes(self) -> int:
        """Unpacked bytes of all frames."""
        return self.positions[-1]

    def find_frame(self, position: int) -> int:
        """The number of the frame that holds the byte at `position` of the content."""
        return bisect_right(self.positions, position) - 1

    def find_start_after(self, offset: int) -> int | None:
        """Where the first frame after `offset` of the file begins."""
        number = bisect_right(self.starts, offset)
        return self.starts[number] if number < len(self) else None


def encode_seek_table(entries: list[tuple[int, int]]) -> bytes:
    """The skippable frame that lists (packed, unpacked) bytes of every frame."""
    body = b"".join(struct.pack("<II", *entry) for entry in entries)
    footer = _FOOTER.pack(len(entries), 0, _SEEKABLE_MAGIC)
    return struct.pack("<II", _SKIPPABLE_MAGIC, len(body) + len(footer)) + body + footer


def read_seek_table(file: RangedFile) -> SeekTable:
    """The table as the file's end states it, with or without checksums; ContainerFormatError where it is missing, cut or cannot be."""
    footer = file.read_at(max(0, file.size - _FOOTER.size), _FOOTER.size)
    if len(footer) < _FOOTER.size or _FOOTER.unpack(footer)[2] != _SEEKABLE_MAGIC:
        raise ContainerFormatError("there is no seek table at the end")
    count, descriptor, _ = _FOOTER.unpack(footer)
    entry_bytes = 12 if descriptor & 0x80 else 8
    start = file.size - _FOOTER.size - count * entry_bytes - 8
    if descriptor & 0x7C or count > MAXIMUM_FRAMES or start < 0:
        raise ContainerFormatError(f"the seek table claims {count:,} frames with descriptor {descriptor:#04x}, which cannot be")
    body = file.read_at(start, 8 + count * entry_bytes)
    if struct.unpack_from("<II", body) != (_SKIPPABLE_MAGIC, count * entry_bytes + _FOOTER.size):
        raise ContainerFormatError("the seek table does not begin where its length says")
    numbers = array("I", body[8:])
    if sys.byteorder == "big":
        numbers.byteswap()
    table = SeekTable()
    step = entry_bytes // numbers.itemsize
    table.starts.extend(accumulate(numbers[0::step]))
    table.positions.extend(accumulate(numbers[1::step]))
    if table.starts[-1] != start:
        raise ContainerFormatError(f"the seek table tells of {table.starts[-1]} packed bytes, the file has {start}")
    return table


def scan_seek_table(file: RangedFile) -> tuple[SeekTable, str | None]:
    """The table made by walking over the frames, and what stopped the walk before the end of the file, if anything did."""
    cached = CachedRanges(file)
    table = SeekTable()
    position = 0
    while position < file.size:
        skipped = skippable_length(cached.read_at(position, 8))
        if skipped:
            position += skipped
            continue
        try:
            header = read_frame_header(cached, position)
            end = find_frame_end(cached, position, header)
            content = header.content_bytes
            table.append(end, _count_content(cached, position) if content is None else content, start=position)
        except ContainerFormatError as error:
            return table, error.message
        position = end
    return table, None


def _count_content(file: CachedRanges, start: int) -> int:
    return sum(map(len, FrameDecoder(file, start).pieces()))
