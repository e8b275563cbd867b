"""Tables, views and indexes of the catalogue; described in docs/formats/catalogue.md.

The working catalogue and an edition share tables, columns and views; each has indexes of its own. The first artist and
the first ISRC of a track stand in its row, further ones in tables beside it, and views put them together: at 256 million
tracks that saves a fifth. Columns that are seldom given come last, where a NULL takes no room in an edition.
"""

from __future__ import annotations

from typing import get_args

from fonoteca.catalogue.isrc_numbers import COUNTRIES, ISRC_TEXT
from fonoteca.ground.things import Status

APPLICATION_ID = 0x464E4354  # "FNCT"
SCHEMA_VERSION = 3

STATES: tuple[Status, ...] = ("wanted", "held", "duplicate", "unreadable", "not-kept", "withdrawn")
"""A status is kept as its place in this list."""
assert set(STATES) == set(get_args(Status))

_STATUS = "CASE state " + " ".join(f"WHEN {place} THEN '{status}'" for place, status in enumerate(STATES)) + " END"
_BARCODE = "CASE WHEN gtin < 1000000000000 THEN printf('%012d', gtin) WHEN gtin IS NOT NULL THEN printf('%013d', gtin) END"

TABLES = f"""
CREATE TABLE artists (
  artist INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, popularity REAL, followers INTEGER,
  mbid TEXT, sort_name TEXT, country TEXT
) STRICT;
CREATE TABLE artist_aliases (
  artist INTEGER NOT NULL REFERENCES artists, position INTEGER NOT NULL, alias TEXT NOT NULL, PRIMARY KEY (artist, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE genres (genre INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE artist_genres (
  artist INTEGER NOT NULL REFERENCES artists, position INTEGER NOT NULL, genre INTEGER NOT NULL REFERENCES genres,
  PRIMARY KEY (artist, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE labels (label INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE albums (
  album INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT, artist INTEGER REFERENCES artists, date TEXT,
  label INTEGER REFERENCES labels, gtin INTEGER, popularity REAL, mbid TEXT,
  barcode TEXT GENERATED ALWAYS AS ({_BARCODE}) VIRTUAL
) STRICT;
CREATE TABLE further_album_artists (
  album INTEGER NOT NULL REFERENCES albums, position INTEGER NOT NULL, artist INTEGER NOT NULL REFERENCES artists,
  PRIMARY KEY (album, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE rights (
  rights INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE, name TEXT, may_publish INTEGER NOT NULL DEFAULT 0,
  may_change INTEGER NOT NULL DEFAULT 0, attribution_required INTEGER NOT NULL DEFAULT 1, why TEXT
) STRICT;
CREATE TABLE tracks (
  track INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT, artist INTEGER REFERENCES artists, album INTEGER REFERENCES albums,
  disc INTEGER, number INTEGER, duration_ms INTEGER, explicit INTEGER, popularity REAL, isrc_number INTEGER,
  state INTEGER NOT NULL, rights INTEGER REFERENCES rights,
  plays INTEGER, date TEXT, label INTEGER REFERENCES labels, recording_mbid TEXT, credited_as TEXT, duplicate_of TEXT,
  rights_text TEXT, rights_from TEXT, attribution TEXT, status_reason TEXT,
  isrc TEXT GENERATED ALWAYS AS ({ISRC_TEXT.format("isrc_number")}) VIRTUAL,
  status TEXT GENERATED ALWAYS AS ({_STATUS}) VIRTUAL
) STRICT;
CREATE TABLE further_track_artists (
  track INTEGER NOT NULL REFERENCES tracks, position INTEGER NOT NULL, artist INTEGER NOT NULL REFERENCES artists, credited_as TEXT,
  PRIMARY KEY (track, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE further_isrcs (
  track INTEGER NOT NULL REFERENCES tracks, position INTEGER NOT NULL, isrc_number INTEGER NOT NULL,
  isrc TEXT GENERATED ALWAYS AS ({ISRC_TEXT.format("isrc_number")}) VIRTUAL,
  PRIMARY KEY (track, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE track_genres (
  track INTEGER NOT NULL REFERENCES tracks, position INTEGER NOT NULL, genre INTEGER NOT NULL REFERENCES genres,
  PRIMARY KEY (track, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE pictures (
  picture INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, mime TEXT, width INTEGER, height INTEGER, size INTEGER
) STRICT;
CREATE TABLE track_pictures (
  track INTEGER NOT NULL REFERENCES tracks, position INTEGER NOT NULL, picture INTEGER NOT NULL REFERENCES pictures,
  PRIMARY KEY (track, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE given_forms (
  track INTEGER NOT NULL REFERENCES tracks, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (track, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE provenance (
  track INTEGER NOT NULL REFERENCES tracks, field TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (track, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE containers (
  container INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, collection TEXT NOT NULL, is_public INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE file_kinds (
  kind INTEGER PRIMARY KEY, format TEXT NOT NULL, tier TEXT NOT NULL, is_derived INTEGER NOT NULL, is_original_restorable INTEGER NOT NULL,
  UNIQUE (format, tier, is_derived, is_original_restorable)
) STRICT;
CREATE TABLE files (
  track INTEGER NOT NULL REFERENCES tracks, position INTEGER NOT NULL, container INTEGER NOT NULL REFERENCES containers,
  kind INTEGER NOT NULL REFERENCES file_kinds, size INTEGER NOT NULL, sha256 BLOB NOT NULL,
  second INTEGER, short TEXT, source_sha256 BLOB, essence_sha256 BLOB, aacid TEXT, byte_offset INTEGER,
  PRIMARY KEY (track, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE tombstones (
  track_id TEXT PRIMARY KEY, code TEXT NOT NULL, reason TEXT NOT NULL, date TEXT NOT NULL, fate TEXT NOT NULL,
  shows_metadata INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE redirects (id TEXT PRIMARY KEY, target TEXT NOT NULL, kind TEXT NOT NULL, why TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE same_recordings (
  track INTEGER PRIMARY KEY REFERENCES tracks, leader INTEGER NOT NULL REFERENCES tracks, score REAL NOT NULL
) STRICT;
CREATE TABLE evidence (
  track INTEGER NOT NULL REFERENCES tracks, other INTEGER NOT NULL REFERENCES tracks, part TEXT NOT NULL, score REAL NOT NULL,
  shown TEXT NOT NULL, PRIMARY KEY (track, other, part)
) STRICT, WITHOUT ROWID;
"""

