"""Editions from tables: the same rows as the SQL writer, the same bytes again, and nothing half done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogue.records_made import number_record
from fonoteca.catalogue import Catalogue, TrackRecord, write_edition
from fonoteca.catalogue.bulk.build import build_edition
from fonoteca.catalogue.bulk.export import export_tables
from fonoteca.catalogue.bulk.shapes import table_shapes

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


def stage(folder: Path, **tables: dict[str, list[Any]]) -> Path:
    folder.mkdir()
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


IDS = [f"{'abcdefghij' if number % 3 else 'zyxwvutsrq'}{number:012}" for number in range(1000)]


@pytest.mark.parametrize("sink", SINKS)
def test_a_built_edition_has_the_rows_of_the_sql_writer(tmp_path: Path, sink: Any) -> None:
    with fill(tmp_path / "c", [number_record(number, popularity=number % 7 + (number % 3) / 2) for number in range(300)]) as catalogue:
        write_edition(catalogue, tmp_path / "sql", **ABOUT)
        export_tables(tmp_path / "c", tmp_path / "tables")
    counts = build_edition(tmp_path / "tables", tmp_path / "built", sink=sink, **ABOUT)
    assert_same(tmp_path / "built", tmp_path / "sql")
    assert (counts.tracks, counts.size) == (300, (tmp_path / "built").stat().st_size)
