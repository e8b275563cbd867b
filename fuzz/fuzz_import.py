"""Fuzz the readers of catalogue import: each line is a row or a finding, whatever a file holds; only whole files are refused."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from backports import zstd
from mutations import run

from fonoteca.catalogue.import_files import FORMATS, read_import, tell_format
from fonoteca.ground.errors import FormatError, UsageError
from musicbrainz_made import ARTIST, RECORDING, RELEASE

ROWS = [
    {"title": "Winter", "artists": ["Zoë", "A"], "isrcs": ["NLA507700001"], "disc": 1, "popularity": 7.5, "extra": {"a": [1, None]}},
    {"record": "artist", "name": "Zoë", "aliases": ["Z"], "followers": 3},
    {"record": "album", "title": "Seasons", "artists": ["Zoë"], "barcode": "0075678164125"},
    {"record": "playlist", "id": "p", "tracks": ["x", {"track": "y", "position": 4}]},
    {"record": "features", "track": "x", "tempo": 99.5, "key": -1, "energy": 0.5},
    {"aacid": "aacid__c__20260101T000000Z__x", "metadata": {"id": "x" * 22, "title": "t", "artists": ["a"], "rights": {"uri": "u"}}},
]
NAMES = ("a.jsonl", "a.csv", "a.jsonl.zst", "a.jsonl.gz", "a.jsonl.xz", "artist", "a.tar.xz", "a.tar", "a.parquet")


def build_seeds() -> list[bytes]:
    """A file of every form."""
    lines = b"\n".join(json.dumps(row).encode() for row in [*ROWS, ARTIST, RELEASE, RECORDING])
    csv = b'title,artists,disc,explicit,popularity,extra.x\n"a ""b""",x;y,1,true,2.5,z\nc,"[""q""]",,no,,\n'
    packed = [zstd.compress(lines[:300]) + zstd.compress(lines[300:]), gzip.compress(lines), lzma.compress(lines)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("mbdump/artist")
        member.size = len(lines)
        archive.addfile(member, io.BytesIO(lines))
    return [lines, csv, *packed, buffer.getvalue(), lzma.compress(buffer.getvalue()), *_parquet()]


def _parquet() -> list[bytes]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        return []
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"title": ["a", None], "artists": [["x"], []], "popularity": [1.5, None]}), buffer)
    return [buffer.getvalue()]


SEEDS = build_seeds()
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-import-"))


def check(content: bytes) -> None:
    """The same bytes under every name and in every form."""
    chance = random.Random(zlib.crc32(content))
    path = FOLDER / chance.choice(NAMES)
    path.write_bytes(content)
    try:
        format = tell_format(path) if chance.random() < 0.7 else chance.choice(FORMATS)
        for line in read_import(path, format, chance.choice((0, 0, 1, 5))):
            if not line.rows and not line.findings and format not in ("aac", "musicbrainz"):
                raise AssertionError(f"line {line.number} is neither used nor told of")
    except (UsageError, FormatError):
        pass
    finally:
        path.unlink()


if __name__ == "__main__":
    sys.exit(run("import", SEEDS, check, memory_bytes=4 << 30))
