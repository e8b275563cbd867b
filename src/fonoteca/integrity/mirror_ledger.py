"""A mirror's ledger: its sources, what it chose and holds, and when each byte was last read and found good."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from fonoteca.ground.database import close_database, open_database
from fonoteca.ground.findings import Finding
from fonoteca.integrity.ledger_rows import column_names, columns_of, insert_row, show_path
from fonoteca.integrity.mirror_ledger_rows import (
    AnnouncementRow,
    FileCondition,
    Mend,
    MirrorFile,
    MirrorList,
    MirrorSource,
    MirrorTorrent,
    ScrapeRow,
    TorrentWork,
)
from fonoteca.integrity.mirror_ledger_schema import APPLICATION_ID, MIGRATIONS

Row = TypeVar("Row", bound=msgspec.Struct)


class MirrorLedger:
    """ledger.sqlite3 of a mirror. Several processes write it, each in short transactions; put_* replace what was known of the same key."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> MirrorLedger:
        """The ledger at `path`, made if need be; migrated to the newest schema."""
        return cls(open_database(path, APPLICATION_ID, MIGRATIONS, read_only=read_only), path)

    def close(self) -> None:
        """Let go of the file."""
        close_database(self.connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested ones are savepoints. Takes the lock at once, so that it never fails in the middle for another's sake."""
        if self.connection.in_transaction:
            with self.connection:
                yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def check(self) -> list[str]:
        """What PRAGMA integrity_check finds; empty when the database is whole."""
        try:
            return [row[0] for row in self.rows("PRAGMA integrity_check") if row[0] != "ok"]
        except apsw.Error as error:
            return [str(error)]

    def rows(self, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of one statement, streamed; values are bound."""
        return iter(self.connection.execute(statement, values))

    # ---- sources

    def put_source(self, source: MirrorSource) -> None:
        """Record one source."""
        insert_row(self.connection, "sources", columns_of(source))

    def sources(self) -> list[MirrorSource]:
        """Every source, sorted by name."""
        return list(self._select(MirrorSource, "sources ORDER BY source"))

    def source(self, name: str) -> MirrorSource | None:
        """One source by its name."""
        return next(self._select(MirrorSource, "sources WHERE source = ?", name), None)

    def drop_source(self, name: str) -> None:
        """Forget a source, its torrents, files and lists. The others are to list their torrents again: they may have had the same."""
        self.connection.execute("DELETE FROM files WHERE infohash IN (SELECT infohash FROM torrents WHERE source = ?)", (name,))
        for table in ("torrents", "lists", "sources"):
            self.connection.execute(f"DELETE FROM {table} WHERE source = ?", (name,))
        self.connection.execute("INSERT OR REPLACE INTO proofs SELECT 'relist ' || source, 'yes' FROM sources")

    def is_to_list_again(self, name: str) -> bool:
        """Whether another source was forgotten since this one listed its torrents."""
        return self.value(f"relist {name}") == "yes"

    def has_listed(self, name: str) -> None:
        """It did, just now."""
        self.connection.execute("DELETE FROM proofs WHERE name = ?", (f"relist {name}",))

    # ---- torrents

    def put_torrent(self, torrent: MirrorTorrent) -> None:
        """Record one torrent."""
        insert_row(self.connection, "torrents", columns_of(torrent))

    def torrent(self, infohash: str) -> MirrorTorrent | None:
        """One torrent by its infohash."""
        return next(self._select(MirrorTorrent, "torrents WHERE infohash = ?", infohash), None)

    def torrents(self, *, source: str | None = None, states: Iterable[TorrentWork] | None = None) -> list[MirrorTorrent]:
        """Torrents of one source or all, in these states or any; metadata first, then by container."""
        where, values = ["1"], list[Any]()
        if source is not None:
            where.append("source = ?")
            values.append(source)
        if states is not None:
            listed = list(states)
            where.append(f"state IN ({', '.join('?' * len(listed))})")
            values += listed
        return list(
            self._select(MirrorTorrent, f"torrents WHERE {' AND '.join(where)} ORDER BY is_metadata DESC, container, infohash", *values)
        )

    def torrents_of_container(self, container: str) -> list[MirrorTorrent]:
        """Every torrent of this name, of whatever source."""
        return list(self._select(MirrorTorrent, "torrents WHERE container = ? ORDER BY infohash", container))

    def set_work(self, infohash: str, state: TorrentWork, *, second: int = 0) -> None:
        """What is being done with a torrent; `second` is when it came to be held."""
        self.connection.execute(
            "UPDATE torrents SET state = ?1, held_at = CASE WHEN ?1 = 'held' THEN ?2 ELSE held_at END WHERE infohash = ?3",
            (state, second, infohash),
        )

    # ---- files

    def put_files(self, files: Iterable[MirrorFile]) -> None:
        """Record the files of a torrent that was chosen; what is known of them already stays, but for the SHA-256."""
        names = column_names(MirrorFile)
        statement = f"""INSERT INTO files ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET sha256 = coalesce(excluded.sha256, files.sha256)"""
        self.connection.executemany(statement, (tuple(columns_of(file).values()) for file in files))

    def files_of(self, infohash: str, *, states: Iterable[FileCondition] | None = None) -> Iterator[MirrorFile]:
        """The files of a torrent in order, in these states or any."""
        where, values = "infohash = ?", [infohash]
        if states is not None:
            listed = list(states)
            where += f" AND state IN ({', '.join('?' * len(listed))})"
            values += listed
        return self._select(MirrorFile, f"files WHERE {where} ORDER BY position", *values)

    def file(self, infohash: str, position: int) -> MirrorFile | None:
        """One file of a torrent."""
        return next(self._select(MirrorFile, "files WHERE infohash = ? AND position = ?", infohash, position), None)

    def files_at(self, path: str) -> list[MirrorFile]:
        """The files of this path below containers/, one a torrent that names it."""
        return list(self._select(MirrorFile, "files WHERE path = ? ORDER BY infohash", path))

    def holders_of(self, source: str, path: str, infohash: str, *, below: bool = True) -> list[str]:
        """Other torrents of a source, not dropped, that have a file at this path, or with `below` anywhere under it."""
        # CROSS: paths are looked up first. Else SQLite reads every file of the source for each of them.
        where = "(files.path = ?1 OR files.path > ?1 || '/' AND files.path < ?1 || '0')" if below else "files.path = ?1"
        statement = f"""SELECT DISTINCT infohash FROM files CROSS JOIN torrents USING (infohash)
            WHERE {where} AND infohash <> ?2 AND torrents.source = ?3 AND torrents.state <> 'dropped' ORDER BY infohash LIMIT 2"""
        return [row[0] for row in self.rows(statement, path, infohash, source)]

    def files_in(self, *states: FileCondition) -> Iterator[MirrorFile]:
        """Every file in one of these states, the one that was proved longest ago first."""
        marks = ", ".join("?" * len(states))
        return self._select(MirrorFile, f"files WHERE state IN ({marks}) ORDER BY proved_at, infohash, position", *states)

    def oldest(self, limit: int) -> list[MirrorFile]:
        """The held files whose last proof is the longest ago, oldest first; never proved ones before all."""
        return list(self._select(MirrorFile, "files WHERE state = 'held' ORDER BY proved_at, infohash, position LIMIT ?", limit))

    def set_held(self, good: Iterable[tuple[str, int, int, int]]) -> None:
        """These files were read and are good: infohash, position, Unix second, mtime_ns."""
        statement = "UPDATE files SET state = 'held', proved_at = ?3, mtime_ns = ?4 WHERE infohash = ?1 AND position = ?2"
        self.connection.executemany(statement, good)

    def set_condition(self, infohash: str, position: int, state: FileCondition) -> None:
        """A file was found damaged, or is lost or absent."""
        self.connection.execute("UPDATE files SET state = ? WHERE infohash = ? AND position = ?", (state, infohash, position))

    def forget_files(self, infohash: str) -> None:
        """The files of a torrent that is dropped."""
        self.connection.execute("DELETE FROM files WHERE infohash = ?", (infohash,))

    def counts_of_files(self, infohash: str | None = None) -> dict[str, tuple[int, int]]:
        """Files and bytes by state, of one torrent or of all."""
        where, values = ("WHERE infohash = ?", (infohash,)) if infohash else ("", ())
        return {
            row[0]: (row[1], row[2])
            for row in self.rows(f"SELECT state, count(*), coalesce(sum(size), 0) FROM files {where} GROUP BY state", *values)
        }

    # ---- lists

    def put_lists(self, source: str, lists: Iterable[MirrorList]) -> None:
        """These are the files of a release outside containers/, and no others."""
        self.connection.execute("DELETE FROM lists WHERE source = ?", (source,))
        names = column_names(MirrorList)
        marks = ", ".join("?" * len(MirrorList.__struct_fields__))
        self.connection.executemany(f"INSERT INTO lists ({names}) VALUES ({marks})", (tuple(columns_of(one).values()) for one in lists))

    def put_list(self, one: MirrorList) -> None:
        """Record one of them."""
        insert_row(self.connection, "lists", columns_of(one))

    def lists(self, source: str | None = None) -> Iterator[MirrorList]:
        """The lists of one source or of all, by path."""
        where, values = ("WHERE source = ?", (source,)) if source is not None else ("", ())
        return self._select(MirrorList, f"lists {where} ORDER BY source, path", *values)

    # ---- findings and mends

    def put_finding(self, step: str, finding: Finding, second: int) -> None:
        """Record one finding of `step`."""
        values = {"step": step, "path": os.fsencode(finding.path), "code": finding.code, "fact": finding.fact, "track": finding.track,
                  "container": finding.container, "found_at": second}  # fmt: skip
        insert_row(self.connection, "findings", values)

    def drop_findings(self, step: str, path: str | None = None) -> None:
        """Forget what `step` found, of one path or of all."""
        if path is None:
            self.connection.execute("DELETE FROM findings WHERE step = ?", (step,))
        else:
            self.connection.execute("DELETE FROM findings WHERE step = ? AND path = ?", (step, os.fsencode(path)))

    def findings(self, step: str | None = None) -> Iterator[Finding]:
        """What was found and still stands, sorted by path."""
        where, values = ("WHERE step = ?", (step,)) if step else ("", ())
        statement = f"SELECT code, path, fact, track, container FROM findings {where} ORDER BY step, path, code"
        for code, path, fact, track, container in self.rows(statement, *values):
            yield Finding(code=code, path=show_path(path), fact=fact, track=track, container=container)

    def put_mend(self, mend: Mend) -> int:
        """Record that a rung is tried; its number, for `end_mend`."""
        columns = columns_of(mend)
        statement = f"INSERT INTO mends ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        self.connection.execute(statement, tuple(columns.values()))
        return self.connection.last_insert_rowid()

    def end_mend(self, number: int, second: int, result: str, fact: str) -> None:
        """What came of it."""
        self.connection.execute("UPDATE mends SET ended_at = ?, result = ?, fact = ? WHERE mend = ?", (second, result, fact, number))

    def mends_of(self, infohash: str, position: int) -> list[Mend]:
        """Every rung that was tried for a file, oldest first."""
        return list(self._select(Mend, "mends WHERE infohash = ? AND position = ? ORDER BY mend", infohash, position))

    # ---- what others hold

    def put_scrapes(self, scrapes: Iterable[ScrapeRow]) -> None:
        """Record what trackers counted."""
        marks = ", ".join("?" * len(ScrapeRow.__struct_fields__))
        self.connection.executemany(f"INSERT OR REPLACE INTO scrapes ({column_names(ScrapeRow)}) VALUES ({marks})", map(_values, scrapes))

    def scrapes(self, infohash: str | None = None) -> Iterator[ScrapeRow]:
        """What trackers counted, of one torrent or of all."""
        where, values = ("WHERE infohash = ?", (infohash,)) if infohash else ("", ())
        return self._select(ScrapeRow, f"scrapes {where} ORDER BY infohash, tracker", *values)

    def put_announcement(self, row: AnnouncementRow) -> None:
        """Record what another mirror signed."""
        insert_row(self.connection, "announcements", columns_of(row))

    def announcements(self) -> list[AnnouncementRow]:
        """What other mirrors signed, by key."""
        return list(self._select(AnnouncementRow, "announcements ORDER BY key"))

    # ---- where a schedule stands

    def put_value(self, name: str, value: str) -> None:
        """Keep one small text under a name."""
        insert_row(self.connection, "proofs", {"name": name, "value": value})

    def value(self, name: str) -> str | None:
        """The text under a name."""
        return next((row[0] for row in self.rows("SELECT value FROM proofs WHERE name = ?", name)), None)

    def _select(self, kind: type[Row], rest: str, *values: Any) -> Iterator[Row]:
        for row in self.rows(f"SELECT {column_names(kind)} FROM {rest}", *values):
            yield _read(kind, row)


def _values(struct: msgspec.Struct) -> tuple[Any, ...]:
    return tuple(columns_of(struct).values())


def _read(kind: type[Row], row: tuple[Any, ...]) -> Row:
    values = dict(zip(kind.__struct_fields__, row, strict=True))
    for name in ("is_in_place", "is_metadata", "is_obsolete"):
        if name in values:
            values[name] = bool(values[name])
    if isinstance(values.get("selection"), str):
        values["selection"] = msgspec.json.decode(values["selection"], type=tuple[str, ...])
    return kind(**values)
