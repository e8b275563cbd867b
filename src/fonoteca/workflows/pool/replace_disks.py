"""The disks of this machine, as replacing one needs them: found by any name, files that stand for disks too, and refused where in use."""

from __future__ import annotations

from collections.abc import Sequence

from fonoteca.ground.errors import ProgramError, UsageError
from fonoteca.ground.programs import has_program
from fonoteca.pools.disk_checks import ALLOWED, refuse_disk
from fonoteca.pools.disk_sources import DiskSources, active_pools, disk_of_file, read_disks
from fonoteca.pools.disks import Disk
from fonoteca.pools.health import PoolHealth
from fonoteca.pools.status import read_health
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.replace import Replacement, plan_replacement


def plan_with_disks_here(zfs: Zfs, text: str, new: str | None, *, allow: Sequence[str] = ()) -> Replacement:
    """As plan_replacement, with the disks of this machine and the files that its pools are made of; `allow` as in disk_checks.ALLOWED."""
    for word in allow:
        if word not in ALLOWED:
            raise UsageError(f"--allow {word} means nothing", f"It takes: {', '.join(ALLOWED)}.")
    pools, sources = read_health(zfs), DiskSources(prefix=zfs.prefix)
    disks = [*_whole_disks(sources, zfs), *_files(sources, zfs, pools, text, new)]

    def refuse(disk: Disk, brothers: Sequence[Disk]) -> None:
        files = ("files",) if any(one.is_file for one in brothers) else ()
        refuse_disk(disk, brothers, allow=(*allow, *files))

    return plan_replacement(zfs, pools, disks, text, new, refuse=refuse, has_lights=has_program("ledctl"), with_force=bool(allow))


def _whole_disks(sources: DiskSources, zfs: Zfs) -> list[Disk]:
    try:
        return read_disks(sources, zfs)
    except ProgramError:
        return []  # without lsblk the pool still tells which disk it is


def _files(sources: DiskSources, zfs: Zfs, pools: Sequence[PoolHealth], *named: str | None) -> list[Disk]:
    paths = {leaf.path for health in pools for leaf in health.leaves() if leaf.path}
    active = active_pools(zfs)
    found = (disk_of_file(sources, path, active) for path in sorted(paths | {name for name in named if name}) if path.startswith("/"))
    return [disk for disk in found if disk is not None]
