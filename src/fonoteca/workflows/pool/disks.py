"""`pool disks`: the inventory of a machine; and the disks that a plan names."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fonoteca.ground.errors import NotFoundError
from fonoteca.pools.disk_choice import DiskChoice, choose_disks
from fonoteca.pools.disk_sources import DiskSources, active_pools, disk_of_file, look_closely, read_disks
from fonoteca.pools.disks import Disk, find_disk
from fonoteca.pools.plan_file import PoolPlan
from fonoteca.pools.zfs import Zfs


class Inventory(msgspec.Struct, frozen=True):
    """All disks of this machine, and what speaks against their controllers, each once."""

    disks: tuple[Disk, ...]
    warnings: tuple[str, ...] = ()


def take_inventory(zfs: Zfs | None = None, sources: DiskSources | None = None, *, with_smart: bool = True) -> Inventory:
    """Every disk with its names, place, verdict and uses. Writes nothing; works without ZFS too."""
    disks = read_disks(sources or DiskSources(), zfs or Zfs(), with_smart=with_smart)
    warnings = {f"{disk.name}: {warning}" for disk in disks for warning in disk.warnings}
    return Inventory(tuple(disks), tuple(sorted(warnings)))


def disks_by_name(names: Sequence[str], zfs: Zfs, sources: DiskSources, *, is_new: bool = True) -> dict[str, Disk]:
    """The disks of a plan by the names that it gives them; names that lead nowhere are left out.

    Where the pool is there already (not `is_new`), disks are not asked how they are, nor files what is on them.
    """
    known = read_disks(sources, zfs, with_smart=is_new) if any(name.startswith("/dev/") for name in names) else []
    active = active_pools(zfs) if is_new else None
    found: dict[str, Disk] = {}
    for name in names:
        try:
            disk: Disk | None = find_disk(known, name)
            disk = look_closely(sources, disk) if disk and is_new else disk
        except NotFoundError:
            disk = disk_of_file(sources, name, active)
        if disk is not None:
            found[name] = disk
    return found


def pick_disks(plan: PoolPlan, names: Sequence[str] = (), zfs: Zfs | None = None, sources: DiskSources | None = None) -> DiskChoice:
    """The plan with disks of this machine in its places: those that are named, by any of their names, or else all that are free."""
    disks = read_disks(sources or DiskSources(), zfs or Zfs())
    return choose_disks(plan, [find_disk(disks, name) for name in names] if names else disks)
