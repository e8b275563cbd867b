"""What is known and not held: tracks by what each would add to the share of plays covered, and groups of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import msgspec
import numpy as np

from fonoteca.catalogue.coverage import PLAYS, POPULARITY, Coverage, Readable, missing_condition
from fonoteca.catalogue.covered import HELD
from fonoteca.catalogue.filters import Condition, TrackFilter
from fonoteca.catalogue.isrc_numbers import COUNTRIES, PER_COUNTRY
from fonoteca.catalogue.popularity_ranges import UNKNOWN, popularity_ranges
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.shuffle_rows import ALL, heeding_ctrl_c, rows_that_pass
from fonoteca.catalogue.statements import Statements

Grouping = Literal["artist", "label", "year", "country", "album"]
LARGEST_BLOCK = 1024
_COLUMNS = f"""t.id, t.title, (SELECT group_concat(name, '; ') FROM (
    SELECT coalesce(t.credited_as, a.name) AS name, -1 AS position FROM artists a WHERE a.artist = t.artist
    UNION ALL SELECT coalesce(l.credited_as, a.name), l.position FROM further_track_artists l JOIN artists a USING (artist)
      WHERE l.track = t.track ORDER BY position)),
  b.title, coalesce(t.date, b.date), (SELECT name FROM labels l WHERE l.label = coalesce(t.label, b.label)), t.isrc, t.duration_ms,
  t.popularity, t.plays, t.state, {POPULARITY}"""
_ISRC_COUNTRY = f"substr('{COUNTRIES}', t.isrc_number / {PER_COUNTRY} * 2 + 1, 2)"
# the plus keeps SQLite from walking an index and fetching every row of it
_GROUPS: dict[Grouping, tuple[str, str]] = {
    "artist": ("+t.artist", "SELECT id, name FROM artists WHERE artist = ?"),
    "album": ("+t.album", "SELECT id, title FROM albums WHERE album = ?"),
    "label": ("coalesce(t.label, b.label)", "SELECT NULL, name FROM labels WHERE label = ?"),
    "year": ("substr(coalesce(t.date, b.date), 1, 4)", ""),
    "country": (f"coalesce({_ISRC_COUNTRY}, (SELECT country FROM artists a WHERE a.artist = t.artist))", ""),
}


class MissingTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track that is wanted. `adds` is its share of all plays; `coverage` the share covered once it and all before it are held."""

    id: str
    title: str | None
    artists: str | None
    album: str | None
    date: str | None
    label: str | None
    isrc: str | None
    duration_ms: int | None
    popularity: float | None
    plays: int | None
    status: str
    adds: float
    coverage: float


class MissingGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Tracks of one artist, album, label, year or country; `name` None: unknown. `share` is that of all plays which is missing here."""

    id: str | None
    name: str | None
    known: int
    held: int
    missing: int
    share: float


def missing_tracks(catalogue: Readable, track_filter: TrackFilter, coverage: Coverage, limit: int | None = None) -> Iterator[MissingTrack]:
    """The tracks that pass, those first that add most; equal ones by row number. Streams: a block of rows is in memory."""
    sql, reached = catalogue.statements, coverage.covered
    wanted = islice(_wanted_rows(catalogue, _condition(catalogue, track_filter), coverage), limit)
    block = 64
    while rows := list(islice(wanted, block)):
        for id, title, artists, album, date, label, isrc, duration_ms, popularity, plays, state, whole in rows_that_pass(
            sql, _COLUMNS, np.array(rows, dtype=np.int64), ALL
        ):
            adds = coverage.gain(whole, plays)
            reached = min(1.0, reached + adds)
            yield MissingTrack(
                id=id, title=title, artists=artists, album=album, date=date, label=label, isrc=isrc, duration_ms=duration_ms,
                popularity=popularity, plays=plays, status=STATES[state], adds=adds, coverage=reached,
            )  # fmt: skip
        block = LARGEST_BLOCK


def _condition(catalogue: Readable, track_filter: TrackFilter) -> Condition:
    condition, values = track_filter.condition(catalogue.is_edition)
    return f"{missing_condition(catalogue.statements)} AND {condition}", values


def _wanted_rows(catalogue: Readable, condition: Condition, coverage: Coverage) -> Iterator[int]:
    """Row numbers by what they add: those with counted plays and those without, merged."""
    streams = [_counted_rows(catalogue.statements, condition, coverage), _uncounted_rows(catalogue, condition, coverage)]
    return (row for _, row in heapq.merge(*streams, key=lambda one: -one[0]))


def _counted_rows(sql: Statements, condition: Condition, coverage: Coverage) -> Iterator[tuple[float, int]]:
    if not coverage.per_play:
        return
    query = f"SELECT {PLAYS}, t.track FROM tracks t WHERE t.plays IS NOT NULL AND {condition[0]} ORDER BY t.plays DESC, t.track"
    with heeding_ctrl_c(sql):
        for plays, row in sql.rows(query, condition[1]):
            yield plays * coverage.per_play, row


def _uncounted_rows(catalogue: Readable, condition: Condition, coverage: Coverage) -> Iterator[tuple[float, int]]:
    """Class after class, so that nothing is sorted."""
    sql, uncounted = catalogue.statements, "t.plays IS NULL" if coverage.per_play else "1"
    ranges = {popularity: (rows.first, rows.last) for popularity, rows in popularity_ranges(sql)} if catalogue.is_edition else {}
    with heeding_ctrl_c(sql):
        for popularity, gain in sorted(coverage.unit_gains.items(), key=lambda item: (-item[1], -item[0])):
            chosen, bounds = ("t.track BETWEEN ? AND ?", ranges.get(popularity, (1, 0))) if catalogue.is_edition else _of_class(popularity)
            query = f"SELECT t.track FROM tracks t WHERE {uncounted} AND {chosen} AND {condition[0]} ORDER BY t.track"
            for (row,) in sql.rows(query, (*bounds, *condition[1])):
                yield gain, row


def _of_class(popularity: int) -> tuple[str, tuple[int, ...]]:
    if popularity == UNKNOWN:
        return "t.popularity IS NULL", ()
    return "t.popularity >= ? AND t.popularity < ?", (popularity, popularity + 1)


def missing_groups(
    catalogue: Readable, by: Grouping, track_filter: TrackFilter, coverage: Coverage, limit: int | None = None
) -> Iterator[MissingGroup]:
    """Groups with something missing, those first of which the greatest share of plays is missing. SQLite sorts on disk."""
    sql, (key, named) = catalogue.statements, _GROUPS[by]
    condition, values = track_filter.condition(catalogue.is_edition)
    sql.run("DROP TABLE IF EXISTS temp.unit_gains")
    sql.run("CREATE TEMP TABLE unit_gains (popularity INTEGER PRIMARY KEY, gain REAL NOT NULL)")
    sql.run_many("INSERT INTO temp.unit_gains VALUES (?, ?)", list(coverage.unit_gains.items()))
    is_missing = missing_condition(sql)
    gain = f"coalesce({PLAYS} * nullif(?, 0.0), (SELECT gain FROM temp.unit_gains g WHERE g.popularity = {POPULARITY}))"
    query = f"""SELECT {key} AS found, count(*), sum(t.state = {HELD}), sum({is_missing}) AS missing,
        sum(CASE WHEN {is_missing} THEN {gain} ELSE 0.0 END) AS share
      FROM tracks t LEFT JOIN albums b ON b.album = t.album WHERE {condition} GROUP BY found HAVING missing
      ORDER BY share DESC, missing DESC, found LIMIT ?"""
    with heeding_ctrl_c(sql):
        for found, known, held, missing, share in sql.rows(query, (coverage.per_play, *values, -1 if limit is None else limit)):
            id, name = _name(sql, named, found)
            yield MissingGroup(id=id, name=name, known=known, held=held, missing=missing, share=share)


def _name(sql: Statements, named: str, found: Any) -> tuple[str | None, str | None]:
    if not named or found is None:
        return None, found
    return sql.row(named, (found,)) or (None, None)
