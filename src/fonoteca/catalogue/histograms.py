"""Exact sums by bucket, and counts of equal numbers in a sorted stream: numpy that adds floats, kept within what a float holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fonoteca.catalogue.rank_weights import Whole

_SPARSE = 4  # buckets for each row of a batch


class Histogram:
    """Exact sums by bucket for some of MEASURES; buckets run from −1 (unknown) and grow as they come."""

    def __init__(self, measures: tuple[str, ...] = ("number",)) -> None:
        self.sums: dict[str, Whole] = {measure: np.zeros(64, dtype=np.int64) for measure in measures}

    def add(self, buckets: Whole, values: Mapping[str, Whole | None]) -> None:
        """Count values into buckets: `number` counts rows, other measures add up `values` (each at most 2^50)."""
        places = buckets + 1
        size = int(places.max(initial=-1)) + 1
        for measure, sums in self.sums.items():
            amounts = values[measure]
            if amounts is None or amounts.any():
                # where buckets are many more than rows, an array of all of them for each batch would take most of the time
                is_sparse = size > _SPARSE * len(places)
                self.sums[measure] = (_added_each if is_sparse else _added_all)(sums, places, amounts, size)

    def add_runs(self, buckets: Whole, starts: Whole, values: Mapping[str, Whole | None], count: int) -> None:
        """As add, where rows of one bucket follow each other: the bucket and the first place of each run in `count` rows."""
        size = int(buckets.max(initial=-1)) + 2
        for measure, sums in self.sums.items():
            amounts = values[measure]
            if amounts is None or amounts.any():
                by_run = np.diff(np.append(starts, count)) if amounts is None else np.add.reduceat(amounts, starts)
                more = np.zeros(size, dtype=np.int64)
                np.add.at(more, buckets + 1, by_run)
                self.sums[measure] = _added(sums, more)

    def filled(self, most: int | None = None) -> Iterator[tuple[int, dict[str, int]]]:
        """Buckets in which there is anything, in order, with their sums; of named ones (from 1) at most `most` by each measure."""
        places = np.flatnonzero(self.sums["number"])
        for place in (places if most is None else self._greatest(places, most)).tolist():
            yield place - 1, {measure: int(sums[place]) if place < len(sums) else 0 for measure, sums in self.sums.items()}

    def _greatest(self, places: Whole, most: int) -> Whole:
        kept, named = [places[places < 2]], places[places >= 2]
        for sums in self.sums.values():
            amounts = np.concatenate([sums, np.zeros(max(0, len(self.sums["number"]) - len(sums)), dtype=np.int64)])[named]
            order = np.lexsort((named, -amounts))[:most]
            kept.append(named[order][amounts[order] > 0])
        return np.unique(np.concatenate(kept))


def _grown(sums: Whole, size: int) -> Whole:
    if size <= len(sums):
        return sums
    return np.concatenate([sums, np.zeros(max(size, 2 * len(sums)) - len(sums), dtype=np.int64)])


def _added(sums: Whole, more: Whole) -> Whole:
    sums = _grown(sums, len(more))
    sums[: len(more)] += more
    return sums


def _added_all(sums: Whole, places: Whole, amounts: Whole | None, size: int) -> Whole:
    return _added(sums, _sum_by_place(places, amounts, size))


def _added_each(sums: Whole, places: Whole, amounts: Whole | None, size: int) -> Whole:
    sums = _grown(sums, size)
    np.add.at(sums, places, 1 if amounts is None else amounts)
    return sums


def _sum_by_place(places: Whole, values: Whole | None, size: int) -> Whole:
    """Sums of whole numbers by place. bincount adds floats, exact to 2^53: large numbers go in two halves."""
    if values is None:
        return np.bincount(places, minlength=size)
    if not len(values) or int(values.max()) * len(values) < 1 << 53:
        return np.bincount(places, weights=values, minlength=size).astype(np.int64)
    low = np.bincount(places, weights=values & 0x3FFFFFF, minlength=size).astype(np.int64)
    return (np.bincount(places, weights=values >> 26, minlength=size).astype(np.int64) << 26) + low


class RunCounter:
    """How many ISRCs stand on how many tracks, from a sorted stream."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, dtype=np.int64)
        self._further: Whole = np.zeros(0, dtype=np.int64)
        self._carried: Whole = np.zeros(0, dtype=np.int64)

    def add_further(self, numbers: Whole) -> None:
        """ISRCs beside the stream, in any order, before it."""
        self._further = np.sort(np.concatenate([self._further, numbers]))

    def add(self, numbers: Whole) -> None:
        """The next ISRCs of the stream, ascending."""
        numbers = np.concatenate([self._carried, numbers])
        if len(numbers):
            whole = int(np.searchsorted(numbers, numbers[-1]))
            self._count(numbers[:whole], numbers[-1])
            self._carried = numbers[whole:]

    def finish(self) -> Whole:
        """ISRCs by how many tracks carry them."""
        self._count(self._carried, None)
        self._carried = self._carried[:0]
        return self._counts

    def _count(self, numbers: Whole, before: int | None) -> None:
        end = len(self._further) if before is None else int(np.searchsorted(self._further, before))
        if end:
            numbers, self._further = np.sort(np.concatenate([numbers, self._further[:end]])), self._further[end:]
        if len(numbers):
            starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
            lengths = np.diff(np.concatenate([starts, [len(numbers)]]))
            counted = np.bincount(lengths)
            self._counts = _added(self._counts, counted) if len(self._counts) else counted.astype(np.int64)
