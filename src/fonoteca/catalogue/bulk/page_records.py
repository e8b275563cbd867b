"""Rows of Arrow columns as SQLite records: first how long each is, then its bytes. https://www.sqlite.org/fileformat2.html#record_format

Both go column by column over some thousand rows, so that the choice of a column's type is made once for all of them.
"""

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
    TEXT,
    TEXT_LARGE,
    VALIDITY,
    VALUES,
    copy_bytes,
    float64s_at,
    int64s_at,
    is_valid,
    starts_of,
    widen,
    widen_lengths,
)

_ABSENT = 255  # a NULL at the end of a record that is left out
_PRESENT = 100  # text or blob: its length tells the type
_LENGTHS = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0], np.int64)  # bytes of the serial types 0 to 9
_SIX_BYTES = 140737488355327  # the largest integer of six bytes


@njit(nogil=True, cache=True)
def varint_length(value: int) -> int:
    """Bytes that `value` takes as a varint, 1 to 9."""
    if value < 0:
        return 9
    length = 1
    value >>= 7
    while value > 0 and length < 9:
        length += 1
        value >>= 7
    return length


@njit(nogil=True, cache=True)
def put_varint(out: Any, at: int, value: int) -> int:
    """Write `value` as a varint at out[at:]; the place after it."""
    if 0 <= value < 128:
        out[at] = value
        return at + 1
    if 0 <= value < 1 << 14:
        out[at] = (value >> 7) | 128
        out[at + 1] = value & 127
        return at + 2
    if 0 <= value < 1 << 28:
        is_long = value >= 1 << 21
        out[at] = (value >> 21) | 128
        at += is_long
        out[at] = ((value >> 14) & 127) | 128
        out[at + 1] = ((value >> 7) & 127) | 128
        out[at + 2] = value & 127
        return at + 3
    length = varint_length(value)
    end = at + length
    if length == 9:
        out[end - 1] = value & 255
        value >>= 8
        for k in range(7, -1, -1):
            out[at + k] = (value & 127) | 128
            value >>= 7
        return end
    for k in range(length - 1, -1, -1):
        out[at + k] = (value & 127) | (0 if k == length - 1 else 128)
        value >>= 7
    return end


@njit(nogil=True, cache=True, inline="always")
def integer_type(value: int) -> int:
    """The serial type of a whole number."""
    size = value ^ (value >> 63)
    kind = 1 + (size > 127) + (size > 32767) + (size > 8388607) + (size > 2147483647) + (size > _SIX_BYTES)
    return 8 + value if size <= 1 and value >= 0 else kind


@njit(nogil=True, cache=True)
def _measure_integers(kind: int, column: Any, first: int, kinds: Any, wide: Any) -> None:
    count = len(kinds)
    widen(kind, column[VALUES], first + column[SHIFT], count, wide)
    for i in range(count):
        kinds[i] = integer_type(wide[i])


@njit(nogil=True, cache=True)
def _measure_reals(kind: int, column: Any, first: int, kinds: Any) -> None:
    values = float64s_at(column[VALUES], first + column[SHIFT] + len(kinds))
    for i in range(len(kinds)):
        value = values[first + column[SHIFT] + i]
        if value != value:
            kinds[i] = 0
            continue
        kinds[i] = 7
        if kind == REAL and -_SIX_BYTES - 1 <= value <= _SIX_BYTES and value == np.floor(value):
            kinds[i] = integer_type(np.int64(value))


@njit(nogil=True, cache=True)
def _measure_spans(column: Any, first: int, kinds: Any, headers: Any, bodies: Any, lengths: Any) -> None:
    """Text and blobs; their type takes one byte, and one more for each of the further bytes added here."""
    kinds[:] = _PRESENT
    widen_lengths(column, first, len(kinds), lengths)
    if column[VALIDITY] != 0:
        for i in range(len(kinds)):
            if not is_valid(column[VALIDITY], first + column[SHIFT] + i):
                kinds[i] = 0
                lengths[i] = 0
    for i in range(len(kinds)):
        bodies[i] += lengths[i]
        if lengths[i] > 57:  # 2 x 57 + 13 = 127
            headers[i] += varint_length(lengths[i] * 2 + 12) - 1


@njit(nogil=True, cache=True)
def measure(columns: Any, first: int, fixed: int, kinds: Any, headers: Any, bodies: Any) -> int:
    """Lengths of the records of len(headers) rows from row `first`: header with its own length, and body; the longest record.

    `kinds` (columns x rows) takes the serial types for `write_records`; the first `fixed` columns are there even if NULL.
    """
    count = len(headers)
    wide = np.empty(STEP, np.int64)
    rest = np.empty(STEP, np.bool_)
    longest = 0
    for start in range(0, count, STEP):
        end = min(start + STEP, count)
        rest[:] = False
        headers[start:end] = 0
        bodies[start:end] = 0
        for c in range(len(columns) - 1, -1, -1):
            _measure_column(columns[c], first + start, kinds[c, start:end], headers[start:end], bodies[start:end], wide)
            _count_stored(c < fixed, kinds[c, start:end], rest, headers[start:end])
        for i in range(start, end):
            headers[i] += 1 if headers[i] < 127 else 2 if headers[i] < 16382 else 3
            longest = max(longest, headers[i] + bodies[i])
    return longest


