"""Pictures in Ogg comments: read as they were written, never embedded twice."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ogg_builder import png

from fonoteca.audio.ogg_pictures import find_pictures, merge_pictures, picture_block
from fonoteca.audio.pictures import decode_base64, make_picture, read_picture_comment


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 20), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_picture_comment_is_read_as_it_was_written(width: int, height: int, kind: int, description: str) -> None:
    given_picture = make_picture(png(width, height), kind, description)
    assert read_picture_comment(picture_block(given_picture).decode()) == given_picture


@pytest.mark.parametrize("value", [b"", b"!!!", b"AAAA", b"AAAAA/////8AAAAA", b"\xff\xfe"])
def test_broken_picture_comment_is_passed_over(value: bytes) -> None:
    assert find_pictures([b"METADATA_BLOCK_PICTURE=" + value, b"TITLE=x"]) == []


def test_picture_that_is_embedded_already_is_not_embedded_again() -> None:
    once = merge_pictures([b"TITLE=x"], [make_picture(png(5, 5), 3, "front"), make_picture(png(5, 5))])
    assert len(once) == 2
    assert merge_pictures(once, [make_picture(png(5, 5), 4, "other words")]) == once
    assert len(merge_pictures(once, [make_picture(png(6, 5))])) == 3


@pytest.mark.parametrize(
    ("data", "depth", "colours"),
    [
        (png(3, 3), 24, 0),
        (png(3, 3)[:25] + b"\x06" + png(3, 3)[26:], 32, 0),
        (png(3, 3)[:25] + b"\x03" + png(3, 3)[26:33] + b"\0\0\0\x0cPLTE", 24, 4),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00", 8, 0),
        (b"\xff\xd8\xff", 24, 0),
        (b"GIF89a\x05\x00\x05\x00\xf3\x00\x00", 24, 16),
    ],
)
def test_depth_and_colours_are_those_of_the_picture(data: bytes, depth: int, colours: int) -> None:
    block = decode_base64(picture_block(make_picture(data)).decode())
    assert struct.unpack(">2I", block[-len(data) - 12 : -len(data) - 4]) == (depth, colours)
