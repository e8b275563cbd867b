"""`catalogue import`: files of metadata go into the working catalogue batch by batch; a run that was killed goes on behind its last one."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fonoteca.catalogue.import_files import ImportFormat, read_import, tell_format
from fonoteca.catalogue.import_positions import find_position, identify_file, put_position
from fonoteca.catalogue.import_records import ImportLine
from fonoteca.ground.errors import UsageError
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.progress import Progress
from fonoteca.integrity import show_path
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.import_batches import BatchImport

LINES_A_BATCH = 5_000
BYTES_A_BATCH = 16 << 20
MOST_LISTED = 1_000


class ImportOptions(msgspec.Struct, frozen=True):
    """How files are imported. `source` names who says it; else the file's name does."""

    format: ImportFormat | None = None
    source: str | None = None
    keep_source_records: bool = True
    dry_run: bool = False


class ImportedFile(msgspec.Struct):
    """One file: how it was read, where this run went on behind, and what came of its lines."""

    path: str
    format: ImportFormat
    source: str
    after_line: int
    counts: Counter[str] = msgspec.field(default_factory=Counter)


class ImportReport(msgspec.Struct):
    """What came of it: counts over all files by outcome, and the findings; the first thousand are listed, all are in the ledger."""

    files: list[ImportedFile] = msgspec.field(default_factory=list)
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    finding_counts: Counter[str] = msgspec.field(default_factory=Counter)
    findings: list[Finding] = msgspec.field(default_factory=list)

    @property
    def has_damage(self) -> bool:
        """Whether anything was set aside."""
        return any(counts_as_damage(Finding(code, "", "")) for code in self.finding_counts)

    def take(self, finding: Finding) -> None:
        """Count a finding."""
        self.finding_counts[finding.code] += 1
        if len(self.findings) < MOST_LISTED:
            self.findings.append(finding)


def import_files(archive: Archive, files: Sequence[Path], options: ImportOptions, progress: Progress) -> ImportReport:
    """Read each file once, in order. Idempotent; after a kill the same call goes on and ends as an undisturbed one."""
    if options.dry_run:
        return look_at_files(files, options, progress)
    plans = plan_files(files, options)
    report = ImportReport(files=plans)
    archive.refresh_scores()
    for path, file in zip(files, plans, strict=True):
        progress.start(f"importing {show_path(os.fsencode(path.name))}", None, "lines")
        _import_file(archive, path, file, options, report, progress)
        report.counts.update(file.counts)
        progress.finish()
    return report


def look_at_files(files: Sequence[Path], options: ImportOptions, progress: Progress) -> ImportReport:
    """What an import would read, counted; asks no archive and writes nothing."""
    report = ImportReport(files=plan_files(files, options))
    for path, file in zip(files, report.files, strict=True):
        progress.start(f"reading {show_path(os.fsencode(path.name))}", None, "lines")
        _look_at(path, file, report, progress)
        report.counts.update(file.counts)
        progress.finish()
    return report


def plan_files(files: Sequence[Path], options: ImportOptions) -> list[ImportedFile]:
    """How each file will be read; UsageError for what is no file, before anything is."""
    for path in files:
        if not path.is_file():
            raise UsageError(f"{path} is no file", "Check the path.")
    plans = []
    for path in files:
        format = options.format or tell_format(path)
        source = options.source or ("musicbrainz" if format == "musicbrainz" else _stem(path))
        plans.append(ImportedFile(show_path(os.fsencode(path)), format, source, 0))
    return plans


def _stem(path: Path) -> str:
    return show_path(os.fsencode(path.name.split(".")[0] or path.name))


def _look_at(path: Path, file: ImportedFile, report: ImportReport, progress: Progress) -> None:
    """Count what the lines say, and what is wrong with them."""
    for line in read_import(path, file.format):
        file.counts["lines"] += 1
        for row in line.rows:
            file.counts[f"{row.__struct_config__.tag} records to use"] += 1
        for finding in line.findings:
            report.take(finding)
        progress.advance()


def _import_file(
    archive: Archive, path: Path, file: ImportedFile, options: ImportOptions, report: ImportReport, progress: Progress
) -> None:
    sql, identity, key = archive.catalogue.statements, identify_file(path, file.source), os.path.abspath(os.fsencode(path))
    start = find_position(sql, identity)
    file.after_line = start.line
    file.counts.update(start.counts)
    if start.line:
        for finding in archive.ledger.findings_of("import", key):
            report.take(finding)
        progress.advance(start.line)
    else:
        archive.ledger.drop_findings("import", key)
    at = start.line
    keep = options.keep_source_records
    with BatchImport(archive, path, file.source, file.counts, keep_source_records=keep) as batches, _without_collection():
        for lines in batches_of(read_import(path, file.format, start.line)):
            at = lines[-1].number
            with archive.catalogue.transaction():
                # the catalogue is committed last: what is told of elsewhere is written again after a kill, and is then the same
                for finding in batches.write(lines):
                    report.take(finding)
                put_position(sql, identity, at, file.counts, is_done=False)
            progress.advance(len(lines))
    with archive.catalogue.transaction():
        put_position(sql, identity, at, file.counts, is_done=True)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Rows do not refer to themselves, and looking for what does would take a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def batches_of(lines: Iterator[ImportLine]) -> Iterator[list[ImportLine]]:
    """Lines in batches that end at the same places whenever reading starts behind one of them."""
    batch: list[ImportLine] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.content)
        if len(batch) >= LINES_A_BATCH or size >= BYTES_A_BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
