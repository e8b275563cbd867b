"""Editions from tables: the same rows as the SQL writer, the same bytes again, and nothing half done."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogue.records_made import number_record, records
from fonoteca.catalogue import Catalogue, TrackRecord, write_edition
from fonoteca.catalogue.bulk import build as building
from fonoteca.catalogue.bulk import staging
from fonoteca.catalogue.bulk.build import build_edition
from fonoteca.catalogue.bulk.export import export_tables
from fonoteca.catalogue.bulk.parquet_edition import write_parquet_edition
from fonoteca.catalogue.bulk.shapes import table_shapes
from fonoteca.ground.errors import UsageError

ABOUT: dict[str, Any] = {"title": "All of it", "date": "2026-11-22"}
SINKS = ("pages", "adbc")


def rows_of(edition: Path) -> dict[str, list[tuple[Any, ...]]]:
    connection = apsw.Connection(str(edition), flags=apsw.SQLITE_OPEN_READONLY)
    names = [*table_shapes(), "statistics", "search_tiers", "words", "spellings"]
    known = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    found = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names if name in known}
    found["edition"] = connection.execute("SELECT * FROM edition WHERE name NOT LIKE 'writer%' ORDER BY 1").fetchall()
    if "track_search_0" in known:
        found["words_of_tracks"] = words_of(connection)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    return found


def assert_same(one: Path, other: Path) -> None:
    first, second = rows_of(one), rows_of(other)
    for name in first.keys() & second.keys():
        assert first[name] == second[name], name


def words_of(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    connection.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, track_search_0, instance)")
    return connection.execute("SELECT term, doc FROM temp.v ORDER BY 1, 2").fetchall()


def fill(path: Path, given_records: list[TrackRecord]) -> Catalogue:
    catalogue = Catalogue(path)
    with catalogue.transaction():
        for record in given_records:
            catalogue.put_track(record)
    return catalogue


def scrambled(folder: Path, target: Path, seed: int) -> Path:
    """The same records under other row numbers, with gaps, in another order."""
    chance, shapes = random.Random(seed), table_shapes()
    target.mkdir()
    numbers = {
        name: dict(zip(range(1, rows + 1), chance.sample(range(1, 5 * rows + 10), rows), strict=True))
        for name, shape in shapes.items()
        if shape.is_counted and (rows := pq.ParquetFile(folder / f"{name}.parquet").metadata.num_rows)
    }
    for name, shape in shapes.items():
        table = pq.read_table(folder / f"{name}.parquet")
        for column in shape.columns:
            of = name if shape.is_counted and column.name == shape.key[0] else column.refers_to
            if of in numbers:
                values = [numbers[of].get(value) for value in table[column.name].to_pylist()]
                table = table.set_column(table.column_names.index(column.name), column.name, pa.array(values, pa.int64()))
        pq.write_table(table.sort_by([(key, "ascending") for key in shape.key]), target / f"{name}.parquet", row_group_size=50)
    return target


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of a small catalogue with every kind of data."""
    folder = tmp_path_factory.mktemp("tables")
    with fill(folder / "c", [number_record(number, popularity=number % 7 + (number % 3) / 2) for number in range(400)]) as catalogue:
        catalogue.statements.connection.execute(EVERYTHING_ELSE)
    export_tables(folder / "c", folder / "tables")
    return folder / "tables"


EVERYTHING_ELSE = """
INSERT INTO further_album_artists SELECT album, 1, 2 FROM albums WHERE album % 3 = 0;
INSERT INTO further_isrcs (track, position, isrc_number) SELECT track, 1, isrc_number + 5 FROM tracks WHERE track % 9 = 0;
INSERT INTO artist_aliases SELECT artist, 0, name || ' alias' FROM artists;
INSERT INTO same_recordings SELECT track, track - 1, 0.75 FROM tracks WHERE track % 3 = 0;
INSERT INTO evidence SELECT track, track - 1, 'isrc', 0.5, 'the same ISRC' FROM tracks WHERE track % 3 = 0;
INSERT INTO evidence SELECT track, track - 2, 'title', 0.25, 'the same title' FROM tracks WHERE track % 3 = 0;
INSERT INTO given_forms SELECT track, 'barcode', 'odd' FROM tracks WHERE track % 5 = 0;
INSERT INTO provenance SELECT track, 'title', 'a list' FROM tracks WHERE track % 2 = 0;
INSERT INTO redirects SELECT replace(id, substr(id, 1, 1), 'z'), id, 'track', 'joined' FROM tracks WHERE track = 7;
INSERT INTO artist_genres SELECT artist, 0, 1 FROM artists WHERE artist % 2 = 0;
INSERT INTO tombstones SELECT id, 'court-order', 'a reason', '2026-01-01', 'dark', 1 FROM tracks WHERE track = 9;
"""


@pytest.mark.parametrize("sink", SINKS)
def test_a_built_edition_has_the_rows_of_the_sql_writer(tmp_path: Path, sink: Any) -> None:
    with fill(tmp_path / "c", [number_record(number, popularity=number % 7 + (number % 3) / 2) for number in range(300)]) as catalogue:
        write_edition(catalogue, tmp_path / "sql", **ABOUT)
        export_tables(tmp_path / "c", tmp_path / "tables")
    counts = build_edition(tmp_path / "tables", tmp_path / "built", sink=sink, **ABOUT)
    assert_same(tmp_path / "built", tmp_path / "sql")
    assert (counts.tracks, counts.size) == (300, (tmp_path / "built").stat().st_size)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(records(), max_size=12, unique_by=lambda record: record.id), st.integers(0, 99))
