"""Whether the names of one row are what a query asks for: the part that the index alone does not tell."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from fonoteca.catalogue.search_query import Phrase, Query, Scope, ScopedTerm
from fonoteca.catalogue.search_text import Term, fold, index_words, is_plain, reading_form, tokens_of


class RowNames:
    """The names of one row, and what can be looked for in them, made when it is asked for."""

    def __init__(self, title: str | None, artists: Iterable[str] = (), album: str | None = None) -> None:
        self.artists = tuple(artists)
        self.title = (title,) if title is not None else ()
        self.album = (album,) if album is not None else ()

    def names(self, scope: Scope) -> tuple[str, ...]:
        """The names that a scope means."""
        return {"title": self.title, "artist": self.artists, "album": self.album}.get(scope) or (
            (*self.title, *self.artists, *self.album) if scope == "any" else ()
        )

    @functools.cached_property
    def plain(self) -> str | None:
        """All names in lower case where their words are those of the index and no others."""
        joined = "\n".join(self.names("any"))
        return joined.lower() if is_plain(joined) else None

    def may_hold(self, term: Term) -> bool:
        """Whether the letters of a term stand anywhere, words or not: most rows are told by that alone."""
        plain = self.plain
        return plain is None or any(all(token in plain for token in alternative) for alternative in term.alternatives)

    @functools.cached_property
    def all_tokens(self) -> set[str]:
        """The tokens of all names, as the index has them."""
        return tokens_of(self.plain if self.plain is not None else index_words(*self.names("any")))

    def tokens(self, scope: Scope) -> set[str]:
        """The tokens of the names that a scope means."""
        return self.all_tokens if scope == "any" else tokens_of(index_words(*self.names(scope)))


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
    term = scoped.term
    if term.run is not None:
        return any(term.run in fold(name) for name in names.names(scoped.scope))
    tokens = names.tokens(scoped.scope)
    return any(_is_among(alternative, tokens, term) for alternative in term.alternatives)


def _is_among(alternative: tuple[str, ...], tokens: set[str], term: Term) -> bool:
    if not term.is_prefix:
        return tokens.issuperset(alternative)
    *whole, begun = alternative
    return tokens.issuperset(whole) and (begun in tokens or any(token.startswith(begun) for token in tokens))


def _has_phrase(names: RowNames, phrase: Phrase) -> bool:
    return any(phrase.form in reading_form(name) for name in names.names(phrase.scope))
