"""The choice for every track of a catalogue: SQLite sorts and remembers, selection.py decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fonoteca.catalogue.popularity import second_score
from fonoteca.catalogue.reading import iterate_selection
from fonoteca.catalogue.records import SelectionRow
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.selection import Choice, choose_in_tail, choose_tier, is_tail, score_of
from fonoteca.catalogue.statements import Statements
from fonoteca.catalogue.working import Catalogue
from fonoteca.ground.things import Tier

_STATES = ", ".join(str(STATES.index(status)) for status in ("held", "not-kept", "unreadable"))
_CANDIDATE = f"t.state IN ({_STATES}) AND f.track IS NULL"
_HELD_ISRCS = f"""
INSERT OR IGNORE INTO temp.taken SELECT i.isrc FROM tracks t JOIN track_isrcs i USING (track)
WHERE t.state = {STATES.index("held")} AND EXISTS (SELECT 1 FROM files f WHERE f.track = t.track)
"""


class _TakenTable:
    """Taken ISRCs in a temporary table, so that memory does not grow with the archive."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    def __contains__(self, isrc: object) -> bool:
        return self._sql.row("SELECT 1 FROM temp.taken WHERE isrc = ?", (isrc,)) is not None

    def add(self, isrc: str) -> None:
        self._sql.run("INSERT OR IGNORE INTO temp.taken VALUES (?)", (isrc,))


def choose_files(catalogue: Catalogue, tiers: Sequence[Tier]) -> Iterator[tuple[SelectionRow, Choice]]:
    """Every candidate with what becomes of it, sorted by public id; streams.

    Candidates are tracks with a source (held, or not kept by an earlier policy) and no packed file: what is packed stays where
    it is. Files held already and those of tiers that keep everything take their ISRCs first, then the tails, best score first.
    Writes only temporary tables; works on a catalogue opened to read. The caller finishes one run before it starts another.
    """
    sql = catalogue.statements
    sql.run("DROP TABLE IF EXISTS temp.taken")
    sql.run("DROP TABLE IF EXISTS temp.dropped")
    sql.run("CREATE TEMP TABLE taken (isrc TEXT PRIMARY KEY) WITHOUT ROWID")
    sql.run("CREATE TEMP TABLE dropped (id TEXT PRIMARY KEY, reason TEXT NOT NULL, has_other INTEGER NOT NULL) WITHOUT ROWID")
    if any(is_tail(tier) for tier in tiers):
        _take_and_drop(sql, tiers)
    for row in iterate_selection(sql, _CANDIDATE):
        yield row, _choice(sql, row, choose_tier(row.popularity, tiers))


def _take_and_drop(sql: Statements, tiers: Sequence[Tier]) -> None:
    taken = _TakenTable(sql)
    sql.run(_HELD_ISRCS)
    # a file that is being chosen must be able to be dropped for those already there, so whole tiers go first
    for row in iterate_selection(sql, _CANDIDATE):
        if not is_tail(choose_tier(row.popularity, tiers)):
            for isrc in row.isrcs:
                taken.add(isrc)
    sql.connection.create_scalar_function("second_score_low", _low, 3, deterministic=True)
    for tail in sorted((tier for tier in tiers if is_tail(tier)), key=lambda tier: -tier.from_popularity):
        order = "second_score_low(a.popularity, b.popularity, a.followers) DESC, t.id"
        for row in iterate_selection(sql, _CANDIDATE, order=order):
            if choose_tier(row.popularity, tiers) is not tail:
                continue
            choice = choose_in_tail(row, tail, taken)
            if not choice.is_kept:
                sql.run(
                    "INSERT INTO temp.dropped VALUES (?, ?, ?)", (row.id, choice.reason, choice.score is not None and choice.score.high < 0)
                )


def _low(*parts: Any) -> float:
    artist_popularity, album_popularity, followers = parts
    return second_score(artist_popularity, album_popularity, followers).low


def _choice(sql: Statements, row: SelectionRow, tier: Tier) -> Choice:
    if not is_tail(tier):
        return Choice(row.id, tier.name)
    dropped = sql.row("SELECT reason, has_other FROM temp.dropped WHERE id = ?", (row.id,))
    if dropped is None:
        return Choice(row.id, tier.name, "kept", score_of(row))
    return Choice(row.id, tier.name, dropped[0], score_of(row, bool(dropped[1])))
