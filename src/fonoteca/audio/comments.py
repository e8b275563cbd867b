"""Vorbis comments as raw bytes: the packet of Ogg Vorbis and OpusTags, taken apart and put together without changing a byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Literal, NamedTuple

from fonoteca.ground.errors import AudioFormatError

Codec = Literal["vorbis", "opus"]
_MAGIC: dict[str, bytes] = {"vorbis": b"\x03vorbis", "opus": b"OpusTags"}
_LENGTH = struct.Struct("<I")


class CommentPacket(NamedTuple):
    """A comment packet in its parts, byte for byte. `trailing` follows the comments: framing bit, padding, binary data."""

    codec: Codec
    vendor: bytes
    comments: tuple[bytes, ...]
    trailing: bytes


def parse_comment_packet(packet: bytes) -> CommentPacket:
    """Take a comment packet apart (Vorbis I, section 5; RFC 7845, section 5.2).

    Comments may be anything, also without "=" and in bad UTF-8. Raises AudioFormatError where a length lies.
    """
    codec: Codec = "opus" if packet.startswith(_MAGIC["opus"]) else "vorbis"
    if not packet.startswith(_MAGIC[codec]):
        raise AudioFormatError("the second packet holds no comments: it begins with neither \\x03vorbis nor OpusTags")
    vendor, position = _read_field(packet, len(_MAGIC[codec]), "vendor")
    count, position = _read_number(packet, position, "number of comments")
    if count > (len(packet) - position) // 4:
        raise AudioFormatError(f"the comment packet claims {count} comments and has {len(packet) - position} bytes for them")
    comments = []
    for number in range(count):
        comment, position = _read_field(packet, position, f"comment {number + 1}")
        comments.append(comment)
    return CommentPacket(codec, vendor, tuple(comments), packet[position:])


def _read_number(packet: bytes, position: int, name: str) -> tuple[int, int]:
    if position + 4 > len(packet):
        raise AudioFormatError(f"the comment packet ends before its {name}, after {len(packet)} bytes")
    return _LENGTH.unpack_from(packet, position)[0], position + 4


def _read_field(packet: bytes, position: int, name: str) -> tuple[bytes, int]:
    length, position = _read_number(packet, position, name)
    if length > len(packet) - position:
        raise AudioFormatError(f"{name} claims {length} bytes, {len(packet) - position} are left in the comment packet")
    return packet[position : position + length], position + length


def build_comment_packet(codec: Codec, vendor: bytes, comments: Sequence[bytes], trailing: bytes | None = None) -> bytes:
    """Put a comment packet together; `trailing` None gives what the codec asks for: a framing byte in Vorbis, nothing in Opus."""
    parts = [_MAGIC[codec], _LENGTH.pack(len(vendor)), vendor, _LENGTH.pack(len(comments))]
    for comment in comments:
        parts += (_LENGTH.pack(len(comment)), comment)
    default = b"\x01" if codec == "vorbis" else b""
    return b"".join((*parts, default if trailing is None else trailing))


def find_odd_comments(comments: Sequence[bytes]) -> list[str]:
    """Say how many comments have no "=" and how many are no UTF-8; empty where all are well formed."""
    facts = []
    bare = sum(1 for comment in comments if b"=" not in comment)
    if bare:
        facts.append(f"{bare} of {len(comments)} comments have no '='")
    bad = sum(1 for comment in comments if not _is_utf8(comment))
    if bad:
        facts.append(f"{bad} of {len(comments)} comments are not UTF-8")
    return facts


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def merge_comments(existing: Sequence[bytes], additions: Sequence[tuple[str, str]]) -> tuple[bytes, ...]:
    """Append `additions` (key, value) behind the existing comments, which stay exactly as they are and in order.

    An addition adds nothing where its key (in any case) stands already with the same value. Raises AudioFormatError
    for a key that the format cannot hold.
    """
    present = {_folded(comment) for comment in existing}
    merged = list(existing)
    for key, value in additions:
        comment = _build_comment(key, value)
        if _folded(comment) not in present:
            present.add(_folded(comment))
            merged.append(comment)
    return tuple(merged)


def _folded(comment: bytes) -> tuple[bytes, bytes]:
    key, _, value = comment.partition(b"=")
    return key.upper(), value


def _build_comment(key: str, value: str) -> bytes:
    if not key or not all(" " <= character <= "}" and character != "=" for character in key):
        raise AudioFormatError(f"{key!r} cannot be the name of a tag", "Names have the characters from space to } without =.")
    return key.upper().encode("ascii") + b"=" + value.encode("utf-8", "replace")
