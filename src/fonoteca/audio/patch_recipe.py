"""The body of a patch for Ogg: how the old header comes out of the new one; docs/formats/patch.md describes its bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

from fonoteca.audio.comments import CommentPacket, build_comment_packet, parse_comment_packet
from fonoteca.audio.ogg_layout import CommentLayout, FrontPage, build_comment_pages
from fonoteca.ground.errors import AudioFormatError, PatchError

KEEP_FIRST, WHOLE_PACKET, WHOLE_HEADER = 0, 1, 2
"""What a recipe says: the first n comments of the member; the old comment packet; all bytes of the old header."""

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
_MEMBER_WINDOW = 28_000
_MOST_BODY_BYTES = 1 << 28


class Recipe(NamedTuple):
    """What to do: `mode` as above; `kept` counts comments; `content` is the packet or the header; `fronts` are the old pages."""

    mode: int
    kept: int
    content: bytes
    fronts: tuple[FrontPage, ...]


def write_recipe(old: CommentLayout, old_header: bytes, new: CommentLayout, new_header: bytes) -> bytes:
    """Write the shortest recipe that gives `old_header` back from `new_header`, proved on these headers.

    Headers reach to the end of the last page with comments. Raises AudioFormatError where none does.
    """
    for recipe in _candidates(old, old_header, new):
        body = _encode(recipe, new_header)
        try:
            header, _, _ = restore_header(read_recipe(body, new_header, len(old_header)), new, new_header)
        except (AudioFormatError, PatchError):
            continue
        if header == old_header:
            return body
    raise AudioFormatError("the old header does not follow from the new one")


def _candidates(old: CommentLayout, old_header: bytes, new: CommentLayout) -> Iterable[Recipe]:
    before, after = parse_comment_packet(old.packet), parse_comment_packet(new.packet)
    count = len(before.comments)
    if after.comments[:count] == before.comments and after._replace(comments=before.comments) == before:
        yield Recipe(KEEP_FIRST, count, b"", old.fronts)
    yield Recipe(WHOLE_PACKET, 0, old.packet, old.fronts)
    yield Recipe(WHOLE_HEADER, 0, old_header, old.fronts)


def restore_header(recipe: Recipe, layout: CommentLayout, header: bytes) -> tuple[bytes, int, int]:
    """Give the old header, the length of the new one, and the step from new to old page numbers."""
    step = len(recipe.fronts) - len(layout.fronts)
    if recipe.mode == WHOLE_HEADER:
        return recipe.content, layout.end, step
    packet = recipe.content
    if recipe.mode == KEEP_FIRST:
        packet = _keep_first(parse_comment_packet(layout.packet), recipe.kept)
    return b"".join((header[: layout.start], *build_comment_pages(layout, packet, recipe.fronts))), layout.end, step


def _keep_first(packet: CommentPacket, count: int) -> bytes:
    if count > len(packet.comments):
        raise PatchError(f"the patch keeps {count} comments, its member has {len(packet.comments)}")
    return build_comment_packet(packet.codec, packet.vendor, packet.comments[:count], packet.trailing)


def _encode(recipe: Recipe, new_header: bytes) -> bytes:
    parts: list[bytes] = []
    if recipe.mode == KEEP_FIRST:
        parts.append(_write_number(recipe.kept))
    else:
        parts += [_write_number(len(recipe.content)), recipe.content]
    parts.append(_write_number(len(recipe.fronts)))
    for front in recipe.fronts:
        parts += [bytes([front.values]), _write_number(front.granule << 1 ^ front.granule >> 63)]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _dictionary(recipe.mode, new_header))
    return bytes([recipe.mode]) + packer.compress(b"".join(parts)) + packer.flush()


def read_recipe(body: bytes, new_header: bytes, size: int) -> Recipe:
    """Read the body of a patch for Ogg whose original has `size` bytes. Raises PatchError or zlib.error."""
    limit = min(size, _MOST_BODY_BYTES) * 2 + 64
    mode = body[0] if body else WHOLE_HEADER + 1
    unpacker = zlib.decompressobj(-15, _dictionary(mode, new_header))
    plain = unpacker.decompress(body[1:], limit)
    if not unpacker.eof or unpacker.unused_data:
        raise PatchError("the recipe in the patch is cut, too long, or followed by other bytes")
    number, position = _read_number(plain, 0)
    content = b""
    if mode != KEEP_FIRST:
        content, position = plain[position : position + number], position + number
    if mode > WHOLE_HEADER or position > len(plain):
        raise PatchError(f"the recipe in the patch has mode {mode} and {len(plain)} bytes, which make no sense")
    return Recipe(mode, number if mode == KEEP_FIRST else 0, content, _read_fronts(plain, position))


def _read_fronts(plain: bytes, position: int) -> tuple[FrontPage, ...]:
    count, position = _read_number(plain, position)
    fronts = []
    for _ in range(count):
        granule, following = _read_number(plain, position + 1)
        fronts.append(FrontPage(plain[position], _signed(granule)))
        position = following
    if position != len(plain):
        raise PatchError(f"the recipe in the patch has {len(plain)} bytes, its fields {position}")
    return tuple(fronts)


def _signed(number: int) -> int:
    value = number >> 1 ^ -(number & 1)
    if not -(1 << 63) <= value < 1 << 63:
        raise PatchError("a granule position in the patch has more than 64 bits")
    return value


def _dictionary(mode: int, new_header: bytes) -> bytes:
    if mode == KEEP_FIRST:
        return _DICTIONARY  # so that the patch also fits a member with more comments behind, say a cover
    return new_header[-_MEMBER_WINDOW:] + _DICTIONARY


def _write_number(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _read_number(plain: bytes, position: int) -> tuple[int, int]:
    number, shift = 0, 0
    while position < len(plain) and shift < 70:
        number |= (plain[position] & 127) << shift
        position, shift = position + 1, shift + 7
        if plain[position - 1] < 128:
            return number, position
    raise PatchError("a number in the patch has no end")
