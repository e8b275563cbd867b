"""A working catalogue made of a published edition, where the one that wrote it is lost."""

from __future__ import annotations

import os
import re
from pathlib import Path

import apsw

from fonoteca.catalogue.edition_file import check_header
from fonoteca.catalogue.schema import APPLICATION_ID, SCHEMA_VERSION, STATES, TABLES, WORKING_SCHEMA
from fonoteca.catalogue.search_build import KINDS, read_words
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import DatabaseError, translate_os_errors
from fonoteca.ground.files import name_beside, sync_folder

_RECORDED = (
    """INSERT INTO recorded_artists SELECT artist FROM artists
       EXCEPT SELECT artist FROM track_artists EXCEPT SELECT artist FROM album_artists""",
    "INSERT INTO recorded_albums SELECT album FROM albums WHERE album NOT IN (SELECT album FROM tracks WHERE album IS NOT NULL)",
)
"""Without tracks they are in an edition only because they came with a record of their own."""
_NOT_HELD = f"""UPDATE tracks SET state = {STATES.index("wanted")}
    WHERE state = {STATES.index("held")} AND NOT EXISTS (SELECT 1 FROM files f WHERE f.track = tracks.track)"""
"""Its file was in no container that may be published: it is known and not held now."""


def restore_catalogue(edition: Path, target: Path) -> int:
    """Write the working catalogue of an edition's records to `target`, whole or not at all; gives the number of tracks.

    What no edition tells is lost: names that were hidden, files that were never published, what imports remember.
    DatabaseError where the edition is of another schema, or damaged.
    """
    if check_header(edition) != SCHEMA_VERSION:
        raise DatabaseError(f"{edition} is of an earlier schema", "Take the newest release.")
    partial = name_beside(target, "partial")
    with translate_os_errors(target):
        partial.unlink(missing_ok=True)
    try:
        connection = apsw.Connection(str(partial))
        try:
            tracks = _fill(connection, edition)
        finally:
            connection.close()
        with translate_os_errors(target):
            os.replace(partial, target)
            sync_folder(target.parent)
    except apsw.Error as error:
        raise translate_database_error(error, edition) from error
    finally:
        partial.unlink(missing_ok=True)
    return tracks


def _fill(connection: apsw.Connection, edition: Path) -> int:
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("ATTACH ? AS e", (str(edition),))
    with connection:
        connection.execute(WORKING_SCHEMA)
        for table in re.findall(r"^CREATE TABLE (\w+)", TABLES, re.M):
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))  # without the generated ones
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM e.{table}")
        for statement in (*_RECORDED, _NOT_HELD):
            connection.execute(statement)
        for kind in KINDS:
            last = connection.execute(f"SELECT coalesce(max({kind}), 0) FROM main.{kind}s").get
            words = read_words(connection, kind, 1, last)
            connection.executemany(f"INSERT INTO main.{kind}_search (rowid, words) VALUES (?, ?)", words)
        tracks = int(connection.execute("SELECT count(*) FROM main.tracks").get)
        connection.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA main.user_version = {SCHEMA_VERSION}")
    connection.execute("DETACH e")
    connection.execute("PRAGMA journal_mode = WAL")
    return tracks
