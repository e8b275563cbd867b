"""Arrow columns described for the compiled functions: where their values, offsets and validity lie in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fonoteca.catalogue.bulk import page_memory as memory
from fonoteca.catalogue.bulk.page_schema import ANY, BLOB_, INTEGER, NUMERIC, REAL_, TEXT_, Column, Tree
from fonoteca.ground.errors import DatabaseError

_INTEGERS = {
    pa.int8(): memory.INT8,
    pa.int16(): memory.INT16,
    pa.int32(): memory.INT32,
    pa.int64(): memory.INT64,
    pa.uint8(): memory.UINT8,
    pa.uint16(): memory.UINT16,
    pa.uint32(): memory.UINT32,
    pa.uint64(): memory.UINT64,
    pa.bool_(): memory.BOOL,
}
_SPANS = {
    pa.string(): memory.TEXT,
    pa.large_string(): memory.TEXT_LARGE,
    pa.binary(): memory.BLOB,
    pa.large_binary(): memory.BLOB_LARGE,
}
_TEXTS = (memory.TEXT, memory.TEXT_LARGE)
_MAY_HOLD = {
    INTEGER: set(_INTEGERS.values()),
    TEXT_: set(_TEXTS),
    BLOB_: {memory.BLOB, memory.BLOB_LARGE, memory.BLOB_FIXED},
    REAL_: {memory.REAL, memory.REAL_AS_IS},
    NUMERIC: {*_INTEGERS.values(), memory.REAL, memory.REAL_AS_IS},
}


class ColumnsOfBatch:
    """The stored columns of one batch; `described` is what compiled functions read, int64[columns, 6]."""

    def __init__(self, tree: Tree, arrays: list[Any]) -> None:
        self.rows = len(arrays[0]) if arrays else 0
        self.arrays: list[Any] = []  # keeps the memory alive
        self.described = np.zeros((len(tree.columns), 6), np.int64)
        self.stored = trimmed_from(tree)  # columns from here on are NULL all through and left out
        for place, (column, array) in enumerate(zip(tree.columns, arrays, strict=True)):
            if place == tree.row_number:
                continue  # it stands in the key of the row
            try:
                self._describe(place, column, array)
            except DatabaseError as error:
                raise DatabaseError(f"{tree.name}.{column.name or place}: {error.message}") from error

    def _describe(self, place: int, column: Column, array: Any) -> None:
        array = _plain(column, array)
        self.arrays.append(array)
        kind = _kind(array.type, column.affinity)
        if column.is_required and (array.null_count or (kind == memory.REAL and pc.any(pc.is_nan(array)).as_py())):
            raise DatabaseError("a value is missing where the schema says NOT NULL")
        if array.null_count == len(array):
            return  # described by zeros: all NULL
        allowed = _MAY_HOLD.get(column.affinity)
        if allowed is not None and kind not in allowed:
            raise DatabaseError(f"a column of type {column.affinity} cannot take Arrow's {array.type}")
        buffers = array.buffers()
        self.stored = max(self.stored, place + 1)
        row = self.described[place]
        row[memory.KIND] = kind
        row[memory.SHIFT] = array.offset
        row[memory.VALIDITY] = buffers[0].address if array.null_count and buffers[0] is not None else 0
        row[memory.VALUES] = buffers[-1].address if buffers[-1] is not None else 0
        if kind >= memory.TEXT and kind != memory.BLOB_FIXED:
            row[memory.OFFSETS] = buffers[1].address
        if kind == memory.BLOB_FIXED:
            row[memory.WIDTH] = array.type.byte_width


def _plain(column: Column, array: Any) -> Any:
    """Without what compiled functions need not know: dictionaries, floats of other sizes, views."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if column.affinity == REAL_ and kind in _INTEGERS:
        return array.cast(pa.float64(), safe=False)
    if pa.types.is_floating(kind) and kind != pa.float64():
        return array.cast(pa.float64())
    if kind == pa.uint64() and array.null_count < len(array) and pc.max(array).as_py() > 2**63 - 1:
        raise DatabaseError("a number is over 2^63 - 1, the largest of SQLite")
    if pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(kind) else array


def _kind(kind: Any, affinity: str) -> int:
    if kind in _INTEGERS:
        return _INTEGERS[kind]
    if kind in _SPANS:
        return _SPANS[kind]
    if kind == pa.float64():
        return memory.REAL if affinity in (REAL_, NUMERIC) else memory.REAL_AS_IS
    if kind == pa.null():
        return memory.NULLS
    if pa.types.is_fixed_size_binary(kind):
        return memory.BLOB_FIXED
    raise DatabaseError(f"Arrow's {kind} is nothing SQLite stores")


def order_of_arrays(tree: Tree, batch: Any) -> tuple[list[Any], Any]:
    """A batch's arrays in stored order, and its row numbers (None where counted).

    Tables are matched by the names of their columns; indexes by place, as expressions have no name.
    """
    names = [column.name for column in tree.columns]
    if not tree.is_table:
        if batch.num_columns != len(names):
            raise DatabaseError(
                f"index {tree.name} has {len(names)} columns with those that lead to the row, the batch {batch.num_columns}"
            )
        return list(batch.columns), None
    wanted = set(names) - {names[tree.row_number]} if tree.row_number >= 0 else set(names)
    given = set(batch.schema.names)
    if not wanted <= given or not given <= set(names) or len(given) != batch.num_columns:
        raise DatabaseError(f"table {tree.name} stores {', '.join(names)}; the batch has {', '.join(batch.schema.names)}")
    if tree.row_number < 0:
        return [batch.column(name) for name in names], None
    key = names[tree.row_number]
    arrays = [batch.column(name) if name != key else pa.nulls(batch.num_rows) for name in names]
    return arrays, batch.column(key) if key in given else None


def trimmed_from(tree: Tree) -> int:
    """How many columns at the start of a record are always there: of a table, later NULLs at the end may be left out."""
    if not tree.is_table:
        return len(tree.columns)
    fixed = max([1, tree.keys, *(place + 1 for place, column in enumerate(tree.columns) if column.has_default)])
    return min(fixed, len(tree.columns))


__all__ = ["ANY", "ColumnsOfBatch", "order_of_arrays", "trimmed_from"]
