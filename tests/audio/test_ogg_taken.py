"""Covers taken out of kept files: the file comes back byte for byte, or the missing picture is named."""

from __future__ import annotations

import base64
import struct
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ogg_builder import opus_comments, opus_file, png, real_file, vorbis_comments, vorbis_file

from fonoteca.audio.comments import parse_comment_packet
from fonoteca.audio.ogg_pictures import find_pictures, picture_block
from fonoteca.audio.ogg_structure import read_ogg_structure
from fonoteca.audio.ogg_taken import put_back, read_taken, take_pictures, write_taken
from fonoteca.audio.patch_fields import FieldReader
from fonoteca.audio.patch_recipe import _DICTIONARY, _PICTURE_WORDS
from fonoteca.audio.patches import apply_patch, pictures_of_patch
from fonoteca.audio.pictures import make_picture
from fonoteca.audio.retag import Retagged, retag_ogg
from fonoteca.audio.short_packets import lengthen_packet, shorten_packet
from fonoteca.ground.errors import PatchError

TAGS = [("TITLE", "Een lied"), ("FONOTECA_ID", "7qVvkTbHF4bPZJ6vZBdqZ9")]
FRONT, BACK = png(300, 300, 90_000), png(20, 20, 40_000)
BLOCK = picture_block(make_picture(FRONT, 3, "front"))


def strip(data: bytes) -> Retagged:
    """Retag without pictures."""
    return retag_ogg(data, TAGS, path="x.ogg", strip_pictures=True)


def shelf(*pictures: bytes) -> dict[str, bytes]:
    """Pictures by their SHA-256."""
    return {sha256(picture).hexdigest(): picture for picture in pictures}


def comments_of(data: bytes) -> tuple[bytes, ...]:
    """The comments of an Ogg file."""
    return parse_comment_packet(read_ogg_structure(data, "x").comment_packet or b"").comments


def wrapped(value: bytes, width: int, end: bytes, closed: bool) -> bytes:
    """Base64 in lines."""
    return end.join(value[at : at + width] for at in range(0, len(value), width)) + (end if closed else b"")


