"""Whether the rows of a batch ascend as SQLite compares them: NULL first, numbers by value, text and blobs by their bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.page_memory import (
    BOOL,
    INT8,
    KIND,
    NULLS,
    REAL,
    REAL_AS_IS,
    SHIFT,
    STEP,
    VALIDITY,
    VALUES,
    bytes_at,
    float64s_at,
    is_valid,
    span,
    widen,
)

_DONE, _SAME, _SAME_NULL = 0, 1, 2  # what two neighbours are so far: told apart, equal, equal with a NULL in them


@njit(nogil=True, cache=True)
def _compare_spans(column: Any, row: int) -> int:
    """Sign of the bytes of `row` less those of the row before it."""
    start, end = span(column, row - 1)
    later, stop = span(column, row)
    shared = min(end - start, stop - later)
    one = bytes_at(column[VALUES] + start, shared)
    two = bytes_at(column[VALUES] + later, shared)
    for k in range(shared):
        if one[k] != two[k]:
            return 1 if two[k] > one[k] else -1
    return (stop - later) - (end - start)


@njit(nogil=True, cache=True)
def _is_null(column: Any, row: int) -> bool:
    if column[KIND] == NULLS or not is_valid(column[VALIDITY], row + column[SHIFT]):
        return True
    if column[KIND] == REAL or column[KIND] == REAL_AS_IS:
        value = float64s_at(column[VALUES], row + column[SHIFT] + 1)[row + column[SHIFT]]
        return value != value  # stored as NULL
    return False


@njit(nogil=True, cache=True)
def _compare(column: Any, row: int) -> int:
    kind = column[KIND]
    if kind in (REAL, REAL_AS_IS):
        values = float64s_at(column[VALUES], row + column[SHIFT] + 1)
        one, two = values[row + column[SHIFT] - 1], values[row + column[SHIFT]]
        return 0 if one == two else 1 if two > one else -1
    return _compare_spans(column, row)


@njit(nogil=True, cache=True)
def _judge_integers(column: Any, first: int, states: Any, wide: Any) -> int:
    """Integers without NULLs, the common case; the first descending row or -1."""
    widen(column[KIND], column[VALUES], first - 1 + column[SHIFT], len(states) + 1, wide)
    for i in range(len(states)):
        if states[i] != _DONE:
            if wide[i + 1] < wide[i]:
                return first + i
            if wide[i + 1] > wide[i]:
                states[i] = _DONE
    return -1


@njit(nogil=True, cache=True)
def _judge(column: Any, first: int, states: Any, wide: Any) -> int:
    is_integer = INT8 <= column[KIND] <= BOOL
    if is_integer and column[VALIDITY] == 0:
        return _judge_integers(column, first, states, wide)
    for i in range(len(states)):
        if states[i] == _DONE:
            continue
        one, two = _is_null(column, first + i - 1), _is_null(column, first + i)
        if one and two:
            states[i] = _SAME_NULL
            continue
        if one or two:
            sign = 1 if one else -1
        elif is_integer:
            widen(column[KIND], column[VALUES], first + i - 1 + column[SHIFT], 2, wide)
            sign = 1 if wide[1] > wide[0] else -1 if wide[1] < wide[0] else 0
        else:
            sign = _compare(column, first + i)
        if sign < 0:
            return first + i
        if sign > 0:
            states[i] = _DONE
    return -1


@njit(nogil=True, cache=True)
def first_disorder(columns: Any, keys: int, unique: int, rows: int) -> int:
    """The first row that does not ascend over the one before it by `keys` columns, or repeats `unique` ones without NULL; -1: none."""
    wide = np.empty(STEP + 1, np.int64)
    states = np.empty(STEP, np.uint8)
    for start in range(1, rows, STEP):
        part = states[: min(STEP, rows - start)]
        part[:] = _SAME
        for c in range(keys):
            wrong = _judge(columns[c], start, part, wide)
            if wrong >= 0:
                return wrong
            if c + 1 == unique:
                for i in range(len(part)):
                    if part[i] == _SAME:
                        return start + i
            if not part.any():
                break
        for i in range(len(part)):
            if part[i] != _DONE:
                return start + i
    return -1
