"""The plain lines of a block as Arrow tables, without a Python object for a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk import import_take as take
from fonoteca.catalogue.bulk.import_ids import ids_of
from fonoteca.catalogue.bulk.import_names import ENTRY, KEY, LENGTH, TEXT_AT, Names, fill_slots
from fonoteca.catalogue.bulk.import_scan import LONGEST_LINE, POPULARITY, empty_line, scan_words
from fonoteca.catalogue.bulk.import_take import NULL, ROWS, Rows, Scratch, Shelves
from fonoteca.catalogue.popularity import popularity_of_plays

Array = NDArray[Any]
_MOST_ITEMS = 4_096  # a line with more in its lists goes the long way
_FEWEST_SLOTS = 1 << 15


def take_plain(content: bytes, base: int, plays_ends: tuple[int, int]) -> tuple[dict[str, pa.Table], list[tuple[int, bytes]]]:
    """The tables of the lines that are plain, and (place, content) of the others; `base` is the seq of the first line."""
    buffer = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(buffer == 10)
    if len(buffer) and (not len(ends) or ends[-1] != len(buffer) - 1):
        ends = np.append(ends, len(buffer))
    rows, shelves, kinds = _take_all(buffer, ends, base)
    tables = _tables(buffer, rows, shelves, plays_ends)
    places = np.flatnonzero(kinds == take.LEFT).tolist()
    lines = [(place, content[ends[place - 1] + 1 if place else 0 : ends[place]]) for place in places]
    return tables, [(place, line) for place, line in lines if line and not line.isspace()]


def _take_all(buffer: Array, ends: Array, base: int) -> tuple[Rows, Shelves, Array]:
    items = int(np.count_nonzero(buffer == 44)) + len(ends)
    scratch = Scratch(
        empty_line(_MOST_ITEMS), np.empty(2 * LONGEST_LINE + 16 * _MOST_ITEMS + 1024, np.uint8), np.empty(64, np.uint32),
        np.empty(8, np.uint32), np.empty(_MOST_ITEMS, np.int64),
    )  # fmt: skip
    rows, kinds = _empty_rows(len(ends), items), np.zeros(len(ends), np.int8)
    shelves = Shelves(*(_empty_names(len(ends), count, len(buffer)) for count in (items, len(ends), len(ends), items)))
    taken = 0
    while True:
        taken = take.take_lines(buffer, ends, taken, base, scan_words(), rows, shelves, scratch, kinds)
        if taken == len(ends):
            return rows, shelves, kinds
        shelves = Shelves(*(_with_more_slots(names) for names in shelves))


def _empty_rows(lines: int, items: int) -> Rows:
    """Room for all that could come; memory is taken only where something is written."""

    def longs(columns: int, count: int) -> Array:
        return np.empty((columns, count), np.int64)

    def spans(columns: int, count: int) -> Array:
        return np.empty((columns, count, 2), np.int64)

    artists = items + lines
    return Rows(
        np.zeros(len(ROWS), np.int64), longs(len(take.TRACK_NUMBERS), lines), longs(lines, 4), spans(len(take.TRACK_TEXTS), lines),
        np.empty(lines), longs(4, artists), longs(artists, 4), spans(2, artists), np.empty(artists), longs(4, lines), longs(lines, 4),
        spans(2, lines), np.empty(lines), longs(4, items), longs(3, items), spans(1, items), longs(3, items), longs(3, items),
        longs(1, lines), spans(1, lines), longs(2, lines), longs(2, lines), spans(1, lines),
    )  # fmt: skip


def _empty_names(lines: int, count: int, size: int) -> Names:
    slots = max(_FEWEST_SLOTS, 1 << (lines // 2).bit_length())
    return Names(
        np.zeros(slots, np.int32), np.empty((count + 1, ENTRY), np.int64), np.empty(2 * size + 64 * count + 1024, np.uint8),
        np.zeros(2, np.int64)
    )  # fmt: skip


def _with_more_slots(names: Names) -> Names:
    larger = names._replace(slots=np.zeros(2 * len(names.slots), np.int32))
    fill_slots(larger)
    return larger


def _tables(buffer: Array, rows: Rows, shelves: Shelves, plays_ends: tuple[int, int]) -> dict[str, pa.Table]:
    used = dict(zip(ROWS, rows.used.tolist(), strict=True))

    def texts(spans: Array, table: str) -> list[pa.Array]:
        return [_texts(buffer, column[: used[table]]) for column in spans]

    def longs(columns: Array, table: str) -> list[pa.Array]:
        return [_longs(column[: used[table]]) for column in columns]

    def ids(words: Array, table: str) -> pa.Array:
        return ids_of(words[: used[table]].astype(">u4").tobytes())

    nothing = {name: pa.nulls(used["artists"], pa.string()) for name in ("sort_name", "country")}
    artists = dict(zip(("seq", "key", "followers", "told"), longs(rows.artists, "artists"), strict=True)) | nothing
    artists |= dict(zip(("name", "mbid"), texts(rows.artist_texts, "artists"), strict=True))
    artists |= {"id": ids(rows.artist_words, "artists"), "popularity": _reals(rows.artist_scores[: used["artists"]])}
    artists["is_record"] = pa.nulls(used["artists"], pa.int64())
    albums = dict(zip(("seq", "key", "gtin", "told"), longs(rows.albums, "albums"), strict=True))
    albums |= dict(zip(("title", "mbid"), texts(rows.album_texts, "albums"), strict=True))
    albums |= {"id": ids(rows.album_words, "albums"), "popularity": _reals(rows.album_scores[: used["albums"]])}
    albums |= {"is_record": pa.nulls(used["albums"], pa.int64()), "label": pa.nulls(used["albums"], pa.int64())}
    albums["date"] = pa.nulls(used["albums"], pa.string())
    barcodes = longs(rows.barcodes, "barcodes")[0]
    return {
        "tracks": _tracks(rows, used["tracks"], texts(rows.track_texts, "tracks"), ids(rows.track_words, "tracks"), plays_ends),
        "artists": pa.table(artists),
        "albums": pa.table(albums),
        "album_artists": _named_table(("seq", "key", "position", "artist"), longs(rows.album_artists, "album_artists")),
        "further_track_artists": _named_table(
            ("seq", "position", "artist", "credited_as"),
            [*longs(rows.further, "further_track_artists"), *texts(rows.further_credits, "further_track_artists")],
        ),
        "further_isrcs": _named_table(("seq", "position", "isrc_number"), longs(rows.isrcs, "further_isrcs")),
        "track_genres": _named_table(("seq", "position", "genre"), longs(rows.genres, "track_genres")),
        "given_forms": _named_table(
            ("seq", "field", "value"),
            [barcodes, pa.array(["barcode"] * len(barcodes), pa.string()), *texts(rows.barcode_texts, "barcodes")],
        ),
        "recording_lines": _named_table(("seq", "key"), longs(rows.recordings, "recording_lines")),
        "foreign_ids": _named_table(
            ("seq", "key", "foreign_id"), [*longs(rows.foreign, "foreign_ids"), *texts(rows.foreign_texts, "foreign_ids")]
        ),
        "labels": _names_table(shelves.labels),
        "genres": _names_table(shelves.genres),
    }


def _tracks(rows: Rows, count: int, texts: list[pa.Array], ids: pa.Array, plays_ends: tuple[int, int]) -> pa.Table:
    numbers = dict(zip(take.TRACK_NUMBERS, (column[:count] for column in rows.tracks), strict=True))
    scores, told, plays = rows.scores[:count], numbers["told"], numbers["plays"]
    counted = np.flatnonzero(np.isnan(scores) & (plays != NULL))
    if len(counted):
        values, which = np.unique(plays[counted], return_inverse=True)
        scores[counted] = np.array([popularity_of_plays(value, *plays_ends) for value in values.tolist()])[which]
        told[counted] |= 1 << POPULARITY
    columns = {name: _longs(column) for name, column in numbers.items()} | dict(zip(take.TRACK_TEXTS, texts, strict=True))
    return pa.table(columns | {"popularity": _reals(scores), "id": ids})


def _named_table(names: tuple[str, ...], columns: list[pa.Array]) -> pa.Table:
    return pa.table(columns, list(names))


def _names_table(names: Names) -> pa.Table:
    entries = names.entries[: names.used[0]]
    spans = np.stack([entries[:, TEXT_AT], entries[:, TEXT_AT] + entries[:, LENGTH]], axis=1)
    return pa.table({"key": pa.array(entries[:, KEY]), "name": _texts(names.text, spans)})


def _longs(column: Array) -> pa.Array:
    is_null = column == NULL
    return pa.array(column, mask=is_null) if is_null.any() else pa.array(column)


def _reals(column: Array) -> pa.Array:
    return pa.array(column, from_pandas=True)


def _texts(buffer: Array, spans: Array) -> pa.Array:
    """The texts at (begin, end), -1 for NULL."""
    is_null = spans[:, 0] < 0
    if is_null.all():
        return pa.nulls(len(spans), pa.string())
    content = np.empty(int((spans[:, 1] - spans[:, 0]).sum()), np.uint8)
    offsets = np.empty(len(spans) + 1, np.int32)
    take.gather_texts(buffer, spans, offsets, content)
    valid = pa.py_buffer(np.packbits(~is_null, bitorder="little")) if is_null.any() else None
    return pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(content), valid)