FORMS = {
    "plain": b"METADATA_BLOCK_PICTURE=" + BLOCK,
    "lower-case": b"metadata_block_picture=" + BLOCK,
    "unfilled": b"METADATA_BLOCK_PICTURE=" + picture_block(make_picture(FRONT, 3, "x")).rstrip(b"="),
    "lines-of-76": b"METADATA_BLOCK_PICTURE=" + wrapped(BLOCK, 76, b"\n", False),
    "lines-ended": b"METADATA_BLOCK_PICTURE=" + wrapped(BLOCK, 64, b"\r\n", True),
    "one-line-ended": b"METADATA_BLOCK_PICTURE=" + BLOCK + b"\n",
    "other-facts": b"METADATA_BLOCK_PICTURE="
    + base64.b64encode(struct.pack(">2I", 17, 10) + b"image/jpeg" + struct.pack(">6I", 0, 1, 2, 3, 4, len(FRONT)) + FRONT + b"behind"),
    "legacy": b"COVERART=" + base64.b64encode(FRONT),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("is_opus", [False, True], ids=["vorbis", "opus"])
def test_file_comes_back_byte_for_byte_in_every_form_of_picture_comment(name: str, is_opus: bool) -> None:
    comments = [b"TITLE=A song", FORMS[name], b"bare", b"DATE=1999"]
    data = opus_file(opus_comments(comments, b"\1suffix")) if is_opus else vorbis_file(vorbis_comments(comments))
    result = strip(data)
    assert len(result.content) < 10_000
    assert comments_of(result.content)[:3] == (b"TITLE=A song", b"bare", b"DATE=1999")
    assert result.essence_sha256 == read_ogg_structure(result.content, "x").essence_sha256
    assert [picture.sha256 for picture in result.pictures] == list(shelf(FRONT))
    assert apply_patch(result.content, result.patch, shelf(FRONT).get) == data
    assert len(result.patch) <= 150


def test_mime_of_a_legacy_cover_goes_with_it() -> None:
    comments = [b"COVERARTMIME=image/png", b"A=1", FORMS["legacy"], b"coverartmime=image/png"]
    data = vorbis_file(vorbis_comments(comments))
    result = strip(data)
    assert comments_of(result.content)[0] == b"A=1"
    assert not [comment for comment in comments_of(result.content) if comment.upper().startswith(b"COVERART")]
    assert apply_patch(result.content, result.patch, shelf(FRONT).get) == data


@pytest.mark.parametrize(
    "comment",
    [
        b"METADATA_BLOCK_PICTURE=!!!",
        b"METADATA_BLOCK_PICTURE=" + wrapped(BLOCK, 76, b"\n", False).replace(b"\n", b" ", 1),
        b"COVERART=" + base64.b64encode(FRONT + bytes(-len(FRONT) % 3 + 1))[:-4] + b"AB==",
        b"METADATA_BLOCK_PICTURE=" + picture_block(make_picture(FRONT, 3, "long " * 300)),
        b"COVERART=" + base64.b64encode(b"no picture"),
        b"COVERART",
        b"COVERART=" + base64.b64encode(FRONT).replace(b"A", b"A" + b" " * 900, 1).replace(b"R", b"R "),
    ],
    ids=["no-base64", "uneven-lines", "loose-bits", "long-description", "no-picture", "bare", "wide-gap"],
)
def test_picture_that_could_not_be_put_back_exactly_and_shortly_stays(comment: bytes) -> None:
    comments = [b"TITLE=x", comment, b"COVERARTMIME=image/png"]
    data = vorbis_file(vorbis_comments(comments))
    result = strip(data)
    assert comments_of(result.content)[:3] == tuple(comments)
    assert result.pictures == ()
    assert apply_patch(result.content, result.patch) == data


def test_only_pictures_that_are_held_elsewhere_are_taken_out() -> None:
    comments = [b"METADATA_BLOCK_PICTURE=" + picture_block(make_picture(picture)) for picture in (FRONT, BACK)]
    data = vorbis_file(vorbis_comments(comments))
    for held, left in ((shelf(BACK), (comments[0],)), ({next(iter(shelf(FRONT))): BACK}, tuple(comments)), ({}, tuple(comments))):
        result = retag_ogg(data, [], path="x", strip_pictures=True, find_picture=held.get)
        assert comments_of(result.content) == left
        assert apply_patch(result.content, result.patch, held.get) == data


def test_patch_names_a_picture_that_is_missing_or_another() -> None:
    result = strip(vorbis_file(vorbis_comments([FORMS["plain"]])))
    name = sha256(FRONT).hexdigest()
    with pytest.raises(PatchError, match=f"{name} is not there"):
        apply_patch(result.content, result.patch)
    with pytest.raises(PatchError, match=f"{name} is not there"):
        apply_patch(result.content, result.patch, shelf(BACK).get)
    with pytest.raises(PatchError, match=f"{name} now has {sha256(BACK).hexdigest()}"):
        apply_patch(result.content, result.patch, {name: BACK}.get)


def test_patch_tells_which_pictures_it_needs() -> None:
    comments = [b"METADATA_BLOCK_PICTURE=" + picture_block(make_picture(FRONT, 3, "vooraan é"))]
    comments += [b"A=1", b"METADATA_BLOCK_PICTURE=" + picture_block(make_picture(BACK, 4)), FORMS["legacy"]]
    result = strip(vorbis_file(vorbis_comments(comments)))
    told = [(picture.sha256, picture.kind, picture.description) for picture in pictures_of_patch(result.patch)]
    front, back = shelf(FRONT, BACK)
    assert told == [(front, 3, "vooraan é"), (back, 4, ""), (front, 3, "")]
    assert tuple(pictures_of_patch(result.patch)) == result.pictures
    assert pictures_of_patch(retag_ogg(vorbis_file(), TAGS, path="x").patch) == ()


def test_patch_fits_the_member_with_its_cover_embedded_again() -> None:
    data = vorbis_file(vorbis_comments([b"A=1", FORMS["plain"], b"B=2"]))
    result = strip(data)
    with_cover = retag_ogg(result.content, [], [make_picture(FRONT)], path="x").content
    assert [picture.data for picture in find_pictures(comments_of(with_cover))] == [FRONT]
    assert apply_patch(with_cover, result.patch, shelf(FRONT).get) == data


def test_real_music_with_covers_comes_back_with_patches_of_at_most_150_bytes(music: Path) -> None:
    sizes = []
    for file in sorted(music.rglob("*.ogg")):
        covered = retag_ogg(file.read_bytes(), [], [make_picture(FRONT, 3, "Cover (front)")], path="x").content
        result = strip(covered)
        assert apply_patch(result.content, result.patch, shelf(FRONT).get) == covered
        assert FRONT[60_000:60_300] not in base64.b64decode(b"".join(comments_of(result.content)[-2:]) + b"==", validate=False)
        sizes.append(len(result.patch))
    assert sorted(sizes)[len(sizes) // 2] <= 150


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_many_pages_of_covers_cost_next_to_nothing(subtype: str) -> None:
    huge = png(10, 10, 17_000_000)
    data = retag_ogg(real_file(subtype), [], [make_picture(huge)], path="x").content
    result = strip(data)
    assert apply_patch(result.content, result.patch, shelf(huge).get) == data
    assert len(result.patch) <= 150
    assert result.size < 40_000


pictures = st.builds(png, st.integers(1, 9), st.integers(1, 9))
values = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda data, kind, words: picture_block(make_picture(data, kind, words)), pictures, st.integers(0, 20), st.text("aé ", max_size=9)
    ),
    pictures.map(base64.b64encode),
    st.builds(
        wrapped, pictures.map(base64.b64encode), st.integers(1, 90), st.sampled_from([b"\n", b"\r\n", b" ", b"\t \n"]), st.booleans()
    ),
    pictures.map(lambda data: base64.b64encode(data).rstrip(b"=")),
)
names = st.sampled_from([b"METADATA_BLOCK_PICTURE=", b"Coverart=", b"COVERARTMIME=", b" coverart =", b"TITLE=", b""])
some_comments = st.lists(st.builds(bytes.__add__, names, values), max_size=8)


