"""`fonoteca pool status`: how the pools are, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption
from fonoteca.cli.output import emit, on_one_line, storable
from fonoteca.cli.pool_app import pool_app
from fonoteca.ground.quantities import format_bytes, format_count

if TYPE_CHECKING:
    from fonoteca.workflows.pool.damage import DamagedThing
    from fonoteca.workflows.pool.status import PoolReport

_TOLD = 20


@pool_app.command(name="status", sort_key=4)
def pool_status(
    pool: Annotated[str | None, Parameter(help="The pool; else every one that is imported.")] = None,
    /,
    *,
    archive: ArchiveOption = None,
    limit: Annotated[float, Parameter(name="--time-limit", help="Seconds after which a pool that does not answer is given up.")] = 60.0,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Say how the pools are: what is lost, what may still die, damaged files as tracks, and what to do next.

    Damaged files of the archive are noted for fonoteca heal; with --dry-run they are only told.
    """
    from fonoteca.pools import Zfs
    from fonoteca.workflows.archive import Archive
    from fonoteca.workflows.pool.status import read_status

    place = archive if archive is not None else nearest_archive()
    report = read_status(Zfs(), pool, place, now=Archive.now(), record=not dry_run, limit_s=limit)
    words = "\n\n".join("\n".join(_words(one)) for one in report.pools)
    emit(report, storable(words), json)
    return 3 if any(one.is_bad for one in report.pools) else 0


def nearest_archive() -> Path | None:
    """The archive from here upwards, where there is one."""
    from fonoteca.ground.errors import NotAnArchiveError
    from fonoteca.ground.settings import find_archive

    try:
        return find_archive(Path.cwd())
    except NotAnArchiveError:
        return None


def _words(one: PoolReport) -> list[str]:
    """The first line says it all; then what to do; then the rest."""
    lines = [one.headline]
    lines += [f"  {number}. {on_one_line(step)}" for number, step in enumerate(one.steps, 1)]
    if one.damaged:
        lines += ["", *_damaged(one)]
    lines += ["", *(f"  {on_one_line(group.words)}" for group in one.groups)]
    lines += [f"  {_disk_words(disk.where, disk.state, disk.vdev)}" for disk in one.disks]
    if one.used_bytes is not None and one.available_bytes is not None and one.fill_percent is not None:
        full = f"{one.fill_percent:g} % full, {format_bytes(one.available_bytes)} left (limit {one.fill_limit:g} %)"
        lines.append(f"  {full}")
    lines += [f"  {line}" for line in (one.scan, one.scrub, *(one.copies.words if one.copies else ())) if line]
    lines += [f"  {on_one_line(fact)}" for fact in one.facts]
    if one.findings:
        lines += ["", *_findings(one)]
    return lines


def _disk_words(where: str, state: str, vdev: str) -> str:
    return on_one_line(f"{state.lower() if state != 'ONLINE' else 'with errors'}: {where} ({vdev})")


def _damaged(one: PoolReport) -> list[str]:
    lines = [f"Damaged, the most played first ({format_count(len(one.damaged), 'name')}):"]
    lines += [f"  {on_one_line(_thing(thing))}" for thing in one.damaged[:_TOLD]]
    if len(one.damaged) > _TOLD:
        lines.append(f"  … and {len(one.damaged) - _TOLD:,} more: --json lists all")
    if one.recorded:
        lines.append(f"  {format_count(one.recorded, 'file')} noted for fonoteca heal")
    return lines


def _thing(thing: DamagedThing) -> str:
    copies = f"; copies: {', '.join(thing.copies)}" if thing.copies else "; no other copy is known" if thing.kind == "archive" else ""
    return f"{thing.what}{copies}: {thing.name or thing.text}"


def _findings(one: PoolReport) -> list[str]:
    """Damaged files stand above."""
    above = {thing.text for thing in one.damaged}
    told = [finding for finding in one.findings if finding.path not in above]
    return [f"  {finding.code}  {on_one_line(finding.path)}: {on_one_line(finding.fact)}" for finding in told]
