"""The page writer beside sqlite3, apsw and ADBC with the same sorted rows and index; a tier of the search beside FTS5 itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pyarrow as pa
from adbc_driver_sqlite import dbapi

from archives import working_folder
from fonoteca.catalogue.bulk.fts5_pages import TierBuilder
from fonoteca.catalogue.bulk.pages import PageFile
from fonoteca.catalogue.search_build import FTS_TABLE
from fonoteca.catalogue.search_text import index_words
from harness import Alternative, compare

ROWS, NAMED, BATCH = 1_500_000, 400_000, 1 << 16
TABLE = """CREATE TABLE tracks (track INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT, artist INTEGER, album INTEGER, disc INTEGER,
number INTEGER, duration_ms INTEGER, explicit INTEGER, popularity REAL, isrc_number INTEGER, state INTEGER NOT NULL) STRICT;"""
INSERT = f"INSERT INTO tracks VALUES ({', '.join('?' * 12)})"
INDEX = "CREATE INDEX tracks_by_isrc ON tracks (isrc_number)"
WHOLE = (
    ("artist", 1, 15_000_000),
    ("album", 1, 58_000_000),
    ("disc", 1, 2),
    ("number", 1, 20),
    ("duration_ms", 90_000, 400_000),
    ("explicit", 0, 2),
)
LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", np.uint8)


def texts(random: np.random.Generator, lengths: Any) -> pa.StringArray:
    """Letters and digits of those lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    content = LETTERS[random.integers(0, len(LETTERS), offsets[-1])]
    return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(content))


def tracks(first: int, count: int) -> pa.RecordBatch:
    """Tracks in the shape of the catalogue's."""
    random = np.random.default_rng(first)
    whole = {name: random.integers(low, high, count) for name, low, high in WHOLE}
    return pa.record_batch(
        {
            "track": np.arange(first, first + count),
            "id": texts(random, np.full(count, 22)),
            "title": texts(random, random.integers(4, 34, count)),
            **whole,
            "popularity": random.integers(0, 101, count).astype(np.float64),
            "isrc_number": random.integers(1 << 40, 1 << 46, count),
            "state": random.integers(0, 2, count),
        }
    )


def index_batches(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """What the index holds, in its order."""
    numbers = np.concatenate([batch.column("isrc_number").to_numpy() for batch in batches])
    order = np.argsort(numbers, kind="stable")
    return [pa.record_batch({"isrc_number": numbers[part], "track": part + 1}) for part in np.split(order, range(BATCH, len(order), BATCH))]


def names(count: int) -> list[tuple[Any, list[pa.StringArray]]]:
    """Row numbers with a title, an artist and an album, of words that are as unequally common as those of a language."""
    random = np.random.default_rng(4)
    words = np.array(texts(random, random.integers(2, 11, 100_000)).to_pylist(), dtype=object)

    def column(most: int) -> pa.StringArray:
        picked = np.minimum(random.zipf(1.25, (count, most)) - 1, len(words) - 1)
        return pa.array([" ".join(words[row[:length]]) for row, length in zip(picked, random.integers(1, most + 1, count), strict=True)])

    columns = [column(5), column(2), column(4)]
    return [(np.arange(at + 1, at + 1 + len(part)), [each.slice(at, BATCH) for each in columns]) for at, part in cut(columns[0])]


def cut(column: pa.StringArray) -> Iterator[tuple[int, pa.StringArray]]:
    """Pieces of a column and where they begin."""
    for at in range(0, len(column), BATCH):
        yield at, column.slice(at, BATCH)


def rows_of(batches: list[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    """Rows as Python has them."""
    for batch in batches:
        yield from zip(*[column.to_pylist() for column in batch.columns], strict=True)


def by_pages(path: Path, batches: list[pa.RecordBatch], entries: list[pa.RecordBatch]) -> None:
    """The page writer, in the caller's thread alone."""
    make(path, TABLE + INDEX)
    with PageFile(path, threads=1) as file:
        file.write_table("tracks", batches)
        file.write_index("tracks_by_isrc", entries)


def by_adbc(path: Path, batches: list[pa.RecordBatch]) -> None:
    """ADBC, then CREATE INDEX."""
    make(path, TABLE)
    with dbapi.connect(str(path)) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("tracks", pa.Table.from_batches(batches), mode="append")
        cursor.execute(INDEX)
        connection.commit()


def by_sqlite3(path: Path, batches: list[pa.RecordBatch]) -> None:
    """Python's own module."""
    connection = sqlite3.connect(make(path, TABLE))
    connection.executemany(INSERT, rows_of(batches))
    connection.execute(INDEX)
    connection.commit()
    connection.close()


def by_apsw(path: Path, batches: list[pa.RecordBatch]) -> None:
    """apsw."""
    connection = apsw.Connection(str(make(path, TABLE)))
    with connection:
        connection.executemany(INSERT, rows_of(batches))
        connection.execute(INDEX)
    connection.close()


def make(path: Path, schema: str) -> Path:
    """An empty database that is not synced, as all of these could be made again."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(schema)
    connection.close()
    return path


def tier_by_blocks(batches: list[tuple[Any, list[pa.StringArray]]]) -> None:
    """The blocks of a tier, made here."""
    builder = TierBuilder(NAMED)
    for numbers, columns in batches:
        builder.add(numbers, columns)
    builder.finish()


def tier_by_fts5(batches: list[tuple[Any, list[pa.StringArray]]]) -> None:
    """The same by FTS5, in memory."""
    connection = apsw.Connection(":memory:")
    connection.execute(FTS_TABLE.format("tier"))
    connection.execute("INSERT INTO tier (tier, rank) VALUES ('hashsize', 67108864)")
    with connection:
        for numbers, columns in batches:
            words = (index_words(*row) for row in zip(*[column.to_pylist() for column in columns], strict=True))
            connection.executemany("INSERT INTO tier (rowid, words) VALUES (?, ?)", zip(numbers.tolist(), words, strict=True))
        connection.execute("INSERT INTO tier (tier) VALUES ('optimize')")


def main() -> None:
    """Compare and print."""
    batches = [tracks(at + 1, min(BATCH, ROWS - at)) for at in range(0, ROWS, BATCH)]
    entries, named = index_batches(batches), names(NAMED)
    with working_folder() as folder:
        path = folder / "edition.sqlite3"
        ways: dict[str, Callable[[], None]] = {
            "page writer": lambda: by_pages(path, batches, entries),
            "ADBC": lambda: by_adbc(path, batches),
            "apsw executemany": lambda: by_apsw(path, batches),
            "sqlite3 executemany": lambda: by_sqlite3(path, batches),
        }
        by_pages(path, batches, entries)  # compiled code is loaded
        tier_by_blocks(named[:1])
        alternatives = [Alternative(name, way) for name, way in ways.items()]
        compare("Sorted tracks and one index into SQLite", alternatives, amount=ROWS, unit="rows", rounds=3, warm_up=False)
    tiers = {"blocks made directly": lambda: tier_by_blocks(named), "FTS5": lambda: tier_by_fts5(named)}
    alternatives = [Alternative(name, way) for name, way in tiers.items()]
    compare("One tier of the search", alternatives, amount=NAMED, unit="rows", rounds=3, warm_up=False)


if __name__ == "__main__":
    main()
