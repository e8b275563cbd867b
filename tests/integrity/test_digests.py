"""One-pass digests against hashlib and libtorrent."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import libtorrent as lt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import SettingsError
from fonoteca.integrity import FileDigest, MerkleHasher, PieceHasher, digests

CHUNKS = st.lists(st.binary(max_size=300), max_size=12)


@given(CHUNKS, st.integers(1, 400))
def test_pieces_do_not_depend_on_how_the_bytes_come(chunks: list[bytes], piece_length: int) -> None:
    hasher = PieceHasher(piece_length)
    for chunk in chunks:
        hasher.update(chunk)
    whole = b"".join(chunks)
    pieces = [whole[at : at + piece_length] for at in range(0, len(whole), piece_length)]
    assert hasher.finish() == hasher.finish() == b"".join(hashlib.sha1(piece).digest() for piece in pieces)
    assert hasher.size == len(whole)


@given(CHUNKS)
def test_file_digest_is_sha256_and_size(chunks: list[bytes]) -> None:
    digest = FileDigest()
    for chunk in chunks:
        digest.update(memoryview(bytearray(chunk)))
    assert (digest.sha256, digest.size) == (hashlib.sha256(b"".join(chunks)).hexdigest(), len(b"".join(chunks)))


def tree_of(content: bytes, piece_length: int, seed: int = 0) -> tuple[bytes, bytes]:
    """Fed in pieces of odd lengths."""
    generator = random.Random(seed)
    hasher = MerkleHasher()
    at = 0
    while at < len(content):
        step = generator.choice([1, 100, 16_384, 16_383, 50_000])
        hasher.update(content[at : at + step])
        at += step
    return hasher.finish(piece_length)


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 7, 8, 9, 31])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_tree_is_that_of_libtorrent(blocks: int, more: int, tmp_path: Path) -> None:
    content = random.Random(blocks).randbytes(blocks * 16_384 + more)
    (tmp_path / "f").write_bytes(content)
    creator = lt.create_torrent([lt.create_file_entry("f", len(content))], 65_536, lt.create_torrent.v2_only)
    lt.set_piece_hashes(creator, str(tmp_path))
    made = creator.generate()
    root, layer = tree_of(content, 65_536)
    assert made[b"info"][b"file tree"][b"f"][b""][b"pieces root"] == root
    assert made.get(b"piece layers", {}).get(root, b"") == layer


def test_folding_away_low_levels_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(3).randbytes(5_000_000)
    whole = tree_of(content, 262_144)
    monkeypatch.setattr(digests, "HELD_HASHES", 40)
    monkeypatch.setattr(digests, "FOLD_LEAVES", 4)
    for seed in range(3):
        assert tree_of(content, 262_144, seed) == whole
    with pytest.raises(SettingsError, match="too small"):
        tree_of(content, 16_384)


def test_empty_file_has_no_tree() -> None:
    assert MerkleHasher().finish(16_384) == (b"", b"")


@pytest.mark.parametrize("piece_length", [0, -1])
def test_pieces_of_no_bytes_are_refused(piece_length: int) -> None:
    with pytest.raises(SettingsError):
        PieceHasher(piece_length)
    with pytest.raises(SettingsError):
        MerkleHasher().finish(piece_length)
