"""One block of lines of the record schema as part files: tracks, the artists, albums and labels that they name, and their links."""

from __future__ import annotations

import gc
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from fonoteca.catalogue.bulk import has_bulk_extra
from fonoteca.catalogue.bulk.import_ids import ids_of, keys_of
from fonoteca.catalogue.bulk.import_rows import DIGESTS, RowTaker
from fonoteca.catalogue.bulk.import_sources import LineKeeper, keep_lines
from fonoteca.ground.files import write_atomically
from fonoteca.ground.findings import Finding

LONG, TEXT, REAL = pa.int64(), pa.string(), pa.float64()
LINKS = {"seq": LONG, "position": LONG}
PARTS: dict[str, dict[str, pa.DataType]] = {
    "tracks": {
        "seq": LONG, "key": LONG, "id": TEXT, "title": TEXT, "artist": LONG, "album": LONG, "disc": LONG, "number": LONG,
        "duration_ms": LONG, "explicit": LONG, "popularity": REAL, "isrc_number": LONG, "plays": LONG, "date": TEXT, "label": LONG,
        "recording_mbid": TEXT, "credited_as": TEXT, "rights_text": TEXT, "attribution": TEXT, "told": LONG,
    },
    "artists": {
        "seq": LONG, "key": LONG, "id": TEXT, "name": TEXT, "mbid": TEXT, "popularity": REAL, "followers": LONG, "is_record": LONG,
        "sort_name": TEXT, "country": TEXT, "told": LONG,
    },
    "artist_aliases": {"seq": LONG, "key": LONG, "position": LONG, "alias": TEXT},
    "artist_genres": {"seq": LONG, "key": LONG, "position": LONG, "genre": LONG},
    "albums": {
        "seq": LONG, "key": LONG, "id": TEXT, "title": TEXT, "gtin": LONG, "mbid": TEXT, "popularity": REAL, "is_record": LONG,
        "date": TEXT, "label": LONG, "told": LONG,
    },
    "album_artists": {"seq": LONG, "key": LONG, "position": LONG, "artist": LONG},
    "labels": {"key": LONG, "name": TEXT},
    "genres": {"key": LONG, "name": TEXT},
    "further_track_artists": {**LINKS, "artist": LONG, "credited_as": TEXT},
    "further_isrcs": {**LINKS, "isrc_number": LONG},
    "track_genres": {**LINKS, "genre": LONG},
    "given_forms": {"seq": LONG, "field": TEXT, "value": TEXT},
    "recording_lines": {"seq": LONG, "key": LONG},
    "foreign_ids": {"seq": LONG, "key": LONG, "foreign_id": TEXT},
    "playlists": {"seq": LONG, "id": TEXT, "content": TEXT},
    "features": {"seq": LONG, "content": TEXT},
}  # fmt: skip
"""Columns of each part file. `seq` is block × 2^32 + line in it; `key` and references are 63 bits of an id or of a name's hash."""


class Block(msgspec.Struct, frozen=True):
    """Lines for one worker; `first_line` is the number of the first, or `numbers` has the number of each.

    `findings` are of lines that could not be read as such, `unread` says how many those are, and `last_line` where the block ends.
    """

    number: int
    path: Path
    content: bytes
    first_line: int
    numbers: tuple[int, ...] | None
    folder: Path
    plays_ends: tuple[int, int]
    findings: tuple[Finding, ...] = ()
    unread: int = 0
    last_line: int = 0
    keeper: LineKeeper | None = None


class ParsedBlock(msgspec.Struct):
    """What came of a block: how many rows of each table, what was counted, the findings, and the last line of the file that is in it."""

    number: int
    rows: dict[str, int]
    counts: Counter[str]
    findings: list[Finding]
    file: str
    last_line: int = 0