@settings(max_examples=150)
@given(some_comments)
def test_what_is_taken_out_can_be_put_back(comments: list[bytes]) -> None:
    parting = take_pictures(comments)
    assert read_taken(FieldReader(write_taken(parting.taken))) == parting.taken
    assert put_back(parting.kept, parting.taken, parting.pictures.get, 1 << 20) == tuple(comments)
    assert {picture.sha256 for picture in find_pictures(parting.kept)} <= {picture.sha256 for picture in find_pictures(comments)}


@given(some_comments)
@settings(max_examples=60)
def test_any_covers_come_back(comments: list[bytes]) -> None:
    data = vorbis_file(vorbis_comments(comments))
    result = strip(data)
    held = {picture.sha256: picture.data for picture in find_pictures(comments)} | dict(take_pictures(comments).pictures)
    assert apply_patch(result.content, result.patch, held.get) == data


@given(some_comments, st.booleans())
def test_packet_without_its_pictures_becomes_the_packet_that_came(comments: list[bytes], is_opus: bool) -> None:
    packet = opus_comments(comments, b"\1suffix") if is_opus else vorbis_comments(comments)
    short = shorten_packet(packet)
    assert find_pictures(parse_comment_packet(short).comments) == []
    assert lengthen_packet(short, dict(take_pictures(comments).pictures).get) == packet


def test_packet_with_a_cover_is_short() -> None:
    packet = vorbis_comments([b"A=1", FORMS["lines-of-76"], b"FONOTECA_PICTURE", FORMS["legacy"]])
    assert len(shorten_packet(packet)) < 500
    with pytest.raises(PatchError, match="is not there"):
        lengthen_packet(shorten_packet(packet), {}.get)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x03vorbis\xff\xff\xff\xff", vorbis_comments([b"FONOTECA_PICTURE=!", b"A=1"])])
def test_what_is_no_packet_of_ours_to_shorten_stays(content: bytes) -> None:
    assert lengthen_packet(shorten_packet(content), {}.get) == content


def test_damaged_patch_never_gives_other_bytes() -> None:
    data = vorbis_file(vorbis_comments([b"A=1", FORMS["lines-of-76"], b"COVERARTMIME=x", FORMS["legacy"]]))
    result = strip(data)
    for bit in range(len(result.patch) * 8):
        damaged = bytearray(result.patch)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert apply_patch(result.content, bytes(damaged), shelf(FRONT).get) == data
        except PatchError:
            continue


@given(st.binary(max_size=120))
def test_made_up_lists_are_refused_or_read(content: bytes) -> None:
    try:
        taken = read_taken(FieldReader(content))
        put_back([b"A=1"] * 3, taken, lambda _: FRONT, 5_000)
    except PatchError:
        return


def test_a_few_bytes_of_patch_cannot_ask_for_gigabytes() -> None:
    digest = sha256(FRONT).digest()
    many = bytes([100]) + (b"\0\1\0" + digest) * 100
    lines = bytes([1]) + b"\0\x09\0\1" + b"\xe8\x07" + b"\n" * 1000 + digest
    for content in (many, lines):
        with pytest.raises(PatchError, match="puts"):
            put_back([], read_taken(FieldReader(content)), shelf(FRONT).get, 200_000)


def test_dictionary_of_pictures_is_the_one_that_the_format_page_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "patch.md").read_text()
    assert sha256(_DICTIONARY + _PICTURE_WORDS).hexdigest() in page
