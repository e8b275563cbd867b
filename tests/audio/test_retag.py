"""Retagging: the sound stays where it is, other programs read the tags, and the way back is proved."""

from __future__ import annotations

import hashlib
import subprocess
from hashlib import sha256
from pathlib import Path

import mutagen
import numpy
import pytest
from mutagen.oggvorbis import OggVorbis
from ogg_builder import (
    COMMENTS,
    SETUP,
    SOUND,
    VORBIS_HEAD,
    audio_on_header_page,
    decode,
    lay_pages,
    opus_comments,
    opus_file,
    png,
    real_file,
    vorbis_comments,
    vorbis_file,
)

from fonoteca.audio.comments import parse_comment_packet
from fonoteca.audio.ogg import LAST, NO_GRANULE, scan_pages
from fonoteca.audio.ogg_structure import read_ogg_structure
from fonoteca.audio.patches import apply_patch
from fonoteca.audio.pictures import make_picture
from fonoteca.audio.retag import Retagged, retag_ogg
from fonoteca.ground.errors import AudioFormatError
from fonoteca.ground.things import Picture

TAGS = [
    ("TITLE", "Een lied"),
    ("ARTIST", "Één"),
    ("ARTIST", "Twee"),
    ("ISRC", "NLA507700001"),
    ("LICENSE", "https://creativecommons.org/licenses/by-sa/3.0/"),
]
COVER = make_picture(png(10, 10, 150_000))
HUGE = make_picture(png(10, 10, 17_000_000))


def retag(data: bytes, pictures: tuple[Picture, ...] = ()) -> tuple[Retagged, bytes]:
    """Retag and hold everything that must always hold."""
    result = retag_ogg(data, TAGS, pictures, path="x.ogg")
    member = result.content
    assert len(member) == result.size
    assert sha256(member).hexdigest() == result.sha256
    assert sha256(data).hexdigest() == result.source_sha256
    before, after = read_ogg_structure(data, "x.ogg"), read_ogg_structure(member, "x.ogg")
    assert after.essence_sha256 == before.essence_sha256 == result.essence_sha256
    assert {found.code for found in after.findings} == {found.code for found in before.findings}
    assert (after.samples, after.trailing_bytes) == (before.samples, before.trailing_bytes)
    assert apply_patch(member, result.patch) == data
    assert _audio_pages(member) == _audio_pages(data)
    return result, member


def _audio_pages(data: bytes) -> list[tuple[int, int, bytes, bytes]]:
    """Every page from the end of the headers on, without its number and checksum."""
    pages = scan_pages(data).pages[read_ogg_structure(data, "x").header_pages :]
    return [(page.flags, page.granule, data[page.offset + 27 : page.body], data[page.body : page.end]) for page in pages]


def comments_of(data: bytes) -> tuple[bytes, ...]:
    packet = read_ogg_structure(data, "x").comment_packet
    assert packet is not None
    return parse_comment_packet(packet).comments


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("pictures", [(), (COVER,), (HUGE,)], ids=["tags", "cover", "huge"])
def test_decoded_sound_is_the_same_to_the_bit(subtype: str, pictures: tuple[Picture, ...]) -> None:
    data = real_file(subtype)
    _, member = retag(data, pictures)
    assert numpy.array_equal(decode(data), decode(member))


