"""Lines and blocks of lines: the same, however the file is packed, cut or damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.catalogue.lines import open_bytes, read_blocks, read_lines

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "jsonl": bytes, "zst": zstd.compress, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "tgz": gzip.compress,
    "txz": lzma.compress, "tbz2": bz2.compress,
}  # fmt: skip


def lines_of(content: bytes, longest: int) -> list[tuple[int, bytes, bool]]:
    return [(line.number, line.content, line.fault is None) for line in read_lines(io.BytesIO(content), longest)]


def lines_of_blocks(content: bytes, size: int, longest: int) -> list[tuple[int, bytes, bool]]:
    found: list[tuple[int, bytes, bool]] = []
    for block in read_blocks(io.BytesIO(content), size, longest):
        lines = block.content.removesuffix(b"\n").split(b"\n") if block.fault is None else [b""]
        found += [(block.number + place, line.rstrip(b"\r"), block.fault is None) for place, line in enumerate(lines)]
    return found


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")), max_size=20), st.integers(1, 8),
       st.booleans())  # fmt: skip
def test_blocks_hold_the_lines(lines: list[bytes], size: int, ends: bool) -> None:
    content = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    assert lines_of_blocks(content, size, 8) == lines_of(content, 8)


@pytest.mark.parametrize("suffix", PACKERS)
def test_lines_before_a_cut_are_given(suffix: str, tmp_path: Path) -> None:
    chance = random.Random(1)
    content = b"".join(b"%d %d\n" % (n, chance.getrandbits(64)) for n in range(100_000))
    path = tmp_path / f"rows.{suffix}"
    path.write_bytes(PACKERS[suffix](content))
    with open_bytes(path) as file:
        assert b"".join(block.content for block in read_blocks(file, 1 << 16)) == content
    path.write_bytes(PACKERS[suffix](content)[: len(content) // 3])
    with open_bytes(path) as one, open_bytes(path) as other:
        lines, blocks = list(read_lines(one)), list(read_blocks(other, 1 << 24))
    if suffix != "jsonl":
        assert lines[-1].fault and (blocks[-1].number, blocks[-1].fault) == (lines[-1].number, lines[-1].fault)
        assert sum(block.content.count(b"\n") for block in blocks) == len(lines) - 1 > 1_000


def test_damage_in_bzip2_is_told_as_damage(tmp_path: Path) -> None:
    packed = bytearray(bz2.compress(random.Random(2).randbytes(3_000_000)))
    packed[len(packed) // 2] ^= 0x55
    (tmp_path / "rows.bz2").write_bytes(packed)
    with open_bytes(tmp_path / "rows.bz2") as file:
        assert "damaged" in (list(read_lines(file))[-1].fault or "")
