from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import numpy as np
import pyarrow as pa
import pytest
from adbc_driver_sqlite import dbapi
from page_oracle import all_values, check_whole, check_with_program, cut, index_rows, insert_rows, make_empty, write_all

from fonoteca.catalogue.bulk.pages import PageFile
from fonoteca.catalogue.schema import EDITION_INDEXES, TABLES, VIEWS

SONGS = """
CREATE TABLE songs (song INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT, popularity REAL, hash BLOB, plays INTEGER, note TEXT) STRICT;
CREATE INDEX songs_by_title ON songs (title);
CREATE INDEX songs_by_hash ON songs (hash) WHERE hash IS NOT NULL;
CREATE UNIQUE INDEX songs_by_id ON songs (id);
CREATE INDEX songs_by_rank ON songs (popularity, plays);
"""
TYPES = {"id": pa.string(), "title": pa.string(), "popularity": pa.float64(), "hash": pa.binary(), "plays": pa.int64(), "note": pa.string()}
INDEXES = ("songs_by_title", "songs_by_hash", "songs_by_id", "songs_by_rank")


def songs(count: int, seed: int = 1) -> pa.RecordBatch:
    random = np.random.default_rng(seed)
    numbers = np.cumsum(random.integers(1, 300, count))
    titles = ["".join(random.choice(list("abcdé日🎵 "), size)) for size in random.integers(0, 60, count)]
    return pa.record_batch(
        {
            "song": numbers,
            "id": [f"{number:022d}" for number in numbers],
            "title": pa.array([None if len(title) % 7 == 3 else title for title in titles]),
            "popularity": random.integers(-1, 1000, count) / 10,
            "hash": pa.array([random.bytes(32) if n % 3 else None for n in range(count)], pa.binary()),
            "plays": (10 ** random.integers(0, 18, count)) * random.choice([-1, 1], count),
            "note": pa.array([None if n % 50 else "n" * (n % 9000) for n in range(count)]),
        }
    )


def filled_songs(folder: Path, batch: pa.RecordBatch, page_size: int = 4096) -> tuple[Path, dict[str, pa.RecordBatch]]:
    """An oracle that SQLite filled, and what goes into each tree."""
    oracle = make_empty(folder / "oracle.db", SONGS, page_size)
    insert_rows(oracle, "songs", batch)
    return oracle, {"songs": batch, **{name: index_rows(oracle, name, TYPES) for name in INDEXES}}


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_pages_hold_the_rows_that_sqlite_itself_would_have_stored(tmp_path: Path, page_size: int) -> None:
    oracle, parts = filled_songs(tmp_path, songs(3000), page_size)
    written = make_empty(tmp_path / "pages.db", SONGS, page_size)
    write_all(written, {name: list(cut(batch, [701])) for name, batch in parts.items()})
    check_whole(written)
    check_with_program(written)
    assert all_values(written, "songs", "song") == all_values(oracle, "songs", "song")
    connection = sqlite3.connect(written)
    for index in INDEXES:
        (counted,) = connection.execute(
            f"SELECT count(*) FROM songs INDEXED BY {index}{' WHERE hash IS NOT NULL' * ('hash' in index)}"
        ).fetchone()
        assert counted == parts[index].num_rows


def test_pages_hold_the_rows_that_adbc_stores_from_the_same_batches(tmp_path: Path) -> None:
    batch = songs(5000)
    _, parts = filled_songs(tmp_path, batch)
    loaded, written = make_empty(tmp_path / "adbc.db", SONGS), make_empty(tmp_path / "pages.db", SONGS)
    with dbapi.connect(str(loaded)) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("songs", pa.Table.from_batches([batch]), mode="append")
        connection.commit()
    write_all(written, {name: [part] for name, part in parts.items()})
    assert all_values(written, "songs", "song") == all_values(loaded, "songs", "song")
    check_whole(written)


