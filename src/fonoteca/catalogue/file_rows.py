"""Where the files of tracks lie: rows written, moved with their container, forgotten."""

from __future__ import annotations

from typing import Any

from fonoteca.catalogue.aacids import compact_aacid, parse_aacid
from fonoteca.catalogue.records import FileRow
from fonoteca.catalogue.statements import Statements

_COLUMNS = "container, kind, size, sha256, second, short, source_sha256, essence_sha256, aacid"
_INSERT = f"INSERT INTO files (track, position, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = f"UPDATE files SET ({_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE track = ? AND position = ?"
_COMPACT = """
SELECT f.track, f.position FROM files f JOIN containers c USING (container)
WHERE f.track = ? AND f.second = ? AND f.short = ? AND c.collection = ?
"""


class FileRows:
    """Writes the table of files through one connection; what calls it holds a transaction."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put(self, track: int, track_id: str, file: FileRow) -> None:
        """Insert or replace the file of this AACID, whichever track had it."""
        container = self._container(file)
        second, short, aacid = compact_aacid(file.aacid, file.collection, track_id)
        source, essence = (None if text is None else bytes.fromhex(text) for text in (file.source_sha256, file.essence_sha256))
        values = (container, self._kind(file), file.size, bytes.fromhex(file.sha256), second, short, source, essence, aacid)
        former = self._former(track, file.aacid)
        if former is not None and former[0] == track:
            self._sql.run(_UPDATE, (*values, *former))
            return
        if former is not None:
            self._sql.run("DELETE FROM files WHERE track = ? AND position = ?", former)
        position = self._sql.value("SELECT coalesce(max(position) + 1, 0) FROM files WHERE track = ?", (track,))
        self._sql.run(_INSERT, (track, position, *values))

    def _former(self, track: int, aacid: str) -> tuple[Any, ...] | None:
        parts = parse_aacid(aacid)
        found = parts and self._sql.row(_COMPACT, (track, parts.second, parts.short, parts.collection))
        return found or self._sql.row("SELECT track, position FROM files WHERE aacid = ?", (aacid,))

    def _container(self, file: FileRow) -> int:
        upsert = """INSERT INTO containers (name, collection, is_public) VALUES (?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET is_public = excluded.is_public RETURNING container"""
        return int(self._sql.value(upsert, (file.container, file.collection, file.is_public)))

    def _kind(self, file: FileRow) -> int:
        values = (file.format, file.tier, file.is_derived, file.is_original_restorable)
        query = "SELECT kind FROM file_kinds WHERE format = ? AND tier = ? AND is_derived = ? AND is_original_restorable = ?"
        known = self._sql.value(query, values)
        if known is not None:
            return int(known)
        insert = "INSERT INTO file_kinds (format, tier, is_derived, is_original_restorable) VALUES (?, ?, ?, ?) RETURNING kind"
        return int(self._sql.value(insert, values))

    def drop_container(self, name: str) -> int:
        """Forget a container and where its files lay; gives how many files those were."""
        container = self._sql.value("SELECT container FROM containers WHERE name = ?", (name,))
        self._sql.run("DELETE FROM files WHERE container = ?", (container,))
        dropped: int = self._sql.connection.changes()
        self._sql.run("DELETE FROM containers WHERE container = ?", (container,))
        return dropped
