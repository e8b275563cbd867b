"""The words under which artists and albums of a working catalogue are found: written whenever a name of theirs changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from fonoteca.catalogue.search_build import ALIASES, TEXTS
from fonoteca.catalogue.search_text import index_words
from fonoteca.catalogue.statements import Statements

NamedKind = Literal["artist", "album"]


def index_words_of(sql: Statements, kind: NamedKind, row: int, names: Iterable[str | None]) -> None:
    """Index a row that was not indexed before under these names."""
    if words := index_words(*(name for name in names if name)):
        sql.run(f"INSERT INTO {kind}_search (rowid, words) VALUES (?, ?)", (row, words))


def index_row(sql: Statements, kind: NamedKind, row: int) -> None:
    """Index a row anew under all its names; nothing is written where its words stay the same."""
    found = sql.row(f"{TEXTS[kind]} WHERE {ALIASES[kind]}.{kind} = ?", (row,))
    words = index_words(*(name for name in (found or ())[1:] if name))
    former = sql.value(f"SELECT words FROM {kind}_search WHERE rowid = ?", (row,))
    if words == (former or ""):
        return
    sql.run(f"DELETE FROM {kind}_search WHERE rowid = ?", (row,))
    if words:
        sql.run(f"INSERT INTO {kind}_search (rowid, words) VALUES (?, ?)", (row, words))
