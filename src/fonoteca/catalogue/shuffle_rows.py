"""Which rows a filter leaves: listed where they are few, else met on the way, so that the first one comes at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import apsw
import msgspec
import numpy as np

from fonoteca.catalogue.covered import IS_SHOWN, WITHDRAWN
from fonoteca.catalogue.filters import Condition, TrackFilter, popularity_rows
from fonoteca.catalogue.permutation import Numbers, permutation
from fonoteca.catalogue.popularity_ranges import popularity_ranges
from fonoteca.catalogue.random_words import key_of_seed
from fonoteca.catalogue.shuffle_members import Members, MemberSlice, RowList, RowRange, collect_members
from fonoteca.catalogue.statements import Statements

ALL: Condition = ("1", ())
SHOWN: Condition = (IS_SHOWN, ())
LARGEST_SAMPLE = 16_384
SMALLEST_SAMPLE = 64
ENOUGH_HITS = 2
_BATCH = 1 << 16
_STEPS = 1_000_000  # of SQLite's machine: some 10 ms


def choose_members(sql: Statements, is_edition: bool, track_filter: TrackFilter) -> tuple[Members, Condition]:
    """The rows to shuffle, and what each of them must still pass when it is met.

    Depends on the catalogue and the filter alone, never on a key: so every order of what passes stays as likely as any other.
    """
    rows, rest = RowRange(1, int(sql.value("SELECT max(track) FROM tracks") or 0)), track_filter
    if is_edition:
        rows = RowRange(*popularity_rows(sql, track_filter.popularity_from, track_filter.popularity_to))
        rest = msgspec.structs.replace(track_filter, popularity_from=None, popularity_to=None)
    condition = shown(sql, is_edition, rest)
    if is_edition and condition == ALL:
        return rows, ALL
    if not _is_answered_by_index(rest) and _is_common(sql, condition, rows):
        return rows, condition
    bounds = f" AND t.track BETWEEN {rows.first} AND {rows.last}" if is_edition else ""
    with heeding_ctrl_c(sql):
        found = sql.rows(f"SELECT t.track FROM tracks t WHERE {condition[0]}{bounds}", condition[1])
        return collect_members(found, rows.first, rows.last), ALL


def shown(sql: Statements, is_edition: bool, track_filter: TrackFilter) -> Condition:
    """What the filter asks for, without what was withdrawn unless that very status is asked for."""
    condition = track_filter.condition(is_edition)
    if track_filter.status or track_filter.is_held or track_filter.is_missing or (is_edition and _has_none_withdrawn(sql)):
        return condition
    return SHOWN if condition == ALL else (f"{condition[0]} AND {IS_SHOWN}", condition[1])


def _has_none_withdrawn(sql: Statements) -> bool:
    """Where an edition's own statistics say so."""
    if not sql.value("SELECT 1 FROM sqlite_schema WHERE name = 'statistics'"):
        return False
    return bool(sql.value(f"SELECT sum(number) > 0 AND NOT sum(number * (bucket = {WITHDRAWN})) FROM statistics WHERE report = 'status'"))


@contextmanager
def heeding_ctrl_c(sql: Statements) -> Iterator[None]:
    """Python looks at signals only between its own steps, so SQLite gives it one now and then."""
    token = object()
    sql.connection.set_progress_handler(lambda: False, _STEPS, id=token)
    try:
        yield
    finally:
        with suppress(apsw.ConnectionClosedError):  # a generator that is only now thrown away
            sql.connection.set_progress_handler(None, id=token)


def _is_answered_by_index(rest: TrackFilter) -> bool:
    """Whether an index gives the few rows that can pass, so that there is nothing to estimate."""
    return bool(rest.artist or rest.album or (rest.isrc and len(rest.isrc.replace("-", "")) >= 5))


def _is_common(sql: Statements, condition: Condition, rows: RowRange) -> bool:
    """Whether at least two pass of a sample that is the same for every shuffle: one row in 32, at least 64, at most 16,384."""
    return len(list(islice(_sample_that_passes(sql, condition, rows), ENOUGH_HITS))) == ENOUGH_HITS


def _sample_that_passes(sql: Statements, condition: Condition, rows: RowRange) -> Iterator[tuple[Any, ...]]:
    count = min(max(SMALLEST_SAMPLE, rows.size // 32), LARGEST_SAMPLE, rows.size)
    sample = permutation(rows.size, key_of_seed("sample"))
    start, step = 0, 16
    while start < count:
        chosen = rows.select(sample.block(start, min(start + step, count)))
        yield from rows_that_pass(sql, "j.key", chosen, condition)
        start, step = start + step, min(step * 4, 1024)


def rows_that_pass(sql: Statements, columns: str, rows: Numbers, condition: Condition) -> Iterator[tuple[Any, ...]]:
    """`columns` of those of `rows` that are there and pass, in the order of `rows`.

    Over `j` (key: the place in `rows`), tracks `t` and albums `b`.
    """
    # CROSS JOIN: go by the given rows, whatever index the condition could use
    query = f"""SELECT {columns} FROM json_each(?) j CROSS JOIN tracks t ON t.track = j.value LEFT JOIN albums b ON b.album = t.album
        WHERE {condition[0]}"""
    return sql.rows(query, (json.dumps(rows.tolist()), *condition[1]))


def weight_of(popularity: int) -> int:
    """The weight of a whole popularity: one more. What is unknown (−1) weighs as much as 0."""
    return max(popularity, 0) + 1


def edition_classes(sql: Statements, members: Members) -> Iterator[tuple[int, Members]]:
    """The members by weight, heaviest first; rows are ranked, so each class is a slice."""
    merged: dict[int, tuple[int, int]] = {}
    for popularity, rows in popularity_ranges(sql):
        first, _ = merged.get(weight_of(popularity), (rows.first, 0))
        merged[weight_of(popularity)] = first, rows.last
    for weight, (first, last) in merged.items():
        start, stop = members.rank(first), members.rank(last + 1)
        if start < stop:
            yield weight, MemberSlice(members, start, stop - start)


def working_classes(sql: Statements, condition: Condition) -> Iterator[tuple[int, Members]]:
    """The rows that pass by weight, heaviest first. Row numbers say nothing of popularity here: all of them are held."""
    parts = [np.zeros((0, 2), dtype=np.int64)]
    batch: list[tuple[int, int]] = []
    with heeding_ctrl_c(sql):
        query = f"SELECT t.track, coalesce(CAST(t.popularity AS INTEGER), 0) FROM tracks t WHERE {condition[0]}"
        for row in sql.rows(query, condition[1]):
            batch.append(row)
            if len(batch) == _BATCH:
                parts.append(np.array(batch, dtype=np.int64))
                batch = []
    pairs = np.concatenate([*parts, np.array(batch, dtype=np.int64).reshape(-1, 2)])
    for popularity in np.unique(pairs[:, 1])[::-1].tolist():
        yield weight_of(popularity), RowList(np.unique(pairs[pairs[:, 1] == popularity, 0]))
