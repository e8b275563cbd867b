"""SQLite files of our own: opened, migrated by numbered steps, refused when newer or damaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import apsw

from fonoteca.ground.errors import DatabaseError, DiskFullError


def open_database(path: Path, application_id: int, migrations: Sequence[str], *, read_only: bool = False) -> apsw.Connection:
    """A connection to `path` at the newest schema; `migrations[n]` takes user_version n to n + 1.

    Readers use `read_only`, which never writes; a missing file is then a DatabaseError.
    """
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    try:
        connection = _open_unwritable(path) if read_only and _is_at_rest(path) else apsw.Connection(str(path), flags=flags)
        connection.set_busy_timeout(10_000)
        found_id = connection.pragma("application_id")
        version = connection.pragma("user_version")
        if version > len(migrations) or (found_id not in (0, application_id)):
            raise DatabaseError(
                f"{path} has schema {version} of application {found_id:#x}; this program knows {len(migrations)} of {application_id:#x}",
                "Update fonoteca, or check that this is the right file.",
            )
        connection.execute("PRAGMA foreign_keys = ON")
        if read_only:
            return connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _migrate(connection, application_id, version, migrations)
    except apsw.Error as error:
        raise translate_database_error(error, path) from error
    return connection


def _is_at_rest(path: Path) -> bool:
    """Whether the file lies where nobody can write and holds all there is: SQLite's locks and journals are then not to be had."""
    return path.is_file() and not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()


def _open_unwritable(path: Path) -> apsw.Connection:
    """See https://sqlite.org/uri.html, immutable."""
    uri = f"file:{quote(os.path.abspath(path))}?immutable=1"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _migrate(connection: apsw.Connection, application_id: int, version: int, migrations: Sequence[str]) -> None:
    for number in range(version, len(migrations)):
        with connection:
            connection.execute(migrations[number])
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute(f"PRAGMA application_id = {application_id}")


def translate_database_error(error: apsw.Error, path: Path | str) -> DatabaseError | DiskFullError:
    """The apsw error as ours, with the file and the way out."""
    if isinstance(error, apsw.FullError):
        return DiskFullError(f"no room left to write {path}", "Free some space and run the same command again: it goes on.")
    return DatabaseError(
        f"{path}: {error}", f"Check it with: sqlite3 '{path}' 'PRAGMA integrity_check'. Restore it from a copy if it is damaged."
    )
