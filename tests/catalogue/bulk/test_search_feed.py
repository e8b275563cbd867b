"""Names on their way to the search index come out as they went in, in whatever pieces they are put in and asked for."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fonoteca.catalogue.bulk import search_feed
from fonoteca.catalogue.bulk.search_feed import StagedTexts, TextStore, join_texts
from fonoteca.catalogue.search_text import index_words, tokens_of

Row = tuple[str | None, str | None, str | None]


@pytest.mark.parametrize("seed", range(8))
def test_any_range_of_rows_is_read_as_it_was_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(search_feed, "FILE_ROWS", 16)
    chooser = random.Random(seed)
    rows = put_in(tmp_path, chooser)
    staged = StagedTexts(str(tmp_path))
    for _ in range(20):
        first = chooser.randint(1, len(rows))
        last = chooser.randint(first, len(rows))
        wanted = rows[first - 1 : last]
        assert read(staged, first, last) == [tuple(name or "" for name in row) for row in wanted]
        words = {row: tokens_of(text) for row, text in staged("track", first, last)}
        for number, row in enumerate(wanted, first):
            assert words.get(number, set()) == tokens_of(index_words(*filter(None, row)))


def put_in(folder: Path, chooser: random.Random) -> list[Row]:
    """Rows of three names in batches of any size; what they are."""
    store, rows = TextStore(folder, "track"), list[Row]()
    for _ in range(12):
        count = chooser.randint(1, 30)
        names = [[chooser.choice([None, "", "A Word", "Don't", "a"]) for _ in range(count)] for _ in range(3)]
        album = chooser.choice(["Same", "Again"])
        names[1] = [album if chooser.random() < 0.8 else name for name in names[1]]
        rows += zip(*names, strict=True)
        nobody = [None] * count if chooser.random() < 0.2 else names[2]
        rows[-count:] = [(*row[:2], name) for row, name in zip(rows[-count:], nobody, strict=True)]
        store.take(join_texts(pa.array(names[0], pa.large_string()), pa.array(names[1], pa.string()), pa.array(nobody)))
    store.finish()
    return rows


def read(staged: StagedTexts, first: int, last: int) -> list[tuple[str, ...]]:
    """The rows of all batches, runs spread out again."""
    found = []
    for row, columns in staged.batches("track", first, last):
        assert row == first + len(found)
        spread = [np.repeat(column.texts.to_pylist(), np.diff(column.ends, prepend=0)).tolist() for column in columns]
        found += list(zip(*spread, strict=True))
    return found
