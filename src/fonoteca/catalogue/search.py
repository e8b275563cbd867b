"""Search: tracks, artists and albums by words, ranked by popularity, within a time limit."""

from __future__ import annotations

import re
import time

import msgspec

from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.identifiers import is_public_id
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.search_build import Kind
from fonoteca.catalogue.search_query import MOST_TERMS, Query, ScopedTerm, parse_query
from fonoteca.catalogue.search_rows import Found, read_found
from fonoteca.catalogue.search_run import Searchable, SearchRun
from fonoteca.catalogue.search_text import query_terms
from fonoteca.ground.errors import UsageError

_CURSOR = re.compile(r"([1-9][0-9]{0,17})-([0-9a-f]{12})")


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, the most popular first.

    `shown_for`: the words that were searched for instead, where nothing was found for those given. `next`: the cursor of the
    page that follows, None at the end. `is_complete` False: the time was up before all rows were seen. `is_cut`: the query was
    too long to be read whole.
    """

    found: tuple[Found, ...]
    shown_for: str | None = None
    next: str | None = None
    is_complete: bool = True
    is_cut: bool = False
    seconds: float = 0.0


def search(
    catalogue: Searchable, text: str, filter: TrackFilter | None = None, *, kind: Kind = "track", limit: int = 20,
    after: str | None = None, exact: bool = False, time_limit_s: float = 2.0, mends_typos: bool = True,
) -> SearchResult:  # fmt: skip
    """The rows that hold all words of `text` and pass both its own filter and `filter`, by popularity.

    Any text is a query. `exact`: the last word does not go on. `after` is the `next` of the page before; UsageError where it
    belongs to another query or edition. Where nothing is found, words are mended (`mends_typos`).
    """
    if limit < 1:
        raise UsageError(f"a page of {limit} rows", "Give --limit a number from 1.")
    started = time.perf_counter()
    query = parse_query(clean_text(text[: 1 << 20]), exact=exact)
    if filter is not None:
        query = msgspec.structs.replace(query, filter=_merged(query.filter, filter))
    query = _led_by_album(query)
    run = SearchRun(catalogue, kind, started + time_limit_s)
    behind = 0 if after is None else _read_cursor(after, run.mark(query))
    rows, shown_for = run.collect(query, behind, limit + 1), None
    if not rows and not behind and mends_typos and run.is_complete:
        rows, shown_for = run.collect_corrected(query, limit + 1)
    has_more = len(rows) > limit and shown_for is None  # a page of other words than those typed has no page after it
    return SearchResult(
        found=read_found(catalogue.statements, kind, rows[:limit]) if rows else (),
        shown_for=shown_for,
        next=f"{rows[limit - 1]}-{run.mark(query)}" if has_more else None,
        is_complete=run.is_complete,
        is_cut=query.is_cut,
        seconds=time.perf_counter() - started,
    )


def _led_by_album(query: Query) -> Query:
    """The words of an album's title are asked for, too: titles have no index but that of their words."""
    album = query.filter.album
    if album is None or is_public_id(album):
        return query
    terms = (ScopedTerm(term, "album") for term in query_terms(clean_text(album), is_last_open=False))
    return msgspec.structs.replace(query, wanted=tuple(dict.fromkeys((*query.wanted, *terms)))[: 2 * MOST_TERMS])


def _merged(first: TrackFilter, second: TrackFilter) -> TrackFilter:
    """Both filters in one; where both say something of the same field, the second counts."""
    given = {name: value for name in second.__struct_fields__ if (value := getattr(second, name)) not in (None, False)}
    return msgspec.structs.replace(first, **given)


def _read_cursor(cursor: str, mark: str) -> int:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise UsageError(f"{cursor[:80]!r} is no cursor of a search", "Give --after what the page before ended with.")
    if found[2] != mark:
        raise UsageError("the cursor is of another query, filter or edition", "Search again without --after.")
    return int(found[1])
