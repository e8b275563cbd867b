"""SQLite files of our own: opened, migrated by numbered steps, refused when newer or damaged."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import apsw

from fonoteca.ground.errors import DatabaseError, DiskFullError, UsageError

LOCK_FILE_BYTES = 32_768  # what SQLite's -shm file takes


Migration = str | Callable[[apsw.Connection], None]
"""SQL, or what carries it out through a connection inside a transaction."""

CACHE_KIB = 64 * 1024
"""Pages that a connection keeps in memory, in KiB: indexes on hashes are read in random order."""


def open_database(
    path: Path, application_id: int, migrations: Sequence[Migration], *, read_only: bool = False, newest: str | None = None
) -> apsw.Connection:
    """A connection to `path` at the newest schema; `migrations[n]` takes user_version n to n + 1, `newest` makes it at once in a new file.

    Readers use `read_only`, which never writes; a missing file or one of an older schema is then a DatabaseError.
    """
    if str(path) != str(path).encode("utf-8", "replace").decode():
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise UsageError(
            f"{shown} is no UTF-8, which SQLite needs of the names of its files", "Put the archive into a folder with another name."
        )
    try:
        connection = _open_to_read(path) if read_only else apsw.Connection(str(path))
        connection.set_busy_timeout(10_000)
        found_id = connection.pragma("application_id")
        version = connection.pragma("user_version")
        if version > len(migrations) or (found_id not in (0, application_id)):
            raise DatabaseError(
                f"{path} has schema {version} of application {found_id:#x}; this program knows {len(migrations)} of {application_id:#x}",
                "Update fonoteca, or check that this is the right file.",
            )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if read_only:
            if 0 < version < len(migrations):
                raise DatabaseError(
                    f"{path} has schema {version}, and this program reads {len(migrations)}",
                    "Any command that writes brings it up to date, such as: fonoteca build",
                )
            return connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # what a commit says is so after a power cut, too
        if newest is not None and version == 0:
            _step(connection, application_id, len(migrations), newest)
        else:
            _migrate(connection, application_id, version, migrations)
    except apsw.Error as error:
        raise translate_database_error(error, path) from error
    return connection


def _open_to_read(path: Path) -> apsw.Connection:
    """Readers too want a file for their locks beside the database: where that cannot be had, nobody else can be writing either."""
    journal = path.with_name(path.name + "-wal")
    holds_all = path.is_file() and not (journal.exists() and journal.stat().st_size)
    if holds_all and not os.access(path.parent, os.W_OK):
        return _open_at_rest(path)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.pragma("user_version")
    except apsw.IOError:
        if not holds_all or not _has_no_room(path):
            raise
        connection.close()
        return _open_at_rest(path)
    return connection


def _open_at_rest(path: Path) -> apsw.Connection:
    """See https://sqlite.org/uri.html, immutable."""
    uri = f"file:{quote(os.path.abspath(path))}?immutable=1"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def close_database(connection: apsw.Connection) -> None:
    """Close it; a reader takes the empty log and index away that SQLite made for it, so that looking changes nothing."""
    path, is_reader = connection.filename, connection.open_flags & apsw.SQLITE_OPEN_READONLY
    connection.close()
    try:
        if is_reader and path and os.stat(f"{path}-wal").st_size == 0:
            # the last one that may write deletes both on closing; where others use the file nothing happens
            writer = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
            writer.execute("SELECT 1 FROM sqlite_schema").fetchall()
            writer.close()
    except (OSError, apsw.Error):
        return


def _migrate(connection: apsw.Connection, application_id: int, version: int, migrations: Sequence[Migration]) -> None:
    for number in range(version, len(migrations)):
        _step(connection, application_id, number + 1, migrations[number])


def _step(connection: apsw.Connection, application_id: int, version: int, migration: Migration) -> None:
    with connection:
        if isinstance(migration, str):
            connection.execute(migration)
        else:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {application_id}")


def translate_database_error(error: apsw.Error, path: Path | str) -> DatabaseError | DiskFullError:
    """The apsw error as ours, with the file and the way out."""
    if _means_full_disk(error, path):
        return DiskFullError(f"no room left to write {path}", "Free some space and run the same command again: it goes on.")
    return DatabaseError(
        f"{path}: {error}", f"Check it with: sqlite3 '{path}' 'PRAGMA integrity_check'. Restore it from a copy if it is damaged."
    )


def _means_full_disk(error: BaseException | None, path: Path | str) -> bool:
    """SQLite says so for the database and its journal, not for the file of locks; a rollback that fails after it hides it."""
    while error is not None:
        if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and _has_no_room(Path(path))):
            return True
        error = error.__context__
    return False


def _has_no_room(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < LOCK_FILE_BYTES
