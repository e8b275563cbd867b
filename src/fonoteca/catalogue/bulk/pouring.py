"""One table from its staged rows into the edition: numbered anew, put in order, written, with its indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of, text_parts
from fonoteca.catalogue.bulk.packed_partitions import PackedPartitions, Scattered
from fonoteca.catalogue.bulk.page_packing import PackedRows, pack_rows
from fonoteca.catalogue.bulk.page_schema import Tree
from fonoteca.catalogue.bulk.page_unpacking import unpack_columns
from fonoteca.catalogue.bulk.partitions import Partitions, take_rows
from fonoteca.catalogue.bulk.ranks import Ranked
from fonoteca.catalogue.bulk.shapes import TableShape
from fonoteca.catalogue.bulk.sinks import Sink
from fonoteca.catalogue.bulk.sorting import order_texts
from fonoteca.catalogue.bulk.staging import StagedTable, read_ahead
from fonoteca.catalogue.bulk.table_indexes import Entries, TableIndexes, Twins, unique_entries
from fonoteca.ground.errors import DatabaseError, FormatError
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import map_in_order, open_threads

Array = NDArray[Any]
Result = TypeVar("Result")
EMITTED_ROWS = 1 << 17
Change = Callable[[pa.RecordBatch], pa.RecordBatch]
"""What becomes of rows that have their new numbers already, in any order."""


class Seer(NamedTuple):
    """Sees some columns of the table as it is stored, in order."""

    columns: tuple[str, ...]
    see: Callable[[pa.RecordBatch], object]


UNSEEN = Seer((), lambda batch: None)


class Room(NamedTuple):
    """How many rows make a partition, and how many bytes of a table may wait in memory."""

    rows: int
    kept_bytes: int


class Pourer:
    """What the pouring of every table shares."""

    def __init__(self, sink: Sink, ranked: Mapping[str, Ranked], scratch: Path, room: Room, threads: int, progress: Progress) -> None:
        self.sink, self.ranked, self.scratch, self.threads, self.progress = sink, ranked, scratch, threads, progress
        self._room = room
        self.see_index: Callable[[str, Array], None] = lambda name, numbers: None
        self.distinct: dict[str, tuple[int, int]] = {}
        """Entries and different keys of every index."""

    def pour(self, table: StagedTable, *, change: Change | None = None, seer: Seer = UNSEEN, twins: Twins | None = None) -> int:
        """Put the table and every index into the edition; the number of rows. FormatError names the table, the row and the fact.

        A table whose key is a text is only put in its order.
        """
        shape = table.shape
        if shape.columns[0].type == "TEXT":
            return self._pour_by_text(table, seer)
        indexes = TableIndexes(shape, self.scratch, self.threads)
        unique: list[pa.RecordBatch] = []
        more = (
            Seer((*shape.unique_columns, *shape.key), lambda batch: unique.append(unique_entries(shape, batch)))
            if shape.unique_index
            else UNSEEN
        )
        seers = [Seer(indexes.columns, indexes.take), seer, more]
        tree = self.sink.tree_of(shape.name)
        is_packed = tree is not None and all(column.type == "INTEGER" for column in shape.columns if column.name in shape.key)
        made = self._packed(table, tree, change, seers) if is_packed and tree is not None else self._batches(table, change, seers)
        rows = self.sink.fill(shape.name, read_ahead(made, 3))
        self.progress.finish()
        if shape.unique_index:
            self.sink.fill(shape.unique_index, unique)
        for place, index in enumerate(shape.indexes):
            self.progress.start(f"writing {index.name}", rows, "rows")
            self.sink.fill(index.name, read_ahead(self._counted(index.name, indexes.entries(place, twins or _no_twins)), 3))
            self.progress.finish()
        return rows

    def _packed(self, table: StagedTable, tree: Tree, change: Change | None, seers: Sequence[Seer]) -> Iterator[PackedRows]:
        """Rows are made records as they are read, and seen once they are in order."""
        shape = table.shape
        partitions = PackedPartitions(shape.name, self._highest(table), self.scratch, self._room.rows, self._room.kept_bytes)

        def work(first: int, batch: pa.RecordBatch) -> Scattered:
            renumbered = self._renumber(table, first, batch)
            stored = as_stored(shape, change(renumbered) if change else renumbered)
            numbers = numbers_of(stored.column(0))[0]
            ends, order = partitions.order(numbers)
            return Scattered(ends, numbers[order], *pack_rows(tree, stored, order))

        for scattered in self._read(table, work):
            partitions.put(scattered)
        self.progress.start(f"writing {shape.name}", table.rows, "rows")
        columns = tuple({name: None for seer in seers for name in seer.columns})
        parts = _parts(tree, partitions.ordered(), not shape.has_rowid)
        with open_threads(self.threads) as pool:
            for part, done in map_in_order(lambda part: pool.submit(unpack_columns, tree, part, columns), parts, self.threads + 1):
                for seer in seers if columns else ():
                    seer.see(done.result().select(seer.columns))
                yield part
                self.progress.advance(len(part))

    def _batches(self, table: StagedTable, change: Change | None, seers: Sequence[Seer]) -> Iterator[pa.RecordBatch]:
        """Rows as columns, for sinks that take no records, and for keys that are partly texts."""
        shape, names = table.shape, table.present()
        kinds = [pa.int32() if self._is_number(shape, name) else table.type_of(name) for name in names]
        schema = pa.schema(list(zip(names, kinds, strict=True)))
        partitions = Partitions(shape.name, schema, self._highest(table), self.scratch, self._room.rows)
        for parts in self._read(table, lambda first, batch: partitions.split(self._renumber(table, first, batch))):
            partitions.put(parts)
        partitions.finish()
        self.progress.start(f"writing {shape.name}", table.rows, "rows")
        for whole in partitions.ordered("other" if shape.name == "evidence" else None):
            changed = change(whole) if change else whole
            for begin in range(0, len(changed), EMITTED_ROWS):
                batch = as_stored(shape, changed.slice(begin, EMITTED_ROWS))
                for seer in seers:
                    seer.see(batch.select(seer.columns))
                yield batch
                self.progress.advance(len(batch))

    def _read(self, table: StagedTable, work: Callable[[int, pa.RecordBatch], Result]) -> Iterator[Result]:
        """What `work` makes of every batch (and of the place of its first row), in order, several at a time."""
        self.progress.start(f"reading {table.shape.name}", table.rows, "rows")
        with open_threads(self.threads) as pool:
            for (_, batch), done in map_in_order(lambda job: pool.submit(work, *job), _numbered(table.batches()), self.threads + 1):
                yield done.result()
                self.progress.advance(len(batch))
        table.forget()
        self.progress.finish()

    def _is_number(self, shape: TableShape, name: str) -> bool:
        return (name == shape.key[0] and shape.is_counted) or any(c.name == name and c.refers_to for c in shape.columns)

    def _highest(self, table: StagedTable) -> int:
        leading = table.shape.columns[0].refers_to or table.shape.name
        return len(self.ranked[leading].ranks)

    def _renumber(self, table: StagedTable, first: int, batch: pa.RecordBatch) -> pa.RecordBatch:
        shape, columns = table.shape, dict(zip(batch.schema.names, batch.columns, strict=True))
        check_values(table, batch, first)
        for column in shape.columns:
            if column.name in columns and column.refers_to:
                what = f"{table.path}: {column.name}"
                columns[column.name] = self.ranked[column.refers_to].renumbering.apply_to(columns[column.name], what, first)
        if shape.is_counted:
            columns[shape.key[0]] = pa.array(self.ranked[shape.name].ranks[first : first + len(batch)])
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    def _counted(self, name: str, made: Iterator[Entries]) -> Iterator[Any]:
        entries = distinct = 0
        for some in made:
            entries, distinct = entries + len(some), distinct + some.distinct
            if some.numbers is not None:
                self.see_index(name, some.numbers)
            self.progress.advance(len(some))
            yield some.rows
        self.distinct[name] = entries, distinct

    def _pour_by_text(self, table: StagedTable, seer: Seer) -> int:
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
        seer.see(ordered.select(seer.columns))
        return self.sink.fill(table.shape.name, [ordered])


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


def _parts(tree: Tree, partitions: Iterator[PackedRows], has_two_keys: bool) -> Iterator[PackedRows]:
    for whole in partitions:
        if has_two_keys:
            _refuse_disorder(tree, whole)
        yield from (whole.part(begin, begin + EMITTED_ROWS) for begin in range(0, len(whole), EMITTED_ROWS))


def _refuse_disorder(tree: Tree, rows: PackedRows) -> None:
    """DatabaseError where a key of two numbers does not ascend."""
    second = unpack_columns(tree, rows, [tree.columns[1].name]).column(0).to_numpy()
    wrong = (np.diff(rows.numbers) == 0) & (np.diff(second) <= 0)
    if wrong.any():
        place = int(np.argmax(wrong)) + 1
        raise DatabaseError(
            f"table {tree.name}: row {rows.numbers[place]}, {second[place]} does not ascend over the row before it, or repeats its key"
        )


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)


def _no_twins(packed: Array) -> None:
    """Ids that were compared when their rows were ranked."""