def parse_block(block: Block) -> ParsedBlock:
    """Read a block and write its part files, then the note that says so: with it the block is done, whatever happens then."""
    gc.disable()  # nothing here refers to itself, and looking for what does would take a third of the time
    base = block.number << 32
    taker = RowTaker(tuple(PARTS), block.path, base, block.plays_ends)
    plain, left = _take_plain(block, base)
    numbers = block.numbers
    for place, content in left:
        taker.take(content, numbers[place] if numbers else block.first_line + place, place)
    rows = _write(block, plain, taker)
    if block.keeper is not None:
        used = sorted([*taker.used, *(plain["tracks"]["seq"].to_pylist() if plain else ())])
        keep_lines(block.keeper, block.content, numbers, used, block.folder, block.number)
    lines = len(set(numbers)) if numbers else len(left) + (plain["tracks"].num_rows if plain else 0)
    taker.counts.update(lines=lines + block.unread, tracks=rows["tracks"])
    taker.counts["set-aside"] += sum(finding.kind.weight == "set-aside" for finding in block.findings)
    parsed = ParsedBlock(block.number, rows, taker.counts, [*block.findings, *taker.findings], str(block.path), block.last_line)
    write_atomically(note_of(block.folder, block.number), _encode(parsed))
    return parsed


def note_of(folder: Path, number: int) -> Path:
    """Where it stands that a block is done."""
    return folder / f"block-{number:08d}.json"


def read_note(folder: Path, number: int) -> ParsedBlock | None:
    """What came of a block in an earlier run; None where it was not done."""
    try:
        told = json.loads(note_of(folder, number).read_bytes())
    except (OSError, ValueError):
        return None
    findings = [Finding(*finding) for finding in told["findings"]]
    return ParsedBlock(number, told["rows"], Counter(told["counts"]), findings, told["file"], told["last_line"])


def _encode(parsed: ParsedBlock) -> str:
    findings = [(finding.code, finding.path, finding.fact) for finding in parsed.findings]
    return json.dumps(
        {"rows": parsed.rows, "counts": parsed.counts, "findings": findings, "file": parsed.file, "last_line": parsed.last_line}
    )


def _take_plain(block: Block, base: int) -> tuple[dict[str, pa.Table], list[tuple[int, bytes]]]:
    """The tables of the lines that compiled functions understand, and the others with their places: all, where there is no numba."""
    if has_bulk_extra("numba"):
        from fonoteca.catalogue.bulk.import_plain import take_plain

        return take_plain(block.content, base, block.plays_ends)
    lines = enumerate(block.content.split(b"\n"))
    return {}, [(place, line) for place, line in lines if line and not line.isspace()]


def _write(block: Block, plain: dict[str, pa.Table], taker: RowTaker) -> dict[str, int]:
    """The part files; gives the rows of each."""
    counts = {}
    for table, fields in PARTS.items():
        pieces = [piece for piece in (plain.get(table), _table_of(table, taker)) if piece is not None and piece.num_rows]
        counts[table] = sum(piece.num_rows for piece in pieces)
        if pieces:
            whole = pa.concat_tables([piece.select(list(fields)) for piece in pieces])
            if len(pieces) > 1 and "seq" in fields:
                whole = whole.sort_by("seq")
            path = block.folder / f"{table}-{block.number:08d}.parquet"
            with path.open("wb") as file:
                pq.write_table(whole, file, compression="lz4", use_dictionary=False, write_statistics=False)
                file.flush()
                os.fsync(file.fileno())
    return counts


def _table_of(table: str, taker: RowTaker) -> pa.Table | None:
    rows = taker.rows[table]
    if not rows:
        return None
    fields = PARTS[table]
    names = [name for name in fields if table not in DIGESTS or name not in ("key", "id")]
    columns: dict[str, Any] = dict(zip(names, zip(*rows, strict=True), strict=True))
    if table in DIGESTS:
        digests = b"".join(taker.digests[table])
        columns |= {"key": keys_of(digests), "id": ids_of(digests)}
    return pa.table([pa.array(columns[name], kind) for name, kind in fields.items()], list(fields))
