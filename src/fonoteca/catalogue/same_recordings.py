"""What the catalogue knows of recordings that may be the same: read to be compared, and what was found written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from fonoteca.catalogue.isrc_numbers import isrc_text
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.errors import NotFoundError
from fonoteca.ground.recordings import EvidencePart, Recording, Saying

BATCH = 2_000
SAID = "said"

_TRACKS = f"""
SELECT t.track, t.id, t.title, t.duration_ms, t.recording_mbid, b.id, t.disc, t.number, t.state = {STATES.index("held")}, t.popularity
FROM tracks t LEFT JOIN albums b USING (album) WHERE t.state <> {STATES.index("withdrawn")} AND t.track {{0}} ORDER BY t.track
"""
_ARTISTS = """
SELECT l.track, l.position, coalesce(l.credited_as, a.name), a.name, a.sort_name
FROM track_artists l JOIN artists a USING (artist) WHERE l.track {0} ORDER BY l.track, l.position
"""
_ALIASES = """
SELECT l.track, l.position, x.alias FROM track_artists l JOIN artist_aliases x USING (artist) WHERE l.track {0} ORDER BY x.position
"""
_LISTS = {
    "isrcs": "SELECT track, isrc FROM track_isrcs WHERE track {0} ORDER BY track, position",
    "essences": "SELECT DISTINCT track, lower(hex(essence_sha256)) FROM files WHERE essence_sha256 IS NOT NULL AND track {0} ORDER BY 1, 2",
}
_FINGERPRINTS = "SELECT track, fingerprint FROM fingerprints WHERE track {0}"

_BETWEEN, _AMONG = "BETWEEN ? AND ?", "IN (SELECT value FROM json_each(?))"
_ISRCS = """
SELECT isrc_number, track FROM tracks WHERE isrc_number IS NOT NULL
UNION ALL SELECT isrc_number, track FROM further_isrcs ORDER BY 1, 2
"""


class SameRecording(msgspec.Struct, frozen=True, kw_only=True):
    """One recording of a group as `show` tells it: `score` and `evidence` speak for it and the leader; the leader has neither."""

    id: str
    title: str | None
    artists: str | None
    is_leader: bool
    score: float | None = None
    evidence: tuple[str, ...] = ()


class RecordingStore:
    """The tables of identity in a working catalogue. Withdrawn tracks are compared with nothing."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    # reading

    def ranges(self) -> Iterator[tuple[int, int]]:
        """First and last row of every 2,000 tracks; streams."""
        last: int = self._sql.value("SELECT max(track) FROM tracks") or 0
        first: int | None = self._sql.value("SELECT min(track) FROM tracks")
        while first is not None and first <= last:
            end = self._sql.value("SELECT track FROM tracks WHERE track >= ? ORDER BY track LIMIT 1 OFFSET ?", (first, BATCH - 1)) or last
            yield first, end
            first = end + 1

    def read_range(self, first: int, last: int) -> list[Recording]:
        """The recordings from row to row, in the order of rows."""
        return self._read(_BETWEEN, (first, last))

    def read(self, rows: Iterable[int]) -> list[Recording]:
        """The recordings of these rows, in the order of rows."""
        return self._read(_AMONG, (json.dumps(sorted(set(rows))),))

    def order_by_id(self, rows: Iterable[int]) -> list[int]:
        """These rows in the order of their public ids."""
        return [row[0] for row in self._sql.rows(f"SELECT track FROM tracks WHERE track {_AMONG} ORDER BY id", (json.dumps(list(rows)),))]

    def read_ids(self, ids: Iterable[str]) -> list[Recording]:
        """The recordings of these public ids; NotFoundError where one is unknown or withdrawn."""
        wanted = list(dict.fromkeys(ids))
        found = self.read_known(wanted)
        missing = set(wanted) - {one.id for one in found}
        if missing:
            raise NotFoundError(f"no track that could be compared has the id {min(missing)}", "Look it up with: fonoteca show")
        return found

    def read_known(self, ids: Iterable[str]) -> list[Recording]:
        """The recordings of those of these public ids that are known and not withdrawn."""
        rows = self._sql.rows(f"SELECT track FROM tracks WHERE id {_AMONG}", (json.dumps(list(ids)),))
        return self.read([row[0] for row in rows])

    def count(self) -> int:
        """How many tracks there are, withdrawn ones too."""
        return int(self._sql.value("SELECT count(*) FROM tracks"))

    def _read(self, condition: str, bindings: tuple[Any, ...]) -> list[Recording]:
        lists: dict[str, dict[int, list[str]]] = {name: self._listed(query, condition, bindings) for name, query in _LISTS.items()}
        artists, fingerprints = self._artists(condition, bindings), dict(self._sql.rows(_FINGERPRINTS.format(condition), bindings))
        return [
            Recording(
                row=row, id=id, title=title, duration_ms=duration_ms, recording_mbid=mbid, album=album, disc=disc, number=number,
                is_held=bool(is_held), popularity=popularity, artists=artists.get(row, ()), isrcs=tuple(lists["isrcs"].get(row, ())),
                essences=tuple(lists["essences"].get(row, ())), fingerprint=fingerprints.get(row),
            )
            for row, id, title, duration_ms, mbid, album, disc, number, is_held, popularity
            in self._sql.rows(_TRACKS.format(condition), bindings)
        ]  # fmt: skip

    def _listed(self, query: str, condition: str, bindings: tuple[Any, ...]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for row, value in self._sql.rows(query.format(condition), bindings):
            found.setdefault(row, []).append(value)
        return found

    def _artists(self, condition: str, bindings: tuple[Any, ...]) -> dict[int, tuple[tuple[str, ...], ...]]:
        names: dict[int, dict[int, list[str]]] = {}
        for row, position, credited, name, sort_name in self._sql.rows(_ARTISTS.format(condition), bindings):
            names.setdefault(row, {})[position] = [credited, name, *([sort_name] if sort_name else [])]
        for row, position, alias in self._sql.rows(_ALIASES.format(condition), bindings):
            names[row][position].append(alias)
        return {row: tuple(tuple(dict.fromkeys(one)) for one in artists.values()) for row, artists in names.items()}

    # what people said

    def sayings(self) -> dict[tuple[str, str], Saying]:
        """What people said of pairs, by the two ids in order."""
        query = """SELECT min(t.id, o.id), max(t.id, o.id), e.score FROM evidence e JOIN tracks t USING (track)
            JOIN tracks o ON o.track = e.other WHERE e.part = ?"""
        return {(one, other): "same" if score > 0 else "apart" for one, other, score in self._sql.rows(query, (SAID,))}

    def say(self, one: Recording, other: Recording, part: EvidencePart) -> None:
        """Keep what a person said, for good; the last word counts. Kept in both directions, so that every group shows it."""
        rows = [(a, b, SAID, part.score, part.shown) for a, b in ((one.row, other.row), (other.row, one.row))]
        self._sql.run_many("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, ?)", rows)

    # what was found

    def clear(self, rows: Sequence[int] | None = None) -> None:
        """Forget all that was found, or what was found of these rows; never what people said."""
        bindings = () if rows is None else (json.dumps(list(rows)),) * 2
        groups = "1" if rows is None else f"track {_AMONG} OR leader {_AMONG}"
        # what may be the same as a track that is none of these is still suggested
        pairs = "1" if rows is None else f"track {_AMONG} AND other {_AMONG}"
        self._sql.run(f"DELETE FROM same_recordings WHERE {groups}", bindings)
        self._sql.run(f"DELETE FROM evidence WHERE part <> '{SAID}' AND {pairs}", bindings)

    def put_evidence(self, row: int, other: int, parts: Iterable[EvidencePart]) -> None:
        """The evidence that speaks for and against one pair."""
        told = [(row, other, part.part, part.score, part.shown) for part in parts if part.part != SAID]
        self._sql.run_many("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, ?)", told)

    def put_same(self, row: int, leader: int, score: float) -> None:
        """One recording is the same as its leader."""
        self._sql.run("INSERT OR REPLACE INTO same_recordings VALUES (?, ?, ?)", (row, leader, score))

    def rows_of_group(self, row: int) -> list[int]:
        """The rows of the group that a row belongs to, itself included."""
        leader = self._sql.value("SELECT leader FROM same_recordings WHERE track = ?", (row,)) or row
        return sorted(
            {row, leader, *(found[0] for found in self._sql.rows("SELECT track FROM same_recordings WHERE leader = ?", (leader,)))}
        )

    # fingerprints

    def without_fingerprint(self) -> Iterator[str]:
        """Public ids of held tracks that have none yet, sorted; streams, and what is put meanwhile does not disturb it."""
        query = f"""SELECT t.id FROM tracks t LEFT JOIN fingerprints f USING (track)
            WHERE t.state = {STATES.index("held")} AND f.track IS NULL AND t.id > ? ORDER BY t.id LIMIT {BATCH}"""
        last = ""
        while some := [row[0] for row in self._sql.rows(query, (last,))]:
            yield from some
            last = some[-1]

    def count_without_fingerprint(self) -> int:
        """How many held tracks have no fingerprint."""
        query = "SELECT count(*) FROM tracks t LEFT JOIN fingerprints f USING (track) WHERE t.state = ? AND f.track IS NULL"
        return int(self._sql.value(query, (STATES.index("held"),)))

    def put_fingerprint(self, track_id: str, duration_ms: int, items: bytes) -> None:
        """Keep the fingerprint of one track."""
        self._sql.run("INSERT OR REPLACE INTO fingerprints SELECT track, ?, ? FROM tracks WHERE id = ?", (duration_ms, items, track_id))

    # ISRCs

    def rows_by_isrc(self) -> Iterator[tuple[str, list[int]]]:
        """Each ISRC with the rows of the tracks that carry it; streams."""
        for number, carriers in groupby(self._sql.rows(_ISRCS), key=itemgetter(0)):
            yield isrc_text(number), list(dict.fromkeys(row for _, row in carriers))


def what_is_the_same(statements: Statements, track_id: str) -> list[SameRecording]:
    """The recordings that are the same as this one, the leader first, each with its evidence; empty where there are none.

    Works in the working catalogue and in editions.
    """
    row = statements.value(f"SELECT track FROM tracks WHERE {statements.id_is('id')}", (track_id,))
    leader = None if row is None else statements.value("SELECT leader FROM same_recordings WHERE track = ?", (row,)) or row
    query = """SELECT t.id, w.title, w.artists, s.score, s.track FROM same_recordings s JOIN tracks t USING (track)
        JOIN tracks_with_artists w USING (track) WHERE s.leader = ? ORDER BY s.score DESC, t.id"""
    others = list(statements.rows(query, (leader,)))
    if not others:
        return []
    first = statements.row("SELECT id, title, artists FROM tracks_with_artists WHERE track = ?", (leader,))
    assert first is not None
    shown = _shown_evidence(statements, leader)
    same = [SameRecording(id=id, title=title, artists=artists, is_leader=False, score=score, evidence=shown(other))
            for id, title, artists, score, other in others]  # fmt: skip
    return [SameRecording(id=first[0], title=first[1], artists=first[2], is_leader=True), *same]


def _shown_evidence(statements: Statements, leader: int | None) -> Callable[[int], tuple[str, ...]]:
    query = "SELECT shown FROM evidence WHERE track = ? AND other = ? ORDER BY abs(score) DESC, part"
    return lambda row: tuple(found[0] for found in statements.rows(query, (row, leader)))
