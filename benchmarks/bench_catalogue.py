"""Editions in bulk: the 1/100 load with everything, the build beside the usual loaders, and how it grows.

    bench_catalogue.py                  the 1/100 load (2.56 million tracks), side by side at a million
    bench_catalogue.py --all            side by side at four million, growth from one to sixteen million

The others are given what we make first: the rows in their new order with their new numbers. They write the same tables and indexes; the
search, which only the builder makes, is left out there. DuckDB writes through its SQLite extension.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import apsw
import duckdb
import duckdb_extensions
import pyarrow.parquet as pq
import sqlite_utils

from archives import working_folder
from catalogue_load import TRACKS, write_load
from fonoteca.catalogue.bulk import finishing
from fonoteca.catalogue.bulk.build import build_edition
from fonoteca.catalogue.bulk.parquet_edition import write_parquet_edition
from fonoteca.catalogue.bulk.shapes import table_shapes
from fonoteca.catalogue.bulk.sinks import AdbcSink, make_empty
from fonoteca.catalogue.schema import EDITION_INDEXES
from harness import Alternative, compare
from process_watch import Watch

TITLE, DATE = "Reference workload", "2026-01-01"
BATCH = 1 << 16


def count_rows(tables: Path) -> int:
    """Rows of all tables together."""
    return sum(pq.ParquetFile(path).metadata.num_rows for path in tables.glob("*.parquet"))


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


def without_search(tables: Path, target: Path, scratch: Path) -> None:
    """The builder as it is, but for the search."""
    whole = finishing.Finish._add_search
    finishing.Finish._add_search = lambda *_: None  # type: ignore[method-assign]
    try:
        build_edition(tables, target, scratch=scratch, title=TITLE, date=DATE)
    finally:
        finishing.Finish._add_search = whole  # type: ignore[method-assign]


def side_by_side(folder: Path, tracks: int) -> None:
    """The build from tables in any order beside every loader from ranked ones."""
    tables, ranked, target = folder / "tables", folder / "ranked", folder / "target.sqlite3"
    write_load(tables, Fraction(tracks, TRACKS))
    without_search(tables, folder / "first.sqlite3", folder)  # compiles, and gives the others their rows
    write_parquet_edition(folder / "first.sqlite3", ranked)

    def fresh() -> None:
        target.unlink(missing_ok=True)
        make_empty(target, has_indexes=False)

    ours = Alternative("page writer, from any order", lambda: without_search(tables, target, folder))
    others = [Alternative(name, lambda load=load: load(ranked, target), fresh) for name, load in LOADERS.items()]  # type: ignore[misc]
    compare(
        f"an edition of {tracks:,} tracks and its indexes", [ours, *others], amount=count_rows(tables), unit="rows", rounds=1, warm_up=False
    )


def growth(folder: Path, sizes: list[int]) -> None:
    """CPU seconds a million tracks, search and all, of all processes."""
    for tracks in sizes:
        tables, target = folder / f"tables-{tracks}", folder / "grown.sqlite3"
        write_load(tables, Fraction(tracks, TRACKS))
        started = time.perf_counter()
        with Watch(folder) as watch:
            build_edition(tables, target, scratch=folder, title=TITLE, date=DATE)
            cpu_s = watch.cpu_seconds()
        cpu_s, wall_s = cpu_s / tracks * 1e6, (time.perf_counter() - started) / tracks * 1e6
        print(f"growth: {tracks:>12,} tracks {cpu_s:7.2f} CPU s and {wall_s:7.2f} s a million", flush=True)
        shutil.rmtree(tables)


def whole_load(folder: Path, share: Fraction) -> None:
    """One share of the reference workload with everything."""
    tables, target = folder / "load", folder / "load.sqlite3"
    started = time.perf_counter()
    load = write_load(tables, share)
    made = time.perf_counter()
    counts = build_edition(tables, target, scratch=folder, title=TITLE, date=DATE)
    built = time.perf_counter()
    print(f"{share} of the reference workload: {counts.tracks:,} tracks made in {made - started:.0f} s, built in {built - made:.0f} s, "
          f"{counts.size / load.tracks:.0f} bytes a track with indexes and search", flush=True)  # fmt: skip


def main() -> int:
    """All of it, or the everyday part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--share", type=Fraction, default=Fraction(1, 100))
    parser.add_argument("--tracks", type=int, default=0)
    given = parser.parse_args()
    duckdb_extensions.import_extension("sqlite_scanner")
    with working_folder() as folder:
        whole_load(folder, given.share)
    with working_folder() as folder:
        side_by_side(folder, given.tracks or (4_000_000 if given.all else 1_000_000))
    if given.all:
        with working_folder() as folder:
            growth(folder, [1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000])
    return 0


if __name__ == "__main__":
    sys.exit(main())
