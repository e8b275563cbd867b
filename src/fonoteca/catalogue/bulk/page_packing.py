"""Rows as SQLite's records, packed one behind another: made once, moved about as they are, copied into pages at last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.page_columns import ColumnsOfBatch, order_of_arrays, trimmed_from
from fonoteca.catalogue.bulk.page_records import measure, write_records
from fonoteca.catalogue.bulk.page_schema import Tree
from fonoteca.ground.errors import DatabaseError

Array = NDArray[Any]
LARGEST_RECORD = 1_000_000_000
"""SQLITE_MAX_LENGTH of the usual builds."""


@dataclass(frozen=True)
class PackedRows:
    """Records of one tree that lie anywhere in memory.

    numbers: the row numbers, int64, or nothing where the tree has none; addresses, lengths: int64; memory: what they lie in, kept alive.
    """

    numbers: Array
    addresses: Array
    lengths: Array
    memory: Any

    def __len__(self) -> int:
        return len(self.addresses)

    def part(self, begin: int, end: int) -> PackedRows:
        """Some of the rows."""
        return PackedRows(self.numbers[begin:end], self.addresses[begin:end], self.lengths[begin:end], self.memory)


def check_length(tree: Tree, longest: int) -> None:
    """DatabaseError for a record that SQLite would not read."""
    if longest > LARGEST_RECORD:
        raise DatabaseError(f"{tree.name}: a record of {longest:,} bytes, more than SQLite reads")


def pack_rows(tree: Tree, batch: Any, order: Array) -> tuple[Array, Array]:
    """(where each record begins, and the end of the last; the records): row order[0] of the batch first, then order[1] …

    DatabaseError where the columns are not those of the tree, or a value is missing.
    """
    arrays, _ = order_of_arrays(tree, batch)
    columns = ColumnsOfBatch(tree, arrays)
    rows, described = columns.rows, columns.described[: columns.stored]
    kinds = np.empty((columns.stored, rows), np.uint8)
    headers, bodies, places, starts = (np.empty(rows + extra, np.int64) for extra in (0, 0, 0, 1))
    check_length(tree, measure(described, 0, trimmed_from(tree), kinds, headers, bodies))
    _place(headers, bodies, order, places, starts)
    records = np.empty(int(starts[-1]), np.uint8)
    write_records(described, 0, kinds, headers, places, records)
    return starts, records


@njit(nogil=True, cache=True)
def _place(headers: Any, bodies: Any, order: Any, places: Any, starts: Any) -> None:
    starts[0] = 0
    for place in range(len(order)):
        row = order[place]
        places[row] = starts[place]
        starts[place + 1] = starts[place] + headers[row] + bodies[row]
