"""Rows of an edition told without row numbers: every reference as the public id, name or hash of what it refers to.

Row numbers are ranks and change with every edition; told this way, what did not change is the same in two editions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import apsw
import msgspec

from fonoteca.catalogue.schema import TABLES

IDENTITIES: dict[str, tuple[str, ...]] = {
    "artists": ("id",),
    "genres": ("name",),
    "labels": ("name",),
    "albums": ("id",),
    "rights": ("uri",),
    "tracks": ("id",),
    "pictures": ("sha256",),
    "containers": ("name",),
    "file_kinds": ("format", "tier", "is_derived", "is_original_restorable"),
}
"""What a numbered row is known by wherever it is."""

IMPLIED = frozenset({"genres", "labels", "file_kinds"})
"""Tables that hold just what others name: told nowhere, so that no name outlives the last track that bore it."""

Row = tuple[Any, ...]


class NaturalTable(msgspec.Struct, frozen=True):
    """One table: its columns without its own row number, which of them are the key, and what each refers to ("" for nothing)."""

    name: str
    number: str | None
    columns: tuple[str, ...]
    key: tuple[int, ...]
    references: tuple[str, ...]
    blobs: tuple[int, ...]

    def key_of(self, row: Row) -> Row:
        """The key's values in a row of this table."""
        return tuple(row[place] for place in self.key)


@cache
def natural_tables() -> tuple[NaturalTable, ...]:
    """Every table of the schema but the implied ones; what is referred to comes before what refers to it."""
    connection = apsw.Connection(":memory:")
    connection.execute(TABLES)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]
    tables = {name: _describe(connection, name) for name in names if name not in IMPLIED}
    ordered: dict[str, NaturalTable] = {}
    while len(ordered) < len(tables):
        for name, table in tables.items():
            if all(other in ordered or other in IMPLIED or other in ("", name) for other in table.references):
                ordered.setdefault(name, table)
    return tuple(ordered.values())


def _describe(connection: apsw.Connection, name: str) -> NaturalTable:
    # hidden 0: stored; the generated columns are 2
    infos = [row for row in connection.execute(f"PRAGMA table_xinfo({name})") if row[6] == 0]
    refers = {row[3]: row[2] for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
    types = {row[1]: row[2] for row in infos}
    keys = [row[1] for row in sorted(infos, key=lambda row: row[5]) if row[5]]
    number = keys[0] if len(keys) == 1 and types[keys[0]] == "INTEGER" and keys[0] not in refers else None
    columns = tuple(row[1] for row in infos if row[1] != number)
    identity = IDENTITIES[name] if number else tuple(keys)
    return NaturalTable(
        name=name,
        number=number,
        columns=columns,
        key=tuple(columns.index(column) for column in identity),
        references=tuple(refers.get(column, "") for column in columns),
        blobs=tuple(place for place, column in enumerate(columns) if refers.get(column) == "pictures" or types[column] == "BLOB"),
    )


@cache
def _number_columns() -> dict[str, str]:
    return {table.name: table.number for table in natural_tables() if table.number} | {
        "genres": "genre",
        "labels": "label",
        "file_kinds": "kind",
    }


def select_rows(table: NaturalTable, schema: str = "main") -> str:
    """SQL that gives every row of a table told naturally, in order of its key."""
    shown, joins = [], []
    for place, (column, other) in enumerate(zip(table.columns, table.references, strict=True)):
        if not other:
            shown.append(f"x.{column}")
            continue
        identity = IDENTITIES[other]
        shown.append(
            f"r{place}.{identity[0]}" if len(identity) == 1 else f"json_array({', '.join(f'r{place}.{name}' for name in identity)})"
        )
        joins.append(f"LEFT JOIN {schema}.{other} r{place} ON r{place}.{_number_columns()[other]} = x.{column}")
    order = ", ".join(str(place + 1) for place in table.key)
    return f"SELECT {', '.join(shown)} FROM {schema}.{table.name} x {' '.join(joins)} ORDER BY {order}"


def iterate_rows(connection: apsw.Connection, table: NaturalTable) -> Iterator[Row]:
    """Every row of a table told naturally, in order of its key (numbers by value, text and blobs by bytes); streams."""
    yield from connection.execute(select_rows(table))


class RowWriter:
    """Puts and removes natural rows in a catalogue whose numbered rows have unique identities; names what is implied as it goes."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._put = {table.name: _put_sql(table) for table in natural_tables()}
        self._remove = {table.name: _remove_sql(table) for table in natural_tables()}

    def put(self, table: NaturalTable, row: Row) -> None:
        """Insert the row, or replace the one with its key; its number stays."""
        for place, other in enumerate(table.references):
            if other in IMPLIED and row[place] is not None:
                values = msgspec.json.decode(row[place]) if len(IDENTITIES[other]) > 1 else [row[place]]
                marks = ", ".join("?" * len(values))
                self._connection.execute(f"INSERT OR IGNORE INTO {other} ({', '.join(IDENTITIES[other])}) VALUES ({marks})", values)
        self._connection.execute(self._put[table.name], row)

    def remove(self, table: NaturalTable, key: Row) -> bool:
        """Delete the row of a key; whether there was one."""
        self._connection.execute(self._remove[table.name], key)
        return bool(self._connection.changes())


def _look_up(other: str, mark: str) -> str:
    identity = IDENTITIES[other]
    if len(identity) == 1:
        return f"(SELECT {_number_columns()[other]} FROM {other} WHERE {identity[0]} = {mark})"
    conditions = " AND ".join(f"{name} = json_extract({mark}, '$[{place}]')" for place, name in enumerate(identity))
    return f"(SELECT {_number_columns()[other]} FROM {other} WHERE {conditions})"


def _put_sql(table: NaturalTable) -> str:
    values = [_look_up(other, f"?{n}") if other else f"?{n}" for n, other in enumerate(table.references, 1)]
    insert = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({', '.join(values)})"
    key = [table.columns[place] for place in table.key]
    rest = [column for column in table.columns if column not in key]
    if not rest:
        return f"{insert} ON CONFLICT DO NOTHING"
    return f"{insert} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in rest)}"


def _remove_sql(table: NaturalTable) -> str:
    conditions = []
    for n, place in enumerate(table.key, 1):
        other = table.references[place]
        conditions.append(f"{table.columns[place]} = {_look_up(other, f'?{n}') if other else f'?{n}'}")
    return f"DELETE FROM {table.name} WHERE {' AND '.join(conditions)}"
