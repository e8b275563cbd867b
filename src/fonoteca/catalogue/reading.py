"""Track records put together again from the tables of a working catalogue or an edition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fonoteca.catalogue.barcodes import gtin_text
from fonoteca.catalogue.isrc_numbers import isrc_text
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.records import SelectionRow, TrackRecord
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.statements import Statements

_TRACKS = """
SELECT t.track, b.album, t.state, t.isrc_number, b.gtin, coalesce(t.credited_as, a.name), a.mbid, a.popularity, a.followers, ba.name,
  t.id, t.title, t.disc, t.number, {date}, t.recording_mbid, t.duration_ms, t.explicit, t.popularity, t.plays,
  t.status_reason, t.duplicate_of, t.rights_text, t.rights_from, t.attribution, r.uri, l.name, b.title, b.mbid, b.popularity
FROM tracks t LEFT JOIN rights r USING (rights) LEFT JOIN albums b ON b.album = t.album LEFT JOIN labels l ON l.label = {label}
  LEFT JOIN artists a ON a.artist = t.artist LEFT JOIN artists ba ON ba.artist = b.artist
"""
_OF_WORKING = _TRACKS.format(date="t.date", label="t.label")
_OF_EDITION = _TRACKS.format(date="coalesce(t.date, b.date)", label="coalesce(t.label, b.label)")
_NAMES = (
    "id", "title", "disc", "number", "date", "recording_mbid", "duration_ms", "explicit", "popularity", "plays", "status_reason",
    "duplicate_of", "rights_text", "rights_from", "attribution", "rights_uri", "label", "album", "album_mbid", "album_popularity",
)  # fmt: skip
_FURTHER_ARTISTS = """
SELECT coalesce(l.credited_as, a.name), a.mbid FROM further_track_artists l JOIN artists a USING (artist)
WHERE l.track = ? ORDER BY l.position
"""
_FURTHER_ALBUM_ARTISTS = "SELECT a.name FROM further_album_artists l JOIN artists a USING (artist) WHERE l.album = ? ORDER BY l.position"
_FURTHER_ISRCS = "SELECT isrc_number FROM further_isrcs WHERE track = ? ORDER BY position"
_GENRES = "SELECT g.name FROM track_genres l JOIN genres g USING (genre) WHERE l.track = ? ORDER BY l.position"
_PICTURES = "SELECT lower(hex(p.sha256)) FROM track_pictures l JOIN pictures p USING (picture) WHERE l.track = ? ORDER BY l.position"
_TEXT_FORMS = frozenset({"album", "barcode"})

_SELECTION = """
SELECT t.id, t.status, t.popularity, t.plays, a.popularity, b.popularity, a.followers, t.duration_ms, r.uri,
  t.isrc || coalesce((SELECT ',' || group_concat(isrc) FROM (
    SELECT isrc FROM further_isrcs i WHERE i.track = t.track ORDER BY i.position)), ''),
  f.aacid, f.tier, f.size
FROM tracks t LEFT JOIN artists a ON a.artist = t.artist LEFT JOIN albums b ON b.album = t.album LEFT JOIN rights r ON r.rights = t.rights
  LEFT JOIN track_files f ON f.track = t.track AND f.position = (SELECT max(position) FROM files x WHERE x.track = t.track)
"""


def read_record(sql: Statements, track_id: str) -> TrackRecord | None:
    """The record of one public id, or None."""
    query = f"{_OF_EDITION if sql.is_edition else _OF_WORKING}WHERE {sql.id_is('t.id')}"
    row = sql.row(query, (clean_text(track_id),))
    return None if row is None else _assemble(sql, row)


def iterate_records(sql: Statements, after: str | None = None) -> Iterator[TrackRecord]:
    """Every record, of a working catalogue sorted by public id from behind `after`, of an edition by rank; streams."""
    if sql.is_edition:
        rows = sql.rows(_OF_EDITION + "ORDER BY t.track")
    else:
        rows = sql.rows(_OF_WORKING + "WHERE t.id > ? ORDER BY t.id", (after or "",))
    for row in rows:
        yield _assemble(sql, row)


def _assemble(sql: Statements, row: tuple[Any, ...]) -> TrackRecord:
    track, album, state, isrc, gtin, artist, mbid, artist_popularity, followers, album_artist, *rest = row
    values = dict(zip(_NAMES, rest, strict=True))
    values |= {"status": STATES[state], "artist_popularity": artist_popularity, "followers": followers}
    values["explicit"] = None if values["explicit"] is None else bool(values["explicit"])
    values["barcode"] = None if gtin is None else gtin_text(gtin)
    if artist is not None:
        artists = [(artist, mbid), *sql.rows(_FURTHER_ARTISTS, (track,))]
        values["artists"] = tuple(name for name, _ in artists)
        values["artist_mbids"] = tuple(given for _, given in artists if given)
    if album_artist is not None:
        values["album_artists"] = (album_artist, *_column(sql, _FURTHER_ALBUM_ARTISTS, album))
    if isrc is not None:
        values["isrcs"] = tuple(isrc_text(number) for number in (isrc, *_column(sql, _FURTHER_ISRCS, track)))
    values["genres"], values["pictures"] = _column(sql, _GENRES, track), _column(sql, _PICTURES, track)
    for field, value in sql.rows("SELECT field, value FROM given_forms WHERE track = ?", (track,)):
        values[field] = value if field in _TEXT_FORMS else tuple(json.loads(value))
    return TrackRecord(**values)


def _column(sql: Statements, query: str, key: int) -> tuple[Any, ...]:
    return tuple(row[0] for row in sql.rows(query, (key,)))


def selection_row(row: tuple[Any, ...]) -> SelectionRow:
    """A row of the selection query as a struct."""
    before, isrcs, after = row[:9], row[9], row[10:]
    values: tuple[Any, ...] = (*before, tuple(isrcs.split(",")) if isrcs else (), *after)
    return SelectionRow(*values)


def iterate_selection(sql: Statements, condition: str = "", bindings: tuple[Any, ...] = (), order: str = "t.id") -> Iterator[SelectionRow]:
    """The columns that planning needs, one row a track; `condition` and `order` are ours, values are bound. Streams."""
    where = f" WHERE {condition}" if condition else ""
    for row in sql.rows(f"{_SELECTION}{where} ORDER BY {order}", bindings):
        yield selection_row(row)
