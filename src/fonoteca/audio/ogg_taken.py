"""Picture comments taken out of a file and put back exactly: what is left of each is the picture's SHA-256 and the words around it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from fonoteca.audio.patch_fields import FieldReader, write_bytes, write_number
from fonoteca.audio.pictures import decode_base64, make_picture, split_picture_block
from fonoteca.ground.errors import AudioFormatError, PatchError

FindPicture = Callable[[str], bytes | None]
"""Gives the bytes of a picture by its SHA-256 in lower-case hex, None where it is not to be had."""

PICTURE, BLOCK, UNFILLED, WRAPPED, CLOSED = 1, 2, 4, 8, 16
"""Bits of a form: a picture, not plain words; in a FLAC picture block; base64 without "=" at its end; in lines; the last one ended."""

_MOST_WORDS = 1_000  # bytes; a comment with more than this around its picture stays where it is


class TakenComment(NamedTuple):
    """One comment that was taken out. `gap` counts the comments left in the file since the one taken out before it.

    Without PICTURE in `form`, `text` is the comment. Else `text` is its name as written; `sha256` the picture's digest; `before` is
    what the picture block has in front of the picture's length, `after` what follows the picture; `width` and `line_end` are those
    of the lines of base64.
    """

    gap: int
    form: int
    text: bytes
    before: bytes = b""
    after: bytes = b""
    width: int = 0
    line_end: bytes = b""
    sha256: bytes = b""


class PictureReference(NamedTuple):
    """A picture that stands elsewhere, by its SHA-256 in hex; kind and description as in Picture."""

    sha256: str
    kind: int
    description: str


class Parting(NamedTuple):
    """Comments that stay, those taken out, and the pictures of these by their SHA-256 in hex."""

    kept: tuple[bytes, ...]
    taken: tuple[TakenComment, ...] = ()
    pictures: Mapping[str, bytes] = MappingProxyType({})


def take_pictures(comments: Sequence[bytes], find_picture: FindPicture | None = None) -> Parting:
    """Take out readable pictures that can be written again byte for byte; COVERARTMIME goes with the last COVERART.

    With `find_picture` only pictures that it gives are taken.
    """
    pictures: dict[str, bytes] = {}
    found = {number: one for number, comment in enumerate(comments) if (one := _take(comment, find_picture, pictures))}
    names = [_name_of(comment) for comment in comments]
    if "coverart" in names and all(number in found for number, name in enumerate(names) if name == "coverart"):
        words = {number: comment for number, comment in enumerate(comments) if names[number] == "coverartmime"}
        found |= {number: TakenComment(0, 0, comment) for number, comment in words.items() if len(comment) <= _MOST_WORDS}
    taken, gap = [], 0
    for number in range(len(comments)):
        if number in found:
            taken.append(found[number]._replace(gap=gap))
        gap = 0 if number in found else gap + 1
    return Parting(tuple(comment for number, comment in enumerate(comments) if number not in found), tuple(taken), pictures)


def _name_of(comment: bytes) -> str:
    return comment.partition(b"=")[0].decode("utf-8", "replace").strip().lower() if b"=" in comment else ""


def _take(comment: bytes, find_picture: FindPicture | None, pictures: dict[str, bytes]) -> TakenComment | None:
    name = _name_of(comment)
    if name not in ("metadata_block_picture", "coverart"):
        return None
    key, _, value = comment.partition(b"=")
    try:
        content = decode_base64(value.decode("ascii", "replace"))
        before, picture, after = split_picture_block(content) if name != "coverart" else (b"", content, b"")
        make_picture(picture)
    except AudioFormatError:
        return None  # the reader of tags tells it as bad-picture
    digest = sha256(picture)
    form, width, line_end = _form_of(value)
    taken = TakenComment(0, form | PICTURE | (BLOCK if name != "coverart" else 0), key, before, after, width, line_end, digest.digest())
    is_short = len(key) + len(before) + len(after) + len(line_end) <= _MOST_WORDS
    if not is_short or not _is_exact(taken, picture, comment) or (find_picture and find_picture(digest.hexdigest()) != picture):
        return None
    pictures[digest.hexdigest()] = picture
    return taken


def _is_exact(taken: TakenComment, picture: bytes, comment: bytes) -> bool:
    try:
        return _write_comment(taken, picture, len(comment)) == comment
    except PatchError:
        return False


def _form_of(value: bytes) -> tuple[int, int, bytes]:
    """How base64 is written down: the form's bits, and width and end of its lines."""
    lines = value.split(maxsplit=1)
    width = len(lines[0]) if lines else 0
    line_end = value[width : len(value) - len(lines[1])] if len(lines) > 1 else value[width:]
    form = 0 if value.rstrip().endswith(b"=") or len(b"".join(value.split())) % 4 == 0 else UNFILLED
    if not line_end:
        return form, 0, b""
    return form | WRAPPED | (CLOSED if value.endswith(line_end) else 0), width, line_end


