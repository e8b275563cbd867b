"""Parquet tables whose columns are fields of the record schema; needs pyarrow, which comes with the extra [bulk]."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fonoteca.catalogue.import_csv import EXTRA, check_columns, read_values
from fonoteca.catalogue.import_records import ImportLine, bad_line
from fonoteca.ground.errors import FormatError, UsageError

ROWS_A_BATCH = 4_096


def read_parquet(path: Path, after: int = 0) -> Iterator[ImportLine]:
    """The rows of `path` behind number `after`; streams. UsageError where a column names no field; a NULL is a field left out."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError("reading Parquet needs the extra [bulk]", "Install it with: pip install 'fonoteca[bulk]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            names = check_columns(path, list(file.schema_arrow.names))
            groups, number = _groups_after(file, after)
            for batch in file.iter_batches(batch_size=ROWS_A_BATCH, row_groups=groups):
                columns = [_cells(column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    if number > after:
                        yield _read_row(path, number, names, cells)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is no Parquet file that can be read: {error}", "Check it, or write it again.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise FormatError(f"{path} is damaged: {error}", "Take a whole copy of it; the same command goes on.") from error


def _cells(column: Any) -> list[Any]:
    """The values of a column; text that is no UTF-8 as bytes, which no field takes."""
    try:
        cells: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        cells = [_cell(value) for value in column]
    return cells


def _cell(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return b"no UTF-8"


def _groups_after(file: Any, after: int) -> tuple[list[int], int]:
    """The row groups that hold rows behind `after`, and how many rows stand before them."""
    before, count = 0, file.metadata.num_row_groups
    for group in range(count):
        rows = file.metadata.row_group(group).num_rows
        if before + rows > after:
            return list(range(group, count)), before
        before += rows
    return [], before


def _read_row(path: Path, number: int, names: list[str], cells: tuple[Any, ...]) -> ImportLine:
    values = {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}
    if not values:
        return bad_line(path, number, "no key and no field")
    return read_values(path, number, {name: cell if name.startswith(EXTRA) else _plain(cell) for name, cell in values.items()})


def _plain(value: Any) -> Any:
    """Dates as they are written; whole numbers that came as fractions, as columns with NULLs do, as whole numbers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
