"""`catalogue import --into`: files of metadata become the tables that an edition is built from, on every core, without an archive."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from fonoteca.catalogue.bulk import require_bulk_extra
from fonoteca.catalogue.popularity import PLAYS_AT_1, PLAYS_AT_100
from fonoteca.catalogue.records import RightsRow
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import lock_folder, name_beside, sync_folder, write_atomically
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import Processes, count_cores, map_in_order
from fonoteca.rights import decide, read_statement
from fonoteca.workflows.catalogue_import import ImportedFile, ImportOptions, ImportReport, plan_files
from fonoteca.workflows.import_blocks import blocks_of

if TYPE_CHECKING:
    from fonoteca.catalogue.bulk.import_parts import Block, ParsedBlock

BLOCK_BYTES = 16 << 20
DEFAULT_MEMORY_BYTES = 8 << 30
PARTS_VERSION = 3
"""Of what stands in the scratch folder: parts of another version are not gone on with."""
_SCRATCH, _WRITTEN = ".fonoteca-import", "written"


def import_into(
    files: Sequence[Path], folder: Path, options: ImportOptions, progress: Progress, *, scratch: Path | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES, jobs: int | None = None,
) -> ImportReport:  # fmt: skip
    """Write the tables of what `files` say into `folder`, which is new or empty; parts lie in `scratch`, beside it without one.

    Public ids are those that the working catalogue gives. Lines of one track are put together: of each value the last counts.
    A run that is stopped or killed leaves its parts: the same call goes on behind those that are done, and ends with the same bytes.
    """
    require_bulk_extra("catalogue import --into", "pyarrow", "duckdb")
    plans = plan_files(files, options)
    report, jobs = ImportReport(files=plans), jobs or count_cores()
    parts, partial = (scratch or folder.parent) / f"{_SCRATCH}-{folder.name}", name_beside(folder, "tables")
    with translate_os_errors(folder):
        parts.mkdir(parents=True, exist_ok=True)
    with lock_folder(parts, "catalogue import"):
        keep = options.keep_source_records
        _prepare(parts, partial, folder, _describe(files, plans, keep=keep))
        owners = _parse_all(files, plans, parts, jobs, report, progress, keep=keep)
        if not (parts / _WRITTEN).exists():
            _put_together(parts, partial, plans, owners, memory_bytes, jobs, progress)
        _take_rest(parts, owners, report)
        with translate_os_errors(folder):
            if partial.exists():
                if folder.exists():
                    folder.rmdir()
                partial.rename(folder)
                sync_folder(folder.parent)
        shutil.rmtree(parts, ignore_errors=True)
    return report


def _prepare(parts: Path, partial: Path, folder: Path, described: str) -> None:
    """Keep the parts of an earlier run where they are of just this import, and its tables where they were all written."""
    with translate_os_errors(folder):
        note = parts / "import.json"
        if not (note.exists() and note.read_text() == described):
            _empty(parts)
        is_written = (parts / _WRITTEN).exists()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not is_written:
            shutil.rmtree(parts, ignore_errors=True)
            raise UsageError(f"{folder} is not empty", "Name a folder that is new or empty.")
        if not is_written:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        write_atomically(note, described)


def _empty(folder: Path) -> None:
    """Everything in it but its lock."""
    for path in folder.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _describe(files: Sequence[Path], plans: Sequence[ImportedFile], *, keep: bool) -> str:
    """What the parts are made of: where any of it differs, they are of no use."""
    seen = [(os.path.abspath(path), found.st_size, found.st_mtime_ns) for path in files if (found := path.stat())]
    told = [(*file, plan.format, plan.source) for file, plan in zip(seen, plans, strict=True)]
    settled = {"version": PARTS_VERSION, "block_bytes": BLOCK_BYTES, "plays": (PLAYS_AT_1, PLAYS_AT_100), "keep": keep}
    return json.dumps(settled | {"files": told})


def _names(plans: Sequence[ImportedFile]) -> list[str]:
    """The sources in the order of their numbers, which begin with 1."""
    return list(dict.fromkeys(plan.source for plan in plans))


def _put_together(
    parts: Path, partial: Path, plans: Sequence[ImportedFile], owners: Sequence[ImportedFile], memory_bytes: int, jobs: int,
    progress: Progress,
) -> None:  # fmt: skip
    from fonoteca.catalogue.bulk.import_tables import TableMaker

    progress.start("putting together", sum(plan.counts["tracks"] for plan in plans), "tracks")
    dictionaries = {}
    for number, name in enumerate(_names(plans), 1):
        path = parts / f"dictionary-{number}"
        dictionaries[name] = (path.read_bytes() or None) if path.exists() else None
    maker = TableMaker(parts, partial, memory_bytes, jobs, progress)
    maker.make([owner.source for owner in owners], _read_rights(parts), dictionaries)
    progress.finish()
    with translate_os_errors(partial):
        for path in sorted(partial.iterdir()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(partial)
        write_atomically(parts / _WRITTEN, json.dumps({"counts": maker.beside.counts, "unknown": maker.beside.unknown}))


def _take_rest(parts: Path, owners: Sequence[ImportedFile], report: ImportReport) -> None:
    """What came of playlists, measures and source records, which is known at the end."""
    told = json.loads((parts / _WRITTEN).read_text())
    report.counts.update(told["counts"])
    for block, line, key in told["unknown"]:
        fact = f"line {line}: no track is known by {key[:200]!r}"
        report.take(Finding("unknown-track", owners[block].path, fact))
        for counts in (report.counts, owners[block].counts):
            counts["set-aside"] += 1


def _parse_all(
    files: Sequence[Path], plans: Sequence[ImportedFile], parts: Path, jobs: int, report: ImportReport, progress: Progress, *, keep: bool
) -> list[ImportedFile]:
    """Every file as part files; gives the file of each block."""
    from fonoteca.catalogue.bulk.import_parts import parse_block, read_note

    owners: list[ImportedFile] = []
    names = _names(plans)
    progress.start("reading", None, "lines")

    def blocks() -> Iterator[Block]:
        for path, plan in zip(files, plans, strict=True):
            source = names.index(plan.source) + 1 if keep else None
            for block in blocks_of(path, plan, parts, len(owners), BLOCK_BYTES, source):
                owners.append(plan)
                yield block

    with Processes(jobs, ("fonoteca.catalogue.bulk.import_ready",)) as pool:

        def submit(block: Block) -> Future[ParsedBlock]:
            done = read_note(parts, block.number)
            if done is None:
                return pool.submit(parse_block, block)
            future: Future[ParsedBlock] = Future()
            future.set_result(done)
            return future

        for block, future in map_in_order(submit, blocks(), jobs + 2):
            parsed: ParsedBlock = pool.result_of(future, parse_block, block)
            owners[block.number].counts.update(parsed.counts)
            report.counts.update(parsed.counts)
            for finding in parsed.findings:
                report.take(finding)
            progress.advance(parsed.counts["lines"])
    progress.finish()
    return owners


def _read_rights(parts: Path) -> dict[str, RightsRow | None]:
    """What each statement in the parts means."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    statements: set[str] = set()
    for path in sorted(parts.glob("tracks-*.parquet")):
        statements.update(text for text in pc.unique(pq.read_table(path, columns=["rights_text"])["rights_text"]).to_pylist() if text)
    return {text: _rights_row(text) for text in sorted(statements)}


def _rights_row(statement: str) -> RightsRow | None:
    licence = read_statement(statement)
    if licence is None:
        return None
    decision = decide(licence.uri)
    return RightsRow(
        uri=licence.uri, name=decision.name or licence.uri, may_publish=decision.may_publish, may_change=decision.may_change,
        attribution_required=decision.attribution_required, why=decision.why,
    )  # fmt: skip