def _write_comment(taken: TakenComment, picture: bytes, most_bytes: int) -> bytes:
    """The comment as it was, with its picture."""
    if not taken.form & PICTURE:
        return taken.text
    block = taken.before + len(picture).to_bytes(4, "big") + picture + taken.after if taken.form & BLOCK else picture
    value = base64.b64encode(block)
    if taken.form & UNFILLED:
        value = value.rstrip(b"=")
    if taken.form & WRAPPED:
        width = max(1, taken.width)
        if len(value) // width * len(taken.line_end) > most_bytes:
            raise PatchError(f"the patch puts ends of {len(taken.line_end)} bytes behind lines of {width} in a picture")
        value = taken.line_end.join(value[start : start + width] for start in range(0, len(value), width))
        value += taken.line_end if taken.form & CLOSED else b""
    return taken.text + b"=" + value


def put_back(kept: Sequence[bytes], taken: Sequence[TakenComment], find_picture: FindPicture | None, most_bytes: int) -> tuple[bytes, ...]:
    """The comments as they were. Raises PatchError where a picture is missing or another, or more than `most_bytes` would come back."""
    comments: list[bytes] = []
    used = size = 0
    for one in taken:
        comments += kept[used : used + one.gap]
        used += one.gap
        comments.append(_write_comment(one, _fetch(one.sha256, find_picture) if one.form & PICTURE else b"", most_bytes))
        size += len(comments[-1])
        if used > len(kept) or size > most_bytes:
            raise PatchError(f"the patch puts back {size} bytes among {len(kept)} comments, more than the original has")
    return (*comments, *kept[used:])


def _fetch(digest: bytes, find_picture: FindPicture | None) -> bytes:
    picture = find_picture(digest.hex()) if find_picture else None
    if picture is None:
        raise PatchError(
            f"the picture with SHA-256 {digest.hex()} is not there", "It is a member of a covers container: take that from the torrent."
        )
    if sha256(picture).digest() != digest:
        raise PatchError(
            f"the picture with SHA-256 {digest.hex()} now has {sha256(picture).hexdigest()}", "It is damaged: verify its container."
        )
    return picture


def refer_to(taken: Sequence[TakenComment]) -> Iterator[PictureReference]:
    """The pictures that were taken out, in order."""
    for one in taken:
        if one.form & PICTURE:
            kind, description = 3, b""
            if one.form & BLOCK:
                at = 8 + int.from_bytes(one.before[4:8], "big")
                length = int.from_bytes(one.before[at : at + 4], "big")
                kind, description = int.from_bytes(one.before[:4], "big"), one.before[at + 4 : at + 4 + length]
            yield PictureReference(one.sha256.hex(), kind, description.decode("utf-8", "replace"))


def write_taken(taken: Sequence[TakenComment]) -> bytes:
    """Write the list down as docs/formats/patch.md says."""
    parts = [write_number(len(taken))]
    for one in taken:
        parts += [write_number(one.gap), bytes([one.form]), write_bytes(one.text)]
        if one.form & BLOCK:
            parts += [write_bytes(one.before), write_bytes(one.after)]
        if one.form & WRAPPED:
            parts += [write_number(one.width), write_bytes(one.line_end)]
        parts.append(one.sha256)
    return b"".join(parts)


def read_taken(fields: FieldReader) -> tuple[TakenComment, ...]:
    """Read the list. Raises PatchError."""
    return tuple(_read_one(fields) for _ in range(fields.number()))


def _read_one(fields: FieldReader) -> TakenComment:
    gap, form, text = fields.number(), fields.take(1)[0], fields.string()
    before, after = (fields.string(), fields.string()) if form & BLOCK else (b"", b"")
    width, line_end = (fields.number(), fields.string()) if form & WRAPPED else (0, b"")
    if form >= CLOSED << 1 or (form and not form & PICTURE):
        raise PatchError(f"a comment in the patch has form {form}, which this version does not know")
    return TakenComment(gap, form, text, before, after, width, line_end, fields.take(32) if form & PICTURE else b"")
