"""Track records put together again from the tables, and the ids that answer to what a person types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fonoteca.catalogue.identifiers import is_public_id, parse_mbid
from fonoteca.catalogue.isrc import parse_isrc
from fonoteca.catalogue.names import clean_text, search_key
from fonoteca.catalogue.records import SelectionRow, TrackRecord
from fonoteca.catalogue.statements import Statements

_TRACKS = """
SELECT t.track, t.id, t.title, t.disc, t.number, t.date, t.recording_mbid, t.duration_ms, t.explicit, t.popularity, t.plays,
  t.status, t.status_reason, t.duplicate_of, t.rights_text, t.rights_from, t.attribution,
  r.uri, l.name, b.album, b.title, b.mbid, b.barcode, b.popularity
FROM tracks t LEFT JOIN rights r USING (rights) LEFT JOIN labels l USING (label) LEFT JOIN albums b ON b.album = t.album
"""
_NAMES = (
    "id", "title", "disc", "number", "date", "recording_mbid", "duration_ms", "explicit", "popularity", "plays", "status",
    "status_reason", "duplicate_of", "rights_text", "rights_from", "attribution", "rights_uri", "label", "album_row", "album",
    "album_mbid", "barcode", "album_popularity",
)  # fmt: skip
_ARTISTS = """
SELECT coalesce(l.credited_as, a.name), a.mbid, a.popularity, a.followers
FROM track_artists l JOIN artists a USING (artist) WHERE l.track = ? ORDER BY l.position
"""
_SELECTION = """
SELECT t.id, t.status, t.popularity, t.plays, a.popularity, b.popularity, a.followers, t.duration_ms, r.uri,
  (SELECT group_concat(isrc) FROM (SELECT isrc FROM track_isrcs i WHERE i.track = t.track ORDER BY i.position)),
  f.aacid, f.tier, f.size
FROM tracks t LEFT JOIN track_artists l ON l.track = t.track AND l.position = 0 LEFT JOIN artists a USING (artist)
  LEFT JOIN albums b ON b.album = t.album LEFT JOIN rights r ON r.rights = t.rights
  LEFT JOIN files f ON f.file = (SELECT max(file) FROM files x WHERE x.track = t.track)
"""


def read_record(sql: Statements, track_id: str) -> TrackRecord | None:
    """The record of one public id, or None."""
    row = sql.row(_TRACKS + "WHERE t.id = ?", (clean_text(track_id),))
    return None if row is None else _assemble(sql, row)


def iterate_records(sql: Statements, after: str | None = None) -> Iterator[TrackRecord]:
    """Every record sorted by public id, from behind `after`; streams."""
    for row in sql.rows(_TRACKS + "WHERE t.id > ? ORDER BY t.id", (after or "",)):
        yield _assemble(sql, row)


def _assemble(sql: Statements, row: tuple[Any, ...]) -> TrackRecord:
    track, values = row[0], dict(zip(_NAMES, row[1:], strict=True))
    album = values.pop("album_row")
    values["explicit"] = None if values["explicit"] is None else bool(values["explicit"])
    artists = list(sql.rows(_ARTISTS, (track,)))
    values["artists"] = tuple(artist[0] for artist in artists)
    values["artist_mbids"] = tuple(artist[1] for artist in artists if artist[1])
    if artists:
        values["artist_popularity"], values["followers"] = artists[0][2:]
    if album is not None:
        values["album_artists"] = _column(
            sql, "SELECT a.name FROM album_artists l JOIN artists a USING (artist) WHERE l.album = ? ORDER BY l.position", album
        )
    values["isrcs"] = _column(sql, "SELECT isrc FROM track_isrcs WHERE track = ? ORDER BY position", track)
    values["genres"] = _column(
        sql, "SELECT g.name FROM track_genres l JOIN genres g USING (genre) WHERE l.track = ? ORDER BY l.position", track
    )
    values["pictures"] = _column(
        sql,
        "SELECT lower(hex(p.sha256)) FROM track_pictures l JOIN pictures p USING (picture) WHERE l.track = ? ORDER BY l.position",
        track,
    )
    for field, value in sql.rows("SELECT field, value FROM given_forms WHERE track = ?", (track,)):
        values[field] = value if field == "album" else tuple(json.loads(value))
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


def find_track_ids(sql: Statements, text: str) -> list[str]:
    """Public ids, sorted, of the tracks that `text` names: by id, AACID, ISRC, MBID (recording, album, artist), SHA-256 or exact title.

    The first kind that finds something decides; white space around is ignored, titles are compared folded.
    """
    text = clean_text(text.strip())
    for query, value in _questions(text):
        found = [row[0] for row in sql.rows(f"SELECT DISTINCT id FROM ({query}) ORDER BY id", (value,) * query.count("?"))]
        if found:
            return found
    return []


def find_keyed_ids(sql: Statements, track_id: str | None, isrc: str | None, mbid: str | None) -> list[str]:
    """Public ids, sorted, of the tracks that carry all of the given keys (public id, ISRC, recording MBID); none without a key."""
    queries = {
        "SELECT id FROM tracks WHERE id = ?": track_id and clean_text(track_id),
        "SELECT t.id FROM track_isrcs i JOIN tracks t USING (track) WHERE i.isrc = ?": isrc,
        "SELECT id FROM tracks WHERE recording_mbid = ?": mbid,
    }
    given = {query: value for query, value in queries.items() if value}
    if not given:
        return []
    return [row[0] for row in sql.rows(" INTERSECT ".join(given) + " ORDER BY 1", tuple(given.values()))]


def _questions(text: str) -> Iterator[tuple[str, str | bytes]]:
    if is_public_id(text):
        yield "SELECT id FROM tracks WHERE id = ?", text
    if text.startswith("aacid__"):
        yield "SELECT t.id FROM files f JOIN tracks t USING (track) WHERE f.aacid = ?", text
    if isrc := parse_isrc(text):
        yield "SELECT t.id FROM track_isrcs i JOIN tracks t USING (track) WHERE i.isrc = ?", isrc
    if mbid := parse_mbid(text):
        yield (
            "SELECT id FROM tracks WHERE recording_mbid = ? "
            "UNION ALL SELECT t.id FROM albums b JOIN tracks t USING (album) WHERE b.mbid = ? "
            "UNION ALL SELECT t.id FROM artists a JOIN track_artists USING (artist) JOIN tracks t USING (track) WHERE a.mbid = ?",
            mbid,
        )
    if len(text) == 64 and not set(text.lower()) - set("0123456789abcdef"):
        columns = ("sha256", "source_sha256", "essence_sha256")
        yield (
            " UNION ALL ".join(f"SELECT t.id FROM files f JOIN tracks t USING (track) WHERE f.{name} = ?" for name in columns),
            bytes.fromhex(text),
        )
    yield "SELECT id FROM tracks WHERE title_key = ?", search_key(text)
