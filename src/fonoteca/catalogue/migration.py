"""The numbered steps that bring a working catalogue of an earlier schema to this one."""

from __future__ import annotations

import json

import apsw

from fonoteca.catalogue.aacids import compact_aacid
from fonoteca.catalogue.barcodes import gtin_text, parse_gtin
from fonoteca.catalogue.isrc import parse_isrc
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.schema import STATES, WORKING_SCHEMA
from fonoteca.catalogue.schema_former import FORMER_MIGRATIONS
from fonoteca.catalogue.search_build import read_words
from fonoteca.catalogue.search_text import index_words
from fonoteca.ground.database import Migration

_TABLES = (
    "artists", "albums", "album_artists", "labels", "genres", "rights", "tracks", "track_artists", "track_isrcs", "track_genres",
    "pictures", "track_pictures", "given_forms", "provenance", "containers", "files", "tombstones", "score_settings",
)  # fmt: skip
_SAME = (
    "labels",
    "genres",
    "rights",
    "track_genres",
    "pictures",
    "track_pictures",
    "given_forms",
    "provenance",
    "tombstones",
    "score_settings",
)
_STATE = "CASE t.status " + " ".join(f"WHEN '{status}' THEN {place}" for place, status in enumerate(STATES)) + " END"

_COPIES = (
    """INSERT INTO artists (artist, id, name, popularity, followers, mbid)
       SELECT artist, id, name, popularity, followers, mbid FROM former_artists""",
    """INSERT INTO albums (album, id, title, artist, gtin, popularity, mbid)
       SELECT b.album, b.id, b.title, l.artist, parse_gtin(b.barcode), b.popularity, b.mbid
       FROM former_albums b LEFT JOIN former_album_artists l ON l.album = b.album AND l.position = 0""",
    "INSERT INTO further_album_artists SELECT album, position, artist FROM former_album_artists WHERE position > 0",
    f"""INSERT INTO tracks (track, id, title, artist, album, disc, number, duration_ms, explicit, popularity, isrc_number, state, rights,
         plays, date, label, recording_mbid, credited_as, duplicate_of, rights_text, rights_from, attribution, status_reason)
       SELECT t.track, t.id, t.title, l.artist, t.album, t.disc, t.number, t.duration_ms, t.explicit, t.popularity,
         isrc_number((SELECT isrc FROM former_track_isrcs i WHERE i.track = t.track AND is_isrc(isrc) ORDER BY position LIMIT 1)),
         {_STATE}, t.rights, t.plays, t.date, t.label, t.recording_mbid, l.credited_as, t.duplicate_of, t.rights_text, t.rights_from,
         t.attribution, t.status_reason
       FROM former_tracks t LEFT JOIN former_track_artists l ON l.track = t.track AND l.position = 0""",
    "INSERT INTO further_track_artists SELECT track, position, artist, credited_as FROM former_track_artists WHERE position > 0",
    """INSERT INTO further_isrcs (track, position, isrc_number)
       SELECT * FROM (SELECT track, row_number() OVER (PARTITION BY track ORDER BY position) - 1 AS position, isrc_number(isrc)
         FROM former_track_isrcs WHERE is_isrc(isrc)) WHERE position > 0""",
    """INSERT INTO given_forms SELECT track, 'isrcs', isrcs FROM (
         SELECT track, json_group_array(isrc) AS isrcs, min(is_isrc(isrc)) AS are_good
         FROM (SELECT track, isrc FROM former_track_isrcs ORDER BY track, position) GROUP BY track) WHERE NOT are_good""",
    """INSERT INTO given_forms SELECT t.track, 'barcode', b.barcode FROM former_tracks t JOIN former_albums b USING (album)
       WHERE b.barcode IS NOT gtin_text(b.barcode)""",
    """INSERT INTO containers SELECT container, name, collection,
         EXISTS (SELECT 1 FROM former_files f WHERE f.container = c.container AND f.is_public) FROM former_containers c""",
    """INSERT INTO file_kinds (format, tier, is_derived, is_original_restorable)
       SELECT DISTINCT format, tier, is_derived, is_original_restorable FROM former_files ORDER BY 1, 2, 3, 4""",
)
_FILES = """
SELECT f.track, f.aacid, c.collection, t.id, f.container, k.kind, f.size, f.sha256, f.source_sha256, f.essence_sha256
FROM former_files f JOIN former_tracks t USING (track) JOIN former_containers c USING (container)
  JOIN file_kinds k USING (format, tier, is_derived, is_original_restorable) ORDER BY f.track, f.file
"""
_WORDS = """
SELECT t.track, t.title, (SELECT json_group_array(name) FROM (SELECT coalesce(l.credited_as, a.name) AS name FROM track_artists l
    JOIN artists a USING (artist) WHERE l.track = t.track ORDER BY l.position)), b.title
FROM tracks t LEFT JOIN albums b USING (album) ORDER BY t.track
"""


