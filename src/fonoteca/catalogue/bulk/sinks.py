"""Where a builder's tables go: pages written by ourselves, or SQLite's own insert path over ADBC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

import apsw
import pyarrow as pa
from adbc_driver_sqlite import dbapi

from fonoteca.catalogue.bulk.page_packing import PackedRows
from fonoteca.catalogue.bulk.page_schema import Tree
from fonoteca.catalogue.bulk.shapes import table_shapes
from fonoteca.catalogue.schema import EDITION_INDEXES, TABLES, VIEWS
from fonoteca.ground.errors import DatabaseError

SinkName = Literal["pages", "adbc"]
PAGE_SIZE = 4096
Rows = Iterable[pa.RecordBatch | PackedRows]


class Sink(Protocol):
    """Takes tables and indexes whole, in key order."""

    def tree_of(self, name: str) -> Tree | None:
        """What the records of a table are made of; None where it takes only batches."""

    def fill(self, name: str, rows: Rows) -> int:
        """Fill a table (batches hold its stored columns by name) or an index (its columns, then what leads to the row)."""

    def close(self) -> None:
        """All is written."""

    def abandon(self) -> None:
        """Let go of the file, whatever it holds."""


def make_empty(path: Path, *, has_indexes: bool) -> None:
    """A new SQLite file with the empty tables of an edition."""
    connection = apsw.Connection(str(path))
    try:
        for pragma in (f"page_size = {PAGE_SIZE}", "journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        with connection:
            connection.execute(
                TABLES + (EDITION_INDEXES if has_indexes else "") + VIEWS + "ANALYZE"
            )  # for its tables, which are filled by hand
    finally:
        connection.close()


def open_sink(kind: SinkName, path: Path, threads: int) -> Sink:
    """An empty edition at `path`, ready to be filled."""
    make_empty(path, has_indexes=kind == "pages")
    if kind == "adbc":
        return AdbcSink(path)
    from fonoteca.catalogue.bulk.pages import PageFile

    return PageFile(path, PAGE_SIZE, threads=threads)


class AdbcSink:
    """Tables through SQLite's own insert path; it makes the indexes itself when all rows are there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = dbapi.connect(str(path), autocommit=True)
        with self._connection.cursor() as cursor:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                cursor.execute(f"PRAGMA {pragma}")

    def tree_of(self, name: str) -> None:
        """See Sink."""

    def fill(self, name: str, rows: Rows) -> int:
        """See Sink. Of an index nothing, for it comes last; its entries are read for what their makers check."""
        if name not in table_shapes():
            return sum(len(some) for some in rows)
        return self.write_table(name, rows)

    def write_table(self, name: str, batches: Iterable[pa.RecordBatch]) -> int:
        """A table from batches."""
        shape, rows, failed = table_shapes()[name], [0], list[BaseException]()
        schema = pa.schema([(column.name, _PLAIN[column.type]) for column in shape.columns])

        def plain() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    rows[0] += len(batch)
                    if len(batch):
                        yield pa.RecordBatch.from_arrays([_plain(batch.column(field.name), field.type) for field in schema], schema=schema)
            except Exception as error:
                failed.append(error)  # ADBC would tell it as one of its own
                raise

        whole = plain()
        first = next(whole, None)
        if first is not None:
            reader = pa.RecordBatchReader.from_batches(schema, chain([first], whole))
            try:
                with self._connection.cursor() as cursor:
                    cursor.adbc_ingest(name, reader, mode="append")
            except dbapi.Error as error:
                raise failed[0] if failed else DatabaseError(f"{self._path}: {name} takes no rows: {error}") from error
        return rows[0]

    def close(self) -> None:
        """See Sink."""
        self._connection.close()
        connection = apsw.Connection(str(self._path))
        try:
            connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
            with connection:
                connection.execute(EDITION_INDEXES)
        except apsw.Error as error:
            raise DatabaseError(f"{self._path} takes no indexes: {error}") from error
        finally:
            connection.close()

    def abandon(self) -> None:
        """See Sink."""
        self._connection.close()


_PLAIN = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary()}


def _plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column if column.type == kind else column.cast(kind)
