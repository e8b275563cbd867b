"""What is added to an edition once its tables are written: search, statistics, what it says of itself, what the planner is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import apsw

from fonoteca.catalogue.bulk.observers import Observers
from fonoteca.catalogue.bulk.search_feed import StagedTexts
from fonoteca.catalogue.bulk.search_tiers import build_tier_blocks
from fonoteca.catalogue.bulk.shapes import table_shapes
from fonoteca.catalogue.bulk.sinks import SinkName
from fonoteca.catalogue.edition import EditionCounts
from fonoteca.catalogue.edition_file import EDITION_APPLICATION_ID
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.schema import EDITION_TABLES, SCHEMA_VERSION
from fonoteca.catalogue.search_build import build_search
from fonoteca.catalogue.statistics import names_in, write_statistics
from fonoteca.ground.progress import Progress

WRITER_VERSION = 2
"""Goes up whenever the same records would give other bytes, be it by the order of tables or by pages.WRITER_VERSION."""
_CACHE_KIB = 256 * 1024


def about(title: str, date: str, counts: EditionCounts, sink: SinkName) -> dict[str, str]:
    """The table `edition`: what it is, how many it holds, what wrote it."""
    names = ("tracks", "artists", "albums", "files", "publishable", "tombstones")
    return {
        "title": clean_text(title), "date": date, "schema": str(SCHEMA_VERSION), "documentation": "docs/formats/catalogue.md",
        "writer": sink, "writer_version": str(WRITER_VERSION), "sqlite": apsw.sqlite_lib_version(),
        **{name: str(getattr(counts, name)) for name in names},
    }  # fmt: skip


class Finish:
    """Adds to the file at `partial` by SQL; nothing but a kill stops it half way, and then the file is made anew."""

    def __init__(self, partial: Path, scratch: Path, jobs: int, progress: Progress) -> None:
        self._partial, self._scratch, self._jobs, self._progress = partial, scratch, jobs, progress

    def run(self, facts: Mapping[str, str], rows: Mapping[str, int], distinct: Mapping[str, tuple[int, int]], observers: Observers) -> None:
        """Everything, in one transaction after another."""
        connection = apsw.Connection(str(self._partial))
        try:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{_CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")
            with connection:
                connection.execute(EDITION_TABLES)
                connection.executemany("INSERT INTO edition VALUES (?, ?)", sorted(facts.items()))
                _tell_planner(connection, rows, distinct)
                self._add_statistics(connection, observers)
                if observers.has_search:
                    self._add_search(connection, rows, observers.texts)
                connection.execute(f"PRAGMA application_id = {EDITION_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        finally:
            connection.close()

    def _add_statistics(self, connection: apsw.Connection, observers: Observers) -> None:
        write_statistics(connection, observers.statistics.rows(names_in(connection)))

    def _add_search(self, connection: apsw.Connection, rows: Mapping[str, int], texts: Path) -> None:
        total = rows["tracks"] + rows["artists"] + rows["albums"]
        self._progress.start("making the search index", total, "rows")
        build_search(
            connection, texts=StagedTexts(str(texts)), jobs=self._jobs, scratch=self._scratch, make_part=build_tier_blocks,
            progress=self._progress.advance,
        )  # fmt: skip
        self._progress.finish()


def _tell_planner(connection: apsw.Connection, rows: Mapping[str, int], distinct: Mapping[str, tuple[int, int]]) -> None:
    """sqlite_stat1 by hand, for ANALYZE would read the whole file: entries, and entries with the same key on average."""
    connection.execute("DELETE FROM sqlite_stat1")
    for shape in table_shapes().values():
        if not rows.get(shape.name):
            continue
        told: list[tuple[str, str | None, str]] = [(shape.name, None, str(rows[shape.name]))]
        for index in shape.indexes:
            entries, keys = distinct.get(index.name, (0, 0))
            if entries:
                told.append((shape.name, index.name, f"{entries} {-(-entries // keys)}"))
        connection.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", told)
