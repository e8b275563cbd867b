from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from page_oracle import all_values, check_whole, cut, index_rows, insert_rows, make_empty, write_all

EDGES = sorted(
    {sign * 2**power + step for power in (0, 7, 8, 15, 16, 23, 24, 31, 32, 47, 48, 53, 62) for sign in (1, -1) for step in (-1, 0, 1)}
)
INTEGERS = st.one_of(st.sampled_from([*EDGES, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1))
REALS = st.one_of(
    st.sampled_from(
        [math.inf, -math.inf, math.nan, -0.0, 0.0, 5e-324, 1e308, 2.0**47, 2.0**47 - 1, -(2.0**47), 2.0**53, 2.0**63, -(2.0**63)]
    ),
    st.floats(),
    st.integers(-(2**53), 2**53).map(float),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.builds(lambda mark, size: mark * size, st.sampled_from(["x", "é", "日", "🎵"]), st.integers(0, 2500)),
)
BLOBS = st.one_of(st.binary(max_size=40), st.builds(lambda size: b"\xff" * size, st.integers(0, 5000)))
VALUES = {"INTEGER": (INTEGERS, pa.int64()), "REAL": (REALS, pa.float64()), "TEXT": (TEXTS, pa.string()), "BLOB": (BLOBS, pa.binary())}
"""What a column of a type may hold, and the Arrow type that brings it."""


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    """Types of some columns, and rows of them, often with repeated values."""
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=7))
    rows = draw(st.integers(0, 120))
    columns = []
    for kind in types:
        some = draw(st.lists(st.none() | VALUES[kind][0], min_size=1, max_size=12))
        random = draw(st.randoms(use_true_random=False))
        columns.append([random.choice(some) for _ in range(rows)])
    return types, columns


def arrow(types: list[str], columns: list[list[Any]]) -> pa.RecordBatch:
    """The columns c0, c1 … as one batch."""
    arrays = [pa.array(values, VALUES[kind][1], from_pandas=False) for kind, values in zip(types, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[f"c{place}" for place in range(len(types))])


@settings(max_examples=40)
@given(tables(), st.sampled_from([512, 1024, 4096, 65536]), st.lists(st.integers(1, 50), min_size=1, max_size=4), st.sampled_from([1, 2]))
def test_any_rows_read_as_if_sqlite_had_stored_them(
    made: tuple[list[str], list[list[Any]]], size: int, sizes: list[int], threads: int
) -> None:
    types, columns = made
    declared = ", ".join(f"c{place} {kind}" for place, kind in enumerate(types))
    schema = f"CREATE TABLE t (n INTEGER PRIMARY KEY, {declared}) STRICT;"
    schema += "".join(f"CREATE INDEX t_{place} ON t (c{place}, c0);" for place in range(1, len(types)))
    schema += "CREATE INDEX t_some ON t (c0) WHERE c0 IS NOT NULL;"
    with tempfile.TemporaryDirectory() as folder:
        oracle, pages = make_empty(Path(folder) / "oracle.db", schema, size), make_empty(Path(folder) / "pages.db", schema, size)
        batch = arrow(types, columns)
        insert_rows(oracle, "t", batch)
        kinds = {f"c{place}": VALUES[kind][1] for place, kind in enumerate(types)}
        indexes = [f"t_{place}" for place in range(1, len(types))] + ["t_some"]
        filled = {"t": list(cut(batch, sizes)), **{name: list(cut(index_rows(oracle, name, kinds), sizes)) for name in indexes}}
        write_all(pages, filled, threads=threads)
        check_whole(pages)
        assert all_values(pages, "t", "n") == all_values(oracle, "t", "n")


@settings(max_examples=40)
@given(tables(), st.sampled_from([512, 4096]), st.integers(1, 3), st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_any_rows_without_row_numbers_read_as_if_sqlite_had_stored_them(
    made: tuple[list[str], list[list[Any]]], size: int, keys: int, sizes: list[int]
) -> None:
    """The key stands last in the declaration and first in the file."""
    types, columns = made
    key = [f"c{place}" for place in range(len(types))][-keys:][::-1]
    declared = ", ".join(f"c{place} {kind}" for place, kind in enumerate(types))
    schema = f"CREATE TABLE t ({declared}, PRIMARY KEY ({', '.join(key)})) WITHOUT ROWID;"
    rows = {}
    for row in zip(*columns, strict=True):
        keyed = row[-keys:]
        if not any(value is None or value != value for value in keyed):
            rows[
                tuple(value.encode() if isinstance(value, str) else value + 0 if isinstance(value, float) else value for value in keyed)
            ] = row
    with tempfile.TemporaryDirectory() as folder:
        oracle, pages = make_empty(Path(folder) / "oracle.db", schema, size), make_empty(Path(folder) / "pages.db", schema, size)
        kept = list(rows.values())
        insert_rows(oracle, "t", arrow(types, [[row[place] for row in kept] for place in range(len(types))]))
        ordered = [rows[each] for each in sorted(rows, key=lambda each: each[::-1])]
        batch = arrow(types, [[row[place] for row in ordered] for place in range(len(types))])
        write_all(pages, {"t": list(cut(batch, sizes))})
        check_whole(pages, oracle)
        assert all_values(pages, "t", ", ".join(key)) == all_values(oracle, "t", ", ".join(key))


@settings(max_examples=25)
@given(st.lists(INTEGERS, unique=True, max_size=200), st.sampled_from([512, 4096]))
def test_any_row_numbers_are_kept(numbers: list[int], size: int) -> None:
    numbers.sort()
    with tempfile.TemporaryDirectory() as folder:
        pages = make_empty(Path(folder) / "pages.db", "CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT)", size)
        batch = pa.record_batch({"n": pa.array(numbers, pa.int64()), "x": pa.array(["x" * 20] * len(numbers))})
        write_all(pages, {"t": [batch]})
        check_whole(pages)
        assert [int(row[0]) for row in all_values(pages, "t", "n")] == numbers
