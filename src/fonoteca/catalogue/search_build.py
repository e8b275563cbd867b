"""The search index of an edition: FTS5 tables by tiers of rank, and the words for typos; docs/formats/search.md.

Each tier is made in a file of its own, by worker processes where there are several, and its tables are copied into the
edition afterwards, in the order in which they are made: tracks first, whose words then make the table for typos while artists and
albums are under way, and of each the largest first, so that all workers end together. That leaves no free pages, and the same
names give the same bytes however many workers there were.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, Protocol

import apsw
import msgspec

from fonoteca.catalogue.search_text import index_words
from fonoteca.ground.workers import Processes

Kind = Literal["track", "artist", "album"]
KINDS: tuple[Kind, ...] = ("track", "artist", "album")

FIRST_TIER = 1 << 18
LARGEST_TIER = 1 << 24
HASH_BYTES = 64 << 20
"""Postings that FTS5 gathers in memory before it writes them: a worker takes about three times as much."""

SEARCH_TABLES = """
CREATE TABLE search_tiers (kind TEXT NOT NULL, tier INTEGER NOT NULL, name TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (kind, tier)) STRICT, WITHOUT ROWID;
CREATE TABLE words (word INTEGER PRIMARY KEY, text TEXT NOT NULL, tracks INTEGER NOT NULL) STRICT;
CREATE TABLE spellings (bucket INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
"""
FTS_TABLE = "CREATE VIRTUAL TABLE {} USING fts5(words, content='', detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 2')"

_ARTISTS = "(SELECT group_concat(name, char(10)) FROM (SELECT coalesce(f.credited_as, x.name) AS name FROM further_{0}_artists f JOIN artists x USING (artist) WHERE f.{0} = {1}.{0} ORDER BY f.position))"  # noqa: E501
ALIASES: dict[Kind, str] = {"track": "t", "artist": "a", "album": "b"}
TEXTS: dict[Kind, str] = {
    "track": f"""SELECT t.track, t.title, coalesce(t.credited_as, a.name), {_ARTISTS.format("track", "t")}, b.title
        FROM tracks t LEFT JOIN artists a ON a.artist = t.artist LEFT JOIN albums b ON b.album = t.album""",
    "artist": """SELECT a.artist, a.name, a.sort_name,
        (SELECT group_concat(alias, char(10)) FROM (SELECT alias FROM artist_aliases l WHERE l.artist = a.artist ORDER BY position))
        FROM artists a""",
    "album": f"""SELECT b.album, b.title, x.name, {_ARTISTS.format("album", "b").replace("coalesce(f.credited_as, x.name)", "x.name")}
        FROM albums b LEFT JOIN artists x ON x.artist = b.artist""",
}
"""The row number and the names of each row; several names in one column stand on lines of their own."""


class Texts(Protocol):
    """Where the words of rows come from: `__call__` gives (row number, what index_words gave) in order, rows without words left out.

    It is sent to worker processes, so it holds paths and no connections.
    """

    def __call__(self, kind: Kind, first: int, last: int) -> Iterator[tuple[int, str]]: ...


class EditionTexts(msgspec.Struct, frozen=True):
    """The words of the rows of an edition as it stands in its file, committed."""

    path: str

    def __call__(self, kind: Kind, first: int, last: int) -> Iterator[tuple[int, str]]:
        connection = apsw.Connection(self.path, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            yield from read_words(connection, kind, first, last)
        finally:
            connection.close()


def read_words(connection: apsw.Connection, kind: Kind, first: int, last: int) -> Iterator[tuple[int, str]]:
    """The words of rows `first` to `last` of one kind, from the tables of a catalogue."""
    for row, *names in connection.execute(f"{TEXTS[kind]} WHERE {ALIASES[kind]}.{kind} BETWEEN ? AND ? ORDER BY 1", (first, last)):
        words = index_words(*(name for name in names if name))
        if words:
            yield row, words


class SearchCounts(msgspec.Struct, frozen=True):
    """What was built: tiers of all kinds and words that typos are mended with."""

    tiers: int
    words: int


def tier_ranges(rows: int) -> list[tuple[int, int]]:
    """(first, last) row number of each tier: 2^18, 2^18, 2^19 … 2^24 rows, then 2^24 each."""
    ranges, first, size = [], 1, FIRST_TIER
    while first <= rows:
        ranges.append((first, min(rows, first + size - 1)))
        first += size
        size = min(LARGEST_TIER, max(FIRST_TIER, first - 1))
    return ranges


class TierJob(msgspec.Struct, frozen=True):
    """One tier to be made into the file `part`."""

    kind: Kind
    tier: int
    first: int
    last: int
    part: str
    texts: Texts
    hash_bytes: int = HASH_BYTES
    counts_from: int = 1

    @property
    def name(self) -> str:
        """The FTS5 table's name in the edition."""
        return f"{self.kind}_search_{self.tier}"


def build_tier(job: TierJob) -> str:
    """Make one tier in its part file; gives the file. The words of tracks are counted beside."""
    Path(job.part).unlink(missing_ok=True)
    connection = apsw.Connection(job.part)
    try:
        for pragma in ("page_size = 4096", "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(FTS_TABLE.format(job.name))
        for option, value in (("hashsize", job.hash_bytes), ("automerge", 0), ("crisismerge", 2000)):
            connection.execute(f"INSERT INTO {job.name} ({job.name}, rank) VALUES (?, ?)", (option, value))
        with connection:
            connection.executemany(f"INSERT INTO {job.name} (rowid, words) VALUES (?, ?)", job.texts(job.kind, job.first, job.last))
            connection.execute(f"INSERT INTO {job.name} ({job.name}) VALUES ('optimize')")
        if job.kind == "track":
            _count_words(connection, job)
    finally:
        connection.close()
    return job.part


def _count_words(connection: apsw.Connection, job: TierJob) -> None:
    connection.execute(f"CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, {job.name}, row)")
    connection.execute("CREATE TABLE counted (text TEXT PRIMARY KEY, tracks INTEGER) WITHOUT ROWID")
    connection.execute("INSERT INTO counted SELECT term, doc FROM temp.vocabulary WHERE doc >= ? ORDER BY term", (job.counts_from,))


def copy_tier(connection: apsw.Connection, job: TierJob) -> None:
    """Put the tier that lies in a part file into the edition; the connection must not search it before it is opened again."""
    part = apsw.Connection(job.part, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.execute(FTS_TABLE.format(job.name))
        for table, columns in (("data", "id, block"), ("idx", "segid, term, pgno")):
            connection.execute(f"DELETE FROM {job.name}_{table}")
            marks = ", ".join("?" * len(columns.split()))
            rows = part.execute(f"SELECT {columns} FROM {job.name}_{table} ORDER BY {columns}")
            connection.executemany(f"INSERT INTO {job.name}_{table} ({columns}) VALUES ({marks})", rows)
        connection.execute("INSERT INTO search_tiers VALUES (?, ?, ?, ?, ?)", (job.kind, job.tier, job.name, job.first, job.last))
    finally:
        part.close()


def build_search(
    connection: apsw.Connection,
    *,
    texts: Texts | None = None,
    jobs: int = 1,
    scratch: Path | None = None,
    kinds: tuple[Kind, ...] = KINDS,
    hash_bytes: int = HASH_BYTES,
    make_part: Callable[[TierJob], str] | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> SearchCounts:
    """Add the search tables to an edition whose tables are filled; row numbers run from 1 without gaps. All in one transaction.

    `texts` None: the words of the edition's own rows, over this connection, or with several `jobs` from its file, which must be
    committed then. `progress` hears the rows of each tier that is done. Part files lie in `scratch`, beside the edition without it,
    and go as they are copied. `make_part` makes them in another way than build_tier: a function that worker processes can import.
    """
    from fonoteca.catalogue.spelling import build_spellings

    counts = {kind: connection.execute(f"SELECT coalesce(max({kind}), 0) FROM {kind}s").get for kind in kinds}
    folder = scratch or (Path(connection.filename).parent if connection.filename else Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="search-", dir=folder) as parts:
        source = texts or (_OwnTexts(connection) if jobs == 1 else EditionTexts(connection.filename))
        tracks = counts.get("track", 0)
        least = 1 if tracks <= 1 << 20 else 2 if tracks <= 1 << 24 else 4
        tiers = [
            TierJob(kind, tier, first, last, os.path.join(parts, f"{kind}-{tier}"), source, hash_bytes, least)
            for kind in kinds
            for tier, (first, last) in enumerate(tier_ranges(counts[kind]))
        ]
        tiers.sort(key=lambda job: (job.kind != "track", job.first - job.last))
        counted = [job.part for job in tiers if job.kind == "track"]
        built: Iterable[TierJob] = _built(tiers, jobs, make_part or build_tier)
        if jobs > 1 and texts is None:
            built = list(built)  # the workers read the file, which nobody must be writing
        with connection:
            connection.execute(SEARCH_TABLES)
            words = 0 if counted else build_spellings(connection, [])
            for place, job in enumerate(built, 1):
                copy_tier(connection, job)
                progress(job.last - job.first + 1)
                if place == len(counted):
                    words = build_spellings(connection, counted)
                if job.kind != "track":
                    Path(job.part).unlink()
    return SearchCounts(len(tiers), words)


class _OwnTexts:
    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection

    def __call__(self, kind: Kind, first: int, last: int) -> Iterator[tuple[int, str]]:
        return read_words(self.connection, kind, first, last)


def _built(tiers: list[TierJob], jobs: int, make_part: Callable[[TierJob], str]) -> Iterator[TierJob]:
    """The tiers in order, each made; several at a time with several jobs."""
    if jobs == 1 or len(tiers) < 2:
        for job in tiers:
            make_part(job)
            yield job
        return
    with Processes(jobs, (make_part.__module__,)) as processes:
        waiting = [processes.submit(make_part, job) for job in tiers]
        for job, future in zip(tiers, waiting, strict=True):
            processes.result_of(future, make_part, job)
            yield job
