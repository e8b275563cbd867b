"""The reference workload as tables for the builder: any share of 256 million tracks, made from counters, the same for the same seed.

    python benchmarks/catalogue_load.py FOLDER [--share 1/1000]

The shapes are those of the largest music archive ever described; none of its data is used. Popularity sums up exactly.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogue_load_kernels import (
    fill_albums,
    fill_artists,
    fill_further,
    fill_hashes,
    fill_ids,
    fill_names,
    fill_tracks,
    spread_albums,
)  # fmt: skip
from catalogue_load_words import Vocabulary
from fonoteca.ground.workers import count_cores, map_in_order

Array = np.ndarray[Any, Any]
TRACKS, ALBUMS, ARTISTS = 256_039_007, 58_590_982, 15_430_442
GENRES, ARTIST_GENRES = 768, 2_229_947
CHUNK = 1 << 20
BY_DECADE = (243_591_243, 7_210_527, 3_158_648, 1_373_574, 490_602, 158_900, 43_926, 9_931, 1_592, 63, 1)
"""Tracks with popularity 0–9, 10–19 … 90–99, 100."""
AT_ZERO = 209_000_000
BY_MINUTE = (5_222_971, 29_241_486, 69_899_290, 81_089_251, 34_950_147, 15_331_038, 8_806_545, 4_846_275, 2_329_997, 1_219_446, 3_102_561)
ALBUMS_OF_YEAR = {
    1950: 1_662, 1960: 11_146, 1970: 15_549, 1980: 20_330, 1990: 34_815, 2000: 120_661, 2005: 167_391, 2010: 426_598, 2015: 919_023,
    2018: 1_874_418, 2020: 4_323_336, 2022: 6_525_064, 2023: 8_205_708, 2024: 11_066_418, 2025: 9_568_894,
}  # fmt: skip
BAD_YEARS = {1901: 40_000, 1905: 3_000, 1912: 2_000, 1920: 9_000, 2026: 35, 2040: 1}


def popularity_counts(tracks: int) -> list[int]:
    """Tracks of each popularity from 100 down to 0; their sum is `tracks`, and at full size each decade is exactly the reference's."""
    every = []
    for decade, total in enumerate(BY_DECADE):
        weights = [1.0] if decade == 10 else [0.78**place for place in range(10)]
        if decade == 0:
            rest = _shares([0.72**place for place in range(9)], total - AT_ZERO)
            every += [AT_ZERO, *rest]
        else:
            every += _shares(weights, total)
    return _shares([float(count) for count in reversed(every)], tracks) if tracks != TRACKS else every[::-1]


def _shares(weights: list[float], total: int) -> list[int]:
    """Whole numbers in proportion to the weights that sum to `total`."""
    ends = np.round(np.cumsum(weights) / np.sum(weights) * total).astype(np.int64)
    counts: list[int] = np.diff(ends, prepend=0).tolist()
    return counts


def year_weights() -> tuple[Array, Array]:
    """(years, how many albums of each)."""
    known = sorted(ALBUMS_OF_YEAR)
    years = np.arange(known[0], known[-1] + 1)
    counts = np.exp(np.interp(years, known, np.log([ALBUMS_OF_YEAR[year] for year in known])))
    counts *= (ALBUMS - sum(BAD_YEARS.values())) / counts.sum()
    return np.concatenate([years, list(BAD_YEARS)]), np.concatenate([counts, list(BAD_YEARS.values())])


