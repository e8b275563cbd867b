"""Files of metadata cut into blocks of lines, the same ones each time, of which those that an earlier run has done are passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fonoteca.catalogue.import_files import read_import
from fonoteca.catalogue.import_records import bad_line
from fonoteca.catalogue.lines import open_bytes, read_blocks
from fonoteca.catalogue.popularity import PLAYS_AT_1, PLAYS_AT_100
from fonoteca.ground.errors import translate_os_errors
from fonoteca.ground.findings import Finding

if TYPE_CHECKING:
    from fonoteca.catalogue.bulk.import_parts import Block
    from fonoteca.workflows.catalogue_import import ImportedFile

_MOST_FINDINGS = 10_000
_SAMPLE_BYTES = 4 << 20


class _Piece(msgspec.Struct, frozen=True):
    """Lines of a file that belong together."""

    content: bytes = b""
    first_line: int = 0
    last_line: int = 0
    numbers: tuple[int, ...] | None = None
    originals: tuple[bytes, ...] | None = None
    findings: tuple[Finding, ...] = ()
    unread: int = 0


def blocks_of(path: Path, plan: ImportedFile, parts: Path, first: int, size: int, source: int | None) -> Iterator[Block]:
    """The blocks of a file from number `first` on, about `size` bytes each; one that is done has no content.

    `source` is the number under which its lines are kept, None where they are not.
    """
    from fonoteca.catalogue.bulk.import_parts import Block, read_note

    number, after = first, 0
    if plan.format != "jsonl":
        while (done := read_note(parts, number)) is not None and done.file == str(path):
            yield Block(number, path, b"", 0, None, parts, (PLAYS_AT_1, PLAYS_AT_100))
            number, after = number + 1, done.last_line
    pieces = _read_pieces(path, size) if plan.format == "jsonl" else _encode_pieces(path, plan, size, after)
    for piece in pieces:
        keeper = None
        if source is not None:
            from fonoteca.catalogue.bulk.import_sources import LineKeeper, dictionary_of

            lines = piece.originals or tuple(piece.content[:_SAMPLE_BYTES].split(b"\n")[:-1])
            keeper = LineKeeper(source, dictionary_of(lines, parts, source), piece.originals)
        yield Block(
            number, path, piece.content, piece.first_line, piece.numbers, parts, (PLAYS_AT_1, PLAYS_AT_100), piece.findings, piece.unread,
            piece.last_line, keeper,
        )  # fmt: skip
        number += 1


def _read_pieces(path: Path, size: int) -> Iterator[_Piece]:
    """Pieces that end at the end of a line; what cannot be read is set aside as the other way of importing does."""
    with translate_os_errors(path), open_bytes(path) as file:
        for block in read_blocks(file, size):
            if block.fault:
                yield _Piece(findings=bad_line(path, block.number, block.fault).findings, unread=1)
            else:
                yield _Piece(block.content, block.number)


def _encode_pieces(path: Path, plan: ImportedFile, size: int, after: int) -> Iterator[_Piece]:
    """Rows of other forms as JSON lines of our own schema, with the number of the line that each came from."""
    lines: list[bytes] = []
    numbers: list[int] = []
    findings: list[Finding] = []
    originals: list[bytes] = []
    held = unread = last = 0
    for line in read_import(path, plan.format, after):
        last = line.number
        findings += line.findings
        unread += not line.rows
        for row in line.rows:
            lines.append(msgspec.json.encode(msgspec.structs.replace(row, line=0)))
            numbers.append(line.number)
            originals.append(line.content)
            held += len(lines[-1])
        if held >= size or len(findings) >= _MOST_FINDINGS:
            yield _Piece(b"\n".join(lines), 0, last, tuple(numbers), tuple(originals), tuple(findings), unread)
            lines, numbers, originals, findings, held, unread = [], [], [], [], 0, 0
    if lines or findings:
        yield _Piece(b"\n".join(lines), 0, last, tuple(numbers), tuple(originals), tuple(findings), unread)
