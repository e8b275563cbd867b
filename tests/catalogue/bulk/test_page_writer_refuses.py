from __future__ import annotations

import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from page_oracle import make_empty

from fonoteca.catalogue.bulk.pages import PageFile
from fonoteca.ground.errors import DatabaseError

SCHEMA = """
CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT NOT NULL, r REAL NOT NULL) STRICT;
CREATE UNIQUE INDEX t_s ON t (s);
CREATE TABLE w (a INT, b TEXT, c BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE u (x REAL, y INT, UNIQUE (x, y));
"""


def refused(path: Path, name: str, *batches: dict[str, object], fact: str) -> None:
    """Filling `name` with these batches is a DatabaseError that says the fact."""
    with pytest.raises(DatabaseError, match=fact):
        with PageFile(path) as file:
            made = [pa.record_batch(batch) for batch in batches]
            (file.write_table if file.trees[name].is_table else file.write_index)(name, made)
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return make_empty(tmp_path / "pages.db", SCHEMA)


@pytest.mark.parametrize("numbers", [[2, 1], [1, 1], [5, 9, 7], [0, -1], [-(2**63), -(2**63)]])
def test_row_numbers_that_do_not_ascend_are_refused(empty: Path, numbers: list[int]) -> None:
    texts, reals = ["x"] * len(numbers), [0.5] * len(numbers)
    refused(empty, "t", {"n": numbers, "s": texts, "r": reals}, fact="row numbers must ascend")
    each = [{"n": [number], "s": ["x"], "r": [0.5]} for number in numbers]
    refused(empty, "t", *each, fact="row numbers must ascend")


@pytest.mark.parametrize(
    "rows",
    [
        [(1, "b"), (1, "a")],
        [(2, "a"), (1, "b")],
        [(1, "a"), (1, "a")],
        [(1, "aa"), (1, "a")],
        [(1, "é"), (1, "z")],
        [(-1, "a"), (-2, "a")],
        [(n, "x") for n in range(5000)] + [(4999, "w")],
    ],
)
def test_keys_that_do_not_ascend_are_refused(empty: Path, rows: list[tuple[int, str]]) -> None:
    made = [
        {"a": pa.array([a for a, _ in part]), "b": [b for _, b in part], "c": pa.nulls(len(part))} for part in (rows, rows[:-1], rows[-1:])
    ]
    refused(empty, "w", made[0], fact="does not ascend")
    refused(empty, "w", made[1], made[2], fact="does not ascend")


@pytest.mark.parametrize(
    "pairs",
    [[(0.5, 1), (None, 1)], [(1.5, 1), (1.25, 2)], [(None, 2), (None, 1)], [(1.0, None), (1.0, None)], [(0.5, 1), (float("nan"), 2)]],
)
def test_an_index_takes_nulls_first_and_numbers_by_value(empty: Path, pairs: list[tuple[float | None, int | None]]) -> None:
    rows = pa.array([9, 8] if pairs == [(1.0, None), (1.0, None)] else [1, 2])
    batch = {"x": pa.array([x for x, _ in pairs], pa.float64()), "y": pa.array([y for _, y in pairs], pa.int64()), "r": rows}
    refused(empty, "sqlite_autoindex_u_1", batch, fact="does not ascend")


def test_unique_keys_that_repeat_are_refused_but_not_those_with_null(empty: Path) -> None:
    refused(empty, "t_s", {"s": ["a", "a"], "n": [1, 2]}, fact="repeats a unique key")
    with PageFile(empty) as file:
        file.write_table("u", [pa.record_batch({"x": [1.5, 1.5, 2.0], "y": pa.array([None, None, 1], pa.int8())})])
        keys = {"x": [1.5, 1.5, 2.0], "y": pa.array([None, None, 1], pa.int8()), "rowid": [1, 2, 3]}
        file.write_index("sqlite_autoindex_u_1", [pa.record_batch(keys)])
    assert sqlite3.connect(empty).execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_values_that_the_schema_forbids_are_refused(empty: Path) -> None:
    refused(empty, "t", {"n": [1], "s": pa.nulls(1), "r": [0.5]}, fact=r"t\.s: a value is missing")
    refused(empty, "t", {"n": [1], "s": ["x"], "r": [float("nan")]}, fact=r"t\.r: a value is missing")
    refused(empty, "t", {"n": pa.array([1, None]), "s": ["x", "y"], "r": [0.5, 0.5]}, fact="a row has no number")
    refused(empty, "t", {"n": [1], "s": [b"x"], "r": [0.5]}, fact="type TEXT cannot take Arrow's binary")
    refused(empty, "t", {"n": [1], "s": ["x"], "r": ["y"]}, fact="type REAL cannot take Arrow's string")
    refused(empty, "w", {"a": [0.5], "b": ["x"], "c": [b"y"]}, fact="type INTEGER cannot take")
    refused(empty, "w", {"a": pa.array([2**63], pa.uint64()), "b": ["x"], "c": [b"y"]}, fact="over 2.63")
    refused(empty, "w", {"a": [1], "b": ["x"], "c": pa.array([[1]])}, fact="nothing SQLite stores")


