"""The published catalogue: one read-only SQLite file, the same bytes for the same content, whatever the order of arrival."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import apsw
import msgspec

from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.schema import INDEXES, SCHEMA_VERSION, TABLES, VIEWS
from fonoteca.catalogue.working import Catalogue
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import sync_folder
from fonoteca.ground.findings import Finding

EDITION_APPLICATION_ID = 0x464E4345  # "FNCE"
PAGE_SIZE = 4096

_OWN_TABLES = """
CREATE TABLE edition (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE track_search USING fts5(title, artists, album, content='', tokenize='unicode61 remove_diacritics 2');
"""

# `shown` holds the tracks whose names may be told; every copy is sorted by public id, which alone gives the new row numbers
_COPIES = (
    "CREATE TEMP TABLE hidden AS SELECT track_id FROM w.tombstones WHERE shows_metadata = 0",
    "CREATE TEMP VIEW shown AS SELECT * FROM w.tracks WHERE id NOT IN (SELECT track_id FROM temp.hidden)",
    """INSERT INTO main.artists (id, mbid, name, popularity, followers) SELECT id, mbid, name, popularity, followers FROM w.artists
       WHERE artist IN (SELECT artist FROM w.track_artists JOIN shown USING (track) UNION
         SELECT artist FROM w.album_artists JOIN shown USING (album)) ORDER BY id""",
    """INSERT INTO main.albums (id, mbid, title, barcode, popularity) SELECT id, mbid, title, barcode, popularity FROM w.albums
       WHERE album IN (SELECT album FROM shown) ORDER BY id""",
    """INSERT INTO main.album_artists SELECT b.album, l.position, a.artist FROM w.album_artists l
       JOIN w.albums wb ON wb.album = l.album JOIN main.albums b ON b.id = wb.id
       JOIN w.artists wa ON wa.artist = l.artist JOIN main.artists a ON a.id = wa.id ORDER BY 1, 2""",
    "INSERT INTO main.labels (name) SELECT name FROM w.labels WHERE label IN (SELECT label FROM shown) ORDER BY name",
    """INSERT INTO main.genres (name) SELECT name FROM w.genres
       WHERE genre IN (SELECT genre FROM w.track_genres JOIN shown USING (track)) ORDER BY name""",
    """INSERT INTO main.rights (uri, name, may_publish, may_change, attribution_required, why)
       SELECT uri, name, may_publish, may_change, attribution_required, why FROM w.rights
       WHERE rights IN (SELECT rights FROM shown) ORDER BY uri""",
    """INSERT INTO main.tracks (id, title, title_key, album, disc, number, date, label, recording_mbid, duration_ms, explicit,
         popularity, plays, status, duplicate_of, rights, rights_text, rights_from, attribution)
       SELECT t.id, s.title, s.title_key, b.album, s.disc, s.number, s.date, l.label, s.recording_mbid, s.duration_ms, s.explicit,
         s.popularity, s.plays, t.status, s.duplicate_of, r.rights, s.rights_text, s.rights_from, s.attribution
       FROM w.tracks t LEFT JOIN shown s ON s.track = t.track
         LEFT JOIN w.albums wb ON wb.album = s.album LEFT JOIN main.albums b ON b.id = wb.id
         LEFT JOIN w.labels wl ON wl.label = s.label LEFT JOIN main.labels l ON l.name = wl.name
         LEFT JOIN w.rights wr ON wr.rights = s.rights LEFT JOIN main.rights r ON r.uri = wr.uri ORDER BY t.id""",
    """INSERT INTO main.track_artists SELECT t.track, l.position, a.artist, l.credited_as FROM w.track_artists l
       JOIN shown s ON s.track = l.track JOIN main.tracks t ON t.id = s.id
       JOIN w.artists wa ON wa.artist = l.artist JOIN main.artists a ON a.id = wa.id ORDER BY 1, 2""",
    """INSERT INTO main.track_isrcs SELECT t.track, l.position, l.isrc FROM w.track_isrcs l
       JOIN shown s ON s.track = l.track JOIN main.tracks t ON t.id = s.id ORDER BY 1, 2""",
    """INSERT INTO main.track_genres SELECT t.track, l.position, g.genre FROM w.track_genres l
       JOIN shown s ON s.track = l.track JOIN main.tracks t ON t.id = s.id
       JOIN w.genres wg ON wg.genre = l.genre JOIN main.genres g ON g.name = wg.name ORDER BY 1, 2""",
    """INSERT INTO main.pictures (sha256, mime, width, height, size) SELECT sha256, mime, width, height, size FROM w.pictures
       WHERE picture IN (SELECT picture FROM w.track_pictures JOIN shown USING (track)) ORDER BY sha256""",
    """INSERT INTO main.track_pictures SELECT t.track, l.position, p.picture FROM w.track_pictures l
       JOIN shown s ON s.track = l.track JOIN main.tracks t ON t.id = s.id
       JOIN w.pictures wp ON wp.picture = l.picture JOIN main.pictures p ON p.sha256 = wp.sha256 ORDER BY 1, 2""",
    """INSERT INTO main.given_forms SELECT t.track, l.field, l.value FROM w.given_forms l
       JOIN shown s ON s.track = l.track JOIN main.tracks t ON t.id = s.id ORDER BY 1, 2""",
    """INSERT INTO main.provenance SELECT t.track, l.field, l.source FROM w.provenance l
       JOIN shown s ON s.track = l.track JOIN main.tracks t ON t.id = s.id ORDER BY 1, 2""",
    """INSERT INTO main.containers (name, collection) SELECT name, collection FROM w.containers
       WHERE container IN (SELECT container FROM w.files WHERE is_public) ORDER BY name""",
    """INSERT INTO main.files (track, aacid, container, sha256, size, format, tier, is_derived, source_sha256, essence_sha256,
         is_original_restorable, is_public)
       SELECT t.track, f.aacid, c.container, f.sha256, f.size, f.format, f.tier, f.is_derived, f.source_sha256, f.essence_sha256,
         f.is_original_restorable, 1
       FROM w.files f JOIN w.tracks wt ON wt.track = f.track JOIN main.tracks t ON t.id = wt.id
         JOIN w.containers wc ON wc.container = f.container JOIN main.containers c ON c.name = wc.name
       WHERE f.is_public ORDER BY f.aacid""",
    """INSERT INTO main.tombstones SELECT track_id, code, CASE WHEN shows_metadata THEN reason
         ELSE coalesce((SELECT m.meaning FROM temp.meanings m WHERE m.code = t.code), code) END, date, fate, shows_metadata
       FROM w.tombstones t ORDER BY track_id""",
)  # fmt: skip
_AFTER_INDEXES = (
    """INSERT INTO main.track_search (rowid, title, artists, album)
       SELECT track, title, artists, album FROM main.tracks_with_artists WHERE title IS NOT NULL OR artists IS NOT NULL ORDER BY track""",
    "INSERT INTO main.track_search (track_search) VALUES ('optimize')",
)


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
    building, partial = target.with_name(target.name + ".building"), target.with_name(target.name + ".partial")
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


def check_edition(path: Path) -> tuple[Finding, ...]:
    """What is wrong with an edition as a database: `bad-database` with the reason; reads the whole file, writes nothing."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            application_id, schema = connection.pragma("application_id"), connection.pragma("user_version")
            if application_id != EDITION_APPLICATION_ID or schema > SCHEMA_VERSION:
                return (Finding("bad-database", str(path), f"no edition that is known: application {application_id:#x}, schema {schema}"),)
            faults = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
        finally:
            connection.close()
    except apsw.Error as error:
        return (Finding("bad-database", str(path), str(error)),)
    return tuple(Finding("bad-database", str(path), fault) for fault in faults if fault != "ok")


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _build(source: Path, building: Path, partial: Path, title: str, date: str, meanings: Mapping[str, str]) -> tuple[int, ...]:
    connection = apsw.Connection(str(building))
    try:
        connection.set_busy_timeout(10_000)
        for pragma in (f"page_size = {PAGE_SIZE}", "journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("ATTACH ? AS w", (str(source),))
        with connection:
            connection.execute(TABLES + _OWN_TABLES + "CREATE TEMP TABLE meanings (code TEXT PRIMARY KEY, meaning TEXT NOT NULL)")
            connection.executemany("INSERT INTO temp.meanings VALUES (?, ?)", meanings.items())
            for copy in _COPIES:
                connection.execute(copy)
            connection.execute(INDEXES + VIEWS)
            for statement in _AFTER_INDEXES:
                connection.execute(statement)
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
    about = {"title": clean_text(title), "date": date, "schema": str(SCHEMA_VERSION), "documentation": "docs/formats/catalogue.md"}
    return sorted((about | {name: str(count) for name, count in zip(names, counts, strict=True)}).items())