@njit(nogil=True, cache=True)
def _measure_column(column: Any, first: int, kinds: Any, headers: Any, bodies: Any, wide: Any) -> None:
    kind = column[KIND]
    if kind == NULLS:
        kinds[:] = 0
        return
    if kind >= TEXT:
        _measure_spans(column, first, kinds, headers, bodies, wide)
        return
    if INT8 <= kind <= BOOL:
        _measure_integers(kind, column, first, kinds, wide)
    else:
        _measure_reals(kind, column, first, kinds)
    if column[VALIDITY] != 0:
        for i in range(len(kinds)):
            if not is_valid(column[VALIDITY], first + column[SHIFT] + i):
                kinds[i] = 0
    for i in range(len(kinds)):
        bodies[i] += _LENGTHS[kinds[i]]


@njit(nogil=True, cache=True)
def _count_stored(is_fixed: bool, kinds: Any, rest: Any, headers: Any) -> None:
    """Leave out the NULLs that nothing follows; `rest` says where something does."""
    if is_fixed:
        rest[: len(kinds)] = True
    for i in range(len(kinds)):
        rest[i] |= kinds[i] != 0
        if rest[i]:
            headers[i] += 1
        else:
            kinds[i] = _ABSENT


@njit(nogil=True, cache=True)
def write_records(columns: Any, first: int, kinds: Any, headers: Any, places: Any, out: Any) -> None:
    """Write the records that `measure` measured, each at out[places[i]:]."""
    count = len(headers)
    wide = np.empty(STEP, np.int64)
    heads = np.empty(STEP, np.int64)
    bodies = np.empty(STEP, np.int64)
    for start in range(0, count, STEP):
        end = min(start + STEP, count)
        for i in range(start, end):
            heads[i - start] = put_varint(out, places[i], headers[i])
            bodies[i - start] = places[i] + headers[i]
        for c in range(len(columns)):
            _write_column(columns[c], first + start, kinds[c, start:end], heads, bodies, out, wide)


@njit(nogil=True, cache=True)
def _write_column(column: Any, first: int, kinds: Any, heads: Any, bodies: Any, out: Any, wide: Any) -> None:
    kind = column[KIND]
    if kind == NULLS:
        for i in range(len(kinds)):
            if kinds[i] != _ABSENT:
                out[heads[i]] = 0
                heads[i] += 1
    elif INT8 <= kind <= BOOL:
        widen(kind, column[VALUES], first + column[SHIFT], len(kinds), wide)
        _write_numbers(kinds, wide, wide, heads, bodies, out)
    elif kind in (REAL, REAL_AS_IS):
        at = first + column[SHIFT]
        values = float64s_at(column[VALUES], at + len(kinds))
        for i in range(len(kinds)):
            wide[i] = np.int64(values[at + i]) if kinds[i] != 7 and kinds[i] != 0 and kinds[i] != _ABSENT else 0
        _write_numbers(kinds, wide, int64s_at(column[VALUES], at + len(kinds))[at:], heads, bodies, out)
    else:
        _write_spans(column, first, kinds, heads, bodies, out)


@njit(nogil=True, cache=True)
def _write_numbers(kinds: Any, wide: Any, patterns: Any, heads: Any, bodies: Any, out: Any) -> None:
    """Integers from `wide`; doubles (serial type 7) as the bit patterns in `patterns`."""
    for i in range(len(kinds)):
        kind = kinds[i]
        if kind == _ABSENT:
            continue
        out[heads[i]] = kind
        heads[i] += 1
        if kind == 0 or kind > 7:
            continue
        value = patterns[i] if kind == 7 else wide[i]
        at = bodies[i]
        if kind == 1:
            out[at] = value & 255
            bodies[i] = at + 1
        elif kind == 2:
            out[at] = (value >> 8) & 255
            out[at + 1] = value & 255
            bodies[i] = at + 2
        elif kind == 3:
            out[at] = (value >> 16) & 255
            out[at + 1] = (value >> 8) & 255
            out[at + 2] = value & 255
            bodies[i] = at + 3
        elif kind == 4:
            out[at] = (value >> 24) & 255
            out[at + 1] = (value >> 16) & 255
            out[at + 2] = (value >> 8) & 255
            out[at + 3] = value & 255
            bodies[i] = at + 4
        else:
            length = _LENGTHS[kind]
            for k in range(length - 1, -1, -1):
                out[at + k] = value & 255
                value >>= 8
            bodies[i] = at + length


@njit(nogil=True, cache=True)
def _write_spans(column: Any, first: int, kinds: Any, heads: Any, bodies: Any, out: Any) -> None:
    count = len(kinds)
    lengths = np.empty(STEP, np.int64)
    widen_lengths(column, first, count, lengths)
    extra = 13 if column[KIND] == TEXT or column[KIND] == TEXT_LARGE else 12
    source = column[VALUES] + starts_of(column, first)
    target = out.ctypes.data
    for i in range(count):
        length = lengths[i]
        if kinds[i] == _PRESENT:
            heads[i] = put_varint(out, heads[i], length * 2 + extra)
            at = bodies[i]
            copy_bytes(target + at, source, length)
            bodies[i] = at + length
        elif kinds[i] == 0:
            out[heads[i]] = 0
            heads[i] += 1
        source += length
