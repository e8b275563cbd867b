"""Track records taken apart into the tables: artists, albums, labels, genres and rights each once, links in order."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from fonoteca.catalogue.barcodes import gtin_text, parse_gtin
from fonoteca.catalogue.isrc import parse_isrc
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.names import check_number, check_score, clean_optional, clean_text, normal_form
from fonoteca.catalogue.records import TrackRecord
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.search_text import index_words
from fonoteca.catalogue.shared_rows import SharedRows

TRACK_COLUMNS = (
    "id", "title", "artist", "album", "disc", "number", "duration_ms", "explicit", "popularity", "isrc_number", "state", "rights", "plays",
    "date", "label", "recording_mbid", "credited_as", "duplicate_of", "rights_text", "rights_from", "attribution", "status_reason",
)  # fmt: skip
_INSERT = f"INSERT INTO tracks ({', '.join(TRACK_COLUMNS)}) VALUES ({', '.join('?' * len(TRACK_COLUMNS))})"
_UPDATE = f"UPDATE tracks SET {', '.join(f'{name} = ?' for name in TRACK_COLUMNS)} WHERE track = ?"
LINK_TABLES = ("further_track_artists", "further_isrcs", "track_genres", "track_pictures", "given_forms")
"""Tables whose rows come with the record of a track."""

_STATES = {status: place for place, status in enumerate(STATES)}
_SCORES = frozenset({"popularity", "artist_popularity", "album_popularity"})
_COUNTS = frozenset({"plays", "followers", "duration_ms"})

Record = TypeVar("Record", bound=msgspec.Struct)


def clean_record(record: Record) -> Record:
    """The record with every text storable and every number in range; FormatError names the field that is not."""
    given = ((name, getattr(record, name)) for name in record.__struct_fields__)
    changes = {name: clean for name, value in given if value is not None and (clean := _clean(name, value)) is not value}
    return msgspec.structs.replace(record, **changes) if changes else record


def _clean(name: str, value: Any) -> Any:
    """`value` itself where nothing is wrong with it."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, tuple):
        return tuple([clean_text(part) for part in value]) if value else value
    if name in _SCORES:
        return check_score(name, value)
    if isinstance(value, int):
        return check_number(name, value, 0 if name in _COUNTS else -(2**63))
    return value


