"""The first two schemas of the working catalogue, as they were; only the migration from them reads this."""

from __future__ import annotations

_TABLES = """
CREATE TABLE artists (
  artist INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, mbid TEXT, name TEXT NOT NULL, popularity REAL, followers INTEGER
) STRICT;
CREATE TABLE albums (
  album INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, mbid TEXT, title TEXT, barcode TEXT, popularity REAL
) STRICT;
CREATE TABLE album_artists (
  album INTEGER NOT NULL REFERENCES albums, position INTEGER NOT NULL, artist INTEGER NOT NULL REFERENCES artists,
  PRIMARY KEY (album, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE labels (label INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE genres (genre INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE rights (
  rights INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE, name TEXT, may_publish INTEGER NOT NULL DEFAULT 0,
  may_change INTEGER NOT NULL DEFAULT 0, attribution_required INTEGER NOT NULL DEFAULT 1, why TEXT
) STRICT;
CREATE TABLE tracks (
  track INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT, title_key TEXT, album INTEGER REFERENCES albums,
  disc INTEGER, number INTEGER, date TEXT, label INTEGER REFERENCES labels, recording_mbid TEXT,
  duration_ms INTEGER, explicit INTEGER, popularity REAL, plays INTEGER,
  status TEXT NOT NULL, status_reason TEXT, duplicate_of TEXT,
  rights INTEGER REFERENCES rights, rights_text TEXT, rights_from TEXT, attribution TEXT
) STRICT;
CREATE TABLE track_artists (
  track INTEGER NOT NULL REFERENCES tracks, position INTEGER NOT NULL, artist INTEGER NOT NULL REFERENCES artists, credited_as TEXT,
  PRIMARY KEY (track, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE track_isrcs (
  track INTEGER NOT NULL REFERENCES tracks, position INTEGER NOT NULL, isrc TEXT NOT NULL, PRIMARY KEY (track, position)
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
CREATE TABLE containers (container INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, collection TEXT NOT NULL) STRICT;
CREATE TABLE files (
  file INTEGER PRIMARY KEY, track INTEGER NOT NULL REFERENCES tracks, aacid TEXT NOT NULL UNIQUE,
  container INTEGER NOT NULL REFERENCES containers, sha256 BLOB NOT NULL, size INTEGER NOT NULL, format TEXT NOT NULL,
  tier TEXT NOT NULL, is_derived INTEGER NOT NULL, source_sha256 BLOB, essence_sha256 BLOB,
  is_original_restorable INTEGER NOT NULL, is_public INTEGER NOT NULL
) STRICT;
CREATE TABLE tombstones (
  track_id TEXT PRIMARY KEY, code TEXT NOT NULL, reason TEXT NOT NULL, date TEXT NOT NULL, fate TEXT NOT NULL,
  shows_metadata INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_INDEXES = """
