"""Comment packets without the bytes of their pictures, for a table that keeps one for each file that came."""

from __future__ import annotations

import base64
import binascii

from fonoteca.audio.comments import build_comment_packet, parse_comment_packet
from fonoteca.audio.ogg_taken import FindPicture, put_back, read_taken, take_pictures, write_taken
from fonoteca.audio.patch_fields import FieldReader
from fonoteca.ground.errors import AudioFormatError, PatchError

_MARK = b"FONOTECA_PICTURE="
_LARGEST_BYTES = 1 << 30


def shorten_packet(packet: bytes) -> bytes:
    """Put a reference by SHA-256 in the place of each picture that can be written again byte for byte.

    It is a comment FONOTECA_PICTURE with the list of docs/formats/patch.md in base64. What is no comment packet comes back as it is.
    """
    try:
        parsed = parse_comment_packet(packet)
    except AudioFormatError:
        return packet
    if any(comment.startswith(_MARK) for comment in parsed.comments):
        return packet
    comments = [_shorten(comment) for comment in parsed.comments]
    return build_comment_packet(parsed.codec, parsed.vendor, comments, parsed.trailing)


def _shorten(comment: bytes) -> bytes:
    taken = take_pictures((comment,)).taken
    return _MARK + base64.b64encode(write_taken(taken)) if taken else comment


def lengthen_packet(packet: bytes, find_picture: FindPicture) -> bytes:
    """Give the packet as it came. Raises PatchError where a picture is missing."""
    try:
        parsed = parse_comment_packet(packet)
    except AudioFormatError:
        return packet
    comments: list[bytes] = []
    for comment in parsed.comments:
        comments += _lengthen(comment, find_picture)
    return build_comment_packet(parsed.codec, parsed.vendor, comments, parsed.trailing)


def _lengthen(comment: bytes, find_picture: FindPicture) -> tuple[bytes, ...]:
    if not comment.startswith(_MARK):
        return (comment,)
    try:
        taken = read_taken(FieldReader(base64.b64decode(comment[len(_MARK) :], validate=True)))
    except (binascii.Error, PatchError):
        return (comment,)  # it came with a comment of this name
    return put_back((), taken, find_picture, _LARGEST_BYTES)
