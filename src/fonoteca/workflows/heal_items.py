"""What healing works on: damaged files in the order of their worth, what was tried for each, and what a book of them must give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import apsw
import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.integrity.schedule import PieceCheck

Result = Literal["mended", "good", "lost", "stuck", "planned"]
"""stuck: the good bytes are at hand, but cannot be put in place."""

TOP_PLAYS = 1 << 60
"""Lists and metadata files come first: the others cannot be read without them."""


class DamagedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is not what it should be. `key` names it to its book, `name` is its path below the archive or mirror.

    Proved by `sha256`, else by `pieces`. `torrent` is the container whose torrent holds it, `position` its number there.
    `plays` and `copies` decide the order.
    """

    key: str
    name: str
    path: Path
    size: int | None = None
    sha256: str = ""
    pieces: PieceCheck | None = None
    track: str | None = None
    container: str | None = None
    torrent: str | None = None
    position: int | None = None
    is_database: bool = False
    is_list: bool = False
    plays: int = 0
    copies: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """One rung that was tried: local, patch, pieces or off-site; with what, what came of it, and why."""

    rung: str
    place: str
    result: str
    fact: str = ""


class HealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one damaged file. `what` says what it is to people; `might_have` who may have it where it is lost."""

    name: str
    result: Result
    what: str = ""
    bytes: int = 0
    attempts: tuple[Attempt, ...] = ()
    might_have: tuple[str, ...] = ()


class TorrentSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the pieces of a torrent may come from."""

    torrent: bytes
    peers: tuple[tuple[str, int], ...] = ()
    trackers: tuple[str, ...] = ()
    web_seeds: tuple[str, ...] = ()
    dht: bool = False

    @property
    def has_anybody(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self.peers or self.trackers or self.web_seeds or self.dht)

    @property
    def words(self) -> str:
        """The same for people."""
        parts = [f"{len(self.peers)} known peers", f"{len(self.trackers)} trackers", f"{len(self.web_seeds)} web seeds"]
        return ", ".join(part for part in parts if not part.startswith("0 ")) or ("peers of the DHT" if self.dht else "nobody")


Maker = Callable[[], Iterable[bytes | memoryview]]


class HealBook(Protocol):
    """An archive or a mirror, as healing needs it."""

    path: Path
    staging: Path
    """A folder of its own on the file system of what is healed; may be emptied."""

    @property
    def what(self) -> str:
        """archive or mirror."""

    def damaged(self) -> Iterator[DamagedFile]:
        """Every file that was found damaged or missing; each once."""

    def strangers(self) -> Iterator[tuple[Path, str]]:
        """Files that are on no list: their paths, and their names below the archive or mirror."""

    def is_good(self, file: DamagedFile, path: Path | None = None) -> bool:
        """Whether the file, or what lies at `path` in its place, has every byte right."""

    def twins(self, file: DamagedFile) -> Sequence[Path]:
        """Other names that are to be links to the same file."""

    def places(self, file: DamagedFile) -> Iterator[Path]:
        """Where the same bytes may lie on this machine, best first."""

    def makers(self, file: DamagedFile) -> Iterator[tuple[str, Maker]]:
        """Ways to make it again from other files, each in words."""

    def source_of(self, torrent: str) -> TorrentSource | None:
        """The torrent of a container, and who may serve it."""

    def offsite(self, file: DamagedFile) -> str | None:
        """Where rclone finds it."""

    def describe(self, file: DamagedFile) -> str:
        """What would be lost, for people."""

    def might_have(self, file: DamagedFile) -> Sequence[str]:
        """Who may have it."""

    def begin_mend(self, file: DamagedFile, rung: str, place: str) -> int:
        """Record that a rung is tried."""

    def end_mend(self, number: int, result: str, fact: str) -> None:
        """Record what came of it."""

    def mended(self, file: DamagedFile, mtime_ns: int, number: int | None = None, place: str = "") -> None:
        """Record that the file is good again, and in its place; `number` is the mend that did it, from `place`."""

    def lost(self, file: DamagedFile, fact: str) -> None:
        """Record that it could not be mended."""

    def moved_stranger(self, path: Path) -> None:
        """Record that a stranger is gone."""

    def finding_of(self, file: DamagedFile) -> Finding | None:
        """What was found about it."""


