"""`search`: names that a person half remembers, in the catalogue of an archive or in an edition alone."""

from __future__ import annotations

from typing import Literal

import msgspec

from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.search import SearchResult, search
from fonoteca.ground.errors import UsageError
from fonoteca.workflows.read_catalogue import ReadCatalogue

LONGEST_TIME_S = 3600.0
MOST_ROWS = 10_000


class SearchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; `kind` says whether tracks, artists or albums are listed."""

    text: str
    track_filter: TrackFilter = TrackFilter()
    kind: Literal["track", "artist", "album"] = "track"
    limit: int = 20
    after: str | None = None
    is_exact: bool = False
    time_limit_s: float = 2.0


def search_catalogue(catalogue: ReadCatalogue, options: SearchOptions) -> SearchResult:
    """One page of what was found; UsageError where a page of no rows or no time is asked for."""
    if options.limit > MOST_ROWS:
        raise UsageError(
            f"--limit {options.limit} is more than the {MOST_ROWS:,} rows of a page", "Take the pages that follow with --after."
        )
    if not 0 < options.time_limit_s <= LONGEST_TIME_S:
        raise UsageError(f"--time-limit {options.time_limit_s:g} s", f"Give a number of seconds up to {LONGEST_TIME_S:,.0f}.")
    return search(
        catalogue, options.text, options.track_filter, kind=options.kind, limit=options.limit, after=options.after, exact=options.is_exact,
        time_limit_s=options.time_limit_s, mends_typos=not options.is_exact,
    )  # fmt: skip
