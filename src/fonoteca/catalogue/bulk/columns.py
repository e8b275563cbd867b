"""Between Arrow's columns and numpy's arrays: numbers, ids packed into one word each, the first bytes of hashes."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[Any]
ID_LENGTH = 22
PACKED_CHARACTERS = 10
"""So many characters of an id, six bits each, make its packed form; binary order is kept."""

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHARACTERS = np.frombuffer(_ALPHABET + b"??", np.uint8)
"""The sign of each six bits."""
_SIX_BITS = np.full(256, 255, np.uint8)
_SIX_BITS[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(62)


def numbers_of(column: pa.Array) -> tuple[Array, Array | None]:
    """(values, which are there); None: all of them. Where there is none the value is 0."""
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    if not column.null_count:
        return column.to_numpy(), None
    return pc.fill_null(column, 0).to_numpy(), np.asarray(column.is_valid())


def text_parts(column: pa.Array) -> tuple[Array, Array]:
    """(offsets, bytes) of a column of texts or bytes; a NULL has no bytes."""
    if pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    wide = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    _, offsets, content = column.buffers()
    if offsets is None or not offsets.size:
        return np.zeros(len(column) + 1, np.int64), np.zeros(1, np.uint8)
    numbers = np.frombuffer(offsets, np.int64 if wide else np.int32)[column.offset : column.offset + len(column) + 1]
    return numbers, np.frombuffer(content, np.uint8) if content is not None and content.size else np.zeros(1, np.uint8)


@numba.njit(nogil=True, cache=True)
def _pack(offsets: Array, content: Array, six_bits: Array, packed: Array) -> int:
    for row in range(len(packed)):
        begin = np.int64(offsets[row])
        if np.int64(offsets[row + 1]) - begin != 22:
            return row
        word, seen = np.int64(0), np.uint8(0)
        for at in range(10):
            code = six_bits[content[begin + at]]
            seen |= code
            word = (word << 6) | np.int64(code & 63)
        for at in range(10, 22):
            seen |= six_bits[content[begin + at]]
        if seen > 63:
            return row
        packed[row] = word
    return -1


def pack_ids(column: pa.Array) -> tuple[Array, int]:
    """(the first ten characters of each id as a whole number that orders as they do, place of the first that is no id or -1)."""
    packed = np.empty(len(column), np.int64)
    offsets, content = text_parts(column)
    return packed, _pack(offsets, content, _SIX_BITS, packed) if len(column) else -1


@numba.njit(nogil=True, cache=True)
def _unpack(packed: Array, length: int, characters: Array, texts: Array) -> None:
    for row in range(len(packed)):
        word = packed[row]
        for at in range(length - 1, -1, -1):
            texts[row * length + at] = characters[word & 63]
            word >>= 6


def unpack_ids(packed: Array, length: int) -> pa.Array:
    """Texts of `length` characters from as many times six bits."""
    texts = np.empty(len(packed) * length, np.uint8)
    _unpack(packed, length, CHARACTERS, texts)
    offsets = np.arange(0, (len(packed) + 1) * length, length, dtype=np.int32)
    return pa.StringArray.from_buffers(len(packed), pa.py_buffer(offsets), pa.py_buffer(texts))


def first_bytes(column: pa.Array, count: int) -> Array:
    """The first `count` bytes (at most 7) of each value as a whole number; no value is NULL or shorter."""
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        rows = np.frombuffer(column.buffers()[1], np.uint8)[column.offset * width : (column.offset + len(column)) * width].reshape(
            -1, width
        )
        starts = rows[:, :count]
    else:
        offsets, content = text_parts(column)
        starts = content[offsets[:-1, None].astype(np.int64) + np.arange(count)]
    number = np.zeros(len(column), np.int64)
    for place in range(count):
        number = (number << 8) | starts[:, place]
    return number


def bytes_of_numbers(numbers: Array, count: int) -> pa.Array:
    """What first_bytes made, as values of `count` bytes each."""
    whole = numbers.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 8 - count :]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(count), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(whole))])


def byte_lengths(column: pa.Array) -> Array:
    """How many bytes each value has."""
    if pa.types.is_fixed_size_binary(column.type):
        return np.full(len(column), column.type.byte_width, np.int64)
    return np.diff(text_parts(column)[0])