def test_same_rows_give_same_bytes_whatever_the_batches_and_threads(tmp_path: Path) -> None:
    _, parts = filled_songs(tmp_path, songs(20_000))
    digests = set()
    for turn, (sizes, threads) in enumerate([([30_000], 1), ([1, 2, 500, 8192], 2), ([4096], 2), ([9999, 3], 1)]):
        path = make_empty(tmp_path / f"{turn}.db", SONGS)
        write_all(path, {name: list(cut(part, sizes)) for name, part in parts.items()}, threads=threads)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_sqlite_goes_on_with_a_file_of_pages_as_with_its_own(tmp_path: Path) -> None:
    oracle, parts = filled_songs(tmp_path, songs(4000), 1024)
    written = write_all(make_empty(tmp_path / "pages.db", SONGS, 1024), {name: [part] for name, part in parts.items()})
    for path in (written, oracle):
        connection = sqlite3.connect(path)
        connection.execute("DELETE FROM songs WHERE song % 3 = 0")
        connection.execute(
            "INSERT INTO songs SELECT song + 10000000, 'x' || id, title, plays, hash, 7, note || 'more' FROM songs WHERE song % 2"
        )
        connection.execute("UPDATE songs SET note = NULL, title = title || title WHERE song % 5 = 0")
        connection.commit()
        check_whole(path)
        connection.execute("VACUUM")
        connection.close()
        check_whole(path)
    assert all_values(written, "songs", "song") == all_values(oracle, "songs", "song")


@pytest.mark.parametrize("page_size", [512, 1024])
def test_records_of_every_length_around_a_page_are_whole(tmp_path: Path, page_size: int) -> None:
    schema = "CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB); CREATE INDEX t_x ON t (x);"
    lengths = list(range(3 * page_size + 20))
    batch = pa.record_batch({"n": pa.array(range(len(lengths))), "x": pa.array([n.to_bytes(2, "big") + b"x" * n for n in lengths])})
    keys = pa.RecordBatch.from_arrays([batch.column("x"), batch.column("n")], names=["x", "n"])
    path = write_all(make_empty(tmp_path / "pages.db", schema, page_size), {"t": [batch], "t_x": [keys]})
    check_whole(path)
    connection = sqlite3.connect(path)
    assert [row[0] for row in connection.execute("SELECT x FROM t ORDER BY n")] == batch.column("x").to_pylist()


@pytest.mark.parametrize("length", [0, 1, 470, 471, 473, 474, 475, 476, 477, 478, 480, 500, 2000, 3_000_000])
def test_single_rows_of_any_length_are_whole(tmp_path: Path, length: int) -> None:
    schema = "CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT); CREATE INDEX t_x ON t (x);"
    schema += "CREATE TABLE w (x TEXT PRIMARY KEY, y TEXT) WITHOUT ROWID;"
    row = {"t": [pa.record_batch({"n": [5], "x": ["é" * length]})], "w": [pa.record_batch({"x": ["a" * length], "y": ["b" * length]})]}
    row["t_x"] = [pa.record_batch({"x": ["é" * length], "n": [5]})]
    path = write_all(make_empty(tmp_path / "pages.db", schema, 512), row)
    check_whole(path)
    assert sqlite3.connect(path).execute("SELECT x FROM t").fetchone() == ("é" * length,)
    assert sqlite3.connect(path).execute("SELECT * FROM w").fetchone() == ("a" * length, "b" * length)


@pytest.mark.parametrize("rows", [*range(0, 140), 700, 701, 702, 703, 704, 705])
def test_indexes_of_every_small_size_are_whole(tmp_path: Path, rows: int) -> None:
    """The row that goes up may be the last one, at any depth."""
    schema = "CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT); CREATE INDEX t_x ON t (x); CREATE TABLE w (x INT PRIMARY KEY) WITHOUT ROWID;"
    texts = [f"{n:040d}" for n in range(rows)]
    batch = pa.record_batch({"n": pa.array(range(rows), pa.int64()), "x": pa.array(texts, pa.string())})
    keys = pa.RecordBatch.from_arrays([batch.column(1), batch.column(0)], names=["x", "n"])
    numbers = pa.record_batch({"x": pa.array(range(rows), pa.int16())})
    path = write_all(make_empty(tmp_path / "pages.db", schema, 512), {"t": [batch], "t_x": [keys], "w": [numbers]}, threads=1)
    check_whole(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*), max(x) FROM t").fetchone() == (rows, texts[-1] if rows else None)
    assert [row[0] for row in connection.execute("SELECT x FROM w")] == list(range(rows))


