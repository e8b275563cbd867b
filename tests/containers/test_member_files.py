"""Members on disk: parts of every size become the same bytes, in pieces that are neither tiny nor copied."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fonoteca.containers.member_files import PIECE_BYTES, gather_pieces, write_member

SIZES = st.sampled_from([0, 1, 1000, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 5])


@given(st.lists(SIZES, max_size=6))
def test_pieces_are_the_parts_in_order(sizes: list[int]) -> None:
    parts = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    pieces = list(gather_pieces(parts))
    assert b"".join(pieces) == b"".join(parts)
    assert all(0 < len(piece) < 2 * PIECE_BYTES for piece in pieces)


def test_large_parts_are_not_copied() -> None:
    part = bytes(2 * PIECE_BYTES)
    pieces = list(gather_pieces([b"header", part]))
    assert [piece.obj is part for piece in pieces if isinstance(piece, memoryview)] == [True, True]


def test_a_member_of_small_and_large_parts_is_written_whole(tmp_path: Path) -> None:
    parts = [b"header", memoryview(bytes(range(256)) * 10_000), b"end"]
    seen = hashlib.sha256()
    written = write_member(tmp_path / "member", parts, seen.update)
    content = (tmp_path / "member").read_bytes()
    assert content == b"".join(parts)
    assert (written.size, written.sha256) == (len(content), hashlib.sha256(content).hexdigest()) == (len(content), seen.hexdigest())
