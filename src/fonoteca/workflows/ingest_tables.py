"""`add --plays` and `--metadata`: rows from tables are matched with tracks by path, id, ISRC or MBID."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from fonoteca.catalogue import MetadataRow, PlaysRow, TrackRecord, read_metadata, read_plays
from fonoteca.ground.errors import FormatError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity import show_path
from fonoteca.rights import read_statement
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.ingest import AddReport
from fonoteca.workflows.rights_policy import record_rights

ROWS_A_TRANSACTION = 5_000
Row = TypeVar("Row", PlaysRow, MetadataRow)


def check_plays(table: Path) -> None:
    """UsageError where the table has not the columns, before anything is read."""
    next(read_plays(table), None)


def add_plays(archive: Archive, table: Path, report: AddReport, progress: Progress, *, dry_run: bool = False) -> None:
    """Give tracks the plays or popularity of a CSV; rows that name no known track are set aside."""
    _Table(archive, table, report, progress, dry_run=dry_run).apply_all("plays", read_plays(table), _apply_plays)


def add_metadata(archive: Archive, table: Path, report: AddReport, progress: Progress, *, dry_run: bool = False) -> None:
    """Give tracks the fields of JSON lines; a row that matches no track makes one that is wanted."""
    _Table(archive, table, report, progress, dry_run=dry_run).apply_all("metadata", read_metadata(table), _apply_metadata)


class _Table:
    """One table on its way in: rows in batches, what cannot be used is noted under the table's name."""

    def __init__(self, archive: Archive, path: Path, report: AddReport, progress: Progress, *, dry_run: bool) -> None:
        self.archive, self.path, self.report, self.progress, self.dry_run = archive, path, report, progress, dry_run
        self.key = os.path.abspath(os.fsencode(path))

    def apply_all(self, what: str, rows: Iterator[Row | Finding], apply: Callable[[_Table, Row], None]) -> None:
        """Every row that can be used; the others are findings."""
        self.progress.start(what, None, "rows")
        if not self.dry_run:
            self.archive.refresh_scores()
            self.archive.ledger.drop_findings("add", self.key)
        while batch := list(islice(rows, ROWS_A_TRANSACTION)):
            with self.archive.ledger.transaction(), self.archive.catalogue.transaction():
                for row in batch:
                    self.progress.advance()
                    self._apply_one(row, apply)
        self.progress.finish()

    def _apply_one(self, row: Row | Finding, apply: Callable[[_Table, Row], None]) -> None:
        if isinstance(row, Finding):
            self.note(row)
            return
        if self.dry_run:
            self.report.counts["rows to use"] += 1
            return
        try:
            apply(self, row)
        except FormatError as error:
            self.note(Finding("bad-row", str(self.path), f"line {row.line}: {error.message}"))

    def note(self, finding: Finding) -> None:
        """Count a finding, and keep it where this is no dry run."""
        finding = msgspec.structs.replace(finding, path=show_path(self.key))
        self.report.take(finding)
        if not self.dry_run:
            self.archive.ledger.put_finding("add", finding, self.key, self.archive.now())

    def count(self, outcome: str) -> None:
        """One more row of this outcome."""
        self.report.counts[outcome] += 1


def _apply_plays(table: _Table, row: PlaysRow) -> None:
    ids = find_tracks_of_row(table.archive, row, table.path)
    if not ids:
        table.note(Finding("unknown-track", str(table.path), f"line {row.line}: no track is known by {_keys(row)}"))
        return
    table.count("rows used")
    for id in ids:
        _set_plays(table.archive, id, row.plays, row.popularity, "plays")


def _set_plays(archive: Archive, id: str, plays: int | None, popularity: float | None, source: str) -> None:
    settings = archive.settings.popularity
    archive.catalogue.set_popularity(
        id, plays=plays, popularity=popularity, plays_at_1=round(settings.plays_at_1), plays_at_100=round(settings.plays_at_100),
        source=source,
    )  # fmt: skip


def _apply_metadata(table: _Table, row: MetadataRow) -> None:
    archive = table.archive
    ids = find_tracks_of_row(archive, row, table.path)
    if len(ids) > 1 and not row.mbid:
        fact = f"line {row.line}: {len(ids)} tracks are known by {_keys(row)}; an ISRC is no key"
        table.note(Finding("unknown-track", str(table.path), fact))
        return
    uri = _read_rights(table, row)
    table.count("rows used")
    record_rights(archive, uri)
    if not ids:
        ids = [archive.catalogue.add_wanted(row, rights_uri=uri)]
        table.count("wanted")
    for id in ids:
        archive.catalogue.apply_metadata(id, row, rights_uri=uri)
        if isinstance(row.plays, int) and not isinstance(row.popularity, float | int):
            _set_plays(archive, id, row.plays, None, "metadata")


def _read_rights(table: _Table, row: MetadataRow) -> str | None:
    if not isinstance(row.rights, str):
        return None
    licence = read_statement(row.rights)
    if licence is None:
        table.note(Finding("unknown-rights", str(table.path), f"line {row.line}: {row.rights[:120]!r} is no known licence"))
    return licence.uri if licence else None


def find_tracks_of_row(
    archive: Archive, row: PlaysRow | MetadataRow, table: Path, *, agrees: Callable[[TrackRecord], bool] = lambda track: True
) -> list[str]:
    """The tracks that a row means: by path if it gives one that was added, else by id, MBID and ISRC, the surer key first.

    A path may be relative to the table's folder or to the working directory. An ISRC counts where no MBID speaks against it; where it
    is all that is found, the track must agree.
    """
    if row.path:
        for place in (row.path, os.path.join(os.path.dirname(os.path.abspath(table)), row.path), os.path.abspath(row.path)):
            source = archive.ledger.source_at(os.path.normpath(_path_bytes(place)))
            if source and source.track_id:
                return [source.track_id]
    if row.id and archive.catalogue.get_track(row.id):
        return [row.id]
    rest = msgspec.structs.replace(row, id=None)
    for keys in (rest, msgspec.structs.replace(rest, isrc=None), msgspec.structs.replace(rest, mbid=None)):
        tracks = [track for id in archive.catalogue.find_keyed(keys) if (track := archive.catalogue.get_track(id))]
        tracks = [track for track in tracks if not row.mbid or track.recording_mbid in (None, row.mbid)]
        if keys.mbid is None:
            tracks = [track for track in tracks if agrees(track)]
        if tracks:
            first_hand = [track.id for track in tracks if track.status != "duplicate"]
            return first_hand or [track.id for track in tracks]
    return []


def _path_bytes(text: str) -> bytes:
    """The path as the file system has it; lone surrogates from JSON, which no path has, as question marks."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _keys(row: PlaysRow | MetadataRow) -> str:
    return ", ".join(f"{name} {value[:200]!r}" for name in ("path", "id", "isrc", "mbid") if (value := getattr(row, name)))