VIEWS = f"""
CREATE VIEW isrc_countries AS
WITH RECURSIVE numbered (number) AS (VALUES (0) UNION ALL SELECT number + 1 FROM numbered WHERE number < 675)
SELECT number, substr('{COUNTRIES}', 2 * number + 1, 2) AS code FROM numbered;

CREATE VIEW track_artists AS
SELECT track, 0 AS position, artist, credited_as FROM tracks WHERE artist IS NOT NULL
UNION ALL SELECT track, position, artist, credited_as FROM further_track_artists;

CREATE VIEW album_artists AS
SELECT album, 0 AS position, artist FROM albums WHERE artist IS NOT NULL
UNION ALL SELECT album, position, artist FROM further_album_artists;

CREATE VIEW track_isrcs AS
SELECT track, 0 AS position, isrc_number, isrc FROM tracks WHERE isrc_number IS NOT NULL
UNION ALL SELECT track, position, isrc_number, isrc FROM further_isrcs;

CREATE VIEW track_files AS
SELECT f.track, f.position, t.id, coalesce(f.aacid, 'aacid__' || c.collection || '__' ||
    strftime('%Y%m%dT%H%M%SZ', f.second, 'unixepoch') || '__' || t.id || '__' || f.short) AS aacid,
  f.container, c.name AS container_name, c.collection, c.is_public, f.sha256, f.size, f.byte_offset, k.format, k.tier, k.is_derived,
  k.is_original_restorable, f.source_sha256, f.essence_sha256
FROM files f JOIN tracks t USING (track) JOIN containers c USING (container) JOIN file_kinds k USING (kind);

CREATE VIEW tracks_with_artists AS
SELECT t.track, t.id, t.title,
  (SELECT group_concat(name, '; ') FROM (
    SELECT coalesce(t.credited_as, a.name) AS name, -1 AS position FROM artists a WHERE a.artist = t.artist
    UNION ALL SELECT coalesce(l.credited_as, a.name), l.position FROM further_track_artists l JOIN artists a USING (artist)
      WHERE l.track = t.track ORDER BY position)) AS artists,
  b.title AS album, t.disc, t.number, coalesce(t.date, b.date) AS date,
  (SELECT group_concat(isrc, '; ') FROM (SELECT t.isrc AS isrc, -1 AS position WHERE t.isrc_number IS NOT NULL
    UNION ALL SELECT i.isrc, i.position FROM further_isrcs i WHERE i.track = t.track ORDER BY position)) AS isrcs,
  (SELECT name FROM labels l WHERE l.label = coalesce(t.label, b.label)) AS label,
  (SELECT group_concat(name, '; ') FROM (SELECT g.name FROM track_genres x JOIN genres g USING (genre)
    WHERE x.track = t.track ORDER BY x.position)) AS genres,
  t.duration_ms, t.popularity, t.plays, t.status
FROM tracks t LEFT JOIN albums b USING (album);

CREATE VIEW albums_with_artists AS
SELECT b.album, b.id, b.title,
  (SELECT group_concat(name, '; ') FROM (SELECT a.name, -1 AS position FROM artists a WHERE a.artist = b.artist
    UNION ALL SELECT a.name, l.position FROM further_album_artists l JOIN artists a USING (artist)
      WHERE l.album = b.album ORDER BY position)) AS artists,
  b.date, (SELECT name FROM labels l WHERE l.label = b.label) AS label, b.mbid, b.barcode, b.popularity,
  (SELECT count(*) FROM tracks t WHERE t.album = b.album) AS tracks
FROM albums b;

CREATE VIEW may_be_published AS
SELECT t.track, t.id, CASE WHEN t.status <> 'withdrawn' AND d.track_id IS NULL THEN coalesce(r.may_publish, 0) ELSE 0 END AS may_publish,
  CASE WHEN t.status = 'withdrawn' OR d.track_id IS NOT NULL THEN 'withdrawn'
    WHEN t.rights IS NULL THEN 'no known rights statement' ELSE coalesce(r.why, r.name, r.uri) END AS why,
  r.uri AS rights_uri, r.name AS rights, t.rights_text, t.rights_from, coalesce(r.may_change, 0) AS may_change,
  coalesce(r.attribution_required, 1) AS attribution_required, t.attribution
FROM tracks t LEFT JOIN rights r USING (rights) LEFT JOIN tombstones d ON d.track_id = t.id;

CREATE VIEW what_is_held AS
SELECT w.id, w.title, w.artists, w.album, f.format, f.tier, f.size, lower(hex(f.sha256)) AS sha256, f.aacid,
  f.container_name AS container, f.collection, f.is_derived, f.is_original_restorable, f.is_public
FROM track_files f JOIN tracks_with_artists w USING (track);

CREATE VIEW what_is_missing AS
SELECT w.id, w.title, w.artists, w.album, w.isrcs, w.popularity, w.status, t.status_reason, t.duplicate_of
FROM tracks t JOIN tracks_with_artists w USING (track) WHERE t.status <> 'held';

CREATE VIEW what_was_withdrawn AS SELECT track_id AS id, date, code, reason, fate FROM tombstones;

CREATE VIEW where_values_come_from AS SELECT t.id, p.field, p.source FROM provenance p JOIN tracks t USING (track);

CREATE VIEW what_is_the_same AS
SELECT t.id, w.title, w.artists, l.id AS leader, s.score,
  (SELECT group_concat(shown, '; ') FROM evidence e WHERE e.track = s.track AND e.other = s.leader) AS evidence
FROM same_recordings s JOIN tracks t USING (track) JOIN tracks_with_artists w USING (track) JOIN tracks l ON l.track = s.leader;
"""

