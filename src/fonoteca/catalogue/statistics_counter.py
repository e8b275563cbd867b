"""Counts a catalogue column by column, in whole numbers, as its rows go by; a builder of 256 million tracks and SQL feed the same counter."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from fonoteca.catalogue.isrc_numbers import COUNTRIES, PER_COUNTRY
from fonoteca.catalogue.rank_weights import Whole, as_whole, block_of, block_start, weights_between, weights_of
from fonoteca.catalogue.schema import STATES

UNKNOWN = -1
LAST_SECOND = 600
"""Of durations, the bucket for ten minutes and over."""
LARGEST_ALBUM = 1000
MOST_NAMED = 500
"""Of labels and genres, so many by tracks and so many by plays are kept."""
PLAYS_CEILING = 20_000_000_000
"""Four times the most played recording: a greater number is taken for this one, so that sums stay within 64 bits."""
DURATION_CEILING = 1_000_000_000
SIZE_CEILING = 1 << 34

MEASURES = ("number", "held", "counted", "plays", "plays_by_rank", "duration_ms", "held_ms", "bytes")
_RANK_DIGITS = 4  # eight buckets for each doubling of the rank
_HELD = STATES.index("held")
Columns = Mapping[str, Any]
NameOf = Callable[[str, int], str | None]
"""The name of a row: (table, row number) → text; tables are labels, genres, rights and file_kinds."""


class StatisticsRow(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket of one report, as in the table `statistics`; docs/formats/statistics.md."""

    report: str
    bucket: int
    name: str | None = None
    number: int = 0
    held: int = 0
    counted: int = 0
    plays: int = 0
    plays_by_rank: int = 0
    duration_ms: int = 0
    held_ms: int = 0
    bytes: int = 0


class Histogram:
    """Exact sums by bucket for some of MEASURES; buckets run from −1 (unknown) and grow as they come."""

    def __init__(self, measures: tuple[str, ...] = ("number",)) -> None:
        self.sums: dict[str, Whole] = {measure: np.zeros(64, dtype=np.int64) for measure in measures}

    def add(self, buckets: Whole, values: Mapping[str, Whole | None]) -> None:
        """Count values into buckets: `number` counts rows, other measures add up `values` (each at most 2^50)."""
        places = buckets + 1
        size = int(places.max(initial=-1)) + 1
        for measure, sums in self.sums.items():
            amounts = values[measure]
            if amounts is None or amounts.any():
                self.sums[measure] = _added(sums, _sum_by_place(places, amounts, size))

    def filled(self) -> Iterator[tuple[int, dict[str, int]]]:
        """Buckets in which there is anything, in order, with their sums."""
        for place in np.flatnonzero(self.sums["number"]).tolist():
            yield place - 1, {measure: int(sums[place]) if place < len(sums) else 0 for measure, sums in self.sums.items()}


def _added(sums: Whole, more: Whole) -> Whole:
    if len(more) > len(sums):
        sums = np.concatenate([sums, np.zeros(max(len(more), 2 * len(sums)) - len(sums), dtype=np.int64)])
    sums[: len(more)] += more
    return sums


def _sum_by_place(places: Whole, values: Whole | None, size: int) -> Whole:
    """Sums of whole numbers by place. bincount adds floats, exact to 2^53: large numbers go in two halves."""
    if values is None:
        return np.bincount(places, minlength=size)
    if not len(values) or int(values.max()) * len(values) < 1 << 53:
        return np.bincount(places, weights=values, minlength=size).astype(np.int64)
    low = np.bincount(places, weights=values & 0x3FFFFFF, minlength=size).astype(np.int64)
    return (np.bincount(places, weights=values >> 26, minlength=size).astype(np.int64) << 26) + low


