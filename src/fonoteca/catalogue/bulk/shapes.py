"""What SQLite itself says of the schema: the stored columns of every table, its key, what it refers to, its indexes."""

from __future__ import annotations

import re
from functools import cache

import apsw
import msgspec

from fonoteca.catalogue.schema import EDITION_INDEXES, TABLES

_INDEX = re.compile(r"CREATE INDEX (\w+) ON (\w+) \((?:substr\((\w+), 1, (\d+)\)|(\w+))\)(?: WHERE (\w+) IS NOT NULL)?")


class StoredColumn(msgspec.Struct, frozen=True):
    """A column that takes room in the file; `refers_to` names the table whose row numbers it holds."""

    name: str
    type: str
    is_required: bool
    refers_to: str | None


class IndexShape(msgspec.Struct, frozen=True):
    """An index over one column (the first `prefix` characters or bytes of it where not None); partial ones leave NULLs out."""

    name: str
    column: str
    prefix: int | None
    is_partial: bool


class TableShape(msgspec.Struct, frozen=True):
    """One table. `has_rowid`: its one key column is the row number. `unique_index` is the index that SQLite makes for UNIQUE."""

    name: str
    columns: tuple[StoredColumn, ...]
    key: tuple[str, ...]
    has_rowid: bool
    indexes: tuple[IndexShape, ...]
    unique_index: str | None
    unique_columns: tuple[str, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the stored columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def is_counted(self) -> bool:
        """Whether its rows are numbered from 1 without gaps, as artists, albums and tracks are."""
        return self.has_rowid and self.columns[0].refers_to is None


@cache
def table_shapes() -> dict[str, TableShape]:
    """Every table of an edition's records by its name, in the order of the schema."""
    connection = apsw.Connection(":memory:")
    connection.execute(TABLES + EDITION_INDEXES)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]
    return {name: _shape_of(connection, name) for name in names}


def _shape_of(connection: apsw.Connection, name: str) -> TableShape:
    refers = {row[3]: row[2] for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
    rows = [row for row in connection.execute(f"PRAGMA table_xinfo({name})") if row[6] == 0]
    columns = tuple(StoredColumn(row[1], row[2], bool(row[3] or row[5]), refers.get(row[1])) for row in rows)
    key = tuple(row[1] for row in sorted((row for row in rows if row[5]), key=lambda row: row[5]))
    sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).get
    has_rowid = "WITHOUT ROWID" not in sql
    unique, unique_columns = _unique_index(connection, name) if has_rowid else (None, ())
    return TableShape(name, columns, key, has_rowid, _indexes_of(connection, name), unique, unique_columns)


def _indexes_of(connection: apsw.Connection, table: str) -> tuple[IndexShape, ...]:
    found = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql NOT NULL ORDER BY rowid", (table,)
    )
    shapes = []
    for (sql,) in found:
        match = _INDEX.fullmatch(sql)
        assert match is not None, sql
        name, _, cut_column, prefix, column, partial = match.groups()
        shapes.append(IndexShape(name, column or cut_column, int(prefix) if prefix else None, partial is not None))
    return tuple(shapes)


def _unique_index(connection: apsw.Connection, table: str) -> tuple[str | None, tuple[str, ...]]:
    for row in connection.execute(f"PRAGMA index_list({table})"):
        if row[3] == "u":
            return row[1], tuple(column[2] for column in connection.execute(f"PRAGMA index_info('{row[1]}')"))
    return None, ()
