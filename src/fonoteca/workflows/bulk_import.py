"""`catalogue import --into`: files of metadata become the tables that an edition is built from, on every core, without an archive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fonoteca.catalogue.bulk import require_bulk_extra
from fonoteca.catalogue.import_files import read_import
from fonoteca.catalogue.import_records import ImportLine, bad_line
from fonoteca.catalogue.lines import open_bytes, read_blocks
from fonoteca.catalogue.popularity import PLAYS_AT_1, PLAYS_AT_100
from fonoteca.catalogue.records import RightsRow
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import name_beside
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import Processes, count_cores, map_in_order
from fonoteca.rights import decide, read_statement
from fonoteca.workflows.catalogue_import import ImportedFile, ImportOptions, ImportReport, plan_files

if TYPE_CHECKING:
    from fonoteca.catalogue.bulk.import_parts import Block

BLOCK_BYTES = 16 << 20
DEFAULT_MEMORY_BYTES = 8 << 30
_SCRATCH = ".fonoteca-import"


def import_into(
    files: Sequence[Path], folder: Path, options: ImportOptions, progress: Progress, *, scratch: Path | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES, jobs: int | None = None,
) -> ImportReport:  # fmt: skip
    """Write the tables of what `files` say into `folder`, which is new or empty; parts lie in `scratch`, beside it without one.

    Public ids are those that the working catalogue gives. Lines of one track are put together: of each value the last counts.
    A run that is stopped leaves no folder; the next begins anew.
    """
    require_bulk_extra("catalogue import --into", "pyarrow", "duckdb")
    from fonoteca.catalogue.bulk.import_tables import TableMaker

    plans = plan_files(files, options)
    report, jobs = ImportReport(files=plans), jobs or count_cores()
    parts, partial = (scratch or folder.parent) / f"{_SCRATCH}-{folder.name}", name_beside(folder, "tables")
    with translate_os_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is not empty", "Name a folder that is new or empty.")
        for left in (parts, partial):
            shutil.rmtree(left, ignore_errors=True)
            left.mkdir(parents=True)
    try:
        blocks = _parse_all(files, plans, parts, jobs, report, progress)
        progress.start("putting together", report.counts["tracks"], "tracks")
        maker = TableMaker(parts, partial, memory_bytes, jobs, progress)
        maker.make(blocks, options.source or (plans[0].source if plans else ""), _read_rights(parts))
        progress.finish()
        with translate_os_errors(folder):
            if folder.exists():
                folder.rmdir()
            partial.rename(folder)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _parse_all(
    files: Sequence[Path], plans: Sequence[ImportedFile], parts: Path, jobs: int, report: ImportReport, progress: Progress
) -> int:
    """Every file as part files; gives how many blocks there were."""
    from fonoteca.catalogue.bulk.import_parts import ParsedBlock, parse_block

    owners: dict[int, ImportedFile] = {}
    progress.start("reading", None, "lines")

    def blocks() -> Iterator[Block]:
        for path, plan in zip(files, plans, strict=True):
            for block in _blocks_of(path, plan, parts, len(owners), report):
                owners[block.number] = plan
                yield block

    with Processes(jobs, ("fonoteca.catalogue.bulk.import_parts",)) as pool:
        for block, future in map_in_order(lambda job: pool.submit(parse_block, job), blocks(), jobs + 2):
            parsed: ParsedBlock = pool.result_of(future, parse_block, block)
            owners[block.number].counts.update(parsed.counts)
            report.counts.update(parsed.counts)
            for finding in parsed.findings:
                report.take(finding)
            progress.advance(parsed.counts["lines"])
    progress.finish()
    return len(owners)


def _blocks_of(path: Path, plan: ImportedFile, parts: Path, first: int, report: ImportReport) -> Iterator[Block]:
    from fonoteca.catalogue.bulk.import_parts import Block

    ends = PLAYS_AT_1, PLAYS_AT_100
    if plan.format == "jsonl":
        pieces = _read_blocks(path, plan, report)
    else:
        pieces = _encode_blocks(path, plan, report)
    for number, (content, first_line, numbers) in enumerate(pieces, first):
        yield Block(number, path, content, first_line, numbers, parts, ends)


def _read_blocks(path: Path, plan: ImportedFile, report: ImportReport) -> Iterator[tuple[bytes, int, tuple[int, ...] | None]]:
    """Blocks that end at the end of a line; what cannot be read is set aside as the other way of importing does."""
    with translate_os_errors(path), open_bytes(path) as file:
        for block in read_blocks(file, BLOCK_BYTES):
            if block.fault:
                _take_findings(bad_line(path, block.number, block.fault), plan, report)
            else:
                yield block.content, block.number, None


def _take_findings(line: ImportLine, plan: ImportedFile, report: ImportReport) -> None:
    """What is wrong with a line; one without rows, which no worker sees, is counted here."""
    for finding in line.findings:
        report.take(finding)
    told = {"lines": int(not line.rows), "set-aside": sum(finding.kind.weight == "set-aside" for finding in line.findings)}
    plan.counts.update(told)
    report.counts.update(told)


def _encode_blocks(path: Path, plan: ImportedFile, report: ImportReport) -> Iterator[tuple[bytes, int, tuple[int, ...] | None]]:
    """Rows of other forms as JSON lines of our own schema, with the number of the line that each came from."""
    lines: list[bytes] = []
    numbers: list[int] = []
    size = 0
    for line in read_import(path, plan.format):
        _take_findings(line, plan, report)
        for row in line.rows:
            lines.append(msgspec.json.encode(msgspec.structs.replace(row, line=0)))
            numbers.append(line.number)
            size += len(lines[-1])
        if size >= BLOCK_BYTES:
            yield b"\n".join(lines), 0, tuple(numbers)
            lines, numbers, size = [], [], 0
    if lines:
        yield b"\n".join(lines), 0, tuple(numbers)


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
