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


def rows_in_tier(statements: Statements, tier: Tier, plan: Plan, check: Check, *, is_told: bool) -> Iterator[int]:
    """The rows of a tier, in order, that hold the words of the plan and pass `check`.

    `is_told`: a row that holds the words passes.
    """
    if plan.begun or plan.others:
        yield from _with_beginnings(statements, tier, plan, check, is_told=is_told)
    else:
        rows = holding(statements, tier, plan.whole)
        yield from rows if is_told else checked(rows, check)


def _with_beginnings(statements: Statements, tier: Tier, plan: Plan, check: Check, *, is_told: bool) -> Iterator[int]:
    rows, size, left, leaves = holding(statements, tier, plan.whole), FIRST_BATCH, FREE_ROWS, None
    while batch := list(islice(rows, size)):
        passing = check(batch)
        yield from passing
        left -= len(batch) - len(passing)
        if left <= 0 and leaves is None:
            leaves = [find_leaves(statements, tier.name, term.alternatives[0][0]) for term in plan.begun]
            left += ROWS_A_LEAF * sum(one.number for one in leaves if one)
        if left <= 0 and leaves is not None:
            yield from _narrowed(statements, tier._replace(first=batch[-1] + 1), plan, leaves, check, is_told=is_told)
            return
        size = min(2 * size, LARGEST_BATCH)


def holding(statements: Statements, tier: Tier, terms: Sequence[Term]) -> Iterator[int]:
    """The rows of a tier that hold all of the terms, in order; without terms every one."""
    if not terms:
        return iter(range(tier.first, tier.last + 1))
    sql = f"SELECT rowid FROM {tier.name} WHERE {tier.name} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid"
    return (row for (row,) in statements.rows(sql, (match_expression(terms), tier.first, tier.last)))


def checked(rows: Iterable[int], check: Check) -> Iterator[int]:
    """Those that pass, in order; read in batches."""
    rows, size = iter(rows), FIRST_BATCH
    while batch := list(islice(rows, size)):
        yield from check(batch)
        size = min(2 * size, LARGEST_BATCH)


def _narrowed(
    statements: Statements, tier: Tier, plan: Plan, leaves: Sequence[Leaves | None], check: Check, *, is_told: bool
) -> Iterator[int]:
    """The rows that hold the beginnings, too: by their leaves, or where the table is another by FTS5."""
    by_fts5 = [*plan.whole, *plan.others, *(term for term, found in zip(plan.begun, leaves, strict=True) if found is None)]
    begun, is_all = _begun(statements, tier, [found for found in leaves if found is not None])
    is_told = is_told and is_all
    rows: Iterable[int]
    if begun is None:
        rows = holding(statements, tier, by_fts5)
    elif not by_fts5 or (len(by_fts5) == len(plan.whole) and len(begun) * STREAMED_A_ROW < plan.tracks * tier.share):
        rows = in_order(begun).tolist()
        is_told = is_told and not by_fts5
    else:
        rows = _among(holding(statements, tier, by_fts5), begun)
    yield from rows if is_told else checked(rows, check)


def _begun(statements: Statements, tier: Tier, leaves: Sequence[Leaves]) -> tuple[Numbers | None, bool]:
    """The rows with the rarest beginning, and with others as far as reading their leaves is cheaper than rows; whether with all."""
    common = None
    for one in sorted(leaves, key=lambda one: one.number):
        if common is not None and len(common) < ROWS_A_LEAF * one.number:
            return common, False
        rows = read_rows(statements, one)
        rows = rows[(rows >= tier.first) & (rows <= tier.last)]
        common = rows if common is None else those_among(in_order(common), rows)
    return common, True


def _among(rows: Iterator[int], known: Numbers) -> Iterator[int]:
    """Those of `rows`, in order, that are among the known ones."""
    size, is_ordered = FIRST_AMONG, False
    while batch := list(islice(rows, size)):
        if size > MOST_SIFTED and not is_ordered:
            known, is_ordered = in_order(known), True
        yield from (those_among_ordered if is_ordered else those_among)(np.array(batch, np.int64), known).tolist()
        size = min(4 * size, LARGEST_AMONG)
