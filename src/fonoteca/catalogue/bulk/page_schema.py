"""What the page writer must know of a database whose empty tables SQLite has made: roots, stored columns, keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import apsw

from fonoteca.ground.errors import DatabaseError

INTEGER, TEXT_, BLOB_, REAL_, NUMERIC, ANY = "INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC", "ANY"


@dataclass(frozen=True)
class Column:
    """A column as stored; `affinity` is one of the names above, `default` whether a missing value would not read as NULL."""

    name: str
    affinity: str
    is_required: bool = False
    has_default: bool = False


@dataclass(frozen=True)
class Tree:
    """A b-tree to fill: a table, a table WITHOUT ROWID, or an index.

    columns: in stored order; row_number: the INTEGER PRIMARY KEY among them, or -1; keys: columns that order the rows of an index or a
    table WITHOUT ROWID; unique: how many of them must differ between rows; table: the table's name; is_partial: has a WHERE.
    """

    name: str
    root: int
    columns: tuple[Column, ...]
    is_index: bool
    table: str
    row_number: int = -1
    keys: int = 0
    unique: int = 0
    is_partial: bool = False

    @property
    def is_table(self) -> bool:
        """Whether the tree holds a table's rows."""
        return self.name == self.table


def read_trees(path: Path) -> dict[str, Tree]:
    """Every table and index of the database by name; virtual tables have none of their own."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise DatabaseError(f"{path} cannot be opened: {error}") from error
    try:
        found = list(connection.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE rootpage > 0"))
        tables = {name: _Table(connection, name) for kind, name, *_ in found if kind == "table"}
        trees = {name: tables[name].tree(root) for kind, name, _, root, _ in found if kind == "table"}
        for kind, name, table, root, sql in found:
            if kind == "index":
                trees[name] = tables[table].index(name, root, sql)
    except apsw.Error as error:
        raise DatabaseError(f"{path} has a schema that cannot be read: {error}") from error
    finally:
        connection.close()
    return trees


def _affinity(declared: str) -> str:
    """https://www.sqlite.org/datatype3.html#determination_of_column_affinity; BLOB only where it says so."""
    name = declared.upper()
    if "INT" in name:
        return INTEGER
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return TEXT_
    if name == "BLOB":
        return BLOB_
    if name in ("", "ANY") or "BLOB" in name:
        return ANY
    return REAL_ if any(part in name for part in ("REAL", "FLOA", "DOUB")) else NUMERIC


class _Table:
    """What the pragmas say of one table."""

    def __init__(self, connection: apsw.Connection, name: str) -> None:
        self.name = name
        self.connection = connection
        self.indexes = {row[1]: row for row in self._ask("SELECT * FROM pragma_index_list(?)", name)}
        listed = list(self._ask("SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'", name))
        self.has_row_numbers = not listed or not listed[0][0]
        rows = list(self._ask('SELECT cid, name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', name))
        self.of_number = {
            cid: Column(column, _affinity(declared), bool(required) or (bool(key) and not self.has_row_numbers), default is not None)
            for cid, column, declared, required, default, key, hidden in rows
            if hidden != 2  # 2: generated when read
        }
        self.keys = [(cid, declared) for cid, _, declared, _, _, key, _ in rows if key]

    def _ask(self, sql: str, name: str) -> apsw.Cursor:
        return self.connection.execute(sql, (name,))

    def _primary(self) -> str | None:
        return next((name for name, row in self.indexes.items() if row[3] == "pk"), None)

    def tree(self, root: int) -> Tree:
        """The tree of the table itself."""
        if not self.has_row_numbers:
            primary = self._primary()
            columns, keys = self._index_columns(str(primary))
            return Tree(self.name, root, columns, True, self.name, keys=keys, unique=keys)
        numbers = list(self.of_number)
        is_alias = len(self.keys) == 1 and self.keys[0][1].upper() == "INTEGER" and self._primary() is None
        row_number = numbers.index(self.keys[0][0]) if is_alias else -1
        return Tree(self.name, root, tuple(self.of_number.values()), False, self.name, row_number)

    def index(self, name: str, root: int, sql: str | None) -> Tree:
        """The tree of an index: its columns, then those that lead to the row; all of them order it."""
        columns, keys = self._index_columns(name)
        row = self.indexes[name]
        return Tree(name, root, columns, True, self.name, keys=len(columns), unique=keys if row[2] else 0, is_partial=bool(row[4]))

    def _index_columns(self, name: str) -> tuple[tuple[Column, ...], int]:
        columns: list[Column] = []
        keys = 0
        for _, cid, column, is_descending, collation, is_key in self._ask("SELECT * FROM pragma_index_xinfo(?)", name):
            if is_key and (is_descending or str(collation).upper() != "BINARY"):
                raise DatabaseError(f"index {name} orders {column} otherwise than ascending and binary; pages are written so only")
            keys += is_key
            if cid == -1:
                columns.append(Column("rowid", INTEGER, True))
            else:
                columns.append(Column("", ANY) if cid == -2 else self.of_number.get(cid, Column(column or "", ANY)))
        return tuple(columns), keys