def test_any_records_give_the_rows_of_the_sql_writer(
    tmp_path_factory: pytest.TempPathFactory, given_records: list[TrackRecord], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with fill(folder / "c", given_records) as catalogue:
        write_edition(catalogue, folder / "sql", **ABOUT)
    export_tables(folder / "c", folder / "tables")
    build_edition(scrambled(folder / "tables", folder / "other", seed), folder / "built", **ABOUT)
    assert_same(folder / "built", folder / "sql")


@pytest.mark.parametrize("sink", SINKS)
def test_an_empty_catalogue_is_an_edition(tmp_path: Path, sink: Any) -> None:
    with fill(tmp_path / "c", []) as catalogue:
        write_edition(catalogue, tmp_path / "sql", **ABOUT)
    export_tables(tmp_path / "c", tmp_path / "tables")
    build_edition(tmp_path / "tables", tmp_path / "built", sink=sink, **ABOUT)
    assert_same(tmp_path / "built", tmp_path / "sql")


def test_numbers_gaps_order_jobs_and_partitions_change_no_byte(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_edition(tables, tmp_path / "once", **ABOUT)
    build_edition(scrambled(tables, tmp_path / "one", 1), tmp_path / "again", jobs=1, **ABOUT)
    monkeypatch.setattr(building, "_SMALLEST_PARTITION", 16)
    monkeypatch.setattr(building, "_LARGEST_PARTITION", 16)
    build_edition(scrambled(tables, tmp_path / "two", 2), tmp_path / "parts", scratch=tmp_path, **ABOUT)
    monkeypatch.setattr(building, "_MOST_KEPT_BYTES", 3000)
    monkeypatch.setattr(staging, "BATCH_ROWS", 50)
    build_edition(scrambled(tables, tmp_path / "three", 3), tmp_path / "files", scratch=tmp_path, **ABOUT)
    whole = (tmp_path / "once").read_bytes()
    assert (tmp_path / "again").read_bytes() == whole
    assert (tmp_path / "parts").read_bytes() == whole
    assert (tmp_path / "files").read_bytes() == whole
    assert {path.name for path in tmp_path.iterdir()} == {"once", "again", "parts", "files", "one", "two", "three"}


def test_both_sinks_hold_every_kind_of_data(tables: Path, tmp_path: Path) -> None:
    for sink in SINKS:
        build_edition(scrambled(tables, tmp_path / f"tables-{sink}", 3), tmp_path / sink, sink=sink, **ABOUT)
    found = rows_of(tmp_path / "pages")
    assert_same(tmp_path / "pages", tmp_path / "adbc")
    assert not [
        name for name, rows in found.items() if not rows and name not in ("file_kinds", "containers", "files", "rights", "artist_genres")
    ]


def test_a_killed_build_leaves_nothing_under_the_name_and_the_next_is_the_same(tables: Path, tmp_path: Path) -> None:
    build_edition(tables, tmp_path / "whole", **ABOUT)
    code = f"""
from pathlib import Path
from fonoteca.catalogue.bulk.build import build_edition
if __name__ == "__main__":
    print("on", flush=True)
    build_edition(Path({str(tables)!r}), Path({str(tmp_path / "killed")!r}), title="All of it", date="2026-11-22", jobs=1)
"""
    for wait_s in (0.3, 1.0, 2.0):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline()
            time.sleep(wait_s)
            process.kill()
        if (tmp_path / "killed").exists():
            assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()
            break
    build_edition(tables, tmp_path / "killed", **ABOUT)
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "killed"}


def test_a_parquet_edition_builds_the_edition_it_was_made_of(tables: Path, tmp_path: Path) -> None:
    build_edition(tables, tmp_path / "one", **ABOUT)
    write_parquet_edition(tmp_path / "one", tmp_path / "parquet")
    build_edition(tmp_path / "parquet", tmp_path / "two", **ABOUT)
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()


def test_an_edition_without_search_holds_the_same_rows(tables: Path, tmp_path: Path) -> None:
    build_edition(tables, tmp_path / "whole", **ABOUT)
    build_edition(tables, tmp_path / "bare", has_search=False, **ABOUT)
    assert_same(tmp_path / "bare", tmp_path / "whole")
    assert "track_search_0" not in rows_of(tmp_path / "bare") and not rows_of(tmp_path / "bare").get("search_tiers")


def test_a_track_with_a_tombstone_is_not_publishable(tmp_path: Path) -> None:
    with fill(tmp_path / "c", [number_record(number) for number in range(20)]) as catalogue:
        execute = catalogue.statements.connection.execute
        execute("INSERT INTO rights (rights, uri, may_publish) VALUES (1, 'https://example.org/free', 1)")
        execute("UPDATE tracks SET rights = 1")
        execute("INSERT INTO tombstones SELECT id, 'court-order', 'a reason', '2026-01-01', 'dark', 1 FROM tracks WHERE track = 9")
    export_tables(tmp_path / "c", tmp_path / "tables")
    counts = build_edition(tmp_path / "tables", tmp_path / "e", **ABOUT)
    connection = apsw.Connection(str(tmp_path / "e"))
    assert counts.publishable == connection.execute("SELECT sum(may_publish) FROM may_be_published").get
    assert 0 < counts.publishable < counts.tracks


def test_little_memory_is_refused_with_what_is_needed(tables: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="400 tracks cannot be ranked"):
        build_edition(tables, tmp_path / "e", memory_bytes=1 << 29, **ABOUT)