_SHARED_INDEXES = """
CREATE INDEX artists_by_mbid ON artists (mbid) WHERE mbid IS NOT NULL;
CREATE INDEX artists_by_name ON artists (name);
CREATE INDEX artist_aliases_by_alias ON artist_aliases (alias);
CREATE INDEX albums_by_mbid ON albums (mbid) WHERE mbid IS NOT NULL;
CREATE INDEX albums_by_gtin ON albums (gtin) WHERE gtin IS NOT NULL;
CREATE INDEX albums_by_artist ON albums (artist) WHERE artist IS NOT NULL;
CREATE INDEX further_album_artists_by_artist ON further_album_artists (artist);
CREATE INDEX tracks_by_artist ON tracks (artist) WHERE artist IS NOT NULL;
CREATE INDEX tracks_by_album ON tracks (album) WHERE album IS NOT NULL;
CREATE INDEX tracks_by_isrc ON tracks (isrc_number) WHERE isrc_number IS NOT NULL;
CREATE INDEX tracks_by_recording ON tracks (recording_mbid) WHERE recording_mbid IS NOT NULL;
CREATE INDEX further_track_artists_by_artist ON further_track_artists (artist);
CREATE INDEX further_isrcs_by_isrc ON further_isrcs (isrc_number);
CREATE INDEX files_by_aacid ON files (aacid) WHERE aacid IS NOT NULL;
CREATE INDEX same_recordings_by_leader ON same_recordings (leader);
"""

