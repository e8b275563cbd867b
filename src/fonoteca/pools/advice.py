"""What to do next about a pool: numbered steps with the exact commands, the most urgent first."""

from __future__ import annotations

import shlex

from fonoteca.pools.damaged_names import is_metadata
from fonoteca.pools.diagnosis import Diagnosis
from fonoteca.pools.health import PoolHealth
from fonoteca.pools.pool_facts import DamageCounts, DiskHealth, has_lost_data
from fonoteca.pools.replacing import is_resilvering

_MANY = 3


def advise(health: PoolHealth, diagnosis: Diagnosis, damage: DamageCounts, archive: str | None = None) -> list[str]:
    """The steps, without numbers. Nothing where all is well."""
    pool = shlex.quote(health.name)
    if health.state == "SUSPENDED":
        return _of_a_suspended(diagnosis, pool)
    steps = []
    if any(group.may_still_die < 0 for group in diagnosis.groups):
        steps += _of_a_lost_vdev(diagnosis)
    busy = is_resilvering(health)
    left = [disk for disk in diagnosis.disks if not (busy and disk.successor)]  # for the others a new disk is being filled
    steps += [_of_gone(disk) for disk in left if disk.is_gone]
    if busy:
        steps.append(f"Wait for the resilver: fonoteca pool status {pool} shows how long. Pull no disk meanwhile.")
    steps += _of_damage(health, damage, pool, archive)
    steps += _of_noisy([disk for disk in left if not disk.is_gone], pool)
    codes = {finding.code for finding in diagnosis.findings}
    if "pool-full" in codes:
        steps.append("Make room, or add disks: fonoteca pool plan tells what fits.")
    if "scrub-late" in codes and not has_lost_data(health) and not busy:
        steps.append(f"Have every block read: fonoteca pool scrub {pool}")
    return steps


def _of_a_suspended(diagnosis: Diagnosis, pool: str) -> list[str]:
    gone = "; ".join(disk.where for disk in diagnosis.disks if disk.is_gone)
    return [
        "Pull nothing, and do not reboot yet: what waits to be written is still in memory.",
        f"Bring the disks back: power, cables, controller{f' ({gone})' if gone else ''}. fonoteca pool disks tells which the machine sees.",
        f"Then let it go on: zpool clear {pool}",
        f"See whether anything was lost: fonoteca pool status {pool}",
    ]


def _of_a_lost_vdev(diagnosis: Diagnosis) -> list[str]:
    lost = ", ".join(group.vdev for group in diagnosis.groups if group.may_still_die < 0)
    return [
        f"Pull nothing more from {lost}: look for a disk that only lost its cable or power, and bring that back.",
        "Where none comes back, restore from a replica: docs/operations/lose-a-vdev.md",
    ]


def _of_gone(disk: DiskHealth) -> str:
    name = _handle(disk)
    if disk.state == "OFFLINE":
        return f"{disk.where} was taken offline by hand: zpool online {disk.pool} {name}, or replace it: fonoteca pool replace {name}"
    return f"Replace {disk.where}: fonoteca pool replace {name}"


def _of_noisy(disks: list[DiskHealth], pool: str) -> list[str]:
    """Where many disks make errors at once, it is seldom the disks."""
    if len(disks) > _MANY:
        return [
            f"{len(disks)} disks made errors at once: suspect what they share (cable, controller, power, memory) before the disks. "
            f"Then forget the counts: zpool clear {pool}"
        ]
    return [_of_one(disk, pool) for disk in disks]


def _of_one(disk: DiskHealth, pool: str) -> str:
    if disk.is_failing:
        return f"{disk.where} is failing{f' ({disk.note})' if disk.note else ''}: fonoteca pool replace {_handle(disk)}"
    if disk.is_rising:
        look = "look at its cable and SMART (fonoteca pool disks)"
        return f"{disk.where} makes errors now: {look}; if they go on: fonoteca pool replace {_handle(disk)}"
    return f"{disk.where} made errors: look at its SMART (fonoteca pool disks), then forget them: zpool clear {pool} {_handle(disk)}"


def _handle(disk: DiskHealth) -> str:
    return shlex.quote(str(disk.guid) if disk.disk.isdigit() and disk.guid else disk.disk)


def _of_damage(health: PoolHealth, damage: DamageCounts, pool: str, archive: str | None) -> list[str]:
    if not has_lost_data(health):
        return []
    steps = []
    if any(map(is_metadata, health.damaged)):
        steps.append("Blocks of ZFS itself are damaged: copy what can be read elsewhere (fonoteca pool replicate), then restore the pool.")
    if damage.mendable:
        steps.append(f"Mend the files of the archive: fonoteca heal{f' {shlex.quote(archive)}' if archive else ''}")
    if not health.damaged:
        steps.append(f"See as root which files, however long it takes: fonoteca pool status {pool} --time-limit 1800")
    elif damage.outside:
        steps.append(
            "Put the files that heal does not know back from a replica: fonoteca pool restore REPLICA PATH. A snapshot of this pool shares "
            "the damaged blocks; it helps only where the file was written anew since."
        )
    if damage.stale:
        steps.append("Names without a file were mended or removed since, or their folder is damaged too: two scrubs tell which.")
    if damage.in_snapshots:
        steps.append("Damage in snapshots only stays until the snapshot is destroyed; nothing of today is lost by it.")
    steps.append(f"Have all read twice, which empties the list: fonoteca pool scrub {pool} --wait; fonoteca pool scrub {pool} --wait")
    return steps
