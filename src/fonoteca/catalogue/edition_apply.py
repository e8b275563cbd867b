"""A newer edition made from an older one and a delta, with the writer that made it, and proved to be the same bytes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import apsw
import msgspec

from fonoteca.catalogue.edition import write_edition
from fonoteca.catalogue.edition_diff import FORMAT, VERSION, DeltaEnd, DeltaHeader, EditionFile, open_edition_file
from fonoteca.catalogue.edition_writers import why_not_written_here
from fonoteca.catalogue.lines import open_bytes, read_lines
from fonoteca.catalogue.natural_rows import IMPLIED, NaturalTable, Row, RowWriter, natural_tables
from fonoteca.catalogue.working import Catalogue
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import DatabaseError, FormatError, UsageError, translate_os_errors
from fonoteca.ground.files import name_beside, require_file_name, sync_folder

_BATCH = 50_000
_FETCH = "Fetch the whole edition instead."
_AGAIN = "Fetch the delta again."


def apply_delta(old: Path, delta: Path, target: Path, *, scratch: Path | None = None) -> EditionFile:
    """Write the edition that `delta` makes of `old` to `target`; nothing appears there before its SHA-256 is proved.

    FormatError where the delta is damaged, UsageError where it starts from another edition or wants another writer,
    DatabaseError where what came out is not the edition that was promised. Takes room for two editions in `scratch`
    (the target's folder unless told); both are gone afterwards.
    """
    require_file_name(target)
    header = read_delta_header(delta)
    write = _writer_of(header)
    _prove_lines(delta)
    _prove_old(old, header.old)
    folder = scratch or target.parent
    working, made = name_beside(folder / target.name, "records"), name_beside(target, "unproved")
    leftovers = [working, Path(f"{working}-wal"), Path(f"{working}-shm"), made]
    try:
        _remove(leftovers)
        with Catalogue.create(working) as catalogue:
            try:
                _load_records(catalogue.statements.connection, old)
                _apply_lines(catalogue.statements.connection, delta)
            except (apsw.ConstraintError, apsw.MismatchError, ValueError, TypeError, OverflowError) as error:
                raise FormatError(f"{delta} has a row that cannot be: {error}", _AGAIN) from error
            except apsw.Error as error:
                raise translate_database_error(error, working) from error
            write(catalogue, made, header.new.facts)
        _prove_new(made, header.new)
        with translate_os_errors(target):
            made.rename(target)
            sync_folder(target.parent)
    finally:
        _remove(leftovers)
    return header.new


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def read_delta_header(delta: Path) -> DeltaHeader:
    """What a delta leads from and to; FormatError where it is none."""
    if not delta.is_file():
        raise UsageError(f"{delta} is no file", "Name the .jsonl.zst that catalogue diff wrote.")
    with open_bytes(delta) as file:
        first = next(iter(read_lines(file)), None)
    try:
        header = msgspec.json.decode(b"" if first is None or first.fault else first.content, type=DeltaHeader)
    except msgspec.MsgspecError as error:
        raise FormatError(f"{delta} does not begin with the header of a delta", "Check the name; fetch the delta again.") from error
    if header.format != FORMAT or header.version != VERSION:
        raise FormatError(f"{delta} is {header.format} {header.version}; this program knows {FORMAT} {VERSION}", "Update fonoteca.")
    if missing := [name for name in ("title", "date") if name not in header.new.facts]:
        raise FormatError(f"{delta} does not tell the {missing[0]} of the newer edition", _AGAIN)
    if header.tables != {table.name: table.columns for table in natural_tables()}:
        raise UsageError(f"{delta} is about another schema of the catalogue", f"Use the version of fonoteca that wrote it. {_FETCH}")
    return header


def _writer_of(header: DeltaHeader) -> Callable[[Catalogue, Path, dict[str, str]], Any]:
    if why := why_not_written_here(header.new.facts):
        hint = f"Only the same writer gives the same bytes: use that version of fonoteca and its libraries. {_FETCH}"
        raise UsageError(f"the new edition cannot be made here: {why}", hint)
    return _write_by_sql if header.new.facts["writer"] == "sql" else _write_from_tables


def _write_by_sql(catalogue: Catalogue, target: Path, facts: dict[str, str]) -> None:
    write_edition(catalogue, target, title=facts["title"], date=facts["date"], meanings=_meanings(catalogue))


def _write_from_tables(catalogue: Catalogue, target: Path, facts: dict[str, str]) -> None:
    from fonoteca.catalogue.bulk.build import build_edition
    from fonoteca.catalogue.bulk.export import export_tables

    sink: Literal["pages", "adbc"] = "adbc" if facts["writer"] == "adbc" else "pages"
    with tempfile.TemporaryDirectory(prefix=".fonoteca-tables-", dir=catalogue.path.parent) as tables:
        export_tables(catalogue.path, Path(tables), meanings=_meanings(catalogue))
        build_edition(Path(tables), target, title=facts["title"], date=facts["date"], scratch=catalogue.path.parent, sink=sink)


def _meanings(catalogue: Catalogue) -> dict[str, str]:
    """The words that stand for the reason of a withdrawal that hides names: those of the edition."""
    return dict(catalogue.statements.rows("SELECT code, reason FROM tombstones WHERE shows_metadata = 0"))


def _prove_old(old: Path, told: EditionFile) -> None:
    open_edition_file(old).close()
    found = _digest(old)
    if found != told.sha256:
        raise UsageError(
            f"{old} is not the edition that the delta starts from: SHA-256 {found}, not {told.sha256}",
            f"It starts from {told.facts.get('title', '')!r} of {told.facts.get('date', '')}. {_FETCH}",
        )


def _prove_new(made: Path, told: EditionFile) -> None:
    found = _digest(made)
    if found != told.sha256:
        raise DatabaseError(f"the edition that came out has SHA-256 {found}, not {told.sha256}; nothing was kept of it", _FETCH)


def _digest(path: Path) -> str:
    with translate_os_errors(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_records(connection: apsw.Connection, old: Path) -> None:
    """The old edition's rows as they are; its row numbers serve as well as any."""
    connection.execute("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF")
    connection.execute("ATTACH ? AS old", (str(old),))
    with connection:
        for table in natural_tables():
            columns = ", ".join((table.number, *table.columns) if table.number else table.columns)
            connection.execute(f"INSERT INTO main.{table.name} ({columns}) SELECT {columns} FROM old.{table.name}")
        for name in sorted(IMPLIED):
            connection.execute(f"INSERT INTO main.{name} SELECT * FROM old.{name}")
    connection.execute("DETACH old")


def _apply_lines(connection: apsw.Connection, delta: Path) -> None:
    tables = {table.name: table for table in natural_tables()}
    writer = RowWriter(connection)
    connection.execute("CREATE TEMP TABLE removed (number INTEGER PRIMARY KEY, name TEXT, key TEXT)")
    with connection:
        for name, is_put, row in _read_rows(delta):
            table = tables.get(name)
            if table is None or len(row) != (len(table.columns) if is_put else len(table.key)):
                raise FormatError(f"{delta} has a row that is none of table {name!r}", _AGAIN)
            if is_put:
                writer.put(table, _stored(row, table.blobs))
            elif table.number:  # what refers to it goes first
                connection.execute("INSERT INTO removed (name, key) VALUES (?, ?)", (name, msgspec.json.encode(row).decode()))
            else:
                _remove_row(writer, table, row, delta)
        for name, key in connection.execute("SELECT name, key FROM removed ORDER BY number DESC"):
            _remove_row(writer, tables[name], tuple(msgspec.json.decode(key)), delta)
        if (dangling := connection.execute("PRAGMA foreign_key_check").fetchone()) is not None:
            raise FormatError(f"{delta} leaves a row of {dangling[0]} without its {dangling[2]}", _AGAIN)


def _remove_row(writer: RowWriter, table: NaturalTable, key: Row, delta: Path) -> None:
    if not writer.remove(table, _stored(key, _key_blobs(table))):
        raise FormatError(f"{delta} removes a row of {table.name} that is not there: {key}", _AGAIN)


def _key_blobs(table: NaturalTable) -> tuple[int, ...]:
    return tuple(n for n, place in enumerate(table.key) if place in table.blobs)


def _stored(row: Row, blobs: tuple[int, ...]) -> Row:
    if not blobs:
        return row
    return tuple(bytes.fromhex(value) if place in blobs and value is not None else value for place, value in enumerate(row))


def _prove_lines(delta: Path) -> None:
    """Read it once to its end before anything is done with it; FormatError where a byte is not what was written."""
    digest, count, last = hashlib.sha256(), -2, b""
    for content in _contents(delta):
        if last:
            digest.update(last + b"\n")
        last, count = content, count + 1
    try:
        end = msgspec.json.decode(last, type=DeltaEnd)
    except msgspec.MsgspecError as error:
        raise FormatError(f"{delta} is cut: its last line is missing", _AGAIN) from error
    if end != DeltaEnd(count, digest.hexdigest()):
        raise FormatError(f"{delta} is damaged: its {count} rows do not have the SHA-256 of its last line", _AGAIN)


def _contents(delta: Path) -> Iterator[bytes]:
    with open_bytes(delta) as file:
        for line in read_lines(file):
            if line.fault:
                raise FormatError(f"{delta}, line {line.number}: {line.fault}", _AGAIN)
            yield line.content


def _read_rows(delta: Path) -> Iterator[tuple[str, bool, Row]]:
    """(table, whether it is put, row or key), of a delta that was proved."""
    for number, content in enumerate(_contents(delta)):
        if number and content.startswith(b"["):
            yield _parse_row(delta, content)


def _parse_row(delta: Path, content: bytes) -> tuple[str, bool, Row]:
    try:
        name, *rest = msgspec.json.decode(content, type=tuple[Any, ...])
        is_put = len(rest) == 1
        return str(name), is_put, tuple(rest[0] if is_put else rest[1])
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError) as error:
        raise FormatError(f"{delta} has a line that is no row: {content[:60]!r}", _AGAIN) from error
