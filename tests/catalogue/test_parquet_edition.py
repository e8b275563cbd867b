"""The Parquet edition has the rows of the SQLite one, the same bytes each time, and says what every column means."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import apsw
import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records_made import number_id, number_record, records
from test_edition_deltas import file_row

from fonoteca.catalogue import Catalogue, TrackRecord, write_edition
from fonoteca.catalogue.bulk.parquet_edition import write_parquet_edition
from fonoteca.catalogue.data_dictionary import data_dictionary
from fonoteca.catalogue.schema import TABLES
from fonoteca.ground.errors import UsageError

PAGE = Path(__file__).parents[2] / "docs/formats/parquet-edition.md"


def stored_columns(connection: apsw.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_xinfo({table})") if row[6] == 0]


def assert_same_rows(edition: Path, folder: Path) -> None:
    connection = apsw.Connection(str(edition), flags=apsw.SQLITE_OPEN_READONLY)
    tables = [row[0] for row in apsw_tables()]
    assert {path.stem for path in folder.glob("*.parquet")} == set(tables)
    for table in tables:
        columns = stored_columns(connection, table)
        read = pq.read_table(folder / f"{table}.parquet")
        assert read.column_names == columns
        found = list(zip(*(read[column].to_pylist() for column in columns), strict=True))
        key = [str(row[1]) for row in connection.execute(f"PRAGMA table_xinfo({table})") if row[5]]
        assert found == connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(key)}").fetchall()
    connection.close()


def apsw_tables() -> list[tuple[str]]:
    connection = apsw.Connection(":memory:")
    connection.execute(TABLES)
    return [(str(row[0]),) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]


@pytest.fixture
def edition(tmp_path: Path) -> Path:
    with Catalogue.create(tmp_path / "catalogue.sqlite3") as catalogue:
        with catalogue.transaction():
            for number in range(200):
                catalogue.put_track(number_record(number, popularity=number / 3))
                catalogue.put_file(number_id(number), file_row(number, "container"))
        write_edition(catalogue, tmp_path / "edition.sqlite3", title="Demo", date="2026-01-01")
    return tmp_path / "edition.sqlite3"


def test_parquet_has_every_table_and_row_of_the_edition(edition: Path, tmp_path: Path) -> None:
    written = write_parquet_edition(edition, tmp_path / "parquet")
    assert_same_rows(edition, tmp_path / "parquet")
    told = json.loads((tmp_path / "parquet/edition.json").read_bytes())
    assert told["edition"] == hashlib.sha256(edition.read_bytes()).hexdigest()
    for name, table in told["tables"].items():
        content = (tmp_path / f"parquet/{name}.parquet").read_bytes()
        assert (table["size"], table["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert written.tables["tracks"].rows == written.tables["files"].rows == 200


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), max_size=5))
def test_any_records_come_through(tmp_path_factory: pytest.TempPathFactory, held: list[TrackRecord]) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    with Catalogue.create(folder / "catalogue") as catalogue:
        for record in held:
            catalogue.put_track(record)
        write_edition(catalogue, folder / "edition", title="Any", date="2026-01-01")
    write_parquet_edition(folder / "edition", folder / "tables")
    assert_same_rows(folder / "edition", folder / "tables")


def test_two_runs_give_the_same_bytes(edition: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_parquet_edition(edition, tmp_path / name)
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert first == second


def test_unfinished_run_goes_on_and_anything_else_in_the_folder_is_refused(edition: Path, tmp_path: Path) -> None:
    write_parquet_edition(edition, tmp_path / "whole")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/tracks.parquet").write_bytes(b"PAR1 cut")
    write_parquet_edition(edition, tmp_path / "cut")
    assert (tmp_path / "cut/tracks.parquet").read_bytes() == (tmp_path / "whole/tracks.parquet").read_bytes()
    for strange in ("cut", "music"):
        (tmp_path / "music").mkdir(exist_ok=True)
        (tmp_path / "music/song.ogg").touch()
        with pytest.raises(UsageError, match="not empty"):
            write_parquet_edition(edition, tmp_path / strange)


def test_queries_of_the_page_run_in_duckdb(edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet_edition(edition, tmp_path / "parquet")
    monkeypatch.chdir(tmp_path)
    queries = [block for block in re.findall(r"```\n(.*?)```", PAGE.read_text("utf-8"), re.S) if block.startswith("SELECT")]
    assert queries
    for query in queries:
        assert duckdb.sql(query).fetchall()


def test_dictionary_names_every_column_of_an_edition_and_nothing_else(edition: Path) -> None:
    connection = apsw.Connection(str(edition), flags=apsw.SQLITE_OPEN_READONLY)
    found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    searches = [str(name) for name, sql in found if "USING fts5" in str(sql)]
    names = {str(name) for name, _ in found if not any(str(name).startswith(search) for search in searches)} - {"sqlite_stat1"}
    assert {table.name for table in data_dictionary()} == names
    for table in data_dictionary():
        assert [column.name for column in table.columns] == [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table.name})")]
        assert all(column.meaning for column in table.columns)


def test_dictionary_has_no_entry_that_nothing_uses() -> None:
    import tomllib
    from importlib import resources

    told = tomllib.loads(resources.files("fonoteca.catalogue").joinpath("data_dictionary.toml").read_text("utf-8"))
    described = {table.name: {column.name for column in table.columns} for table in data_dictionary()}
    assert told["tables"].keys() | told["views"].keys() == described.keys()
    for kind in ("tables", "views"):
        for name, entry in told[kind].items():
            assert entry.keys() - {"row"} <= described[name]
    assert told["everywhere"].keys() <= {column for columns in described.values() for column in columns}
