"""The published catalogue: one read-only SQLite file, the same bytes for the same content, whatever the order of arrival."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import apsw
import msgspec

from fonoteca.catalogue.edition_copies import COPIES, RANKS
from fonoteca.catalogue.edition_file import EDITION_APPLICATION_ID as EDITION_APPLICATION_ID
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.schema import EDITION_INDEXES, EDITION_TABLES, SCHEMA_VERSION, TABLES, VIEWS
from fonoteca.catalogue.search_build import build_search
from fonoteca.catalogue.working import Catalogue
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import name_beside, require_file_name, sync_folder

PAGE_SIZE = 4096

WRITER_VERSION = 4
"""Raised whenever the same content gives other bytes; deltas name it."""


class EditionCounts(msgspec.Struct, frozen=True):
    """What an edition holds. `publishable` counts tracks that may be published, with or without a file here."""

    tracks: int
    artists: int
    albums: int
    files: int
    publishable: int
    tombstones: int
    size: int


def write_edition(
    catalogue: Catalogue, target: Path, *, title: str, date: str, meanings: Mapping[str, str] = MappingProxyType({})
) -> EditionCounts:
    """Write the published edition to `target`, whole or not at all; an earlier one there is replaced.

    Of a withdrawal that hides names the words are not told either: what `meanings` says of its code stands in their place.
    The same content, title and date give the same bytes with the same SQLite. No source paths, no times but `date`, only
    files whose container is public. Reads what is committed: UsageError inside a transaction.
    """
    if catalogue.statements.connection.in_transaction:
        raise UsageError("an edition is written from what is committed", "Leave the transaction first.")
    building, partial = name_beside(target, "building"), name_beside(target, "partial")
    require_file_name(target)
    with translate_os_errors(target):
        for leftover in (building, partial):
            leftover.unlink(missing_ok=True)
    try:
        counts = _build(catalogue.path, building, partial, title, date, meanings)
        with translate_os_errors(target):
            _sync_file(partial)
            os.replace(partial, target)
            sync_folder(target.parent)
    except apsw.Error as error:
        raise translate_database_error(error, target) from error
    finally:
        building.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    tracks, artists, albums, files, publishable, tombstones = counts
    return EditionCounts(tracks, artists, albums, files, publishable, tombstones, target.stat().st_size)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _build(source: Path, building: Path, partial: Path, title: str, date: str, meanings: Mapping[str, str]) -> tuple[int, ...]:
    from fonoteca.catalogue.statistics import count_statistics  # takes numpy along

    connection = apsw.Connection(str(building))
    try:
        connection.set_busy_timeout(10_000)
        for pragma in (f"page_size = {PAGE_SIZE}", "journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("ATTACH ? AS w", (str(source),))
        with connection:
            connection.execute(TABLES + EDITION_TABLES + "CREATE TEMP TABLE meanings (code TEXT PRIMARY KEY, meaning TEXT NOT NULL)")
            connection.executemany("INSERT INTO temp.meanings VALUES (?, ?)", meanings.items())
            for statement in (*RANKS, *COPIES):
                connection.execute(statement)
            connection.execute(EDITION_INDEXES + VIEWS)
            build_search(connection, scratch=building.parent)
            count_statistics(connection)
            counts = _count(connection)
            connection.executemany("INSERT INTO edition VALUES (?, ?)", _about(title, date, counts))
            connection.execute(f"PRAGMA main.application_id = {EDITION_APPLICATION_ID}")
            connection.execute(f"PRAGMA main.user_version = {SCHEMA_VERSION}")
        connection.execute("VACUUM main INTO ?", (str(partial),))
    finally:
        connection.close()
    return counts


def _count(connection: apsw.Connection) -> tuple[int, ...]:
    sources = ("tracks", "artists", "albums", "files", "may_be_published WHERE may_publish", "tombstones")
    return tuple(connection.execute(f"SELECT count(*) FROM main.{source}").get for source in sources)


def _about(title: str, date: str, counts: tuple[int, ...]) -> list[tuple[str, str]]:
    names = ("tracks", "artists", "albums", "files", "publishable", "tombstones")
    about = {"title": clean_text(title), "date": date, "schema": str(SCHEMA_VERSION),
             "documentation": "docs/formats/catalogue.md", "writer": "sql", "writer_version": str(WRITER_VERSION),
             "sqlite": apsw.sqlite_lib_version()}  # fmt: skip
    return sorted((about | {name: str(count) for name, count in zip(names, counts, strict=True)}).items())
