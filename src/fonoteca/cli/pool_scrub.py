"""`fonoteca pool scrub`: have every block read and repaired, and see who does it each month."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption
from fonoteca.cli.output import emit, on_one_line, storable
from fonoteca.cli.pool_app import pool_app
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import format_bytes

if TYPE_CHECKING:
    from fonoteca.pools import PoolHealth
    from fonoteca.pools.zfs import Zfs
    from fonoteca.workflows.pool.scrub import ScrubReport


@pool_app.command(name="scrub", sort_key=9)
def pool_scrub(
    pool: Annotated[str | None, Parameter(help="The pool; may be left out where there is only one.")] = None,
    /,
    *,
    errors: Annotated[bool, Parameter(name="--errors", negative=(), help="Read only what is known to be damaged (OpenZFS 2.2).")] = False,
    pause: Annotated[bool, Parameter(name="--pause", negative=(), help="Pause the scrub; starting one goes on.")] = False,
    stop: Annotated[bool, Parameter(name="--stop", negative=(), help="Give the scrub up.")] = False,
    wait: Annotated[bool, Parameter(name="--wait", negative=(), help="Show it until it ends. Ctrl-C leaves it running.")] = False,
    status: Annotated[bool, Parameter(name="--status", negative=(), help="Say how it stands and who scrubs; change nothing.")] = False,
    schedule: Annotated[
        bool, Parameter(name="--schedule", negative=(), help="Make a systemd timer where nobody scrubs; shown, written with --yes.")
    ] = False,
    yes: Annotated[bool, Parameter(name="--yes", negative=(), help="With --schedule: write the files.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Have every block of a pool read, checked and repaired; a month apart at most, and never twice in one."""
    from fonoteca.pools import Zfs
    from fonoteca.workflows.pool.scrub import show_scrub, start_scrub, steer_scrub

    if sum((errors or wait, pause, stop, status, schedule)) > 1:
        raise UsageError(
            "these options do not go together", "Give one of --errors, --pause, --stop, --status and --schedule; --wait goes with a start."
        )
    zfs = Zfs()
    if schedule:
        return _schedule(zfs, pool, archive, write=yes and not dry_run, json=json)
    if status:
        report = show_scrub(zfs, pool)
    elif pause or stop:
        report = steer_scrub(zfs, pool, stop=stop, dry_run=dry_run)
    else:
        report = start_scrub(zfs, pool, errors=errors, dry_run=dry_run)
        report = _wait(zfs, report) if wait and not dry_run else report
    emit(report, storable("\n".join(_words(report))), json)
    return 3 if report.is_bad and (wait or status) else 0


def _wait(zfs: Zfs, report: ScrubReport) -> ScrubReport:
    from fonoteca.workflows.pool.scrub import wait_for_scrub

    progress, shown = open_progress(), 0
    progress.start("scrubbing", report.total_bytes or 0, "bytes")

    def tell(health: PoolHealth) -> None:
        nonlocal shown
        issued = (health.scan.issued_bytes if health.scan else None) or 0
        progress.advance(max(0, issued - shown))
        shown = max(shown, issued)

    ended = wait_for_scrub(zfs, report.pool, tell)
    progress.finish()
    return ended


def _schedule(zfs: Zfs, pool: str | None, archive: Path | None, *, write: bool, json: bool) -> int:
    from fonoteca.cli.pool_status import nearest_archive
    from fonoteca.ground.pool_settings import PoolSettings
    from fonoteca.ground.settings import read_settings
    from fonoteca.workflows.pool.scrub import schedule_scrub

    place = archive if archive is not None else nearest_archive()
    settings = read_settings(place).pool if place is not None else PoolSettings()
    report, files = schedule_scrub(zfs, pool, own_program(), settings.scrub_days, write=write)
    lines = [line for name, text in files.items() for line in (f"==> {name}", text)] + _words(report)
    if not write:
        lines.append("Write them with --yes.")
    emit({"report": report, "files": files}, storable("\n".join(lines)), json)
    return 0


def own_program() -> tuple[str, ...]:
    """How fonoteca is started by timers and zedlets, which have no PATH of this user."""
    found = shutil.which("fonoteca")
    return (found,) if found else (sys.executable, "-m", "fonoteca")


def _words(report: ScrubReport) -> list[str]:
    lines = [f"{report.pool}: {report.done}"] if report.done else []
    if report.scan:
        lines.append(f"  {report.scan}")
    elif report.state == "finished":
        lines.append(f"  the last {report.function} repaired {format_bytes(report.repaired_bytes or 0)}, with {report.errors} errors")
    if report.damaged_files:
        lines.append(f"  {report.damaged_files} damaged files: fonoteca pool status {report.pool} names them")
    return lines + [f"  {on_one_line(line)}" for line in report.schedule]
