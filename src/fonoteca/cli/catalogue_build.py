"""`fonoteca catalogue export` and `build`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from fonoteca.cli.catalogue import catalogue_app
from fonoteca.cli.commands import ArchiveOption, JsonOption, opened_archive
from fonoteca.cli.output import emit, storable, table
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.quantities import parse_bytes

if TYPE_CHECKING:
    from fonoteca.workflows.bulk_edition import BuildReport, ExportReport


@catalogue_app.command(sort_key=2)
def export(
    folder: Annotated[Path, Parameter(help="A folder that is new or empty.")],
    /,
    *,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """Write the catalogue as Parquet tables, as much of it as an edition tells. catalogue build makes an edition of them."""
    from fonoteca.workflows.bulk_edition import export_catalogue

    with opened_archive(archive, "catalogue export", read_only=True) as opened:
        report = export_catalogue(opened, folder, open_progress())
    emit(report, _exported(report), json)
    return 0


def _exported(report: ExportReport) -> str:
    rows: list[tuple[str, ...]] = [("table", "rows"), *((name, f"{count:,}") for name, count in report.rows.items() if count)]
    return f"{table(rows, frozenset({1}))}\n\n{storable(report.folder)}: every other table is empty"


@catalogue_app.command(sort_key=3)
def build(
    folder: Annotated[Path, Parameter(help="Tables as catalogue export or catalogue parquet write them: TABLE.parquet or TABLE.arrow.")],
    edition: Annotated[Path, Parameter(help="The SQLite file to write.")],
    /,
    *,
    title: Annotated[str, Parameter(help="What the edition says it is.")] = "Catalogue",
    date: Annotated[str | None, Parameter(help="Its date, YYYY-MM-DD; else today.")] = None,
    scratch: Annotated[
        Path | None, Parameter(help="A folder for what is on the way, about a third of the edition; else beside it.")
    ] = None,
    memory: Annotated[str, Parameter(help="Memory of all processes together.")] = "12GiB",
    jobs: Annotated[int | None, Parameter(help="Cores to use; else all.")] = None,
    sink: Annotated[
        Literal["pages", "adbc"], Parameter(help="pages writes the file itself; adbc lets SQLite insert every row, five times slower.")
    ] = "pages",
    json: JsonOption = False,
) -> int:
    """Write an edition from tables, of any size up to hundreds of millions of tracks. Stopped, it leaves nothing; run it again."""
    from fonoteca.workflows.bulk_edition import build_from_tables

    report = build_from_tables(
        folder, edition, title=title, date=date or datetime.now(UTC).strftime("%Y-%m-%d"), scratch=scratch,
        memory_bytes=parse_bytes(memory), jobs=jobs, sink=sink, progress=open_progress(),
    )  # fmt: skip
    emit(report, _built(report), json)
    return 0


def _built(report: BuildReport) -> str:
    counts = report.counts
    held = f"{counts.tracks:,} tracks, {counts.albums:,} albums, {counts.artists:,} artists, {counts.files:,} files"
    return f"{storable(report.edition)}: {held}; {counts.size:,} bytes"
