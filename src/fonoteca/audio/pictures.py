"""Embedded pictures: what they are by their own bytes, never by what the tag says of them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from typing import NamedTuple

from fonoteca.ground.errors import AudioFormatError
from fonoteca.ground.things import Picture

PICTURE_BYTES_AT_MOST = 64 << 20
_SIZE_FREE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class PictureHead(NamedTuple):
    """Type and size in pixels as the picture's own header has them; 0 by 0 where the header is cut."""

    mime: str
    width: int
    height: int


def sniff_picture(data: bytes) -> PictureHead | None:
    """What the bytes are: JPEG, PNG, GIF or WebP; None for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return PictureHead("image/png", *_big_pair(data[16:24])) if data[12:16] == b"IHDR" else PictureHead("image/png", 0, 0)
    if data[:3] == b"\xff\xd8\xff":
        return PictureHead("image/jpeg", *_jpeg_size(data))
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return PictureHead("image/gif", int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return PictureHead("image/webp", *_webp_size(data[12:34]))
    return None


def make_picture(data: bytes, kind: int = 3, description: str = "") -> Picture:
    """A Picture of these bytes; AudioFormatError where they are no picture or more than 64 MiB."""
    if len(data) > PICTURE_BYTES_AT_MOST:
        raise AudioFormatError(f"a picture of {len(data)} bytes is larger than {PICTURE_BYTES_AT_MOST}")
    head = sniff_picture(data)
    if head is None:
        raise AudioFormatError(f"{len(data)} bytes beginning with {data[:8].hex() or 'nothing'} are no JPEG, PNG, GIF or WebP")
    known_kind = kind if 0 <= kind <= 20 else 0
    return Picture(hashlib.sha256(data).hexdigest(), head.mime, known_kind, description, head.width, head.height, bytes(data))


def read_picture_block(block: bytes) -> Picture:
    """The picture in a FLAC picture block (RFC 9639, section 8.8); AudioFormatError where its lengths lie."""
    _, data, _ = split_picture_block(block)
    mime, at = _read_field(block, 4, "type")
    description, _ = _read_field(block, at, "description")
    if mime == b"-->":
        raise AudioFormatError("the picture block holds only an address, no picture")
    return make_picture(data, int.from_bytes(block[:4], "big"), description.decode("utf-8", "replace"))


def split_picture_block(block: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands in front of the picture's length, the picture, and what follows it; AudioFormatError where lengths lie."""
    _, at = _read_field(block, 4, "type")
    _, at = _read_field(block, at, "description")
    data, end = _read_field(block, at + 16, "picture")
    return block[: at + 16], data, block[end:]


def read_picture_comment(value: str) -> Picture:
    """The picture in the value of a METADATA_BLOCK_PICTURE comment: the block in base64."""
    return read_picture_block(decode_base64(value))


def decode_base64(value: str) -> bytes:
    """The bytes, also where the filling at the end is missing; AudioFormatError where it is no base64."""
    try:
        text = "".join(value.split())
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise AudioFormatError(f"a picture comment is no base64: {error}") from error


def _read_field(block: bytes, at: int, name: str) -> tuple[bytes, int]:
    length = int.from_bytes(block[at : at + 4], "big")
    if at + 4 + length > len(block):
        raise AudioFormatError(f"the {name} in a picture block claims {length} bytes, {max(0, len(block) - at - 4)} are there")
    return block[at + 4 : at + 4 + length], at + 4 + length


def _big_pair(data: bytes) -> tuple[int, int]:
    return struct.unpack(">II", data) if len(data) == 8 else (0, 0)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    frame = find_jpeg_frame(data)
    return (int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")) if frame else (0, 0)


def find_jpeg_frame(data: bytes) -> bytes | None:
    """The first frame header (ITU T.81, B.2.2) from its precision on: precision, height, width, components; None where there is none."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_MARKERS:
            return data[at + 4 : at + 10]
        if marker in _SIZE_FREE_MARKERS or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _webp_size(chunk: bytes) -> tuple[int, int]:
    if len(chunk) < 18:
        return 0, 0
    if chunk[:4] == b"VP8X":
        return int.from_bytes(chunk[12:15], "little") + 1, int.from_bytes(chunk[15:18], "little") + 1
    if chunk[:4] == b"VP8L":
        packed = int.from_bytes(chunk[9:13], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return int.from_bytes(chunk[14:16], "little") & 0x3FFF, int.from_bytes(chunk[16:18], "little") & 0x3FFF
