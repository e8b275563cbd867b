"""Entries of an index over one column as records, straight from sorted keys: no column of texts is made on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import CHARACTERS
from fonoteca.catalogue.bulk.page_packing import PackedRows
from fonoteca.catalogue.bulk.page_records import integer_type

Array = NDArray[Any]
NUMBERS, TEXTS, BLOBS = range(3)
"""What keys are: whole numbers; `prefix` characters of six bits each; `prefix` bytes."""
_MOST_OF_KEY, _MOST_OF_LEAD = 3 + 8, 1 + 8
_LENGTHS = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0], np.int64)


def pack_entries(keys: Array, rows: Array, leads: list[Array], kind: int, prefix: int) -> PackedRows:
    """Entries for ascending keys (int64). `rows` are the places of their rows; what leads to a row stands there in each of `leads`,
    whole numbers, or is its place and 1 where there are none. At most two leads."""
    nothing = np.empty(0, np.int32)
    records = np.empty(len(keys) * (_MOST_OF_KEY + _MOST_OF_LEAD * max(1, len(leads))), np.uint8)
    starts = np.empty(len(keys) + 1, np.int64)
    first, second = (leads[place] if place < len(leads) else nothing for place in range(2))
    _write(keys, rows, first, second, kind, prefix, CHARACTERS, records, starts)
    return PackedRows(np.empty(0, np.int64), starts[:-1] + records.ctypes.data, np.diff(starts), records)


@njit(nogil=True, cache=True)
def _write(keys: Any, rows: Any, first: Any, second: Any, kind: int, prefix: int, characters: Any, out: Any, starts: Any) -> None:
    columns = 3 if len(second) else 2
    at = 0
    for place in range(len(keys)):
        starts[place] = at
        row = rows[place]
        one = np.int64(first[row]) if len(first) else row + 1
        out[at] = 1 + columns
        body = at + 1 + columns
        if kind == NUMBERS:
            out[at + 1] = integer_type(keys[place])
            body = _put_integer(out, body, out[at + 1], keys[place])
        else:
            out[at + 1] = prefix * 2 + (13 if kind == TEXTS else 12)
            word, bits = keys[place], 6 if kind == TEXTS else 8
            for back in range(prefix - 1, -1, -1):
                code = word & ((1 << bits) - 1)
                out[body + back] = characters[code] if kind == TEXTS else code
                word >>= bits
            body += prefix
        out[at + 2] = integer_type(one)
        body = _put_integer(out, body, out[at + 2], one)
        if columns == 3:
            other = np.int64(second[row])
            out[at + 3] = integer_type(other)
            body = _put_integer(out, body, out[at + 3], other)
        at = body
    starts[len(keys)] = at


@njit(nogil=True, cache=True, inline="always")
def _put_integer(out: Any, at: int, kind: int, value: int) -> int:
    length = _LENGTHS[kind]
    for k in range(length - 1, -1, -1):
        out[at + k] = value & 255
        value >>= 8
    return at + length
