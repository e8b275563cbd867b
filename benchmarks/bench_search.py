"""Search over an edition: one to six words, prefixes and typos, beside one plain FTS5 table ranked by bm25 over the same rows.

bench_search.py [ROWS]      a million without it; the figures of docs/performance.md are of four million
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import numpy as np

from archives import working_folder
from fonoteca.catalogue.schema import EDITION_INDEXES, TABLES, VIEWS
from fonoteca.catalogue.search import search
from fonoteca.catalogue.search_build import TEXTS, build_search
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.workers import count_cores

QUERIES = 400
SYLLABLES = [first + vowel for first in (*"bcdfghklmnprstvw", "ch", "st", "tr") for vowel in (*"aeiou", "ai", "er", "on")]


class Opened:
    """An edition as search wants it."""

    is_edition = True

    def __init__(self, path: Path) -> None:
        self.statements = Statements(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY), path)


def make_words(count: int, chance: np.random.Generator) -> list[str]:
    """Distinct words of one to four syllables, the short ones first."""
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(SYLLABLES[place] for place in chance.integers(0, len(SYLLABLES), chance.integers(1, 5)))] = None
    return sorted(words, key=len)


def make_names(words: list[str], count: int, longest: int, chance: np.random.Generator) -> list[str]:
    """Names of one to `longest` words, whose frequencies fall as those of real titles do (Zipf)."""
    lengths = chance.integers(1, longest + 1, count)
    ranks = (len(words) ** chance.random(lengths.sum())).astype(int) - 1
    taken = iter(ranks.tolist())
    return [" ".join(words[next(taken)] for _ in range(length)).title() for length in lengths.tolist()]


def write_tables(path: Path, rows: int) -> None:
    """The tables that search reads, ranked as in an edition: 16 tracks an artist, 4 an album."""
    chance = np.random.default_rng(3)
    words = make_words(max(20_000, rows // 20), chance)
    path.unlink(missing_ok=True)
    connection = apsw.Connection(str(path))
    for pragma in ("page_size = 4096", "journal_mode = OFF", "synchronous = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    with connection:
        connection.execute(TABLES + "CREATE TABLE edition (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;")
        artists, albums = rows // 16 + 1, rows // 4 + 1
        named = enumerate(make_names(words, artists, 3, chance), 1)
        connection.executemany(
            "INSERT INTO artists (artist, id, name) VALUES (?, ?, ?)", ((row, f"{row:022d}", name) for row, name in named)
        )
        titles = zip(
            range(1, albums + 1), make_names(words, albums, 4, chance), chance.integers(1, artists + 1, albums).tolist(), strict=True
        )
        album_rows = ((row, f"{row:022d}", title, artist, "2001") for row, title, artist in titles)
        connection.executemany("INSERT INTO albums (album, id, title, artist, date) VALUES (?, ?, ?, ?, ?)", album_rows)
        connection.executemany(
            "INSERT INTO tracks (track, id, title, artist, album, popularity, state) VALUES (?, ?, ?, ?, ?, ?, 0)",
            make_tracks(words, rows, artists, albums, chance),
        )
        connection.execute(EDITION_INDEXES + VIEWS)
    connection.close()


def make_tracks(words: list[str], rows: int, artists: int, albums: int, chance: np.random.Generator) -> Iterator[tuple[object, ...]]:
    """Rows of tracks in order of rank."""
    first = 1
    while first <= rows:
        count = min(100_000, rows + 1 - first)
        columns = (
            make_names(words, count, 5, chance),
            chance.integers(1, artists, count).tolist(),
            chance.integers(1, albums, count).tolist(),
        )
        for row, title, artist, album in zip(range(first, first + count), *columns, strict=True):
            yield row, f"{row:022d}", title, artist, album, float(100 - 100 * row // rows)
        first += count


def write_plain(edition: Path, path: Path) -> None:
    """One FTS5 table over the same names, as its manual begins."""
    path.unlink(missing_ok=True)
    connection = apsw.Connection(str(path))
    for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF"):
        connection.execute(statement)
    connection.execute("ATTACH ? AS e", (str(edition),))
    connection.execute("CREATE VIRTUAL TABLE plain USING fts5(title, artist, album, tokenize='unicode61 remove_diacritics 2')")
    with connection:
        connection.execute("""INSERT INTO plain (rowid, title, artist, album) SELECT t.track, t.title, a.name, b.title
            FROM e.tracks t JOIN e.artists a USING (artist) JOIN e.albums b USING (album)""")
    connection.close()


def make_queries(edition: Opened, rows: int) -> dict[str, list[str]]:
    """Queries whose words come from rows that are there, so that they find something; typos leave out a letter."""
    chance = np.random.default_rng(5)
    queries: dict[str, list[str]] = {}
    for kind, take in _KINDS.items():
        asked: list[str] = []
        while len(asked) < QUERIES:
            found = edition.statements.row(f"{TEXTS['track']} WHERE t.track = ?", (int(chance.integers(1, rows + 1)),))
            assert found is not None
            words = list(dict.fromkeys(" ".join(name for name in found[1:] if name).lower().split()))
            text = take(list(chance.permutation(words)))
            asked += [text] if text else []
        queries[kind] = asked
    return queries


def _first(count: int) -> Callable[[list[str]], str]:
    return lambda words: " ".join(words[:count]) + " " if len(words) >= count else ""


def _mistyped(words: list[str]) -> str:
    long = [word for word in words if len(word) >= 6]
    return long[0][:3] + long[0][4:] + " " if long else ""


_KINDS: dict[str, Callable[[list[str]], str]] = {
    **{f"{count} word{'s' * (count > 1)}": _first(count) for count in range(1, 7)},
    "one prefix of 3": lambda words: words[0][:3] if len(words[0]) > 3 else "",
    "one prefix of 1": lambda words: words[0][:1],
    "word and prefix of 2": lambda words: f"{words[0]} {words[1][:2]}" if len(words) > 1 else "",
    "mistyped word": _mistyped,
}


def time_all(ask: Callable[[str], object], queries: list[str]) -> tuple[float, float]:
    """(p50, p99) in milliseconds of this thread, which a busy machine lengthens less; after one pass that warms the caches."""
    for text in queries:
        ask(text)
    times = []
    for text in queries:
        started = time.thread_time()
        ask(text)
        times.append(time.thread_time() - started)
    return float(np.percentile(times, 50) * 1000), float(np.percentile(times, 99) * 1000)


def ask_plain(connection: apsw.Connection, text: str) -> list[tuple[object, ...]]:
    """The twenty best of the plain table."""
    words = [f'"{word}"' for word in text.split()]
    expression = " ".join(words) + ("" if text.endswith(" ") else " *")
    sql = "SELECT rowid, title, artist, album FROM plain WHERE plain MATCH ? ORDER BY rank LIMIT 20"
    return list(connection.execute(sql, (expression,)))


def main() -> None:
    """Build both, ask both."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with working_folder() as folder:
        path, plain_path = folder / "edition.sqlite3", folder / "plain.sqlite3"
        write_tables(path, rows)
        size = path.stat().st_size
        connection = apsw.Connection(str(path))
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        started = time.perf_counter()
        counts = build_search(connection, jobs=count_cores(), scratch=folder)
        connection.close()
        took = time.perf_counter() - started
        grown = path.stat().st_size - size
        print(f"{rows:,} tracks: index built in {took:.1f} s, {counts.words:,} words, {grown / rows:.1f} bytes a track")
        started = time.perf_counter()
        write_plain(path, plain_path)
        print(f"plain FTS5 built in {time.perf_counter() - started:.1f} s, {plain_path.stat().st_size / rows:.1f} bytes a track")
        edition, plain = Opened(path), apsw.Connection(str(plain_path))
        for one in (edition.statements.connection, plain):
            one.execute("PRAGMA cache_size = -262144")
        for kind, queries in make_queries(edition, rows).items():
            own = time_all(lambda text: search(edition, text), queries)
            found = sum(bool(search(edition, text).found) for text in queries[:100])
            beside = time_all(lambda text: ask_plain(plain, text), queries[:100])
            print(f"{kind:>22}: {own[0]:8.2f} {own[1]:8.2f} ms (p50, p99), {found} % found; plain {beside[0]:8.2f} {beside[1]:8.2f}; "
                  f"p99 {beside[1] / own[1]:.1f} times as fast as plain", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
