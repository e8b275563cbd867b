"""From the row numbers that a table came with to its ranks."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of
from fonoteca.catalogue.bulk.staging import StagedTable
from fonoteca.ground.errors import FormatError

Array = NDArray[Any]


@numba.njit(nogil=True, cache=True)
def _look_up(values: Array, first: int, ranks: Array, found: Array) -> None:
    for place in range(len(values)):
        at = np.int64(values[place]) - first
        found[place] = ranks[at] if 0 <= at < len(ranks) else 0


class Renumbering:
    """The rank of every row number of one table.

    `ranks` are those of its rows in order, whose `numbers` ascend (None: from `first` without gaps).
    """

    def __init__(self, first: int, numbers: Array | None, ranks: Array) -> None:
        self._first, self._numbers, self._ranks = first, numbers, ranks
        if numbers is not None and len(numbers) and int(numbers[-1]) - first < 2 * len(numbers) + 1_000_000:
            spread = np.zeros(int(numbers[-1]) - first + 1, ranks.dtype)
            spread[numbers - first] = ranks
            self._numbers, self._ranks = None, spread

    def apply(self, values: Array) -> Array:
        """Ranks as int32; 0 for a number that the table has not."""
        found = np.empty(len(values), np.int32)
        if self._numbers is None:
            _look_up(values, self._first, self._ranks, found)
            return found
        if not len(self._numbers):
            return np.zeros(len(values), np.int32)
        at = np.minimum(np.searchsorted(self._numbers, values), len(self._numbers) - 1)
        return np.where(self._numbers[at] == values, self._ranks[at], 0).astype(np.int32)

    def apply_to(self, column: pa.Array, what: str, first_row: int) -> pa.Array:
        """A column of row numbers as ranks; FormatError for one that is unknown, `what` says whose (table and column)."""
        values, there = numbers_of(column)
        found = self.apply(values)
        unknown = found == 0 if there is None else (found == 0) & there
        if unknown.any():
            place = int(np.argmax(unknown))
            raise FormatError(f"{what}, row {first_row + place + 1}: there is no row {values[place]} to refer to", "Make the tables again.")
        return pa.array(found) if there is None else pa.array(found, mask=~there)


class NumberReader:
    """Takes the row numbers of a table batch by batch, checks that they ascend, and knows whether there are gaps."""

    def __init__(self, table: StagedTable) -> None:
        self._table, self._first, self._next = table, 0, 0
        self._rows, self._kept = 0, list[tuple[int, int] | Array]()
        self._has_gaps = False

    def take(self, column: pa.Array) -> None:
        """The next row numbers; FormatError where they do not ascend."""
        values, there = numbers_of(column)
        if not len(values):
            return
        if there is not None or (self._rows and values[0] < self._next) or (np.diff(values) < 1).any():
            place = self._rows + int(np.argmax(np.diff(values) < 1)) + 2
            raise FormatError(
                f"{self._table.path}: its row numbers do not ascend near row {place}", "Write its rows in the order of their numbers."
            )
        if not self._rows:
            self._first = int(values[0])
        elif values[0] != self._next:
            self._has_gaps = True
        is_whole = int(values[-1]) - int(values[0]) + 1 == len(values)
        self._kept.append((int(values[0]), int(values[-1])) if is_whole else values.astype(np.int64))
        self._has_gaps |= not is_whole
        self._next, self._rows = int(values[-1]) + 1, self._rows + len(values)

    def renumbering(self, ranks: Array) -> Renumbering:
        """The renumbering, once every batch was taken and the rows are ranked."""
        if not self._has_gaps:
            return Renumbering(self._first, None, ranks)
        return Renumbering(self._first, self._all_numbers(), ranks)

    def _all_numbers(self) -> Array:
        return np.concatenate([np.arange(part[0], part[1] + 1) if isinstance(part, tuple) else part for part in self._kept])
