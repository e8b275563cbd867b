"""Counts a catalogue column by column, in whole numbers, as its rows go by, for SQL and for a builder of 256 million tracks alike."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from fonoteca.catalogue.histograms import Histogram, RunCounter
from fonoteca.catalogue.isrc_numbers import COUNTRIES, PER_COUNTRY
from fonoteca.catalogue.rank_weights import Whole, as_whole, block_of, block_start, blocks_between, weights_between, weights_of
from fonoteca.catalogue.schema import STATES

UNKNOWN = -1
LAST_SECOND = 600
"""Of durations, the bucket for ten minutes and over."""
LARGEST_ALBUM = 1000
MOST_NAMED = 500
"""Of labels and genres, so many by tracks and so many by plays are kept."""
_MOST_OF = ("label", "track_genre", "artist_genre")
PLAYS_CEILING = 20_000_000_000
"""Four times the most played recording: a greater number is taken for this one, so that sums stay within 64 bits."""
DURATION_CEILING = 1_000_000_000
SIZE_CEILING = 1 << 34

MEASURES = ("number", "held", "counted", "plays", "plays_by_rank", "duration_ms", "held_ms", "bytes")
RANK_DIGITS = 4
"""Leading binary digits that ranks of one bucket share: eight buckets for each doubling of the rank."""
_PIECE = 1 << 15  # rows that a processor's cache holds
_MISSING = {"duration_ms": -1, "explicit": -1, "isrc_number": -1, "state": 0, "rights": 0, "plays": -1, "album": 0, "label": 0}
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
        self._isrcs = RunCounter()

    def add_tracks(self, columns: Columns) -> None:
        """The next tracks in rank order: popularity, duration_ms, explicit, isrc_number, state, rights, plays, album, label."""
        given = {name: as_whole(columns[name], missing) for name, missing in _MISSING.items()}
        given["popularity"] = _popularity_classes(columns["popularity"])
        for start in range(0, len(given["popularity"]), _PIECE):
            self._add_piece({name: column[start : start + _PIECE] for name, column in given.items()})

    def _add_piece(self, columns: dict[str, Whole]) -> None:
        classes, duration, plays = columns["popularity"], columns["duration_ms"], columns["plays"]
        count = len(classes)
        first, self._rank = self._rank + 1, self._rank + count
        self._totals["tracks"] += count
        is_held, length = columns["state"] == _HELD, np.clip(duration, 0, DURATION_CEILING)
        values: dict[str, Whole | None] = {
            "number": None, "held": is_held.astype(np.int64), "counted": (plays >= 0).astype(np.int64),
            "plays": np.clip(plays, 0, PLAYS_CEILING), "plays_by_rank": weights_between(first, count), "duration_ms": length,
            "held_ms": length * is_held,
        }  # fmt: skip
        starts = np.append(0, np.flatnonzero(np.diff(classes)) + 1)
        self._note_classes(classes[starts], first + starts)
        self._popularity.add_runs(classes[starts], starts, values, count)
        self._ranks.add_runs(*blocks_between(first, count, RANK_DIGITS), values, count)
        for name, buckets in self._buckets_of(columns).items():
            self._of_tracks[name].add(buckets, values)
        self._count_albums(columns["album"])

    def _buckets_of(self, columns: dict[str, Whole]) -> dict[str, Whole]:
        label = columns["label"]
        if self._album_labels is not None:
            label = np.where(label > 0, label, self._album_labels[columns["album"]])
        return {
            "duration": np.clip(columns["duration_ms"] // 1000, UNKNOWN, LAST_SECOND),
            "explicit": np.clip(columns["explicit"], UNKNOWN, 1),
            "country": columns["isrc_number"] // PER_COUNTRY,
            "rights": columns["rights"],
            "status": columns["state"],
            "label": label,
        }

    def _note_classes(self, classes: Whole, ranks: Whole) -> None:
        for found, rank in zip(classes.tolist(), ranks.tolist(), strict=True):
            if not self._popularity_starts or self._popularity_starts[-1][1] != found:
                self._popularity_starts.append((rank, found))

    def _count_albums(self, albums: Whole) -> None:
        highest = int(albums.max(initial=0))
        if highest >= len(self._album_sizes):
            more = max(highest + 1, 2 * len(self._album_sizes)) - len(self._album_sizes)
            self._album_sizes = np.concatenate([self._album_sizes, np.zeros(more, dtype=np.int64)])
        np.add.at(self._album_sizes, albums, 1)

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
            self._bytes["rank"].add(block_of(ranks, RANK_DIGITS), values)

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
        return sorted((_named(row, name_of) for row in found), key=lambda row: (row.report, row.bucket))


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
    for bucket, sums in histogram.filled(MOST_NAMED if report in _MOST_OF else None):
        start = block_start(bucket, RANK_DIGITS) if report == "rank" else bucket
        amounts: dict[str, Any] = sums | {"bytes": sums.get("bytes", sizes.get(bucket, 0))}
        yield StatisticsRow(report=report, bucket=start, **amounts)


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
