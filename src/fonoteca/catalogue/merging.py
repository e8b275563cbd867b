"""Two artists that turn out to be one: everything moves to one of them, the other's id leads there from then on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import msgspec

from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.statements import Statements
from fonoteca.catalogue.working import Catalogue
from fonoteca.ground.errors import NotFoundError, UsageError

_MOVE = (
    "UPDATE tracks SET credited_as = nullif(coalesce(credited_as, :old_name), :new_name), artist = :new WHERE artist = :old",
    """UPDATE further_track_artists SET credited_as = nullif(coalesce(credited_as, :old_name), :new_name), artist = :new
    WHERE artist = :old""",
    "UPDATE albums SET artist = :new WHERE artist = :old",
    "UPDATE further_album_artists SET artist = :new WHERE artist = :old",
    """UPDATE artists SET (mbid, sort_name, country, popularity, followers) = (SELECT coalesce(artists.mbid, o.mbid),
    coalesce(artists.sort_name, o.sort_name), coalesce(artists.country, o.country),
    nullif(max(coalesce(artists.popularity, -1), coalesce(o.popularity, -1)), -1),
    nullif(max(coalesce(artists.followers, -1), coalesce(o.followers, -1)), -1)
    FROM artists o WHERE o.artist = :old) WHERE artist = :new""",
    # what was merged has its name for good, whatever tracks call it
    "INSERT OR IGNORE INTO recorded_artists VALUES (:new)",
    "DELETE FROM recorded_artists WHERE artist = :old",
    "DELETE FROM artist_aliases WHERE artist = :old",
    "DELETE FROM artist_genres WHERE artist = :old",
    "DELETE FROM artist_search WHERE rowid = :old",
    "DELETE FROM artists WHERE artist = :old",
    "UPDATE redirects SET target = :new_id WHERE target = :old_id",
)


class ArtistShown(msgspec.Struct, frozen=True, kw_only=True):
    """One artist as merging tells it, with how many tracks and albums name him."""

    id: str
    name: str
    tracks: int
    albums: int


class MergedArtists(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge moves: `old` is retired, `new` stays, with these aliases."""

    old: ArtistShown
    new: ArtistShown
    aliases: tuple[str, ...]


class AlbumPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two albums with one title that share a barcode or an MBID (`shares`)."""

    id: str
    title: str | None
    other: str
    other_title: str | None
    shares: str


def merge_artists(catalogue: Catalogue, old: str, new: str, *, dry_run: bool = False) -> MergedArtists:
    """Move the tracks and albums of `old` to `new`, and redirect its id; each is an id, an MBID or the name of one artist alone.

    Tracks keep the names they give; the old name, sort name and aliases become aliases, so that all of them still find the artist.
    NotFoundError where a name fits none or several, UsageError where both are one.
    """
    sql = catalogue.statements
    gone, kept = _find_artist(catalogue, old), _find_artist(catalogue, new)
    if gone == kept:
        raise UsageError(f"{old!r} and {new!r} are one artist already", "Name two; fonoteca show tells what is known of each.")
    aliases = _aliases(sql, gone, kept)
    merged = MergedArtists(old=_shown(sql, gone), new=_shown(sql, kept), aliases=aliases)
    if not dry_run:
        with catalogue.transaction():
            _move(catalogue, gone, kept, merged)
    return merged


def _move(catalogue: Catalogue, gone: int, kept: int, merged: MergedArtists) -> None:
    sql = catalogue.statements
    _keep_album_artists(catalogue, gone)
    genres = sql.rows("SELECT genre, min(artist <> ?2), min(position) FROM artist_genres WHERE artist IN (?1, ?2) GROUP BY 1 ORDER BY 2, 3",
                      (gone, kept))  # fmt: skip
    genre_rows = [(kept, position, row[0]) for position, row in enumerate(list(genres))]
    for table in ("artist_genres", "artist_aliases"):
        sql.run(f"DELETE FROM {table} WHERE artist = ?", (kept,))
    sql.run_many("INSERT INTO artist_genres VALUES (?, ?, ?)", genre_rows)
    sql.run_many("INSERT INTO artist_aliases VALUES (?, ?, ?)", [(kept, place, alias) for place, alias in enumerate(merged.aliases)])
    values = {"old": gone, "new": kept, "old_name": merged.old.name, "new_name": merged.new.name, "old_id": merged.old.id,
              "new_id": merged.new.id}  # fmt: skip
    for statement in _MOVE:
        names = list(dict.fromkeys(re.findall(r":(\w+)", statement)))
        sql.run(statement, [values[name] for name in names])
    catalogue.add_redirect(merged.old.id, merged.new.id, "artist", f"{merged.old.name} is {merged.new.name}")
    catalogue.writer.index_artist(kept)
    catalogue.writer.forget()


def _keep_album_artists(catalogue: Catalogue, gone: int) -> None:
    """Tracks keep the artists' names that they gave for their album."""
    sql = catalogue.statements
    albums = [row[0] for row in sql.rows("SELECT DISTINCT album FROM album_artists WHERE artist = ?", (gone,))]
    for album in albums:
        names = [row[0] for row in sql.rows("SELECT name FROM album_artists JOIN artists USING (artist) WHERE album = ? ORDER BY position",
                                            (album,))]  # fmt: skip
        keep = "INSERT OR IGNORE INTO given_forms SELECT track, 'album_artists', ? FROM tracks WHERE album = ?"
        sql.run(keep, (json.dumps(names, ensure_ascii=False), album))


