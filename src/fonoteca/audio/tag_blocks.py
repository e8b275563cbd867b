"""Where tags lie around and inside an audio stream: ID3v1, ID3v2, APEv2 and Lyrics3 at either end."""

from __future__ import annotations

from typing import Literal

import msgspec

from fonoteca.audio.byte_source import ByteSource

BlockKind = Literal["vorbis-comments", "picture", "id3", "id3v1", "ape", "lyrics3", "info", "mp4"]


class TagBlock(msgspec.Struct, frozen=True):
    """One stretch of a file that holds tags. `id3` starts at its own "ID3", `info` after "INFO", `mp4` is the whole file."""

    kind: BlockKind
    offset: int
    size: int


def id3_size(header: bytes) -> int | None:
    """Bytes of the ID3v2 tag that starts with these ten bytes, header and footer counted; None where there is none."""
    if len(header) < 10 or header[:3] != b"ID3" or header[3] == 255 or any(byte & 0x80 for byte in header[6:10]):
        return None
    size = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
    return size + (20 if header[3] == 4 and header[5] & 0x10 else 10)


def find_leading_tags(source: ByteSource) -> tuple[int, tuple[TagBlock, ...]]:
    """The offset after all ID3v2 tags at the start (possibly past the end of a cut file), and those tags."""
    offset = 0
    blocks: list[TagBlock] = []
    while len(blocks) < 16 and (size := id3_size(source.read(offset, 10))) is not None:
        blocks.append(TagBlock("id3", offset, min(size, source.size - offset)))
        offset += size
    return offset, tuple(blocks)


def find_trailing_tags(source: ByteSource, start: int) -> tuple[int, tuple[TagBlock, ...]]:
    """The offset where tags at the end begin, none before `start`, and those tags from the last to the first."""
    end = source.size
    blocks: list[TagBlock] = []
    while len(blocks) < 16 and (block := _last_tag(source, end)) is not None and block.offset >= start:
        blocks.append(block)
        end = block.offset
    return end, tuple(blocks)


def _last_tag(source: ByteSource, end: int) -> TagBlock | None:
    if source.read(end - 128, 3) == b"TAG" and end >= 128:
        extended = end >= 355 and source.read(end - 355, 4) == b"TAG+"
        return TagBlock("id3v1", end - (355 if extended else 128), 355 if extended else 128)
    tail = source.read(end - 32, 32) if end >= 32 else b""
    if tail[:8] == b"APETAGEX":
        size = int.from_bytes(tail[12:16], "little") + (32 if tail[23] & 0x80 else 0)
        return TagBlock("ape", end - size, size) if 32 <= size <= end else None
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        size = int(tail[-15:-9]) + 15
        return TagBlock("lyrics3", end - size, size) if size <= end else None
    if tail[-9:] == b"LYRICSEND":
        place = source.read(max(0, end - 5120), min(5120, end)).rfind(b"LYRICSBEGIN")
        return TagBlock("lyrics3", max(0, end - 5120) + place, end - max(0, end - 5120) - place) if place >= 0 else None
    if tail[-10:-7] == b"3DI" and (whole := id3_size(b"ID3" + tail[-7:])) is not None:
        return TagBlock("id3", end - whole, whole) if whole <= end and source.read(end - whole, 3) == b"ID3" else None
    return None