def test_empty_tables_stay_empty_and_whole(tmp_path: Path) -> None:
    path = make_empty(tmp_path / "pages.db", TABLES + VIEWS + EDITION_INDEXES)
    with PageFile(path) as file:
        for name, tree in file.trees.items():
            assert (file.write_table(name, []) if tree.is_table else file.write_index(name, [])) == 0
    check_whole(path)


def test_tracks_of_the_catalogue_read_as_they_were_given(tmp_path: Path) -> None:
    path = make_empty(tmp_path / "pages.db", TABLES + VIEWS)
    count = 1000
    batch = {
        "track": pa.array(range(1, count + 1)),
        "id": pa.array([f"{n:022d}" for n in range(count)]),
        "state": pa.array([n % 6 for n in range(count)], pa.int8()),
        "isrc_number": pa.array([n if n % 2 else None for n in range(count)], pa.int64()),
        "status_reason": pa.array(["why" if n % 100 == 0 else None for n in range(count)]),
    }
    with PageFile(path) as file:
        nulls = {column.name: pa.nulls(count) for column in file.trees["tracks"].columns}
        file.write_table("tracks", [pa.record_batch({**nulls, **batch})])
        isrcs = {"track": range(1, 9), "position": [1] * 8, "isrc_number": range(8)}
        file.write_without_rowid("further_isrcs", [pa.record_batch({name: pa.array(values) for name, values in isrcs.items()})])
    check_whole(path)
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT status, status_reason FROM tracks WHERE track IN (1, 2)").fetchall() == [
        ("wanted", "why"),
        ("held", None),
    ]
    assert connection.execute("SELECT count(*), count(isrc) FROM track_isrcs").fetchone() == (508, 508)


def test_a_null_is_kept_where_a_missing_value_would_read_as_something_else(tmp_path: Path) -> None:
    path = make_empty(tmp_path / "pages.db", "CREATE TABLE t (n INTEGER PRIMARY KEY, x INTEGER DEFAULT 7, y TEXT)")
    write_all(path, {"t": [pa.record_batch({"n": [1], "x": pa.nulls(1), "y": pa.nulls(1)})]})
    assert sqlite3.connect(path).execute("SELECT * FROM t").fetchall() == [(1, None, None)]


def test_columns_of_any_arrow_type_that_means_the_same_are_taken(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB) STRICT;"
    numbers, texts = [0, 1, 127, None], ["", "a", "é", None]
    for place, kind in enumerate([pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]):
        text, blob = [(pa.string(), pa.binary()), (pa.large_string(), pa.large_binary()), (pa.string_view(), pa.binary_view())][place % 3]
        real = [pa.float32(), pa.float64(), kind][place % 3]
        arrays = {"i": pa.array(numbers, kind), "r": pa.array(numbers, real), "s": pa.array(texts, text)}
        batch = pa.record_batch({**arrays, "b": pa.array([value and value.encode() for value in texts], blob)})
        path = write_all(make_empty(tmp_path / f"{place}.db", schema), {"t": [batch, batch.slice(1, 2)]})
        check_whole(path)
        rows = [
            (number, None if number is None else float(number), text, text and text.encode())
            for number, text in zip(numbers, texts, strict=True)
        ]
        rows[0] = (0, 0.0, "", b"")
        assert sqlite3.connect(path).execute("SELECT * FROM t").fetchall() == rows + rows[1:3]
    yes = pa.record_batch(
        {"i": [True, None, False], "r": pa.nulls(3), "s": pa.array(["x", "y", "x"]).dictionary_encode(), "b": pa.nulls(3)}
    )
    path = write_all(make_empty(tmp_path / "bool.db", schema), {"t": [yes]})
    assert sqlite3.connect(path).execute("SELECT i, s FROM t").fetchall() == [(1, "x"), (None, "y"), (0, "x")]


