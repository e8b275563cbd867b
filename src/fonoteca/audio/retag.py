"""Tags written into Ogg Vorbis and Ogg Opus page-faithfully: every audio page keeps granule position, flags, lacing and body.

As long as the comments fit into as many pages as before, audio pages pass through as they are; else only their numbers and
checksums change. One pass gives the new file, all its digests and a proved patch back to the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from fonoteca.audio.byte_source import WHOLE_BYTES_AT_MOST
from fonoteca.audio.comments import build_comment_packet, merge_comments, parse_comment_packet
from fonoteca.audio.ogg_layout import CommentLayout, build_comment_pages, choose_fronts, find_layout, read_layout, shift_pages
from fonoteca.audio.ogg_pictures import merge_pictures
from fonoteca.audio.ogg_structure import Examination, examine_ogg
from fonoteca.audio.ogg_taken import FindPicture, Parting, PictureReference, refer_to, take_pictures
from fonoteca.audio.patches import build_ogg_patch, restore_ogg_header
from fonoteca.ground.errors import AudioFormatError, PatchError
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import Picture

_PATCH_HEADER_BYTES = 41


class Retagged(msgspec.Struct, frozen=True):
    """A file with its new tags, as parts to be written one after the other; `patch` turns it back into the source.

    Digests are lower-case hex; `sha256` and `size` are those of the new file. `findings` are those of the source;
    `pictures` were taken out of it: the patch needs them.
    """

    parts: tuple[bytes | memoryview, ...]
    size: int
    sha256: str
    source_sha256: str
    essence_sha256: str
    patch: bytes
    findings: tuple[Finding, ...] = ()
    pictures: tuple[PictureReference, ...] = ()

    @property
    def content(self) -> bytes:
        """The new file in one piece."""
        return b"".join(self.parts)


def retag_ogg(
    source: bytes,
    additions: Sequence[tuple[str, str]],
    pictures: Sequence[Picture] = (),
    *,
    path: str,
    strip_pictures: bool = False,
    find_picture: FindPicture | None = None,
) -> Retagged:
    """Append tags (key, value) and pictures to the comments of an Ogg file; what stands there stays, in order.

    With `strip_pictures` the pictures that stand there are taken out, where they can be put back byte for byte; with
    `find_picture` too, only those that it gives.
    Raises AudioFormatError where the file cannot be retagged safely (damaged, chained, multiplexed, odd headers, over 256 MiB),
    PatchError where the way back cannot be proved: then it is kept as it came.
    """
    if len(source) > WHOLE_BYTES_AT_MOST:
        raise AudioFormatError(f"{path} has {len(source)} bytes; files over {WHOLE_BYTES_AT_MOST} keep their tags")
    examination = examine_ogg(source, path)
    essence = _require_soundness(examination, path)
    old = _layout_of(source, examination)
    parsed = parse_comment_packet(old.packet)
    parting = take_pictures(parsed.comments, find_picture) if strip_pictures else Parting(parsed.comments)
    comments = merge_pictures(merge_comments(parting.kept, additions), pictures)
    packet = build_comment_packet(parsed.codec, parsed.vendor, comments, parsed.trailing)
    fronts = choose_fronts(old, packet) if packet != old.packet else old.fronts
    step = len(fronts) - len(old.fronts)
    rest = shift_pages(memoryview(source)[old.end :], step)
    header = b"".join((source[: old.start], *build_comment_pages(old, packet, fronts)))
    digest = sha256(source)
    patch = _prove(source, digest.digest(), old, header, rest, step, parting)
    member = sha256(header)
    member.update(rest)
    return Retagged(
        parts=(header, rest),
        size=len(header) + len(rest),
        sha256=member.hexdigest(),
        source_sha256=digest.hexdigest(),
        essence_sha256=essence,
        patch=patch,
        findings=examination.structure.findings,
        pictures=tuple(refer_to(parting.taken)),
    )


def _require_soundness(examination: Examination, path: str) -> str:
    structure = examination.structure
    if not structure.can_be_retagged or structure.essence_sha256 is None:
        facts = "; ".join(f"{found.code}: {found.fact}" for found in structure.findings)
        raise AudioFormatError(f"{path} cannot be retagged: {facts or 'it has no comment packet'}", "It is kept as it came.")
    return structure.essence_sha256


def _layout_of(source: bytes, examination: Examination) -> CommentLayout:
    one = examination.audio[0]
    if one.comment is None:
        raise AudioFormatError("there is no comment packet")
    return find_layout(source, one.stream.pages, one.comment)


def _prove(source: bytes, digest: bytes, old: CommentLayout, header: bytes, rest: bytes | memoryview, step: int, parting: Parting) -> bytes:
    """Make the patch and take the way back once, as `apply_patch` would; pages that are the same bytes need no second look."""
    find = parting.pictures.get
    patch = build_ogg_patch(digest, len(source), old, source, read_layout(header), header, parting.taken, find)
    restored, _, back = restore_ogg_header(header, patch[_PATCH_HEADER_BYTES:], len(source), find)
    is_same = restored == source[: old.end] and back == -step
    if not is_same or (step and shift_pages(rest, back) != source[old.end :]):
        raise PatchError("the patch does not restore the source", "The file is kept as it came.")
    return patch
