"""Whole editions from tables in Parquet or Arrow files, of any size; docs/formats/edition-pages.md."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import apsw
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of
from fonoteca.catalogue.bulk.finishing import WRITER_VERSION as WRITER_VERSION
from fonoteca.catalogue.bulk.finishing import Finish, about
from fonoteca.catalogue.bulk.hoisting import Hoisting
from fonoteca.catalogue.bulk.observers import Observers
from fonoteca.catalogue.bulk.pouring import Pourer, Room
from fonoteca.catalogue.bulk.ranks import Ranked, packed_ids, rank_by_name, rank_by_popularity, read_ids, refuse_twin_ids
from fonoteca.catalogue.bulk.sinks import SinkName, open_sink
from fonoteca.catalogue.bulk.staging import StagedTable, open_staging
from fonoteca.catalogue.bulk.track_ranks import rank_tracks
from fonoteca.catalogue.edition import EditionCounts
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import name_beside, require_file_name, sync_folder
from fonoteca.ground.progress import Progress, Silent
from fonoteca.ground.workers import count_cores

Array = NDArray[Any]
DEFAULT_MEMORY_BYTES = 12 << 30
BYTES_PER_TRACK = 30
"""What ranking keeps in memory for each track: its id's beginning, album, place, popularity and rank, twice where it is sorted."""
_FIXED_BYTES = 1 << 30
_SMALLEST_PARTITION, _LARGEST_PARTITION = 1 << 16, 1 << 17  # rows that a processor's cache nearly holds
_MOST_KEPT_BYTES = 512 << 20
"""Of a table that is put in order, so much waits in memory; the rest in the scratch folder."""
_BYTES_PER_ROW = 600
"""Of a row of a partition, its texts and all copies of it that are under way at a time."""
_BY_NAME = ("genres", "labels", "rights", "pictures", "containers", "file_kinds")
_FIRST = (
    *_BY_NAME, "artist_aliases", "artists", "artist_genres", "tombstones",
    "further_album_artists", "albums", "further_isrcs", "further_track_artists", "tracks",
)  # fmt: skip
"""Names before what they name."""
_SCRATCH = ".fonoteca-build"