CREATE INDEX artists_by_mbid ON artists (mbid) WHERE mbid IS NOT NULL;
CREATE INDEX artists_by_name ON artists (name);
CREATE INDEX albums_by_mbid ON albums (mbid) WHERE mbid IS NOT NULL;
CREATE INDEX albums_by_barcode ON albums (barcode) WHERE barcode IS NOT NULL;
CREATE INDEX album_artists_by_artist ON album_artists (artist);
CREATE INDEX tracks_by_album ON tracks (album, disc, number) WHERE album IS NOT NULL;
CREATE INDEX tracks_by_title ON tracks (title_key) WHERE title_key IS NOT NULL;
CREATE INDEX tracks_by_recording ON tracks (recording_mbid) WHERE recording_mbid IS NOT NULL;
CREATE INDEX tracks_by_popularity ON tracks (popularity);
CREATE INDEX track_artists_by_artist ON track_artists (artist);
CREATE INDEX track_isrcs_by_isrc ON track_isrcs (isrc);
CREATE INDEX files_by_track ON files (track, is_public);
CREATE INDEX files_by_container ON files (container);
CREATE INDEX files_by_sha256 ON files (sha256);
CREATE INDEX files_by_source ON files (source_sha256) WHERE source_sha256 IS NOT NULL;
CREATE INDEX files_by_essence ON files (essence_sha256) WHERE essence_sha256 IS NOT NULL;
"""

_VIEWS = """
CREATE VIEW tracks_with_artists AS
SELECT t.track, t.id, t.title,
  (SELECT group_concat(name, '; ') FROM (SELECT coalesce(l.credited_as, a.name) AS name FROM track_artists l
    JOIN artists a USING (artist) WHERE l.track = t.track ORDER BY l.position)) AS artists,
  b.title AS album, t.disc, t.number, t.date,
  (SELECT group_concat(isrc, '; ') FROM (SELECT isrc FROM track_isrcs i WHERE i.track = t.track ORDER BY i.position)) AS isrcs,
  (SELECT name FROM labels l WHERE l.label = t.label) AS label,
  (SELECT group_concat(name, '; ') FROM (SELECT g.name FROM track_genres x JOIN genres g USING (genre)
    WHERE x.track = t.track ORDER BY x.position)) AS genres,
  t.duration_ms, t.popularity, t.plays, t.status
FROM tracks t LEFT JOIN albums b USING (album);

CREATE VIEW albums_with_artists AS
SELECT b.album, b.id, b.title,
  (SELECT group_concat(name, '; ') FROM (SELECT a.name FROM album_artists l JOIN artists a USING (artist)
    WHERE l.album = b.album ORDER BY l.position)) AS artists,
  b.mbid, b.barcode, b.popularity, (SELECT count(*) FROM tracks t WHERE t.album = b.album) AS tracks
FROM albums b;

CREATE VIEW may_be_published AS
SELECT t.track, t.id, CASE WHEN t.status <> 'withdrawn' AND d.track_id IS NULL THEN coalesce(r.may_publish, 0) ELSE 0 END AS may_publish,
  CASE WHEN t.status = 'withdrawn' OR d.track_id IS NOT NULL THEN 'withdrawn'
    WHEN t.rights IS NULL THEN 'no known rights statement' ELSE coalesce(r.why, r.name, r.uri) END AS why,
  r.uri AS rights_uri, r.name AS rights, t.rights_text, t.rights_from, coalesce(r.may_change, 0) AS may_change,
  coalesce(r.attribution_required, 1) AS attribution_required, t.attribution
FROM tracks t LEFT JOIN rights r USING (rights) LEFT JOIN tombstones d ON d.track_id = t.id;

CREATE VIEW what_is_held AS
SELECT t.id, w.title, w.artists, w.album, f.format, f.tier, f.size, lower(hex(f.sha256)) AS sha256, f.aacid,
  c.name AS container, c.collection, f.is_derived, f.is_original_restorable, f.is_public
FROM files f JOIN tracks t USING (track) JOIN tracks_with_artists w USING (track) JOIN containers c USING (container);

CREATE VIEW what_is_missing AS
SELECT w.id, w.title, w.artists, w.album, w.isrcs, w.popularity, w.status, t.status_reason, t.duplicate_of
FROM tracks t JOIN tracks_with_artists w USING (track) WHERE t.status <> 'held';

CREATE VIEW what_was_withdrawn AS SELECT track_id AS id, date, code, reason, fate FROM tombstones;

CREATE VIEW where_values_come_from AS SELECT t.id, p.field, p.source FROM provenance p JOIN tracks t USING (track);
"""

_WORKING_INDEXES = """
CREATE INDEX tracks_by_status ON tracks (status, rights);
"""

_SCORE_SETTINGS = "CREATE TABLE score_settings (plays_at_1 INTEGER NOT NULL, plays_at_100 INTEGER NOT NULL) STRICT;"

FORMER_MIGRATIONS = (_TABLES + _INDEXES + _WORKING_INDEXES + _VIEWS, _SCORE_SETTINGS)
