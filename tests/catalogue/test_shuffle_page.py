"""A stranger who has only docs/formats/shuffle.md gets the same orders."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.permutation import permutation
from fonoteca.catalogue.random_words import derive_key, key_of_seed
from fonoteca.catalogue.shuffle_members import RowRange
from fonoteca.catalogue.shuffle_order import WeightedOrder

PAGE = (Path(__file__).parents[2] / "docs" / "formats" / "shuffle.md").read_text()


@cache
def recipes() -> dict[str, Any]:
    """What the Python on the page defines."""
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), names)
    return names


def known_answers() -> list[tuple[int, list[int], int, int]]:
    """The rows of the table on the page."""
    rows = re.findall(r"^\| (\d+) \| ([\d ]+) \| (\d+) \| (\d+) \|$", PAGE, re.M)
    return [(int(count), [int(number) for number in first.split()], int(last), int(zero)) for count, first, last, zero in rows]


def test_the_page_has_answers_for_small_and_large_sets() -> None:
    counts = [count for count, *_ in known_answers()]
    assert min(counts) < 10 and 65536 in counts and 65537 in counts and max(counts) == 2**40
    key = key_of_seed("fado")
    assert key.hex() in PAGE and derive_key(key, "order").hex() in PAGE
    assert f"{recipes()['word'](key, 2):016x}" in PAGE


@pytest.mark.parametrize(("count", "first", "last", "zero"), known_answers())
def test_program_and_recipe_give_the_known_answers(count: int, first: list[int], last: int, zero: int) -> None:
    page = recipes()
    key = page["derive"](page["derive"](b"fado", "seed"), "order")
    ours, theirs = permutation(count, derive_key(key_of_seed("fado"), "order")), page["order"](key, count)
    assert [theirs(position) for position in range(len(first))] == first
    assert ours.block(0, len(first)).tolist() == first
    assert theirs(count - 1) == ours.at(count - 1) == last
    assert theirs(zero) == 0 and ours.position_of(0) == zero


@settings(max_examples=60)
@given(st.text(max_size=8), st.one_of(st.integers(1, 300), st.integers(65_530, 65_545), st.integers(65_537, 2**50)), st.integers(0, 2**50))
def test_the_recipe_gives_any_order_of_the_program(seed: str, count: int, position: int) -> None:
    key = derive_key(key_of_seed(seed), "order")
    assert recipes()["order"](key, count)(position % count) == permutation(count, key).at(position % count)


@settings(max_examples=40)
@given(st.text(max_size=8), st.dictionaries(st.integers(1, 101), st.integers(1, 30), min_size=1, max_size=6))
def test_the_recipe_gives_any_weighted_order(seed: str, sizes: dict[int, int]) -> None:
    classes, first = [], 1
    for weight, size in sorted(sizes.items(), reverse=True):
        classes.append((weight, RowRange(first, first + size - 1)))
        first += size
    key = key_of_seed(seed)
    lists = [(weight, list(range(rows.first, rows.last + 1))) for weight, rows in classes]
    assert list(recipes()["weighted"](key, lists)) == WeightedOrder(classes, key).take(first).tolist()


def test_the_weighted_answer_on_the_page_is_so() -> None:
    found = list(recipes()["weighted"](key_of_seed("fado"), [(3, [1, 2]), (1, [3, 4, 5, 6])]))
    assert f"come as {' '.join(map(str, found))}." in PAGE
