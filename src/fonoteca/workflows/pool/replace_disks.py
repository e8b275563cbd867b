"""The disks of this machine, as replacing one needs them: found by any name, files that stand for disks too, and refused where in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fonoteca.ground.errors import ProgramError, UsageError
from fonoteca.ground.programs import has_program
from fonoteca.pools.disk_checks import ALLOWED, refuse_disk
from fonoteca.pools.disk_sources import DiskSources, active_pools, disk_of_file, read_disks
from fonoteca.pools.disks import Disk, DiskUse, SmartVerdict
from fonoteca.pools.health import PoolHealth
from fonoteca.pools.status import read_health
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.replace import PULLED, Replacement, plan_replacement


def plan_with_disks_here(zfs: Zfs, text: str, new: str | None, *, allow: Sequence[str] = ()) -> Replacement:
    """As plan_replacement, with the disks of this machine and the files that its pools are made of; `allow` as in disk_checks.ALLOWED."""
    for word in allow:
        if word not in (*ALLOWED, PULLED):
            raise UsageError(f"--allow {word} means nothing", f"It takes: {', '.join((*ALLOWED, PULLED))}.")
    pools, sources = read_health(zfs, with_names=False), DiskSources(prefix=zfs.prefix)
    disks = [*_whole_disks(sources, zfs), *_files(sources, zfs, pools, text, new)]

    def refuse(disk: Disk, brothers: Sequence[Disk]) -> None:
        files = ("files",) if any(one.is_file for one in brothers) else ()
        refuse_disk(disk, brothers, allow=(*allow, *files))

    overridden = set(allow) - {PULLED}
    return plan_replacement(
        zfs, pools, disks, text, new, refuse=refuse, has_lights=has_program("ledctl"), with_force=bool(overridden),
        ignores_pulled=PULLED in allow,
    )  # fmt: skip


def _whole_disks(sources: DiskSources, zfs: Zfs) -> list[Disk]:
    try:
        return read_disks(sources, zfs)
    except ProgramError:
        return []  # without lsblk the pool still tells which disk it is


def _files(sources: DiskSources, zfs: Zfs, pools: Sequence[PoolHealth], *named: str | None) -> list[Disk]:
    """Files of pools, and those that were named."""
    used = {leaf.path: health.name for health in pools for leaf in health.leaves() if leaf.path and Path(leaf.path).is_file()}
    files = [
        Disk(
            name=Path(path).name, path=path, bytes=Path(path).stat().st_size, is_file=True, smart=SmartVerdict("good"),
            uses=(DiskUse("zfs-active", path, f"a disk of the pool {pool}", pool),),
        )
        for path, pool in used.items()
    ]  # fmt: skip
    active = active_pools(zfs)
    others = [disk_of_file(sources, name, active) for name in named if name and name.startswith("/") and name not in used]
    return [*files, *(disk for disk in others if disk is not None)]
