"""JSON lines in our own record schema, plain or compressed, from any line on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path

from fonoteca.catalogue.import_records import ImportLine, bad_line, read_object
from fonoteca.catalogue.lines import Line, open_bytes, read_lines


def read_json_lines(path: Path, after: int = 0) -> Iterator[ImportLine]:
    """The lines of `path` behind number `after`; streams. Empty lines are skipped; no line stops the reading."""
    for line in lines_after(path, after):
        if line.fault:
            yield bad_line(path, line.number, line.fault)
        elif line.content.strip():
            yield read_object(path, line.number, line.content)


def lines_after(path: Path, after: int) -> Iterator[Line]:
    """The lines of `path` behind number `after`, empty ones and faults too."""
    with open_bytes(path) as file:
        yield from dropwhile(lambda line: line.number <= after, read_lines(file))
