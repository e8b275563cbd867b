from __future__ import annotations

import random
import sqlite3
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.bulk.fts5_leaves import LEAF_BYTES
from fonoteca.catalogue.bulk.fts5_pages import Runs, TierBlocks, TierBuilder, build_tier_blocks
from fonoteca.catalogue.bulk.pages import PageFile
from fonoteca.catalogue.search_build import FTS_TABLE
from fonoteca.catalogue.search_text import index_words
from fonoteca.ground.errors import DatabaseError

NAMES = [
    "the",
    "love",
    "Don't",
    "rock-n-roll",
    "AC/DC",
    "東京事変",
    "Чайковский",
    "Björk",
    "!!!",
    "ñandú",
    "P!nk",
    "x" * 70,
    "가나다",
    "a.b",
    "$",
    "R&B",
    "Don't--stop",
]
Rows = list[tuple[int, list[str | None]]]


def blocks(rows: Rows, sizes: Sequence[int] = (1000,)) -> TierBlocks:
    """The blocks of rows with as many names each, added in batches of those sizes."""
    builder, at, turn = TierBuilder(), 0, 0
    while at < len(rows):
        part = rows[at : at + sizes[turn % len(sizes)]]
        names = zip(*(names for _, names in part), strict=True)
        builder.add(np.array([row for row, _ in part]), [pa.array(column, pa.string()) for column in names])
        at, turn = at + len(part), turn + 1
    return builder.finish()


def fts5(rows: Rows, leaf_bytes: int = LEAF_BYTES) -> apsw.Connection:
    """The same rows given to FTS5 itself."""
    connection = apsw.Connection(":memory:")
    connection.execute(FTS_TABLE.format("t"))
    connection.execute("INSERT INTO t (t, rank) VALUES ('pgsz', ?)", (leaf_bytes,))
    words = ((row, index_words(*filter(None, names))) for row, names in rows)
    with connection:
        connection.executemany("INSERT INTO t (rowid, words) VALUES (?, ?)", [(row, text) for row, text in words if text])
    connection.execute("INSERT INTO t (t) VALUES ('optimize')")
    return connection


def check_same(made: TierBlocks, oracle: apsw.Connection, *, has_same_averages: bool = True) -> None:
    """Every block and entry is as FTS5's own, but for the number of the segment and the record that names it.

    The averages (record 1) count a word as often as it was given, which matters to nobody here.
    """
    others = (10,) if has_same_averages else (1, 10)
    wanted = oracle.execute(f"SELECT id, block FROM t_data WHERE id NOT IN ({', '.join(map(str, others))}) ORDER BY id").fetchall()
    segment = max((row >> 37 for row, _ in wanted), default=1) or 1
    moved = [(row - ((segment - 1) << 37) if row >> 37 else row, block) for row, block in wanted]
    given_ = zip(made.data.column("id").to_pylist(), made.data.column("block").to_pylist(), strict=True)
    assert [(row, block) for row, block in given_ if row not in others] == moved
    entries = zip(made.idx.column("term").to_pylist(), made.idx.column("pgno").to_pylist(), strict=True)
    assert list(entries) == oracle.execute("SELECT term, pgno FROM t_idx ORDER BY term").fetchall()
    oracle.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, t, row)")
    words = zip(made.words.column("word").to_pylist(), made.words.column("rows").to_pylist(), strict=True)
    assert list(words) == oracle.execute("SELECT term, doc FROM temp.v").fetchall()


def write(path: Path, made: TierBlocks) -> Path:
    """An FTS5 table of those blocks in a file of its own."""
    connection = sqlite3.connect(path)
    connection.executescript(FTS_TABLE.format("t") + "; DELETE FROM t_data; DELETE FROM t_idx;")
    connection.close()
    with PageFile(path) as file:
        file.write_table("t_data", [made.data])
        file.write_table("t_idx", [made.idx])
    return path


def some_names(count: int, seed: int, most: int = 6) -> Rows:
    """Rows of three names in a long-tailed vocabulary, some of them NULL, empty, or of several lines."""
    chooser = random.Random(seed)
    words = NAMES + [f"word{number}" for number in range(2000)]

    def name() -> str | None:
        chosen = [words[min(len(words) - 1, int(chooser.expovariate(0.01)))] for _ in range(chooser.randint(0, most))]
        return (chooser.choice([" ", " ", "\n", ", "])).join(chosen) or chooser.choice([None, ""])

    return [(row, [name(), name(), name()]) for row in sorted(chooser.sample(range(1, 4 * count), count))]


ODD = st.text(st.sampled_from([*"aZ09'`./&!$@*+-_ \n\t,é日ß🎵\u0301", "\x00", "\x1c", "İ", "ﬁ"]), max_size=30)


