"""Columns read back from packed records. https://www.sqlite.org/fileformat2.html#record_format"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.page_memory import TOUCHED, bytes_at, copy_bytes, touch
from fonoteca.catalogue.bulk.page_packing import PackedRows
from fonoteca.catalogue.bulk.page_schema import BLOB_, REAL_, TEXT_, Tree

Array = NDArray[Any]
_UNWANTED = -1
_NUMBER, _REAL, _SPAN = range(3)
_LENGTHS = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0], np.int64)
_LONGEST_HEADER = 1 << 20


def unpack_columns(tree: Tree, rows: PackedRows, names: Sequence[str]) -> pa.RecordBatch:
    """These columns of the rows: integers as int64, REAL as doubles, texts and blobs; null() for what is NULL all through."""
    wanted = [name for name in names if tree.row_number < 0 or name != tree.columns[tree.row_number].name]
    places = [next(place for place, column in enumerate(tree.columns) if column.name == name) for name in wanted]
    slots, kinds = np.full(len(tree.columns), _UNWANTED, np.int64), np.zeros(len(wanted), np.int64)
    for slot, place in enumerate(places):
        affinity = tree.columns[place].affinity
        slots[place], kinds[slot] = slot, _SPAN if affinity in (TEXT_, BLOB_) else _REAL if affinity == REAL_ else _NUMBER
    count = len(rows)
    values, sizes = np.empty((len(wanted), count), np.int64), np.empty((len(wanted), count), np.int32)
    last = max(places, default=-1)
    _read(rows.addresses, slots[: last + 1], kinds, values, values.view(np.float64), sizes)
    found: dict[str, pa.Array] = {}
    for slot, (name, place) in enumerate(zip(wanted, places, strict=True)):
        column = tree.columns[place]
        if kinds[slot] == _SPAN:
            found[name] = _spans(values[slot], sizes[slot], pa.string() if column.affinity == TEXT_ else pa.binary())
        else:
            found[name] = _numbers(values[slot].view(np.float64) if kinds[slot] == _REAL else values[slot], sizes[slot])
    if len(wanted) < len(names):
        found[tree.columns[tree.row_number].name] = pa.array(rows.numbers)
    return pa.RecordBatch.from_arrays([found[name] for name in names], list(names))


def _numbers(values: Array, sizes: Array) -> pa.Array:
    missing = sizes < 0
    if not missing.any():
        return pa.array(values)
    return pa.nulls(len(values)) if missing.all() else pa.array(values, mask=missing)


def _spans(addresses: Array, sizes: Array, kind: pa.DataType) -> pa.Array:
    missing = sizes < 0
    if missing.all():
        return pa.nulls(len(sizes))
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(np.where(missing, 0, sizes), out=offsets[1:])
    content = np.empty(max(1, int(offsets[-1])), np.uint8)
    _gather(addresses, offsets, content)
    if is_large := offsets[-1] >= 1 << 31:
        kind = pa.large_string() if kind == pa.string() else pa.large_binary()
    there = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    buffers = [there, pa.py_buffer(offsets if is_large else offsets.astype(np.int32)), pa.py_buffer(content)]
    return pa.Array.from_buffers(kind, len(sizes), buffers)


@njit(nogil=True, cache=True)
def _gather(addresses: Any, offsets: Any, content: Any) -> None:
    target = content.ctypes.data
    for row in range(len(addresses)):
        if offsets[row + 1] > offsets[row]:
            copy_bytes(target + offsets[row], addresses[row], offsets[row + 1] - offsets[row])


@njit(nogil=True, cache=True)
def _read(addresses: Any, slots: Any, kinds: Any, values: Any, reals: Any, sizes: Any) -> None:
    """values[slot, row]: the number, or the address of a text or blob; sizes[slot, row]: its bytes, -1 for NULL."""
    sizes[:] = -1
    seen = np.empty(1, np.int64)
    for row in range(len(addresses)):
        if row % TOUCHED == 0:
            touch(addresses[row : row + TOUCHED], seen)
        data = bytes_at(addresses[row], _LONGEST_HEADER)
        end, at = _varint(data, 0)
        body = end
        for column in range(len(slots)):
            if at >= end:
                break
            if data[at] < 128:
                kind = np.int64(data[at])
                at += 1
            else:
                kind, at = _varint(data, at)
            length = _LENGTHS[kind] if kind < 10 else (kind - 12) >> 1
            slot = slots[column]
            if slot >= 0 and kind != 0:
                sizes[slot, row] = length
                if kinds[slot] == 2:
                    values[slot, row] = addresses[row] + body
                elif kinds[slot] == 1 and kind != 7:
                    reals[slot, row] = _integer(data, body, kind, length)
                else:
                    values[slot, row] = _integer(data, body, kind, length)
            body += length


@njit(nogil=True, cache=True)
def _varint(data: Any, at: int) -> Any:
    value = np.int64(0)
    for _ in range(9):
        byte = np.int64(data[at])
        at += 1
        value = (value << 7) | (byte & 127)
        if byte < 128:
            break
    return value, at


@njit(nogil=True, cache=True)
def _integer(data: Any, at: int, kind: int, length: int) -> Any:
    if kind >= 8:
        return kind - 8
    value = np.int64(data[at])
    if value >= 128:
        value -= 256
    for k in range(1, length):
        value = (value << 8) | np.int64(data[at + k])
    return value