def build_edition(
    staging: Path,
    target: Path,
    *,
    title: str,
    date: str,
    scratch: Path | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    jobs: int | None = None,
    sink: SinkName = "pages",
    has_search: bool = True,
    progress: Progress | None = None,
) -> EditionCounts:
    """Write the edition of the tables in `staging` to `target`, whole or not at all; an earlier one there is replaced.

    Row numbers of the tables only tie them together: rows are ranked anew, so the same records give the same bytes with the same
    SQLite. What does not fit memory lies in `scratch` (beside the target without it) and goes as it is used up. Without `has_search`
    nothing can be searched in it. FormatError names the table, the row and the fact where the tables are not of one piece; UsageError
    where `memory_bytes` cannot hold what ranking needs.
    """
    tables = open_staging(staging, min(_MOST_KEPT_BYTES, memory_bytes // 8) // 2)
    _refuse_little_memory(tables["tracks"].rows, memory_bytes)
    folder, partial = (scratch or target.parent) / f"{_SCRATCH}-{target.name}", name_beside(target, "partial")
    require_file_name(target)
    with translate_os_errors(target):
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
        partial.unlink(missing_ok=True)
        folder.mkdir(parents=True)
    try:
        with _kept_memory() if tables["tracks"].rows * _BYTES_PER_ROW < memory_bytes else nullcontext():
            build = _Build(tables, partial, folder, sink, jobs or count_cores(), memory_bytes, progress or Silent())
            counts = build.run(title, date, has_search)
        with translate_os_errors(target):
            _sync(partial)
            os.replace(partial, target)
            sync_folder(target.parent)
    except apsw.Error as error:
        raise translate_database_error(error, target) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        partial.unlink(missing_ok=True)
    return msgspec.structs.replace(counts, size=target.stat().st_size)


@contextmanager
def _kept_memory() -> Iterator[None]:
    """Arrow's usual allocator gives pages back to the system and takes them again, batch after batch: a tenth of all CPU time.

    The other one keeps what it took, gigabytes of it where tables are large: only where memory is plentiful.
    """
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.jemalloc_memory_pool() if "jemalloc" in pa.supported_memory_backends() else pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def _refuse_little_memory(tracks: int, memory_bytes: int) -> None:
    needed = _FIXED_BYTES + tracks * BYTES_PER_TRACK
    if memory_bytes < needed:
        raise UsageError(
            f"{tracks:,} tracks cannot be ranked in {memory_bytes / 2**30:.1f} GiB of memory",
            f"Allow at least {needed / 2**30 + 0.05:.1f} GiB.",
        )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Build:
    """One run: ranks every table, pours them in an order in which what a table needs is there, adds search and statistics."""

    def __init__(
        self, tables: dict[str, StagedTable], partial: Path, scratch: Path, sink: SinkName, jobs: int, memory_bytes: int, progress: Progress
    ) -> None:
        self._tables, self._partial, self._scratch, self._kind, self._jobs = tables, partial, scratch, sink, jobs
        self._progress = progress
        self._ranked: dict[str, Ranked] = {}
        spare = memory_bytes - _FIXED_BYTES - tables["tracks"].rows * 4
        rows = min(_LARGEST_PARTITION, max(_SMALLEST_PARTITION, spare // 2 // _BYTES_PER_ROW))
        self._sink = open_sink(sink, partial, jobs)
        self._pourer = Pourer(self._sink, self._ranked, scratch, Room(rows, min(_MOST_KEPT_BYTES, spare // 4)), jobs, progress)

    def run(self, title: str, date: str, has_search: bool) -> EditionCounts:
        """Gives the counts; the file's size is not yet known."""
        try:
            self._rank()
            observers = Observers(self._scratch, len(self._ranked["albums"].ranks), has_search)
            self._pourer.see_index = observers.see_index
            rows = self._pour(observers)
            self._sink.close()
        except BaseException:
            self._sink.abandon()
            raise
        self._ranked.clear()
        counts = EditionCounts(rows["tracks"], rows["artists"], rows["albums"], rows["files"], observers.publishable, rows["tombstones"], 0)
        finish = Finish(self._partial, self._scratch, self._jobs, self._progress)
        finish.run(about(title, date, counts, self._kind), rows, self._pourer.distinct, observers)
        return counts

    def _rank(self) -> None:
        tables = self._tables
        for name in _BY_NAME:
            self._ranked[name] = rank_by_name(tables[name])
        for name in ("artists", "albums"):
            self._progress.start(f"ranking {name}", None, "rows")
            self._ranked[name] = rank_by_popularity(tables[name], self._jobs)
            self._progress.finish()
        albums = self._ranked["albums"]
        self._hoisting = Hoisting(len(albums.ranks))
        self._progress.start("ranking tracks", None, "rows")
        self._ranked["tracks"] = rank_tracks(tables["tracks"], albums.renumbering, len(albums.ranks), self._hoisting, self._jobs)
        first = 0
        for batch in tables["albums"].batches(["album", "date", "label"]):
            self._hoisting.settle(batch, albums.ranks[first : first + len(batch)])
            first += len(batch)
        self._progress.finish()

    def _lift(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Albums with the dates and labels that have moved to them."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        albums = numbers_of(batch.column("album"))[0]
        for name, kind in (("date", pa.string()), ("label", pa.int32())):
            lifted = self._hoisting.lift(name, columns.get(name), albums, kind, self._ranked["labels"].renumbering)
            if lifted is not None:
                columns[name] = lifted
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    def _lower(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Tracks without them."""
        if "album" not in batch.schema.names:
            return batch
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        albums = numbers_of(batch.column("album"))[0]
        for name in ("date", "label"):
            if name in columns:
                columns[name] = self._hoisting.lower(name, columns[name], albums)
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    def _refuse_twins(self, packed: Array) -> None:
        """FormatError where of ids that begin alike two are the same; reads the ids again, which random ids never need."""
        table, found, first = self._tables["tracks"], list[int](), 0
        for batch in table.batches(["id"]):
            found += (np.flatnonzero(np.isin(packed_ids(table, batch, first), packed)) + first).tolist()
            first += len(batch)
        refuse_twin_ids(table, sorted(read_ids(table, found).values()))

    def _pour(self, observers: Observers) -> dict[str, int]:
        tables, rows = self._tables, dict[str, int]()
        changes = {"albums": self._lift, "tracks": self._lower}
        for name in (*_FIRST, *(name for name in tables if name not in _FIRST)):
            twins = self._refuse_twins if name == "tracks" else None
            rows[name] = self._pourer.pour(tables[name], change=changes.get(name), seer=observers.of(name), twins=twins)
            if name == "tracks":
                observers.names_are_joined()
        return rows
