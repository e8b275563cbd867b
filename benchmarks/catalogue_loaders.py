"""The usual ways to make an SQLite database of a catalogue's tables: from rows that are in order already, and from tables in any order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import duckdb
import pyarrow.parquet as pq
import sqlite_utils

from fonoteca.catalogue.bulk.pouring import as_stored
from fonoteca.catalogue.bulk.shapes import table_shapes
from fonoteca.catalogue.bulk.sinks import AdbcSink, make_empty
from fonoteca.catalogue.schema import EDITION_INDEXES

BATCH = 1 << 16


def filled(ranked: Path) -> Iterator[str]:
    """Tables that have rows, in the order of the schema."""
    return (name for name in table_shapes() if pq.ParquetFile(ranked / f"{name}.parquet").metadata.num_rows)


def rows_of(ranked: Path, name: str) -> Iterator[tuple[Any, ...]]:
    """A table's rows as tuples."""
    for batch in pq.ParquetFile(ranked / f"{name}.parquet").iter_batches(BATCH):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def insert(name: str) -> str:
    """The statement that inserts a row."""
    columns = table_shapes()[name].column_names
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def load_sqlite3(ranked: Path, target: Path) -> None:
    """executemany of the standard library, then CREATE INDEX."""
    connection = sqlite3.connect(target)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
    for name in filled(ranked):
        connection.executemany(insert(name), rows_of(ranked, name))
    connection.commit()
    connection.executescript(EDITION_INDEXES)
    connection.close()


def load_apsw(ranked: Path, target: Path) -> None:
    """executemany of apsw, then CREATE INDEX."""
    connection = apsw.Connection(str(target))
    connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
    with connection:
        for name in filled(ranked):
            connection.executemany(insert(name), rows_of(ranked, name))
    connection.execute(EDITION_INDEXES)
    connection.close()


def load_adbc(ranked: Path, target: Path) -> None:
    """Arrow batches through ADBC, then CREATE INDEX."""
    sink = AdbcSink(target)
    for name in filled(ranked):
        sink.write_table(name, pq.ParquetFile(ranked / f"{name}.parquet").iter_batches(BATCH))
    sink.close()


