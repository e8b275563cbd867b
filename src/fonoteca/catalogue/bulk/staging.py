"""The tables of a catalogue as Parquet or Arrow files in one folder, read batch by batch; docs/formats/parquet-edition.md."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from fonoteca.catalogue.bulk.shapes import TableShape, table_shapes
from fonoteca.ground.errors import FormatError

BATCH_ROWS = 1 << 18
Item = TypeVar("Item")


class StagedTable:
    """One table as it was handed in; `rows` may be 0 for want of a file. Columns that are absent or all NULL are not `present`."""

    def __init__(self, shape: TableShape, path: Path | None, remembered_bytes: int = 0) -> None:
        """One of at most `remembered_bytes` that is first asked for some columns is decoded once, and kept until it is forgotten."""
        self.shape, self.path = shape, path
        self._is_remembered, self._limit, self._remembered = False, remembered_bytes, list[pa.RecordBatch]()
        self.rows, self._types, self._is_small = 0, dict[str, pa.DataType](), False
        if path is not None:
            with _reading(path):
                self._look_at(path)

    def _look_at(self, path: Path) -> None:
        if path.suffix == ".arrow":
            with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
                schema, filled = reader.schema, set(reader.schema.names)
                self.rows = sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))
        else:
            with pq.ParquetFile(path) as file:
                schema, self.rows, filled = file.schema_arrow, file.metadata.num_rows, _filled_columns(file)
                groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
                self._is_small = sum(group.total_byte_size for group in groups) <= self._limit
        for column in self.shape.columns:
            if column.is_required and column.name not in schema.names:
                raise FormatError(
                    f"{path} has no column {column.name}", "docs/formats/parquet-edition.md names the columns of every table."
                )
        for name in schema.names:
            if name not in self.shape.column_names:
                raise FormatError(f"{path} has a column {name}, which {self.shape.name} has not", "Leave it out.")
        for column in self.shape.columns:
            if column.name in filled:
                self._types[column.name] = _stored_type(path, column.name, column.type, schema.field(column.name).type)

    def type_of(self, column: str) -> pa.DataType:
        """The Arrow type in which a column is handed on; pa.null() for one that is not there."""
        return self._types.get(column, pa.null())

    def present(self, columns: Sequence[str] | None = None) -> list[str]:
        """Of these columns (of all), those that hold something, in the order of the table."""
        return [name for name in self.shape.column_names if name in self._types and (columns is None or name in columns)]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The present ones of these columns, at most BATCH_ROWS rows at a time, read ahead. FormatError for what cannot be read."""
        if self.path is None or not self.rows:
            return iter(())
        names = self.present(columns)
        if self._is_remembered:
            return (batch.select(names) for batch in self._remembered)
        if self._is_small and columns is not None:
            return (batch.select(names) for batch in read_ahead(self._remember(self.path), 2))
        return read_ahead(self._read(self.path, names), 2)

    def _remember(self, path: Path) -> Iterator[pa.RecordBatch]:
        read, size = list[pa.RecordBatch](), 0
        for batch in self._read(path, self.present()):
            size += batch.nbytes
            if size <= self._limit:
                read.append(batch)
            yield batch
        if size <= self._limit:
            self._remembered, self._is_remembered = read, True
        self._is_small = False

    def forget(self) -> None:
        """Let go of what was decoded; it would be read anew."""
        self._remembered, self._is_remembered, self._is_small = [], False, False

    def _read(self, path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([(name, self._types[name]) for name in names])
        with _reading(path):
            if path.suffix == ".arrow":
                with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
                    for number in range(reader.num_record_batches):
                        whole = reader.get_batch(number).select(names)
                        yield from (_conform(whole.slice(at, BATCH_ROWS), schema) for at in range(0, whole.num_rows, BATCH_ROWS))
                return
            with pq.ParquetFile(path, pre_buffer=True) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=names):
                    yield _conform(batch, schema)


def open_staging(folder: Path, remembered_bytes: int = 0) -> dict[str, StagedTable]:
    """Every table of the schema, from TABLE.parquet or TABLE.arrow in `folder`; FormatError where the columns are others.

    Tables that are small enough are decoded once (see StagedTable).
    """
    if not folder.is_dir():
        raise FormatError(f"{folder} is no folder of tables", "Make one: fonoteca catalogue export FOLDER")
    tables = {}
    for name, shape in table_shapes().items():
        found = [path for suffix in (".parquet", ".arrow") if (path := folder / (name + suffix)).is_file()]
        tables[name] = StagedTable(shape, found[0] if found else None, remembered_bytes)
    if not any(table.path for table in tables.values()):
        raise FormatError(f"{folder} holds no table, such as tracks.parquet", "Make them: fonoteca catalogue export FOLDER")
    return tables


def read_ahead(items: Iterable[Item], ahead: int = 1) -> Iterator[Item]:
    """The same items, made in a thread of their own, at most `ahead` before they are asked for; its errors are raised here."""
    made: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(ahead)
    end, stop = object(), threading.Event()

    def hand(item: object, error: BaseException | None = None) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                made.put((item, error), timeout=0.2)
                return

    def make() -> None:
        try:
            for item in items:
                hand(item)
                if stop.is_set():
                    return
            hand(end)
        except BaseException as error:
            hand(end, error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stop.set()
        thread.join()


class _reading:
    """Errors of pyarrow as FormatError with the file's name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pa.ArrowException):
            raise FormatError(f"{self._path} cannot be read: {error}", "Make the tables again, or fetch them again.") from error


def _filled_columns(file: pq.ParquetFile) -> set[str]:
    metadata, filled = file.metadata, set[str]()
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            statistics = column.statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count < metadata.row_group(group).num_rows:
                filled.add(column.path_in_schema)
    return filled


def _stored_type(path: Path, name: str, stored: str, given: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(given):
        given = given.value_type
    if stored == "INTEGER" and (pa.types.is_integer(given) or pa.types.is_boolean(given)):
        return pa.int64() if given == pa.uint64() else pa.int8() if pa.types.is_boolean(given) else given
    if stored == "REAL" and (pa.types.is_floating(given) or pa.types.is_integer(given)):
        return pa.float64()
    if stored == "TEXT" and (pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_string_view(given)):
        return pa.string()
    if stored == "BLOB" and (pa.types.is_binary(given) or pa.types.is_large_binary(given) or pa.types.is_fixed_size_binary(given)):
        return given if pa.types.is_fixed_size_binary(given) else pa.binary()
    raise FormatError(f"{path}: column {name} is {given}, and the catalogue keeps {stored} there", "Write it with another type.")


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.types == schema.types:
        return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    columns = [column if column.type == kind else column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
