"""Editions and working catalogues made by plain SQL for tests and benchmarks: numbered tracks of known popularity, artist, year, state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import shortuuid

from fonoteca.catalogue.edition import EDITION_APPLICATION_ID
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.schema import EDITION_INDEXES, SCHEMA_VERSION, TABLES, VIEWS, WORKING_INDEXES
from fonoteca.catalogue.statements import Statements

TRACKS_PER_ALBUM = 10
ALBUMS_PER_ARTIST = 2
LABELS = 40
_ALPHABET = shortuuid.ShortUUID().get_alphabet()


@dataclass
class MadeCatalogue:
    """An open file, as shuffle, search and the list of what is missing take it."""

    statements: Statements
    is_edition: bool


@dataclass(frozen=True)
class Shape:
    """How tracks look by their number, 1 … count; row numbers of an edition are those numbers."""

    popularity: Callable[[int, int], float | None] = lambda track, count: float(max(0, 100 - track * 300 // (count + 1)))
    state: Callable[[int], int] = lambda track: 1 if track % 3 == 0 else 0
    plays: Callable[[int], int | None] = lambda track: None


def made_id(kind: int, number: int) -> str:
    """A public id for a number; even in its beginning."""
    value, text = (number * 0x9E3779B97F4A7C15F39CC0605CEDC834 + kind) % (1 << 128), ""
    for _ in range(22):
        value, digit = divmod(value, 57)
        text += _ALPHABET[digit]
    return text


def write_catalogue(path: Path, count: int, *, is_edition: bool = True, shape: Shape = Shape(), date: str = "2026-11-22") -> None:
    """Write a file with `count` tracks."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
    with connection:
        connection.execute(TABLES + VIEWS)
        connection.executemany("INSERT INTO labels VALUES (?, ?)", ((label, f"Label {label:02d}") for label in range(1, LABELS + 1)))
        albums = -(-count // TRACKS_PER_ALBUM)
        artists = -(-albums // ALBUMS_PER_ARTIST)
        insert = "INSERT INTO artists (artist, id, name, country) VALUES (?, ?, ?, ?)"
        connection.executemany(insert, ((n, made_id(1, n), f"Artist {n}", "SE" if n % 2 else None) for n in range(1, artists + 1)))
        insert = "INSERT INTO albums (album, id, title, artist, date, label) VALUES (?, ?, ?, ?, ?, ?)"
        connection.executemany(insert, map(_album, range(1, albums + 1)))
        connection.executemany(
            "INSERT INTO tracks (track, id, title, artist, album, number, duration_ms, popularity, isrc_number, state, plays)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _tracks(count, shape),
        )
        connection.execute(EDITION_INDEXES if is_edition else WORKING_INDEXES)
        if is_edition:
            connection.execute(f"PRAGMA application_id = {EDITION_APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("CREATE TABLE edition (name TEXT PRIMARY KEY, value TEXT) STRICT, WITHOUT ROWID")
            connection.executemany("INSERT INTO edition VALUES (?, ?)", [("title", "Made"), ("date", date), ("tracks", str(count))])
    connection.close()


def _album(album: int) -> tuple[object, ...]:
    return album, made_id(2, album), f"Album {album}", (album - 1) // ALBUMS_PER_ARTIST + 1, str(1960 + album % 60), album % LABELS + 1


def _tracks(count: int, shape: Shape) -> Iterator[tuple[object, ...]]:
    for track in range(1, count + 1):
        album = (track - 1) // TRACKS_PER_ALBUM + 1
        country = ("US", "SE", "JP", "QM")[track % 4]
        isrc = None if track % 7 == 0 else isrc_number(f"{country}{track % 10}AB{track % 10_000_000:07d}")
        yield (
            track, made_id(3, track), f"Song {track}", (album - 1) // ALBUMS_PER_ARTIST + 1, album, (track - 1) % TRACKS_PER_ALBUM + 1,
            120_000 + track % 240_000, shape.popularity(track, count), isrc, shape.state(track), shape.plays(track),
        )  # fmt: skip


@contextmanager
def opened(path: Path, *, is_edition: bool = True) -> Iterator[MadeCatalogue]:
    """The file, to read."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield MadeCatalogue(Statements(connection, path), is_edition)
    finally:
        connection.close()