@settings(max_examples=100)
@given(st.lists(st.tuples(ODD | st.none(), ODD, st.text(max_size=12)), max_size=30), st.lists(st.integers(1, 9), min_size=1, max_size=3))
def test_any_names_give_the_blocks_that_fts5_writes(names: list[tuple[str | None, str, str]], sizes: list[int]) -> None:
    try:
        rows: Rows = [(2 * place + 5, list(each)) for place, each in enumerate(names)]
        oracle = fts5(rows)
    except UnicodeEncodeError:
        return  # lone surrogates are nothing that SQLite or Arrow could hold
    check_same(blocks(rows, sizes), oracle)


@pytest.mark.parametrize("count", [0, 1, 2, 500, 20_000])
def test_many_rows_give_the_blocks_that_fts5_writes(count: int) -> None:
    rows = some_names(count, count)
    check_same(blocks(rows, [777, 1, 4000]), fts5(rows))


def test_a_word_of_many_leaves_has_an_index_over_them_as_fts5_writes_it() -> None:
    """Row numbers far apart make leaves of few rows, so that the index over them is a tree."""
    gap = (1 << 37) + 12345
    rows: Rows = [((place + 1) * gap, ["everywhere" if place % 7 else "everywhere seldom"]) for place in range(430_000)]
    made = blocks(rows, [50_000])
    levels = {(row >> 31) & 31 for row in made.data.column("id").to_pylist() if (row >> 36) & 1}
    assert levels == {0, 1}
    check_same(made, fts5(rows))


@pytest.mark.parametrize(("leaf_bytes", "levels"), [(64, 3), (200, 2), (LEAF_BYTES, 1)])
def test_small_leaves_have_indexes_of_several_levels_as_fts5_writes_them(leaf_bytes: int, levels: int) -> None:
    rows = words_of_every_frequency(200_000)
    builder = TierBuilder(words_of=None, leaf_bytes=leaf_bytes)
    builder.add(np.array([row for row, _ in rows]), [pa.array([names[0] for _, names in rows])])
    made = builder.finish()
    ids = made.data.column("id").to_pylist()
    assert {(row >> 31) & 31 for row in ids if (row >> 36) & 1} == set(range(levels))
    check_same(made, fts5(rows, leaf_bytes))


def test_a_rare_word_and_a_common_one_read_a_few_leaves_of_the_common_one(tmp_path: Path) -> None:
    rows = words_of_every_frequency(400_000)
    path = write(tmp_path / "search.db", blocks(rows, [100_000]))
    leaves = sum((row >> 36) & 1 == 0 for (row,) in sqlite3.connect(path).execute("SELECT id FROM t_data"))
    read = {query: pages_read(path, query) for query in ("w1", "w30011", "w1 AND w30011", "w30011 AND w1 AND w2")}
    assert read["w1"] > leaves / 10
    assert read["w1 AND w30011"] < read["w1"] / 4 and read["w30011 AND w1 AND w2"] < read["w1"] / 3


def words_of_every_frequency(count: int) -> Rows:
    """Word `w` and a number stands in every row that the number divides."""
    steps = [1, 2, 3, 5, 17, 101, 1009, 30_011]
    return [(row, [" ".join(f"w{step}" for step in steps if row % step == 0)]) for row in range(1, count + 1)]


def pages_read(path: Path, query: str) -> int:
    """Pages of the file that a query reads into an empty cache, after checking its answer."""
    connection = apsw.Connection(str(path))
    connection.execute("SELECT rowid FROM t WHERE t MATCH 'nowhere'").fetchall()
    before = connection.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0]
    found = [row for (row,) in connection.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid", (query,))]
    numbers = [int(word[1:]) for word in query.split(" AND ")]
    assert found == [row for row in range(1, 400_001) if all(row % number == 0 for number in numbers)]
    return connection.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0] - before


def test_words_longer_than_a_leaf_are_as_fts5_writes_them() -> None:
    letters = string.ascii_lowercase
    rows: Rows = [(place + 1, [letters[place % 26] * (place * 977 % 3900 + 1) + " x"]) for place in range(80)]
    long_words = [build_tier_blocks([(np.array([row]), [pa.array(names)])]) for row, names in rows[:2]]
    assert all(made.rows == 1 for made in long_words)
    builder = TierBuilder(words_of=lambda *texts: " ".join(texts))
    builder.add(np.arange(1, 81), [pa.array([names[0] for _, names in rows])])
    oracle = apsw.Connection(":memory:")
    oracle.execute(FTS_TABLE.format("t"))
    oracle.executemany("INSERT INTO t (rowid, words) VALUES (?, ?)", [(row, names[0]) for row, names in rows])
    oracle.execute("INSERT INTO t (t) VALUES ('optimize')")
    check_same(builder.finish(), oracle)


