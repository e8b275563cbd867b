"""Comment packets: taken apart and put together without changing a byte, whatever is in them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.audio.comments import (
    build_comment_packet,
    find_odd_comments,
    merge_comments,
    parse_comment_packet,
)
from fonoteca.ground.errors import AudioFormatError


@given(st.sampled_from(["vorbis", "opus"]), st.binary(), st.lists(st.binary(max_size=400)), st.binary())
def test_packet_is_read_as_it_was_built(codec, vendor, comments, trailing) -> None:  # type: ignore[no-untyped-def]
    packet = build_comment_packet(codec, vendor, comments, trailing)
    assert parse_comment_packet(packet) == (codec, vendor, tuple(comments), trailing)
    assert build_comment_packet(*parse_comment_packet(packet)) == packet


def test_cut_packet_is_refused_at_every_byte_before_its_end() -> None:
    packet = build_comment_packet("opus", b"vendor", [b"TITLE=x", b"bare", b"\xff=\xff"])
    for size in range(len(packet)):
        with pytest.raises(AudioFormatError):
            parse_comment_packet(packet[:size])


@pytest.mark.parametrize("lie", [4, 1000, 2**31, 2**32 - 1])
def test_lying_lengths_and_counts_are_refused(lie: int) -> None:
    number = struct.pack("<I", lie)
    for packet in (
        b"OpusTags" + number + b"abc",
        b"OpusTags\0\0\0\0" + number + b"\0\0\0\0abc",
        b"OpusTags\0\0\0\0\1\0\0\0" + number + b"abc",
    ):
        with pytest.raises(AudioFormatError):
            parse_comment_packet(packet)


def test_hundred_thousand_bytes_of_tags_are_kept() -> None:
    comments = [b"LYRICS=" + bytes([65 + number % 26]) * 1000 for number in range(110)]
    assert parse_comment_packet(build_comment_packet("vorbis", b"v", comments)).comments == tuple(comments)


def test_existing_comments_stay_as_they_are_and_in_order() -> None:
    existing = [b"no equals sign", b"title=\xff\xfe", b"B=2", b"A=1", b"A=1", b""]
    merged = merge_comments(existing, [("C", "3"), ("TITLE", "new")])
    assert merged == (*existing, b"C=3", b"TITLE=new")


def test_addition_that_stands_there_already_adds_nothing() -> None:
    assert merge_comments([b"Title=Song"], [("TITLE", "Song"), ("title", "Song"), ("ARTIST", "A"), ("artist", "A")]) == (
        b"Title=Song",
        b"ARTIST=A",
    )


def test_several_values_of_one_key_stay_several() -> None:
    assert merge_comments([b"ARTIST=One"], [("ARTIST", "Two"), ("ARTIST", "Three")]) == (b"ARTIST=One", b"ARTIST=Two", b"ARTIST=Three")


@pytest.mark.parametrize("key", ["", "A=B", "Ä", "line\nbreak", "~"])
def test_impossible_names_are_refused(key: str) -> None:
    with pytest.raises(AudioFormatError):
        merge_comments([], [(key, "value")])


def test_text_that_is_no_unicode_is_written_as_valid_utf8() -> None:
    (comment,) = merge_comments([], [("TITLE", "bad \udcff")])
    assert comment.decode() == "TITLE=bad ?"


def test_odd_comments_are_counted() -> None:
    assert find_odd_comments([b"A=1", b"bare", b"B=\xff"]) == ["1 of 3 comments have no '='", "1 of 3 comments are not UTF-8"]
    assert find_odd_comments([b"A=1", "Ä=ö".encode()]) == []
