"""The order of the rows of an edition: artists, albums and tracks by popularity, the small tables by name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of, pack_ids, text_parts
from fonoteca.catalogue.bulk.renumbering import NumberReader, Renumbering
from fonoteca.catalogue.bulk.sorting import SortedPairs, order_texts
from fonoteca.catalogue.bulk.staging import StagedTable
from fonoteca.ground.errors import FormatError

Array = NDArray[Any]
NO_POPULARITY = 101
HASH_BYTES = 32


class Ranked:
    """One table in its new order: `ranks[place]` is the new number of the row at `place`; `renumbering` maps the numbers it came with."""

    def __init__(self, numbers: NumberReader, order: Array) -> None:
        self.ranks = np.empty(len(order), np.int32)
        self.ranks[order] = np.arange(1, len(order) + 1, dtype=np.int32)
        self.renumbering: Renumbering = numbers.renumbering(self.ranks)


class _OddValueError(Exception):
    """A value that needs more room than the quick way has."""


def rank_by_popularity(table: StagedTable, threads: int) -> Ranked:
    """Artists or albums: popularity downwards, none last, then id. FormatError for an id that is none or is there twice."""
    numbers, packed, classes = NumberReader(table), np.empty(table.rows, np.int64), PopularityClasses(table.rows)
    first = 0
    for batch in table.batches([table.shape.key[0], "id", "popularity"]):
        numbers.take(batch.column(table.shape.key[0]))
        packed[first : first + len(batch)] = packed_ids(table, batch, first)
        classes.take(batch)
        first += len(batch)
    order = SortedPairs(packed, threads=threads).order()
    same = np.flatnonzero(packed[order[1:]] == packed[order[:-1]])
    if len(same):
        settle_by_id(table, order, same)
    return Ranked(numbers, order_by_class(classes.ordered(), order))


def rank_by_name(table: StagedTable) -> Ranked:
    """A table whose rows are told apart by texts or hashes (its unique columns), in their binary order. FormatError for two alike."""
    numbers, columns = NumberReader(table), table.shape.unique_columns
    parts = list(table.batches([table.shape.key[0], *columns]))
    for part in parts:
        numbers.take(part.column(table.shape.key[0]))
    if not parts:
        return Ranked(numbers, np.empty(0, np.int64))
    whole = pa.Table.from_batches(parts).select(columns).combine_chunks()
    if len(columns) == 1:
        column = _one_chunk(whole.column(0)).cast(pa.large_binary())
        order = order_texts(*text_parts(column))
    else:
        rows = [tuple(row.values()) for row in whole.to_pylist()]
        order = np.array(sorted(range(len(rows)), key=lambda place: rows[place]), np.int64)
    _refuse_twins(table, whole.take(pa.array(order)))
    return Ranked(numbers, order)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([chunk.cast(pa.large_binary()) for chunk in column.chunks])


def _refuse_twins(table: StagedTable, ordered: pa.Table) -> None:
    rows = ordered.num_rows
    for begin in range(0, rows - 1, 1 << 16):
        values = [tuple(row.values()) for row in ordered.slice(begin, (1 << 16) + 1).to_pylist()]
        for one, other in pairwise(values):
            if one == other:
                raise FormatError(f"{table.path} has {', '.join(map(str, one))} twice", "Every name must be there once.")


def packed_ids(table: StagedTable, batch: pa.RecordBatch, first_row: int) -> Array:
    """The ids of a batch in packed form; FormatError for one that is not 22 letters and digits."""
    packed, bad = pack_ids(batch.column("id"))
    if bad >= 0:
        shown = repr(batch.column("id")[bad].as_py())[:80]
        raise FormatError(f"{table.path}, row {first_row + bad + 1}: the id {shown} is not 22 letters and digits", "Make the tables again.")
    return packed


def read_ids(table: StagedTable, places: Iterable[int]) -> dict[int, str]:
    """The ids at these places; reads the column again, which is done only where ten characters are the same."""
    wanted, found, first = np.unique(np.fromiter(places, np.int64)), dict[int, str](), 0
    for batch in table.batches(["id"]):
        for place in wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, first + len(batch))]:
            found[int(place)] = batch.column(0)[int(place) - first].as_py()
        first += len(batch)
    return found


def settle_by_id(table: StagedTable, order: Array, same: Array) -> None:
    """Put runs of rows that are alike so far (`order[n]` and `order[n + 1]` for each n of `same`) in order of their whole ids."""
    ids = read_ids(table, (int(order[place + step]) for place in same for step in (0, 1)))
    for run in np.split(same, np.flatnonzero(np.diff(same) > 1) + 1):
        begin, end = int(run[0]), int(run[-1]) + 2
        rows = sorted((int(row) for row in order[begin:end]), key=lambda row: ids[row])
        refuse_twin_ids(table, (ids[row] for row in rows))
        order[begin:end] = rows


def refuse_twin_ids(table: StagedTable, ordered: Iterable[str]) -> None:
    """FormatError where an id of these, in order, is there twice."""
    last = ""
    for id_ in ordered:
        if id_ == last:
            raise FormatError(f"{table.path} has the id {id_} twice", "Every id must be there once.")
        last = id_


@numba.njit(nogil=True, cache=True)
def _whole_classes(values: Array, there: Array, classes: Array) -> bool:
    for place in range(len(values)):
        value = values[place]
        if (len(there) and not there[place]) or value != value:
            classes[place] = 101
        elif 0 <= value <= 100 and value == np.floor(value):
            classes[place] = 100 - np.int64(value)
        else:
            return False
    return True


class PopularityClasses:
    """Popularity as a small whole number that ascends as popularity falls, NULL last; one byte a row as long as all are whole."""

    def __init__(self, rows: int) -> None:
        self._classes, self._taken = np.full(rows, NO_POPULARITY, np.uint8), 0
        self._values: Array | None = None

    def take(self, batch: pa.RecordBatch) -> None:
        """The popularity of the next rows; a batch without the column has none."""
        begin, end = self._taken, self._taken + len(batch)
        self._taken = end
        if "popularity" not in batch.schema.names:
            return
        values, there = numbers_of(batch.column("popularity"))
        if self._values is None:
            known = there if there is not None else np.empty(0, bool)
            if _whole_classes(values, known, self._classes[begin:end]):
                return
            self._values = np.where(self._classes == NO_POPULARITY, np.nan, 100.0 - self._classes)
        self._values[begin:end] = values if there is None else np.where(there, values, np.nan)

    def ordered(self) -> Array:
        """The class of every row."""
        if self._values is None:
            return self._classes
        found = np.unique(self._values)  # ascending, NaN once and last
        known = found[~np.isnan(found)]
        places = np.searchsorted(known, self._values)
        return np.where(np.isnan(self._values), len(known), len(known) - 1 - places).astype(np.uint32)


@numba.njit(nogil=True, cache=True)
def _count_sort(keys: Array, order: Array, starts: Array, sorted_rows: Array) -> None:
    for place in range(len(order)):
        row = order[place]
        key = keys[row]
        sorted_rows[starts[key]] = row
        starts[key] += 1


def order_by_class(classes: Array, order: Array) -> Array:
    """`order`, then stably by class."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(classes, minlength=1))])
    sorted_rows = np.empty_like(order)
    _count_sort(classes, order, starts, sorted_rows)
    return sorted_rows