def test_two_builds_of_sqlite_find_in_the_blocks_what_fts5_finds(tmp_path: Path) -> None:
    rows = some_names(20_000, 7)
    made, oracle, chooser = blocks(rows, [8192]), fts5(rows), random.Random(5)
    path = write(tmp_path / "search.db", made)
    words = made.words.column("word").to_pylist()
    counts = dict(zip(words, made.words.column("rows").to_pylist(), strict=True))
    common = sorted(words, key=lambda word: -counts[word])[:60]
    stock, other = sqlite3.connect(path), apsw.Connection(str(path))
    for connection in (stock, other):
        connection.execute("INSERT INTO t (t) VALUES ('integrity-check')")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    for _ in range(500):
        one, two, three = (chooser.choice(chooser.choice([words, common])) for _ in range(3))
        query = chooser.choice([f'"{one}"', f'"{one}" "{two}"', f'"{one}" OR "{two}" NOT "{three}"', f'"{one[: chooser.randint(1, 4)]}" *'])
        asked: Any = ("SELECT rowid FROM t WHERE t MATCH ? AND rowid > ? ORDER BY rowid LIMIT 200", (query, chooser.randint(0, 60_000)))
        found = oracle.execute(*asked).fetchall()
        assert stock.execute(*asked).fetchall() == found
        assert other.execute(*asked).fetchall() == found


def test_rows_added_by_sqlite_to_the_blocks_are_found_beside_them(tmp_path: Path) -> None:
    path = write(tmp_path / "search.db", blocks(some_names(3000, 2)))
    connection = sqlite3.connect(path)
    before = connection.execute("SELECT count(*) FROM t WHERE t MATCH 'love'").fetchone()[0]
    with connection:
        connection.executemany("INSERT INTO t (rowid, words) VALUES (?, ?)", [(1_000_000 + n, "Love again") for n in range(2000)])
    connection.execute("INSERT INTO t (t) VALUES ('optimize')")
    connection.execute("INSERT INTO t (t) VALUES ('integrity-check')")
    assert connection.execute("SELECT count(*) FROM t WHERE t MATCH 'love'").fetchone()[0] == before + 2000


def test_batches_of_any_size_give_the_same_blocks() -> None:
    rows = some_names(5000, 3)
    one, two = blocks(rows, [5000]), blocks(rows, [1, 333, 2])
    assert one.data.equals(two.data) and one.idx.equals(two.idx) and one.words.equals(two.words)


def test_rows_out_of_order_are_refused() -> None:
    builder = TierBuilder()
    with pytest.raises(DatabaseError, match="must ascend"):
        builder.add(np.array([2, 1]), [pa.array(["a", "b"])])
    builder.add(np.array([5]), [pa.array(["a"])])
    for row in (5, 1 << 56):
        with pytest.raises(DatabaseError):
            builder.add(np.array([row]), [pa.array(["b"])])


def test_words_that_are_made_already_are_taken_as_they_are() -> None:
    rows = some_names(3000, 9)
    words = [(row, index_words(*filter(None, names))) for row, names in rows]
    builder = TierBuilder(words_of=None)
    builder.add(np.array([row for row, _ in words]), [pa.array([text for _, text in words])])
    check_same(builder.finish(), fts5(rows))


PIECES = [
    *NAMES,
    "a`b",
    "a-b",
    "x`y-z",
    "½",
    "ᾳ",
    "!",
    "–",
    "♥",
    "q9zq",
    "\t",
    "\x00",
    "\u3000é",
    "ा",
    "ﬁ",
    "e\u0301",
    "¿Qué?",
    "y" * 990,
    "é" * 400,
]
NAME = st.builds(
    "".join, st.lists(st.sampled_from([*PIECES, " ", "  ", "\n"]) | st.text(st.characters(exclude_categories=("Cs",)), max_size=3))
)
RUN = st.tuples(st.integers(1, 4), NAME)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.lists(RUN, min_size=1, max_size=8), st.lists(RUN, min_size=1, max_size=4)), min_size=1, max_size=3))
def test_runs_of_names_give_the_blocks_that_fts5_writes(batches: list[tuple[list[tuple[int, str]], ...]]) -> None:
    builder, rows, first = TierBuilder(), list[tuple[int, list[str]]](), 1
    for columns in batches:
        spread = [[name for count, name in runs for _ in range(count)] for runs in columns]
        length = min(map(len, spread))
        builder.add_runs(first, [runs_of(names[:length]) for names in spread])
        rows += [(first + place, list(names)) for place, names in enumerate(zip(*spread, strict=False))]
        first += length
    oracle = apsw.Connection(":memory:")
    oracle.execute(FTS_TABLE.format("t"))
    words = [(row, index_words(*(part for name in names for part in name.split("\0") if part))) for row, names in rows]
    oracle.executemany("INSERT INTO t (rowid, words) VALUES (?, ?)", [(row, text) for row, text in words if text])
    oracle.execute("INSERT INTO t (t) VALUES ('optimize')")
    check_same(builder.finish(), oracle, has_same_averages=False)


def runs_of(names: list[str]) -> Runs:
    """Names of rows, equal neighbours once."""
    ends = [place for place in range(1, len(names) + 1) if place == len(names) or names[place] != names[place - 1]]
    return Runs(np.array(ends), pa.array([names[end - 1] for end in ends], pa.string()))
