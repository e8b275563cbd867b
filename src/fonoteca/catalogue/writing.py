"""Track records taken apart into the tables: artists, albums, labels, genres and rights each once, links in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from fonoteca.catalogue.identifiers import album_id_of, artist_id_of
from fonoteca.catalogue.names import check_number, check_score, clean_optional, clean_text, normal_form, search_key
from fonoteca.catalogue.records import TrackRecord
from fonoteca.catalogue.statements import Statements

_CACHE_LIMIT = 50_000
_COLUMNS = (
    "id", "title", "title_key", "album", "disc", "number", "date", "label", "recording_mbid", "duration_ms", "explicit",
    "popularity", "plays", "status", "status_reason", "duplicate_of", "rights", "rights_text", "rights_from", "attribution",
)  # fmt: skip
_INSERT = f"INSERT INTO tracks ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) RETURNING track"
_UPDATE = f"UPDATE tracks SET {', '.join(f'{name} = ?' for name in _COLUMNS)} WHERE track = ?"
_LINK_TABLES = ("track_artists", "track_isrcs", "track_genres", "track_pictures", "given_forms")


def clean_record(record: TrackRecord) -> TrackRecord:
    """The record with every text storable and every number in range; FormatError names the field that is not."""
    cleaned: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, str):
            cleaned[name] = clean_text(value)
        elif isinstance(value, tuple):
            cleaned[name] = tuple(clean_text(part) for part in value)
        elif name.endswith("popularity"):
            cleaned[name] = check_score(name, value)
        elif isinstance(value, int) and not isinstance(value, bool):
            cleaned[name] = check_number(name, value, 0 if name in ("plays", "followers", "duration_ms") else -(2**63))
        else:
            cleaned[name] = value
    return TrackRecord(**cleaned)


class TrackWriter:
    """Writes records through one connection and remembers the rows of the things they share."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements
        self._rows: dict[tuple[str, str], int] = {}
        self._artist_names: dict[int, str] = {}
        statements.after_rollback = self.forget

    def forget(self) -> None:
        """Drop remembered rows, as after a rollback."""
        self._rows.clear()
        self._artist_names.clear()

    def put(self, record: TrackRecord) -> None:
        """Insert or wholly replace the track with this id; the row keeps its number. One transaction."""
        record = clean_record(record)
        with self._sql.transaction():
            if len(self._rows) > _CACHE_LIMIT:
                self.forget()
            track = self._put_row(record)
            self._put_artists(track, record)
            self._put_lists(track, record)
            self._put_given_forms(track, record)

    def _put_row(self, record: TrackRecord) -> int:
        columns = self._columns(record)
        track: int | None = self._sql.value("SELECT track FROM tracks WHERE id = ?", (record.id,))
        if track is None:
            return int(self._sql.value(_INSERT, columns))
        self._sql.run(_UPDATE, (*columns, track))
        for table in _LINK_TABLES:
            self._sql.run(f"DELETE FROM {table} WHERE track = ?", (track,))
        return track

    def _columns(self, record: TrackRecord) -> tuple[Any, ...]:
        return (
            record.id, record.title, None if record.title is None else search_key(record.title), self._album_row(record),
            record.disc, record.number, record.date, self.named_row("labels", "label", "name", record.label), record.recording_mbid,
            record.duration_ms, record.explicit, record.popularity, record.plays, record.status, record.status_reason,
            record.duplicate_of, self.named_row("rights", "rights", "uri", record.rights_uri), record.rights_text, record.rights_from,
            record.attribution,
        )  # fmt: skip

    def named_row(self, table: str, column: str, key: str, value: str | bytes | None) -> int | None:
        """The row number of `value` in a table of things named once, made where it is new; None for None."""
        if value is None:
            return None
        cached = self._rows.get((table, str(value)))
        if cached is None:
            cached = self._sql.value(f"SELECT {column} FROM {table} WHERE {key} = ?", (value,))
            if cached is None:
                cached = int(self._sql.value(f"INSERT INTO {table} ({key}) VALUES (?) RETURNING {column}", (value,)))
            self._rows[table, str(value)] = cached
        return cached

    def _artist_row(self, name: str, mbid: str | None) -> int:
        public_id, name = artist_id_of(name, mbid), normal_form(name)
        artist = self._rows.get(("artists", public_id))
        if artist is None:
            found = self._sql.row("SELECT artist, name FROM artists WHERE id = ?", (public_id,))
            if found is None:
                insert = "INSERT INTO artists (id, mbid, name) VALUES (?, ?, ?) RETURNING artist, name"
                found = self._sql.row(insert, (public_id, mbid, name))
            assert found is not None
            artist, self._artist_names[found[0]] = found
            self._rows["artists", public_id] = artist
        if name < self._artist_names[artist]:
            self._rename_artist(artist, name)
        return artist

    def _rename_artist(self, artist: int, name: str) -> None:
        # one MBID under several names: the smallest names the row, whatever the order of arrival, links keep what was given
        former = self._artist_names[artist]
        self._sql.run("UPDATE track_artists SET credited_as = ? WHERE artist = ? AND credited_as IS NULL", (former, artist))
        self._sql.run("UPDATE artists SET name = ? WHERE artist = ?", (name, artist))
        self._artist_names[artist] = name

    def _put_artists(self, track: int, record: TrackRecord) -> None:
        are_aligned = len(record.artist_mbids) == len(record.artists) and all(record.artist_mbids)
        mbids: Sequence[str | None] = record.artist_mbids if are_aligned else [None] * len(record.artists)
        links = []
        for position, (name, mbid) in enumerate(zip(record.artists, mbids, strict=True)):
            artist = self._artist_row(name, mbid)
            links.append((track, position, artist, None if name == self._artist_names[artist] else name))
            if position == 0 and (record.artist_popularity is not None or record.followers is not None):
                update = "UPDATE artists SET popularity = coalesce(?, popularity), followers = coalesce(?, followers) WHERE artist = ?"
                self._sql.run(update, (record.artist_popularity, record.followers, artist))
        self._sql.run_many("INSERT INTO track_artists VALUES (?, ?, ?, ?)", links)

    def _album_row(self, record: TrackRecord) -> int | None:
        if not record.album_artists and record.album is None and record.album_mbid is None and record.barcode is None:
            return None
        public_id = album_id_of(record.album, record.album_artists, record.album_mbid, record.barcode)
        album = self._rows.get(("albums", public_id)) or self._sql.value("SELECT album FROM albums WHERE id = ?", (public_id,))
        if album is None:
            album = self._new_album(public_id, record)
        self._rows["albums", public_id] = album
        if record.album_popularity is not None:
            self._sql.run("UPDATE albums SET popularity = ? WHERE album = ?", (record.album_popularity, album))
        return album

    def _new_album(self, public_id: str, record: TrackRecord) -> int:
        title = None if record.album is None else normal_form(record.album)
        insert = "INSERT INTO albums (id, mbid, title, barcode) VALUES (?, ?, ?, ?) RETURNING album"
        album = int(self._sql.value(insert, (public_id, record.album_mbid, title, record.barcode)))
        artists = [(album, position, self._artist_row(name, None)) for position, name in enumerate(record.album_artists)]
        self._sql.run_many("INSERT INTO album_artists VALUES (?, ?, ?)", artists)
        return album

    def _put_lists(self, track: int, record: TrackRecord) -> None:
        self._sql.run_many("INSERT INTO track_isrcs VALUES (?, ?, ?)", [(track, n, isrc) for n, isrc in enumerate(record.isrcs)])
        genres = [(track, n, self.named_row("genres", "genre", "name", name)) for n, name in enumerate(record.genres)]
        self._sql.run_many("INSERT INTO track_genres VALUES (?, ?, ?)", genres)
        pictures = [
            (track, n, self.named_row("pictures", "picture", "sha256", bytes.fromhex(picture))) for n, picture in enumerate(record.pictures)
        ]
        self._sql.run_many("INSERT INTO track_pictures VALUES (?, ?, ?)", pictures)

    def _put_given_forms(self, track: int, record: TrackRecord) -> None:
        forms = []
        if record.album is not None and record.album != normal_form(record.album):
            forms.append((track, "album", record.album))
        if any(name != normal_form(name) for name in record.album_artists):
            forms.append((track, "album_artists", json.dumps(record.album_artists, ensure_ascii=False)))
        if record.artist_mbids and not (len(record.artist_mbids) == len(record.artists) and all(record.artist_mbids)):
            forms.append((track, "artist_mbids", json.dumps(record.artist_mbids)))
        self._sql.run_many("INSERT INTO given_forms VALUES (?, ?, ?)", forms)


def changed_record(record: TrackRecord, changes: dict[str, Any]) -> TrackRecord:
    """The record with only these fields changed."""
    return msgspec.structs.replace(record, **{name: clean_optional(v) if isinstance(v, str) else v for name, v in changes.items()})
