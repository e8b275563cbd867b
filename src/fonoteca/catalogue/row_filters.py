"""The filter of tracks asked of artists and albums: who has a track that passes does, and who has none by what is known of himself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from fonoteca.catalogue.filters import Condition, TrackFilter, artists_named, genres_named, identified, labels_named
from fonoteca.catalogue.search_build import ALIASES, Kind

_TRACKS_OF: dict[Kind, str] = {
    "album": "tracks t WHERE t.album = b.album",
    "artist": """(SELECT track FROM tracks WHERE artist = a.artist
        UNION ALL SELECT track FROM further_track_artists WHERE artist = a.artist
        UNION ALL SELECT x.track FROM albums y JOIN tracks x ON x.album = y.album WHERE y.artist = a.artist
        UNION ALL SELECT x.track FROM further_album_artists y JOIN tracks x ON x.album = y.album WHERE y.artist = a.artist) own
        CROSS JOIN tracks t ON t.track = own.track WHERE 1""",
}


def row_condition(filter: TrackFilter, kind: Kind, is_edition: bool) -> Condition:
    """The filter as SQL over a row of `kind`, which goes by its alias: `t`, `a` or `b`; `1` where nothing is asked.

    An artist or album passes with one track of which each thing asked holds, or holds of the artist or album itself. One without
    tracks passes by itself. Popularity is always that of the row.
    """
    if kind == "track":
        return filter.condition(is_edition)
    of_tracks = msgspec.structs.replace(filter, popularity_from=None, popularity_to=None).conditions(is_edition)
    own = dict((_of_album if kind == "album" else _of_artist)(filter, is_edition))
    parts = [_passing(kind, of_tracks, own)] if of_tracks else []
    for bound, sign in ((filter.popularity_from, ">="), (filter.popularity_to, "<=")):
        parts += [] if bound is None else [(f"{ALIASES[kind]}.popularity {sign} ?", (bound,))]
    return _joined(" AND ", parts) if parts else ("1", ())


def _passing(kind: Kind, of_tracks: Mapping[str, Condition], own: Mapping[str, Condition]) -> Condition:
    either = [_joined(" OR ", [found, own[name]]) if name in own else found for name, found in of_tracks.items()]
    sql, values = _joined(" AND ", either)
    has_track = f"EXISTS (SELECT 1 FROM {_TRACKS_OF[kind]} AND {sql})", values
    return has_track if of_tracks.keys() - own.keys() else _joined(" OR ", [_joined(" AND ", list(own.values())), has_track])


def _joined(word: str, parts: list[Condition]) -> Condition:
    return f"({word.join(sql for sql, _ in parts)})", tuple(value for _, values in parts for value in values)


def _of_album(filter: TrackFilter, is_edition: bool) -> Iterator[tuple[str, Condition]]:
    if filter.artist is not None:
        found, values = artists_named(filter.artist, is_edition)
        further = f"EXISTS (SELECT 1 FROM further_album_artists l WHERE l.album = b.album AND l.artist IN ({found}))"
        yield "artist", (f"(b.artist IN ({found}) OR {further})", values + values)
    if filter.album is not None:
        sql, values = identified(filter.album, is_edition, "title")
        yield "album", (f"b.album IN (SELECT album FROM albums WHERE {sql})", values)
    yield from filter.year_conditions("b.date").items()
    if filter.label is not None:
        found, values = labels_named(filter.label)
        yield "label", (f"b.label IN ({found})", values)


def _of_artist(filter: TrackFilter, is_edition: bool) -> Iterator[tuple[str, Condition]]:
    if filter.artist is not None:
        found, values = artists_named(filter.artist, is_edition)
        yield "artist", (f"a.artist IN ({found})", values)
    if filter.genre is not None:
        found, values = genres_named(filter.genre)
        yield "genre", (f"EXISTS (SELECT 1 FROM artist_genres g WHERE g.artist = a.artist AND g.genre IN ({found}))", values)
    if filter.country is not None:
        yield "country", ("a.country = ?", (filter.country.strip().upper(),))
