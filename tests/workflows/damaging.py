"""Everything that can happen to files on a disk, done to an archive or a mirror on purpose."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


def flip(path: Path, offset: int | None = None) -> None:
    """Another bit somewhere; name, size and links stay."""
    status = path.stat()
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        at = status.st_size // 2 if offset is None else offset
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))
    os.chmod(path, status.st_mode & 0o777)


def cut(path: Path, size: int) -> None:
    """Cut short."""
    os.chmod(path, 0o644)
    os.truncate(path, size)


def swap(one: Path, other: Path) -> None:
    """Two files under each other's names."""
    aside = one.with_name("aside")
    os.rename(one, aside)
    os.rename(other, one)
    os.rename(aside, other)


def members_of(containers: Path, word: str = "data__") -> list[Path]:
    """The members in folders whose names hold a word, sorted."""
    return sorted(path for path in containers.rglob("*") if word in path.parent.name and path.is_file())


def forget_sources(archive: Path) -> None:
    """The disk that the music came from is gone."""
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        ledger.execute("UPDATE sources SET path = CAST('/nowhere/' || hex(path) AS BLOB)")


def add_settings(archive: Path, text: str) -> None:
    """More tables at the end of archive.toml."""
    with open(archive / "archive.toml", "a") as file:
        file.write(text)
