"""Pictures in Ogg comments: METADATA_BLOCK_PICTURE, a FLAC picture block (RFC 9639, section 8.8) in base64."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from hashlib import sha256

from fonoteca.audio.pictures import find_jpeg_frame, read_picture_comment
from fonoteca.ground.errors import AudioFormatError
from fonoteca.ground.things import Picture

PICTURE_KEY = b"METADATA_BLOCK_PICTURE"
_LENGTH = struct.Struct(">I")
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def picture_block(picture: Picture) -> bytes:
    """Give the value of a METADATA_BLOCK_PICTURE comment.

    Bits per pixel and colours are read from the picture's own header: checkers compare them with the picture.
    """
    mime, description = picture.mime.encode("ascii", "replace"), picture.description.encode("utf-8", "replace")
    depth, colours = _read_depth(picture.data)
    parts = [_LENGTH.pack(picture.kind), _LENGTH.pack(len(mime)), mime, _LENGTH.pack(len(description)), description]
    parts += [struct.pack(">5I", picture.width, picture.height, depth, colours, len(picture.data)), picture.data]
    return base64.b64encode(b"".join(parts))


def find_pictures(comments: Sequence[bytes]) -> list[Picture]:
    """Give the pictures in METADATA_BLOCK_PICTURE comments; broken ones are left out."""
    pictures = []
    for comment in comments:
        key, _, value = comment.partition(b"=")
        if key.upper() == PICTURE_KEY:
            try:
                pictures.append(read_picture_comment(value.decode("ascii", "replace")))
            except AudioFormatError:
                continue  # the reader of tags tells it as bad-picture
    return pictures


def merge_pictures(existing: Sequence[bytes], pictures: Sequence[Picture]) -> tuple[bytes, ...]:
    """Append pictures as comments, leaving out those whose bytes are embedded already."""
    if not pictures:
        return tuple(existing)
    present = {picture.sha256 for picture in find_pictures(existing)}
    merged = list(existing)
    for picture in pictures:
        digest = sha256(picture.data).hexdigest()
        if digest not in present:
            present.add(digest)
            merged.append(PICTURE_KEY + b"=" + picture_block(picture))
    return tuple(merged)


def _read_depth(data: bytes) -> tuple[int, int]:
    """Bits per pixel, and the number of colours where the picture has a palette, else 0."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 26:
        if data[25] == 3:
            palette = data.find(b"PLTE")
            return 24, int.from_bytes(data[palette - 4 : palette], "big") // 3 if palette > 0 else 0
        return data[24] * _PNG_CHANNELS.get(data[25], 3), 0
    if data[:3] == b"\xff\xd8\xff":
        frame = find_jpeg_frame(data)
        return frame[0] * frame[5] if frame else 24, 0  # sample precision times components
    if data[:4] == b"GIF8" and len(data) > 10:
        return 24, 2 << (data[10] & 7)
    return 24, 0
