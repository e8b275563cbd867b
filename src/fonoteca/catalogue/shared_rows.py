"""Rows of what tracks share: artists, albums, labels, genres, rights and pictures, each written once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fonoteca.catalogue.barcodes import parse_gtin
from fonoteca.catalogue.identifiers import album_id_of, artist_id_of
from fonoteca.catalogue.name_index import index_row, index_words_of
from fonoteca.catalogue.names import normal_form
from fonoteca.catalogue.records import AlbumRecord, ArtistRecord
from fonoteca.catalogue.statements import Statements

_CACHE_LIMIT = 50_000
_KEEP_CREDITS = (
    "UPDATE tracks SET credited_as = ? WHERE artist = ? AND credited_as IS NULL",
    "UPDATE further_track_artists SET credited_as = ? WHERE artist = ? AND credited_as IS NULL",
)
_KEEP_ALBUM_ARTISTS = "INSERT OR IGNORE INTO given_forms SELECT track, 'album_artists', ? FROM tracks WHERE album = ?"


class SharedRows:
    """Finds or makes the rows of shared things through one connection, and remembers them."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements
        self._rows: dict[tuple[str, str], int] = {}
        self._named: dict[tuple[Any, ...], int] = {}
        self._artist_names: dict[int, str] = {}
        self._recorded_artists: set[int] = set()
        self._album_artists: dict[int, tuple[str, ...] | None] = {}
        statements.after_rollback = self.forget

    def forget(self) -> None:
        """Drop remembered rows, as after a rollback."""
        for remembered in (self._rows, self._named, self._artist_names, self._recorded_artists, self._album_artists):
            remembered.clear()

    def keep_small(self) -> None:
        """Forget where too much is remembered; only between two records."""
        if len(self._rows) + len(self._named) > _CACHE_LIMIT:
            self.forget()

    def named_row(self, table: str, column: str, key: str, value: str | bytes | None) -> int | None:
        """The row number of `value` in a table of things named once, made where it is new; None for None."""
        if value is None:
            return None
        cached = self._rows.get((table, str(value)))
        if cached is None:
            cached = self._sql.value(f"SELECT {column} FROM {table} WHERE {key} = ?", (value,))
            if cached is None:
                cached = self._sql.insert(f"INSERT INTO {table} ({key}) VALUES (?)", (value,))
            self._rows[table, str(value)] = cached
        return cached

    # artists

    def artist_row(self, name: str, mbid: str | None, public_id: str | None = None) -> int:
        """The row of an artist, made where it is new."""
        known = self._named.get((name, mbid, public_id))
        if known is not None:
            return known
        key, public_id, name = (name, mbid, public_id), public_id or artist_id_of(name, mbid), normal_form(name)
        artist = self._rows.get(("artists", public_id))
        if artist is None:
            artist = self._find_artist(public_id, name, mbid)
        self._named[key] = artist
        if name < self._artist_names[artist] and artist not in self._recorded_artists:
            self._rename_artist(artist, name)
        return artist

    def _find_artist(self, public_id: str, name: str, mbid: str | None) -> int:
        query = "SELECT artist, name, EXISTS (SELECT 1 FROM recorded_artists n WHERE n.artist = a.artist) FROM artists a WHERE id = ?"
        found = self._sql.row(query, (public_id,))
        if found is None and (target := self._sql.value("SELECT target FROM redirects WHERE id = ?", (public_id,))):
            found = self._sql.row(query, (target,))  # merged with another one
        if found is None:
            found = self._sql.insert("INSERT INTO artists (id, mbid, name) VALUES (?, ?, ?)", (public_id, mbid, name)), name, 0
            index_words_of(self._sql, "artist", found[0], (name,))
        artist = int(found[0])
        self._artist_names[artist] = found[1]
        if found[2]:
            self._recorded_artists.add(artist)
        self._rows["artists", public_id] = artist
        return artist

    def artist_name(self, artist: int) -> str:
        """The name of a row that artist_row gave for this record."""
        return self._artist_names[artist]

    def _rename_artist(self, artist: int, name: str) -> None:
        # one MBID under several names: the smallest names the row, whatever the order of arrival, links keep what was given
        former = self._artist_names[artist]
        for keep in _KEEP_CREDITS:
            self._sql.run(keep, (former, artist))
        self._sql.run("UPDATE artists SET name = ? WHERE artist = ?", (name, artist))
        self._artist_names[artist] = name
        self._album_artists.clear()
        self.index_artist(artist)

    def index_artist(self, artist: int) -> None:
        """Make the words anew under which an artist and his albums are found."""
        index_row(self._sql, "artist", artist)
        for (album,) in list(self._sql.rows("SELECT DISTINCT album FROM album_artists WHERE artist = ?", (artist,))):
            index_row(self._sql, "album", album)

    def put_artist(self, record: ArtistRecord) -> int:
        """The row of an artist with all that the record says; its name goes before what tracks call it."""
        artist = self.artist_row(record.name, record.mbid, record.id)
        if normal_form(record.name) != self._artist_names[artist]:
            self._rename_artist(artist, normal_form(record.name))
        self._recorded_artists.add(artist)
        self._sql.run("INSERT OR IGNORE INTO recorded_artists VALUES (?)", (artist,))
        update = """UPDATE artists SET mbid = coalesce(?, mbid), sort_name = ?, country = ?, popularity = coalesce(?, popularity),
                    followers = coalesce(?, followers) WHERE artist = ?"""
        self._sql.run(update, (record.mbid, record.sort_name, record.country, record.popularity, record.followers, artist))
        for table in ("artist_aliases", "artist_genres"):
            self._sql.run(f"DELETE FROM {table} WHERE artist = ?", (artist,))
        self._sql.run_many("INSERT INTO artist_aliases VALUES (?, ?, ?)", [(artist, n, alias) for n, alias in enumerate(record.aliases)])
        genres = [(artist, n, self.named_row("genres", "genre", "name", name)) for n, name in enumerate(record.genres)]
        self._sql.run_many("INSERT INTO artist_genres VALUES (?, ?, ?)", genres)
        index_row(self._sql, "artist", artist)
        return artist

    # albums

    def album_row(self, title: str | None, artists: tuple[str, ...], mbid: str | None, barcode: str | None) -> int:
        """The row of an album as a track names it, made where it is new."""
        known = self._named.get((title, artists, mbid, barcode))
        if known is not None:
            return known
        public_id = album_id_of(title, artists, mbid, barcode)
        album = self._known_album(public_id)
        if album is None:
            album = self._new_album(public_id, title, mbid, barcode, [self.artist_row(name, None) for name in artists])
        self._named[title, artists, mbid, barcode] = album
        return album

    def _known_album(self, public_id: str) -> int | None:
        album = self._rows.get(("albums", public_id)) or self._sql.value("SELECT album FROM albums WHERE id = ?", (public_id,))
        if album is not None:
            self._rows["albums", public_id] = album
        return album

    def _new_album(self, public_id: str, title: str | None, mbid: str | None, barcode: str | None, artists: Sequence[int]) -> int:
        gtin = None if barcode is None else parse_gtin(barcode)
        values = (public_id, None if title is None else normal_form(title), gtin, mbid, artists[0] if artists else None)
        album = self._sql.insert("INSERT INTO albums (id, title, gtin, mbid, artist) VALUES (?, ?, ?, ?, ?)", values)
        self._rows["albums", public_id] = album
        self._put_further_artists(album, artists)
        index_words_of(self._sql, "album", album, (values[1], *(self._artist_names[artist] for artist in artists)))
        return album

    def _put_further_artists(self, album: int, artists: Sequence[int]) -> None:
        further = [(album, position, artist) for position, artist in enumerate(artists) if position]
        self._sql.run_many("INSERT INTO further_album_artists VALUES (?, ?, ?)", further)
        self._album_artists.pop(album, None)

    def album_artist_names(self, album: int | None) -> tuple[str, ...] | None:
        """The names of an album's artists in order; None where one of them is known by MBID, whose name can change."""
        if album is None:
            return ()
        if album not in self._album_artists:
            query = "SELECT name, mbid FROM album_artists JOIN artists USING (artist) WHERE album = ? ORDER BY position"
            found = list(self._sql.rows(query, (album,)))
            self._album_artists[album] = None if any(mbid for _, mbid in found) else tuple(name for name, _ in found)
        return self._album_artists[album]

    def put_album(self, record: AlbumRecord) -> int:
        """The row of an album with all that the record says; its tracks keep the artists' names that they gave."""
        public_id = record.id or album_id_of(record.title, record.artists, record.mbid, record.barcode)
        album = self._known_album(public_id)
        if album is None:
            album = self._new_album(public_id, record.title, record.mbid, record.barcode, ())
        names = self.album_artist_names(album)
        if names is not None and (any(record.artist_mbids) or names != tuple(map(normal_form, record.artists))):
            self._sql.run(_KEEP_ALBUM_ARTISTS, (json.dumps(names, ensure_ascii=False), album))
        are_aligned = len(record.artist_mbids) == len(record.artists)
        mbids = record.artist_mbids if are_aligned else ("",) * len(record.artists)
        artists = [self.artist_row(name, mbid or None) for name, mbid in zip(record.artists, mbids, strict=True)]
        self._sql.run("DELETE FROM further_album_artists WHERE album = ?", (album,))
        self._put_further_artists(album, artists)
        label = self.named_row("labels", "label", "name", record.label)
        self._sql.run("INSERT OR IGNORE INTO recorded_albums VALUES (?)", (album,))
        update = """UPDATE albums SET title = ?, gtin = ?, mbid = ?, artist = ?, date = ?, label = ?,
                    popularity = coalesce(?, popularity) WHERE album = ?"""
        title = None if record.title is None else normal_form(record.title)
        gtin = None if record.barcode is None else parse_gtin(record.barcode)
        first = artists[0] if artists else None
        self._sql.run(update, (title, gtin, record.mbid, first, record.date, label, record.popularity, album))
        index_row(self._sql, "album", album)
        return album
