"""The disks of this machine, as replacing one needs them: found by any name, files that stand for disks too, and refused where in use."""

from __future__ import annotations

from collections.abc import Sequence

from fonoteca.ground.errors import DiskRefusedError, ProgramError
from fonoteca.ground.programs import has_program
from fonoteca.pools.disk_sources import DiskSources, active_pools, disk_of_file, read_disks
from fonoteca.pools.disks import Disk
from fonoteca.pools.health import PoolHealth
from fonoteca.pools.status import read_health
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.replace import Replacement, plan_replacement


def plan_with_disks_here(zfs: Zfs, text: str, new: str | None) -> Replacement:
    """As plan_replacement, with the disks of this machine and the files that its pools are made of."""
    pools, sources = read_health(zfs), DiskSources(prefix=zfs.prefix)
    disks = [*_whole_disks(sources, zfs), *_files(sources, zfs, pools, text, new)]
    return plan_replacement(zfs, pools, disks, text, new, refuse=refuse_disk, has_lights=has_program("ledctl"))


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


def refuse_disk(new: Disk, brothers: Sequence[Disk]) -> None:
    """DiskRefusedError where a disk must not take the place of another: it holds something, fails, or has other sectors."""
    for use in new.uses:
        way_out = (
            "Take another disk."
            if use.is_active
            else f"If nothing of it is needed: zpool labelclear -f {use.device}, or wipefs -a {use.device}"
        )
        raise DiskRefusedError(f"{new.describe()} is not free: {use.fact}", way_out)
    if not new.is_file and not new.by_id:
        raise DiskRefusedError(
            f"{new.describe()} has no link in /dev/disk/by-id", "Its name would change with every start: take another disk."
        )
    if new.smart.grade == "failing":
        raise DiskRefusedError(f"{new.describe()} is failing itself: {'; '.join(new.smart.facts)}", "Take another disk.")
    for brother in brothers:
        if new.logical_sector > brother.logical_sector:
            raise DiskRefusedError(
                f"{new.describe()} has sectors of {new.logical_sector} bytes, {brother.describe()} of {brother.logical_sector}",
                "Take a disk with the same sectors, or format it to them: sg_format, nvme format.",
            )
