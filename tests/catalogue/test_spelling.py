"""Words near a mistyped one: the table of an edition against a comparison with every word."""

from __future__ import annotations

import random
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.search_build import SEARCH_TABLES
from fonoteca.catalogue.spelling import build_spellings, count_slips, deleted_forms, form_number, nearest_words, slips_for
from fonoteca.catalogue.statements import Statements

WORD = st.text("abcd", min_size=1, max_size=12)


def spellings_of(words: dict[str, int], folder: Path) -> Statements:
    """A table of spellings of these words."""
    part, target = folder / "part", folder / "target"
    for path in (part, target):
        path.unlink(missing_ok=True)
    with apsw.Connection(str(part)) as source:
        source.execute("CREATE TABLE counted (text TEXT PRIMARY KEY, tracks INTEGER) WITHOUT ROWID")
        source.executemany("INSERT INTO counted VALUES (?, ?)", words.items())
    connection = apsw.Connection(str(target))
    with connection:
        connection.execute(SEARCH_TABLES)
        assert build_spellings(connection, [str(part)]) == len(words)
    return Statements(connection, target)


def slips_by_definition(word: str, other: str) -> int:
    """Optimal string alignment distance, written down as it is defined."""
    table = {(i, 0): i for i in range(len(word) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i in range(1, len(word) + 1):
        for j in range(1, len(other) + 1):
            costs = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (word[i - 1] != other[j - 1])]
            if i > 1 and j > 1 and word[i - 1] == other[j - 2] and word[i - 2] == other[j - 1]:
                costs.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(costs)
    return table[len(word), len(other)]


@given(WORD, WORD, st.integers(0, 3))
def test_slips_are_counted_as_defined(word: str, other: str, most: int) -> None:
    assert count_slips(word, other, most) == min(slips_by_definition(word, other), most + 1)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(WORD, st.integers(1, 9), max_size=60), WORD)
def test_the_nearest_words_are_those_that_a_comparison_with_all_finds(
    tmp_path_factory: pytest.TempPathFactory, words: dict[str, int], asked: str
) -> None:
    statements = spellings_of(words, tmp_path_factory.mktemp("spellings"))
    ranked = sorted(words, key=lambda word: (-words[word], word))
    found = nearest_words(statements, asked, most=100)
    statements.connection.close()
    for slips in range(1, slips_for(asked) + 1):
        near = [word for word in ranked if word != asked and slips_by_definition(asked, word) <= slips and slips_for(word) >= slips]
        if near:
            assert found == near
            return
    assert found == [word for word in found if slips_by_definition(asked, word) <= slips_for(asked)]


def test_single_slips_in_real_words_are_nearly_always_mended(tmp_path: Path) -> None:
    chance = random.Random(7)
    words = {"".join(chance.choices("etaoinshrdlu", k=chance.randint(5, 12))): chance.randint(1, 100) for _ in range(20_000)}
    statements = spellings_of(words, tmp_path)
    asked = chance.sample(sorted(words), 500)
    mistyped = [word[:place] + word[place + 1 :] for word in asked if (place := chance.randrange(len(word))) is not None]
    found = sum(mended in words or word in nearest_words(statements, mended, most=50) for word, mended in zip(asked, mistyped, strict=True))
    statements.connection.close()
    assert found >= 0.99 * len(asked)


def test_forms_leave_out_letters_of_the_first_seven() -> None:
    assert deleted_forms("love", 1) == {"love", "ove", "lve", "loe", "lov"}
    assert len(deleted_forms("abcdefghij", 2)) == 29 and all(len(form) >= 5 for form in deleted_forms("abcdefghij", 2))
    assert [slips_for(word) for word in ("abc", "abcd", "abcdefg", "abcdefgh", "a" * 33)] == [0, 1, 1, 2, 0]
    assert form_number("123456789") == 0xCBF43926
