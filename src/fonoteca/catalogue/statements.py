"""SQL run on one connection: every parameter bound, every SQLite error translated, transactions that nest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from fonoteca.ground.database import translate_database_error

Bindings = Sequence[Any]


class Statements:
    """A connection with its path; the rooms' SQL goes through here."""

    def __init__(self, connection: apsw.Connection, path: Path, *, is_edition: bool = False) -> None:
        self.connection = connection
        self.path = path
        self.is_edition = is_edition
        self.after_rollback: Callable[[], None] = lambda: None

    def id_is(self, column: str) -> str:
        """The condition that a column of public ids is the first binding; editions keep an index of their first six characters."""
        return f"substr({column}, 1, 6) = substr(?1, 1, 6) AND +{column} = ?1" if self.is_edition else f"{column} = ?1"

    def hash_is(self, column: str) -> str:
        """The condition that a column of hashes in `files` is the first binding; editions keep an index of their first four bytes."""
        return f"substr({column}, 1, 4) = substr(?1, 1, 4) AND +{column} = ?1" if self.is_edition else f"{column} = ?1"

    def run(self, sql: str, bindings: Bindings = ()) -> None:
        """Carry out one statement that returns nothing."""
        try:
            self.connection.execute(sql, bindings)
        except apsw.Error as error:
            raise translate_database_error(error, self.path) from error

    def insert(self, sql: str, bindings: Bindings) -> int:
        """Carry out one INSERT and give the number of its row.

        RETURNING would do, but opens a savepoint a row, at which FTS5 writes out what it has gathered: half the speed.
        """
        self.run(sql, bindings)
        return self.connection.last_insert_rowid()

    def run_many(self, sql: str, rows: Sequence[Bindings]) -> None:
        """Carry out one statement for every row."""
        if not rows:
            return
        try:
            self.connection.executemany(sql, rows)
        except apsw.Error as error:
            raise translate_database_error(error, self.path) from error

    def rows(self, sql: str, bindings: Bindings = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of one query, streaming."""
        try:
            yield from self.connection.execute(sql, bindings)
        except apsw.Error as error:
            raise translate_database_error(error, self.path) from error

    def row(self, sql: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        try:
            found: tuple[Any, ...] | None = self.connection.execute(sql, bindings).fetchone()
        except apsw.Error as error:
            raise translate_database_error(error, self.path) from error
        return found

    def value(self, sql: str, bindings: Bindings = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.row(sql, bindings)
        return None if found is None else found[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another one it is part of that one."""
        if self.connection.in_transaction:
            yield
            return
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.after_rollback()
            raise