class StatisticsCounter:
    """Give it every row once: tracks in the order of their ranks, the rest as said at each method; then ask for `rows`.

    Columns are numpy or Arrow arrays under the names of the schema; NULL is Arrow's, a masked value, NaN or −1.
    """

    def __init__(self, album_labels: Any = None) -> None:
        """`album_labels` gives the label of each album by its number (place 0 is not used), for tracks whose own label is NULL."""
        self._album_labels = None if album_labels is None else as_whole(album_labels)
        self._rank = 0
        self._totals = dict.fromkeys(("tracks", "albums", "artists", "isrcs", "files", "bytes"), 0)
        every = tuple(measure for measure in MEASURES if measure != "bytes")
        self._popularity, self._ranks = Histogram(every), Histogram(every)
        self._bytes = {"popularity": Histogram(("number", "bytes")), "rank": Histogram(("number", "bytes"))}
        named = ("number", "counted", "plays", "plays_by_rank")
        names = ("explicit", "country", "rights", "status", "label")
        self._of_tracks = {name: Histogram(named) for name in names} | {"duration": Histogram(("number", "held"))}
        self._kinds = Histogram(("number", "bytes"))
        self._genres = {"track_genre": Histogram(("number", "plays_by_rank")), "artist_genre": Histogram()}
        self._years = Histogram()
        self._album_sizes = np.zeros(1, dtype=np.int64)
        self._popularity_starts: list[tuple[int, int]] = []  # (first rank, class), as they come
        self._isrcs = _RunCounter()

    def add_tracks(self, columns: Columns) -> None:
        """The next tracks in rank order: popularity, duration_ms, explicit, isrc_number, state, rights, plays, album, label."""
        classes = _popularity_classes(columns["popularity"])
        count = len(classes)
        if not count:
            return
        first, self._rank = self._rank + 1, self._rank + count
        self._totals["tracks"] += count
        duration, plays = as_whole(columns["duration_ms"]), as_whole(columns["plays"])
        is_held, length = as_whole(columns["state"]) == _HELD, np.clip(duration, 0, DURATION_CEILING)
        values: dict[str, Whole | None] = {
            "number": None, "held": is_held.astype(np.int64), "counted": (plays >= 0).astype(np.int64),
            "plays": np.clip(plays, 0, PLAYS_CEILING), "plays_by_rank": weights_between(first, count), "duration_ms": length,
            "held_ms": length * is_held,
        }  # fmt: skip
        self._note_classes(classes, first)
        self._popularity.add(classes, values)
        self._ranks.add(block_of(np.arange(first, first + count), _RANK_DIGITS), values)
        for name, buckets in self._buckets_of(columns, duration).items():
            self._of_tracks[name].add(buckets, values)
        self._count_albums(as_whole(columns["album"], 0))

    def _buckets_of(self, columns: Columns, duration: Whole) -> dict[str, Whole]:
        isrc, label = as_whole(columns["isrc_number"]), as_whole(columns["label"], 0)
        if self._album_labels is not None:
            label = np.where(label > 0, label, self._album_labels[np.maximum(as_whole(columns["album"], 0), 0)])
        return {
            "duration": np.clip(duration // 1000, UNKNOWN, LAST_SECOND),
            "explicit": np.clip(as_whole(columns["explicit"]), UNKNOWN, 1),
            "country": isrc // PER_COUNTRY,
            "rights": np.maximum(as_whole(columns["rights"], 0), 0),
            "status": as_whole(columns["state"]),
            "label": np.maximum(label, 0),
        }

    def _note_classes(self, classes: Whole, first: int) -> None:
        for place in (0, *(np.flatnonzero(np.diff(classes)) + 1).tolist()):
            found = int(classes[place])
            if not self._popularity_starts or self._popularity_starts[-1][1] != found:
                self._popularity_starts.append((first + place, found))

    def _count_albums(self, albums: Whole) -> None:
        highest = int(albums.max(initial=0))
        if highest >= len(self._album_sizes):
            more = max(highest + 1, 2 * len(self._album_sizes)) - len(self._album_sizes)
            self._album_sizes = np.concatenate([self._album_sizes, np.zeros(more, dtype=np.int64)])
        np.add.at(self._album_sizes, np.maximum(albums, 0), 1)

    def add_albums(self, columns: Columns) -> None:
        """Albums in any order: date, as text (only its first four characters count)."""
        dates = columns["date"]
        self._totals["albums"] += len(dates)
        self._years.add(_years(dates), {"number": None})

    def add_artists(self, count: int) -> None:
        """So many more artists."""
        self._totals["artists"] += count

    def add_files(self, columns: Columns) -> None:
        """Files in any order, after all tracks: track (the rank), kind, size."""
        ranks, sizes = as_whole(columns["track"]), np.clip(as_whole(columns["size"], 0), 0, SIZE_CEILING)
        starts = np.array([start for start, _ in self._popularity_starts], dtype=np.int64)
        classes = np.array([name for _, name in self._popularity_starts], dtype=np.int64)
        values: dict[str, Whole | None] = {"number": None, "bytes": sizes}
        self._totals["files"] += len(ranks)
        self._totals["bytes"] += int(sizes.sum())
        self._kinds.add(as_whole(columns["kind"], 0), values)
        if len(ranks):
            self._bytes["popularity"].add(classes[np.searchsorted(starts, ranks, "right") - 1], values)
            self._bytes["rank"].add(block_of(ranks, _RANK_DIGITS), values)

    def add_track_genres(self, columns: Columns) -> None:
        """Genres of tracks in any order: track (the rank), genre."""
        weights = weights_of(as_whole(columns["track"]))
        self._genres["track_genre"].add(as_whole(columns["genre"]), {"number": None, "plays_by_rank": weights})

    def add_artist_genres(self, columns: Columns) -> None:
        """Genres of artists in any order: genre."""
        self._genres["artist_genre"].add(as_whole(columns["genre"]), {"number": None})

    def add_further_isrcs(self, numbers: Any) -> None:
        """ISRC numbers of `further_isrcs` in any order; before add_isrcs."""
        self._isrcs.add_further(as_whole(numbers))

    def add_isrcs(self, numbers: Any) -> None:
        """ISRC numbers of tracks, ascending from call to call, as an index has them; without NULL."""
        self._isrcs.add(as_whole(numbers))

    def rows(self, name_of: NameOf) -> list[StatisticsRow]:
        """The table `statistics`, in the order of its primary key."""
        sizes = np.bincount(np.minimum(self._album_sizes[1:], LARGEST_ALBUM), minlength=1)
        sizes[0] += self._totals["albums"] - int(sizes.sum())
        per_isrc = self._isrcs.finish()
        self._totals["isrcs"] = int(per_isrc.sum())
        found = [*_rows("popularity", self._popularity, self._bytes["popularity"]), *_rows("rank", self._ranks, self._bytes["rank"])]
        for report, histogram in self._of_tracks.items():
            found += _rows(report, histogram)
        found += [*_rows("file_kind", self._kinds), *_rows("album_year", self._years)]
        for report, histogram in self._genres.items():
            found += _rows(report, histogram)
        found += [StatisticsRow(report="album_size", bucket=size, number=n) for size, n in enumerate(sizes.tolist()) if n]
        found += [StatisticsRow(report="songs_per_isrc", bucket=songs, number=n) for songs, n in enumerate(per_isrc.tolist()) if n]
        found += [StatisticsRow(report="total", bucket=place, name=name, number=n) for place, (name, n) in enumerate(self._totals.items())]
        return sorted((_named(row, name_of) for row in _most(found)), key=lambda row: (row.report, row.bucket))


def _popularity_classes(column: Any) -> Whole:
    """Whole popularity, −1 for unknown."""
    if hasattr(column, "fill_null"):
        column = column.fill_null(-1.0).to_numpy(zero_copy_only=False)
    elif isinstance(column, np.ma.MaskedArray):
        column = column.filled(-1.0)
    return np.floor(np.nan_to_num(np.asarray(column, dtype=np.float64), nan=-1.0)).astype(np.int64)


def _years(dates: Any) -> Whole:
    if hasattr(dates, "dictionary_encode"):
        encoded = dates.dictionary_encode()
        years = np.array([UNKNOWN, *(_year(text) for text in encoded.dictionary.to_pylist())], dtype=np.int64)
        found: Whole = years[as_whole(encoded.indices) + 1]
        return found
    return np.array([_year(text) for text in dates], dtype=np.int64)


@functools.lru_cache(maxsize=100_000)
def _year(date: str | None) -> int:
    return UNKNOWN if date is None else year_of(date)


def year_of(date: str) -> int:
    """The year a date begins with; −1 where it begins with none."""
    year = date[:4]
    return int(year) if len(year) == 4 and year.isascii() and year.isdigit() and not date[4:5].isalnum() else UNKNOWN


def _rows(report: str, histogram: Histogram, of_bytes: Histogram | None = None) -> Iterator[StatisticsRow]:
    sizes = {} if of_bytes is None else {bucket: sums["bytes"] for bucket, sums in of_bytes.filled()}
    for bucket, sums in histogram.filled():
        size = {"bytes": sizes[bucket]} if bucket in sizes else {}
        yield StatisticsRow(report=report, bucket=block_start(bucket, _RANK_DIGITS) if report == "rank" else bucket, **sums, **size)


def _most(rows: list[StatisticsRow]) -> Iterator[StatisticsRow]:
    """Of labels and genres those with the most tracks and the most plays; what has no label stays."""
    for report in ("label", "track_genre", "artist_genre"):
        named = [row for row in rows if row.report == report]
        kept = {row.bucket for row in named if row.bucket <= 0}
        for measure in ("number", "plays", "plays_by_rank"):
            ordered = sorted(named, key=lambda row: (-getattr(row, measure), row.bucket))
            kept |= {row.bucket for row in ordered[:MOST_NAMED]}
        yield from (row for row in named if row.bucket in kept)
    yield from (row for row in rows if row.report not in ("label", "track_genre", "artist_genre"))


_NAMED_BY = {"label": "labels", "track_genre": "genres", "artist_genre": "genres", "rights": "rights", "file_kind": "file_kinds"}


def _named(row: StatisticsRow, name_of: NameOf) -> StatisticsRow:
    name = row.name
    if row.report == "country" and row.bucket >= 0:
        name = COUNTRIES[2 * row.bucket : 2 * row.bucket + 2]
    elif row.report == "status":
        name = STATES[row.bucket]
    elif row.report in _NAMED_BY and row.bucket > 0:
        name = name_of(_NAMED_BY[row.report], row.bucket)
    return row if name == row.name else msgspec.structs.replace(row, name=name)


class _RunCounter:
    """How many ISRCs stand on how many tracks, from a sorted stream."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, dtype=np.int64)
        self._further: Whole = np.zeros(0, dtype=np.int64)
        self._carried: Whole = np.zeros(0, dtype=np.int64)

    def add_further(self, numbers: Whole) -> None:
        self._further = np.sort(np.concatenate([self._further, numbers]))

    def add(self, numbers: Whole) -> None:
        numbers = np.concatenate([self._carried, numbers])
        if len(numbers):
            whole = int(np.searchsorted(numbers, numbers[-1]))
            self._count(numbers[:whole], numbers[-1])
            self._carried = numbers[whole:]

    def finish(self) -> Whole:
        """ISRCs by how many tracks carry them."""
        self._count(self._carried, None)
        self._carried = self._carried[:0]
        return self._counts

    def _count(self, numbers: Whole, before: int | None) -> None:
        end = len(self._further) if before is None else int(np.searchsorted(self._further, before))
        if end:
            numbers, self._further = np.sort(np.concatenate([numbers, self._further[:end]])), self._further[end:]
        if len(numbers):
            starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
            lengths = np.diff(np.concatenate([starts, [len(numbers)]]))
            counted = np.bincount(lengths)
            self._counts = _added(self._counts, counted) if len(self._counts) else counted.astype(np.int64)
