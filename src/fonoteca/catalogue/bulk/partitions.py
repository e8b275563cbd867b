"""Rows put into the order of their new leading number: scattered over partitions, then ordered one partition at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.ipc
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of

Array = NDArray[Any]


@numba.njit(nogil=True, cache=True)
def order_by(numbers: Array, first: int, divisor: int, counts: Array, order: Array) -> None:
    """The rows in stable order of (number - first) // divisor; `counts`, zeros, has one place more than groups and ends as their starts."""
    for row in range(len(numbers)):
        counts[(numbers[row] - first) // divisor + 1] += 1
    for group in range(1, len(counts)):
        counts[group] += counts[group - 1]
    ends = counts[:-1].copy()
    for row in range(len(numbers)):
        group = (numbers[row] - first) // divisor
        order[ends[group]] = row
        ends[group] += 1


class Partitions:
    """A table on its way into another order. Its first column, int32, is the new leading number, from 1 to `numbers`.

    What is put in comes out in the order of that column, rows with the same number as they were put in. Up to `rows_at_once`
    numbers make one partition, a file of the scratch folder that is removed as soon as it was read.
    """

    def __init__(self, name: str, schema: pa.Schema, numbers: int, scratch: Path, rows_at_once: int) -> None:
        self._schema, self._width = schema, rows_at_once
        self._count = max(1, -(-numbers // rows_at_once))
        self._paths = [scratch / f"{name}.{place:05}.arrows" for place in range(self._count)]
        self._kept: list[pa.RecordBatch] = []
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._files = [pa.OSFile(str(path), "wb") for path in self._paths] if self._count > 1 else []
        self._writers = [pa.ipc.new_stream(file, schema, options=options) for file in self._files]

    def split(self, batch: pa.RecordBatch) -> list[pa.RecordBatch | None]:
        """The batch by partitions; work for any thread."""
        if self._count == 1:
            return [batch.select(self._schema.names).cast(self._schema)]
        batch = batch.select(self._schema.names).cast(self._schema)
        numbers = numbers_of(batch.column(0))[0]
        starts, order = np.zeros(self._count + 1, np.int32), np.empty(len(batch), np.int32)
        order_by(numbers, 1, self._width, starts, order)
        ordered = take_rows(batch, order)
        return [ordered.slice(begin, end - begin) if end > begin else None for begin, end in pairwise(starts.tolist())]

    def put(self, parts: Sequence[pa.RecordBatch | None]) -> None:
        """What split gave, in the order of the rows."""
        if self._count == 1:
            self._kept.extend(part for part in parts if part is not None)
            return
        for writer, part in zip(self._writers, parts, strict=True):
            if part is not None:
                writer.write_batch(part)

    def finish(self) -> None:
        """No more is put in."""
        for writer, file in zip(self._writers, self._files, strict=True):
            writer.close()
            file.close()

    def ordered(self, then_by: str | None = None) -> Iterator[pa.RecordBatch]:
        """Every partition that has rows as one batch, in order; rows of one number by the whole numbers of `then_by`, where it is given."""
        for place in range(self._count):
            first = place * self._width + 1
            if batches := self._read(place):
                yield self._in_order(batches, first, then_by)

    def _read(self, place: int) -> list[pa.RecordBatch]:
        if self._count == 1:
            kept, self._kept = self._kept, []
            return kept
        with pa.OSFile(str(self._paths[place]), "rb") as file, pa.ipc.open_stream(file) as reader:
            batches = list(reader)
        self._paths[place].unlink()
        return batches

    def _in_order(self, batches: list[pa.RecordBatch], first: int, then_by: str | None) -> pa.RecordBatch:
        whole = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
        numbers = numbers_of(whole.column(0))[0]
        if then_by is not None:
            return take_rows(whole, np.lexsort((numbers_of(whole.column(then_by))[0], numbers)))
        width = min(self._width, int(numbers.max()) - first + 1)
        order = np.empty(len(whole), np.int32)
        order_by(numbers, first, 1, np.zeros(width + 1, np.int32), order)
        return take_rows(whole, order)


def take_rows(batch: pa.RecordBatch, order: Array) -> pa.RecordBatch:
    """The rows at these places; columns of nothing but NULL cost nothing."""
    places = pa.array(order)
    columns = [pa.nulls(len(order), column.type) if column.null_count == len(column) else column.take(places) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
