"""Which words of a query the index is asked for, and which are looked for in the rows that it names.

Reading a row costs some thousand times what reading an entry of a list costs, so words are asked for together until hardly any row is
read in vain; but the lists of a common word, and of all words with a short beginning, are long. How many rows hold all words is
reckoned as if words were independent of each other. Those of one title are not: so a further word is never trusted to leave
less than a tenth of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fonoteca.catalogue.search_build import FIRST_TIER
from fonoteca.catalogue.search_text import Term
from fonoteca.catalogue.search_vocabulary import Vocabulary

ROW_NS = 50_000
"""Reading the names of a row and looking for words in them (November 2026, as are those below)."""
ENTRY_NS = 15
"""Reading one entry of a word's list."""
SEEK_NS = 300
"""Going to a place in a word's list."""
PREFIX_ENTRY_NS = 100
"""Putting one entry into the list of all words that begin so: done for a whole tier before the first row comes."""

LEAST_LEFT = 0.1
"""Of the rows that hold some words of a query, the least share that is taken to hold another one."""


class CountedTerm(msgspec.Struct, frozen=True):
    """A term and about how many tracks hold it."""

    term: Term
    tracks: int


def count_term(vocabulary: Vocabulary, term: Term) -> CountedTerm:
    """The term with its estimate: of each alternative the rarest token."""
    return CountedTerm(term, sum(_count_all(vocabulary, alternative, term.is_prefix) for alternative in term.alternatives))


def _count_all(vocabulary: Vocabulary, tokens: tuple[str, ...], is_prefix: bool) -> int:
    *whole, last = tokens
    return min([*map(vocabulary.tracks_of, whole), vocabulary.tracks_beginning(last) if is_prefix else vocabulary.tracks_of(last)])


def choose_leading(vocabulary: Vocabulary, terms: Sequence[Term], wanted_rows: int) -> list[Term]:
    """The terms that the index is asked for, the rarest first: those with which `wanted_rows` hits should come soonest.

    Nothing where reading the rows one after the other is quicker: a beginning of one letter, which every other row has.
    """
    rows = max(1, vocabulary.rows())
    counted = sorted((count_term(vocabulary, term) for term in dict.fromkeys(terms)), key=lambda one: one.tracks)
    if not counted:
        return []
    hits = float(rows)
    for one in counted:
        hits *= max(one.tracks, 1) / rows
    share = min(1.0, wanted_rows / max(hits, 1e-9))
    best: list[CountedTerm] = []
    cost = _cost(best, rows, share)
    for one in counted:
        with_it = _cost([*best, one], rows, share)
        if with_it < cost:
            best, cost = [*best, one], with_it
    return [one.term for one in best]


def _cost(leading: Sequence[CountedTerm], rows: int, share: float) -> float:
    """Nanoseconds until enough is found, where `share` of all rows must be gone through."""
    candidates = rows * share
    for place, one in enumerate(leading):
        candidates *= max(one.tracks / rows, LEAST_LEFT if place else 1 / rows)
    rarest = min((one.tracks for one in leading), default=0)
    reading = sum(_list_cost(one, rarest, rows, share) for one in leading)
    return reading + candidates * ROW_NS


def _list_cost(one: CountedTerm, rarest: int, rows: int, share: float) -> float:
    if one.term.is_prefix:
        return max(share, min(1.0, FIRST_TIER / rows)) * one.tracks * PREFIX_ENTRY_NS
    return share * min(one.tracks * ENTRY_NS, max(rarest, 1) * SEEK_NS) + SEEK_NS
