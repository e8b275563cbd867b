"""Many new tracks at once: what a batch shares is found first, then each table is filled by one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fonoteca.catalogue.records import TrackRecord
from fonoteca.catalogue.search_text import index_words
from fonoteca.catalogue.statements import Statements
from fonoteca.catalogue.writing import TRACK_COLUMNS, TrackWriter, isrc_numbers_of

_INSERT = f"INSERT INTO tracks (track, {', '.join(TRACK_COLUMNS)}) VALUES (?{', ?' * len(TRACK_COLUMNS)})"
_TABLES = {
    "INSERT INTO track_search (rowid, words) VALUES (?, ?)": "words",
    "INSERT INTO further_track_artists VALUES (?, ?, ?, ?)": "artists",
    "INSERT INTO further_isrcs VALUES (?, ?, ?)": "isrcs",
    "INSERT INTO track_genres VALUES (?, ?, ?)": "genres",
    "INSERT INTO given_forms VALUES (?, ?, ?)": "forms",
    "INSERT INTO provenance VALUES (?, ?, ?)": "provenance",
}


class NewTrack(msgspec.Struct, frozen=True):
    """A track that no catalogue row has yet, with values that can be stored, and who said each field (in texts that can be stored, too)."""

    record: TrackRecord
    provenance: Mapping[str, str]


class TrackBatches:
    """Inserts new tracks through the writer that the catalogue has, so that both know the same rows of shared things."""

    def __init__(self, statements: Statements, writer: TrackWriter) -> None:
        self._sql = statements
        self._writer = writer

    def insert(self, tracks: Sequence[NewTrack]) -> None:
        """The same rows as TrackWriter.put for each in turn; none of the ids may be there."""
        records = [track.record for track in tracks]
        with self._sql.transaction():
            self._writer.keep_small()
            credits = [self._writer.credited_rows(record) for record in records]
            albums = [self._writer.album_of(record) for record in records]
            first = int(self._sql.value("SELECT coalesce(max(track), 0) + 1 FROM tracks"))
            rows: dict[str, list[Any]] = {name: [] for name in ("tracks", *_TABLES.values())}
            for track, record in enumerate(records, first):
                place = track - first
                self._add(rows, track, record, credits[place], albums[place])
                rows["provenance"] += [(track, field, source) for field, source in tracks[place].provenance.items()]
            self._sql.run_many(_INSERT, rows["tracks"])
            for insert, name in _TABLES.items():
                self._sql.run_many(insert, rows[name])

    def _add(self, rows: dict[str, list[Any]], track: int, record: TrackRecord, artists: list[int], album: int | None) -> None:
        writer = self._writer
        # only now: a later track of the batch may have renamed an artist
        named = [(row, None if name == writer.artist_name(row) else name) for row, name in zip(artists, record.artists, strict=True)]
        rows["tracks"].append((track, *writer.columns_of(record, named[0] if named else (None, None), album)))
        rows["words"].append((track, index_words(*(text for text in (record.title, *record.artists, record.album) if text))))
        rows["artists"] += [(track, position, *credit) for position, credit in enumerate(named[1:], 1)]
        if len(record.isrcs) > 1:
            rows["isrcs"] += [(track, position, number) for position, number in enumerate(isrc_numbers_of(record)) if position]
        rows["genres"] += [(track, n, writer.named_row("genres", "genre", "name", name)) for n, name in enumerate(record.genres)]
        rows["forms"] += [(track, field, value) for field, value in writer.given_forms_of(record, album)]
