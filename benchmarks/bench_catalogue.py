"""Editions in bulk: the 1/100 load with everything, the build beside the usual loaders, and how it grows.

    bench_catalogue.py                  the 1/100 load (2.56 million tracks), side by side at a million
    bench_catalogue.py --all            side by side at four million, growth from one to sixteen million

The others write the same tables and indexes; the search, which only the builder makes, is left out there. They are compared twice: given
what we make first, the rows in their new order with their new numbers; and given the same tables in any order as we are, which DuckDB or
SQLite then ranks, joins and orders for them. DuckDB writes through its SQLite extension.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from fractions import Fraction
from pathlib import Path

import duckdb_extensions
import pyarrow.parquet as pq

from archives import working_folder
from catalogue_load import TRACKS, write_load
from catalogue_loaders import EQUAL_WORK, LOADERS
from fonoteca.catalogue.bulk.build import build_edition
from fonoteca.catalogue.bulk.parquet_edition import write_parquet_edition
from fonoteca.catalogue.bulk.sinks import make_empty
from harness import Alternative, compare
from process_watch import Watch

TITLE, DATE = "Reference workload", "2026-01-01"


def count_rows(tables: Path) -> int:
    """Rows of all tables together."""
    return sum(pq.ParquetFile(path).metadata.num_rows for path in tables.glob("*.parquet"))


def without_search(tables: Path, target: Path, scratch: Path) -> None:
    """The builder as it is, but for the search."""
    build_edition(tables, target, scratch=scratch, title=TITLE, date=DATE, has_search=False)


def side_by_side(folder: Path, tracks: int) -> None:
    """The build from tables in any order beside every loader: from ranked rows, and from the same tables."""
    tables, ranked, target = folder / "tables", folder / "ranked", folder / "target.sqlite3"
    write_load(tables, Fraction(tracks, TRACKS))
    without_search(tables, folder / "first.sqlite3", folder)  # compiles, and gives the others their rows
    write_parquet_edition(folder / "first.sqlite3", ranked)

    def fresh() -> None:
        target.unlink(missing_ok=True)
        make_empty(target, has_indexes=False)

    ours = Alternative("builder, from any order", lambda: without_search(tables, target, folder))
    for title, loaders, given in (("from ranked rows", LOADERS, ranked), ("from the same tables", EQUAL_WORK, tables)):
        others = [Alternative(name, lambda load=load, given=given: load(given, target), fresh) for name, load in loaders.items()]  # type: ignore[misc]
        compare(
            f"an edition of {tracks:,} tracks and its indexes, the others {title}", [ours, *others],
            amount=count_rows(tables), unit="rows", rounds=1, warm_up=False,
        )  # fmt: skip


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
