"""A working catalogue as the tables that an edition is built from: what may be told of it, one Parquet file a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import apsw
import pyarrow as pa
import pyarrow.parquet as pq

from fonoteca.catalogue.bulk.parquet_edition import read_batches
from fonoteca.catalogue.bulk.shapes import TableShape, table_shapes
from fonoteca.catalogue.edition_copies import COPIES, RANKS
from fonoteca.catalogue.schema import TABLES
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import sync_folder
from fonoteca.ground.progress import Progress, Silent

_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary()}
_BETWEEN = ".tables.sqlite3"


def export_tables(
    catalogue: Path, folder: Path, *, meanings: Mapping[str, str] = MappingProxyType({}), progress: Progress | None = None
) -> dict[str, int]:
    """Write TABLE.parquet for every table of the schema into `folder`; gives the rows of each.

    Tells what an edition tells, no more: names of withdrawn tracks and files of no public container stay out, see write_edition for
    `meanings`. Row numbers are those of the edition. UsageError where the folder holds anything else. Reads what is committed.
    """
    shapes, between = table_shapes(), folder / _BETWEEN
    _make_room(folder, shapes)
    progress = progress or Silent()
    progress.start("exporting", len(COPIES) + len(shapes), "tables")
    try:
        connection = apsw.Connection(str(between))
        try:
            _copy(connection, catalogue, meanings, progress)
            return {name: _write(connection, shape, folder, progress) for name, shape in shapes.items()}
        finally:
            connection.close()
    except apsw.Error as error:
        raise translate_database_error(error, catalogue) from error
    finally:
        between.unlink(missing_ok=True)
        sync_folder(folder)
        progress.finish()


def _make_room(folder: Path, shapes: Mapping[str, TableShape]) -> None:
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _BETWEEN).unlink(missing_ok=True)
        strange = sorted(path.name for path in folder.iterdir() if path.stem not in shapes or path.suffix != ".parquet")
    if strange:
        raise UsageError(f"{folder} is not empty: it has {strange[0]}", "Name a folder that is new or empty.")


def _copy(connection: apsw.Connection, catalogue: Path, meanings: Mapping[str, str], progress: Progress) -> None:
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_busy_timeout(10_000)
    connection.execute("ATTACH ? AS w", (str(catalogue),))
    with connection:
        connection.execute(TABLES + "CREATE TEMP TABLE meanings (code TEXT PRIMARY KEY, meaning TEXT NOT NULL)")
        connection.executemany("INSERT INTO temp.meanings VALUES (?, ?)", meanings.items())
        for statement in RANKS:
            connection.execute(statement)
        for statement in COPIES:
            connection.execute(statement)
            progress.advance()


def _write(connection: apsw.Connection, shape: TableShape, folder: Path, progress: Progress) -> int:
    path = folder / f"{shape.name}.parquet"
    schema = pa.schema([pa.field(column.name, _TYPES[column.type]) for column in shape.columns])
    rows = 0
    with translate_os_errors(path), pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in read_batches(connection, shape, schema):
            writer.write_batch(batch)
            rows += len(batch)
    progress.advance()
    return rows
