"""Editions in bulk: the catalogue as tables, an edition from tables, and the edition of a release by the writer of the settings."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.catalogue import write_edition
from fonoteca.catalogue.edition import EditionCounts
from fonoteca.ground.errors import UsageError
from fonoteca.ground.progress import Progress, Silent
from fonoteca.rights import WITHDRAWAL_REASONS
from fonoteca.workflows.archive import CATALOGUE, Archive

Sink = Literal["pages", "adbc"]


class ExportReport(msgspec.Struct, frozen=True):
    """Tables that were written: the rows of each."""

    folder: str
    rows: dict[str, int]


class BuildReport(msgspec.Struct, frozen=True):
    """An edition that was built."""

    edition: str
    counts: EditionCounts


def export_catalogue(archive: Archive, folder: Path, progress: Progress) -> ExportReport:
    """Write what an edition would tell of the working catalogue as Parquet tables; UsageError without the extra [bulk]."""
    try:
        from fonoteca.catalogue.bulk.export import export_tables
    except ModuleNotFoundError as error:
        raise _wants_bulk("tables of the catalogue") from error
    return ExportReport(str(folder), export_tables(archive.path / CATALOGUE, folder, meanings=_meanings(), progress=progress))


def build_from_tables(
    folder: Path,
    target: Path,
    *,
    title: str,
    date: str,
    scratch: Path | None,
    memory_bytes: int,
    jobs: int | None,
    sink: Sink,
    progress: Progress,
) -> BuildReport:
    """Write an edition from tables in Parquet or Arrow; UsageError where the target exists, or without the extra [bulk]."""
    if target.exists():
        raise UsageError(f"{target} exists already", "Name another file, or remove it first.")
    try:
        from fonoteca.catalogue.bulk.build import build_edition
    except ModuleNotFoundError as error:
        raise _wants_bulk("editions from tables") from error
    counts = build_edition(
        folder, target, title=title, date=date, scratch=scratch, memory_bytes=memory_bytes, jobs=jobs, sink=sink, progress=progress
    )
    return BuildReport(str(target), counts)


def write_release_edition(archive: Archive, target: Path, date: str, progress: Progress | None = None) -> EditionCounts:
    """The edition of a release, by the writer that the settings name; UsageError where "pages" is wanted without the extra [bulk]."""
    settings, title = archive.settings.catalogue, archive.settings.name
    if settings.edition_writer == "sql":
        return write_edition(archive.catalogue, target, title=title, date=date, meanings=_meanings())
    scratch = archive.path / settings.scratch
    with tempfile.TemporaryDirectory(prefix=".fonoteca-tables-", dir=scratch) as tables:
        export_catalogue(archive, Path(tables), progress or Silent())
        from fonoteca.catalogue.bulk.build import build_edition

        return build_edition(Path(tables), target, title=title, date=date, scratch=scratch, progress=progress)


def _meanings() -> Mapping[str, str]:
    return {code: reason.meaning for code, reason in WITHDRAWAL_REASONS.items()}


def _wants_bulk(what: str) -> UsageError:
    return UsageError(f"{what} need the extra [bulk]", "Install it with: pip install 'fonoteca[bulk]'")
