"""What changed between two editions, as JSON lines by public id; docs/formats/edition-delta.md."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import apsw
import msgspec
from backports import zstd

from fonoteca.catalogue.edition_file import open_edition
from fonoteca.catalogue.natural_rows import NaturalTable, Row, iterate_rows, natural_tables
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import translate_os_errors
from fonoteca.ground.files import open_atomically
from fonoteca.ground.progress import Progress

FORMAT = "fonoteca-edition-delta"
VERSION = 1
COMPRESSION_LEVEL = 12

_encode = msgspec.json.Encoder().encode


class EditionFile(msgspec.Struct, frozen=True):
    """An edition as a file: its digest, its size and what it says of itself."""

    sha256: str
    size: int
    facts: dict[str, str]


class DeltaHeader(msgspec.Struct, frozen=True):
    """The first line of a delta: which edition it starts from, which one it makes, with what writer; the columns of each table."""

    format: str
    version: int
    old: EditionFile
    new: EditionFile
    tables: dict[str, tuple[str, ...]]


class DeltaEnd(msgspec.Struct, frozen=True):
    """The last line of a delta: how many lines of rows came before it and the SHA-256 of all bytes before it."""

    lines: int
    sha256: str


class DeltaCounts(msgspec.Struct, frozen=True):
    """Rows put (new or changed) and removed by table, and the size of the delta."""

    put: dict[str, int]
    removed: dict[str, int]
    size: int


def describe_edition(path: Path) -> EditionFile:
    """Digest, size and facts of an edition; DatabaseError where it is none. Reads the whole file once."""
    connection = open_edition_file(path)
    try:
        facts = {str(name): str(value) for name, value in connection.execute("SELECT name, value FROM edition ORDER BY name")}
    except apsw.Error as error:
        raise translate_database_error(error, path) from error
    finally:
        connection.close()
    with translate_os_errors(path), open(path, "rb") as file:
        return EditionFile(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size, facts)


def open_edition_file(path: Path) -> apsw.Connection:
    """A reading connection to an edition; DatabaseError with the reason where the file is none, or not whole."""
    return open_edition(path)


def write_delta(old: Path, new: Path, target: Path, progress: Progress | None = None) -> DeltaCounts:
    """Write what must be done to the records of `old` to have those of `new`; whole or not at all, the same bytes each time.

    Both are read in order of public id, so memory does not grow; SQLite sorts on disk.
    """
    before, after = describe_edition(old), describe_edition(new)
    header = DeltaHeader(FORMAT, VERSION, before, after, {table.name: table.columns for table in natural_tables()})
    put: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    connections = open_edition_file(old), open_edition_file(new)
    try:
        with open_atomically(target, is_ours=False) as file, zstd.ZstdFile(file, "w", level=COMPRESSION_LEVEL) as packed:
            lines = _Lines(packed)
            lines.write(header)
            for table in natural_tables():
                for kind, row in _changes(connections, table):
                    (put if kind == "put" else removed)[table.name] += 1
                    lines.write((table.name, None, row) if kind == "removed" else (table.name, row))
                if progress is not None:
                    progress.advance()
            packed.write(_encode(DeltaEnd(lines.count - 1, lines.digest.hexdigest())) + b"\n")
    except apsw.Error as error:
        raise translate_database_error(error, new) from error
    finally:
        for connection in connections:
            connection.close()
    return DeltaCounts(dict(put), dict(removed), target.stat().st_size)


class _Lines:
    def __init__(self, file: BinaryIO | zstd.ZstdFile) -> None:
        self._file = file
        self.count = 0
        self.digest = hashlib.sha256()

    def write(self, value: Any) -> None:
        line = _encode(value) + b"\n"
        self.digest.update(line)
        self._file.write(line)
        self.count += 1


def _changes(connections: tuple[apsw.Connection, apsw.Connection], table: NaturalTable) -> Iterator[tuple[str, Row]]:
    """("removed", key) and ("put", row), in order of the key."""
    before, after = (iterate_rows(connection, table) for connection in connections)
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if old is not None and new is not None and old == new:
            old, new = next(before, None), next(after, None)
        elif new is None or (old is not None and table.key_of(old) < table.key_of(new)):
            assert old is not None
            yield "removed", _told(table.key_of(old))
            old = next(before, None)
        else:
            if old is not None and table.key_of(old) == table.key_of(new):
                old = next(before, None)
            yield "put", _told(new)
            new = next(after, None)


def _told(row: Row) -> Row:
    """Blobs as lower-case hex, which JSON can hold."""
    return tuple(value.hex() if isinstance(value, bytes) else value for value in row)
