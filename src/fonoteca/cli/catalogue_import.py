"""`fonoteca catalogue import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from fonoteca.cli import show
from fonoteca.cli.catalogue import catalogue_app
from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption, opened_archive
from fonoteca.cli.output import emit, on_one_line
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import StoppedError, UsageError
from fonoteca.ground.quantities import parse_bytes

if TYPE_CHECKING:
    from fonoteca.workflows.catalogue_import import ImportReport


@catalogue_app.command(name="import", sort_key=1)
def import_(
    files: Annotated[tuple[Path, ...], Parameter(help="JSON lines, Parquet, CSV, records of containers, or MusicBrainz JSON dumps.")],
    /,
    *,
    format: Annotated[
        Literal["auto", "jsonl", "parquet", "csv", "aac", "musicbrainz"], Parameter(help="auto tells it by the name and the first line.")
    ] = "auto",
    source: Annotated[str | None, Parameter(help="Who says it, kept with each value; else the file's name.")] = None,
    source_records: Annotated[
        bool, Parameter(name="--source-records", negative="--no-source-records", help="Keep every line as it came in sources.sqlite3.")
    ] = True,
    into: Annotated[
        Path | None, Parameter(help="Write the tables of an edition into this new folder instead, on every core and without an archive.")
    ] = None,
    scratch: Annotated[Path | None, Parameter(help="With --into: where parts lie meanwhile; else beside the folder.")] = None,
    memory: Annotated[str, Parameter(help="With --into: how much memory putting together may take.")] = "8 GiB",
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Take metadata into the catalogue. Bad lines are set aside (exit status 3).

    Can be stopped at any moment; the same command goes on.
    """
    from fonoteca.workflows.catalogue_import import ImportOptions, import_files, look_at_files, plan_files

    if not files:
        raise UsageError("there is nothing to import", "Name one or more files.")
    options = ImportOptions(format=None if format == "auto" else format, source=source, keep_source_records=source_records, dry_run=dry_run)
    plan_files(files, options)
    if dry_run:
        report = look_at_files(files, options, open_progress())
    elif into is not None:
        from fonoteca.workflows.bulk_import import import_into

        try:
            report = import_into(files, into, options, open_progress(), scratch=scratch, memory_bytes=parse_bytes(memory))
        except KeyboardInterrupt:
            raise StoppedError("stopped", "The same command goes on behind the parts that are done.") from None
    else:
        with opened_archive(archive, "catalogue import") as opened:
            report = import_files(opened, files, options, open_progress())
    emit(report, imported(report), json)
    return 3 if report.has_damage else 0


@catalogue_app.command(name="source", sort_key=2)
def source_(
    thing: Annotated[str, Parameter(help="A track, artist or album: id, ISRC, MBID, barcode or exact name; or playlist:ID.")],
    /,
    *,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """What each source said of a thing, line for line as it came."""
    from fonoteca.workflows.source_lookup import read_source_records

    with opened_archive(archive, "catalogue source", read_only=True) as opened:
        told = read_source_records(opened, thing)
    emit([{"source": one.source, "id": one.id, "record": one.record} for one in told],
         "\n".join(f"{one.source}: {on_one_line(one.content.decode('utf-8', 'replace'))}" for one in told), json)  # fmt: skip
    return 0


def imported(report: ImportReport) -> str:
    """What `catalogue import` did."""
    lines = []
    for file in report.files:
        again = f", gone on behind line {file.after_line:,}" if file.after_line else ""
        told = ", ".join(f"{count:,} {name}" for name, count in sorted(file.counts.items()) if count)
        lines.append(f"{file.path} ({file.format}, said by {file.source}{again}): {told or 'nothing was found'}")
    return "\n".join(lines + show.findings(report.findings, report.finding_counts))