class Load:
    """One share of the reference workload: table by table, chunk by chunk."""

    def __init__(self, share: Fraction, seed: int = 7) -> None:
        self.seed = seed
        self.tracks, self.albums, self.artists = (max(4, round(share * number)) for number in (TRACKS, ALBUMS, ARTISTS))
        self.labels, self.containers = max(50, self.albums // 40), max(1, round(share * 1434))
        self.artist_genres = round(share * ARTIST_GENRES)
        self.words = Vocabulary(seed)
        self._popularity_ends = np.cumsum(popularity_counts(self.tracks)).astype(np.int64)
        years, counts = year_weights()
        self._years, self._year_ends = years.astype(np.int64), np.cumsum(counts) / counts.sum()
        self._minute_ends = np.cumsum(BY_MINUTE) / sum(BY_MINUTE)

    @property
    def chunks(self) -> int:
        """How many chunks the tracks and albums come in."""
        return max(1, round(self.tracks / CHUNK))

    def names(self, kind: int, keys: Array) -> pa.Array:
        """A name for each key; equal keys have equal names."""
        content, offsets = np.empty(len(keys) * 96 + 1024, np.uint8), np.empty(len(keys) + 1, np.int32)
        words = self.words
        used = fill_names(self.seed, kind, keys, *words.tables, content, offsets)
        return pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets), pa.py_buffer(content[:used].copy()))

    def ids(self, kind: int, first: int, count: int, length: int = 22) -> pa.Array:
        """The ids of rows `first` …"""
        content = np.empty(count * length, np.uint8)
        fill_ids(self.seed, kind, first, length, content)
        offsets = np.arange(0, (count + 1) * length, length, dtype=np.int32)
        return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(content))

    def small_tables(self) -> dict[str, pa.Table]:
        """Labels, genres, containers, kinds of files."""
        labels, genres = np.arange(1, self.labels + 1), np.arange(1, GENRES + 1)
        containers = [f"fonoteca_audio_{number:05}" for number in range(1, self.containers + 1)]
        return {
            "labels": pa.table({"label": labels, "name": _numbered(self.names(9, labels), " Records ", labels)}),
            "genres": pa.table({"genre": genres, "name": _numbered(self.names(8, genres), " ", genres)}),
            "containers": pa.table({"container": np.arange(1, self.containers + 1), "name": containers,
                                    "collection": ["audio"] * self.containers, "is_public": [1] * self.containers}),
            "file_kinds": pa.table({"kind": [1, 2], "format": ["ogg-vorbis", "ogg-opus"], "tier": ["original", "tail"],
                                    "is_derived": [0, 1], "is_original_restorable": [1, 0]}),
        }  # fmt: skip

    def artist_chunk(self, number: int) -> dict[str, pa.Table]:
        """Artists and their genres."""
        first = self.artists * number // self.chunks
        count = self.artists * (number + 1) // self.chunks - first
        popularity, followers, genres = np.empty(count), np.empty(count, np.int64), np.empty(count, np.int32)
        fill_artists(self.seed, first, self.artist_genres / self.artists, popularity, followers, genres)
        rows = np.arange(first + 1, first + count + 1, dtype=np.int32)
        with_genre = genres > 0
        return {
            "artists": pa.table({"artist": rows, "id": self.ids(3, first, count), "name": self.names(3, rows.astype(np.int64)),
                                 "popularity": popularity, "followers": followers}),
            "artist_genres": pa.table({"artist": rows[with_genre], "position": np.zeros(with_genre.sum(), np.int8),
                                       "genre": genres[with_genre]}),
        }  # fmt: skip

    def chunk(self, number: int) -> dict[str, pa.Table]:
        """Albums and tracks that belong together, with all their links and files."""
        first_album, first_track = self.albums * number // self.chunks, self.tracks * number // self.chunks
        albums = self.albums * (number + 1) // self.chunks - first_album
        tracks = self.tracks * (number + 1) // self.chunks - first_track
        sizes, sources = np.empty(albums, np.int32), np.empty(albums, np.int64)
        spread_albums(self.seed, first_album, tracks, sizes, sources)
        found = self._albums(first_album, sources)
        keys, columns, links, files = self._tracks(first_album, first_track, tracks, sizes, sources, found)
        columns["title"] = self.names(1, keys)
        order = [
            "track",
            "id",
            "title",
            "artist",
            "album",
            "disc",
            "number",
            "duration_ms",
            "explicit",
            "popularity",
            "isrc_number",
            "state",
        ]
        return {
            "albums": found["table"], "further_album_artists": found["links"],
            "tracks": pa.table({name: columns[name] for name in order}), "further_track_artists": links, "files": files,
        }  # fmt: skip

    def _albums(self, first: int, sources: Array) -> dict[str, Any]:
        count = len(sources)
        numbers = {name: np.empty(count, np.int32) for name in ("artist", "label", "days", "year", "further")}
        popularity, gtin = np.empty(count), np.empty(count, np.int64)
        fill_albums(self.seed, first, sources, self.artists, self.labels, self._years, self._year_ends, *numbers.values(), popularity, gtin)
        rows = np.arange(first + 1, first + count + 1, dtype=np.int32)
        lead, position = _positions(rows, numbers["further"])
        artists = np.empty(len(lead), np.int32)
        fill_further(self.seed, 21, lead, position, self.artists, artists)
        table = {
            "album": rows, "id": self.ids(2, first, count), "title": self.names(2, sources), "artist": numbers["artist"],
            "date": _dates(numbers["year"], numbers["days"]), "label": numbers["label"], "gtin": gtin, "popularity": popularity,
        }  # fmt: skip
        links = pa.table({"album": lead, "position": position.astype(np.int16), "artist": artists})
        return {"table": pa.table(table), "links": links, "year": numbers["year"], "artist": numbers["artist"]}

    def _tracks(
        self, first_album: int, first: int, count: int, sizes: Array, sources: Array, albums: dict[str, Any]
    ) -> tuple[Array, dict[str, Any], pa.Table, pa.Table]:
        kinds = {"album": "i4", "artist": "i4", "disc": "i1", "number": "i2", "duration_ms": "i4", "explicit": "i1", "state": "i1",
                 "popularity": "f8", "isrc_number": "i8", "keys": "i8", "further": "i4"}  # fmt: skip
        filled = {name: np.empty(count, kind) for name, kind in kinds.items()}
        fill_tracks(
            self.seed, first, first_album, self.tracks, self.artists, sizes, sources, albums["year"], albums["artist"],
            self._popularity_ends, self._minute_ends, self.words.countries, *filled.values(),
        )  # fmt: skip
        rows = np.arange(first + 1, first + count + 1, dtype=np.int32)
        lead, position = _positions(rows, filled["further"])
        artists = np.empty(len(lead), np.int32)
        fill_further(self.seed, 22, lead, position, self.artists, artists)
        links = pa.table({"track": lead, "position": position.astype(np.int16), "artist": artists})
        isrcs = filled["isrc_number"]
        columns: dict[str, Any] = {**filled, "track": rows, "id": self.ids(1, first, count), "isrc_number": pa.array(isrcs, mask=isrcs < 0)}
        return filled["keys"], columns, links, self._files(rows, filled)

    def _files(self, rows: Array, tracks: dict[str, Array]) -> pa.Table:
        held = np.flatnonzero(tracks["state"] == 1)
        lead, is_tail = rows[held], tracks["popularity"][held] == 0
        sizes = (tracks["duration_ms"][held].astype(np.int64) * np.where(is_tail, 75, 160) // 8) + 9_000
        hashes = np.empty(len(held) * 32, np.uint8)
        fill_hashes(self.seed, lead, hashes)
        container = (lead.astype(np.int64) * self.containers // (self.tracks + 1)).astype(np.int32) + 1
        short = self.ids(5, int(lead[0]) if len(lead) else 0, len(held))
        return pa.table({
            "track": lead, "position": np.zeros(len(held), np.int8), "container": container, "kind": is_tail.astype(np.int8) + 1,
            "size": sizes, "sha256": pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(held), [None, pa.py_buffer(hashes)]),
            "second": 1_750_000_000 + container.astype(np.int64) * 3600, "short": short,
        })  # fmt: skip


def _numbered(names: pa.Array, word: str, numbers: Array) -> list[str]:
    """Names that are there once."""
    return [f"{name}{word}{number}" for name, number in zip(names.to_pylist(), numbers.tolist(), strict=True)]


def _positions(rows: Array, further: Array) -> tuple[Array, Array]:
    lead = np.repeat(rows, further)
    starts = np.cumsum(further) - further
    return lead, np.arange(len(lead)) - np.repeat(starts, further) + 1


_DAYS = [
    f"-{month:02}-{day:02}" for month, days in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), 1) for day in range(1, days + 1)
]
_FIRST_YEAR, _LAST_YEAR = 1900, 2040
_ALL_DATES = pa.array([f"{year}{day}" for year in range(_FIRST_YEAR, _LAST_YEAR + 1) for day in [*_DAYS, ""]])


