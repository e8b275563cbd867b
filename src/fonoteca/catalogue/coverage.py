"""What share of all plays a track has and what share is covered, from counts by popularity; docs/popularity.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, Protocol

import msgspec

from fonoteca.catalogue.covered import DUPLICATE, HELD, IS_COVERED, IS_COVERED_ALONE, IS_SHOWN, WITHDRAWN
from fonoteca.catalogue.planner import TrackClass, shares_of_plays
from fonoteca.catalogue.popularity_ranges import UNKNOWN, popularity_ranges
from fonoteca.catalogue.shuffle_rows import heeding_ctrl_c
from fonoteca.catalogue.statements import Statements
from fonoteca.catalogue.statistics_counter import PLAYS_CEILING
from fonoteca.ground.progress import Progress

POPULARITY = "coalesce(CAST(t.popularity AS INTEGER), -1)"
"""The class of a track: its whole popularity, −1 where it is unknown."""
PLAYS = f"min(t.plays, {PLAYS_CEILING})"
"""Plays as they are summed: no single count is so large that a sum passes what SQLite can hold."""
_COUNTS = f"""count(*){{only}}, coalesce(sum({PLAYS}){{only}}, 0), coalesce(sum({{covered}}){{only}}, 0),
  coalesce(sum(({{covered}}) * {PLAYS}){{only}}, 0), coalesce(sum(t.state = {HELD}){{only}}, 0), coalesce(sum({{missing}}){{only}}, 0)"""

_SUMS = 6

Measure = Literal["plays as counted", "plays by rank", "plays as counted, by rank where they are not"]


class Readable(Protocol):
    """A working catalogue or an edition."""

    @property
    def statements(self) -> Statements:
        """Its open file."""

    @property
    def is_edition(self) -> bool:
        """Whether row numbers are ranks."""


class ClassCounts(msgspec.Struct, frozen=True):
    """Tracks of one popularity (−1: unknown), those with a count of plays apart from those without."""

    popularity: int
    is_counted: bool
    known: int
    plays: int
    covered: int
    covered_plays: int
    held: int
    missing: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """`known`, `held` and `missing` tracks; `covered` is the share of all plays, 0–1, that what is held covers.

    `per_play` is the share of one counted play, 0 where none are; `unit_gains` that of one track without a count, by popularity.
    """

    known: int
    held: int
    missing: int
    covered: float
    measure: Measure
    per_play: float
    unit_gains: dict[int, float]

    def gain(self, popularity: int, plays: int | None) -> float:
        """What one track adds to the coverage."""
        return min(plays, PLAYS_CEILING) * self.per_play if plays is not None and self.per_play else self.unit_gains[popularity]


def covered_condition(sql: Statements) -> str:
    """SQL over `tracks t`: held, a duplicate of what is, or the same recording as something held."""
    return IS_COVERED if sql.value("SELECT 1 FROM same_recordings LIMIT 1") else IS_COVERED_ALONE


def missing_condition(sql: Statements) -> str:
    """SQL over `tracks t`: known, not covered and not withdrawn."""
    return f"({IS_SHOWN} AND NOT {covered_condition(sql)})"


def measure_coverage(catalogue: Readable, progress: Progress) -> Coverage:
    """Count the whole catalogue by popularity. Where an edition's own statistics say enough, nothing else is read."""
    sql = catalogue.statements
    counts = list(_from_statistics(sql) if catalogue.is_edition else ()) or list(_from_tracks(catalogue, progress))
    by_rank = _gains_by_rank(counts)
    plays = sum(one.plays for one in counts)
    # counted tracks have together what the law gives their ranks
    per_play = math.fsum(by_rank[one.popularity] * one.known for one in counts if one.is_counted) / plays if plays else 0.0
    covered = (one.covered_plays * per_play if one.is_counted and plays else one.covered * by_rank[one.popularity] for one in counts)
    return Coverage(
        known=sum(one.known for one in counts), held=sum(one.held for one in counts), missing=sum(one.missing for one in counts),
        covered=math.fsum(covered), measure=_measure(counts), per_play=per_play,
        unit_gains={one.popularity: by_rank[one.popularity] for one in counts if not (one.is_counted and plays)},
    )  # fmt: skip


def _gains_by_rank(counts: list[ClassCounts]) -> dict[int, float]:
    """The share of one track of each popularity where plays follow rank^−1.211: all of one popularity have the same."""
    tracks: dict[int, int] = {}
    for one in counts:
        tracks[one.popularity] = tracks.get(one.popularity, 0) + one.known
    classes = [TrackClass(popularity=None if popularity == UNKNOWN else popularity, tracks=known, bytes=0, duration_ms=0)
               for popularity, known in tracks.items()]  # fmt: skip
    return {popularity: share / known for (popularity, known), share in zip(tracks.items(), shares_of_plays(classes), strict=True)}


def _measure(counts: list[ClassCounts]) -> Measure:
    if not any(one.plays for one in counts):
        return "plays by rank"
    return "plays as counted" if all(one.is_counted for one in counts) else "plays as counted, by rank where they are not"


def _from_statistics(sql: Statements) -> Iterator[ClassCounts]:
    """Enough where no plays are counted, nothing is a duplicate or withdrawn, and no recordings are joined."""
    if not sql.value("SELECT 1 FROM sqlite_schema WHERE name = 'statistics'") or sql.value("SELECT 1 FROM same_recordings LIMIT 1"):
        return
    others = "SELECT 1 FROM statistics WHERE number > 0 AND report = 'status' AND bucket IN (?, ?)"
    if sql.value(others, (DUPLICATE, WITHDRAWN)) or sql.value("SELECT sum(counted) FROM statistics WHERE report = 'popularity'"):
        return
    for popularity, known, held in sql.rows("SELECT bucket, number, held FROM statistics WHERE report = 'popularity' AND number > 0"):
        yield ClassCounts(popularity, False, known, 0, held, 0, held, known - held)


def _from_tracks(catalogue: Readable, progress: Progress) -> Iterator[ClassCounts]:
    """One walk over all tracks. An edition is walked class by class, so that SQLite need not sort them."""
    sql = catalogue.statements
    progress.start("counting", int(sql.value("SELECT max(track) FROM tracks") or 0), "tracks")
    with heeding_ctrl_c(sql):
        if catalogue.is_edition:
            halves = ", ".join(_counts(sql, f" FILTER (WHERE t.plays IS {word})") for word in ("NULL", "NOT NULL"))
            for popularity, rows in popularity_ranges(sql):
                found = sql.row(f"SELECT {halves} FROM tracks t WHERE t.track BETWEEN ? AND ?", (rows.first, rows.last)) or ()
                for is_counted, sums in ((False, found[:_SUMS]), (True, found[_SUMS:])):
                    if sums[0]:
                        yield ClassCounts(popularity, is_counted, *sums)
                progress.advance(rows.size)
        else:
            query = f"SELECT {POPULARITY}, t.plays IS NOT NULL, {_counts(sql, '')} FROM tracks t GROUP BY 1, 2"
            yield from (ClassCounts(row[0], bool(row[1]), *row[2:]) for row in sql.rows(query))
    progress.finish()


def _counts(sql: Statements, only: str) -> str:
    return _COUNTS.format(only=only, covered=covered_condition(sql), missing=missing_condition(sql))
