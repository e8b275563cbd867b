"""Zstandard frames one by one: where each ends, what it says of itself, and its content in small pieces (RFC 8878)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from fonoteca.containers.stores import RangedFile
from fonoteca.ground.errors import ContainerFormatError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
WINDOW_LOG = 27
"""The largest window that is decoded: 128 MiB, as `zstd -d` without --long."""

PIECE_BYTES = 1 << 20
_FEED_BYTES = 1 << 17
_CACHE_BYTES = 1 << 20
_LARGEST_BLOCK = 1 << 17


class CachedRanges:
    """A ranged file read a mebibyte at a time, for readers that go forward in small steps."""

    def __init__(self, file: RangedFile) -> None:
        self._file = file
        self._start = 0
        self._cache = b""
        self.size = file.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""
        begin = offset - self._start
        if begin < 0 or begin + length > len(self._cache):
            self._cache = self._file.read_at(offset, max(length, _CACHE_BYTES))
            self._start, begin = offset, 0
        return self._cache[begin : begin + length]


class FrameHeader(msgspec.Struct, frozen=True):
    """What the head of a frame says; `content_bytes` None where it does not say."""

    header_bytes: int
    content_bytes: int | None
    has_checksum: bool


def skippable_length(head: bytes) -> int | None:
    """All bytes of the skippable frame that begins with `head`, or None where it is none."""
    if len(head) < 8 or head[1:4] != b"\x2a\x4d\x18" or head[0] & 0xF0 != 0x50:
        return None
    return 8 + int.from_bytes(head[4:8], "little")


def is_zstandard(head: bytes) -> bool:
    """Whether a file that begins with `head` is Zstandard, and not plain text."""
    return head[:4] == FRAME_MAGIC or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50)


def read_frame_header(file: RangedFile | CachedRanges, start: int) -> FrameHeader:
    """The header of the frame at `start`; ContainerFormatError where there is none."""
    head = file.read_at(start, 18)
    if head[:4] != FRAME_MAGIC or len(head) < 6:
        raise ContainerFormatError(f"no Zstandard frame at byte {start}")
    descriptor = head[4]
    is_single = bool(descriptor & 0x20)
    flag = descriptor >> 6
    size_bytes = (1 if is_single else 0, 2, 4, 8)[flag]
    size_at = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    if len(head) < size_at + size_bytes:
        raise ContainerFormatError(f"the Zstandard frame at byte {start} is cut in its header")
    content = int.from_bytes(head[size_at : size_at + size_bytes], "little") + (256 if flag == 1 else 0)
    return FrameHeader(size_at + size_bytes, content if size_bytes else None, bool(descriptor & 4))


def find_frame_end(file: RangedFile | CachedRanges, start: int, header: FrameHeader) -> int:
    """Where the frame at `start` ends, by stepping over its blocks without decoding; ContainerFormatError where it is cut."""
    position = start + header.header_bytes
    is_last = False
    while not is_last:
        block = int.from_bytes(head := file.read_at(position, 3), "little")
        kind, length, is_last = block >> 1 & 3, block >> 3, bool(block & 1)
        if len(head) < 3 or kind == 3 or length > _LARGEST_BLOCK:
            raise ContainerFormatError(f"the Zstandard frame at byte {start} is cut or damaged at byte {position}")
        position += 3 + (1 if kind == 1 else length)
    position += 4 * header.has_checksum
    if position > file.size:
        raise ContainerFormatError(f"the Zstandard frame at byte {start} is cut: it needs {position - file.size} bytes more")
    return position


class FrameDecoder:
    """The content of one frame, in pieces of at most a mebibyte whatever the frame claims; then `end` says where it ended."""

    def __init__(self, file: RangedFile | CachedRanges, start: int) -> None:
        self._file = file
        self._start = start
        self.end: int | None = None

    def pieces(self) -> Iterator[bytes]:
        """Decoded pieces; ContainerFormatError where the frame is damaged or cut, its checksum included."""
        options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
        decoder = zstd.ZstdDecompressor(options=options)
        position = self._start
        while not decoder.eof:
            feed = self._file.read_at(position, _FEED_BYTES) if decoder.needs_input else b""
            if decoder.needs_input and not feed:
                raise ContainerFormatError(f"the Zstandard frame at byte {self._start} is cut at byte {position}")
            position += len(feed)
            try:
                piece = decoder.decompress(feed, PIECE_BYTES)
            except zstd.ZstdError as error:
                raise ContainerFormatError(f"the Zstandard frame at byte {self._start} is damaged: {error}") from error
            if piece:
                yield piece
        self.end = position - len(decoder.unused_data)


def compress_frame(content: bytes, level: int) -> bytes:
    """One frame with its content size and checksum; the same bytes for the same input and libzstd."""
    parameter = zstd.CompressionParameter
    options = {
        int(parameter.compression_level): level,
        int(parameter.content_size_flag): 1,
        int(parameter.checksum_flag): 1,
        int(parameter.dict_id_flag): 0,
    }
    return zstd.compress(content, options=options)
