"""When each byte of an archive was last read and found good, by age; and what was tried to mend what was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apsw
import msgspec

PAGE_ROWS = 500


class FileProof(msgspec.Struct, frozen=True):
    """One file that is neither member nor metadata file, by its path below the archive; `sha256` '' for a database."""

    name: str
    size: int
    sha256: str
    track: str | None
    proved_at: int


class MemberProof(msgspec.Struct, frozen=True):
    """One member of a container that is not obsolete."""

    row: int
    aacid: str
    container: str
    data_folder: str
    size: int
    sha256: str
    id: str
    proved_at: int


class ProofLedger:
    """The part of the ledger that is about proofs and mends."""

    connection: apsw.Connection

    def rows(self, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of one statement, streamed; values are bound."""
        return iter(self.connection.execute(statement, values))

    def proof_groups(self) -> Iterator[tuple[int, int, int, int]]:
        """Earliest second, files, bytes and latest second of what was proved on the same day, of members, metadata files and others."""
        yield from self._grouped(
            "m.proved_at", "m.size", "members m JOIN containers c ON c.name = m.container", "c.state = 'current' AND m.sha256 <> ''"
        )
        yield from self._grouped("metadata_proved_at", "metadata_bytes", "containers", "state = 'current'")
        yield from self._grouped("proved_at", "size", "proofs", "1")

    def _grouped(self, at: str, size: str, tables: str, where: str) -> Iterator[tuple[int, int, int, int]]:
        for row in self.rows(f"SELECT min({at}), count(*), sum({size}), max({at}) FROM {tables} WHERE {where} GROUP BY {at} / 86400"):
            yield row[0], row[1], row[2], row[3]

    def members_by_age(self, before: int) -> Iterator[MemberProof]:
        """Members that were last proved before `before`, oldest first, read in pages: the ledger may be written meanwhile."""
        statement = """SELECT m.rowid, m.aacid, m.container, c.data_folder, m.size, m.sha256, m.id, m.proved_at
            FROM members m CROSS JOIN containers c ON c.name = m.container
            WHERE (m.proved_at, m.rowid) > (?, ?) AND m.proved_at < ?
            AND c.state = 'current' AND m.sha256 <> '' AND c.data_folder IS NOT NULL
            ORDER BY m.proved_at, m.rowid LIMIT ?"""
        last = (-1, 0)
        while page := [MemberProof(*row) for row in self.rows(statement, *last, before, PAGE_ROWS)]:
            yield from page
            last = (page[-1].proved_at, page[-1].row)

    def proofs_by_age(self, before: int) -> Iterator[FileProof]:
        """Files that are in no container and were last proved before `before`, oldest first."""
        statement = """SELECT name, size, sha256, track, proved_at FROM proofs
            WHERE (proved_at, name) > (?, ?) AND proved_at < ? ORDER BY proved_at, name LIMIT ?"""
        last = (-1, "")
        while page := [FileProof(*row) for row in self.rows(statement, *last, before, PAGE_ROWS)]:
            yield from page
            last = (page[-1].proved_at, page[-1].name)

    def file_proof(self, name: str) -> FileProof | None:
        """One of them."""
        return next(
            (FileProof(*row) for row in self.rows("SELECT name, size, sha256, track, proved_at FROM proofs WHERE name = ?", name)), None
        )

    def put_proofs(self, folder: str, files: Iterable[tuple[str, int, str, str | None]]) -> None:
        """These files (path below the archive, size, SHA-256, track) and no others are below `folder`; what is known of them stays."""
        self.connection.execute("CREATE TEMP TABLE IF NOT EXISTS listed (name TEXT PRIMARY KEY, size, sha256, track) WITHOUT ROWID")
        self.connection.execute("DELETE FROM listed")
        self.connection.executemany("INSERT OR IGNORE INTO listed VALUES (?, ?, ?, ?)", files)
        self.connection.execute(
            """DELETE FROM proofs WHERE substr(name, 1, length(?1)) = ?1 AND NOT EXISTS
            (SELECT 1 FROM listed l WHERE l.name = proofs.name AND l.sha256 = proofs.sha256)""", (folder,)
        )  # fmt: skip
        self.connection.execute(
            "INSERT INTO proofs SELECT name, size, sha256, track, 0 FROM listed WHERE 1 ON CONFLICT DO UPDATE SET size = excluded.size"
        )

    def set_file_proved(self, name: str, second: int) -> None:
        """Every byte of this file was read and found good."""
        self.connection.execute("UPDATE proofs SET proved_at = ? WHERE name = ?", (second, name))

    def set_metadata_proved(self, metadata_file: str, second: int) -> None:
        """Every byte of this metadata file was read and found good."""
        self.connection.execute("UPDATE containers SET metadata_proved_at = ? WHERE metadata_file = ?", (second, metadata_file))

    # ---- mends

    def put_mend(self, name: str, began_at: int, rung: str, fact: str) -> int:
        """Record that a rung is tried; its number, for `end_mend`."""
        statement = "INSERT INTO mends (name, began_at, rung, result, fact) VALUES (?, ?, ?, 'tried', ?)"
        self.connection.execute(statement, (name, began_at, rung, fact))
        return self.connection.last_insert_rowid()

    def end_mend(self, number: int, second: int, result: str, fact: str) -> None:
        """What came of it: mended or failed."""
        self.connection.execute("UPDATE mends SET ended_at = ?, result = ?, fact = ? WHERE mend = ?", (second, result, fact, number))

    def mends_of(self, name: str) -> list[tuple[str, str, str]]:
        """Rung, result and fact of all that was tried for a file, oldest first."""
        return [(row[0], row[1], row[2]) for row in self.rows("SELECT rung, result, fact FROM mends WHERE name = ? ORDER BY mend", name)]
