"""What a person typed into the search line, taken apart; nothing is a mistake: what is no known form is text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.isrc_numbers import isrc_range
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.search_text import Term, query_terms, reading_form

Scope = Literal["any", "title", "artist", "album"]

LONGEST_QUERY = 16_000
"""Characters that are read; the rest is left out."""
MOST_TERMS = 32
"""Words that are asked for; the rest is left out."""

_FIELDS = "artist|album|title|label|genre|year|isrc|country|popularity|status|held|missing"
_PIECE = re.compile(rf'(?P<minus>-)?(?:(?P<field>{_FIELDS}):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S+)|(?<=:))', re.IGNORECASE)
_YEARS = re.compile(r"(\d{4})?(?:(\.\.|-)(\d{4})?)?")
_SCORES = re.compile(r"(\d{1,3}(?:\.\d+)?)?(?:(\.\.|-)(\d{1,3}(?:\.\d+)?)?)?")


class ScopedTerm(msgspec.Struct, frozen=True):
    """A term and the names it is looked for in."""

    term: Term
    scope: Scope = "any"


class Phrase(msgspec.Struct, frozen=True):
    """Words that stand side by side in one name, as search_text.reading_form writes them."""

    form: str
    scope: Scope = "any"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """All that a row must be: holding each of `wanted` and `phrases`, none of `unwanted`, and passing `filter`.

    `is_cut`: the query was longer than what is read of it.
    """

    wanted: tuple[ScopedTerm, ...] = ()
    unwanted: tuple[ScopedTerm, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    unwanted_phrases: tuple[Phrase, ...] = ()
    filter: TrackFilter = TrackFilter()
    is_cut: bool = False

    @property
    def text(self) -> str:
        """The wanted words as a person would read them."""
        return " ".join(wanted.term.text for wanted in self.wanted)


class _Reader:
    """Gathers the pieces of one query."""

    def __init__(self) -> None:
        self.wanted: list[ScopedTerm] = []
        self.unwanted: list[ScopedTerm] = []
        self.phrases: list[Phrase] = []
        self.unwanted_phrases: list[Phrase] = []
        self.signs: list[str] = []
        self.fields: dict[str, Any] = {}
        self.pending: Scope = "any"

    def take(self, piece: re.Match[str], *, is_open: bool) -> None:
        """Add one piece; `is_open`: its last word may go on."""
        quoted, field = piece["quoted"], (piece["field"] or "").lower()
        value = quoted if quoted is not None else piece["plain"] or ""
        if field in _FILTERS and not piece["minus"]:
            found = _FILTERS[field](value)
            if found is not None:
                self.fields |= found
                return
            value, field = f"{field} {value}", ""
        scope: Scope = field if field in ("title", "artist", "album") else self.pending  # type: ignore[assignment]
        self.pending = scope if field and not value else "any"
        if value:
            self._take_words(value, scope, is_phrase=quoted is not None, is_wanted=not piece["minus"], is_open=is_open)

    def _take_words(self, value: str, scope: Scope, *, is_phrase: bool, is_wanted: bool, is_open: bool) -> None:
        if not any(character.isalnum() for character in value):
            self.signs.append(value)
            return
        terms = [ScopedTerm(term, scope) for term in query_terms(value, is_last_open=is_open and is_wanted and not is_phrase)]
        is_long = is_phrase and len(reading_form(value).split()) > 1
        if is_long:
            (self.phrases if is_wanted else self.unwanted_phrases).append(Phrase(reading_form(value), scope))
        if is_wanted:
            self.wanted += terms
        elif not is_long:
            # all words of one piece together are what is not wanted: -AC/DC takes away no AC alone
            self.unwanted += terms[:1] if len(terms) == 1 else [ScopedTerm(_all_of(terms), scope)] if terms else []


def _all_of(terms: list[ScopedTerm]) -> Term:
    return Term((tuple(token for scoped in terms for token in scoped.term.alternatives[0]),))


def parse_query(text: str, *, exact: bool = False) -> Query:
    """The query that `text` is; with `exact` its last word does not go on. Never fails."""
    read = text[:LONGEST_QUERY]
    reader = _Reader()
    pieces = list(_pieces(read))
    is_open = not exact and not read[-1:].isspace() and len(text) == len(read)
    for place, piece in enumerate(pieces):
        reader.take(piece, is_open=is_open and place == len(pieces) - 1)
    if not reader.wanted and reader.signs:
        reader.wanted = [ScopedTerm(term) for term in query_terms(" ".join(reader.signs))]
    wanted = list(dict.fromkeys(reader.wanted))
    return Query(
        wanted=tuple(wanted[:MOST_TERMS]),
        unwanted=tuple(dict.fromkeys(reader.unwanted))[:MOST_TERMS],
        phrases=tuple(dict.fromkeys(reader.phrases))[:MOST_TERMS],
        unwanted_phrases=tuple(dict.fromkeys(reader.unwanted_phrases))[:MOST_TERMS],
        filter=TrackFilter(**reader.fields),
        is_cut=len(read) < len(text) or len(wanted) > MOST_TERMS,
    )


def _pieces(text: str) -> Iterator[re.Match[str]]:
    return (piece for piece in _PIECE.finditer(text) if piece[0])


def parse_years(text: str) -> dict[str, Any] | None:
    """`1999`, `1990..1999`, `1990..` or `..1999` as fields of a TrackFilter; None for anything else."""
    found = _YEARS.fullmatch(text)
    if found is None or not (found[1] or found[3]) or not text.isascii():
        return None
    first, last = found[1], found[3] if found[2] else found[1]
    return {"year_from": int(first) if first else None, "year_to": int(last) if last else None}


def parse_scores(text: str) -> dict[str, Any] | None:
    """`50`, `50..80`, `50..` or `..80` as fields of a TrackFilter; None for anything else."""
    found = _SCORES.fullmatch(text)
    if found is None or not (found[1] or found[3]) or not text.isascii():
        return None
    lowest, highest = found[1], found[3] if found[2] else found[1]
    return {"popularity_from": float(lowest) if lowest else None, "popularity_to": float(highest) if highest else None}


def _parse_country(text: str) -> dict[str, Any] | None:
    return {"country": text.upper()} if len(text) == 2 and isrc_range(text) else None


def _parse_flag(name: str, other: str) -> Callable[[str], dict[str, Any] | None]:
    answers = {"": name, "yes": name, "no": other}
    return lambda text: {answers[text.lower()]: True} if text.lower() in answers else None


_FILTERS: dict[str, Callable[[str], dict[str, Any] | None]] = {
    "label": lambda text: {"label": text} if text.strip() else None,
    "genre": lambda text: {"genre": text} if text.strip() else None,
    "year": parse_years,
    "isrc": lambda text: {"isrc": text} if isrc_range(text) else None,
    "country": _parse_country,
    "popularity": parse_scores,
    "status": lambda text: {"status": text.lower()} if text.lower() in STATES else None,
    "held": _parse_flag("is_held", "is_missing"),
    "missing": _parse_flag("is_missing", "is_held"),
}
