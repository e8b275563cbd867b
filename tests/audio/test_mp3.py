"""MP3: frames, the LAME tag, and everything that people put around the frames."""

from __future__ import annotations

import pytest
from codec_files import encode, flip_bit, id3_bytes, make_sound, sound_file
from mutagen.id3 import APIC, COMM, ID3, TIT2

from fonoteca.audio.byte_source import MemorySource
from fonoteca.audio.formats import AudioStructure, detect_format, parse_mpeg_header
from fonoteca.audio.mp3 import read_mp3_structure


def read(data: bytes) -> AudioStructure:
    source = MemorySource(data)
    shape, start = detect_format(source)
    assert shape == "mp3"
    return read_mp3_structure(source, "a.mp3", start)


def codes(found: AudioStructure) -> set[str]:
    return {finding.code for finding in found.findings}


def without_first_frame(data: bytes) -> bytes:
    """The same stream as encoders write it that know no Xing tag."""
    _, start = detect_format(MemorySource(data))
    header = parse_mpeg_header(data[start : start + 4])
    assert header is not None and header.length is not None
    return data[start + header.length :]


@pytest.mark.parametrize("rate", [16000, 22050, 32000, 44100, 48000])
def test_length_without_delay_and_padding_is_that_of_the_source(rate: int) -> None:
    found = read(encode(make_sound(1.3, rate), "mp3", "libmp3lame", rate))
    assert (found.samples, found.sample_rate, found.channels, codes(found)) == (int(1.3 * rate), rate, 2, set())


def test_the_frame_with_the_xing_tag_is_no_part_of_the_essence() -> None:
    data = sound_file("mp3")
    assert read(data).essence_sha256 == read(without_first_frame(data)).essence_sha256


def test_flipped_bit_in_the_music_does_not_fit_the_crc_in_the_lame_tag() -> None:
    data = sound_file("mp3")
    for bit in (len(data) * 4 + 77, len(data) * 6 + 3):
        assert codes(read(flip_bit(data, bit))) == {"corrupt"}


def test_gain_written_into_the_frames_is_a_note_where_its_undo_tag_says_so() -> None:
    data = sound_file("mp3")
    item = b"\x08\0\0\0\0\0\0\0MP3GAIN_UNDO\0+003,+00"
    footer = b"APETAGEX" + (2000).to_bytes(4, "little") + (len(item) + 32).to_bytes(4, "little") + b"\1\0\0\0" + bytes(12)
    assert codes(read(flip_bit(data, len(data) * 4 + 77) + item + footer)) == {"odd-stream"}


@pytest.mark.parametrize("cut", [1, 50, 300, 2000])
def test_stream_without_any_tag_is_truncated_when_its_last_frame_is_not_whole(cut: int) -> None:
    stream = without_first_frame(sound_file("mp3"))
    found = read(stream[:-cut])
    assert codes(found) <= {"truncated"}
    assert "truncated" in codes(found) or len(stream) - cut in frame_ends(stream)


def frame_ends(stream: bytes) -> set[int]:
    at, ends = 0, set()
    while (header := parse_mpeg_header(stream[at : at + 4])) is not None:
        at += header.length or 0
        ends.add(at)
    return ends


def test_fewer_frames_than_declared_are_truncated() -> None:
    data = sound_file("mp3")
    _, start = detect_format(MemorySource(data))
    ends = sorted(start + end for end in frame_ends(data[start:]))
    assert codes(read(data[: ends[-4]])) == {"truncated"}


def test_foreign_bytes_between_frames_are_corrupt_and_the_rest_is_still_read() -> None:
    stream = without_first_frame(sound_file("mp3"))
    middle = sorted(frame_ends(stream))[10]
    found = read(stream[:middle] + b"\0garbage" * 9 + stream[middle:])
    assert codes(found) == {"corrupt"} and found.samples == read(stream).samples


def test_bytes_before_and_after_are_notes() -> None:
    data = sound_file("mp3")
    found = read(bytes(700) + data + b"a rip by nobody " * 9)
    assert codes(found) >= {"leading-data", "trailing-data"} and all(finding.kind.weight == "note" for finding in found.findings)
    assert found.essence_sha256 == read(data).essence_sha256


def test_large_id3_tags_of_any_kind_are_read_around() -> None:
    tag = ID3()
    tag.add(TIT2(encoding=3, text=["Large"]))
    tag.add(COMM(encoding=3, lang="eng", desc="", text=["x" * 110_000]))
    tag.add(APIC(encoding=0, mime="image/jpeg", type=3, desc="", data=b"\xff\xd8\xff" + bytes(17 << 20)))
    stream = without_first_frame(sound_file("mp3"))
    for version in (3, 4):
        found = read(id3_bytes(tag, version) + stream + b"LYRICSBEGINla la laLYRICSEND" + b"TAG" + bytes(125))
        assert (found.essence_sha256, codes(found)) == (read(stream).essence_sha256, set())


def test_id3_that_claims_a_quarter_gigabyte_leaves_no_audio() -> None:
    data = b"ID3\4\0\0\x7f\x7f\x7f\x7f" + without_first_frame(sound_file("mp3"))
    shape, _ = detect_format(MemorySource(data))
    assert shape is None


def test_other_mpeg_layers_are_no_mp3() -> None:
    assert parse_mpeg_header(b"\xff\xfd\x90\0") is None and parse_mpeg_header(b"\xff\xff\x90\0") is None
