"""The order of the tracks: popularity, album, disc, number, id; linear, for tracks are grouped by album first."""

from __future__ import annotations

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
from fonoteca.catalogue.bulk.staging import StagedTable

Array = NDArray[Any]
SHORT_GROUP = 256
_DISCS, _NUMBERS = 255, 65_535


def rank_tracks(table: StagedTable, albums: Renumbering, album_count: int, hoisting: Hoisting, threads: int) -> Ranked:
    """Popularity downwards, none last; album by its new number, disc and number, none last; id. Tells `hoisting` of every row.

    Takes about 26 bytes a track. FormatError for an album that is unknown or an id that is none.
    """
    keys = _TrackKeys(table, albums, album_count)
    first = 0
    for batch in table.batches(["track", "id", "album", "disc", "number", "popularity", "date", "label"]):
        hoisting.take(batch, keys.take(batch, first))
        first += len(batch)
    return keys.ranked(threads)


class _TrackKeys:
    def __init__(self, table: StagedTable, albums: Renumbering, album_count: int) -> None:
        self._table, self._renumbering, self._album_count = table, albums, album_count
        self._numbers, self._classes = NumberReader(table), PopularityClasses(table.rows)
        self._ids, self._albums = np.empty(table.rows, np.int64), np.full(table.rows, album_count + 1, np.int32)
        self._places, self._wide = np.empty(table.rows, np.uint32), list[tuple[int, Array, Array]]()

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
        disc, number = (_or_last(batch, name) for name in ("disc", "number"))
        is_narrow = len(disc) == 0 or (_fits(disc, _DISCS) and _fits(number, _NUMBERS))
        if is_narrow:
            narrow = [np.where(values == _LAST, last, values) for values, last in ((disc, _DISCS), (number, _NUMBERS))]
            self._places[first : first + len(batch)] = (narrow[0] << 16) | narrow[1]
        else:
            self._wide.append((first, disc, number))

    def ranked(self, threads: int) -> Ranked:
        """The order, once every row was taken."""
        places = self._all_places() if self._wide else self._places
        order, starts = _group(self._albums, self._album_count + 1)
        for album in _sort_groups(order, starts, places, self._ids, SHORT_GROUP):
            rows = order[starts[album] : starts[album + 1]].copy()
            rows = rows[SortedPairs(self._ids[rows], threads=threads).order()]
            order[starts[album] : starts[album + 1]] = rows[SortedPairs(places[rows], threads=threads).order()]
        classes = self._classes.ordered()
        order = order_by_class(classes, order)
        same = _find_alike(order, classes, self._albums, places, self._ids)
        del places, classes
        if len(same):
            settle_by_id(self._table, order, same)
        return Ranked(self._numbers, order)

    def _all_places(self) -> Array:
        """Disc and number as one number where some of them are odd: by their order, which needs no room."""
        disc, number = (self._places >> 16).astype(np.int64), (self._places & 0xFFFF).astype(np.int64)
        disc[disc == _DISCS], number[number == _NUMBERS] = _LAST, _LAST
        for first, discs, numbers in self._wide:
            disc[first : first + len(discs)], number[first : first + len(numbers)] = discs, numbers
        kinds, number_ranks = np.unique(number, return_inverse=True)
        return np.unique(disc, return_inverse=True)[1].astype(np.int64) * len(kinds) + number_ranks


_LAST = np.iinfo(np.int64).max


def _or_last(batch: pa.RecordBatch, name: str) -> Array:
    if name not in batch.schema.names:
        return np.full(len(batch), _LAST)
    values, there = numbers_of(batch.column(name))
    return values.astype(np.int64) if there is None else np.where(there, values.astype(np.int64), _LAST)


def _fits(values: Array, limit: int) -> bool:
    return bool((((values >= 0) & (values < limit)) | (values == _LAST)).all())


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
def _sort_groups(order: Array, starts: Array, places: Array, ids: Array, short: int) -> list[int]:
    """Insertion sort of every group that is short or nearly in order; gives the numbers of the others."""
    long = [0 for _ in range(0)]
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
    return long


@numba.njit(nogil=True, cache=True)
def _find_alike(order: Array, classes: Array, albums: Array, places: Array, ids: Array) -> Array:
    found = [0 for _ in range(0)]
    for at in range(len(order) - 1):
        one, other = order[at], order[at + 1]
        if ids[one] == ids[other] and places[one] == places[other] and albums[one] == albums[other] and classes[one] == classes[other]:
            found.append(at)
    return np.array(found, np.int64)
