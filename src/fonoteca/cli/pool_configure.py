"""`fonoteca pool configure`: ZED's mail, sanoid's policy and timers of replication, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption
from fonoteca.cli.output import emit, on_one_line, storable
from fonoteca.cli.pool_app import pool_app

if TYPE_CHECKING:
    from fonoteca.workflows.pool.configuration import ConfigurationReport, Source


@pool_app.command(name="configure", sort_key=11)
def pool_configure(
    *,
    write: Annotated[
        Path | None, Parameter(name="--write", help="Write the files below this folder, to look at or copy elsewhere.")
    ] = None,
    yes: Annotated[bool, Parameter(name="--yes", negative=(), help="Write them where they belong, into /etc.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """ZED mails in plain words when a disk dies, sanoid makes and prunes snapshots, timers replicate and prove. Shown first."""
    from fonoteca.workflows.pool.configuration import configure

    root = write if write is not None else Path("/")
    present = write if write is not None and (write / "etc/zfs").is_dir() else Path("/")
    report = configure(_sources(archive), root, present=present, write=(write is not None or yes) and not dry_run)
    emit(report, storable("\n".join(_words(report, is_shown=write is None and not yes))), json)
    return 0


def _sources(archive: Path | None) -> list[Source]:
    from fonoteca.cli.pool_scrub import own_program
    from fonoteca.cli.pool_status import nearest_archive
    from fonoteca.ground.pool_settings import PoolSettings
    from fonoteca.ground.settings import read_settings
    from fonoteca.pools import Zfs
    from fonoteca.workflows.pool.configuration import zed_files
    from fonoteca.workflows.pool.replica_timer_files import replica_timer_files
    from fonoteca.workflows.pool.sanoid_files import sanoid_files

    place = archive if archive is not None else nearest_archive()
    if place is None:
        return [zed_files(own_program(), None, PoolSettings().mail)]
    zed = zed_files(own_program(), str(place.resolve()), read_settings(place).pool.mail)
    return [zed, sanoid_files(Zfs(), place, own_program()), replica_timer_files(place, own_program())]


def _words(report: ConfigurationReport, *, is_shown: bool) -> list[str]:
    lines = []
    for one in report.files:
        lines.append(f"==> {Path(report.root) / one.path}: {'removed, ' if one.text is None else ''}{one.why}")
        lines += [one.text] if one.text is not None and is_shown else []
    if not report.files:
        lines.append("all files are as they should be")
    elif not report.written:
        lines.append("Nothing was written: --yes writes into /etc, --write DIR elsewhere. Then: systemctl restart zfs-zed")
    else:
        lines.append("Let ZED read them: systemctl restart zfs-zed")
    return lines + [on_one_line(fact) for fact in report.facts]
