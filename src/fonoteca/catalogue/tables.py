"""What people hand in beside the music: a CSV of plays and JSON lines of metadata, read row by row; docs/formats/metadata.md."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from fonoteca.catalogue.field_names import suggest_field
from fonoteca.catalogue.identifiers import parse_mbid
from fonoteca.catalogue.isrc import parse_isrc, parse_isrcs
from fonoteca.catalogue.lines import Line, open_bytes, read_lines
from fonoteca.ground.errors import UsageError
from fonoteca.ground.findings import Finding

KEY_COLUMNS = ("path", "id", "isrc", "mbid")
VALUE_COLUMNS = ("plays", "popularity")
LONGEST_ROW = 1 << 20


class PlaysRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table of plays: at least one key, and plays or a popularity (0–100) or both."""

    line: int
    path: str | None = None
    id: str | None = None
    isrc: str | None = None
    mbid: str | None = None
    plays: int | None = None
    popularity: float | None = None


Text = str | None | UnsetType
Texts = tuple[str, ...] | UnsetType
Number = int | None | UnsetType
Score = float | None | UnsetType


class MetadataRow(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="record", tag="track"
):
    """One line of metadata: keys that say which track, and the fields to set. Left out: unchanged; null: taken away.

    `rights` is a statement (URI, SPDX id or name of a licence). `extra` is an object that the catalogue only keeps as a source
    record. `line` is the line's number, no part of the file's schema.
    """

    path: str | None = None
    id: str | None = None
    isrc: str | None = None
    mbid: str | None = None
    title: Text = UNSET
    artists: Texts = UNSET
    artist_mbids: Texts = UNSET
    album: Text = UNSET
    album_artists: Texts = UNSET
    album_mbid: Text = UNSET
    disc: Number = UNSET
    number: Number = UNSET
    date: Text = UNSET
    isrcs: Texts = UNSET
    recording_mbid: Text = UNSET
    barcode: Text = UNSET
    label: Text = UNSET
    genres: Texts = UNSET
    duration_ms: Number = UNSET
    explicit: bool | UnsetType | None = UNSET
    popularity: Score = UNSET
    plays: Number = UNSET
    artist_popularity: Score = UNSET
    album_popularity: Score = UNSET
    followers: Number = UNSET
    rights: Text = UNSET
    attribution: Text = UNSET
    extra: dict[str, msgspec.Raw] | UnsetType = UNSET
    line: int = 0

    def changes(self) -> dict[str, Any]:
        """The fields of a TrackRecord that this row sets, without `rights`."""
        values = zip(self.__struct_fields__, astuple(self), strict=True)
        return {name: value for name, value in values if value is not UNSET and name not in _NO_VALUES}


_NO_VALUES = frozenset((*KEY_COLUMNS, "rights", "extra", "line"))
_DECODER = msgspec.json.Decoder(MetadataRow)


def read_plays(path: Path) -> Iterator[PlaysRow | Finding]:
    """The rows of a CSV (comma, semicolon or tab; also .csv.zst) in order; bad ones as `bad-row` with their line.

    UsageError where the header lacks a key or a value column. Streams.
    """
    with open_bytes(path) as file:
        lines = read_lines(file, LONGEST_ROW)
        header = _text(next(lines, Line(1, b"")))
        delimiter = max(",;\t", key=header.count)
        columns = _columns(path, next(csv.reader([header], delimiter=delimiter), []))
        for line in lines:
            if line.fault:
                yield _bad_row(path, line.number, line.fault)
                continue
            try:
                # a row ends at its line, so that a quote that stands alone costs this row and none of those that follow
                cells = next(csv.reader([_text(line)], delimiter=delimiter, strict=True), [])
            except csv.Error as error:
                yield _bad_row(path, line.number, f"no CSV: {error}; a quoted cell ends on its line")
                continue
            if cells:
                yield _plays_row(path, line.number, columns, cells)


def _text(line: Line) -> str:
    return line.content.decode("utf-8", "surrogateescape")


def _columns(path: Path, names: list[str]) -> dict[str, int]:
    columns = {name.strip().lower(): place for place, name in reversed(list(enumerate(names)))}
    if not any(name in columns for name in KEY_COLUMNS) or not any(name in columns for name in VALUE_COLUMNS):
        found = ", ".join(name.strip() or "(none)" for name in names) or "(none)"
        raise UsageError(
            f"{path} has the columns {found[:500]}",
            f"It needs one or more of {', '.join(KEY_COLUMNS)}, and {' or '.join(VALUE_COLUMNS)}, named in its first line.",
        )
    return columns


