"""A set of any number of paths that takes a bounded amount of memory: SQLite keeps it in a temporary file."""

from __future__ import annotations

import hashlib
import os
from typing import Self

import apsw


class PathSet:
    """Paths by a digest of 16 bytes each; adding is idempotent."""

    def __init__(self) -> None:
        self._connection = apsw.Connection("")
        self._connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -20000")
        self._connection.execute("CREATE TABLE paths (digest BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN")

    def add(self, path: str) -> None:
        """Remember a path."""
        self._connection.execute("INSERT OR IGNORE INTO paths VALUES (?)", (_digest(path),))

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._connection.execute("SELECT 1 FROM paths WHERE digest = ?", (_digest(path),)).get is not None

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _digest(path: str) -> bytes:
    return hashlib.blake2b(os.fsencode(path), digest_size=16).digest()
