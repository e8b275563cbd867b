"""How far each import came, committed with what it wrote: a run that was killed goes on behind its last batch."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import msgspec

from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.statements import Statements


class ImportPosition(msgspec.Struct, frozen=True):
    """The last line that is in the catalogue, and what came of the lines so far, by outcome."""

    line: int = 0
    counts: dict[str, int] = {}
    is_done: bool = False


class ImportFile(msgspec.Struct, frozen=True):
    """One file as a source gave it; another size or time makes it another file, which is read from its beginning."""

    source: str
    path: str
    size: int
    modified_ns: int


def identify_file(path: Path, source: str) -> ImportFile:
    """The identity of a file."""
    found = path.stat()
    return ImportFile(clean_text(source), clean_text(os.path.abspath(path)), found.st_size, found.st_mtime_ns)


def find_position(sql: Statements, file: ImportFile) -> ImportPosition:
    """Where to go on; the beginning for a file that is new, has changed, or was imported to its end."""
    query = "SELECT line, counts FROM imports WHERE source = ? AND path = ? AND size = ? AND modified_ns = ? AND NOT is_done"
    found = sql.row(query, (file.source, file.path, file.size, file.modified_ns))
    return ImportPosition() if found is None else ImportPosition(found[0], msgspec.json.decode(found[1], type=dict[str, int]))


def put_position(sql: Statements, file: ImportFile, line: int, counts: Counter[str], *, is_done: bool) -> None:
    """Record how far the import came; belongs in the transaction of what it wrote."""
    row = (file.source, file.path, file.size, file.modified_ns, line, msgspec.json.encode(counts, order="sorted").decode(), is_done)
    sql.run("INSERT OR REPLACE INTO imports VALUES (?, ?, ?, ?, ?, ?, ?)", row)
