"""The compiled words of names have the tokens of index_words, whatever the names."""

from __future__ import annotations

import apsw
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.bulk.search_words import words_of
from fonoteca.catalogue.search_text import index_words

ODD = "a B 9 z é Ñ ß ø ı İ ŉ Ł đ þ æ œ ’ ʼ ‐ – “ ” « ¿ … ´ ` ' . / & ! $ @ * + - _ ( ) 東 京 カ 한 Б я ª ² ﬁ \u0301 \u00ad \n \t"
NAME = st.one_of(
    st.text(st.sampled_from([*ODD.split(" "), " ", "\n"]), max_size=30),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20),
    st.sampled_from(
        [
            "Don't Stop",
            "AC/DC",
            "P!nk",
            "Ke$ha",
            "Björk",
            "Motörhead",
            "L'été d'Ibiza",
            "a--b",
            "a`b",
            "!!!",
            "R&B.",
            "Don't!!!the",
            "x" * 1200,
        ]
    ),
)
ROWS = st.lists(st.lists(NAME, max_size=4), max_size=6)


TOKENIZER = apsw.Connection(":memory:").fts5_tokenizer("unicode61", ["remove_diacritics", "2"])


def tokens_of(words: str) -> set[str]:
    found = TOKENIZER(words.encode(), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False)
    return {token for colocated in found for token in colocated}


def joined(rows: list[list[str]]) -> pa.Array:
    return pa.array(["\0".join(row) for row in rows], pa.string())


@settings(max_examples=400, deadline=None)
@given(ROWS)
def test_the_tokens_are_those_of_index_words(rows: list[list[str]]) -> None:
    found = [tokens_of(words) for words in words_of(joined(rows)).to_pylist()]
    assert found == [tokens_of(index_words(*(text for text in row if text))) for row in rows]


def test_every_letter_alone_and_in_a_word() -> None:
    rows = [[f"{chr(point)}", f"a{chr(point)}b", f"a{chr(point)}b é"] for point in (*range(1, 0x300), *range(0x1E00, 0x2100))]
    found = [tokens_of(words) for words in words_of(joined(rows)).to_pylist()]
    assert found == [tokens_of(index_words(*row)) for row in rows]


def test_a_part_of_an_array_is_read_where_it_lies() -> None:
    whole = joined([["one"], ["Ünder"], ["東京"], [""], ["two"]])
    assert words_of(whole.slice(1, 3)).to_pylist() == words_of(whole).to_pylist()[1:4]
