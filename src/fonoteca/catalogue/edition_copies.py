"""The statements that copy a working catalogue (attached as `w`) into an edition: in order of rank, without what may not be told."""

from __future__ import annotations

RANKS = (
    "CREATE TEMP TABLE hidden AS SELECT track_id FROM w.tombstones WHERE shows_metadata = 0",
    "CREATE TEMP VIEW shown AS SELECT * FROM w.tracks WHERE id NOT IN (SELECT track_id FROM temp.hidden)",
    # what only hidden tracks name is hidden with them
    """CREATE TEMP VIEW shown_albums AS SELECT * FROM w.albums b
       WHERE EXISTS (SELECT 1 FROM shown WHERE album = b.album)
         OR (album IN (SELECT album FROM w.recorded_albums) AND NOT EXISTS (SELECT 1 FROM w.tracks WHERE album = b.album))""",
    """CREATE TEMP TABLE told_artists AS SELECT l.artist FROM w.track_artists l JOIN shown USING (track)
       UNION SELECT l.artist FROM w.album_artists l JOIN shown_albums USING (album)""",
    """INSERT INTO told_artists SELECT artist FROM w.recorded_artists
       EXCEPT SELECT artist FROM w.track_artists EXCEPT SELECT artist FROM w.album_artists""",
    "CREATE TEMP TABLE artist_ranks (artist INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE)",
    """INSERT INTO artist_ranks (old) SELECT artist FROM w.artists WHERE artist IN (SELECT artist FROM temp.told_artists)
       ORDER BY popularity DESC NULLS LAST, id""",
    "CREATE TEMP TABLE album_ranks (album INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE)",
    "INSERT INTO album_ranks (old) SELECT album FROM shown_albums ORDER BY popularity DESC NULLS LAST, id",
    "CREATE TEMP TABLE track_ranks (track INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE)",
    """INSERT INTO track_ranks (old) SELECT t.track FROM w.tracks t LEFT JOIN shown s ON s.track = t.track
         LEFT JOIN temp.album_ranks b ON b.old = s.album
       ORDER BY s.popularity DESC NULLS LAST, b.album NULLS LAST, s.disc NULLS LAST, s.number NULLS LAST, t.id""",
    "CREATE TEMP TABLE shown_ranks (track INTEGER PRIMARY KEY, old INTEGER NOT NULL UNIQUE)",
    "INSERT INTO shown_ranks SELECT r.track, r.old FROM temp.track_ranks r WHERE r.old IN (SELECT track FROM shown)",
    # a date (label) that all tracks of an album share moves to the album, unless the album has another
    """CREATE TEMP TABLE shared (album INTEGER PRIMARY KEY, date TEXT, label INTEGER)""",
    """INSERT INTO shared SELECT t.album,
         CASE WHEN count(*) = count(t.date) AND min(t.date) = max(t.date) AND coalesce(b.date, min(t.date)) = min(t.date)
           THEN min(t.date) END,
         CASE WHEN count(*) = count(t.label) AND min(t.label) = max(t.label) AND coalesce(b.label, min(t.label)) = min(t.label)
           THEN min(t.label) END
       FROM shown t JOIN w.albums b USING (album) GROUP BY t.album""",
)  # fmt: skip
"""Which rows are told, and the new number of each."""

