"""What people ask of an edition, timed: look-ups hot and cold, searches, typos, shuffles."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from fonoteca.catalogue.edition_reading import Edition
from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.search import search
from fonoteca.catalogue.shuffle import start_shuffle
from search_questions import hard_questions, search_questions

HOT, COLD = 3_000, 300
_BY_ID = "SELECT track, title, artist, album FROM tracks WHERE substr(id, 1, 6) = substr(?1, 1, 6) AND +id = ?1"
_BY_ISRC = "SELECT track, title, artist, album FROM tracks WHERE isrc_number = ?1"
_BY_ALBUM = "SELECT track, title FROM tracks WHERE album = ?1"
_BY_HASH = "SELECT track, size FROM files WHERE substr(sha256, 1, 4) = substr(?1, 1, 4) AND +sha256 = ?1"
Ask = Callable[[Any], object]


def ask_all(path: Path) -> dict[str, dict[str, float]]:
    """p50 and p99 in milliseconds by what was asked; prints them."""
    found: dict[str, dict[str, float]] = {}

    def tell(name: str, times: Sequence[float]) -> None:
        ordered = sorted(times)
        found[name] = {
            "p50_ms": ordered[len(ordered) // 2] * 1000,
            "p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000,
        }
        print(f"  {name:34} p50 {found[name]['p50_ms']:9.4f} ms   p99 {found[name]['p99_ms']:9.4f} ms", flush=True)

    chance = random.Random(11)
    _look_ups(path, chance, tell)
    _searches(path, chance, tell)
    _shuffles(path, chance, tell)
    return found


def _open(path: Path) -> apsw.Connection:
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)


def _rows(path: Path, chance: random.Random, count: int, columns: str, table: str = "tracks", key: str = "track") -> list[Any]:
    connection = _open(path)
    last = connection.execute(f"SELECT max({key}) FROM {table}").get
    found: list[Any] = []
    while len(found) < count:
        at = chance.randint(1, last)
        condition = " AND ".join(f"{name} IS NOT NULL" for name in columns.split(", "))
        row = connection.execute(f"SELECT {columns} FROM {table} WHERE {key} >= ? AND {condition} LIMIT 1", (at,)).fetchone()
        if row is not None:
            found.append(row if len(row) > 1 else row[0])
    connection.close()
    return found


def _times(ask: Ask, questions: Sequence[Any]) -> list[float]:
    times = []
    for question in questions:
        started = time.perf_counter()
        ask(question)
        times.append(time.perf_counter() - started)
    return times


def forget(path: Path) -> None:
    """Take the file out of the page cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def _look_ups(path: Path, chance: random.Random, tell: Callable[[str, Sequence[float]], None]) -> None:
    asked = {
        "look-up by id": (_BY_ID, "id", "tracks", "track"), "look-up by ISRC": (_BY_ISRC, "isrc_number", "tracks", "track"),
        "tracks of an album": (_BY_ALBUM, "album", "tracks", "track"), "file by SHA-256": (_BY_HASH, "sha256", "files", "track"),
    }  # fmt: skip
    for name, (sql, columns, table, key) in asked.items():
        hot, cold = _rows(path, chance, HOT, columns, table, key), _rows(path, chance, COLD, columns, table, key)
        connection = _open(path)
        ask = _asking(connection, sql)
        _times(ask, hot)
        tell(f"{name}, hot", _times(ask, hot))
        connection.close()
        forget(path)
        connection = _open(path)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        tell(f"{name}, cold", _times(_asking(connection, sql), cold))
        connection.close()


def _asking(connection: apsw.Connection, sql: str) -> Ask:
    return lambda value: connection.execute(sql, (value,)).fetchall()


def _searches(path: Path, chance: random.Random, tell: Callable[[str, Sequence[float]], None]) -> None:
    """Each text asked four times, the middle one of the last three counted, in seconds of the processor: other programs count less."""
    read_search(path)
    asked = {**search_questions(path, chance), **hard_questions(path, chance)}
    with Edition.open(path) as edition:
        for kind, texts in asked.items():
            tell(f"search, {kind}", [_middle_time(edition, text) for text in texts])


def _middle_time(edition: Edition, text: str) -> float:
    search(edition, text)
    times = []
    for _ in range(3):
        started = time.process_time()
        search(edition, text)
        times.append(time.process_time() - started)
    return sorted(times)[1]


def read_search(path: Path) -> None:
    """Read the search tables once, as a server does when it starts."""
    connection = _open(path)
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE name GLOB '*_search_*_data' OR name IN ('words', 'spellings')"
    ).fetchall()
    for name in (str(row[0]) for row in tables):
        column = {"words": "tracks", "spellings": "length(entries)"}.get(name, "length(block)")
        connection.execute(f"SELECT sum({column}) FROM {name}").fetchall()
    connection.close()


def _shuffles(path: Path, chance: random.Random, tell: Callable[[str, Sequence[float]], None]) -> None:
    with Edition.open(path) as edition:

        def first(seed: str) -> object:
            return next(iter(start_shuffle(edition, TrackFilter(), seed)))

        seeds = [str(chance.random()) for _ in range(100)]
        first("warm")
        tell("shuffle, first track", _times(first, seeds))
        tracks = iter(start_shuffle(edition, TrackFilter(), "next"))
        tell("shuffle, next track", _times(lambda _: next(tracks), range(3000)))
