"""True shuffle: every track exactly once, each order as likely as any other, from any point on; docs/formats/shuffle.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from fonoteca.catalogue.filters import Condition, TrackFilter
from fonoteca.catalogue.permutation import Numbers
from fonoteca.catalogue.random_words import key_of_seed
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.shuffle_cursor import Cursor, read_cursor, write_cursor
from fonoteca.catalogue.shuffle_members import Members
from fonoteca.catalogue.shuffle_order import Order, State, UniformOrder, WeightedOrder
from fonoteca.catalogue.shuffle_rows import ALL, SHOWN, choose_members, edition_classes, rows_that_pass, shown, working_classes
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.errors import UsageError

LARGEST_BLOCK = 1024
_COLUMNS = """j.key, t.track, t.id, t.title, (SELECT group_concat(name, '; ') FROM (
    SELECT coalesce(t.credited_as, a.name) AS name, -1 AS position FROM artists a WHERE a.artist = t.artist
    UNION ALL SELECT coalesce(l.credited_as, a.name), l.position FROM further_track_artists l JOIN artists a USING (artist)
      WHERE l.track = t.track ORDER BY position)),
  b.title, coalesce(t.date, b.date), t.duration_ms, t.popularity, t.isrc, t.state"""


class Shuffled(Protocol):
    """What can be shuffled: a working catalogue or an edition."""

    @property
    def statements(self) -> Statements:
        """Its open file."""

    @property
    def is_edition(self) -> bool:
        """Whether row numbers are ranks without gaps."""


class ShuffledTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track as it comes. `row` is its number in this very file, of no meaning elsewhere."""

    row: int
    id: str
    title: str | None
    artists: str | None
    album: str | None
    date: str | None
    duration_ms: int | None
    popularity: float | None
    isrc: str | None
    status: str


class Shuffle:
    """The tracks that pass a filter in shuffled order; iterate it, and ask for `cursor()` at any time.

    What was withdrawn comes only where the filter asks for that status.
    """

    def __init__(self, catalogue: Shuffled, track_filter: TrackFilter, key: bytes, *, is_weighted: bool = False, state: State = ()) -> None:
        self._statements, self._filter, self._key, self._is_weighted = catalogue.statements, track_filter, key, is_weighted
        self._condition: Condition = ALL
        members: Members | None = None
        if not is_weighted or catalogue.is_edition:
            members, self._condition = choose_members(catalogue.statements, catalogue.is_edition, track_filter)
        self._order, digest = self._make_order(members, state)
        facts = list(_facts(catalogue))
        self.mark = hashlib.sha256(json.dumps([facts, self._condition[0], digest.hex()]).encode()).digest()[:8]
        self.described = _described(dict(facts), catalogue.is_edition)
        self._read, self._is_finished = 0, False

    def _make_order(self, members: Members | None, state: State) -> tuple[Order, bytes]:
        """The order from `state` on, and what tells its rows from others."""
        if members is not None and not self._is_weighted:
            return UniformOrder(members, self._key, state), members.digest()
        if members is not None:
            classes = list(edition_classes(self._statements, members))
        else:
            classes = list(working_classes(self._statements, shown(self._statements, False, self._filter)))
        digests = [b"%d " % weight + part.digest() for weight, part in classes]
        return WeightedOrder(classes, self._key, state), b"".join([*digests, members.digest() if members else b""])

    @property
    def size(self) -> int:
        """How many rows are walked; with a common filter more than pass it."""
        return self._order.size

    @property
    def track_filter(self) -> TrackFilter:
        """What was asked for."""
        return self._filter

    @property
    def is_finished(self) -> bool:
        """Whether the last track has come."""
        return self._is_finished

    def cursor(self) -> str:
        """Where the shuffle stands: behind the track that came last."""
        wanted = "" if self._filter.is_empty else self._filter.key
        state = self._order.state_after(self._read)
        return write_cursor(Cursor(self._key, self.mark, self.described, wanted, self._is_weighted, state))

    def __iter__(self) -> Iterator[ShuffledTrack]:
        """The tracks from here on, each once. Reads a few rows ahead, 1,024 at most."""
        block = 1 if self._condition in (ALL, SHOWN) else 16
        while len(rows := self._order.take(block)):
            self._read = 0
            for place, track in self._tracks(rows):
                self._read = place + 1
                yield track
            self._read = len(rows)
            block = min(block * 4, LARGEST_BLOCK)
        self._is_finished = True

    def _tracks(self, rows: Numbers) -> Iterator[tuple[int, ShuffledTrack]]:
        for key, row, id, title, artists, album, date, duration_ms, popularity, isrc, state in rows_that_pass(
            self._statements, _COLUMNS, rows, self._condition
        ):
            yield key, ShuffledTrack(
                row=row, id=id, title=title, artists=artists, album=album, date=date, duration_ms=duration_ms, popularity=popularity,
                isrc=isrc, status=STATES[state],
            )  # fmt: skip


def start_shuffle(catalogue: Shuffled, track_filter: TrackFilter, seed: str, *, is_weighted: bool = False) -> Shuffle:
    """A shuffle from its beginning; the same seed gives the same order of the same catalogue."""
    return Shuffle(catalogue, track_filter, key_of_seed(seed), is_weighted=is_weighted)


def resume_shuffle(catalogue: Shuffled, cursor_text: str, track_filter: TrackFilter | None = None) -> Shuffle:
    """The shuffle that `cursor_text` is of, from behind its last track.

    UsageError where the catalogue is another one than then, or `track_filter` is given and another one.
    """
    cursor = read_cursor(cursor_text)
    wanted = filter_of(cursor)
    if track_filter is not None and track_filter != wanted:
        raise UsageError(
            f"the cursor is of a shuffle with the filter {cursor.filter or '{}'}; now it is {track_filter.key}",
            "Leave the filter out, the cursor has it; or leave --resume out to start anew.",
        )
    shuffle = Shuffle(catalogue, wanted, cursor.key, is_weighted=cursor.is_weighted, state=cursor.state)
    if shuffle.mark != cursor.mark:
        same = "; the tracks themselves have changed" if shuffle.described == cursor.described else ""
        raise UsageError(
            f"the cursor is of another state: it was made with {cursor.described}, here is {shuffle.described}{same}",
            "Leave --resume out to start anew, or name the edition that it was made with: --edition FILE.",
        )
    return shuffle


def filter_of(cursor: Cursor) -> TrackFilter:
    """The filter that a cursor carries."""
    try:
        return msgspec.json.decode(cursor.filter or "{}", type=TrackFilter)
    except msgspec.DecodeError as error:
        raise UsageError(f"this cursor has a filter that is not known here: {error}", "Update fonoteca, or start anew.") from error


def _facts(catalogue: Shuffled) -> Iterator[tuple[str, Any]]:
    """What tells this catalogue from others: how an edition describes itself, the number of rows, the first and the last track."""
    sql = catalogue.statements
    if catalogue.is_edition:
        yield from sql.rows("SELECT name, value FROM edition ORDER BY name")
    for name, query in (("rows", "max(track)"), ("first", "min(track), id"), ("last", "max(track), id")):
        found = sql.row(f"SELECT {query} FROM tracks")
        yield name, found and found[-1]


def _described(facts: dict[str, Any], is_edition: bool) -> str:
    rows = f"{facts['rows'] or 0:,} rows"
    return f"the edition of {str(facts.get('date'))[:40]} with {rows}" if is_edition else f"a working catalogue with {rows}"
