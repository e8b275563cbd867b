"""The same rows through the page writer and through SQLite itself."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pyarrow as pa

from fonoteca.catalogue.bulk.page_schema import read_trees
from fonoteca.catalogue.bulk.pages import PageFile


def make_empty(path: Path, schema: str, page_size: int = 4096) -> Path:
    """An empty database of that schema."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.executescript(schema)
    connection.close()
    return path


def insert_rows(path: Path, table: str, batch: pa.RecordBatch) -> None:
    """The rows of a batch by SQLite's own INSERT."""
    connection = sqlite3.connect(path)
    names, marks = ", ".join(batch.schema.names), ", ".join("?" * batch.num_columns)
    rows = zip(*[column.to_pylist() for column in batch.columns], strict=True)
    connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
    connection.commit()
    connection.close()


def cut(batch: pa.RecordBatch, sizes: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of those sizes, over and over."""
    at = turn = 0
    while at < batch.num_rows:
        yield batch.slice(at, sizes[turn % len(sizes)])
        at += sizes[turn % len(sizes)]
        turn += 1


def index_rows(oracle: Path, name: str, types: dict[str, pa.DataType]) -> pa.RecordBatch:
    """What an index holds, in its order, asked of a database that SQLite filled; expressions are not known here."""
    tree = read_trees(oracle)[name]
    columns = [column.name for column in tree.columns]
    connection = sqlite3.connect(oracle)
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    where = sql[sql.index(" WHERE") :] if sql and " WHERE" in sql else ""
    listed = ", ".join(columns)
    rows = connection.execute(f"SELECT {listed} FROM {tree.table}{where} ORDER BY {listed}").fetchall()
    connection.close()
    arrays = [pa.array([row[place] for row in rows], types.get(column, pa.int64())) for place, column in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, names=[f"c{place}" for place in range(len(columns))])


def all_values(path: Path, table: str, order: str) -> list[tuple[Any, ...]]:
    """Every value of every row with its type; doubles told apart to the last bit."""
    connection = sqlite3.connect(path)
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    asked = ", ".join(f"{name}, typeof({name})" for name in names)
    rows = [tuple(map(repr, row)) for row in connection.execute(f"SELECT {asked} FROM {table} ORDER BY {order}")]
    connection.close()
    return rows


def found_wrong(path: Path) -> list[str]:
    """What two builds of SQLite find wrong."""
    wrong = []
    for connection in (apsw.Connection(str(path)), sqlite3.connect(path)):
        for pragma in ("integrity_check", "quick_check"):
            wrong += [fact for (fact,) in connection.execute(f"PRAGMA {pragma}(5)") if fact != "ok"]
        connection.close()
    return wrong


def check_whole(path: Path, oracle: Path | None = None) -> None:
    """Two builds of SQLite find nothing wrong, or no more than they find wrong with what they wrote themselves.

    Some do: of two empty blobs as the key of the one row of a table WITHOUT ROWID they say that one is NULL.
    """
    wrong = found_wrong(path)
    assert not wrong or (oracle is not None and wrong == found_wrong(oracle)), wrong


def check_with_program(path: Path) -> None:
    """The stock program of the system, where there is one."""
    program = shutil.which("sqlite3")
    if program is not None:
        done = subprocess.run([program, str(path), "PRAGMA integrity_check"], capture_output=True, text=True, timeout=60)
        assert done.stdout == "ok\n", done.stdout + done.stderr


def write_all(path: Path, filled: dict[str, Sequence[pa.RecordBatch]], **options: Any) -> Path:
    """Fill tables and indexes of an empty database by the page writer."""
    with PageFile(path, **options) as file:
        for name, batches in filled.items():
            if file.trees[name].is_table:
                file.write_table(name, batches)
            else:
                file.write_index(name, batches)
    return path
