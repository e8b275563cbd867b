"""`add --plays` and `--metadata`: rows from tables are matched with tracks by path, id, ISRC or MBID."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from fonoteca.catalogue import MetadataRow, PlaysRow, read_metadata, read_plays
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.rights import read_statement
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.ingest import AddReport
from fonoteca.workflows.rights_policy import record_rights

ROWS_A_TRANSACTION = 5_000
Row = TypeVar("Row")


def add_plays(archive: Archive, table: Path, report: AddReport, progress: Progress) -> None:
    """Give tracks the plays or popularity of a CSV; rows that name no known track are set aside."""
    settings = archive.settings.popularity
    plays_at_1, plays_at_100 = round(settings.plays_at_1), round(settings.plays_at_100)
    _forget(archive, table)

    def apply(row: PlaysRow) -> bool:
        ids = find_tracks_of_row(archive, row, table)
        for id in ids:
            archive.catalogue.set_popularity(
                id, plays=row.plays, popularity=row.popularity, plays_at_1=plays_at_1, plays_at_100=plays_at_100
            )
        return bool(ids)

    progress.start("plays", None, "rows")
    for rows in _batches(read_plays(table)):
        with archive.catalogue.transaction():
            for row in rows:
                progress.advance()
                if isinstance(row, Finding):
                    _note(archive, row, table, report)
                elif apply(row):
                    report.counts["rows used"] += 1
                else:
                    _note(
                        archive, Finding("unknown-track", str(table), f"line {row.line}: no track is known by {_keys(row)}"), table, report
                    )
    progress.finish()


def add_metadata(archive: Archive, table: Path, report: AddReport, progress: Progress) -> None:
    """Give tracks the fields of JSON lines; a row that matches no track makes one that is wanted."""
    _forget(archive, table)
    progress.start("metadata", None, "rows")
    for rows in _batches(read_metadata(table)):
        with archive.catalogue.transaction():
            for row in rows:
                progress.advance()
                if isinstance(row, Finding):
                    _note(archive, row, table, report)
                else:
                    _apply(archive, row, table, report)
    progress.finish()


def _apply(archive: Archive, row: MetadataRow, table: Path, report: AddReport) -> None:
    uri = None
    if isinstance(row.rights, str):
        licence = read_statement(row.rights)
        uri = licence.uri if licence else None
        if licence is None:
            _note(
                archive, Finding("unknown-rights", str(table), f"line {row.line}: {row.rights[:120]!r} is no known licence"), table, report
            )
        record_rights(archive, uri)
    ids = find_tracks_of_row(archive, row, table)
    for id in ids:
        archive.catalogue.apply_metadata(id, row, rights_uri=uri)
    if not ids:
        archive.catalogue.add_wanted(row, rights_uri=uri)
        report.counts["wanted"] += 1
    report.counts["rows used"] += 1


def find_tracks_of_row(archive: Archive, row: PlaysRow | MetadataRow, table: Path) -> list[str]:
    """The tracks that a row means: by path if it gives one, else by id, then MBID; by ISRC alone only where that names one track."""
    if row.path:
        for place in (row.path, os.path.join(os.path.dirname(os.path.abspath(table)), row.path), os.path.abspath(row.path)):
            source = archive.ledger.source_at(os.fsencode(os.path.normpath(place)))
            if source and source.track_id:
                return [source.track_id]
    for key in (row.id, row.mbid, row.isrc):
        if key and (ids := archive.catalogue.find_tracks(key)):
            return ids
    return []


def _keys(row: PlaysRow) -> str:
    return ", ".join(f"{name} {value!r}" for name in ("path", "id", "isrc", "mbid") if (value := getattr(row, name)))


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, ROWS_A_TRANSACTION)):
        yield batch


def _forget(archive: Archive, table: Path) -> None:
    archive.ledger.drop_findings("add", os.fsencode(table))


def _note(archive: Archive, finding: Finding, table: Path, report: AddReport) -> None:
    report.take(finding)
    archive.ledger.put_finding("add", finding, os.fsencode(table), archive.now())