def test_real_music_keeps_its_sound_and_comes_back_with_small_patches(music: Path) -> None:
    sizes = []
    for file in sorted(music.rglob("*.ogg")):
        data = file.read_bytes()
        result, member = retag(data)
        sizes.append(len(result.patch))
        assert member.endswith(data[len(data) // 2 :])
    assert sorted(sizes)[len(sizes) // 2] <= 150


def test_real_music_decodes_the_same_after_retagging(music: Path) -> None:
    for file in sorted(music.rglob("*.ogg"), key=lambda file: file.stat().st_size)[:4]:
        data = file.read_bytes()
        assert numpy.array_equal(decode(data), decode(retag(data, (COVER,))[1]))


def test_audio_on_the_last_header_page_stays_on_it() -> None:
    data = audio_on_header_page(real_file(), shared=3)
    page = scan_pages(data).pages[1]
    for pictures in ((), (COVER,)):
        _, member = retag(data, pictures)
        kept = scan_pages(member).pages[read_ogg_structure(member, "x").header_pages - 1]
        assert kept.granule == page.granule
        assert member[kept.body : kept.end].endswith(data[page.end - 100 : page.end])
        assert numpy.array_equal(decode(data), decode(member))


def test_audio_pages_pass_through_untouched_where_comments_fit() -> None:
    data = vorbis_file()
    result, member = retag(data)
    second = scan_pages(data).pages[2].offset
    assert bytes(result.parts[-1]) == data[second:]
    assert member.endswith(data[second:])


def test_comments_that_need_pages_get_them_before_the_codebooks() -> None:
    _, member = retag(vorbis_file(), (COVER,))
    pages = scan_pages(member).pages
    structure = read_ogg_structure(member, "x")
    assert structure.header_pages == 1 + -(-(150_000 * 4 // 3 + 400 + len(SETUP)) // 65_025)
    assert [page.sequence for page in pages] == list(range(len(pages)))
    assert all(page.granule == NO_GRANULE for page in pages[1 : structure.header_pages - 1])


def test_file_with_many_comment_pages_keeps_their_number() -> None:
    data = retag(vorbis_file(), (COVER,))[1]
    result = retag_ogg(data, [("MOOD", "calm")], path="x")
    assert read_ogg_structure(result.content, "x").header_pages == read_ogg_structure(data, "x").header_pages
    assert apply_patch(result.content, result.patch) == data


def test_what_stood_in_the_comments_stays() -> None:
    odd = (b"no equals sign", b"title=\xff\xfe", *COMMENTS, b"LYRICS=" + b"la " * 37_000)
    _, member = retag(vorbis_file(vorbis_comments(odd)))
    assert comments_of(member)[: len(odd)] == odd


def test_binary_suffix_of_opus_tags_stays() -> None:
    suffix = b"\x01binary data" + bytes(range(256))
    _, member = retag(opus_file(opus_comments(suffix=suffix)))
    packet = read_ogg_structure(member, "x").comment_packet
    assert packet is not None
    assert parse_comment_packet(packet).trailing == suffix


def test_retagging_twice_is_retagging_once() -> None:
    member = retag(vorbis_file())[1]
    assert retag(member)[1] == member


def test_cover_embedded_later_does_not_break_the_first_patch() -> None:
    data = vorbis_file()
    result, member = retag(data)
    with_cover = retag_ogg(member, [], [COVER], path="x").content
    assert apply_patch(with_cover, result.patch) == data


@pytest.mark.parametrize("name", ["negative", "trailing", "empty-pages", "no-granule-header", "numbers-from-5"])
def test_oddities_that_can_be_kept_are_kept(name: str) -> None:
    header = [([VORBIS_HEAD], 0), ([vorbis_comments(), SETUP], 0)]
    data = {
        "negative": lay_pages([*header, (SOUND[:2], -448), (SOUND[2:], 9000)]),
        "trailing": vorbis_file() + b"TAG" + bytes(125),
        "empty-pages": lay_pages([*header, ([], 0), (SOUND, 9000), ([], 9000)]),
        "no-granule-header": lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments()], -1), ([SETUP], -1), (SOUND, 9000)]),
        "numbers-from-5": lay_pages([*header, (SOUND, 9000)], first_number=5),
    }[name]
    retag(data)
    retag(data, (COVER,))


@pytest.mark.parametrize("name", ["chained", "cut", "flipped", "leading", "lying", "no-sound", "comment-late", "not-ogg", "empty"])
def test_what_cannot_be_retagged_safely_is_refused(name: str) -> None:
    data = vorbis_file()
    flipped = bytearray(data)
    flipped[-1] ^= 1
    broken = {
        "chained": data + vorbis_file(serial=3),
        "cut": data[:-1],
        "flipped": bytes(flipped),
        "leading": b"junk" + data,
        "lying": vorbis_file(vorbis_comments([])[:-5] + b"\xff\xff\xff\x7f"),
        "no-sound": vorbis_file(sound=[]),
        "comment-late": lay_pages([([VORBIS_HEAD], 0), ([], 0), ([vorbis_comments(), SETUP], 0), (SOUND, 9000)]),
        "not-ogg": b"RIFF" + bytes(400),
        "empty": b"",
    }[name]
    with pytest.raises(AudioFormatError, match="cannot be retagged"):
        retag_ogg(broken, TAGS, path="x.ogg")


def test_mutagen_reads_the_tags(tmp_path: Path) -> None:
    for subtype in ("VORBIS", "OPUS"):
        file = tmp_path / f"{subtype}.ogg"
        file.write_bytes(retag(real_file(subtype), (COVER,))[1])
        tags = mutagen.File(file)
        assert tags["artist"] == ["Één", "Twee"]
        assert len(tags["metadata_block_picture"]) == 1
    assert OggVorbis(tmp_path / "VORBIS.ogg").info.length == pytest.approx(1.0)


@pytest.mark.parametrize(("subtype", "program"), [("VORBIS", "ogginfo"), ("OPUS", "opusinfo"), ("VORBIS", "ffmpeg"), ("OPUS", "ffmpeg")])
def test_other_programs_have_no_complaint(subtype: str, program: str, tmp_path: Path) -> None:
    for number, pictures in enumerate(((), (COVER,))):
        file = tmp_path / f"{number}.ogg"
        file.write_bytes(retag(real_file(subtype), pictures)[1])
        command = (
            ["ffmpeg", "-v", "error", "-i", str(file), "-map", "0:a", "-f", "null", "-"] if program == "ffmpeg" else [program, str(file)]
        )
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "WARNING" not in ran.stdout + ran.stderr
        assert ran.stderr == ""
        if program != "ffmpeg":
            assert "Een lied" in ran.stdout


def test_last_page_stays_marked_as_last() -> None:
    member = retag(vorbis_file(), (COVER,))[1]
    assert scan_pages(member).pages[-1].flags & LAST


def test_same_input_gives_the_same_bytes() -> None:
    first, second = retag(real_file())[0], retag(real_file())[0]
    assert first.patch == second.patch
    assert hashlib.sha256(first.content).hexdigest() == second.sha256
