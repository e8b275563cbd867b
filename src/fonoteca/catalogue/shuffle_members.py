"""The rows that are shuffled, numbered from 0 in ascending order: a range, a list, or a bitmap where a list would take more room."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from fonoteca.catalogue.permutation import Numbers

_BATCH = 1 << 16
_BLOCK_BYTES = 64  # one line of the processor's cache, counted once


class Members(Protocol):
    """Row numbers in ascending order."""

    @property
    def size(self) -> int:
        """How many rows there are."""

    def select(self, ordinals: Numbers) -> Numbers:
        """The row numbers at these places, counted from 0."""

    def rank(self, row: int) -> int:
        """How many rows come before row number `row`."""

    def digest(self) -> bytes:
        """Sixteen bytes that tell these rows from others."""


class RowRange(msgspec.Struct, frozen=True):
    """All rows from `first` to `last`; none where `last` is smaller."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many rows there are."""
        return max(0, self.last - self.first + 1)

    def select(self, ordinals: Numbers) -> Numbers:
        """The row numbers at these places."""
        return ordinals + self.first

    def rank(self, row: int) -> int:
        """How many rows come before `row`."""
        return min(max(0, row - self.first), self.size)

    def digest(self) -> bytes:
        """Sixteen bytes that tell this range from others."""
        return hashlib.sha256(b"range %d %d" % (self.first, self.last)).digest()[:16]


class RowList:
    """Rows as an array in ascending order, four or eight bytes each."""

    def __init__(self, rows: Numbers | npt.NDArray[np.int32]) -> None:
        self._rows = rows.astype(np.int32) if not len(rows) or int(rows[-1]) < 2**31 else rows

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def select(self, ordinals: Numbers) -> Numbers:
        """The row numbers at these places."""
        return self._rows[ordinals].astype(np.int64)

    def rank(self, row: int) -> int:
        """How many rows come before `row`."""
        return int(np.searchsorted(self._rows, row))

    def digest(self) -> bytes:
        """Sixteen bytes that tell these rows from others."""
        return hashlib.sha256(self._rows.astype("<i8").tobytes()).digest()[:16]


class RowBitmap:
    """Rows as a bitmap from `first` on, one bit for each row that might be, with a count for each 64 bytes."""

    def __init__(self, first: int, bits: npt.NDArray[np.uint8]) -> None:
        self._first = first
        self._bits = np.append(bits, np.zeros(-len(bits) % _BLOCK_BYTES, np.uint8)).reshape(-1, _BLOCK_BYTES)
        ones = np.array([number.bit_count() for number in range(256)], dtype=np.uint16)
        parts = np.array_split(self._bits, len(self._bits) // 4096 + 1)
        counts = np.concatenate([ones[part].sum(axis=1, dtype=np.int64) for part in parts])
        self._before = np.concatenate(([0], np.cumsum(counts)))

    @property
    def size(self) -> int:
        """How many rows there are."""
        return int(self._before[-1])

    def select(self, ordinals: Numbers) -> Numbers:
        """The row numbers at these places."""
        blocks = np.searchsorted(self._before, ordinals, side="right") - 1
        rest = ordinals - self._before[blocks]
        counted = np.cumsum(np.unpackbits(self._bits[blocks], axis=1, bitorder="little"), axis=1, dtype=np.int16)
        found: Numbers = self._first + blocks * (_BLOCK_BYTES * 8) + np.argmax(counted > rest[:, None], axis=1)
        return found

    def rank(self, row: int) -> int:
        """How many rows come before `row`."""
        place = min(max(0, row - self._first), self._bits.size * 8)
        block, rest = divmod(place, _BLOCK_BYTES * 8)
        inside = np.unpackbits(self._bits[block], bitorder="little")[:rest].sum() if rest else 0
        return int(self._before[block]) + int(inside)

    def digest(self) -> bytes:
        """Sixteen bytes that tell these rows from others."""
        return hashlib.sha256(b"bitmap %d " % self._first + self._bits.tobytes()).digest()[:16]


class MemberSlice(msgspec.Struct, frozen=True):
    """`size` of other members, from place `start` on."""

    members: Members
    start: int
    size: int

    def select(self, ordinals: Numbers) -> Numbers:
        """The row numbers at these places of the slice."""
        return self.members.select(ordinals + self.start)

    def rank(self, row: int) -> int:
        """How many rows of the slice come before `row`."""
        return min(max(0, self.members.rank(row) - self.start), self.size)

    def digest(self) -> bytes:
        """Sixteen bytes that tell this slice from others of the same members."""
        return hashlib.sha256(b"slice %d %d" % (self.start, self.size)).digest()[:16]


def collect_members(rows: Iterable[tuple[int]], first: int, last: int) -> RowList | RowBitmap:
    """The given rows of the range, once each, in any order of arrival.

    A list while it takes less room than a bit for every row of the range, a bitmap from then on.
    """
    room = max(_BATCH, (last - first + 1) // 32)
    parts: list[npt.NDArray[np.int64]] = []
    bits: npt.NDArray[np.uint8] | None = None
    count = 0
    for found in _batches(rows):
        part = found[(found >= first) & (found <= last)]  # a row may have come since the range was asked for
        count += len(part)
        parts.append(part)
        if bits is not None or count > room:
            bits = np.zeros((last - first) // 8 + 1, dtype=np.uint8) if bits is None else bits
            for known in parts:
                np.bitwise_or.at(bits, (known - first) >> 3, np.left_shift(1, (known - first) & 7).astype(np.uint8))
            parts.clear()
    if bits is not None:
        return RowBitmap(first, bits)
    return RowList(np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64))


def _batches(rows: Iterable[tuple[int]]) -> Iterable[npt.NDArray[np.int64]]:
    batch: list[int] = []
    for (row,) in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield np.array(batch, dtype=np.int64)
            batch = []
    if batch:
        yield np.array(batch, dtype=np.int64)
