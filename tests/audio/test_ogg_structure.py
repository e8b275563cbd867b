"""What is told about whole, odd and broken Ogg files."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
import soundfile
from ogg_builder import (
    COMMENTS,
    OPUS_HEAD,
    SETUP,
    SOUND,
    VORBIS_HEAD,
    Group,
    audio_on_header_page,
    lay_pages,
    opus_comments,
    opus_file,
    real_file,
    vorbis_comments,
    vorbis_file,
)  # fmt: skip

from fonoteca.audio.ogg import build_page, scan_pages
from fonoteca.audio.ogg_structure import OggStructure, read_ogg_structure


def read(data: bytes) -> tuple[OggStructure, set[str]]:
    structure = read_ogg_structure(data, "x.ogg")
    return structure, {found.code for found in structure.findings}


def test_properties_of_vorbis_are_read() -> None:
    structure, codes = read(vorbis_file())
    assert not codes
    assert (structure.codec, structure.sample_rate, structure.channels) == ("vorbis", 44_100, 2)
    assert structure.nominal_bits_per_second == 160_000
    assert structure.comment_packet == vorbis_comments()
    assert structure.header_pages == 2


def test_properties_of_opus_are_read() -> None:
    structure, codes = read(opus_file())
    assert not codes
    assert (structure.codec, structure.sample_rate, structure.channels, structure.pre_skip) == ("opus", 48_000, 2, 312)
    assert structure.samples == 960 * len(SOUND) - 312
    assert structure.comment_packet == opus_comments()


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.0])
def test_declared_samples_are_those_that_are_decoded(subtype: str, seconds: float) -> None:
    data = real_file(subtype, seconds)
    assert read(data)[0].samples == soundfile.info(io.BytesIO(data)).frames == round(48_000 * seconds)


def test_declared_samples_of_real_music_are_those_that_are_decoded(music: Path) -> None:
    for file in sorted(music.rglob("*.ogg")):
        assert read(file.read_bytes())[0].samples == soundfile.info(file).frames


def test_stream_that_starts_late_counts_from_its_start() -> None:
    data = real_file(seconds=6)
    pages = scan_pages(data).pages
    moved = b"".join(
        build_page(
            page.flags,
            page.granule + (page.granule > 0) * 1_000_000,
            1,
            page.sequence,
            data[page.offset + 27 : page.body],
            data[page.body : page.end],
        )
        for page in pages
    )
    assert read(moved)[0].samples == 288_000


def test_essence_is_the_packets_without_comments() -> None:
    assert read(vorbis_file())[0].essence_sha256 == hashlib.sha256(b"".join([VORBIS_HEAD, SETUP, *SOUND])).hexdigest()
    assert read(opus_file())[0].essence_sha256 == hashlib.sha256(b"".join([OPUS_HEAD, *SOUND])).hexdigest()


def test_essence_does_not_see_tags_paging_or_opus_gain() -> None:
    plain = read(vorbis_file())[0].essence_sha256
    assert read(vorbis_file(vorbis_comments([b"TITLE=Another", b"X=" + b"y" * 200_000])))[0].essence_sha256 == plain
    groups: list[Group] = [([VORBIS_HEAD], 0), ([vorbis_comments(), SETUP, *SOUND[:5]], 5120), (SOUND[5:], 20_480)]
    assert read(lay_pages(groups, serial=1))[0].essence_sha256 == plain
    louder = OPUS_HEAD[:16] + b"\x00\x03" + OPUS_HEAD[18:]
    assert read(opus_file(head=louder))[0].essence_sha256 == read(opus_file())[0].essence_sha256


def test_essence_sees_any_other_change() -> None:
    essences = {
        read(data)[0].essence_sha256 for data in (vorbis_file(), vorbis_file(sound=SOUND[1:]), opus_file(), opus_file(sound=SOUND[::-1]))
    }
    assert len(essences) == 4
    assert None not in essences


def test_chained_stream_is_told_and_has_the_essence_of_all_links() -> None:
    structure, codes = read(vorbis_file() + vorbis_file(sound=SOUND[:3], serial=5))
    assert codes == {"chained-stream"}
    assert structure.is_chained
    assert not structure.can_be_retagged
    assert structure.samples == 1024 * (len(SOUND) + 3)
    assert structure.essence_sha256 == hashlib.sha256(b"".join([VORBIS_HEAD, SETUP, *SOUND, VORBIS_HEAD, SETUP, *SOUND[:3]])).hexdigest()


def test_links_that_share_a_serial_number_are_told_apart() -> None:
    structure, codes = read(vorbis_file() + vorbis_file())
    assert codes == {"chained-stream"}
    assert structure.samples == 2048 * len(SOUND)


def test_multiplexed_streams_are_told() -> None:
    one, other = vorbis_file(), lay_pages([([b"fishead\0" + bytes(56)], 0), ([b"bones"], 0), ([b""], 0)], serial=9)
    first, second = scan_pages(one).pages, scan_pages(other).pages
    mixed = (
        other[: second[0].end]
        + one[: first[0].end]
        + other[second[1].offset : second[1].end]
        + one[first[1].offset :]
        + other[second[2].offset :]
    )
    structure, codes = read(mixed)
    assert codes == {"multiplexed-stream"}
    assert structure.is_multiplexed
    assert structure.codec == "vorbis"
    assert not structure.can_be_retagged
    assert structure.essence_sha256 == read(one)[0].essence_sha256


def test_ogg_without_audio_is_not_audio() -> None:
    structure, codes = read(lay_pages([([b"\x80theora" + bytes(40)], 0), ([b"x"], 0)]))
    assert codes == {"not-audio"}
    assert "Theora" in structure.findings[0].fact


def test_trailing_and_leading_bytes_are_notes() -> None:
    structure, codes = read(vorbis_file() + b"TAG" + bytes(125))
    assert codes == {"trailing-data"}
    assert structure.trailing_bytes == 128
    structure, codes = read(b"ID3\4\0\0\0\0\0\0" + vorbis_file())
    assert codes == {"leading-data"}
    assert not structure.can_be_retagged


def test_missing_end_of_stream_is_truncated() -> None:
    assert read(vorbis_file(has_end=False))[1] == {"truncated"}


def test_cut_at_any_page_is_truncated() -> None:
    data = vorbis_file()
    for page in scan_pages(data).pages[1:]:
        assert "truncated" in read(data[: page.offset])[1]


def test_lost_and_repeated_pages_are_corrupt() -> None:
    data = vorbis_file()
    pages = scan_pages(data).pages
    lost = data[: pages[6].offset] + data[pages[7].offset :]
    repeated = data[: pages[7].offset] + data[pages[6].offset :]
    assert read(lost)[1] == {"corrupt"}
    assert "corrupt" in read(repeated)[1]


def test_page_of_a_stream_that_never_began_is_corrupt() -> None:
    data = vorbis_file()
    end = scan_pages(data).pages[6].offset
    assert "corrupt" in read(data[:end] + build_page(0, 5, 1234, 0, b"\x03", b"abc") + data[end:])[1]


def test_headers_without_sound_have_no_sound() -> None:
    assert read(vorbis_file(sound=[]))[1] == {"no-sound"}
    assert read(opus_file(sound=[]))[1] == {"no-sound"}


def test_missing_headers_are_corrupt() -> None:
    assert "corrupt" in read(lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments()], 0)]))[1]
    assert "corrupt" in read(lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments(), b"no setup"], 0), ([b"x"], 9)]))[1]


@pytest.mark.parametrize(
    "head",
    [
        VORBIS_HEAD[:20],
        VORBIS_HEAD[:11] + b"\0" + VORBIS_HEAD[12:],
        OPUS_HEAD[:9],
        OPUS_HEAD[:9] + b"\0" + OPUS_HEAD[10:],
        OPUS_HEAD[:-1] + b"\1",
    ],
)
def test_senseless_first_packet_is_corrupt(head: bytes) -> None:
    assert "corrupt" in read(lay_pages([([head], 0), ([vorbis_comments(), SETUP], 0), ([b"x"], 9)]))[1]


def test_negative_first_granule_is_a_note() -> None:
    data = lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments(), SETUP], 0), (SOUND[:2], -448), (SOUND[2:], 9000)])
    structure, codes = read(data)
    assert codes == {"negative-granule"}
    assert structure.first_granule_negative
    assert structure.can_be_retagged
    assert structure.samples == 9000


def test_audio_on_the_last_header_page_is_no_fault() -> None:
    structure, codes = read(audio_on_header_page(real_file()))
    assert not codes
    assert structure.header_pages == 2
    assert structure.essence_sha256 == read(real_file())[0].essence_sha256


def test_odd_comments_are_notes() -> None:
    structure, codes = read(vorbis_file(vorbis_comments([b"no equals sign", b"TITLE=\xff\xfe", *COMMENTS])))
    assert codes == {"odd-comment"}
    assert len(structure.findings) == 2
    assert structure.can_be_retagged


def test_comments_whose_lengths_lie_are_bad_tags() -> None:
    structure, codes = read(vorbis_file(vorbis_comments([])[:-5] + b"\xff\xff\xff\x7f" + bytes(60)))
    assert codes == {"bad-tags"}
    assert not structure.can_be_retagged
    assert structure.essence_sha256 == read(vorbis_file())[0].essence_sha256


def test_empty_pages_are_no_fault() -> None:
    groups: list[Group] = [
        ([VORBIS_HEAD], 0),
        ([vorbis_comments(), SETUP], 0),
        ([], 0),
        (SOUND[:3], 512),
        ([], 512),
        (SOUND[3:], 4000),
        ([], 4000),
    ]
    structure, codes = read(lay_pages(groups))
    assert not codes
    assert structure.samples == 4000


def test_pages_behind_the_last_are_an_oddity_and_still_heard() -> None:
    data = vorbis_file(has_end=True)
    pages = scan_pages(data).pages
    marked = build_page(4, pages[5].granule, 77, 5, data[pages[5].offset + 27 : pages[5].body], data[pages[5].body : pages[5].end])
    structure, codes = read(data[: pages[5].offset] + marked + data[pages[6].offset :])
    assert codes == {"odd-stream"}
    assert structure.samples == 1024 * len(SOUND)
    assert structure.can_be_retagged
