"""`fonoteca stats`: the catalogue counted, as words, JSON, or a folder with a page and pictures."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, JsonOption, app, opened_archive
from fonoteca.cli.output import emit, on_one_line, storable
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import UsageError

if TYPE_CHECKING:
    from fonoteca.workflows.stats import CatalogueStatistics


@app.command(sort_key=24)
def stats(
    output: Annotated[Path | None, Parameter(help="A folder for the report: new, empty, or an earlier report; else words only.")] = None,
    /,
    *,
    png: Annotated[bool, Parameter(negative=(), help="Every picture as PNG too; needs [plots].")] = False,
    edition: Annotated[Path | None, Parameter(help="A published catalogue to read instead of an archive.")] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """Count the catalogue; with a folder, write a report of it with pictures."""
    from fonoteca.workflows.read_catalogue import damage_told
    from fonoteca.workflows.stats import count_archive, read_edition_statistics, write_report

    if edition is not None and archive is not None:
        raise UsageError("--edition and --archive name two catalogues", "Give one of them.")
    if png and output is None:
        raise UsageError("--png needs a folder to write to", "Name one: fonoteca stats FOLDER --png")
    if edition is None:
        with opened_archive(archive, "stats", read_only=True) as opened:
            report = count_archive(opened, open_progress())
    with damage_told(edition) if edition is not None else nullcontext():
        if edition is not None:
            report = read_edition_statistics(edition, open_progress())
        if output is not None:
            report = write_report(report, output, png=png)
        emit(report, _told(report), json)
    return 0


def _told(report: CatalogueStatistics) -> str:
    lines = [f"{on_one_line(report.title)}, as of {on_one_line(report.date)}"]
    for section in report.sections:
        lines += [f"{section.heading}: {on_one_line(sentence)}" for sentence in section.words]
    if report.folder is not None:
        lines.append(f"{storable(report.folder)}: index.html and {report.pictures} pictures")
    return "\n".join(lines)
