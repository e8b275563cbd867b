"""Packed rows put into the order of their leading number: kept in memory while there is room, else in the scratch folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.page_packing import PackedRows
from fonoteca.catalogue.bulk.partitions import order_by

Array = NDArray[Any]
MOST_FILES = 256


@dataclass(frozen=True)
class Scattered:
    """A batch by partitions: rows ends[p] … ends[p + 1] belong to partition p. numbers: int32; the rest as pack_rows gives it."""

    ends: Array
    numbers: Array
    starts: Array
    records: Array


class PackedPartitions:
    """Rows on their way into another order: by their leading number, from 1 to `numbers`, rows of one number as they were put in.

    Up to `width` numbers make one partition. More than `kept_bytes` are written to files of the scratch folder, each of which is
    removed as soon as its partitions were read.
    """

    def __init__(self, name: str, numbers: int, scratch: Path, width: int, kept_bytes: int) -> None:
        self._width, self._limit = width, kept_bytes
        self.count = max(1, -(-numbers // width))
        self._each = -(-self.count // MOST_FILES)
        self._paths = [scratch / f"{name}.{number:03}.rows" for number in range(-(-self.count // self._each))]
        self._kept, self._kept_bytes, self._has_files = list[Scattered](), 0, False
        self._written: list[list[tuple[int, int, int]]] = [[] for _ in range(self.count)]  # offset, rows, bytes of records

    def order(self, numbers: Array) -> tuple[Array, Array]:
        """(ends, order) of a batch by partitions; work for any thread."""
        ends, order = np.zeros(self.count + 1, np.int64), np.empty(len(numbers), np.int32)
        order_by(numbers, 1, self._width, ends, order)
        return ends, order

    def put(self, batch: Scattered) -> None:
        """The next batch, in the order of the rows."""
        self._kept.append(batch)
        self._kept_bytes += batch.records.nbytes + 12 * len(batch.numbers)
        if self._kept_bytes > self._limit:
            self._write()

    def _write(self) -> None:
        self._has_files = True
        for number, path in enumerate(self._paths):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                at = os.fstat(handle).st_size
                for partition in range(number * self._each, min((number + 1) * self._each, self.count)):
                    at += self._write_partition(handle, partition, at)
            finally:
                os.close(handle)
        self._kept.clear()
        self._kept_bytes = 0

    def _write_partition(self, handle: int, partition: int, at: int) -> int:
        numbers, lengths, records = list[Array](), list[Array](), list[Array]()
        for batch in self._kept:
            begin, end = batch.ends[partition], batch.ends[partition + 1]
            if begin < end:
                numbers.append(batch.numbers[begin:end])
                lengths.append(np.diff(batch.starts[begin : end + 1]))
                records.append(batch.records[batch.starts[begin] : batch.starts[end]])
        if not numbers:
            return 0
        heads = [np.concatenate(numbers), np.concatenate(lengths).astype(np.int32)]
        size = sum(part.nbytes for part in records)
        _write_all(handle, [*heads, *records])
        self._written[partition].append((at, len(heads[0]), size))
        return size + 8 * len(heads[0])

    def ordered(self) -> Iterator[PackedRows]:
        """Every partition that has rows, in order; `numbers` are the leading numbers."""
        for partition in range(self.count):
            parts = [*self._read(partition), *self._remembered(partition)]
            if self._has_files and (partition % self._each == self._each - 1 or partition == self.count - 1):
                self._paths[partition // self._each].unlink()
            if parts:
                yield self._in_order(parts, partition * self._width + 1)
        self._kept.clear()

    def _read(self, partition: int) -> Iterator[PackedRows]:
        for at, rows, size in self._written[partition]:
            content = np.fromfile(self._paths[partition // self._each], np.uint8, count=8 * rows + size, offset=at)
            numbers, lengths = content[: 4 * rows].view(np.int32), content[4 * rows : 8 * rows].view(np.int32).astype(np.int64)
            ends = np.cumsum(lengths) + (content.ctypes.data + 8 * rows)
            yield PackedRows(numbers, ends - lengths, lengths, content)

    def _remembered(self, partition: int) -> Iterator[PackedRows]:
        for batch in self._kept:
            begin, end = batch.ends[partition], batch.ends[partition + 1]
            if begin < end:
                starts = batch.starts[begin : end + 1]
                yield PackedRows(batch.numbers[begin:end], starts[:-1] + batch.records.ctypes.data, np.diff(starts), batch.records)

    def _in_order(self, parts: list[PackedRows], first: int) -> PackedRows:
        numbers, addresses, lengths = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("numbers", "addresses", "lengths")
        )
        width = min(self._width, int(numbers.max()) - first + 1)
        order = np.empty(len(numbers), np.int32)
        order_by(numbers, first, 1, np.zeros(width + 1, np.int64), order)
        taken = [np.empty(len(numbers), np.int64) for _ in range(3)]
        _take(order, numbers, addresses, lengths, *taken)
        return PackedRows(taken[0], taken[1], taken[2], [part.memory for part in parts])


@numba.njit(nogil=True, cache=True)
def _take(
    order: Array, numbers: Array, addresses: Array, lengths: Array, to_numbers: Array, to_addresses: Array, to_lengths: Array
) -> None:
    for place in range(len(order)):
        row = order[place]
        to_numbers[place], to_addresses[place], to_lengths[place] = numbers[row], addresses[row], lengths[row]


def _write_all(handle: int, buffers: list[Array]) -> None:
    """Every byte, whatever the system takes at a time."""
    for begin in range(0, len(buffers), 512):
        some = [buffer.data.cast("B") for buffer in buffers[begin : begin + 512]]
        done = os.writev(handle, some)
        for view in some:
            rest = view[min(done, len(view)) :]
            done -= len(view) - len(rest)
            while rest:
                rest = rest[os.write(handle, rest) :]