class TrackWriter(SharedRows):
    """Writes records through one connection and remembers the rows of the things they share."""

    def put(self, record: TrackRecord) -> None:
        """Insert or wholly replace the track with this id; the row keeps its number. One transaction."""
        record = clean_record(record)
        with self._sql.transaction():
            self.keep_small()
            artists, album = self._credits(record), self.album_of(record)
            track = self._put_row(record, artists[0] if artists else (None, None), album)
            further = [(track, position, *credit) for position, credit in enumerate(artists[1:], 1)]
            self._sql.run_many("INSERT INTO further_track_artists VALUES (?, ?, ?, ?)", further)
            self._put_lists(track, record)
            forms = [(track, field, value) for field, value in self.given_forms_of(record, album)]
            self._sql.run_many("INSERT INTO given_forms VALUES (?, ?, ?)", forms)

    def _credits(self, record: TrackRecord) -> list[tuple[int, str | None]]:
        """(row, name as given where it is another) of each artist."""
        rows = self.credited_rows(record)
        return [(row, None if name == self.artist_name(row) else name) for row, name in zip(rows, record.artists, strict=True)]

    def credited_rows(self, record: TrackRecord) -> list[int]:
        """The row of each artist in order, with what the record says of the first."""
        are_aligned = len(record.artist_mbids) == len(record.artists) and all(record.artist_mbids)
        mbids: Sequence[str | None] = record.artist_mbids if are_aligned else [None] * len(record.artists)
        rows = [self.artist_row(name, mbid) for name, mbid in zip(record.artists, mbids, strict=True)]
        if rows and (record.artist_popularity is not None or record.followers is not None):
            update = "UPDATE artists SET popularity = coalesce(?, popularity), followers = coalesce(?, followers) WHERE artist = ?"
            self._sql.run(update, (record.artist_popularity, record.followers, rows[0]))
        return rows

    def _put_row(self, record: TrackRecord, first: tuple[int | None, str | None], album: int | None) -> int:
        columns = self.columns_of(record, first, album)
        words = index_words(*(text for text in (record.title, *record.artists, record.album) if text))
        track: int | None = self._sql.value("SELECT track FROM tracks WHERE id = ?", (record.id,))
        if track is None:
            track = self._sql.insert(_INSERT, columns)
            self._sql.run("INSERT INTO track_search (rowid, words) VALUES (?, ?)", (track, words))
            return track
        self._sql.run(_UPDATE, (*columns, track))
        for table in LINK_TABLES:
            self._sql.run(f"DELETE FROM {table} WHERE track = ?", (track,))
        if self._sql.value("SELECT words FROM track_search WHERE rowid = ?", (track,)) != words:
            self._sql.run("INSERT OR REPLACE INTO track_search (rowid, words) VALUES (?, ?)", (track, words))
        return track

    def columns_of(self, record: TrackRecord, first: tuple[int | None, str | None], album: int | None) -> tuple[Any, ...]:
        """The values of TRACK_COLUMNS; `first` is the first artist's row, and its name as given where that is another."""
        isrc = next(iter(isrc_numbers_of(record)), None)
        return (
            record.id, record.title, first[0], album, record.disc, record.number, record.duration_ms, record.explicit,
            record.popularity, isrc, _STATES[record.status], self.named_row("rights", "rights", "uri", record.rights_uri), record.plays,
            record.date, self.named_row("labels", "label", "name", record.label), record.recording_mbid, first[1], record.duplicate_of,
            record.rights_text, record.rights_from, record.attribution, record.status_reason,
        )  # fmt: skip

    def album_of(self, record: TrackRecord) -> int | None:
        """The row of the album that the record names, with the popularity it says; None where it names none."""
        if not record.album_artists and record.album is None and record.album_mbid is None and record.barcode is None:
            return None
        album = self.album_row(record.album, record.album_artists, record.album_mbid, record.barcode)
        if record.album_popularity is not None:
            self._sql.run("UPDATE albums SET popularity = ? WHERE album = ?", (record.album_popularity, album))
        return album

    def _put_lists(self, track: int, record: TrackRecord) -> None:
        isrcs = [(track, position, number) for position, number in enumerate(isrc_numbers_of(record)) if position]
        self._sql.run_many("INSERT INTO further_isrcs VALUES (?, ?, ?)", isrcs)
        genres = [(track, n, self.named_row("genres", "genre", "name", name)) for n, name in enumerate(record.genres)]
        self._sql.run_many("INSERT INTO track_genres VALUES (?, ?, ?)", genres)
        pictures = [
            (track, n, self.named_row("pictures", "picture", "sha256", bytes.fromhex(picture))) for n, picture in enumerate(record.pictures)
        ]
        self._sql.run_many("INSERT INTO track_pictures VALUES (?, ?, ?)", pictures)

    def given_forms_of(self, record: TrackRecord, album: int | None) -> list[tuple[str, str]]:
        """What the tables would not give back as it came, by field."""
        forms = []
        if record.album is not None and record.album != normal_form(record.album):
            forms.append(("album", record.album))
        if self.album_artist_names(album) != record.album_artists:
            forms.append(("album_artists", json.dumps(record.album_artists, ensure_ascii=False)))
        if record.artist_mbids and not (len(record.artist_mbids) == len(record.artists) and all(record.artist_mbids)):
            forms.append(("artist_mbids", json.dumps(record.artist_mbids)))
        if record.barcode is not None and record.barcode != _barcode_of(record.barcode):
            forms.append(("barcode", record.barcode))
        if len(isrc_numbers_of(record)) < len(record.isrcs):
            forms.append(("isrcs", json.dumps(record.isrcs, ensure_ascii=False)))
        return forms


def isrc_numbers_of(record: TrackRecord) -> list[int]:
    """The numbers of the ISRCs in order, without what is none."""
    numbers = (_number_of(isrc) for isrc in record.isrcs)
    return [number for number in numbers if number is not None]


@functools.lru_cache(maxsize=1024)  # asked for three times a record
def _number_of(isrc: str) -> int | None:
    return isrc_number(isrc) if parse_isrc(isrc) == isrc else None


def _barcode_of(text: str) -> str | None:
    number = parse_gtin(text)
    return None if number is None else gtin_text(number)


def changed_record(record: TrackRecord, changes: dict[str, Any]) -> TrackRecord:
    """The record with only these fields changed."""
    return msgspec.structs.replace(record, **{name: clean_optional(v) if isinstance(v, str) else v for name, v in changes.items()})
