"""Rows of a beginning read from leaves: what FTS5 itself says, whatever the words and their numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.search_build import FTS_TABLE
from fonoteca.catalogue.search_leaves import find_leaves, in_order, read_rows, those_among, those_among_ordered
from fonoteca.catalogue.statements import Statements

ROWS = st.dictionaries(st.integers(1, (1 << 32) - 1), st.lists(st.text("abcxyz東京é", min_size=1, max_size=6), max_size=8), max_size=40)


def index_of(rows: Sequence[tuple[int, str]], *, leaf_bytes: int = 4050, pieces: int = 1) -> Statements:
    """An FTS5 table `t` of (row number, words); with several pieces it has several segments."""
    connection = apsw.Connection(":memory:")
    connection.execute(FTS_TABLE.format("t"))
    for option, value in (("pgsz", leaf_bytes), ("automerge", 0)):
        connection.execute("INSERT INTO t (t, rank) VALUES (?, ?)", (option, value))
    for piece in range(pieces):
        with connection:
            connection.executemany("INSERT INTO t (rowid, words) VALUES (?, ?)", rows[piece::pieces])
    if pieces == 1:
        connection.execute("INSERT INTO t (t) VALUES ('optimize')")
    return Statements(connection, Path("memory"))


def rows_of(statements: Statements, start: str) -> list[int]:
    leaves = find_leaves(statements, "t", start)
    return [] if leaves is None else in_order(read_rows(statements, leaves)).tolist()


def rows_by_fts5(statements: Statements, start: str) -> list[int]:
    return [row for (row,) in statements.rows("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid", (f'"{start}" *',))]


@settings(deadline=None, max_examples=200)
@given(ROWS, st.text("abcxyz東京", min_size=1, max_size=3))
def test_rows_of_a_beginning_are_those_that_fts5_finds(rows: dict[int, list[str]], start: str) -> None:
    statements = index_of([(row, " ".join(words)) for row, words in sorted(rows.items())], leaf_bytes=32)
    assert rows_of(statements, start) == rows_by_fts5(statements, start)


@given(st.sets(st.integers(1, 300_000)), st.lists(st.integers(1, 300_000)))
def test_rows_among_others_are_found_in_order_or_not(rows: set[int], known: list[int]) -> None:
    asked, others = np.array(sorted(rows), np.uint32), np.array(known, np.uint32)
    assert those_among(asked, others).tolist() == sorted(rows & set(known)) == those_among_ordered(asked, in_order(others)).tolist()


@pytest.mark.parametrize("leaf_bytes", [32, 100, 4050])
def test_lists_that_go_over_many_leaves_are_read_whole(leaf_bytes: int) -> None:
    chance = random.Random(4)
    words = ["the", "them", "then", "a" * 300, "ab" * 150, "th" + "x" * 200, *("".join(chance.choices("abt", k=3)) for _ in range(30))]
    numbers = sorted(chance.sample(range(1, 1 << 32), 4_000))
    statements = index_of([(number, " ".join({"the", *chance.choices(words, k=3)})) for number in numbers], leaf_bytes=leaf_bytes)
    for start in ("t", "th", "the", "them", "a", "aa", "ab", "abab", "b", "zz", "0", "thx"):
        assert rows_of(statements, start) == rows_by_fts5(statements, start)
    assert len(rows_of(statements, "the")) == 4_000


def test_a_table_of_several_segments_is_left_to_fts5() -> None:
    rows = [(row, "love") for row in range(1, 100)]
    assert find_leaves(index_of(rows, pieces=3), "t", "lo") is None
    assert find_leaves(index_of([]), "t", "lo") is None