def _bad_row(path: Path, line: int, fact: str) -> Finding:
    return Finding("bad-row", str(path), f"line {line}: {fact}")


def _plays_row(path: Path, line: int, columns: dict[str, int], cells: list[str]) -> PlaysRow | Finding:
    cell = {name: cells[place].strip() for name, place in columns.items() if place < len(cells)}
    isrc = parse_isrc(cell["isrc"]) if cell.get("isrc") else None
    mbid = parse_mbid(cell["mbid"]) if cell.get("mbid") else None
    if not (cell.get("path") or cell.get("id") or isrc or mbid):
        return _bad_row(
            path, line, "no usable key: " + (", ".join(f"{name} is {cell.get(name, '')!r:.80}" for name in KEY_COLUMNS if name in cell))
        )
    try:
        plays = _count(cell.get("plays", ""))
        popularity = _score(cell.get("popularity", ""))
    except ValueError as error:
        return _bad_row(path, line, str(error))
    if plays is None and popularity is None:
        return _bad_row(path, line, "neither plays nor a popularity")
    return PlaysRow(
        line=line, path=cell.get("path") or None, id=cell.get("id") or None, isrc=isrc, mbid=mbid, plays=plays, popularity=popularity
    )


def _count(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ValueError(f"plays is {text[:80]!r}, no whole number of 0 or more")
    return int(text)


def _score(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise ValueError(f"popularity is {text[:80]!r}, no number from 0 to 100")
    return value


def read_metadata(path: Path) -> Iterator[MetadataRow | Finding]:
    """The rows of JSON lines (.jsonl, also .zst of any number of frames) in order; bad ones as `bad-row` with their line.

    ISRCs are normalised; what is none is left out under a `bad-isrc` note. Empty lines are skipped. Streams.
    """
    with open_bytes(path) as file:
        for line in read_lines(file):
            if line.fault:
                yield _bad_row(path, line.number, line.fault)
            elif line.content.strip():
                yield from _metadata_row(path, line.number, line.content)


def _metadata_row(path: Path, number: int, content: bytes) -> Iterator[MetadataRow | Finding]:
    try:
        row = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield _bad_row(path, number, suggest_field(f"{error}"[:300], MetadataRow))
        return
    fault = fault_of_track(row)
    if fault:
        yield _bad_row(path, number, fault)
        return
    row, bad = settle_track(row, number)
    for value in bad:
        yield Finding("bad-isrc", str(path), f"line {number}: {value[:80]!r} is no ISRC")
    yield row


def settle_track(row: MetadataRow, number: int) -> tuple[MetadataRow, tuple[str, ...]]:
    """The row with its line number and its ISRCs and MBID in their plain forms, and the values of `isrcs` that are none."""
    good, bad = parse_isrcs(() if row.isrcs is UNSET else row.isrcs)
    isrc = parse_isrc(row.isrc) if row.isrc else None
    mbid = parse_mbid(row.mbid) if row.mbid else None
    isrcs: Texts = UNSET if row.isrcs is UNSET else good
    recording = row.recording_mbid
    recording = (parse_mbid(recording) or recording) if isinstance(recording, str) else recording
    return msgspec.structs.replace(row, line=number, isrc=isrc, mbid=mbid, isrcs=isrcs, recording_mbid=recording), bad


def fault_of_track(row: MetadataRow) -> str | None:
    """Why the row cannot be used; None where it can."""
    keys = (row.path, row.id, row.isrc and parse_isrc(row.isrc), row.mbid and parse_mbid(row.mbid))
    if not any(keys) and row.title is UNSET and not row.changes() and row.rights is UNSET:
        return "no key and no field"
    return fault_of_numbers(row, ("popularity", "artist_popularity", "album_popularity"), _COUNTS)


_COUNTS = ("disc", "number", "duration_ms", "plays", "followers")


def fault_of_numbers(row: msgspec.Struct, scores: tuple[str, ...], counts: tuple[str, ...]) -> str | None:
    """Which score is not within 0 to 100, or which count is not within 0 to 2^63; None where all are."""
    for name in scores:
        value = getattr(row, name)
        if value not in (UNSET, None) and not 0 <= value <= 100:
            return f"{name} is {value}; it runs from 0 to 100"
    for name in counts:
        value = getattr(row, name)
        if value not in (UNSET, None) and not 0 <= value < 2**63:
            return f"{name} is {value}; it is a whole number of 0 or more"
    return None
