"""Where the same bytes may lie on this machine: named copies, snapshots of the pool, and what lies about under a wrong name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw


def names_in_copies(name: str) -> list[str]:
    """Under which paths a copy may have a file of this name below an archive or mirror."""
    parts = name.split("/")
    inner = parts[2:] if parts[0] == "held" and len(parts) > 2 else parts[1:] if parts[0] == "release" else parts
    tries = [parts, inner, ["release", *inner]]
    if inner[0] == "containers":
        tries.append(inner[1:])
    return list(dict.fromkeys("/".join(one) for one in tries if one))


def places_in_copies(folders: Iterable[Path], name: str) -> Iterator[Path]:
    """The file in folders that hold the same: archives, releases, mirrors, folders of containers."""
    inner = [one for one in names_in_copies(name) if one.startswith("containers/") or not one.startswith(("held/", "release/"))]
    for folder in folders:
        yield from (folder / one for one in names_in_copies(name))
        if (folder / "held").is_dir():
            yield from (source / one for source in sorted((folder / "held").iterdir()) for one in inner)


def places_in_snapshots(path: Path) -> Iterator[Path]:
    """The file in the snapshots of every file system above it (`.zfs/snapshot/*` at the top of one), newest first."""
    path = Path(os.path.abspath(path))
    for top in path.parents:
        folder = top / ".zfs" / "snapshot"
        if folder.is_dir():
            for snapshot in _newest_first(folder):
                yield snapshot / path.relative_to(top)


def _newest_first(folder: Path) -> list[Path]:
    """By the time of the snapshot's own top folder, then by name: both go forward with usual names."""
    try:
        found = [(entry.stat().st_mtime_ns, entry.name) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []
    return [folder / name for _, name in sorted(found, reverse=True)]


class LyingAbout:
    """Files whose bytes may be those of another: damaged ones (two that were swapped), strangers, bad bytes set aside.

    Found by size; a SHA-256 is taken only where a size fits, and kept.
    """

    def __init__(self) -> None:
        self._connection = apsw.Connection("")
        self._connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192")
        self._connection.execute("CREATE TABLE lying (path BLOB PRIMARY KEY, size INTEGER, sha256 TEXT) WITHOUT ROWID")
        self._connection.execute("CREATE INDEX by_size ON lying (size); BEGIN")

    def add(self, path: Path) -> None:
        """One more, where it is a file."""
        try:
            status = os.lstat(path)
        except OSError:
            return
        if os.path.isfile(path) and not os.path.islink(path):
            self._connection.execute("INSERT OR REPLACE INTO lying VALUES (?, ?, NULL)", (os.fsencode(path), status.st_size))

    def remove(self, path: Path) -> None:
        """It lies there no more."""
        self._connection.execute("DELETE FROM lying WHERE path = ?", (os.fsencode(path),))

    def places(self, size: int | None, sha256: str) -> Iterator[Path]:
        """Those with this SHA-256."""
        where, values = ("size = ?", (size,)) if size is not None else ("1", ())
        if not sha256:
            return
        rows: list[tuple[Any, ...]] = self._connection.execute(f"SELECT path, sha256 FROM lying WHERE {where}", values).fetchall()
        for path, known in rows:
            found = known or self._hash(path)
            if found == sha256:
                yield Path(os.fsdecode(path))

    def _hash(self, path: bytes) -> str:
        found = sha256_of(Path(os.fsdecode(path))) or "-"
        self._connection.execute("UPDATE lying SET sha256 = ? WHERE path = ?", (found, path))
        return found

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()


class OriginalsIndex:
    """Files in folders of originals by size and SHA-256: each folder is walked once, each file of a fitting size hashed once."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._lying: LyingAbout | None = None

    def places(self, size: int | None, sha256: str) -> Iterator[Path]:
        """Files with this SHA-256; without a size nothing is looked for, since everything would be read."""
        if size is None or not self._folders:
            return
        if self._lying is None:
            self._lying = LyingAbout()
            for folder in self._folders:
                for top, _, names in os.walk(folder):
                    for name in names:
                        self._lying.add(Path(top, name))
        yield from self._lying.places(size, sha256)


def sha256_of(path: Path) -> str | None:
    """In hex; None where it is no file that can be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(handle, "rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
