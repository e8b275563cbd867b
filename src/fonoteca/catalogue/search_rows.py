"""What search reads of a row and what it gives back, for tracks, artists and albums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fonoteca.catalogue.filters import Condition
from fonoteca.catalogue.search_build import ALIASES, TEXTS, Kind
from fonoteca.catalogue.search_match import RowNames
from fonoteca.catalogue.search_text import LONGEST_NAME
from fonoteca.catalogue.statements import Statements


class FoundTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track that was found; `artists` are joined by "; " as credited; `isrc` is the first."""

    id: str
    title: str | None
    artists: str | None
    album: str | None
    date: str | None
    popularity: float | None
    status: str
    isrc: str | None = None


class FoundArtist(msgspec.Struct, frozen=True, kw_only=True):
    """One artist that was found."""

    id: str
    name: str
    country: str | None
    popularity: float | None


class FoundAlbum(msgspec.Struct, frozen=True, kw_only=True):
    """One album that was found."""

    id: str
    title: str | None
    artists: str | None
    date: str | None
    popularity: float | None
    tracks: int


Found = FoundTrack | FoundArtist | FoundAlbum

_FURTHER = """(SELECT '; ' || group_concat(name, '; ') FROM (SELECT {1} AS name FROM further_{0}_artists f
  JOIN artists x USING (artist) WHERE f.{0} = {2}.{0} ORDER BY f.position))"""
_SHOWN: dict[Kind, tuple[type[Any], str]] = {
    "track": (FoundTrack, f"""SELECT t.track, t.id, t.title, coalesce(t.credited_as, a.name) ||
        coalesce({_FURTHER.format("track", "coalesce(f.credited_as, x.name)", "t")}, ''), b.title, coalesce(t.date, b.date), t.popularity,
        t.status, t.isrc FROM tracks t LEFT JOIN artists a ON a.artist = t.artist LEFT JOIN albums b ON b.album = t.album
        WHERE t.track IN (SELECT value FROM json_each(?))"""),
    "artist": (FoundArtist, "SELECT artist, id, name, country, popularity FROM artists WHERE artist IN (SELECT value FROM json_each(?))"),
    "album": (FoundAlbum, f"""SELECT b.album, b.id, b.title, a.name || coalesce({_FURTHER.format("album", "x.name", "b")}, ''), b.date,
        b.popularity, (SELECT count(*) FROM tracks t WHERE t.album = b.album) FROM albums b LEFT JOIN artists a ON a.artist = b.artist
        WHERE b.album IN (SELECT value FROM json_each(?))"""),
}  # fmt: skip


def read_names(statements: Statements, kind: Kind, rows: Sequence[int], condition: Condition) -> dict[int, RowNames]:
    """The names of those of the rows that pass the condition, by row."""
    sql, values = condition
    listed = f"{TEXTS[kind]} WHERE {ALIASES[kind]}.{kind} IN (SELECT value FROM json_each(?)) AND ({sql})"
    return {row: _names(kind, columns) for row, *columns in statements.rows(listed, (_json(rows), *values))}


def _json(rows: Sequence[int]) -> str:
    return f"[{','.join(map(str, rows))}]"


def _names(kind: Kind, columns: Sequence[Any]) -> RowNames:
    first, *others = columns
    if kind == "artist":
        return RowNames(None, _lines((first, *others)))
    if kind == "album":
        return RowNames(first, _lines(others))
    *artists, album = others
    return RowNames(first, _lines(artists), album)


def _lines(columns: Any) -> list[str]:
    return [name for column in columns if column for name in column[:LONGEST_NAME].split("\n")]


def read_found(statements: Statements, kind: Kind, rows: Sequence[int]) -> tuple[Found, ...]:
    """The rows as results, in the same order."""
    shape, sql = _SHOWN[kind]
    values = {row: columns for row, *columns in statements.rows(sql, (_json(rows),))}
    names = shape.__struct_fields__
    return tuple(shape(**dict(zip(names, values[row], strict=True))) for row in rows)
