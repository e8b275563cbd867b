"""Fuzz the reader of seekable Zstandard: streaming and ranges give content, findings or ContainerFormatError, in bounded memory."""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "containers"))

from mutations import run
from odd_containers import ODD_FILES, pack, with_checksum_entries

from fonoteca.containers import MemoryFile, SeekableReader
from fonoteca.containers.frames import zstd
from fonoteca.ground.errors import ContainerFormatError
from fonoteca.ground.findings import FINDING_KINDS, Finding

STREAMED_BYTES = 64 << 20


def check(content: bytes) -> None:
    """Read `content` from its beginning, then in ranges."""
    read = 0
    for chunk in SeekableReader(MemoryFile(content)).chunks():
        if isinstance(chunk, Finding):
            assert chunk.code in FINDING_KINDS
        else:
            read += len(chunk)
            assert len(chunk) <= 33 << 20
        if read > STREAMED_BYTES:
            break
    reader = SeekableReader(MemoryFile(content))
    chance = random.Random(len(content))
    try:
        size = reader.size
        for _ in range(3):
            offset, length = chance.randint(0, min(size, 1 << 20)), chance.randint(0, 5000)
            assert len(reader.read(offset, length)) <= length
    except ContainerFormatError:
        pass


if __name__ == "__main__":
    text = b"".join(b'{"line":%d}\n' % number for number in range(500))
    seeds = [pack(text, 500), with_checksum_entries(pack(text, 1000)), pack(random.Random(1).randbytes(3000), 700), zstd.compress(text)]
    seeds += [zstd.compress(bytes(1 << 24)), pack(b""), *(ODD_FILES[name][0]() for name in ODD_FILES if "table" in name or "frame" in name)]
    sys.exit(run("seekable Zstandard", seeds, check))