def test_batches_of_other_columns_are_refused(empty: Path) -> None:
    refused(empty, "t", {"n": [1], "s": ["x"]}, fact="the batch has n, s")
    refused(empty, "t", {"n": [1], "s": ["x"], "r": [1.0], "q": [1]}, fact="the batch has n, s, r, q")
    refused(empty, "t_s", {"s": ["x"]}, fact="index t_s has 2 columns")


def test_trees_that_are_not_there_or_not_empty_are_refused(empty: Path) -> None:
    batch = pa.record_batch({"x": pa.nulls(0, pa.float64()), "y": pa.nulls(0, pa.int64())})
    with PageFile(empty) as file:
        for wrong, fact in (("z", "no table or index z"), ("t_s", "is an index"), ("sqlite_schema", "no table or index")):
            with pytest.raises(DatabaseError, match=fact):
                file.write_table(wrong, [])
        with pytest.raises(DatabaseError, match="is a table"):
            file.write_index("t", [])
        file.write_table("u", [batch])
        with pytest.raises(DatabaseError, match="not empty"):
            file.write_table("u", [batch])
    connection = sqlite3.connect(empty)
    connection.execute("INSERT INTO u VALUES (1, 2)")
    connection.commit()
    connection.close()
    with PageFile(empty) as file, pytest.raises(DatabaseError, match="not empty"):
        file.write_table("u", [batch])


def test_an_index_that_is_forgotten_or_too_short_is_refused(empty: Path) -> None:
    table = pa.record_batch({"n": [1, 2], "s": ["a", "b"], "r": [1.0, 2.0]})
    with pytest.raises(DatabaseError, match="index t_s has 0 rows, its table 2"), PageFile(empty) as file:
        file.write_table("t", [table])
    with pytest.raises(DatabaseError, match="index t_s has 1 rows, its table 2"), PageFile(empty) as file:
        file.write_table("t", [table])
        file.write_index("t_s", [pa.record_batch({"s": ["a"], "n": [1]})])
    assert sqlite3.connect(empty).execute("SELECT count(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize(
    ("first", "fact"),
    [
        ("PRAGMA encoding = 'UTF-16'; CREATE TABLE t (n INT)", "UTF-8"),
        ("PRAGMA auto_vacuum = FULL; CREATE TABLE t (n INT)", "auto_vacuum"),
        (
            "PRAGMA legacy_file_format = ON; CREATE TABLE t (n INT, s TEXT COLLATE NOCASE); CREATE INDEX t_s ON t (s)",
            "ascending and binary",
        ),
        ("CREATE TABLE t (n INT, s TEXT); CREATE INDEX t_s ON t (s DESC)", "ascending and binary"),
    ],
)
def test_databases_of_other_kinds_are_refused(tmp_path: Path, first: str, fact: str) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.executescript(first)
    connection.close()
    with pytest.raises(DatabaseError, match=fact):
        PageFile(path)


def test_what_is_no_database_or_has_a_journal_is_refused(tmp_path: Path, empty: Path) -> None:
    (tmp_path / "text.db").write_text("words" * 1000)
    (tmp_path / "nothing.db").touch()
    for name in ("text.db", "nothing.db", "missing.db"):
        with pytest.raises(DatabaseError):
            PageFile(tmp_path / name)
    with pytest.raises(DatabaseError, match="pages of 4096 bytes, not 512"):
        PageFile(empty, 512)
    open_one = sqlite3.connect(empty)
    open_one.execute("PRAGMA journal_mode = WAL")
    open_one.execute("INSERT INTO u VALUES (1, 2)")
    open_one.commit()
    with pytest.raises(DatabaseError, match="journal"):
        PageFile(empty)
    open_one.close()
