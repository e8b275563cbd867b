"""What every table, view and column of the catalogue means: from the schema and data_dictionary.toml, for people and programs."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

import apsw
import msgspec

from fonoteca.catalogue.schema import EDITION_TABLES, SCHEMA_VERSION, TABLES, VIEWS
from fonoteca.catalogue.search_build import SEARCH_TABLES
from fonoteca.catalogue.statistics import STATISTICS_TABLE

EVERY_TABLE = TABLES + EDITION_TABLES + SEARCH_TABLES + STATISTICS_TABLE


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column: its SQLite type ("" in views), its unit where it has one, what it means; `refers_to` names a table."""

    name: str
    type: str
    meaning: str
    unit: str = ""
    is_key: bool = False
    is_generated: bool = False
    may_be_null: bool = False
    refers_to: str = ""


class DescribedTable(msgspec.Struct, frozen=True):
    """One table or view: what a row of it is, and its columns in order."""

    name: str
    kind: str
    row: str
    columns: tuple[Column, ...]


@cache
def data_dictionary() -> tuple[DescribedTable, ...]:
    """Tables first, then views, in the order of the schema. KeyError where a column has no meaning yet, which a test sees first."""
    meanings = tomllib.loads(resources.files(__package__).joinpath("data_dictionary.toml").read_text("utf-8"))
    connection = apsw.Connection(":memory:")
    connection.execute(EVERY_TABLE + VIEWS)
    names = connection.execute("SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY type, rowid").fetchall()
    return tuple(_describe(connection, str(kind), str(name), meanings) for kind, name in names)


def _describe(connection: apsw.Connection, kind: str, name: str, meanings: dict[str, dict[str, str | dict[str, str]]]) -> DescribedTable:
    own = meanings[kind + "s"][name]
    assert isinstance(own, dict)
    refers = {row[3]: row[2] for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
    columns = []
    for _, column, type_, not_null, _, key, hidden in connection.execute(f"PRAGMA table_xinfo({name})"):
        text = own.get(column) or meanings["everywhere"][column]
        found = re.fullmatch(r"(.*?)(?: \[(.+)\])?", str(text))
        assert found is not None
        columns.append(
            Column(
                name=column, type=type_ if kind == "table" else "", meaning=found[1], unit=found[2] or "", is_key=bool(key),
                is_generated=hidden == 2, may_be_null=kind == "table" and not not_null and not key, refers_to=refers.get(column, ""),
            )
        )  # fmt: skip
    return DescribedTable(name, kind, own["row"], tuple(columns))


def dictionary_json() -> bytes:
    """The dictionary as JSON, as it lies in every Parquet edition."""
    content = {"schema": SCHEMA_VERSION, "tables": data_dictionary()}
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def dictionary_page(mark: str) -> str:
    """docs/formats/data-dictionary.md."""
    sections = []
    for table in data_dictionary():
        rows = "\n".join(
            f"| `{column.name}` | {column.type}{_notes(column)} | {column.unit} | {column.meaning} |" for column in table.columns
        )
        sections.append(
            f"## {'View' if table.kind == 'view' else 'Table'} `{table.name}`\n\nA row is {table.row}.\n\n"
            f"| column | type | unit | meaning |\n|---|---|---|---|\n{rows}"
        )
    return f"""# Data dictionary of the catalogue

{mark}

Every table, view and column of schema {SCHEMA_VERSION}, in SQLite and in Parquet editions, where the same lies as
`data-dictionary.json`. [The catalogue](catalogue.md) says how they belong together. A column with → holds the row number of a row in
that table; generated columns are computed by SQLite and are not in Parquet.

{(chr(10) * 2).join(sections)}
"""


def _notes(column: Column) -> str:
    notes = ["key"] * column.is_key + ["generated"] * column.is_generated + ["may be NULL"] * column.may_be_null
    reference = f" → `{column.refers_to}`" if column.refers_to else ""
    return reference + (f" ({', '.join(notes)})" if notes else "")