def test_fixed_binary_and_sliced_columns_keep_their_places(tmp_path: Path) -> None:
    path = make_empty(tmp_path / "pages.db", "CREATE TABLE t (h BLOB, s TEXT, n INT)")
    whole = pa.record_batch(
        {
            "h": pa.array([bytes([n]) * 32 if n % 4 else None for n in range(100)], pa.binary(32)),
            "s": pa.array([str(n) if n % 3 else None for n in range(100)]),
            "n": pa.array([n if n % 5 else None for n in range(100)], pa.int32()),
        }
    )
    write_all(path, {"t": [whole.slice(13, 40), whole.slice(53)]})
    expected = [tuple(row.values()) for row in whole.slice(13).to_pylist()]
    assert sqlite3.connect(path).execute("SELECT h, s, n FROM t ORDER BY rowid").fetchall() == expected


def test_tables_stay_empty_where_a_run_breaks_off(tmp_path: Path) -> None:
    path = make_empty(tmp_path / "pages.db", SONGS)
    before = path.stat().st_size
    with pytest.raises(RuntimeError), PageFile(path) as file:
        file.write_table("songs", [songs(20_000)])
        raise RuntimeError
    assert path.stat().st_size > before
    check_whole(path)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM songs").fetchone() == (0,)
    _, parts = filled_songs(tmp_path, songs(500))
    write_all(path, {name: [part] for name, part in parts.items()})
    check_whole(path)


PENDING_BYTE = """
import ctypes, ctypes.util, sqlite3, sys
library = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
library.sqlite3_test_control(11, ctypes.c_uint(int(sys.argv[2])))
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("PRAGMA integrity_check").fetchone()[0], *connection.execute("SELECT count(*), sum(length(x)) FROM t").fetchone())
"""


@pytest.mark.parametrize("lock_page", [5, 6, 7, 8, 9, 40, 55, 77, 200])
def test_the_page_that_sqlite_locks_is_never_used(tmp_path: Path, lock_page: int) -> None:
    schema = "CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB); CREATE INDEX t_x ON t (x);"
    blobs = [bytes([n >> 8, n & 255]) + b"y" * (n * 37 % 1500) for n in range(300)]
    batch = pa.record_batch({"x": pa.array(blobs)})
    keys = pa.record_batch({"x": pa.array(blobs), "n": pa.array(range(1, 301))})
    path = make_empty(tmp_path / "pages.db", schema, 512)
    write_all(path, {"t": [batch], "t_x": [keys]}, lock_byte=(lock_page - 1) * 512)
    assert not any(path.read_bytes()[(lock_page - 1) * 512 : lock_page * 512])
    asked = subprocess.run(
        [sys.executable, "-c", PENDING_BYTE, str(path), str((lock_page - 1) * 512)], capture_output=True, text=True, timeout=60
    )
    if asked.returncode == 0:  # else the library is built into Python and cannot be told
        assert asked.stdout.split() == ["ok", "300", str(sum(map(len, blobs)))]


@pytest.mark.slow
@pytest.mark.parametrize("length", [3900, 90_000_000])
def test_files_over_a_gibibyte_are_whole(tmp_path: Path, length: int) -> None:
    path = make_empty(tmp_path / "pages.db", "CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB)")
    blob = b"\x5a" * length
    batch = pa.record_batch({"x": pa.array([blob] * max(1, 39_000_000 // length))})
    turns = (1_250_000_000 // length + batch.num_rows - 1) // batch.num_rows
    write_all(path, {"t": (batch for _ in range(turns))})
    assert path.stat().st_size > (1 << 30) + 10_000_000
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(*), min(x) = max(x) FROM t").fetchone() == (turns * batch.num_rows, 1)