def _find_artist(catalogue: Catalogue, text: str) -> int:
    sql, text = catalogue.statements, clean_text(text.strip())
    for condition in ("id = ?1", "mbid = lower(?1)", "name = ?1", "artist IN (SELECT artist FROM artist_aliases WHERE alias = ?1)"):
        value = catalogue.resolve(text) if condition == "id = ?1" else text
        found = [row[0] for row in sql.rows(f"SELECT artist FROM artists WHERE {condition} LIMIT 2", (value,))]
        if len(found) == 1:
            return int(found[0])
        if found:
            listed = ", ".join(row[0] for row in sql.rows(f"SELECT id FROM artists WHERE {condition} ORDER BY id LIMIT 5", (value,)))
            raise NotFoundError(f"several artists answer to {text!r}: {listed}", "Give the id of one of them.")
    raise NotFoundError(f"no artist answers to {text!r}", "Give an id, an MBID or a name as it is written.")


def _aliases(sql: Statements, gone: int, kept: int) -> tuple[str, ...]:
    query = "SELECT alias FROM artist_aliases WHERE artist = ? ORDER BY position"
    names = "SELECT name, sort_name FROM artists WHERE artist = ?"
    name = sql.value(names, (kept,))
    found = [*sql.rows(query, (kept,)), *((text,) for text in sql.row(names, (gone,)) or ()), *sql.rows(query, (gone,))]
    return tuple(dict.fromkeys(alias for (alias,) in found if alias is not None and alias != name))


def _shown(sql: Statements, artist: int) -> ArtistShown:
    id, name = sql.row("SELECT id, name FROM artists WHERE artist = ?", (artist,)) or ("", "")
    counts = [sql.value(f"SELECT count(DISTINCT {what}) FROM {what}_artists WHERE artist = ?", (artist,)) for what in ("track", "album")]
    return ArtistShown(id=id, name=name, tracks=counts[0], albums=counts[1])


def albums_in_common(sql: Statements) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """Each MBID and barcode that several albums have ("barcode 0777…"), with their ids and titles sorted by id; streams."""
    for column, shared, words in (("mbid", "mbid", "MBID"), ("gtin", "barcode", "barcode")):
        query = f"SELECT {shared}, id, title FROM albums WHERE {column} IS NOT NULL ORDER BY {column}, id"
        for value, rows in groupby(sql.rows(query), key=itemgetter(0)):
            albums = [(id, title) for _, id, title in rows]
            if len(albums) > 1:
                yield f"{words} {value}", albums
