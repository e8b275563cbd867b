"""An edition as a folder of Parquet files with a data dictionary; docs/formats/parquet-edition.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import apsw
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from fonoteca.catalogue.bulk.shapes import TableShape, table_shapes
from fonoteca.catalogue.data_dictionary import dictionary_json
from fonoteca.catalogue.edition_diff import describe_edition, open_edition_file
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import sync_folder, write_atomically
from fonoteca.ground.progress import Progress

FORMAT = "fonoteca-parquet-edition"
VERSION = 1
ROW_GROUP_ROWS = 1 << 20
_BATCH_ROWS = 1 << 16
_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary()}


class WrittenTable(msgspec.Struct, frozen=True):
    """One file of a Parquet edition: its rows, its size in bytes, its SHA-256 in hex."""

    rows: int
    size: int
    sha256: str


class ParquetEdition(msgspec.Struct, frozen=True, kw_only=True):
    """What edition.json says; `edition` is the SHA-256 of the SQLite edition, `writer` the library that decides the bytes."""

    format: str = FORMAT
    version: int = VERSION
    title: str
    date: str
    schema: str
    edition: str
    writer: str
    tables: dict[str, WrittenTable]

    @property
    def size(self) -> int:
        """Bytes of all tables."""
        return sum(table.size for table in self.tables.values())


def write_parquet_edition(edition: Path, folder: Path, progress: Progress | None = None) -> ParquetEdition:
    """Write every table of an edition into `folder`, edition.json last; the same edition gives the same bytes with the same library.

    UsageError where the folder holds anything but a Parquet edition that was not finished. Memory does not grow with the tables.
    """
    told = describe_edition(edition)
    _make_room(folder)
    connection = open_edition_file(edition)
    tables: dict[str, WrittenTable] = {}
    try:
        for name, shape in table_shapes().items():
            tables[name] = _write_table(connection, shape, folder / f"{name}.parquet")
            if progress is not None:
                progress.advance()
    except apsw.Error as error:
        raise translate_database_error(error, edition) from error
    finally:
        connection.close()
    facts = told.facts
    written = ParquetEdition(
        title=facts.get("title", ""), date=facts.get("date", ""), schema=facts.get("schema", ""), edition=told.sha256,
        writer=f"pyarrow {pa.__version__}", tables=tables,
    )  # fmt: skip
    write_atomically(folder / "data-dictionary.json", dictionary_json())
    sync_folder(folder)
    write_atomically(folder / "edition.json", msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n")
    return written


def _make_room(folder: Path) -> None:
    ours = {f"{name}.parquet" for name in table_shapes()} | {"data-dictionary.json", "data-dictionary.json.partial", "edition.json.partial"}
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        strange = sorted(path.name for path in folder.iterdir() if path.name not in ours)
    if strange:
        raise UsageError(f"{folder} is not empty: it has {strange[0]}", "Name a folder that is new or empty.")


def _write_table(connection: apsw.Connection, shape: TableShape, target: Path) -> WrittenTable:
    schema = pa.schema([pa.field(column.name, _TYPES[column.type], nullable=not column.is_required) for column in shape.columns])
    rows = 0
    with translate_os_errors(target):
        with pq.ParquetWriter(target, schema, compression="zstd", compression_level=7, store_schema=False) as writer:
            for table in _row_groups(read_batches(connection, shape, schema), schema):
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                rows += table.num_rows
        with open(target, "rb") as file:
            return WrittenTable(rows, target.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    while group := list(islice(batches, ROW_GROUP_ROWS // _BATCH_ROWS)):
        yield pa.Table.from_batches(group, schema)


def read_batches(connection: apsw.Connection, shape: TableShape, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The stored columns of a table in order of its key, as Arrow batches of these types; streams."""
    rows = connection.execute(f"SELECT {', '.join(shape.column_names)} FROM {shape.name} ORDER BY {', '.join(shape.key)}")
    while chunk := list(islice(rows, _BATCH_ROWS)):
        columns = zip(*chunk, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
