"""Rows packed as records: read back as they were, in order whatever the partitions, and the same pages as from columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogue.bulk.page_oracle import make_empty
from fonoteca.catalogue.bulk.packed_partitions import PackedPartitions, Scattered
from fonoteca.catalogue.bulk.page_entries import BLOBS, NUMBERS, TEXTS, pack_entries
from fonoteca.catalogue.bulk.page_packing import PackedRows, pack_rows
from fonoteca.catalogue.bulk.page_schema import Tree, read_trees
from fonoteca.catalogue.bulk.page_unpacking import unpack_columns
from fonoteca.catalogue.bulk.pages import PageFile
from fonoteca.ground.errors import DatabaseError

SCHEMA = "CREATE TABLE things (thing INTEGER PRIMARY KEY, name TEXT, size INTEGER, share REAL, data BLOB, rest TEXT) STRICT;"
TYPES = {"name": pa.string(), "size": pa.int64(), "share": pa.float64(), "data": pa.binary(), "rest": pa.string()}
INTEGERS = st.one_of(st.none(), st.sampled_from([0, 1, -1, 127, 128, -129, 2**15, 2**23, -(2**31), 2**47, -(2**63), 2**63 - 1]))
ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.text(max_size=80)),
        INTEGERS,
        st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**50), 2**50).map(float)),
        st.one_of(st.none(), st.binary(max_size=9000)),
        st.one_of(st.none(), st.text("ä", max_size=3)),
    ),
    min_size=1,
    max_size=30,
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return read_trees(make_empty(tmp_path_factory.mktemp("empty") / "things.db", SCHEMA))["things"]


def batch_of(rows: list[tuple[Any, ...]], numbers: list[int]) -> pa.RecordBatch:
    columns = {name: pa.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(TYPES.items())}
    return pa.RecordBatch.from_pydict({"thing": pa.array(numbers, pa.int32()), **columns})


def packed(tree: Tree, batch: pa.RecordBatch, order: np.ndarray[Any, Any]) -> PackedRows:
    starts, records = pack_rows(tree, batch, order)
    numbers = batch.column("thing").to_numpy().astype(np.int64)[order]
    return PackedRows(numbers, starts[:-1] + records.ctypes.data, np.diff(starts), records)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS, st.randoms(use_true_random=False))
def test_packed_rows_read_back_as_they_were(tree: Tree, rows: list[tuple[Any, ...]], chance: Any) -> None:
    numbers = chance.sample(range(1, 1000), len(rows))
    batch, order = batch_of(rows, numbers), np.array(chance.sample(range(len(rows)), len(rows)), np.int32)
    found = unpack_columns(tree, packed(tree, batch, order), ("rest", "thing", "data", "name", "share", "size"))
    expected = batch.take(pa.array(order))
    for name in found.schema.names:
        assert found.column(name).to_pylist() == expected.column(name).to_pylist(), name


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.integers(1, 40), max_size=12), max_size=6), st.integers(1, 50), st.sampled_from([1, 200, 10**9]))
def test_rows_come_back_in_order_whatever_waits_in_memory_or_in_files(
    tree: Tree, tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], width: int, kept_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("scratch")
    partitions, put = PackedPartitions("things", 40, folder, width, kept_bytes), list[tuple[int, int]]()
    for numbers in batches:
        rows = [(f"{len(put) + place}", None, None, None, None) for place in range(len(numbers))]
        put += [(number, len(put) + place) for place, number in enumerate(numbers)]
        ends, order = partitions.order(np.array(numbers, np.int32))
        partitions.put(Scattered(ends, np.array(numbers, np.int32)[order], *pack_rows(tree, batch_of(rows, numbers), order)))
    found = list[tuple[int, int]]()
    for part in partitions.ordered():
        texts = unpack_columns(tree, part, ("name",)).column(0).to_pylist()
        found += zip(part.numbers.tolist(), map(int, texts), strict=True)
    assert found == sorted(put)
    assert not list(folder.iterdir())


def test_packed_rows_make_the_same_pages_as_columns(tree: Tree, tmp_path: Path) -> None:
    rows = [("x" * (number % 70), number, number / 3, bytes(number % 5000), None if number % 2 else "r") for number in range(700)]
    batch = batch_of(rows, list(range(1, 701)))
    for name in ("columns", "packed"):
        with PageFile(make_empty(tmp_path / name, SCHEMA)) as file:
            if name == "columns":
                file.write_table("things", [batch])
            else:
                whole = packed(tree, batch, np.arange(700, dtype=np.int32))
                file.fill("things", [whole.part(0, 33), whole.part(33, 700)])
    assert (tmp_path / "packed").read_bytes() == (tmp_path / "columns").read_bytes()


def test_packed_rows_out_of_order_are_refused(tree: Tree, tmp_path: Path) -> None:
    rows = packed(tree, batch_of([("a", 1, None, None, None)] * 2, [5, 5]), np.arange(2, dtype=np.int32))
    with pytest.raises(DatabaseError, match="must ascend"), PageFile(make_empty(tmp_path / "d", SCHEMA)) as file:
        file.fill("things", [rows])


def values_of(entries: PackedRows, schema: str, columns: int, tmp_path: Path, name: str) -> list[tuple[Any, ...]]:
    """What SQLite reads from an index that holds the entries."""
    path = make_empty(tmp_path / name, schema)
    tree = read_trees(path)["entries"]
    return [tuple(row.values()) for row in unpack_columns(tree, entries, [column.name for column in tree.columns][:columns]).to_pylist()]


def test_entries_of_indexes_hold_their_keys_and_what_leads_to_the_row(tmp_path: Path) -> None:
    rows = np.array([2, 0, 1], np.int64)
    leads = [np.array([300, 5, 70000], np.int32), np.array([1, 0, 200], np.int32)]
    numbers = pack_entries(np.array([-5, 0, 2**40], np.int64), rows, leads, NUMBERS, 0)
    schema = "CREATE TABLE entries (a INTEGER, b INTEGER, c INTEGER, PRIMARY KEY (a, b, c)) WITHOUT ROWID"
    assert values_of(numbers, schema, 3, tmp_path, "n") == [(-5, 70000, 200), (0, 300, 1), (2**40, 5, 0)]
    texts = pack_entries(np.array([0, 61, 62 + 10], np.int64), rows, [], TEXTS, 2)
    schema = "CREATE TABLE entries (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID"
    assert values_of(texts, schema, 2, tmp_path, "t") == [("00", 3), ("0z", 1), ("18", 2)]
    blobs = pack_entries(np.array([1, 256, 2**32 - 1], np.int64), rows, [], BLOBS, 4)
    schema = "CREATE TABLE entries (a BLOB, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID"
    assert values_of(blobs, schema, 2, tmp_path, "b") == [(b"\0\0\0\1", 3), (b"\0\0\1\0", 1), (b"\xff\xff\xff\xff", 2)]
