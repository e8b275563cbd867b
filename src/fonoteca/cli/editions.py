"""`fonoteca catalogue diff`, `apply` and `parquet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.catalogue import catalogue_app
from fonoteca.cli.commands import JsonOption
from fonoteca.cli.output import emit, storable, table
from fonoteca.cli.progress_bar import open_progress

if TYPE_CHECKING:
    from fonoteca.workflows.editions import DeltaReport


@catalogue_app.command(sort_key=4)
def diff(
    old: Annotated[Path, Parameter(help="The older edition.")],
    new: Annotated[Path, Parameter(help="The newer edition.")],
    /,
    *,
    output: Annotated[Path, Parameter(help="The delta to write: NAME.jsonl.zst.")],
    json: JsonOption = False,
) -> int:
    """Write what changed between two editions, so that who has the older one can make the newer one."""
    from fonoteca.workflows.editions import diff_editions

    report = diff_editions(old, new, output, open_progress())
    emit(report, _differing(report), json)
    return 0


def _differing(report: DeltaReport) -> str:
    counts = report.counts
    names = sorted(counts.put.keys() | counts.removed.keys())
    rows: list[tuple[str, ...]] = [("table", "new or changed", "removed")]
    rows += [(name, f"{counts.put.get(name, 0):,}", f"{counts.removed.get(name, 0):,}") for name in names]
    listed = table(rows, frozenset({1, 2})) + "\n\n" if names else "The two editions have the same records.\n"
    share = counts.size / report.new.size
    return f"{listed}{storable(report.delta)}: {counts.size:,} bytes, {share:.1%} of the newer edition"


@catalogue_app.command(sort_key=5)
def apply(
    old: Annotated[Path, Parameter(help="The older edition; it is only read.")],
    delta: Annotated[Path, Parameter(help="What catalogue diff wrote.")],
    /,
    *,
    output: Annotated[Path, Parameter(help="The newer edition to write.")],
    scratch: Annotated[Path | None, Parameter(help="A folder for the records on the way; else beside the output.")] = None,
    json: JsonOption = False,
) -> int:
    """Make the newer edition of the older one and a delta, and prove that it is the same file."""
    from fonoteca.workflows.editions import apply_to_edition

    made = apply_to_edition(old, delta, output, scratch)
    words = f"{storable(str(output))}: {made.size:,} bytes, proved: SHA-256 {made.sha256}"
    emit({"path": storable(str(output)), "edition": made}, words, json)
    return 0


@catalogue_app.command(sort_key=6)
def parquet(
    edition: Annotated[Path, Parameter(help="An edition: the catalogue.sqlite3 of a release.")],
    folder: Annotated[Path, Parameter(help="A folder that is new or empty.")],
    /,
    *,
    json: JsonOption = False,
) -> int:
    """Write an edition as a folder of Parquet files with a data dictionary; needs the extra [bulk]."""
    from fonoteca.workflows.editions import write_as_parquet

    written = write_as_parquet(edition, folder, open_progress())
    rows = sum(one.rows for one in written.tables.values())
    words = f"{storable(str(folder))}: {len(written.tables)} tables, {rows:,} rows, {written.size:,} bytes"
    emit(written, words, json)
    return 0
