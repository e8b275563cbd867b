"""M4A and ADTS: tables that lie, and streams that are cut."""

from __future__ import annotations

import struct

import pytest
from codec_files import encode, make_sound, sound_file

from fonoteca.audio.adts import read_adts_structure
from fonoteca.audio.byte_source import MemorySource
from fonoteca.audio.formats import AudioStructure
from fonoteca.audio.mp4 import read_mp4_structure


def read(data: bytes) -> AudioStructure:
    return read_mp4_structure(MemorySource(data), "a.m4a")


def codes(found: AudioStructure) -> set[str]:
    return {finding.code for finding in found.findings}


def with_word(data: bytes, box: bytes, place: int, word: int) -> bytes:
    """One 32-bit word of a box replaced; `place` counts from the start of its body."""
    at = data.index(box) + 4 + place
    return data[:at] + struct.pack(">I", word) + data[at + 4 :]


def test_declared_length_is_that_of_the_source_within_the_filling() -> None:
    found = read(sound_file("m4a"))
    assert found.samples is not None and abs(found.samples - 44100) <= 1024
    assert (found.sample_rate, found.channels, codes(found)) == (44100, 2, set())


@pytest.mark.parametrize("rate", [16000, 22050, 48000, 96000])
def test_sample_rates_are_read_from_the_decoder_configuration(rate: int) -> None:
    assert read(encode(make_sound(0.5, rate), "ipod", "aac", rate)).sample_rate == rate


@pytest.mark.parametrize(
    ("box", "place", "word"),
    [(b"stsz", 4, 0x7FFFFFFF), (b"stsz", 8, 3), (b"stsz", 12, 0xFFFFFFFF), (b"stco", 8, 0xFFFFFF00), (b"stco", 4, 0), (b"stsc", 12, 0)],
)  # fmt: skip
def test_lying_tables_of_access_units_set_the_file_aside(box: bytes, place: int, word: int) -> None:
    found = read(with_word(sound_file("m4a"), box, place, word))
    assert (
        any(finding.kind.weight == "set-aside" for finding in found.findings)
        or found.essence_sha256 != read(sound_file("m4a")).essence_sha256
    )


def test_chunks_that_overlap_to_more_than_the_file_are_not_hashed() -> None:
    data = with_word(sound_file("m4a"), b"stsc", 8, 1)  # one access unit to a chunk, all chunks at the same place
    count, table = 2000, data.index(b"stco")
    offsets = struct.pack(">II", 0, count) + data[table + 12 : table + 16] * count
    head, tail = data[: table + 4], data[table + 8 :]
    found = read(with_word(head[:-8] + struct.pack(">I", 16 + 4 * count) + b"stco" + offsets + tail, b"stsz", 4, 5000))
    assert any(finding.kind.weight == "set-aside" for finding in found.findings)


def test_moov_at_either_end_gives_the_same_essence_and_a_cut_is_found() -> None:
    plain = sound_file("m4a")
    moov = plain.index(b"moov") - 4
    size = int.from_bytes(plain[moov : moov + 4], "big")
    table = plain.index(b"stco")
    offsets = [int.from_bytes(plain[at : at + 4], "big") for at in range(table + 12, table + 12 + 4 * plain[table + 11], 4)]
    moved = struct.pack(f">{len(offsets)}I", *(offset + size for offset in offsets))
    box = plain[moov : table + 12] + moved + plain[table + 12 + len(moved) : moov + size]
    first = int.from_bytes(plain[:4], "big")
    fast = plain[:first] + box + plain[first:moov]
    assert fast.index(b"moov") < fast.index(b"mdat") and read(fast).essence_sha256 == read(plain).essence_sha256
    assert codes(read(fast[:-500])) == {"truncated"} and codes(read(plain[:-500])) >= {"truncated"}


def test_lossless_and_moving_pictures_are_not_kept() -> None:
    found = read(encode(make_sound(0.3), "ipod", "alac", 44100))
    assert found.format is None and codes(found) == {"not-audio"}


def test_boxes_nested_without_end_are_no_trouble() -> None:
    size, data = 8 * 5000, b""
    for depth in range(5000):
        data += struct.pack(">I4s", size - 8 * depth, b"moov")
    assert codes(read(data)) == {"not-audio"}


def test_adts_frames_are_counted_and_gaps_found() -> None:
    data = sound_file("aac")
    whole = read_adts_structure(MemorySource(data), "a", 0)
    assert (whole.sample_rate, whole.channels, codes(whole)) == (44100, 2, set())
    middle = data.index(data[:3], len(data) // 2)
    broken = read_adts_structure(MemorySource(data[:middle] + b"none" * 20 + data[middle:]), "a", 0)
    assert codes(broken) == {"corrupt"} and broken.essence_sha256 == whole.essence_sha256
