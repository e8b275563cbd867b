import io
import random
import shutil
import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_containers import GOOD, ODD_FILES, with_checksum_entries

from fonoteca.containers import MemoryFile, SeekableReader, SeekableWriter
from fonoteca.containers.frames import is_zstandard, read_frame_header, zstd
from fonoteca.containers.seek_table import encode_seek_table, read_seek_table, scan_seek_table
from fonoteca.ground.errors import ContainerFormatError
from fonoteca.ground.findings import Finding

HAS_ZSTD = shutil.which("zstd") is not None


def pack(content: bytes, frame_bytes: int, writes: list[int] | None = None) -> bytes:
    sink = io.BytesIO()
    writer = SeekableWriter(sink, frame_bytes=frame_bytes)
    start = 0
    for length in writes or []:
        writer.write(content[start : start + length])
        start += length
    writer.write(content[start:])
    writer.close()
    return sink.getvalue()


def read_all(file: bytes) -> bytes:
    return b"".join(chunk for chunk in SeekableReader(MemoryFile(file)).chunks() if isinstance(chunk, bytes))


@given(st.binary(max_size=3000), st.integers(1, 700), st.lists(st.integers(0, 900), max_size=4), st.integers(0, 3100), st.integers(0, 3100))
def test_what_was_written_is_read_whole_and_in_ranges(
    content: bytes, frame_bytes: int, writes: list[int], offset: int, length: int
) -> None:
    file = pack(content, frame_bytes, writes)
    reader = SeekableReader(MemoryFile(file))
    assert read_all(file) == content
    assert reader.size == len(content)
    assert reader.read(offset, length) == content[offset : offset + length]
    assert not reader.findings
    assert file == pack(content, frame_bytes)


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_the_walk_over_the_frames_finds_the_table(content: bytes, frame_bytes: int) -> None:
    file = MemoryFile(pack(content, frame_bytes))
    told, (walked, damage) = read_seek_table(file), scan_seek_table(file)
    assert (told.starts, told.positions, damage) == (walked.starts, walked.positions, None)


def test_every_frame_says_its_size_and_has_a_checksum() -> None:
    content = random.Random(1).randbytes(2500)
    file = MemoryFile(pack(content, 1000))
    table = read_seek_table(file)
    headers = [read_frame_header(file, start) for start in table.starts[:-1]]
    assert [header.content_bytes for header in headers] == [1000, 1000, 500]
    assert all(header.has_checksum for header in headers)


def test_the_table_has_the_bytes_of_the_convention() -> None:
    assert encode_seek_table([(3, 5)]).hex() == "5e2a4d18" + "11000000" + "03000000" + "05000000" + "01000000" + "00" + "b1ea928f"


