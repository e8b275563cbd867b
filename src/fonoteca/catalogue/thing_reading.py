"""Artists, albums and containers as records, with what belongs to them."""

from __future__ import annotations

from typing import Any

import msgspec

from fonoteca.catalogue.barcodes import gtin_text
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.records import AlbumRecord, ArtistRecord
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.statements import Statements

MOST_LISTED = 1000

_ARTIST = "SELECT artist, id, name, mbid, sort_name, country, popularity, followers FROM artists WHERE {}"
_ALBUM = """
SELECT b.album, b.id, b.title, b.date, l.name, b.gtin, b.mbid, b.popularity FROM albums b LEFT JOIN labels l USING (label) WHERE {}
"""
_ALBUM_ARTISTS = """
SELECT a.name, a.mbid FROM album_artists l JOIN artists a ON a.artist = l.artist WHERE l.album = ? ORDER BY l.position
"""
_TRACKS = """
SELECT t.id, t.disc, t.number, t.title, w.artists, t.duration_ms, t.status
FROM tracks t JOIN tracks_with_artists w ON w.track = t.track WHERE t.album = ? ORDER BY t.disc, t.number, t.id LIMIT ?
"""
_OF_ARTIST = """
SELECT track FROM tracks WHERE artist = ?1 UNION SELECT track FROM further_track_artists WHERE artist = ?1
"""
_ALBUMS_OF_ARTIST = """
SELECT b.id, b.title, b.date, b.popularity, (SELECT count(*) FROM tracks t WHERE t.album = b.album) FROM albums b
WHERE b.album IN (SELECT album FROM albums WHERE artist = ?1 UNION SELECT album FROM further_album_artists WHERE artist = ?1)
ORDER BY b.popularity DESC NULLS LAST, b.date, b.id LIMIT ?2
"""
_COUNTS_OF_ARTIST = f"""
SELECT count(*), count(*) FILTER (WHERE t.state = {STATES.index("held")}) FROM tracks t WHERE t.track IN ({_OF_ARTIST})
"""
_CONTAINER = "SELECT container, name, collection, is_public FROM containers WHERE name = ?"


class ListedTrack(msgspec.Struct, frozen=True, omit_defaults=True):
    """A track in the list of an album."""

    id: str
    disc: int | None
    number: int | None
    title: str | None
    artists: str | None
    duration_ms: int | None
    status: str


class ListedAlbum(msgspec.Struct, frozen=True, omit_defaults=True):
    """An album in the list of an artist."""

    id: str
    title: str | None
    date: str | None
    popularity: float | None
    tracks: int


class ArtistFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An artist with what is known of him: how many tracks, how many held, the first thousand albums, most popular first."""

    record: ArtistRecord
    tracks: int
    held: int
    albums: tuple[ListedAlbum, ...]


class AlbumFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An album with its tracks in order, the first thousand of `count`."""

    record: AlbumRecord
    count: int
    tracks: tuple[ListedTrack, ...]


class ContainerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A container of files. `files` and `bytes` are None in an edition, which keeps no index of them by container."""

    name: str
    collection: str
    is_public: bool
    files: int | None = None
    bytes: int | None = None


def read_artist(sql: Statements, public_id: str) -> ArtistRecord | None:
    """The record of one artist, or None."""
    row = sql.row(_ARTIST.format(sql.id_is("id")), (clean_text(public_id),))
    if row is None:
        return None
    aliases = _column(sql, "SELECT alias FROM artist_aliases WHERE artist = ? ORDER BY position", row[0])
    genres = _column(sql, "SELECT name FROM artist_genres JOIN genres USING (genre) WHERE artist = ? ORDER BY position", row[0])
    names = ("id", "name", "mbid", "sort_name", "country", "popularity", "followers")
    return ArtistRecord(**dict(zip(names, row[1:], strict=True)), aliases=aliases, genres=genres)


def read_album(sql: Statements, public_id: str) -> AlbumRecord | None:
    """The record of one album, or None; its artists under their own names."""
    row = sql.row(_ALBUM.format(sql.id_is("b.id")), (clean_text(public_id),))
    if row is None:
        return None
    album, album_id, title, date, label, gtin, mbid, popularity = row
    artists = list(sql.rows(_ALBUM_ARTISTS, (album,)))
    mbids = tuple(given or "" for _, given in artists)
    return AlbumRecord(
        id=album_id,
        title=title,
        artists=tuple(name for name, _ in artists),
        artist_mbids=mbids if any(mbids) else (),
        date=date,
        label=label,
        barcode=None if gtin is None else gtin_text(gtin),
        mbid=mbid,
        popularity=popularity,
    )


def artist_facts(sql: Statements, public_id: str) -> ArtistFacts | None:
    """The artist with counts and albums, or None."""
    record = read_artist(sql, public_id)
    if record is None:
        return None
    artist = sql.value(_ARTIST.format(sql.id_is("id")), (record.id,))
    tracks, held = sql.row(_COUNTS_OF_ARTIST, (artist,)) or (0, 0)
    albums = tuple(ListedAlbum(*row) for row in sql.rows(_ALBUMS_OF_ARTIST, (artist, MOST_LISTED)))
    return ArtistFacts(record=record, tracks=tracks, held=held, albums=albums)


def album_facts(sql: Statements, public_id: str) -> AlbumFacts | None:
    """The album with its tracks, or None."""
    record = read_album(sql, public_id)
    if record is None:
        return None
    album = sql.value(_ALBUM.format(sql.id_is("b.id")), (record.id,))
    tracks = tuple(ListedTrack(*row) for row in sql.rows(_TRACKS, (album, MOST_LISTED)))
    return AlbumFacts(record=record, count=sql.value("SELECT count(*) FROM tracks WHERE album = ?", (album,)), tracks=tracks)


def container_facts(sql: Statements, name: str) -> ContainerFacts | None:
    """The container of this name, or None."""
    row = sql.row(_CONTAINER, (name,))
    if row is None:
        return None
    container, name, collection, is_public = row
    files, size = (None, None) if sql.is_edition else _sums(sql, container)
    return ContainerFacts(name=name, collection=collection, is_public=bool(is_public), files=files, bytes=size)


def _sums(sql: Statements, container: int) -> tuple[Any, Any]:
    found = sql.row("SELECT count(*), coalesce(sum(size), 0) FROM files WHERE container = ?", (container,))
    return (0, 0) if found is None else (found[0], found[1])


def _column(sql: Statements, query: str, key: int) -> tuple[Any, ...]:
    return tuple(row[0] for row in sql.rows(query, (key,)))
