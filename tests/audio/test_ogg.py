"""Ogg pages: what is built is read back, and nothing broken passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ogg_builder import SOUND, VORBIS_HEAD, lay_pages, real_file, vorbis_file

from fonoteca.audio.ogg import CONTINUED, NO_GRANULE, build_page, lacing_of, scan_pages, shift_numbers
from fonoteca.audio.ogg_streams import read_packets
from fonoteca.audio.ogg_structure import read_ogg_structure

packets_lists = st.lists(st.one_of(st.binary(max_size=600), st.integers(0, 70_000).map(bytes)), min_size=1, max_size=8)


@given(packets_lists, st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1))
def test_packets_come_back_from_the_pages_they_were_laid_on(packets: list[bytes], serial: int, granule: int) -> None:
    data = lay_pages([(packets, granule)], serial)
    scan = scan_pages(data)
    assert not scan.damages
    assert not scan.gaps
    assert [packet.data for packet in read_packets(data, scan.pages, 100)] == packets
    assert {page.serial for page in scan.pages} == {serial}
    assert scan.pages[-1].granule == granule


@given(packets_lists, st.integers(-3, 2**32))
def test_shifting_page_numbers_there_and_back_changes_nothing(packets: list[bytes], step: int) -> None:
    data = lay_pages([(packets, 5)])
    shifted = shift_numbers(data, step)
    assert not scan_pages(shifted).damages
    assert shift_numbers(shifted, -step) == data


def test_checksums_of_libogg_are_right() -> None:
    assert not scan_pages(real_file()).damages
    assert not scan_pages(real_file("OPUS")).damages


def test_checksums_hold_at_every_alignment_and_page_size() -> None:
    for size in (0, 1, 254, 255, 256, 4000, 65_024):
        page = build_page(0, 0, 1, 2, lacing_of(size), bytes(index * 7 & 255 for index in range(size)))
        for shift in range(9):
            scan = scan_pages(b"x" * shift + page * 3)
            assert len(scan.pages) == 3
            assert not scan.damages


def test_flipped_bit_in_any_page_is_found() -> None:
    data = vorbis_file(sound=SOUND[:4])
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        structure = read_ogg_structure(bytes(damaged), "x.ogg")
        assert {"corrupt", "truncated", "leading-data"} & {found.code for found in structure.findings}, f"bit {bit}"
        assert not structure.can_be_retagged


def test_cut_at_every_byte_is_found() -> None:
    data = vorbis_file(sound=SOUND[:4])
    for size in range(len(data)):
        codes = {found.code for found in read_ogg_structure(data[:size], "x.ogg").findings}
        assert codes & {"truncated", "corrupt", "empty-file", "not-audio"}, f"cut to {size} bytes"
        if size > 100:
            assert "truncated" in codes


def test_reading_goes_on_behind_damage() -> None:
    data = bytearray(vorbis_file())
    pages = scan_pages(bytes(data)).pages
    data[pages[5].body + 3] ^= 1
    data[pages[9].offset] = 0
    scan = scan_pages(bytes(data))
    assert len(scan.pages) == len(pages) - 1
    assert [damage.offset for damage in scan.damages] == [pages[5].offset]
    assert scan.gaps == [(pages[9].offset, pages[10].offset)]


def test_file_of_nothing_but_page_marks_ends_quickly() -> None:
    scan = scan_pages(b"OggS\0" * 400_000)
    assert len(scan.damages) == 101


@pytest.mark.parametrize("content", [b"", b"O", b"OggS", b"OggS" + bytes(22), b"OggS" + bytes(23), b"RIFF" + bytes(500), b"\xff" * 5000])
def test_short_and_foreign_bytes_are_findings(content: bytes) -> None:
    structure = read_ogg_structure(content, "x.ogg")
    assert structure.codec is None
    assert structure.findings


def test_lying_segment_count_is_found() -> None:
    data = bytearray(vorbis_file())
    page = scan_pages(bytes(data)).pages[4]
    for value in (0, 1, 200, 255):
        data[page.offset + 26] = value
        assert (
            "corrupt" in {found.code for found in read_ogg_structure(bytes(data), "x.ogg").findings}
            or value == page.body - page.offset - 27
        )


def test_packet_over_many_pages_is_whole() -> None:
    packet = bytes(range(256)) * 1200
    data = lay_pages([([VORBIS_HEAD], 0), ([packet, b"end"], 9)])
    pages = scan_pages(data).pages
    assert len(pages) == 1 + -(-len(packet) // 65_025)
    assert all(page.flags & CONTINUED and page.granule == NO_GRANULE for page in pages[2:-1])
    assert [found.data for found in read_packets(data, pages, 10)] == [VORBIS_HEAD, packet, b"end"]


def test_real_music_has_no_false_alarm(music: Path) -> None:
    files = sorted(music.rglob("*.ogg"))
    assert files
    for file in files:
        structure = read_ogg_structure(file.read_bytes(), str(file))
        assert structure.findings == ()
        assert structure.can_be_retagged
