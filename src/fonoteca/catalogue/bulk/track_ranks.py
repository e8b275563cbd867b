"""The order of the tracks: popularity, album, disc, number, id; linear, for tracks are grouped by album first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of
from fonoteca.catalogue.bulk.hoisting import Hoisting
from fonoteca.catalogue.bulk.ranks import PopularityClasses, Ranked, order_by_class, packed_ids, settle_by_id
from fonoteca.catalogue.bulk.renumbering import NumberReader, Renumbering
from fonoteca.catalogue.bulk.sorting import SortedPairs
from fonoteca.catalogue.bulk.staging import StagedTable, read_ahead

Array = NDArray[Any]
SHORT_GROUP = 256
_DISCS, _NUMBERS = 255, 65_535


def rank_tracks(table: StagedTable, albums: Renumbering, album_count: int, hoisting: Hoisting, threads: int) -> Ranked:
    """Popularity downwards, none last; album by its new number, disc and number, none last; id. Tells `hoisting` of every row.

    Takes about 26 bytes a track. FormatError for an album that is unknown or an id that is none.
    """
    keys = _TrackKeys(table, albums, album_count)

    def taken() -> Iterator[tuple[pa.RecordBatch, Array]]:
        first = 0
        for batch in table.batches(["track", "id", "album", "disc", "number", "popularity", "date", "label"]):
            yield batch, keys.take(batch, first)
            first += len(batch)

    for batch, found in read_ahead(taken(), 2):
        hoisting.take(batch, found)
    return keys.ranked(threads)


class _TrackKeys:
    def __init__(self, table: StagedTable, albums: Renumbering, album_count: int) -> None:
        self._table, self._renumbering, self._album_count = table, albums, album_count
        self._numbers, self._classes = NumberReader(table), PopularityClasses(table.rows)
        self._ids, self._albums = np.empty(table.rows, np.int64), np.full(table.rows, album_count + 1, np.int32)
        self._places, self._wide = np.empty(table.rows, np.uint32), list[tuple[int, _Places, _Places]]()

    def take(self, batch: pa.RecordBatch, first: int) -> Array:
        """The next rows; gives the new numbers of their albums, 0 where there is none."""
        rows = slice(first, first + len(batch))
        self._numbers.take(batch.column("track"))
        self._ids[rows] = packed_ids(self._table, batch, first)
        self._classes.take(batch)
        self._take_places(batch, first)
        if "album" not in batch.schema.names:
            return np.zeros(len(batch), np.int32)
        renumbered, there = numbers_of(self._renumbering.apply_to(batch.column("album"), f"{self._table.path}: album", first))
        self._albums[rows] = renumbered if there is None else np.where(there, renumbered, self._album_count + 1)
        return renumbered

    def _take_places(self, batch: pa.RecordBatch, first: int) -> None:
        disc, number = _Places.of(batch, "disc"), _Places.of(batch, "number")
        if disc.fit(_DISCS) and number.fit(_NUMBERS):
            self._places[first : first + len(batch)] = (disc.or_last(_DISCS) << 16) | number.or_last(_NUMBERS)
        else:
            self._wide.append((first, disc, number))

    def ranked(self, threads: int) -> Ranked:
        """The order, once every row was taken."""
        places = self._all_places() if self._wide else self._places
        order, starts = _group(self._albums, self._album_count + 1)
        long, may_be_alike = _sort_groups(order, starts, places, self._ids, SHORT_GROUP)
        for album in long:
            rows = order[starts[album] : starts[album + 1]].copy()
            rows = rows[SortedPairs(self._ids[rows], threads=threads).order()]
            order[starts[album] : starts[album + 1]] = rows[SortedPairs(places[rows], threads=threads).order()]
        classes = self._classes.ordered()
        order = order_by_class(classes, order)
        same = _find_alike(order, classes, self._albums, places, self._ids) if long or may_be_alike else np.empty(0, np.int64)
        del places, classes
        if len(same):
            settle_by_id(self._table, order, same)
        return Ranked(self._numbers, order)

    def _all_places(self) -> Array:
        """Disc and number as one number where some of them are odd: by their order, which needs no room."""
        disc, number = (
            _Places.all((self._places >> 16).astype(np.int64), _DISCS),
            _Places.all((self._places & 0xFFFF).astype(np.int64), _NUMBERS),
        )
        for first, discs, numbers in self._wide:
            disc.put(first, discs)
            number.put(first, numbers)
        return disc.order() * (len(self._places) + 1) + number.order()


class _Places:
    """Whole numbers of any size, some of them missing, which come last."""

    def __init__(self, values: Array, missing: Array) -> None:
        self.values, self.missing = values, missing

    @classmethod
    def of(cls, batch: pa.RecordBatch, name: str) -> _Places:
        if name not in batch.schema.names:
            return cls(np.zeros(len(batch), np.int64), np.ones(len(batch), bool))
        values, there = numbers_of(batch.column(name))
        return cls(values.astype(np.int64), np.zeros(len(batch), bool) if there is None else ~there)

    @classmethod
    def all(cls, values: Array, last: int) -> _Places:
        return cls(values, values == last)

    def fit(self, limit: int) -> bool:
        return bool((((self.values >= 0) & (self.values < limit)) | self.missing).all())

    def or_last(self, last: int) -> Array:
        return np.where(self.missing, last, self.values)

    def put(self, first: int, other: _Places) -> None:
        rows = slice(first, first + len(other.values))
        self.values[rows], self.missing[rows] = other.values, other.missing

    def order(self) -> Array:
        """Numbers from 0 that are ordered as these are."""
        kinds, order = np.unique(self.values, return_inverse=True)
        return np.where(self.missing, len(kinds), order).astype(np.int64)


@numba.njit(nogil=True, cache=True)
def _count(groups: Array, starts: Array) -> None:
    for row in range(len(groups)):
        starts[groups[row] + 1] += 1


@numba.njit(nogil=True, cache=True)
def _spread(groups: Array, ends: Array, order: Array) -> None:
    for row in range(len(groups)):
        group = groups[row]
        order[ends[group]] = row
        ends[group] += 1


def _group(groups: Array, last: int) -> tuple[Array, Array]:
    starts = np.zeros(last + 2, np.int32)
    _count(groups, starts)
    np.cumsum(starts, out=starts)
    order = np.empty(len(groups), np.int32)
    _spread(groups, starts[:-1].copy(), order)
    return order, starts


@numba.njit(nogil=True, cache=True)
def _sort_groups(order: Array, starts: Array, places: Array, ids: Array, short: int) -> tuple[list[int], bool]:
    """Insertion sort of every group that is short or nearly in order; the numbers of the others, whether rows of one are alike."""
    long, may_be_alike = [0 for _ in range(0)], False
    for group in range(len(starts) - 1):
        begin, end = starts[group], starts[group + 1]
        moves, is_long = 0, False
        for at in range(begin + 1, end):
            row = order[at]
            back = at
            while back > begin:
                other = order[back - 1]
                if places[other] < places[row] or (places[other] == places[row] and ids[other] <= ids[row]):
                    break
                order[back] = other
                back -= 1
                moves += 1
            order[back] = row
            if moves > short * short:
                is_long = True
                break
        if is_long:
            long.append(group)
        for at in range(begin + 1, end):
            may_be_alike |= places[order[at]] == places[order[at - 1]] and ids[order[at]] == ids[order[at - 1]]
    return long, may_be_alike


@numba.njit(nogil=True, cache=True)
def _find_alike(order: Array, classes: Array, albums: Array, places: Array, ids: Array) -> Array:
    found = [0 for _ in range(0)]
    for at in range(len(order) - 1):
        one, other = order[at], order[at + 1]
        if ids[one] == ids[other] and places[one] == places[other] and albums[one] == albums[other] and classes[one] == classes[other]:
            found.append(at)
    return np.array(found, np.int64)