class DamagedQueue:
    """Damaged files without number: most played first, among equals the rarest; SQLite keeps them in a temporary file."""

    def __init__(self, files: Iterable[DamagedFile] = ()) -> None:
        self._connection = apsw.Connection("")
        self._connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192")
        self._connection.execute(
            """CREATE TABLE waiting (number INTEGER PRIMARY KEY, key TEXT UNIQUE, plays, copies, name, torrent, size, file BLOB,
            is_new DEFAULT 1)"""
        )
        self._connection.execute("CREATE TABLE attempts (key TEXT, attempt BLOB); CREATE INDEX by_key ON attempts (key)")
        self._connection.execute(
            "CREATE INDEX by_size ON waiting (size); CREATE INDEX by_worth ON waiting (is_new, plays DESC, copies, name)"
        )
        self._connection.execute("CREATE TABLE done (key TEXT PRIMARY KEY); BEGIN")
        self._decode = msgspec.msgpack.Decoder(DamagedFile, dec_hook=lambda kind, value: kind(value)).decode
        for file in files:
            self.add(file)

    def add(self, file: DamagedFile) -> None:
        """One more; one that is there already, or was done with, is not added again."""
        if self._connection.execute("SELECT 1 FROM done WHERE key = ?", (file.key,)).get is not None:
            return
        row = (file.key, file.plays, file.copies, file.name, file.torrent, file.size or 0)
        packed = msgspec.msgpack.encode(file, enc_hook=str)
        self._connection.execute("INSERT OR IGNORE INTO waiting VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, 1)", (*row, packed))

    def remove(self, file: DamagedFile) -> None:
        """It is done with."""
        self._connection.execute("INSERT OR IGNORE INTO done VALUES (?)", (file.key,))
        self._connection.execute("DELETE FROM waiting WHERE key = ?", (file.key,))
        self._connection.execute("DELETE FROM attempts WHERE key = ?", (file.key,))

    def note(self, file: DamagedFile, attempt: Attempt) -> None:
        """Remember what was tried."""
        self._connection.execute("INSERT INTO attempts VALUES (?, ?)", (file.key, msgspec.msgpack.encode(attempt)))

    def attempts(self, file: DamagedFile) -> tuple[Attempt, ...]:
        """Everything that was tried for a file, in order."""
        rows = self._connection.execute("SELECT attempt FROM attempts WHERE key = ? ORDER BY rowid", (file.key,))
        return tuple(msgspec.msgpack.decode(row[0], type=Attempt) for row in rows)

    def __iter__(self) -> Iterator[DamagedFile]:
        return self._read("1 ORDER BY plays DESC, copies, name")

    def take_new(self) -> Iterator[DamagedFile]:
        """Each that was not taken before, in order; it stays until it is removed."""
        statement = "SELECT number, file FROM waiting WHERE is_new ORDER BY plays DESC, copies, name LIMIT 1"
        while (row := next(iter(self._connection.execute(statement)), None)) is not None:
            self._connection.execute("UPDATE waiting SET is_new = 0 WHERE number = ?", (row[0],))
            yield self._decode(row[1])

    def of_torrent(self, torrent: str) -> Iterator[DamagedFile]:
        """Those of one torrent."""
        return self._read("torrent = ? ORDER BY plays DESC, copies, name", torrent)

    def torrents(self) -> list[str]:
        """The torrents that hold them, the one with the most played file first."""
        statement = "SELECT torrent FROM waiting WHERE torrent IS NOT NULL GROUP BY torrent ORDER BY max(plays) DESC, min(copies), torrent"
        return [row[0] for row in self._connection.execute(statement)]

    def wants(self, size: int) -> bool:
        """Whether one that still waits has this size."""
        return self._connection.execute("SELECT 1 FROM waiting WHERE size = ?", (size,)).get is not None

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM waiting").get)

    def _read(self, where: str, *values: object) -> Iterator[DamagedFile]:
        keys = [row[0] for row in self._connection.execute(f"SELECT number FROM waiting WHERE {where}", values)]
        for key in keys:
            row = self._connection.execute("SELECT file FROM waiting WHERE number = ?", (key,)).get
            if row is not None:
                yield self._decode(row)

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()
