"""Whether a file is a whole edition: what its header says, against what is there. See https://sqlite.org/fileformat2.html#the_database_header."""

from __future__ import annotations

import struct
from pathlib import Path
from urllib.parse import quote

import apsw

from fonoteca.catalogue.schema import SCHEMA_VERSION
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import DatabaseError, FonotecaError, NotFoundError, UsageError, translate_os_errors
from fonoteca.ground.findings import Finding

EDITION_APPLICATION_ID = 0x464E4345  # "FNCE"
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_NEEDED = ("artists", "albums", "tracks", "files", "edition")


def check_header(path: Path) -> int:
    """The schema of the edition at `path`; DatabaseError with the reason where it is none, or not whole. Reads 100 bytes."""
    with translate_os_errors(path), open(path, "rb") as file:
        header, size = file.read(_HEADER_BYTES), path.stat().st_size
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise _refusal(path, f"is no SQLite database: it begins with {header[:16]!r}" if header else "is empty")
    schema, application_id = struct.unpack_from(">I", header, 60)[0], struct.unpack_from(">I", header, 68)[0]
    if application_id != EDITION_APPLICATION_ID:
        raise _refusal(
            path, f"is no edition of a catalogue: it belongs to application {application_id:#x}, not {EDITION_APPLICATION_ID:#x}"
        )
    if schema > SCHEMA_VERSION:
        raise DatabaseError(f"{path} has schema {schema}; this program reads up to {SCHEMA_VERSION}", "Update fonoteca.")
    page_size, pages = _page_size(header), struct.unpack_from(">I", header, 28)[0]
    if not page_size or pages * page_size != size:
        raise _refusal(path, f"is not whole: its header tells of {pages:,} pages of {page_size:,} bytes, the file has {size:,} bytes")
    return int(schema)


def _page_size(header: bytes) -> int:
    told = struct.unpack_from(">H", header, 16)[0]
    size = 65536 if told == 1 else int(told)
    return size if size >= 512 and size & (size - 1) == 0 else 0


def _refusal(path: Path, reason: str) -> DatabaseError:
    return DatabaseError(f"{path} {reason}", "Get it again, and check it with the checksums of its release.")


def open_edition(path: Path) -> apsw.Connection:
    """A connection that only reads an edition of this schema, and takes no locks; DatabaseError with the reason for anything else."""
    if not path.is_file():
        raise NotFoundError(f"there is no edition at {path}", "Name the SQLite file of a published catalogue.")
    schema = check_header(path)
    if schema < SCHEMA_VERSION:
        raise DatabaseError(f"{path} has schema {schema}; this program reads {SCHEMA_VERSION}", "Take a newer edition.")
    try:
        uri = f"file:{quote(str(path.absolute()).encode())}?immutable=1"
    except UnicodeEncodeError as error:
        raise UsageError(f"{path!r} is no UTF-8, which SQLite needs of the names of its files", "Give it another name.") from error
    try:
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise _refusal(path, f"has no table {missing[0]}")
        for name in _NEEDED:
            connection.execute(f"SELECT * FROM {name} LIMIT 1").fetchall()
    except apsw.Error as error:
        raise translate_database_error(error, path) from error
    return connection


def check_edition(path: Path) -> tuple[Finding, ...]:
    """What is wrong with an edition as a database: `bad-database` with the reason; reads the whole file, writes nothing.

    Tables, indexes and, with SQLite from 3.44, the search: whatever does not fit together. A letter that became another is found
    by the checksums of the release alone.
    """
    try:
        if not path.is_file():
            raise NotFoundError(f"there is no edition at {path}", "")
        check_header(path)
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.execute("PRAGMA cell_size_check = ON")
            faults = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
        finally:
            connection.close()
    except (apsw.Error, FonotecaError, UnicodeDecodeError) as error:
        return (Finding("bad-database", str(path), error.message if isinstance(error, FonotecaError) else str(error)),)
    return tuple(Finding("bad-database", str(path), fault) for fault in faults if fault != "ok")
