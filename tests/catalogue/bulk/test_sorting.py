"""Sorting by keys, by texts, and numbering anew: the same as Python's own sort, whatever the keys."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.bulk import sorting
from fonoteca.catalogue.bulk.columns import pack_ids, text_parts, unpack_ids
from fonoteca.catalogue.bulk.renumbering import Renumbering
from fonoteca.catalogue.bulk.sorting import SortedPairs, order_texts

KEYS = st.lists(st.one_of(st.integers(0, 20), st.integers(0, 2**60 - 1), st.integers(-(2**40), 2**40)), max_size=60)
TEXTS = st.lists(st.one_of(st.text(max_size=4), st.text("ab\0", max_size=20), st.text(max_size=30)), max_size=40)


@settings(max_examples=200, deadline=None)
@given(KEYS, st.integers(0, 9))
def test_pairs_are_in_order_of_key_then_row(keys: list[int], ignore: int) -> None:
    array = np.array(keys, np.int64)
    pairs = SortedPairs(array, ignore=ignore if ignore < 5 else 0)
    ignored = ignore if ignore < 5 else 0
    expected = sorted((key >> ignored, row) for row, key in enumerate(keys))
    found = [(int(key), int(row)) for numbers, rows in pairs.chunks(7) for key, row in zip(numbers, rows, strict=True)]
    assert found == expected
    assert pairs.order().tolist() == [row for _, row in expected]


@pytest.mark.parametrize("threads", [1, 2])
def test_many_wide_keys_are_sorted_whole(threads: int) -> None:
    keys = np.random.default_rng(1).integers(0, 2**60, sorting.SMALL * 2)
    keys[::3] = keys[1]
    keys[2::3] = keys[1] + 1
    assert np.array_equal(SortedPairs(keys, threads=threads).order(), np.argsort(keys, kind="stable"))


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_texts_are_in_the_order_of_their_bytes(texts: list[str]) -> None:
    column = pa.array(["left out", *texts], pa.string()).slice(1)
    expected = sorted(range(len(texts)), key=lambda place: (texts[place].encode(), place))
    assert order_texts(*text_parts(column)).tolist() == expected


def test_many_texts_that_begin_alike() -> None:
    chance = np.random.default_rng(2)
    texts = [f"the long beginning {number % 97}" * (number % 3) for number in chance.integers(0, 10**6, sorting.SMALL + 5).tolist()]
    expected = sorted(range(len(texts)), key=lambda place: (texts[place].encode(), place))
    assert order_texts(*text_parts(pa.array(texts, pa.large_string()))).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**62), 2**62), unique=True, max_size=20).map(sorted), st.lists(st.integers(-(2**62), 2**62), max_size=20))
def test_numbers_with_gaps_find_their_ranks(numbers: list[int], others: list[int]) -> None:
    ranks = np.arange(len(numbers), 0, -1, dtype=np.int32)
    renumbering = Renumbering(numbers[0] if numbers else 0, np.array(numbers, np.int64), ranks)
    known = dict(zip(numbers, ranks.tolist(), strict=True))
    asked = [*numbers, *others]
    assert renumbering.apply(np.array(asked, np.int64)).tolist() == [known.get(number, 0) for number in asked]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("019ABZabz", min_size=22, max_size=22), max_size=20))
def test_packed_ids_keep_order_and_beginning(ids: list[str]) -> None:
    packed, bad = pack_ids(pa.array(ids, pa.string()))
    assert bad == -1
    assert sorted(range(len(ids)), key=lambda row: ids[row][:10]) == np.argsort(packed, kind="stable").tolist()
    assert unpack_ids(packed >> 24, 6).to_pylist() == [text[:6] for text in ids]
