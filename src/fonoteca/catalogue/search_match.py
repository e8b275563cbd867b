"""Whether the names of one row are what a query asks for: the part that the index alone does not tell."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from fonoteca.catalogue.search_query import Phrase, Query, Scope, ScopedTerm
from fonoteca.catalogue.search_text import LONGEST_NAME, Term, fold, index_words, is_plain, reading_form, tokens_of, without_accents

_KEPT = 1 << 14
"""Names whose words are kept: rows that are found together share artists and albums."""


class RowNames:
    """The names of one row, and what can be looked for in them, made when it is asked for."""

    def __init__(self, title: str | None, artists: Sequence[str] = (), album: str | None = None) -> None:
        self.title = (title,) if title is not None else ()
        self.artists = tuple(artists)
        self.album = (album,) if album is not None else ()
        self.all = self.title + self.artists + self.album

    def names(self, scope: Scope) -> tuple[str, ...]:
        """The names that a scope means."""
        return self.all if scope == "any" else self.title if scope == "title" else self.album if scope == "album" else self.artists

    @functools.cached_property
    def letters(self) -> str | None:
        """All names in lower case where their words are those of the index and no others."""
        joined = "\n".join(self.all)
        return joined.lower() if is_plain(joined) else None

    def may_hold(self, term: Term) -> bool:
        """Whether the letters of a term stand anywhere, in words or not: most rows are told by that alone."""
        letters = self.letters
        if letters is None:
            return True
        (first, *others), *further = term.alternatives
        if not others and not further:
            return first in letters
        return any(all(token in letters for token in alternative) for alternative in term.alternatives)


def row_matches(names: RowNames, query: Query) -> bool:
    """Whether a row with these names holds all that is wanted and nothing that is not; the filter is not asked here."""
    return (
        all(names.may_hold(scoped.term) for scoped in query.wanted)
        and all(_holds(names, scoped) for scoped in query.wanted)
        and all(_has_phrase(names, phrase) for phrase in query.phrases)
        and not any(_holds(names, scoped) for scoped in query.unwanted)
        and not any(_has_phrase(names, phrase) for phrase in query.unwanted_phrases)
    )


def _holds(names: RowNames, scoped: ScopedTerm) -> bool:
    term, asked = scoped.term, names.names(scoped.scope)
    if term.run is not None:
        return any(term.run in fold(name) for name in asked if not name.isascii())
    return any(
        all(_has_word(asked, token) for token in whole) and (_has_beginning(asked, last) if term.is_prefix else _has_word(asked, last))
        for *whole, last in term.alternatives
    )


def _has_word(names: Iterable[str], word: str) -> bool:
    return any(word in words_of(name) for name in names if _may_hold(name, word))


def _has_beginning(names: Iterable[str], start: str) -> bool:
    return any(any(word.startswith(start) for word in words_of(name)) for name in names if _may_hold(name, start))


def _may_hold(name: str, letters: str) -> bool:
    written = letters_of(name)
    return written is None or letters in written


@functools.lru_cache(maxsize=_KEPT)
def words_of(name: str) -> frozenset[str]:
    """The words under which a name stands in the index."""
    letters = letters_of(name)
    return frozenset(tokens_of(index_words(name) if letters is None else letters))


@functools.lru_cache(maxsize=_KEPT)
def letters_of(name: str) -> str | None:
    """The name in ASCII and lower case, its accents taken off, where its words so written are all that is indexed; else None."""
    if name.isascii():
        return name.lower() if is_plain(name) else None
    written = without_accents(fold(name[:LONGEST_NAME]))
    return written if all(line.strip() for line in written.split("\n")) and is_plain(written) else None


def _has_phrase(names: RowNames, phrase: Phrase) -> bool:
    return any(phrase.form in reading_form(name) for name in names.names(phrase.scope))
