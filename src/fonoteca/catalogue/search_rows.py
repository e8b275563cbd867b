"""What search reads of a row and what it gives back, for tracks, artists and albums."""

from __future__ import annotations

from typing import Any

import msgspec

from fonoteca.catalogue.filters import Condition
from fonoteca.catalogue.search_build import ALIASES, TEXTS, Kind
from fonoteca.catalogue.search_match import RowNames
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
    "track": (FoundTrack, f"""SELECT t.id, t.title, coalesce(t.credited_as, a.name) ||
        coalesce({_FURTHER.format("track", "coalesce(f.credited_as, x.name)", "t")}, ''), b.title, coalesce(t.date, b.date), t.popularity,
        t.status, t.isrc FROM tracks t LEFT JOIN artists a ON a.artist = t.artist LEFT JOIN albums b ON b.album = t.album
        WHERE t.track = ?"""),
    "artist": (FoundArtist, "SELECT id, name, country, popularity FROM artists WHERE artist = ?"),
    "album": (FoundAlbum, f"""SELECT b.id, b.title, a.name || coalesce({_FURTHER.format("album", "x.name", "b")}, ''), b.date, b.popularity,
        (SELECT count(*) FROM tracks t WHERE t.album = b.album) FROM albums b LEFT JOIN artists a ON a.artist = b.artist
        WHERE b.album = ?"""),
}  # fmt: skip


def read_names(statements: Statements, kind: Kind, row: int, condition: Condition) -> RowNames | None:
    """The names of a row; None where it does not pass the condition."""
    sql, values = condition
    found = statements.row(f"{TEXTS[kind]} WHERE {ALIASES[kind]}.{kind} = ? AND ({sql})", (row, *values))
    return None if found is None else _names(kind, found[1:])


def _names(kind: Kind, columns: tuple[Any, ...]) -> RowNames:
    first, *others = columns
    if kind == "artist":
        return RowNames(None, _lines((first, *others)))
    if kind == "album":
        return RowNames(first, _lines(others))
    *artists, album = others
    return RowNames(first, _lines(artists), album)


def _lines(columns: Any) -> list[str]:
    return [name for column in columns if column for name in column.split("\n")]


def read_found(statements: Statements, kind: Kind, row: int) -> Found:
    """The row as a result."""
    shape, sql = _SHOWN[kind]
    values = statements.row(sql, (row,))
    assert values is not None
    found: Found = shape(**dict(zip(shape.__struct_fields__, values, strict=True)))
    return found
