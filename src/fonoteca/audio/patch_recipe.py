"""The body of a patch for Ogg: how the old header comes out of the new one; docs/formats/patch.md describes its bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

from fonoteca.audio.comments import CommentPacket, build_comment_packet, parse_comment_packet
from fonoteca.audio.ogg_layout import CommentLayout, FrontPage, build_comment_pages
from fonoteca.audio.ogg_taken import FindPicture, TakenComment, put_back, read_taken, write_taken
from fonoteca.audio.patch_fields import FieldReader, write_bytes, write_number
from fonoteca.ground.errors import AudioFormatError, PatchError

KEEP_FIRST, WHOLE_PACKET, WHOLE_HEADER, PUT_BACK = 0, 1, 2, 3
"""What a recipe says: the first n comments of the member; the old comment packet; all bytes of the old header; the first n comments
with pictures put back among them."""

_DICTIONARY = (
    b"lame LAME3.100 ffmpeg Lavf58.29.100 Lavc58.54.100 libopus libvorbis libopus 1.3.1, libopusenc 0.2.1 opusenc from opus-tools 0.2"
    b"Xiph.Org libVorbis I 20020717 Xiph.Org libVorbis I 20030909 Xiph.Org libVorbis I 20040629 Xiph.Org libVorbis I 20050304 "
    b"AO; aoTuV b5 [20061024] (based on Xiph.Org's libVorbis) AO; aoTuV [20110424] (based on Xiph.Org's libVorbis) "
    b"Xiph.Org libVorbis I 20070622 Xiph.Org libVorbis I 20101101 (Schaufenugget) Xiph.Org libVorbis I 20120203 (Omnipresent) "
    b"Xiph.Org libVorbis I 20150105 (\xe2\x9b\x84\xe2\x9b\x84\xe2\x9b\x84\xe2\x9b\x84)"
    b" Xiph.Org libVorbis I 20180316 (Now 100% fewer shells) "
    b"Xiph.Org libVorbis I 20200704 (Reducing Environment) Lavf59.27.100 Lavc59.37.100 encoder=ENCODER="
    b"METADATA_BLOCK_PICTURE=COVERART=COVERARTMIME=image/jpeg REPLAYGAIN_REFERENCE_LOUDNESS=89.0 dB REPLAYGAIN_ALBUM_GAIN=- dB"
    b"REPLAYGAIN_ALBUM_PEAK=0. REPLAYGAIN_TRACK_GAIN=- dB REPLAYGAIN_TRACK_PEAK=0. R128_TRACK_GAIN=- R128_ALBUM_GAIN=- "
    b"MUSICBRAINZ_ALBUMID=MUSICBRAINZ_ARTISTID=MUSICBRAINZ_TRACKID=MUSICBRAINZ_RELEASETRACKID=BARCODE=ISRC=LABEL=ORGANIZATION=PUBLISHER="
    b"COPYRIGHT=LICENSE=http://creativecommons.org/licenses/by-sa/3.0/ DESCRIPTION=COMMENT=CONTACT=LANGUAGE=COMPOSER=LYRICIST=PERFORMER="
    b"DISCNUMBER=TOTALDISCS=DISCTOTAL=TRACKTOTAL=TOTALTRACKS=ORIGINALDATE=ALBUMARTIST=TRACKNUMBER=GENRE=DATE=20ALBUM=ARTIST=TITLE="
    b"title=artist=album=date=genre=tracknumber=comment=\x03vorbis\x01OpusTags"
)
_PICTURE_WORDS = (
    b"COVERARTMIME=image/pngcoverartmime=COVERARTMIME=image/jpegcoverart=COVERART=" + bytes(3)
    + b"\x04\0\0\0\x0aimage/jpeg\0\0\0\x0aback coverFront CoverAlbum CoverCover (front)folder.jpgcover.jpgfront" + bytes(8)
    + b"\x18metadata_block_picture*\0\0\0\3\0\0\0\x09image/png\0\0\0\0\0\0\3\xe8\0\0\3\xe8\0\0\0\x18\0\0\0\0\0"
    + b"\0\0\2\x58\0\0\2\x58\0\0\0\x18\0\0\0\0\0\0\0\3\x16METADATA_BLOCK_PICTURE*\0\0\0\3\0\0\0\x0aimage/jpeg\0\0\0\0"
    + b"\0\0\1\xf4\0\0\1\xf4\0\0\0\x18\0\0\0\0\0"
)  # fmt: skip
_MEMBER_WINDOW = 28_000
_MOST_BODY_BYTES = 1 << 28


class Recipe(NamedTuple):
    """What to do: `mode` as above; `kept` counts comments; `content` is the packet or the header; `fronts` are the old pages."""

    mode: int
    kept: int
    content: bytes
    fronts: tuple[FrontPage, ...]
    taken: tuple[TakenComment, ...] = ()


def write_recipe(
    old: CommentLayout,
    old_header: bytes,
    new: CommentLayout,
    new_header: bytes,
    taken: tuple[TakenComment, ...] = (),
    find_picture: FindPicture | None = None,
) -> bytes:
    """Write the shortest recipe that gives `old_header` back from `new_header`, proved on these headers.

    Headers reach to the end of the last page with comments; `taken` are comments whose pictures were taken out on the way, which
    `find_picture` gives. Raises AudioFormatError where no recipe leads back.
    """
    for recipe in _candidates(old, old_header, new, taken):
        body = _encode(recipe, new_header)
        try:
            header, _, _ = restore_header(read_recipe(body, new_header, len(old_header)), new, new_header, len(old_header), find_picture)
        except (AudioFormatError, PatchError):
            continue
        if header == old_header:
            return body
    raise AudioFormatError("the old header does not follow from the new one")


def _candidates(old: CommentLayout, old_header: bytes, new: CommentLayout, taken: tuple[TakenComment, ...]) -> Iterable[Recipe]:
    before, after = parse_comment_packet(old.packet), parse_comment_packet(new.packet)
    if taken:
        yield Recipe(PUT_BACK, len(before.comments) - len(taken), b"", old.fronts, taken)
        return
    count = len(before.comments)
    if after.comments[:count] == before.comments and after._replace(comments=before.comments) == before:
        yield Recipe(KEEP_FIRST, count, b"", old.fronts)
    yield Recipe(WHOLE_PACKET, 0, old.packet, old.fronts)
    yield Recipe(WHOLE_HEADER, 0, old_header, old.fronts)


def restore_header(
    recipe: Recipe, layout: CommentLayout, header: bytes, size: int, find_picture: FindPicture | None
) -> tuple[bytes, int, int]:
    """Give the old header, the length of the new one, and the step from new to old page numbers; the original has `size` bytes."""
    step = len(recipe.fronts) - len(layout.fronts)
    if recipe.mode == WHOLE_HEADER:
        return recipe.content, layout.end, step
    packet = recipe.content
    if recipe.mode != WHOLE_PACKET:
        packet = _restore_packet(parse_comment_packet(layout.packet), recipe, size, find_picture)
    return b"".join((header[: layout.start], *build_comment_pages(layout, packet, recipe.fronts))), layout.end, step


def _restore_packet(packet: CommentPacket, recipe: Recipe, size: int, find_picture: FindPicture | None) -> bytes:
    if recipe.kept > len(packet.comments):
        raise PatchError(f"the patch keeps {recipe.kept} comments, its member has {len(packet.comments)}")
    comments = put_back(packet.comments[: recipe.kept], recipe.taken, find_picture, size)
    return build_comment_packet(packet.codec, packet.vendor, comments, packet.trailing)


def _encode(recipe: Recipe, new_header: bytes) -> bytes:
    has_content = recipe.mode in (WHOLE_PACKET, WHOLE_HEADER)
    parts = [write_bytes(recipe.content) if has_content else write_number(recipe.kept)]
    if recipe.mode == PUT_BACK:
        parts.append(write_taken(recipe.taken))
    parts.append(write_number(len(recipe.fronts)))
    for front in recipe.fronts:
        parts += [bytes([front.values]), write_number(front.granule << 1 ^ front.granule >> 63)]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _dictionary(recipe.mode, new_header))
    return bytes([recipe.mode]) + packer.compress(b"".join(parts)) + packer.flush()


def read_recipe(body: bytes, new_header: bytes, size: int) -> Recipe:
    """Read the body of a patch for Ogg whose original has `size` bytes. Raises PatchError or zlib.error."""
    limit = min(size, _MOST_BODY_BYTES) * 2 + 64
    mode = body[0] if body else PUT_BACK + 1
    if mode > PUT_BACK:
        raise PatchError(f"the recipe in the patch has mode {mode}; this version knows modes up to {PUT_BACK}")
    unpacker = zlib.decompressobj(-15, _dictionary(mode, new_header))
    plain = unpacker.decompress(body[1:], limit)
    if not unpacker.eof or unpacker.unused_data:
        raise PatchError("the recipe in the patch is cut, too long, or followed by other bytes")
    fields = FieldReader(plain)
    kept, content = (0, fields.string()) if mode in (WHOLE_PACKET, WHOLE_HEADER) else (fields.number(), b"")
    taken = read_taken(fields) if mode == PUT_BACK else ()
    fronts = tuple(_read_front(fields) for _ in range(fields.number()))
    if not fields.is_at_end:
        raise PatchError(f"the recipe in the patch has {len(plain)} bytes, its fields fewer")
    return Recipe(mode, kept, content, fronts, taken)


def _read_front(fields: FieldReader) -> FrontPage:
    values, granule = fields.take(1)[0], fields.number()
    return FrontPage(values, _signed(granule))


def _signed(number: int) -> int:
    value = number >> 1 ^ -(number & 1)
    if not -(1 << 63) <= value < 1 << 63:
        raise PatchError("a granule position in the patch has more than 64 bits")
    return value


def _dictionary(mode: int, new_header: bytes) -> bytes:
    if mode == PUT_BACK:
        return _DICTIONARY + _PICTURE_WORDS
    if mode == KEEP_FIRST:
        return _DICTIONARY  # so that the patch also fits a member with more comments behind, say a cover
    return new_header[-_MEMBER_WINDOW:] + _DICTIONARY
