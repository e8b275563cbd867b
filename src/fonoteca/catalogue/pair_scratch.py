"""Keys and pairs of recordings while they are compared: a database of its own that is dropped afterwards, so that memory stays flat."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import apsw

from fonoteca.catalogue.statements import Statements
from fonoteca.ground.errors import translate_os_errors

CHUNK = 10_000
_PREFIX = "identify-"
FOUND_SAME, FOUND_PERHAPS = 1, 0

FoundPair = tuple[int, int, int, float, int]
"""Row, other row, FOUND_SAME or FOUND_PERHAPS, score, place among pairs of that score."""

_SCHEMA = """
CREATE TABLE keys (key INTEGER NOT NULL, place INTEGER NOT NULL, row INTEGER NOT NULL);
CREATE TABLE candidates (one INTEGER NOT NULL, other INTEGER NOT NULL);
CREATE TABLE found (one INTEGER NOT NULL, other INTEGER NOT NULL, is_same INTEGER NOT NULL, score REAL NOT NULL,
  place INTEGER NOT NULL,  PRIMARY KEY (one, other)) WITHOUT ROWID;
CREATE TABLE linked (number INTEGER PRIMARY KEY, row INTEGER NOT NULL UNIQUE);
CREATE TABLE components (root INTEGER NOT NULL, row INTEGER NOT NULL);
CREATE TABLE leaders (row INTEGER PRIMARY KEY, leader INTEGER NOT NULL);
"""


@contextmanager
def open_pair_scratch(folder: Path | None) -> Iterator[PairScratch]:
    """A scratch database in `folder` (else where temporary files go), gone at the end; what a killed run left in `folder` goes first."""
    for left in folder.glob(f"{_PREFIX}*") if folder else ():
        shutil.rmtree(left, ignore_errors=True)
    with translate_os_errors(folder or tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder) as place:
        path = Path(place) / "pairs.sqlite3"
        connection = apsw.Connection(str(path))
        try:
            for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536"):
                connection.execute(f"PRAGMA {setting}")
            connection.execute(_SCHEMA)
            yield PairScratch(Statements(connection, path))
        finally:
            connection.close()


class PairScratch:
    """What is noted on the way: keys, candidate pairs, pairs found, what hangs together, leaders. Rows are those of the catalogue."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add_keys(self, keys: list[tuple[int, int, int]]) -> None:
        """(key, place in block, row) of many recordings."""
        with self._sql.transaction():
            self._sql.run_many("INSERT INTO keys VALUES (?, ?, ?)", keys)

    def members(self) -> Iterator[tuple[int, int]]:
        """(key, row), block by block and by place in it."""
        yield from self._sql.rows("SELECT key, row FROM keys ORDER BY key, place, row")

    def add_candidates(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Pairs of rows to compare, each the lower first; a pair may come several times."""
        rest = iter(pairs)
        while chunk := list(islice(rest, CHUNK)):
            with self._sql.transaction():
                self._sql.run_many("INSERT INTO candidates VALUES (?, ?)", chunk)

    def forget_keys(self) -> None:
        """Give the room of the keys back to what follows."""
        self._sql.run("DELETE FROM keys")

    def count_candidates(self) -> int:
        """How many pairs are to be compared, those that came twice counted twice."""
        return int(self._sql.value("SELECT count(*) FROM candidates"))

    def candidates(self, count: int) -> Iterator[list[tuple[int, int]]]:
        """Each pair to compare once, sorted, so many at a time; streams."""
        rows = self._sql.rows("SELECT DISTINCT one, other FROM candidates ORDER BY one, other")
        while some := list(islice(rows, count)):
            yield [(one, other) for one, other in some]

    def add_found(self, found: list[FoundPair]) -> None:
        """Pairs that were compared and are not apart."""
        with self._sql.transaction():
            self._sql.run_many("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)", found)

    # what hangs together

    def number_linked(self) -> int:
        """Number the rows that are the same as another, from 0; gives how many there are."""
        self._sql.run("DELETE FROM candidates")
        rows = "SELECT one AS row FROM found WHERE is_same UNION SELECT other FROM found WHERE is_same"
        self._sql.run(f"INSERT INTO linked SELECT row_number() OVER (ORDER BY row) - 1, row FROM ({rows})")
        return int(self._sql.value("SELECT count(*) FROM linked"))

    def links_by_number(self) -> Iterator[tuple[int, int]]:
        """Every pair that is the same, by the numbers of number_linked."""
        yield from self._sql.rows(
            "SELECT a.number, b.number FROM found f JOIN linked a ON a.row = f.one JOIN linked b ON b.row = f.other WHERE f.is_same"
        )

    def put_components(self, numbers: Iterable[tuple[int, int]]) -> None:
        """(number, number that stands for its component) of every row that is linked."""
        with self._sql.transaction():
            for number, root in numbers:
                self._sql.run("INSERT INTO components SELECT ?, row FROM linked WHERE number = ?", (root, number))

    def components(self) -> Iterator[list[int]]:
        """The rows of each component; streams."""
        current, rows = None, list[int]()
        for root, row in self._sql.rows("SELECT root, row FROM components ORDER BY root, row"):
            if root != current and rows:
                yield rows
                rows = []
            current = root
            rows.append(row)
        if rows:
            yield rows

    def links_of(self, rows: Iterable[int]) -> list[tuple[int, int, float]]:
        """The pairs that are the same with one of these rows as the lower one, with their scores."""
        query = "SELECT one, other, score FROM found WHERE one = ? AND is_same"
        return [(one, other, score) for row in rows for one, other, score in self._sql.rows(query, (row,))]

    # what was joined, and what is left to suggest

    def put_leaders(self, leaders: list[tuple[int, int]]) -> None:
        """(row, leader) of every row in a group, the leader too."""
        self._sql.run_many("INSERT OR REPLACE INTO leaders VALUES (?, ?)", leaders)

    def suggestions(self) -> Iterator[tuple[int, int, float]]:
        """(row, other row, score): the likeliest pair between any two groups that may be the same and were not joined; likeliest first."""
        query = """
            SELECT one, other, score FROM (
              SELECT one, other, score, place, row_number() OVER (PARTITION BY min(a, b), max(a, b) ORDER BY score DESC, place) AS rank
              FROM (SELECT f.*, coalesce(a.leader, f.one) AS a, coalesce(b.leader, f.other) AS b
                FROM found f LEFT JOIN leaders a ON a.row = f.one LEFT JOIN leaders b ON b.row = f.other) WHERE a <> b)
            WHERE rank = 1 ORDER BY score DESC, place
        """
        yield from self._sql.rows(query)
