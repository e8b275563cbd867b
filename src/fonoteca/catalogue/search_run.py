"""One search under way: the candidates that the index names, looked at in order of popularity until enough are found."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

import apsw
import msgspec

from fonoteca.catalogue.filters import Condition, TrackFilter, popularity_rows
from fonoteca.catalogue.row_filters import row_condition
from fonoteca.catalogue.search_build import ALIASES, Kind
from fonoteca.catalogue.search_corrections import corrected_queries
from fonoteca.catalogue.search_match import row_matches
from fonoteca.catalogue.search_plan import choose_leading, is_contradictory, is_told_by, make_plan
from fonoteca.catalogue.search_query import Query
from fonoteca.catalogue.search_rows import read_names
from fonoteca.catalogue.search_text import Term
from fonoteca.catalogue.search_tier import Check, Tier, TierReader, checked
from fonoteca.catalogue.search_vocabulary import EditionVocabulary, Vocabulary, WorkingVocabulary, match_expression
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.errors import DatabaseError

STEPS_BETWEEN_LOOKS = 20_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""
MOST_TO_CHECK, MOST_TO_SORT = 2_000, 20_000
"""Tracks of a filter that are looked at one by one instead of asking the index for words; tracks that are put in order without words."""


class Searchable(Protocol):
    """A catalogue or an edition, opened."""

    @property
    def statements(self) -> Statements:
        """Its connection."""

    @property
    def is_edition(self) -> bool:
        """Whether rows are ranked and the index has tiers."""


class SearchRun:
    """The rows of one kind in one catalogue until `deadline` (of time.perf_counter); `is_complete` tells whether it was kept."""

    def __init__(self, catalogue: Searchable, kind: Kind, deadline: float) -> None:
        self.statements = catalogue.statements
        self.is_edition = catalogue.is_edition
        self.kind = kind
        self.deadline = deadline
        self.is_complete = True
        self._tiers = list(self._read_tiers()) if self.is_edition else []
        self._vocabulary: Vocabulary = (EditionVocabulary if self.is_edition else WorkingVocabulary)(self.statements)

    def _read_tiers(self) -> Iterator[tuple[Any, ...]]:
        sql = "SELECT name, first, last FROM search_tiers WHERE kind = ? ORDER BY tier"
        if not self.statements.value("SELECT 1 FROM sqlite_schema WHERE name = 'search_tiers'"):
            raise DatabaseError(f"{self.statements.path} has no search index", "Build the edition again, or take a newer one.")
        yield from self.statements.rows(sql, (self.kind,))

    def mark(self, query: Query) -> str:
        """Twelve characters that are another for another query, kind or edition."""
        facts = self.statements.value("SELECT group_concat(name || '=' || value) FROM edition") if self.is_edition else ""
        asked = msgspec.json.encode((self.kind, query, facts), order="sorted")
        return hashlib.sha256(asked).hexdigest()[:12]

    def collect(self, query: Query, behind: int, most: int) -> list[int]:
        """The first `most` row numbers that match, in order, from behind row `behind` (0: from the first)."""
        rows: list[int] = []
        with self._within_time():
            for row in islice(self._matching(query, behind, most), most):
                rows.append(row)
        return rows

    def collect_corrected(self, query: Query, most: int) -> tuple[list[int], str | None]:
        """The rows of the first query near this one that finds any, and its words; nothing and None where none does."""
        variants = corrected_queries(self._vocabulary, query)
        while (variant := self._next(variants)) is not None:
            rows = self.collect(variant, 0, most)
            if rows:
                return rows, variant.text
        return [], None

    def _next(self, variants: Iterator[Query]) -> Query | None:
        with self._within_time():
            return next(variants, None)
        return None

    def _matching(self, query: Query, behind: int, most: int) -> Iterator[int]:
        if is_contradictory(query):
            return
        condition = self._condition(query.filter)

        def check(rows: Sequence[int]) -> list[int]:
            self._keep_time()
            names = read_names(self.statements, self.kind, rows, condition)
            return [row for row in rows if row in names and row_matches(names[row], query)]

        if self.is_edition:
            yield from self._edition_rows(query, condition, check, behind)
            return
        leading = choose_leading(self._vocabulary, [wanted.term for wanted in query.wanted], most)
        rows = self._working_candidates(leading, condition, behind)
        yield from rows if is_told_by(leading, query) else checked(rows, check)

    def _keep_time(self) -> None:
        if time.perf_counter() > self.deadline:
            raise apsw.InterruptError

    @contextmanager
    def _within_time(self) -> Iterator[None]:
        connection = self.statements.connection
        connection.set_progress_handler(lambda: time.perf_counter() > self.deadline, STEPS_BETWEEN_LOOKS)
        try:
            yield
        except apsw.InterruptError:
            self.is_complete = False
        except DatabaseError as error:
            if not isinstance(error.__cause__, apsw.InterruptError):
                raise
            self.is_complete = False
        finally:
            connection.set_progress_handler(None)

    def _condition(self, filter: TrackFilter) -> Condition:
        """The filter as SQL over the row of this kind."""
        if self.kind == "track":
            return (_without_popularity(filter) if self.is_edition else filter).condition(self.is_edition)
        return row_condition(filter, self.kind, self.is_edition)

    def _edition_rows(self, query: Query, condition: Condition, check: Check, behind: int) -> Iterator[int]:
        """Row numbers in order that match; without words every row that passes the condition."""
        last_of_all = self.statements.value(f"SELECT max({self.kind}) FROM {self.kind}s") or 0
        first, last = behind + 1, last_of_all
        if self.kind == "track" and (query.filter.popularity_from is not None or query.filter.popularity_to is not None):
            lowest, highest = popularity_rows(self.statements, query.filter.popularity_from, query.filter.popularity_to)
            first, last = max(first, lowest), min(last, highest)
        few = self._few_rows(query.filter, condition, MOST_TO_CHECK if query.wanted else MOST_TO_SORT)
        if few is not None:
            yield from checked((row for row in few if first <= row <= last), check)
        elif not query.wanted:
            rows = self._scan(condition, first, last)
            yield from rows if is_told_by((), query) else checked(rows, check)
        else:
            plan = make_plan(self._vocabulary, query)
            reader = TierReader(self.statements, plan, check, is_told=plan.is_told and condition[0] == "1")
            for name, tier_first, tier_last in self._tiers:
                self._keep_time()
                tier = Tier(name, max(first, tier_first), min(last, tier_last), (tier_last - tier_first + 1) / last_of_all)
                if tier.first <= tier.last:
                    yield from reader.rows(tier)

    def _few_rows(self, filter: TrackFilter, condition: Condition, most: int) -> list[int] | None:
        """The tracks that pass a filter with an index, in order, where they are at most so many; else None."""
        if self.kind != "track" or (filter.artist is None and filter.isrc is None):
            return None
        sql = f"SELECT t.track FROM tracks t WHERE {condition[0]} LIMIT {most + 1}"
        rows = list(self._rows(sql, condition[1]))
        return sorted(rows) if len(rows) <= most else None

    def _scan(self, condition: Condition, first: int, last: int) -> Iterator[int]:
        alias = ALIASES[self.kind]
        sql = f"SELECT {self.kind} FROM {self.kind}s {alias} WHERE {self.kind} BETWEEN ? AND ? AND {condition[0]} ORDER BY {self.kind}"
        return self._rows(sql, (first, last, *condition[1]))

    def _working_candidates(self, leading: list[Term], condition: Condition, behind: int) -> Iterator[int]:
        kind, alias = self.kind, ALIASES[self.kind]
        words = f"{alias}.{kind} IN (SELECT rowid FROM {kind}_search WHERE {kind}_search MATCH ?)" if leading else "1"
        given: tuple[Any, ...] = (match_expression(leading),) if leading else ()
        order = f"({alias}.popularity IS NULL, -coalesce({alias}.popularity, 0), {alias}.{kind})"
        later = f"{order} > (SELECT popularity IS NULL, -coalesce(popularity, 0), {kind} FROM {kind}s WHERE {kind} = {behind:d})"
        sql = f"""SELECT {alias}.{kind} FROM {kind}s {alias} WHERE {words} AND ({condition[0]}) AND ({later if behind else "1"})
            ORDER BY {order[1:-1]}"""
        return self._rows(sql, (*given, *condition[1]))

    def _rows(self, sql: str, bindings: tuple[Any, ...]) -> Iterator[int]:
        return (row for (row,) in self.statements.rows(sql, bindings))


def _without_popularity(filter: TrackFilter) -> TrackFilter:
    return msgspec.structs.replace(filter, popularity_from=None, popularity_to=None)
