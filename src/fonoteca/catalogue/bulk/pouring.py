"""One table from its staged rows into the edition: numbered anew, put in order, written, with its indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import text_parts
from fonoteca.catalogue.bulk.partitions import Partitions, take_rows
from fonoteca.catalogue.bulk.ranks import Ranked
from fonoteca.catalogue.bulk.shapes import TableShape
from fonoteca.catalogue.bulk.sinks import Sink
from fonoteca.catalogue.bulk.sorting import order_texts
from fonoteca.catalogue.bulk.staging import StagedTable, read_ahead
from fonoteca.catalogue.bulk.table_indexes import TableIndexes, Twins, unique_entries
from fonoteca.ground.errors import FormatError
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import map_in_order, open_threads

Array = NDArray[Any]
EMITTED_ROWS = 1 << 18
Change = Callable[[pa.RecordBatch], pa.RecordBatch]
Tap = Callable[[pa.RecordBatch], None]
"""Sees every batch of the table as it is stored, in order."""


class Pourer:
    """What the pouring of every table shares."""

    def __init__(
        self, sink: Sink, ranked: Mapping[str, Ranked], scratch: Path, partition_rows: int, threads: int, progress: Progress, compress: bool
    ) -> None:
        self.sink, self.ranked, self.scratch, self.threads, self.progress = sink, ranked, scratch, threads, progress
        self._partition_rows, self._compress = partition_rows, compress
        self.see_index: Callable[[str, pa.RecordBatch], None] = lambda name, batch: None
        self.distinct: dict[str, tuple[int, int]] = {}
        """Entries and different keys of every index."""

    def scatter(self, table: StagedTable) -> Partitions:
        """Every row numbered anew and put into its partition. FormatError names the table, the row and the fact."""
        shape = table.shape
        names = table.present()
        kinds = [pa.int32() if self._is_number(shape, name) else table.type_of(name) for name in names]
        schema, numbers = pa.schema(list(zip(names, kinds, strict=True))), self._highest(table)
        partitions = Partitions(shape.name, schema, numbers, self.scratch, self._partition_rows, self._compress)
        self.progress.start(f"reading {shape.name}", table.rows, "rows")

        def work(job: tuple[int, pa.RecordBatch]) -> list[pa.RecordBatch | None]:
            return partitions.split(self._renumber(table, schema, *job))

        with open_threads(self.threads) as pool:
            for (_, batch), done in map_in_order(lambda job: pool.submit(work, job), _numbered(table.batches()), self.threads + 1):
                partitions.put(done.result())
                self.progress.advance(len(batch))
        partitions.finish()
        self.progress.finish()
        return partitions

    def _is_number(self, shape: TableShape, name: str) -> bool:
        return (name == shape.key[0] and shape.is_counted) or any(c.name == name and c.refers_to for c in shape.columns)

    def _highest(self, table: StagedTable) -> int:
        leading = table.shape.columns[0].refers_to or table.shape.name
        return len(self.ranked[leading].ranks)

    def _renumber(self, table: StagedTable, schema: pa.Schema, first: int, batch: pa.RecordBatch) -> pa.RecordBatch:
        shape, columns = table.shape, dict(zip(batch.schema.names, batch.columns, strict=True))
        check_values(table, batch, first)
        for column in shape.columns:
            if column.name in columns and column.refers_to:
                what = f"{table.path}: {column.name}"
                columns[column.name] = self.ranked[column.refers_to].renumbering.apply_to(columns[column.name], what, first)
        if shape.is_counted:
            columns[shape.key[0]] = pa.array(self.ranked[shape.name].ranks[first : first + len(batch)])
        return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)

    def write(
        self,
        table: StagedTable,
        partitions: Partitions,
        *,
        change: Change | None = None,
        taps: Sequence[Tap] = (),
        twins: Twins | None = None,
    ) -> int:
        """The table from its partitions and every index; the number of rows."""
        shape = table.shape
        indexes = TableIndexes(shape, self.scratch, self.threads)
        unique: list[pa.RecordBatch] = []
        every = [indexes.take, *taps, *([lambda batch: unique.append(unique_entries(shape, batch))] if shape.unique_index else [])]
        self.progress.start(f"writing {shape.name}", table.rows, "rows")
        then_by = "other" if shape.name == "evidence" else None
        ordered = read_ahead(_changed(partitions.ordered(then_by), change), 1)
        rows = self.sink.write_table(shape.name, read_ahead(self._emitted(shape, ordered, every), 3))
        self.progress.finish()
        if shape.unique_index:
            self.sink.write_index(shape.unique_index, unique)
        for place, index in enumerate(shape.indexes):
            self.progress.start(f"writing {index.name}", rows, "rows")
            self.sink.write_index(index.name, read_ahead(self._counted(index.name, indexes.batches(place, twins or _no_twins)), 3))
            self.progress.finish()
        return rows

    def _emitted(self, shape: TableShape, ordered: Iterator[pa.RecordBatch], taps: Sequence[Tap]) -> Iterator[pa.RecordBatch]:
        for whole in ordered:
            for begin in range(0, len(whole), EMITTED_ROWS):
                batch = as_stored(shape, whole.slice(begin, EMITTED_ROWS))
                for tap in taps:
                    tap(batch)
                yield batch
                self.progress.advance(len(batch))

    def _counted(self, name: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        entries = distinct = 0
        for batch in batches:
            key = batch.column(0)
            changes = len(batch) if not pa.types.is_integer(key.type) else int(np.count_nonzero(np.diff(key.to_numpy()))) + 1
            entries, distinct = entries + len(batch), distinct + changes
            self.see_index(name, batch)
            self.progress.advance(len(batch))
            yield batch
        self.distinct[name] = entries, distinct

    def pour(self, table: StagedTable, *, change: Change | None = None, taps: Sequence[Tap] = ()) -> int:
        """Scatter and write at once; a table whose key is a text is only put in its order."""
        if table.shape.columns[0].type == "TEXT":
            return self._pour_by_text(table)
        return self.write(table, self.scatter(table), change=change, taps=taps)

    def _pour_by_text(self, table: StagedTable) -> int:
        batches = list(table.batches())
        if not batches:
            return 0
        first = 0
        for batch in batches:
            check_values(table, batch, first)
            first += len(batch)
        whole = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
        order = order_texts(*text_parts(whole.column(0)))
        ordered = as_stored(table.shape, take_rows(whole, order))
        return self.sink.write_table(table.shape.name, [ordered])


def check_values(table: StagedTable, batch: pa.RecordBatch, first: int) -> None:
    """FormatError for a text that is no UTF-8, and for NULL where the table allows none."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        raise FormatError(f"{table.path}, rows from {first + 1}: {error}", "Make the tables again.") from error
    for column in table.shape.columns:
        if column.is_required and (column.name not in batch.schema.names or batch.column(column.name).null_count):
            place = 0 if column.name not in batch.schema.names else int(np.argmin(np.asarray(batch.column(column.name).is_valid())))
            raise FormatError(f"{table.path}, row {first + place + 1}: {column.name} is missing", "Every row needs one.")


def as_stored(shape: TableShape, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with every stored column in order; those that nothing was said of are NULL."""
    columns = [batch.column(name) if name in batch.schema.names else pa.nulls(len(batch)) for name in shape.column_names]
    return pa.RecordBatch.from_arrays(columns, list(shape.column_names))


def _changed(batches: Iterator[pa.RecordBatch], change: Change | None) -> Iterator[pa.RecordBatch]:
    return batches if change is None else (change(batch) for batch in batches)


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)


def _no_twins(packed: Array) -> None:
    """Ids that were compared when their rows were ranked."""