def load_duckdb(ranked: Path, target: Path) -> None:
    """INSERT … SELECT from Parquet by DuckDB, then CREATE INDEX by SQLite, which DuckDB does not know the expressions of."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute("LOAD sqlite_scanner")
    connection.execute(f"ATTACH '{target}' AS edition (TYPE sqlite)")
    for name in filled(ranked):
        columns = ", ".join(table_shapes()[name].column_names)
        connection.execute(f"INSERT INTO edition.{name} ({columns}) SELECT {columns} FROM read_parquet('{ranked / name}.parquet')")
    connection.close()
    _index(target)


def load_sqlite_utils(ranked: Path, target: Path) -> None:
    """insert_all of dictionaries, then CREATE INDEX."""
    database = sqlite_utils.Database(target)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    for name in filled(ranked):
        columns = table_shapes()[name].column_names
        database[name].insert_all((dict(zip(columns, row, strict=True)) for row in rows_of(ranked, name)), batch_size=10_000)
    database.close()
    _index(target)


def _index(target: Path) -> None:
    connection = apsw.Connection(str(target))
    connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
    connection.execute(EDITION_INDEXES)
    connection.close()


LOADERS: dict[str, Callable[[Path, Path], None]] = {
    "adbc": load_adbc, "sqlite3": load_sqlite3, "apsw": load_apsw, "DuckDB": load_duckdb, "sqlite-utils": load_sqlite_utils,
}  # fmt: skip


RANKS = {
    "genres": "name", "labels": "name", "rights": "uri", "containers": "name", "pictures": "sha256",
    "file_kinds": "format, tier, is_derived, is_original_restorable", "artists": "popularity DESC NULLS LAST, id",
    "albums": "popularity DESC NULLS LAST, id",
    "tracks": "popularity DESC NULLS LAST, rank_albums.new NULLS LAST, disc NULLS LAST, number NULLS LAST, id",
}  # fmt: skip
"""What the rows of an edition are ordered by."""


def ranked_rows(database: Any, name: str, source: str) -> str:
    """A SELECT of a table's rows with their new numbers, in their order; the table that gives the numbers of the next ones is made first.

    As a user would write it: no dates or labels are moved to the albums.
    """
    shape = table_shapes()[name]
    if name in RANKS:
        by = ", ".join(part if part.startswith("rank_") else f"{source}.{part}" for part in RANKS[name].split(", "))
        joined = "" if name != "tracks" else f" LEFT JOIN rank_albums ON rank_albums.old = {source}.album"
        database.execute(
            f"CREATE TABLE rank_{name} AS SELECT {source}.{shape.key[0]} AS old, "
            f"row_number() OVER (ORDER BY {by}) AS new FROM {source}{joined}"
        )
        if not hasattr(database, "sql"):
            database.execute(f"CREATE INDEX rank_{name}_by_old ON rank_{name} (old)")
    joins, columns = "", list[str]()
    for number, column in enumerate(shape.columns):
        refers_to = name if name in RANKS and column.name == shape.key[0] else column.refers_to
        if refers_to is None:
            columns.append(f"{source}.{column.name} AS {column.name}")
            continue
        joins += f" LEFT JOIN rank_{refers_to} AS r{number} ON r{number}.old = {source}.{column.name}"
        columns.append(f"r{number}.new AS {column.name}")
    keys = ", ".join(str(shape.column_names.index(key) + 1) for key in shape.key)
    return f"SELECT {', '.join(columns)} FROM {source}{joins} ORDER BY {keys}"


def given_tables(tables: Path) -> list[str]:
    """The tables that there are, names before what they name."""
    there = [name for name in table_shapes() if (tables / f"{name}.parquet").exists()]
    return sorted(there, key=lambda name: list(RANKS).index(name) if name in RANKS else len(RANKS))


_DUCKDB = {"INTEGER": "BIGINT", "REAL": "DOUBLE", "TEXT": "VARCHAR", "BLOB": "BLOB"}


def _rank_nothing(database: Any, tables: Path) -> None:
    for name in RANKS.keys() - set(given_tables(tables)):
        database.execute(f"CREATE TABLE rank_{name} (old BIGINT, new BIGINT)")


def rank_by_duckdb(tables: Path, target: Path, load: Callable[[Any, str, str, Path], None]) -> None:
    """Ranking, joining and ordering by DuckDB, straight from Parquet; `load` takes the rows from it."""
    database = duckdb.connect(config={"threads": 1, "memory_limit": "6GB", "temp_directory": str(target.parent / "duckdb")})
    database.execute("SET preserve_insertion_order = true")
    _rank_nothing(database, tables)
    for name in given_tables(tables):
        there = set(pq.read_schema(tables / f"{name}.parquet").names)
        columns = (
            f"CAST({column.name if column.name in there else 'NULL'} AS {_DUCKDB[column.type]}) AS {column.name}"
            for column in table_shapes()[name].columns
        )
        database.execute(f"CREATE VIEW given_{name} AS SELECT {', '.join(columns)} FROM read_parquet('{tables / name}.parquet')")
        load(database, name, ranked_rows(database, name, f"given_{name}"), target)
    database.close()


def load_adbc_ranked(tables: Path, target: Path) -> None:
    """DuckDB ranks, joins and orders; Arrow batches through ADBC; then CREATE INDEX."""
    sink = AdbcSink(target)

    def load(database: Any, name: str, query: str, _: Path) -> None:
        sink.write_table(name, database.execute(query).to_arrow_reader(BATCH))

    rank_by_duckdb(tables, target, load)
    sink.close()


def load_sqlite3_ranked(tables: Path, target: Path) -> None:
    """DuckDB ranks, joins and orders; executemany of the standard library; then CREATE INDEX."""
    connection = sqlite3.connect(target)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")

    def load(database: Any, name: str, query: str, _: Path) -> None:
        rows = database.execute(query)
        while some := rows.fetchmany(BATCH):
            connection.executemany(insert(name), some)

    rank_by_duckdb(tables, target, load)
    connection.commit()
    connection.executescript(EDITION_INDEXES)
    connection.close()


def load_sqlite_alone(tables: Path, target: Path) -> None:
    """The given tables into SQLite by ADBC; ranking, joining and ordering by SQLite itself (INSERT … SELECT … ORDER BY); CREATE INDEX."""
    given = target.with_suffix(".given")
    given.unlink(missing_ok=True)
    make_empty(given, has_indexes=False)
    sink = AdbcSink(given)
    for name in given_tables(tables):
        batches = pq.ParquetFile(tables / f"{name}.parquet").iter_batches(BATCH)
        sink.write_table(name, (as_stored(table_shapes()[name], batch) for batch in batches))
    sink.close()
    connection = sqlite3.connect(target)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = FILE")
    connection.execute("ATTACH ? AS given", (str(given),))
    _rank_nothing(connection, tables)
    for name in given_tables(tables):
        connection.execute(f"CREATE TEMP VIEW given_{name} AS SELECT * FROM given.{name}")
        columns = ", ".join(table_shapes()[name].column_names)
        connection.execute(f"INSERT INTO main.{name} ({columns}) {ranked_rows(connection, name, f'given_{name}')}")
        connection.commit()
    for name in RANKS:
        connection.execute(f"DROP TABLE IF EXISTS rank_{name}")
    connection.commit()
    connection.execute("DETACH given")
    connection.executescript(EDITION_INDEXES)
    connection.close()
    given.unlink()


EQUAL_WORK: dict[str, Callable[[Path, Path], None]] = {
    "adbc, ranked by DuckDB": load_adbc_ranked, "sqlite3, ranked by DuckDB": load_sqlite3_ranked, "SQLite alone": load_sqlite_alone,
}  # fmt: skip
