"""Sorting of hundreds of millions of keys: pairs of (key, row) in buckets, and texts word by word; linear, in place, on every core."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BUCKET_BITS, BUCKET_ROWS_BITS = 14, 13
"""At most so many buckets, and so many rows in each if keys are spread evenly, that a processor's cache holds; as powers of two."""
SMALL = 1 << 16


@numba.njit(nogil=True, cache=True)
def _count_buckets(keys: Array, ignore: int, low: int, shift: int, counts: Array) -> None:
    for place in range(len(keys)):
        counts[((np.int64(keys[place]) >> ignore) - low) >> shift] += 1


@numba.njit(nogil=True, cache=True)
def _scatter(keys: Array, rows: Array, ignore: int, low: int, shift: int, drop: int, row_bits: int, ends: Array, out: Array) -> None:
    rest = (np.int64(1) << shift) - 1
    for place in range(len(keys)):
        key = (np.int64(keys[place]) >> ignore) - low
        row = np.int64(rows[place]) if len(rows) else place
        bucket = key >> shift
        out[ends[bucket]] = (((key & rest) >> drop) << row_bits) | row
        ends[bucket] += 1


@numba.njit(nogil=True, cache=True)
def _finish_runs(pairs: Array, keys: Array, row_bits: int) -> None:
    """Within what is equal in the kept bits: by the whole key, then by row; runs are short, for keys are spread."""
    mask = (np.int64(1) << row_bits) - 1
    for place in range(1, len(pairs)):
        pair = pairs[place]
        back = place
        while back > 0 and pairs[back - 1] >> row_bits == pair >> row_bits and keys[pairs[back - 1] & mask] > keys[pair & mask]:
            pairs[back] = pairs[back - 1]
            back -= 1
        pairs[back] = pair


@numba.njit(nogil=True, cache=True)
def _read_pairs(
    pairs: Array, starts: Array, begin: int, bucket: int, row_bits: int, shift: int, low: int, keys: Array, rows: Array
) -> None:
    mask = (np.int64(1) << row_bits) - 1
    for place in range(len(pairs)):
        while starts[bucket + 1] <= begin + place:
            bucket += 1
        keys[place] = ((pairs[place] >> row_bits) | (np.int64(bucket) << shift)) + low
        rows[place] = pairs[place] & mask


