"""Queries that are probably meant where one as typed finds nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from fonoteca.catalogue.search_query import Query, ScopedTerm
from fonoteca.catalogue.search_text import Term
from fonoteca.catalogue.search_vocabulary import Vocabulary
from fonoteca.catalogue.spelling import SHORTEST

MOST_TRIED = 6
FEWEST_CONSONANTS = 3
_MOST_WORDS = 8
_COMMONER = 10


def corrected_queries(vocabulary: Vocabulary, query: Query) -> Iterator[Query]:
    """At most six queries near this one, the likeliest first: unknown words mended, then words parted, then rare words made common.

    Last comes one with the consonants of the unknown words: names in scripts that write no vowels are indexed without.
    """
    words = _mendable(query)
    unknown = {place: word for place, word in words.items() if not _is_known(vocabulary, word, query.wanted[place].term.is_prefix)}
    mended = {place: near[0] for place, word in unknown.items() if (near := vocabulary.nearest(word, 1))}
    parted = {place: pair for place, word in unknown.items() if place not in mended and (pair := _parted(vocabulary, word))}
    yield from islice(_variants(vocabulary, query, unknown or words, mended, parted), MOST_TRIED)
    bare = {place: said for place, word in unknown.items() if len(said := _consonants(word)) >= FEWEST_CONSONANTS}
    if any(vocabulary.tracks_of(said) for said in bare.values()):
        yield _replaced(query, {place: (said,) for place, said in bare.items()})


def _variants(
    vocabulary: Vocabulary, query: Query, words: Mapping[int, str], mended: Mapping[int, str], parted: Mapping[int, tuple[str, ...]]
) -> Iterator[Query]:
    if mended or parted:
        yield _replaced(query, {**parted, **{place: (word,) for place, word in mended.items()}})
    for place, word in words.items():
        own = vocabulary.tracks_of(word)
        for other in vocabulary.nearest(word)[:2]:
            if mended.get(place) != other and vocabulary.tracks_of(other) > _COMMONER * own:
                yield _replaced(query, {**parted, **{at: (near,) for at, near in mended.items()}, place: (other,)})
        pair = _parted(vocabulary, word)
        if pair and place not in parted:
            yield _replaced(query, {place: pair})


def _mendable(query: Query) -> dict[int, str]:
    """Place → word of the terms that a slip may be looked for in, the first eight."""
    found = {
        place: scoped.term.alternatives[0][0]
        for place, scoped in enumerate(query.wanted)
        if scoped.term.run is None and len(scoped.term.alternatives) == 1 and len(scoped.term.alternatives[0]) == 1
    }
    return dict([(place, word) for place, word in found.items() if len(word) >= SHORTEST and word.isascii()][:_MOST_WORDS])


def _is_known(vocabulary: Vocabulary, word: str, is_prefix: bool) -> bool:
    return (vocabulary.tracks_beginning(word) if is_prefix else vocabulary.tracks_of(word)) > 0


def _consonants(word: str) -> str:
    """The word as a script without vowels and double letters has it: mhmd for mohammed."""
    return re.sub(r"(.)\1+", r"\1", re.sub("[aeiou]", "", word))


def _parted(vocabulary: Vocabulary, word: str) -> tuple[str, ...] | None:
    """Two known words that were written as one; the pair whose rarer word is the commonest."""
    pairs = [(word[:cut], word[cut:]) for cut in range(2, min(len(word), 24) - 1)]
    counted = [(min(vocabulary.tracks_of(first), vocabulary.tracks_of(last)), (first, last)) for first, last in pairs]
    most, pair = max(counted, default=(0, ("", "")))
    return pair if most else None


def _replaced(query: Query, words: Mapping[int, tuple[str, ...]]) -> Query:
    wanted = [
        ScopedTerm(Term(((word,),)), scoped.scope) if place in words else scoped
        for place, scoped in enumerate(query.wanted)
        for word in words.get(place, ("",))
    ]
    return msgspec.structs.replace(query, wanted=tuple(wanted))
