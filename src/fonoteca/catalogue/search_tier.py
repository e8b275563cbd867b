"""The rows of one tier that hold the words of a query: those of whole words by FTS5, beginnings by what is cheaper.

What is asked of a beginning is either looked for in the rows that hold the other words, or its own rows are read from the leaves of the
index. Which is cheaper is not known before, so rows are looked at until that has cost what reading the leaves would: at worst
both, twice the cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from fonoteca.catalogue.search_leaves import Leaves, Numbers, find_leaves, in_order, read_rows, those_among, those_among_ordered
from fonoteca.catalogue.search_plan import Plan
from fonoteca.catalogue.search_text import Term
from fonoteca.catalogue.search_vocabulary import match_expression
from fonoteca.catalogue.statements import Statements

Check = Callable[[Sequence[int]], list[int]]
"""Which of some rows, in the same order, hold all that a query asks for, by their names."""

FIRST_BATCH, LARGEST_BATCH = 24, 512
"""Rows that are read at a time: few at first, since few may be enough."""
FREE_ROWS = 48
"""Rows that are read in vain before it is asked what reading the leaves of a beginning would cost."""
ROWS_A_LEAF = 3
"""Rows that are read in the time of one leaf: 15 µs beside 40 µs (November 2026)."""
ROWS_A_BEGINNING = 30
"""Rows that are read in the time that it takes to begin with leaves."""
STREAMED_A_ROW = 40
"""Rows that FTS5 names in the time in which the names of one are read."""
FIRST_AMONG, MOST_SIFTED, LARGEST_AMONG = 128, 1 << 13, 1 << 15
"""Rows that are compared with those of a beginning at a time; up to how many that is done without putting the latter in order."""


class Tier(NamedTuple):
    """One FTS5 table of an edition and the rows of it that are asked for; `share` of all rows of its kind lie in it."""

    name: str
    first: int
    last: int
    share: float


class TierReader:
    """The rows of the tiers of an edition that hold the words of a plan and pass `check`; it is asked for the tiers in their order.

    `is_told`: a row that holds the words passes.
    """

    def __init__(self, statements: Statements, plan: Plan, check: Check, *, is_told: bool) -> None:
        self._statements, self._plan, self._check, self._is_told = statements, plan, check, is_told
        is_rare = not plan.whole and all(len(term.alternatives[0][0]) > 1 for term in plan.begun)
        self._free = 0 if is_rare else FREE_ROWS

    def rows(self, tier: Tier) -> Iterator[int]:
        """Those of one tier, in order."""
        if self._plan.begun or self._plan.others:
            yield from self._with_beginnings(tier)
        else:
            rows = self._holding(tier, self._plan.whole)
            yield from rows if self._is_told else checked(rows, self._check)

    def _holding(self, tier: Tier, terms: Sequence[Term]) -> Iterator[int]:
        """The rows of a tier that hold all of the terms, in order; without terms every one."""
        if not terms:
            return iter(range(tier.first, tier.last + 1))
        sql = f"SELECT rowid FROM {tier.name} WHERE {tier.name} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid"
        return (row for (row,) in self._statements.rows(sql, (match_expression(terms), tier.first, tier.last)))

    def _with_beginnings(self, tier: Tier) -> Iterator[int]:
        rows, reached = self._holding(tier, self._plan.whole), tier.first - 1
        leaves: list[Leaves | None] | None = None
        size, left = FIRST_BATCH, self._free
        while True:
            if left <= 0 and leaves is None:
                leaves = [find_leaves(self._statements, tier.name, term.alternatives[0][0]) for term in self._plan.begun]
                left += self._rows_worth(tier, leaves)
            if left <= 0 and leaves is not None:
                self._free = 0
                yield from self._narrowed(tier._replace(first=reached + 1), leaves)
                return
            batch = list(islice(rows, size))
            if not batch:
                return
            passing = self._check(batch)
            yield from passing
            reached, size, left = batch[-1], min(2 * size, LARGEST_BATCH), left - len(batch) + len(passing)

    def _rows_worth(self, tier: Tier, leaves: Sequence[Leaves | None]) -> int:
        """How many rows to read in vain before leaves are: none where it is known to be too many."""
        cost = ROWS_A_BEGINNING * (len(leaves) + len(self._plan.others)) + ROWS_A_LEAF * sum(one.number for one in leaves if one)
        is_known = len(self._plan.whole) == 1 or (not self._plan.whole and self._free == 0)
        return 0 if is_known and self._plan.tracks * tier.share > cost else cost

    def _narrowed(self, tier: Tier, leaves: Sequence[Leaves | None]) -> Iterator[int]:
        """The rows that hold the beginnings, too: by their leaves, or where the table is another by FTS5."""
        plan = self._plan
        by_fts5 = [*plan.whole, *plan.others, *(term for term, found in zip(plan.begun, leaves, strict=True) if found is None)]
        begun, is_all = self._begun(tier, [found for found in leaves if found is not None])
        is_told, rows = self._is_told and is_all, self._holding(tier, by_fts5)
        if begun is not None:
            is_rarer = len(by_fts5) == len(plan.whole) and len(begun) * STREAMED_A_ROW < plan.tracks * tier.share
            if not by_fts5 or is_rarer:
                rows, is_told = iter(in_order(begun).tolist()), is_told and not by_fts5
            else:
                rows = _among(rows, begun)
        yield from rows if is_told else checked(rows, self._check)

    def _begun(self, tier: Tier, leaves: Sequence[Leaves]) -> tuple[Numbers | None, bool]:
        """The rows with the rarest beginning, and with others as far as reading their leaves is cheaper than rows; whether with all."""
        common = None
        for one in sorted(leaves, key=lambda one: one.number):
            if common is not None and len(common) < ROWS_A_BEGINNING + ROWS_A_LEAF * one.number:
                return common, False
            rows = read_rows(self._statements, one)
            rows = rows[(rows >= tier.first) & (rows <= tier.last)]
            common = rows if common is None else those_among(in_order(common), rows)
        return common, True


def checked(rows: Iterable[int], check: Check) -> Iterator[int]:
    """Those that pass, in order; read in batches."""
    rows, size = iter(rows), FIRST_BATCH
    while batch := list(islice(rows, size)):
        yield from check(batch)
        size = min(2 * size, LARGEST_BATCH)


def _among(rows: Iterator[int], known: Numbers) -> Iterator[int]:
    """Those of `rows`, in order, that are among the known ones."""
    size, is_ordered = FIRST_AMONG, False
    while batch := list(islice(rows, size)):
        if size > MOST_SIFTED and not is_ordered:
            known, is_ordered = in_order(known), True
        yield from (those_among_ordered if is_ordered else those_among)(np.array(batch, np.uint32), known).tolist()
        size = min(4 * size, LARGEST_AMONG)
