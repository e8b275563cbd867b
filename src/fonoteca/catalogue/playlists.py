"""playlists.sqlite3: playlists with their tracks by public id, four bytes a place; docs/formats/playlists.md."""

from __future__ import annotations

import array
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from fonoteca.catalogue.names import clean_optional, clean_text
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.database import close_database, open_database

PLAYLISTS = "playlists.sqlite3"
APPLICATION_ID = 0x464E4350  # "FNCP"
_REMEMBERED = 200_000

_NUMBER = " | ".join(
    f"((instr('0123456789ABCDEF', substr(hex(substr({{0}}, 4 * n.place + 1, 4)), {digit + 1}, 1)) - 1) << {28 - 4 * digit})"
    for digit in range(8)
)
"""SQL that reads the number at a place of a blob of four bytes each, the highest first."""

MIGRATIONS = (f"""
CREATE TABLE sources (source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE tracks (track INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE places (place INTEGER PRIMARY KEY) STRICT;
CREATE TABLE playlists (
  playlist INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, id TEXT NOT NULL, title TEXT, owner TEXT,
  tracks BLOB NOT NULL, positions BLOB, UNIQUE (id, source)
) STRICT;
CREATE VIEW playlist_entries AS
SELECT p.playlist, CASE WHEN p.positions IS NULL THEN n.place ELSE {_NUMBER.format("p.positions")} END AS position,
  (SELECT t.id FROM tracks t WHERE t.track = ({_NUMBER.format("p.tracks")})) AS id
FROM playlists p JOIN places n ON n.place < length(p.tracks) / 4;
CREATE VIEW what_playlists_hold AS
SELECT p.id AS playlist, p.title, p.owner, s.name AS source, length(p.tracks) / 4 AS tracks FROM playlists p JOIN sources s USING (source);
""",)  # fmt: skip


class Playlist(msgspec.Struct, frozen=True, kw_only=True):
    """One playlist: public ids in order (or the key as given where no track is known by it), and positions where they leave gaps."""

    source: str
    id: str
    title: str | None = None
    owner: str | None = None
    tracks: tuple[str, ...] = ()
    positions: tuple[int, ...] | None = None


class Playlists:
    """The open file. Numbers of tracks are this file's own, in the order in which they first came."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._sql = Statements(open_database(path, APPLICATION_ID, MIGRATIONS, read_only=read_only), path)
        self._sql.after_rollback = self._forget
        self._numbers: dict[str, int] = {}

    def close(self) -> None:
        """Close the file; repeated calls are harmless."""
        close_database(self._sql.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written inside, or nothing of it."""
        return self._sql.transaction()

    @property
    def is_writing(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._sql.connection.in_transaction)

    def put(self, playlist: Playlist) -> bool:
        """Insert or wholly replace the playlist of this id and source; whether anything changed. Idempotent."""
        with self.transaction():
            source = self._source(playlist.source)
            numbers = [self._number(id) for id in playlist.tracks]
            positions = None if playlist.positions is None else _pack(playlist.positions)
            row = (clean_optional(playlist.title), clean_optional(playlist.owner), _pack(numbers), positions)
            id = clean_text(playlist.id)
            query = "SELECT title, owner, tracks, positions FROM playlists WHERE id = ? AND source = ?"
            if self._sql.row(query, (id, source)) == row:
                return False
            self._sql.run(
                "INSERT INTO playlists (source, id, title, owner, tracks, positions) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id, source) "
                "DO UPDATE SET title = excluded.title, owner = excluded.owner, tracks = excluded.tracks, positions = excluded.positions",
                (source, id, *row),
            )
            self._make_places(len(numbers))
        return True

    def get(self, id: str, source: str | None = None) -> list[Playlist]:
        """The playlists of this id, of one source or of all, sorted by source."""
        query = (
            "SELECT s.name, p.id, p.title, p.owner, p.tracks, p.positions FROM playlists p JOIN sources s USING (source) "
            "WHERE p.id = ?1 AND coalesce(?2, s.name) = s.name ORDER BY s.name"
        )
        return [self._playlist(row) for row in self._sql.rows(query, (clean_text(id), source))]

    def count(self) -> tuple[int, int]:
        """How many playlists there are, and how many places they have."""
        found = self._sql.row("SELECT count(*), coalesce(sum(length(tracks)), 0) / 4 FROM playlists")
        assert found is not None
        return found[0], found[1]

    def _playlist(self, row: tuple[str, str, str | None, str | None, bytes, bytes | None]) -> Playlist:
        source, id, title, owner, tracks, positions = row
        ids = tuple(self._sql.value("SELECT id FROM tracks WHERE track = ?", (number,)) for number in _unpack(tracks))
        given = None if positions is None else _unpack(positions)
        return Playlist(source=source, id=id, title=title, owner=owner, tracks=ids, positions=given)

    def _source(self, name: str) -> int:
        found = self._sql.value("SELECT source FROM sources WHERE name = ?", (clean_text(name),))
        if found is None:
            found = self._sql.value("INSERT INTO sources (name) VALUES (?) RETURNING source", (clean_text(name),))
        return int(found)

    def _number(self, id: str) -> int:
        number = self._numbers.get(id)
        if number is None:
            key = clean_text(id)
            number = self._sql.value("SELECT track FROM tracks WHERE id = ?", (key,))
            if number is None:
                number = int(self._sql.value("INSERT INTO tracks (id) VALUES (?) RETURNING track", (key,)))
            if len(self._numbers) >= _REMEMBERED:
                self._numbers.clear()
            self._numbers[id] = number
        return number

    def _make_places(self, count: int) -> None:
        """The view counts the places of a playlist by this table, so it has as many rows as the longest one."""
        have = self._sql.value("SELECT coalesce(max(place) + 1, 0) FROM places")
        self._sql.run_many("INSERT INTO places VALUES (?)", [(place,) for place in range(have, count)])

    def _forget(self) -> None:
        self._numbers.clear()


def _pack(numbers: Sequence[int]) -> bytes:
    packed = array.array("I", numbers)
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes()


def _unpack(content: bytes) -> tuple[int, ...]:
    packed = array.array("I", content)
    if sys.byteorder == "little":
        packed.byteswap()
    return tuple(packed)
