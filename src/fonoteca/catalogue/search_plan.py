"""Which words of a query the index is asked for, and in which order; what is not asked is looked for in the rows that it names.

In an edition the index is asked for all whole words at once, the rarest first: a jump in the list of a common word costs about what
reading a row does, and leaves fewer. Words that are only begun are another matter (search_tier). A working catalogue is not ranked, so all
that is found is read; what that costs is reckoned as if words were independent of each other. Those of one title are not: so a further
word is never trusted to leave less than a tenth of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fonoteca.catalogue.search_query import Query
from fonoteca.catalogue.search_text import Term
from fonoteca.catalogue.search_vocabulary import Vocabulary

ROW_NS = 12_000
"""Reading the names of a row, many at a time, and looking for words in them (November 2026, as are those below)."""
ENTRY_NS = 15
"""Reading one entry of a word's list."""
SEEK_NS = 5_000
"""Going to a place in a word's list."""
PREFIX_ENTRY_NS = 100
"""Putting one entry into the list of all words that begin so, as FTS5 does before the first row comes."""

LEAST_LEFT = 0.1
"""Of the rows that hold some words of a query, the least share that is taken to hold another one."""


class CountedTerm(msgspec.Struct, frozen=True):
    """A term and about how many tracks hold it."""

    term: Term
    tracks: int


class Plan(msgspec.Struct, frozen=True):
    """The terms of a query as tiers are asked for them.

    `whole`: words as they stand, the rarest first; `tracks` hold that one. `begun`: single words that may go on. `others`: words with
    punctuation that may go on. `is_told`: a row that holds all of them needs no further look.
    """

    whole: tuple[Term, ...] = ()
    begun: tuple[Term, ...] = ()
    others: tuple[Term, ...] = ()
    tracks: int = 0
    is_told: bool = False


def make_plan(vocabulary: Vocabulary, query: Query) -> Plan:
    """How the index of an edition is asked for the words of a query."""
    terms = list(dict.fromkeys(scoped.term for scoped in query.wanted))
    whole = _counted(vocabulary, [term for term in terms if not term.is_prefix])
    begun = [term for term in terms if term.is_prefix]
    single = tuple(term for term in begun if _is_single(term))
    return Plan(
        whole=tuple(one.term for one in whole),
        begun=single,
        others=tuple(term for term in begun if term not in single),
        tracks=whole[0].tracks if whole else vocabulary.rows(),
        is_told=is_told_by(terms, query),
    )


def _is_single(term: Term) -> bool:
    """Whether a term is one word, and one that FTS5 keeps letter by letter as it stands here."""
    (first, *_), *others = term.alternatives
    return not others and len(term.alternatives[0]) == 1 and (first.isascii() or term.run is not None)


def is_told_by(asked: Sequence[Term], query: Query) -> bool:
    """Whether a row that holds these terms needs no further look."""
    is_plain = all(wanted.scope == "any" and wanted.term.run is None and wanted.term in asked for wanted in query.wanted)
    return is_plain and not (query.phrases or query.unwanted or query.unwanted_phrases)


def is_contradictory(query: Query) -> bool:
    """Whether something is wanted and unwanted at once."""
    whole = {scoped for scoped in query.wanted if not scoped.term.is_prefix}
    return not whole.isdisjoint(query.unwanted) or not set(query.phrases).isdisjoint(query.unwanted_phrases)


def count_term(vocabulary: Vocabulary, term: Term) -> CountedTerm:
    """The term with its estimate: of each alternative the rarest token."""
    return CountedTerm(term, sum(_count_all(vocabulary, alternative, term.is_prefix) for alternative in term.alternatives))


def _counted(vocabulary: Vocabulary, terms: Sequence[Term]) -> list[CountedTerm]:
    return sorted((count_term(vocabulary, term) for term in terms), key=lambda one: one.tracks)


def _count_all(vocabulary: Vocabulary, tokens: tuple[str, ...], is_prefix: bool) -> int:
    *whole, last = tokens
    return min([*map(vocabulary.tracks_of, whole), vocabulary.tracks_beginning(last) if is_prefix else vocabulary.tracks_of(last)])


def choose_leading(vocabulary: Vocabulary, terms: Sequence[Term], wanted_rows: int) -> list[Term]:
    """The terms that the index of a working catalogue is asked for, the rarest first: those with which `wanted_rows` hits come soonest.

    Nothing where reading the rows one after the other is quicker: a beginning of one letter, which every other row has.
    """
    rows = max(1, vocabulary.rows())
    counted = _counted(vocabulary, list(dict.fromkeys(terms)))
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
    """Nanoseconds until enough is found: with words all that hold them are read, without them `share` of all rows."""
    candidates = float(rows)
    for place, one in enumerate(leading):
        candidates *= max(one.tracks / rows, LEAST_LEFT if place else 1 / rows)
    rarest = min((one.tracks for one in leading), default=0)
    reading = sum(_list_cost(one, rarest) for one in leading)
    return reading + candidates * (ROW_NS if leading else share * ROW_NS)


def _list_cost(one: CountedTerm, rarest: int) -> float:
    if one.term.is_prefix:
        return one.tracks * PREFIX_ENTRY_NS
    return min(one.tracks * ENTRY_NS, max(rarest, 1) * SEEK_NS) + SEEK_NS