@pytest.mark.skipif(not HAS_ZSTD, reason="zstd is not installed")
@pytest.mark.parametrize("size", [0, 1, 100_000, 1 << 20, (3 << 20) + 17])
def test_the_zstd_program_reads_the_file(tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    path = tmp_path / "lines.jsonl.seekable.zst"
    path.write_bytes(pack(content, 1 << 20))
    assert subprocess.run(["zstd", "-dc", path], capture_output=True, check=True, timeout=60).stdout == content
    subprocess.run(["zstd", "-t", path], capture_output=True, check=True, timeout=60)
    listed = subprocess.run(["zstd", "-lv", path], capture_output=True, check=True, text=True, timeout=60).stdout
    assert "XXH64" in listed or size == 0


def test_an_independent_reader_seeks_in_the_file(tmp_path: Path) -> None:
    indexed_zstd = pytest.importorskip("indexed_zstd")
    chance = random.Random(7)
    content = b"".join(b'{"line":%d}\n' % chance.randrange(10**9) for _ in range(60_000))
    path = tmp_path / "lines.jsonl.seekable.zst"
    path.write_bytes(pack(content, 100_000))
    other, ours = indexed_zstd.IndexedZstdFile(str(path)), SeekableReader(MemoryFile(path.read_bytes()))
    for _ in range(200):
        offset, length = chance.randrange(len(content)), chance.randrange(3000)
        other.seek(offset)
        assert other.read(length) == ours.read(offset, length) == content[offset : offset + length]


@pytest.mark.skipif(not HAS_ZSTD, reason="zstd is not installed")
def test_files_of_the_zstd_program_are_read(tmp_path: Path) -> None:
    content = random.Random(3).randbytes(300_000) * 3
    (tmp_path / "x").write_bytes(content)
    for options in (["-1"], ["--no-check", "-19"], ["--long=27"], ["-B131072", "-T2"]):
        file = subprocess.run(["zstd", "-c", *options, tmp_path / "x"], capture_output=True, check=True, timeout=60).stdout
        streamed = subprocess.run(["zstd", "-c", *options], input=content, capture_output=True, check=True, timeout=60).stdout
        for packed in (file, streamed, file + streamed):
            reader = SeekableReader(MemoryFile(packed))
            whole = content * (2 if packed == file + streamed else 1)
            assert read_all(packed) == whole and reader.size == len(whole)
            assert reader.read(299_999, 300_003) == whole[299_999:600_002]
            assert [finding.code for finding in reader.findings] == ["aac-seek-table"]


@pytest.mark.parametrize(
    "oddity",
    [
        "missing-table",
        "cut-table",
        "table-lies-about-content",
        "table-lies-about-starts",
        "table-claims-too-many-frames",
        "checksums-in-table",
        "plain-lines",
    ],
)
def test_ranges_are_right_whatever_the_table_says(oddity: str) -> None:
    build, code, _ = ODD_FILES[oddity]
    reader = SeekableReader(MemoryFile(build()))
    for offset, length in ((0, 50), (150, 300), (len(GOOD) - 10, 10), (0, len(GOOD))):
        assert reader.read(offset, length) == GOOD[offset : offset + length]
    assert reader.size == len(GOOD)
    assert [finding.code for finding in reader.findings] == ([code] if code else [])


def test_a_damaged_frame_is_an_error_for_a_range_and_other_frames_are_read() -> None:
    content = random.Random(2).randbytes(3000)
    file = bytearray(pack(content, 1000))
    file[1500] ^= 1
    reader = SeekableReader(MemoryFile(bytes(file)))
    assert reader.read(0, 1000) == content[:1000]
    assert reader.read(2000, 1000) == content[2000:]
    with pytest.raises(ContainerFormatError):
        reader.read(1200, 5)


def test_flipped_bit_in_any_byte_gives_no_wrong_content() -> None:
    content = b"".join(b"%d," % number for number in range(400))
    file = pack(content, 500)
    for at in range(len(file)):
        broken = file[:at] + bytes([file[at] ^ (1 << at % 8)]) + file[at + 1 :]
        if not is_zstandard(broken[:4]):
            continue
        items = list(SeekableReader(MemoryFile(broken)).chunks())
        got = b"".join(item for item in items if isinstance(item, bytes))
        assert got == content or any(isinstance(item, Finding) and item.code == "aac-frame" for item in items), at


def test_a_file_without_damage_but_with_foreign_skippable_frames_is_read() -> None:
    skipped = struct.pack("<II", 0x184D2A50, 5) + b"hello"
    frames = zstd.compress(b"one") + skipped + zstd.compress(b"two")
    for file in (frames, skipped + frames, frames + skipped):
        reader = SeekableReader(MemoryFile(file))
        assert read_all(file) == b"onetwo" and reader.read(2, 2) == b"et"


def test_a_bomb_takes_little_memory() -> None:
    bomb = zstd.compress(bytes(1 << 28))
    claim = encode_seek_table([(len(bomb), 2**32 - 1)])
    tracemalloc.start()
    total = sum(len(chunk) for chunk in SeekableReader(MemoryFile(bomb + claim)).chunks() if isinstance(chunk, bytes))
    reader = SeekableReader(MemoryFile(bomb + claim))
    assert reader.read((1 << 28) - 5, 100) == bytes(5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 1 << 28 and peak < 100 << 20


def test_a_window_too_large_is_damage_and_not_memory() -> None:
    frame = bytes.fromhex("28b52ffd") + bytes([0x00, 0xF8]) + bytes([0x01, 0, 0])
    findings = [item for item in SeekableReader(MemoryFile(frame)).chunks() if isinstance(item, Finding)]
    assert "aac-frame" in {finding.code for finding in findings}


def test_descriptor_bits_that_are_reserved_are_not_trusted() -> None:
    file = bytearray(with_checksum_entries(pack(GOOD, 200)))
    file[-5] |= 0x08
    with pytest.raises(ContainerFormatError):
        read_seek_table(MemoryFile(bytes(file)))


@pytest.mark.parametrize("frame_bytes", [0, -1, (1 << 30) + 1])
def test_impossible_frame_sizes_are_refused(frame_bytes: int) -> None:
    with pytest.raises(ContainerFormatError):
        SeekableWriter(io.BytesIO(), frame_bytes=frame_bytes)


def test_a_table_of_the_greatest_length_takes_little_memory() -> None:
    claim = encode_seek_table([(0, 2**32 - 1)] * 1_000_000)
    tracemalloc.start()
    reader = SeekableReader(MemoryFile(zstd.compress(b"x") + claim))
    assert reader.read(0, 10) == b"x"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


def test_a_file_of_nothing_but_false_frames_is_given_up() -> None:
    findings = list(SeekableReader(MemoryFile(b"\x28\xb5\x2f\xfd" * 5000)).chunks())
    assert all(isinstance(finding, Finding) for finding in findings) and len(findings) < 1100