def _dates(years: Array, days: Array) -> pa.Array:
    places = (years - _FIRST_YEAR) * 366 + np.where(days < 0, 365, days)
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), _ALL_DATES)


class TableWriter:
    """One Parquet file for each table, filled chunk by chunk; the bytes written so far."""

    PLAIN = frozenset(
        {"id", "title", "sha256", "short", "size", "duration_ms", "isrc_number", "gtin", "track", "artist", "album", "number"}
    )

    def __init__(self, folder: Path) -> None:
        self._folder, self._writers = folder, dict[str, pq.ParquetWriter]()

    def write(self, name: str, table: pa.Table) -> None:
        """Append rows; no row group is empty."""
        if name not in self._writers:
            coded = [column for column in table.column_names if column not in self.PLAIN]
            squeezed = {column: "NONE" if column in ("id", "sha256", "short") else "ZSTD" for column in table.column_names}
            self._writers[name] = pq.ParquetWriter(
                self._folder / f"{name}.parquet", _without_dictionaries(table).schema, use_dictionary=coded, compression=squeezed,
                compression_level={column: 1 for column, way in squeezed.items() if way == "ZSTD"}, write_statistics=True,
            )  # fmt: skip
        if table.num_rows:
            self._writers[name].write_table(_without_dictionaries(table), row_group_size=CHUNK)

    def close(self) -> None:
        """All files are whole."""
        for writer in self._writers.values():
            writer.close()


def _without_dictionaries(table: pa.Table) -> pa.Table:
    fields = [pa.field(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type) for field in table.schema]
    return table.cast(pa.schema(fields))


def write_load(folder: Path, share: Fraction, *, seed: int = 7, jobs: int | None = None) -> Load:
    """The tables of one share in `folder`, made by as many threads as there are cores."""
    folder.mkdir(parents=True, exist_ok=True)
    load, writer = Load(share, seed), TableWriter(folder)
    for name, table in load.small_tables().items():
        writer.write(name, table)
    with ThreadPoolExecutor(jobs or count_cores()) as pool:
        for make in (load.artist_chunk, load.chunk):
            for _, made in map_in_order(lambda number, make=make: pool.submit(make, number), range(load.chunks), 3):  # type: ignore[misc]
                for name, table in made.result().items():
                    writer.write(name, table)
    writer.close()
    return load


def _command() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=Fraction, default=Fraction(1, 1000))
    given = parser.parse_args()
    started = time.monotonic()
    load = write_load(given.folder, given.share)
    size = sum(path.stat().st_size for path in given.folder.glob("*.parquet"))
    print(json.dumps({"tracks": load.tracks, "seconds": round(time.monotonic() - started, 1), "bytes": size}))
    return 0


if __name__ == "__main__":
    sys.exit(_command())
