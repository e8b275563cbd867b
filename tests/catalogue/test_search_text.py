"""Names find themselves, however they are typed."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.search_match import RowNames, row_matches, words_of
from fonoteca.catalogue.search_query import Query, ScopedTerm, parse_query
from fonoteca.catalogue.search_text import index_words, query_terms, tokens_of
from fonoteca.catalogue.search_vocabulary import match_expression

FTS = "CREATE VIRTUAL TABLE t USING fts5(words, content='', detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 2')"


def is_found(name: str, query: str) -> bool:
    """Whether a row with this name is found by the index, and passes the look at the row."""
    connection = apsw.Connection(":memory:")
    connection.execute(FTS)
    connection.execute("INSERT INTO t (rowid, words) VALUES (1, ?)", (index_words(name),))
    terms = query_terms(query)
    hits = connection.execute("SELECT rowid FROM t WHERE t MATCH ?", (match_expression(terms),)).fetchall() if terms else [(1,)]
    asked = Query(wanted=tuple(ScopedTerm(term) for term in terms))
    return bool(hits) and row_matches(RowNames(name), asked)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Björk", "bjork"), ("Björk", "BJÖRK"), ("bjørk", "bjork"), ("Bjork", "björk"), ("Чайковский", "chaikovskii"),
        ("Чайковский", "ЧАЙКОВСКИЙ"),
        ("Ещё", "еще"), ("Еще", "ещё"), ("東京事変", "東京"), ("東京事変", "京事変"), ("東京事変", "変"), ("東京事変", "事"),
        ("東京事変", "東京事変"),
        ("東京事変 (Live)", "live 事変"), ("방탄소년단", "탄소"), ("방탄소년단", "bangtan"), ("周杰伦", "zhou jie lun"), ("周杰伦",
        "zhoujielun"),
        ("สวัสดีชาวโลก", "ชาวโลก"), ("नमस्ते", "nmste"), ("नमस्ते", "नमस्ते"), ("Don't Stop", "dont stop"), ("Don’t Stop", "don't"),
        ("Dont Stop", "don't"),
        ("L'amour", "amour"), ("AC/DC", "acdc"), ("AC/DC", "ac dc"), ("ACDC", "AC/DC"), ("Jay-Z", "jayz"), ("R.E.M.", "rem"),
        ("P!nk", "pink"),
        ("Ke$ha", "kesha"), ("!!!", "!!!"), ("♥", "♥"), ("+/-", "+/-"), ("Straße", "strasse"), ("ﬁnd", "find"), ("Ⅳ", "iv"), ("ＡＢＣ",
        "abc"),
        ("İstanbul", "istanbul"), ("Ελλάδα", "ελλαδα"), ("Ελλάδα", "ellada"), ("Beyonce\u0301", "Beyoncé"), ("a\u202eb", "ab"),
        ("Łódź", "lodz"),
    ],
)  # fmt: skip
def test_a_name_is_found_as_people_type_it(name: str, query: str) -> None:
    assert is_found(name, query)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("東京事変", "京東"),
        ("東京 京事", "東京事"),
        ("Love", "glove"),
        ("Stop", "don't stop"),
        ("!!!", "!!"),
        ("がん", "かん"),
        ("Björk", "bjorkk"),
    ],
)
def test_what_is_another_name_is_not_found(name: str, query: str) -> None:
    assert not is_found(name, query)


@given(st.text(max_size=40).map(clean_text))
@example("\u1a20\U0001fbf0")
@example("ⅷ'a")
@example("\u0b3a")
def test_every_name_finds_itself(name: str) -> None:
    assert is_found(name, name)


@given(st.text(max_size=40).map(clean_text) | st.text("aé\u0300ßøi'& \n!", max_size=12))
@example("a\n\u0300")
@example("\u00af")
@example("é" * 2_000)
def test_the_words_of_a_name_are_those_that_are_indexed(name: str) -> None:
    assert words_of(name) == tokens_of(index_words(name))


@given(st.text(max_size=40).map(clean_text), st.text(max_size=40).map(clean_text))
def test_a_row_is_found_by_the_words_of_each_of_its_names(title: str, artist: str) -> None:
    names = RowNames(title, [artist])
    for text in (title, artist):
        assert row_matches(names, Query(wanted=tuple(ScopedTerm(term) for term in query_terms(text))))


@given(st.lists(st.text(st.characters(max_codepoint=127), max_size=30), max_size=4))
def test_words_of_ascii_are_those_of_fts5(texts: list[str]) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(FTS)
    words = index_words(*(text.replace("\0", " ") for text in texts))
    connection.execute("INSERT INTO t (rowid, words) VALUES (1, ?)", (words,))
    connection.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, row)")
    assert {term for (term,) in connection.execute("SELECT term FROM v")} == tokens_of(words)


def test_the_words_of_format_1_are_these() -> None:
    """Known answers: what is indexed must not change while the format is 1."""
    assert index_words("Love Me Do", "The Beatles") == "Love Me Do\nThe Beatles"
    assert index_words("Don't Stop") == "Don't Stop dont"
    assert index_words("東京事変") == "東京 京事 事変 変 dongjingshibian dong jing shi bian"
    assert index_words("Чайковский") == "chaikovskii чайковский"
    assert index_words("Björk Guðmundsdóttir") == "bjork gudmundsdottir guðmundsdóttir"
    assert index_words("がんばれ") == "がん んば ばれ れ ganbare"
    assert index_words("!!!", "") == "x212121"


def test_a_query_of_any_length_has_a_bounded_number_of_words() -> None:
    query = parse_query("a" * 1_000_000 + " b" * 1_000_000)
    assert len(query.wanted) <= 32 and query.is_cut
    assert len(parse_query(" ".join(f"w{n}" for n in range(10_000))).wanted) == 32


def test_fields_phrases_and_minus_are_read() -> None:
    query = parse_query('artist:queen -live "night at" year:1970..1979 popularity:50.. held: label:"Sub Pop" isrc:gbum7 rhaps')
    assert [(scoped.term.text, scoped.scope, scoped.term.is_prefix) for scoped in query.wanted] == [
        ("queen", "artist", False), ("night", "any", False), ("at", "any", False), ("rhaps", "any", True),
    ]  # fmt: skip
    assert [phrase.form for phrase in query.phrases] == [" night at "]
    assert [scoped.term.text for scoped in query.unwanted] == ["live"]
    asked = query.filter
    assert (asked.year_from, asked.year_to, asked.popularity_from, asked.popularity_to) == (1970, 1979, 50.0, None)
    assert asked.is_held and asked.label == "Sub Pop" and asked.isrc == "gbum7"


@pytest.mark.parametrize(
    "text", ["year:soon", "isrc:!!", "popularity:loud", "held:maybe", "country:sweden", "status:lost", "year:", "label:"]
)
def test_a_filter_that_is_none_is_text(text: str) -> None:
    query = parse_query(text)
    assert query.filter.is_empty and query.wanted[0].term.text == text.partition(":")[0]


def test_a_word_that_a_space_follows_is_whole() -> None:
    assert parse_query("rhaps").wanted[0].term.is_prefix
    assert not parse_query("rhaps ").wanted[0].term.is_prefix
    assert not parse_query("rhaps", exact=True).wanted[0].term.is_prefix