class SortedPairs:
    """Rows ordered by their whole-number keys, equal keys by row.

    `rows` are ascending numbers of the keys' rows, else each row is its place. `ignore` lowest bits of a key do not count.
    Takes 8 bytes a key beside what is given. Keys are below 2^63.
    """

    def __init__(self, keys: Array, rows: Array | None = None, *, ignore: int = 0, threads: int = 1) -> None:
        self._keys, self._ignore = keys, ignore
        self._low = int(keys.min()) >> ignore if len(keys) else 0
        span = (int(keys.max()) >> ignore) - self._low if len(keys) else 0
        last_row = int(rows[-1]) if rows is not None and len(rows) else max(len(keys) - 1, 0)
        self._row_bits = last_row.bit_length()
        bits = span.bit_length()
        bucket_bits = min(bits, BUCKET_BITS, max(4, len(keys).bit_length() - BUCKET_ROWS_BITS))
        self._shift = bits - bucket_bits
        self._drop = max(0, self._shift + self._row_bits - 63)
        if self._drop and (rows is not None or ignore):
            raise ValueError("keys so wide are sorted by place, with all their bits")
        self._starts = np.zeros((1 << bucket_bits) + 1, np.int64)
        _count_buckets(keys, ignore, self._low, self._shift, self._starts[1:])
        np.cumsum(self._starts, out=self._starts)
        self._pairs = np.empty(len(keys), np.int64)
        given = rows if rows is not None else np.empty(0, np.int32)
        _scatter(keys, given, ignore, self._low, self._shift, self._drop, self._row_bits, self._starts[:-1].copy(), self._pairs)
        self._sort_buckets(threads)

    def _sort_buckets(self, threads: int) -> None:
        filled = np.flatnonzero(np.diff(self._starts) > 1)
        if threads < 2 or len(self._pairs) < SMALL:
            for bucket in filled.tolist():
                self._sort_bucket(bucket)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._sort_several, np.array_split(filled, threads * 16)))

    def _sort_several(self, buckets: Array) -> None:
        for bucket in buckets.tolist():
            self._sort_bucket(bucket)

    def _sort_bucket(self, bucket: int) -> None:
        pairs = self._pairs[self._starts[bucket] : self._starts[bucket + 1]]
        pairs.sort()
        if self._drop:
            _finish_runs(pairs, self._keys, self._row_bits)

    def __len__(self) -> int:
        return len(self._pairs)

    def chunk(self, begin: int, end: int) -> tuple[Array, Array]:
        """(keys without the ignored bits, rows) of the places from `begin` to `end` in order; from any thread."""
        pairs = self._pairs[begin:end]
        keys, rows = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
        bucket = int(np.searchsorted(self._starts, begin, side="right")) - 1
        _read_pairs(pairs, self._starts, begin, bucket, self._row_bits, self._shift, self._low, keys, rows)
        return (self._keys[rows] if self._drop else keys), rows

    def chunks(self, size: int = 1 << 20) -> Iterator[tuple[Array, Array]]:
        """(keys without the ignored bits, rows) in order, some `size` at a time."""
        for begin in range(0, len(self._pairs), size):
            yield self.chunk(begin, begin + size)

    def order(self) -> Array:
        """The rows in order; what was sorted is given up for it."""
        self._pairs &= (1 << self._row_bits) - 1
        return self._pairs


@numba.njit(nogil=True, cache=True)
def _words_at(offsets: Array, content: Array, rows: Array, depth: int, words: Array, lengths: Array) -> None:
    for place in range(len(rows)):
        begin, end = np.int64(offsets[rows[place]]) + depth, np.int64(offsets[rows[place] + 1])
        word = np.uint64(0)
        for at in range(8):
            word <<= np.uint64(8)
            if begin + at < end:
                word |= np.uint64(content[begin + at])
        words[place] = word
        lengths[place] = 9 if end - begin > 8 else max(0, end - begin)


def order_texts(offsets: Array, content: Array) -> Array:
    """Places of the texts (UTF-8 at `offsets` in `content`) in binary order, equal texts by place."""
    rows = np.arange(len(offsets) - 1, dtype=np.int64)
    result = rows.copy()
    places, groups, depth = rows, np.zeros(len(rows), np.int64), 0
    while len(rows):
        words, lengths = np.empty(len(rows), np.uint64), np.empty(len(rows), np.int8)
        _words_at(offsets, content, rows, depth, words, lengths)
        order = _order_words(words, lengths, groups, depth)
        rows, words, lengths, groups = rows[order], words[order], lengths[order], groups[order]
        result[places] = rows
        same = (words[1:] == words[:-1]) & (groups[1:] == groups[:-1]) & (lengths[1:] == 9) & (lengths[:-1] == 9)
        starts = np.concatenate([[True], ~same])
        tied = np.concatenate([same, [False]]) | np.concatenate([[False], same])
        groups = np.cumsum(starts)[tied]
        places, rows, depth = places[tied], rows[tied], depth + 8
    return result


def _order_words(words: Array, lengths: Array, groups: Array, depth: int) -> Array:
    if depth == 0 and len(words) > SMALL:
        order = SortedPairs((words >> np.uint64(1)).view(np.int64)).order()  # the last bit and the length are settled below
        return _settle(order, words, lengths)
    return np.lexsort((lengths, words, groups))


def _settle(order: Array, words: Array, lengths: Array) -> Array:
    halves = (words >> np.uint64(1))[order]
    same = halves[1:] == halves[:-1]
    tied = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    rows = order[tied]
    order[tied] = rows[np.lexsort((lengths[rows], words[rows]))]
    return order