WORKING_INDEXES = (
    """
CREATE UNIQUE INDEX artists_by_id ON artists (id);
CREATE UNIQUE INDEX albums_by_id ON albums (id);
CREATE UNIQUE INDEX tracks_by_id ON tracks (id);
"""
    + _SHARED_INDEXES
    + """
CREATE INDEX albums_by_label ON albums (label) WHERE label IS NOT NULL;
CREATE INDEX tracks_by_label ON tracks (label) WHERE label IS NOT NULL;
CREATE INDEX tracks_by_popularity ON tracks (popularity);
CREATE INDEX tracks_by_state ON tracks (state, rights);
CREATE INDEX track_genres_by_genre ON track_genres (genre);
CREATE INDEX files_by_container ON files (container);
CREATE INDEX files_by_sha256 ON files (sha256);
CREATE INDEX files_by_source ON files (source_sha256) WHERE source_sha256 IS NOT NULL;
CREATE INDEX files_by_essence ON files (essence_sha256) WHERE essence_sha256 IS NOT NULL;
"""
)
"""What one writer needs beside it: unique ids, popularity, status."""

EDITION_INDEXES = (
    """
CREATE INDEX artists_by_id ON artists (substr(id, 1, 6));
CREATE INDEX albums_by_id ON albums (substr(id, 1, 6));
CREATE INDEX tracks_by_id ON tracks (substr(id, 1, 6));
"""
    + _SHARED_INDEXES
    + """
CREATE INDEX files_by_sha256 ON files (substr(sha256, 1, 4));
CREATE INDEX files_by_source ON files (substr(source_sha256, 1, 4)) WHERE source_sha256 IS NOT NULL;
"""
)
"""Row numbers are ranks, so popularity needs no index; ids and hashes are random, so their beginnings suffice."""

WORKING_TABLES = """
CREATE TABLE score_settings (plays_at_1 INTEGER NOT NULL, plays_at_100 INTEGER NOT NULL) STRICT;
CREATE TABLE imports (
  source TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, line INTEGER NOT NULL,
  counts TEXT NOT NULL, is_done INTEGER NOT NULL, PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE foreign_ids (
  source TEXT NOT NULL, foreign_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (source, foreign_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE fingerprints (track INTEGER PRIMARY KEY REFERENCES tracks, duration_ms INTEGER NOT NULL, fingerprint BLOB NOT NULL) STRICT;
CREATE TABLE recorded_artists (artist INTEGER PRIMARY KEY REFERENCES artists) STRICT;
CREATE TABLE recorded_albums (album INTEGER PRIMARY KEY REFERENCES albums) STRICT;
CREATE VIRTUAL TABLE track_search USING fts5(words, detail=none, tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE artist_search USING fts5(words, detail=none, tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE album_search USING fts5(words, detail=none, tokenize='unicode61 remove_diacritics 2');
"""
"""What only the working catalogue has; recorded artists and albums came with a record of their own, and stay without a track."""

WORKING_SCHEMA = TABLES + VIEWS + WORKING_INDEXES + WORKING_TABLES
"""All of a new working catalogue."""

EDITION_TABLES = """
CREATE TABLE edition (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
"""What only an edition has, beside its search and its statistics."""
