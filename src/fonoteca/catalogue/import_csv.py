"""Comma-, semicolon- or tab-separated tables whose header names fields of the record schema."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from fonoteca.catalogue.field_names import close_names
from fonoteca.catalogue.import_records import ROWS, BadRowError, ImportLine, bad_line, convert_row, settle_row
from fonoteca.catalogue.lines import Line, open_bytes, read_lines
from fonoteca.ground.errors import UsageError

LONGEST_ROW = 1 << 20
EXTRA = "extra."
"""A column of this beginning is kept in `extra`, under the rest of its name."""


def read_table(path: Path, after: int = 0) -> Iterator[ImportLine]:
    """The rows of `path` behind line `after`; streams. UsageError where a column names no field.

    An empty cell is a field left out. Lists are parted by semicolons, or given as a JSON list.
    """
    with open_bytes(path) as file:
        lines = read_lines(file, LONGEST_ROW)
        header = _text(next(lines, Line(1, b"")))
        delimiter = max(",;\t", key=header.count)
        names = check_columns(path, _read_header(path, header, delimiter))
        for line in lines:
            if line.number > after and (line.fault or line.content.strip()):
                yield _read_row(path, line, names, delimiter)


def _read_header(path: Path, header: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error as error:
        raise UsageError(f"{path} has no header that can be read: {error}", "Name the columns in the first line.") from error


def check_columns(path: Path, names: list[str]) -> list[str]:
    """The columns as fields; UsageError naming the first that is none."""
    known = {field for struct in ROWS.values() for field in struct.__struct_fields__} - {"line"} | {"record"}
    settled = [name if name.startswith(EXTRA) else name.lower() for name in names]
    for name in settled:
        if name not in known and not name.startswith(EXTRA):
            close = close_names(name, *ROWS.values())
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise UsageError(
                f"{path} has a column {name[:80]!r}, which is no field",
                f"{hint}docs/formats/metadata.md lists the fields; a column {EXTRA + name[:80]!r} is kept as it is.",
            )
    if len(set(settled)) < len(settled) or not settled:
        raise UsageError(f"{path} has no columns, or two of one name", "Name each column once, in the first line.")
    return settled


def _text(line: Line) -> str:
    return line.content.decode("utf-8", "surrogateescape")


def _read_row(path: Path, line: Line, names: list[str], delimiter: str) -> ImportLine:
    if line.fault:
        return bad_line(path, line.number, line.fault)
    try:
        # a row ends at its line, so that a quote that stands alone costs this row and none of those that follow
        cells = next(csv.reader([line.content.decode()], delimiter=delimiter, strict=True), [])
    except (csv.Error, UnicodeDecodeError) as error:
        return bad_line(path, line.number, f"no CSV: {error}; a quoted cell ends on its line")
    if len(cells) > len(names):
        return bad_line(path, line.number, f"{len(cells)} cells under {len(names)} columns")
    given = {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip()}
    return read_values(path, line.number, {name: _read_cell(name, cell) for name, cell in given.items()})


def read_values(path: Path, number: int, values: dict[str, Any]) -> ImportLine:
    """The line of one row of values, `extra.NAME` among them."""
    extra = {name[len(EXTRA) :]: value for name, value in values.items() if name.startswith(EXTRA)}
    plain = {name: value for name, value in values.items() if not name.startswith(EXTRA)}
    if extra:
        plain["extra"] = {**(plain.get("extra") or {}), **extra}
    try:
        content = msgspec.json.encode(plain)
    except (UnicodeEncodeError, TypeError) as error:
        return bad_line(path, number, f"{error}"[:300])
    try:
        kept = plain.pop("extra", None)
        if kept is not None and not isinstance(kept, dict):
            raise BadRowError("extra is no object")
        row, notes = settle_row(convert_row(plain), number, path)
    except BadRowError as error:
        return bad_line(path, number, str(error), content)
    return ImportLine(number, (row,), content, notes)


def _whole(cell: str) -> Any:
    try:
        return int(cell)
    except ValueError:
        value = _fraction(cell)
        return int(value) if isinstance(value, float) and value.is_integer() else value


def _fraction(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


def _truth(cell: str) -> Any:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(cell.lower(), cell)


def _list(cell: str) -> Any:
    if cell.startswith("["):
        try:
            return msgspec.json.decode(cell)
        except msgspec.DecodeError:
            return cell
    return [part.strip() for part in cell.split(";") if part.strip()]


def _object(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError):
        return cell


def _read_cell(name: str, cell: str) -> Any:
    return _READERS.get(name, str)(cell.strip())


def _readers() -> dict[str, Callable[[str], Any]]:
    """How the cells of each field are read, from the types of the record schema."""
    readers: dict[str, Callable[[str], Any]] = {"extra": _object}
    for struct in ROWS.values():
        for name, hint in get_type_hints(struct).items():
            text = str(hint)
            if name != "extra" and "tuple" in text:
                readers[name] = _list
            elif "bool" in text:
                readers[name] = _truth
            elif "float" in text:
                readers[name] = _fraction
            elif "int" in text:
                readers[name] = _whole
    return readers


_READERS = _readers()
