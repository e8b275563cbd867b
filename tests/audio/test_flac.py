"""FLAC: frames by number and checksum, metadata that lies, and what may stand before and after."""

from __future__ import annotations

import io
import struct
import zlib

import av
import pytest
from codec_files import PNG, encode, id3_bytes, make_sound, sound_file
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import ID3, TIT2

from fonoteca.audio.byte_source import MemorySource
from fonoteca.audio.crc16 import crc16, crc16_reflected, remainders
from fonoteca.audio.flac import read_flac_structure
from fonoteca.audio.formats import AudioStructure
from fonoteca.audio.tags import read_tags


def read(data: bytes, start: int = 0) -> AudioStructure:
    return read_flac_structure(MemorySource(data), "a.flac", start)


def codes(found: AudioStructure) -> set[str]:
    return {finding.code for finding in found.findings}


def frame_offsets(data: bytes) -> list[int]:
    """Where FFmpeg finds the frames."""
    with av.open(io.BytesIO(data), format="flac") as container:
        lengths = [packet.size for packet in container.demux(audio=0) if packet.size]
    return [len(data) - sum(lengths[number:]) for number in range(len(lengths))]


@given(st.binary(min_size=2, max_size=5000), st.integers(0, 0xFFFF))
def test_crc16_agrees_with_the_division_bit_by_bit(data: bytes, start: int) -> None:
    register = start
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ 0x8005 if register & 0x8000 else register << 1) & 0xFFFF
    assert crc16(data, start) == register
    assert start or remainders([data + register.to_bytes(2, "big")]) == [0]


def test_reflected_crc16_has_the_check_value_of_crc_16_arc() -> None:
    assert crc16_reflected(b"123456789") == 0xBB3D
    assert crc16_reflected(b"6789", crc16_reflected(b"12345")) == 0xBB3D


def test_frames_of_real_length_are_counted_and_none_is_damaged() -> None:
    found = read(sound_file("flac", 3.0))
    assert (found.samples, found.sample_rate, found.channels, codes(found)) == (3 * 44100, 44100, 2, set())


@pytest.mark.parametrize("rate", [8000, 11025, 37000, 48000, 96000])
def test_odd_sample_rates_are_read(rate: int) -> None:
    found = read(encode(make_sound(1, rate), "flac", "flac", rate))
    assert (found.samples, found.sample_rate, codes(found)) == (rate, rate, set())


def test_a_frame_that_is_left_out_is_found() -> None:
    data = sound_file("flac")
    first, second = frame_offsets(data)[2:4]
    assert codes(read(data[:first] + data[second:])) == {"corrupt"}


def test_a_file_cut_between_two_frames_is_truncated() -> None:
    data = sound_file("flac")
    assert codes(read(data[: frame_offsets(data)[-1]])) == {"truncated"}


def test_metadata_block_that_claims_more_than_the_file_is_truncated() -> None:
    data = bytearray(sound_file("flac"))
    data[43:46] = b"\xff\xff\xff"  # the block after STREAMINFO
    assert codes(read(bytes(data))) == {"truncated"}


def test_id3_before_and_after_is_read_around() -> None:
    tag = ID3()
    tag.add(TIT2(encoding=3, text=["Around"]))
    before = id3_bytes(tag)
    plain, around = sound_file("flac"), before + sound_file("flac") + b"TAG" + b"Old title".ljust(125, b"\0")
    found = read(around, len(before))
    assert codes(found) == {"leading-data"}
    assert found.essence_sha256 == read(plain).essence_sha256
    assert read_tags(MemorySource(around), found.tag_blocks, "a").tags["title"] == ("Around",)


def test_picture_larger_than_its_length_field_is_read_by_its_own_fields() -> None:
    plain = sound_file("flac")
    image = PNG + bytes(17 << 20)
    body = struct.pack(">II9sI", 3, 9, b"image/png", 0) + struct.pack(">5I", 3, 2, 24, 0, len(image)) + image
    block = bytes([6]) + (len(body) & 0xFFFFFF).to_bytes(3, "big") + body
    data = plain[:42] + block + plain[42:]
    found = read(data)
    (picture,) = read_tags(MemorySource(data), found.tag_blocks, "a").pictures
    assert (codes(found), found.essence_sha256) == (set(), read(plain).essence_sha256)
    assert (picture.mime, picture.width, picture.height, picture.data) == ("image/png", 3, 2, image)


def test_claims_of_any_size_need_no_memory() -> None:
    body = sound_file("flac")[4:42]
    for claim in (b"\x84\xff\xff\xff", b"\x86\xff\xff\xff" + b"\xff" * 12):
        assert codes(read(b"fLaC" + body + claim + zlib.compress(b""))) == {"truncated"}