COPIES = (
    """INSERT INTO main.artists (artist, id, name, popularity, followers, mbid, sort_name, country)
       SELECT r.artist, a.id, a.name, a.popularity, a.followers, a.mbid, a.sort_name, a.country
       FROM temp.artist_ranks r JOIN w.artists a ON a.artist = r.old ORDER BY 1""",
    """INSERT INTO main.artist_aliases SELECT r.artist, l.position, l.alias FROM w.artist_aliases l
       JOIN temp.artist_ranks r ON r.old = l.artist ORDER BY 1, 2""",
    """INSERT INTO main.genres (name) SELECT name FROM w.genres WHERE genre IN (SELECT genre FROM w.track_genres JOIN shown USING (track)
         UNION SELECT genre FROM w.artist_genres WHERE artist IN (SELECT old FROM temp.artist_ranks)) ORDER BY name""",
    """INSERT INTO main.artist_genres SELECT r.artist, l.position, g.genre
       FROM w.artist_genres l JOIN temp.artist_ranks r ON r.old = l.artist JOIN w.genres wg ON wg.genre = l.genre
         JOIN main.genres g ON g.name = wg.name ORDER BY 1, 2""",
    """INSERT INTO main.labels (name) SELECT name FROM w.labels
       WHERE label IN (SELECT label FROM shown UNION SELECT label FROM shown_albums) ORDER BY name""",
    """INSERT INTO main.albums (album, id, title, artist, date, label, gtin, popularity, mbid)
       SELECT r.album, b.id, b.title, a.artist, coalesce(b.date, s.date), l.label, b.gtin, b.popularity, b.mbid
       FROM temp.album_ranks r JOIN w.albums b ON b.album = r.old LEFT JOIN temp.artist_ranks a ON a.old = b.artist
         LEFT JOIN temp.shared s ON s.album = b.album LEFT JOIN w.labels wl ON wl.label = coalesce(b.label, s.label)
         LEFT JOIN main.labels l ON l.name = wl.name ORDER BY 1""",
    """INSERT INTO main.further_album_artists SELECT b.album, l.position, a.artist FROM w.further_album_artists l
       JOIN temp.album_ranks b ON b.old = l.album JOIN temp.artist_ranks a ON a.old = l.artist ORDER BY 1, 2""",
    """INSERT INTO main.rights (uri, name, may_publish, may_change, attribution_required, why)
       SELECT uri, name, may_publish, may_change, attribution_required, why FROM w.rights
       WHERE rights IN (SELECT rights FROM shown) ORDER BY uri""",
    """INSERT INTO main.tracks (track, id, title, artist, album, disc, number, duration_ms, explicit, popularity, isrc_number, state,
         rights, plays, date, label, recording_mbid, credited_as, duplicate_of, rights_text, rights_from, attribution)
       SELECT n.track, t.id, s.title, a.artist, b.album, s.disc, s.number, s.duration_ms, s.explicit, s.popularity, s.isrc_number, t.state,
         r.rights, s.plays, CASE WHEN h.date IS NULL THEN s.date END, CASE WHEN h.label IS NULL THEN l.label END, s.recording_mbid,
         nullif(s.credited_as, wa.name), s.duplicate_of, s.rights_text, s.rights_from, s.attribution
       FROM temp.track_ranks n JOIN w.tracks t ON t.track = n.old LEFT JOIN shown s ON s.track = t.track
         LEFT JOIN temp.artist_ranks a ON a.old = s.artist LEFT JOIN w.artists wa ON wa.artist = s.artist
         LEFT JOIN temp.album_ranks b ON b.old = s.album LEFT JOIN temp.shared h ON h.album = s.album
         LEFT JOIN w.labels wl ON wl.label = s.label LEFT JOIN main.labels l ON l.name = wl.name
         LEFT JOIN w.rights wr ON wr.rights = s.rights LEFT JOIN main.rights r ON r.uri = wr.uri ORDER BY 1""",
    """INSERT INTO main.further_track_artists SELECT t.track, l.position, a.artist, nullif(l.credited_as, wa.name)
       FROM w.further_track_artists l JOIN temp.shown_ranks t ON t.old = l.track JOIN temp.artist_ranks a ON a.old = l.artist
         JOIN w.artists wa ON wa.artist = l.artist ORDER BY 1, 2""",
    """INSERT INTO main.further_isrcs (track, position, isrc_number) SELECT t.track, l.position, l.isrc_number FROM w.further_isrcs l
       JOIN temp.shown_ranks t ON t.old = l.track ORDER BY 1, 2""",
    """INSERT INTO main.track_genres SELECT t.track, l.position, g.genre FROM w.track_genres l
       JOIN temp.shown_ranks t ON t.old = l.track JOIN w.genres wg ON wg.genre = l.genre JOIN main.genres g ON g.name = wg.name
       ORDER BY 1, 2""",
    """INSERT INTO main.pictures (sha256, mime, width, height, size) SELECT sha256, mime, width, height, size FROM w.pictures
       WHERE picture IN (SELECT picture FROM w.track_pictures JOIN shown USING (track)) ORDER BY sha256""",
    """INSERT INTO main.track_pictures SELECT t.track, l.position, p.picture FROM w.track_pictures l
       JOIN temp.shown_ranks t ON t.old = l.track JOIN w.pictures wp ON wp.picture = l.picture
       JOIN main.pictures p ON p.sha256 = wp.sha256 ORDER BY 1, 2""",
    """INSERT INTO main.given_forms SELECT t.track, l.field, l.value FROM w.given_forms l
       JOIN temp.shown_ranks t ON t.old = l.track ORDER BY 1, 2""",
    """INSERT INTO main.provenance SELECT t.track, l.field, l.source FROM w.provenance l
       JOIN temp.shown_ranks t ON t.old = l.track ORDER BY 1, 2""",
    """INSERT INTO main.containers (name, collection, is_public) SELECT name, collection, 1 FROM w.containers c
       WHERE is_public AND EXISTS (SELECT 1 FROM w.files f WHERE f.container = c.container) ORDER BY name""",
    """INSERT INTO main.file_kinds (format, tier, is_derived, is_original_restorable)
       SELECT DISTINCT k.format, k.tier, k.is_derived, k.is_original_restorable
       FROM w.files f JOIN w.file_kinds k USING (kind) JOIN w.containers c USING (container) WHERE c.is_public ORDER BY 1, 2, 3, 4""",
    """INSERT INTO main.files (track, position, container, kind, size, sha256, second, short, source_sha256, essence_sha256, aacid,
         byte_offset)
       SELECT t.track, row_number() OVER (PARTITION BY t.track ORDER BY v.aacid) - 1, c.container, k.kind, f.size, f.sha256, f.second,
         f.short, f.source_sha256, f.essence_sha256, f.aacid, f.byte_offset
       FROM w.files f JOIN w.track_files v USING (track, position) JOIN temp.track_ranks t ON t.old = f.track
         JOIN main.containers c ON c.name = v.container_name
         JOIN main.file_kinds k ON (k.format, k.tier, k.is_derived, k.is_original_restorable)
           = (v.format, v.tier, v.is_derived, v.is_original_restorable)
       ORDER BY 1, 2""",
    """INSERT INTO main.tombstones SELECT track_id, code, CASE WHEN shows_metadata THEN reason
         ELSE coalesce((SELECT m.meaning FROM temp.meanings m WHERE m.code = t.code), code) END, date, fate, shows_metadata
       FROM w.tombstones t ORDER BY track_id""",
    """INSERT INTO main.redirects SELECT id, target, kind, why FROM w.redirects
       WHERE id NOT IN (SELECT track_id FROM temp.hidden) AND target NOT IN (SELECT track_id FROM temp.hidden) ORDER BY id""",
    """INSERT INTO main.same_recordings SELECT t.track, l.track, s.score FROM w.same_recordings s
       JOIN temp.shown_ranks t ON t.old = s.track JOIN temp.shown_ranks l ON l.old = s.leader ORDER BY 1""",
    """INSERT INTO main.evidence SELECT t.track, o.track, e.part, e.score, e.shown FROM w.evidence e
       JOIN temp.shown_ranks t ON t.old = e.track JOIN temp.shown_ranks o ON o.old = e.other ORDER BY 1, 2, 3""",
)  # fmt: skip
"""One statement a table, in an order in which every reference is there before it is used."""
