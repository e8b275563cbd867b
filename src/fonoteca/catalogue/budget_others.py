"""Which tracks a budget must not count: withdrawn, or covered by what is held without a file of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from fonoteca.catalogue.coverage import covered_condition
from fonoteca.catalogue.covered import DUPLICATE, HELD, WITHDRAWN
from fonoteca.catalogue.popularity_ranges import UNKNOWN
from fonoteca.catalogue.rank_weights import block_of, block_start
from fonoteca.catalogue.shuffle_rows import heeding_ctrl_c
from fonoteca.catalogue.statements import Statements
from fonoteca.catalogue.statistics_counter import DURATION_CEILING, RANK_DIGITS, StatisticsRow

Others = Mapping[tuple[str, int], tuple[int, int]]
"""(report, bucket) of the reports popularity and rank → how many such tracks, and their milliseconds."""
_BATCH = 1 << 16


def others_condition(sql: Statements) -> str:
    """SQL over `tracks t`: neither held nor missing."""
    return f"t.state <> {HELD} AND (t.state = {WITHDRAWN} OR {covered_condition(sql)})"


def count_others(sql: Statements, rows: Iterable[StatisticsRow]) -> Others:
    """The tracks of an edition that are neither held nor missing; nothing is read where its statistics, `rows`, say there are none."""
    states = {row.bucket for row in rows if row.report == "status" and row.number}
    if not states & {DUPLICATE, WITHDRAWN} and not sql.value("SELECT 1 FROM same_recordings LIMIT 1"):
        return {}
    found: dict[tuple[str, int], tuple[int, int]] = {}
    length_ms = f"max(0, min(coalesce(t.duration_ms, 0), {DURATION_CEILING}))"
    query = f"""SELECT t.track, coalesce(CAST(t.popularity AS INTEGER), {UNKNOWN}), {length_ms} FROM tracks t
        WHERE {others_condition(sql)}"""
    with heeding_ctrl_c(sql):
        for batch in _batches(sql.rows(query)):
            ranks = [block_start(int(block), RANK_DIGITS) for block in block_of(batch[:, 0], RANK_DIGITS)]
            for rank, (_, popularity, length) in zip(ranks, batch.tolist(), strict=True):
                for key in (("rank", rank), ("popularity", popularity)):
                    number, milliseconds = found.get(key, (0, 0))
                    found[key] = number + 1, milliseconds + length
    return found


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[Any]:
    while batch := list(islice(rows, _BATCH)):
        yield np.array(batch, dtype=np.int64)
