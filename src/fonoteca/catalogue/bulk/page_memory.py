"""Reading Arrow's buffers by address, so that one compiled function serves every layout of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

STEP = 1024
"""Rows that are worked on at once, column by column: their bytes stay in the fastest cache."""

# What a row of a description of columns holds: one int64 each.
KIND, VALUES, OFFSETS, VALIDITY, SHIFT, WIDTH = range(6)

# Kinds of columns.
NULLS, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, BOOL = range(10)
REAL, REAL_AS_IS, TEXT, TEXT_LARGE, BLOB, BLOB_LARGE, BLOB_FIXED = range(10, 17)


@intrinsic
def _as_pointer(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@intrinsic
def copy_bytes(typing_context: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy `count` bytes from the address `source` to the address `target`; they must not overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        two = [builder.inttoptr(address, cgutils.voidptr_t) for address in arguments[:2]]
        cgutils.raw_memcpy(builder, *two, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


@njit(nogil=True, cache=True, inline="always")
def bytes_at(address: int, count: int) -> Any:
    """`count` bytes at `address`."""
    return carray(_as_pointer(address), count, np.uint8)


TOUCHED = 256
"""Rows that are touched at a time."""


@njit(nogil=True, cache=True)
def touch(addresses: Any, seen: Any) -> None:
    """Have the processor fetch what lies at these addresses, all at once; one by one it would wait for each. `seen`: one int64."""
    found = np.int64(0)
    for row in range(len(addresses)):
        part = bytes_at(addresses[row], 1)
        found += part[0]
    seen[0] = found  # else the compiler leaves it all out


@njit(nogil=True, cache=True, inline="always")
def offsets32_at(address: int, count: int) -> Any:
    """`count` offsets of 4 bytes at `address`."""
    return carray(_as_pointer(address), count, np.int32)


@njit(nogil=True, cache=True, inline="always")
def int64s_at(address: int, count: int) -> Any:
    """`count` integers of 8 bytes at `address`."""
    return carray(_as_pointer(address), count, np.int64)


@njit(nogil=True, cache=True, inline="always")
def float64s_at(address: int, count: int) -> Any:
    """`count` doubles at `address`."""
    return carray(_as_pointer(address), count, np.float64)


@njit(nogil=True, cache=True)
def copy_part(target: Any, at: int, source: Any, start: int, count: int) -> None:
    """Copy source[start:start + count] to target[at:]; as slices are assigned it takes long to compile."""
    for k in range(count):
        target[at + k] = source[start + k]


@njit(nogil=True, cache=True)
def is_valid(address: int, row: int) -> bool:
    """Whether the bit of `row` is set in the bitmap at `address`; no bitmap means all are."""
    if address == 0:
        return True
    return (carray(_as_pointer(address), (row >> 3) + 1, np.uint8)[row >> 3] >> (row & 7)) & 1 == 1


@njit(nogil=True, cache=True)
def widen(kind: int, address: int, first: int, count: int, wide: Any) -> None:
    """Put `count` integers from row `first` of the column at `address` into the int64 array `wide`."""
    end = first + count
    pointer = _as_pointer(address)
    if kind in (INT64, UINT64):
        int64s = carray(pointer, end, np.int64)
        for i in range(count):
            wide[i] = int64s[first + i]
    elif kind == INT32:
        int32s = carray(pointer, end, np.int32)
        for i in range(count):
            wide[i] = int32s[first + i]
    elif kind == INT16:
        int16s = carray(pointer, end, np.int16)
        for i in range(count):
            wide[i] = int16s[first + i]
    elif kind == INT8:
        int8s = carray(pointer, end, np.int8)
        for i in range(count):
            wide[i] = int8s[first + i]
    elif kind == UINT32:
        uint32s = carray(pointer, end, np.uint32)
        for i in range(count):
            wide[i] = uint32s[first + i]
    elif kind == UINT16:
        uint16s = carray(pointer, end, np.uint16)
        for i in range(count):
            wide[i] = uint16s[first + i]
    elif kind == UINT8:
        uint8s = carray(pointer, end, np.uint8)
        for i in range(count):
            wide[i] = uint8s[first + i]
    else:
        bits = carray(pointer, (end + 7) >> 3, np.uint8)
        for i in range(count):
            wide[i] = (bits[(first + i) >> 3] >> ((first + i) & 7)) & 1


@njit(nogil=True, cache=True)
def starts_of(column: Any, row: int) -> int:
    """Where the bytes of `row` begin in the values of a text or blob column."""
    start, _ = span(column, row)
    return start


@njit(nogil=True, cache=True)
def widen_lengths(column: Any, first: int, count: int, lengths: Any) -> None:
    """Put the lengths of `count` texts or blobs from row `first` on into the int64 array `lengths`."""
    kind, at = column[KIND], first + column[SHIFT]
    if kind == BLOB_FIXED:
        for i in range(count):
            lengths[i] = column[WIDTH]
    elif kind in (TEXT, BLOB):
        near = offsets32_at(column[OFFSETS], at + count + 1)
        for i in range(count):
            lengths[i] = near[at + i + 1] - near[at + i]
    else:
        far = int64s_at(column[OFFSETS], at + count + 1)
        for i in range(count):
            lengths[i] = far[at + i + 1] - far[at + i]


@njit(nogil=True, cache=True)
def span(column: Any, row: int) -> Any:
    """Where the bytes of `row` begin and end in the values of a text or blob column."""
    kind = column[KIND]
    at = row + column[SHIFT]
    if kind == BLOB_FIXED:
        return at * column[WIDTH], (at + 1) * column[WIDTH]
    if kind in (TEXT, BLOB):
        offsets = offsets32_at(column[OFFSETS], at + 2)
        return np.int64(offsets[at]), np.int64(offsets[at + 1])
    far = int64s_at(column[OFFSETS], at + 2)
    return far[at], far[at + 1]