def bring_to_schema_3(connection: apsw.Connection) -> None:
    """ISRCs, barcodes and statuses as numbers, first artist and ISRC in the row, compact files, words to search: every record as it was."""
    for name, function in _FUNCTIONS.items():
        connection.create_scalar_function(name, function, 1, deterministic=True)
    drops = "SELECT 'DROP ' || type || ' ' || name FROM sqlite_schema WHERE type IN ('view', 'index') AND sql IS NOT NULL"
    for (drop,) in connection.execute(drops).fetchall():
        connection.execute(str(drop))
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO former_{table}")
    connection.execute(WORKING_SCHEMA)
    for table in _SAME[:3]:
        connection.execute(f"INSERT INTO {table} SELECT * FROM former_{table}")
    for copy in _COPIES[:4]:
        connection.execute(copy)
    for table in _SAME[3:]:
        connection.execute(f"INSERT INTO {table} SELECT * FROM former_{table}")
    for copy in _COPIES[4:]:
        connection.execute(copy)
    _copy_files(connection)
    words = ((track, index_words(*(text for text in (title, *json.loads(artists), album) if text)))
             for track, title, artists, album in connection.execute(_WORDS))  # fmt: skip
    connection.executemany("INSERT INTO track_search (rowid, words) VALUES (?, ?)", words)
    for kind in ("artist", "album"):
        connection.executemany(f"INSERT INTO {kind}_search (rowid, words) VALUES (?, ?)", read_words(connection, kind, 0, 2**63 - 1))
    for table in reversed(_TABLES):
        connection.execute(f"DROP TABLE former_{table}")


def _copy_files(connection: apsw.Connection) -> None:
    place, last = 0, None
    insert = """INSERT INTO files (track, position, second, short, aacid, container, kind, size, sha256, source_sha256, essence_sha256)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
    for track, aacid, collection, track_id, *rest in connection.execute(_FILES):
        place, last = (place + 1 if track == last else 0), track
        connection.execute(insert, (track, place, *compact_aacid(aacid, collection, track_id), *rest))


def _is_isrc(*values: apsw.SQLiteValue) -> apsw.SQLiteValue:
    return isinstance(values[0], str) and parse_isrc(values[0]) == values[0]


def _isrc_number(*values: apsw.SQLiteValue) -> apsw.SQLiteValue:
    return isrc_number(values[0]) if isinstance(values[0], str) else None


def _gtin(*values: apsw.SQLiteValue) -> int | None:
    return parse_gtin(values[0]) if isinstance(values[0], str) else None


def _gtin_text(*values: apsw.SQLiteValue) -> apsw.SQLiteValue:
    number = _gtin(*values)
    return None if number is None else gtin_text(number)


_FUNCTIONS = {"isrc_number": _isrc_number, "is_isrc": _is_isrc, "parse_gtin": _gtin, "gtin_text": _gtin_text}

MIGRATIONS: tuple[Migration, ...] = (*FORMER_MIGRATIONS, bring_to_schema_3)
"""Step n takes schema n to n + 1."""
