"""What the state of a pool means: what is lost, what may still die, what runs, and which findings follow. Decides, touches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.ground.quantities import format_count
from fonoteca.pools.damaged_names import is_metadata
from fonoteca.pools.events import Troubles
from fonoteca.pools.health import PoolHealth, Vdev
from fonoteca.pools.pool_facts import DamageCounts, DiskHealth, GroupHealth, PoolFacts, has_lost_data
from fonoteca.pools.pool_findings import findings_of_disks, findings_of_pool, findings_of_use
from fonoteca.pools.redundancy import GROUPS_THAT_HOLD_DATA, Place, is_complete, may_still_die, places_of
from fonoteca.pools.replacing import is_resilvering
from fonoteca.pools.scan_words import seconds_left, words_of_scan, words_of_scrub

Verdict = Literal["well", "watch", "degraded", "damaged", "suspended"]
"""well: nothing to do. watch: all data has its redundancy, but something should be looked at. degraded: a disk is gone, no data.
damaged: data is lost that ZFS cannot bring back. suspended: the pool has stopped."""


class Diagnosis(msgspec.Struct, frozen=True):
    """How a pool is, in words and numbers. `headline` is one sentence."""

    pool: str
    verdict: Verdict
    headline: str
    groups: tuple[GroupHealth, ...]
    disks: tuple[DiskHealth, ...]
    fill_percent: float | None
    scan: str
    seconds_left: int | None
    scrub: str
    damaged_files: int
    findings: tuple[Finding, ...]


def count_by_name(health: PoolHealth) -> DamageCounts:
    """What the names alone tell, where no archive was asked."""
    names = [one for one in health.damaged if not is_metadata(one)]
    in_snapshots = sum(one.snapshot is not None for one in names)
    stale = sum(one.path is None and one.snapshot is None for one in names)
    unnamed = max(1, health.error_count) if has_lost_data(health) and not health.damaged else 0
    return DamageCounts(outside=len(names) - in_snapshots - stale + unnamed, in_snapshots=in_snapshots, stale=stale)


def diagnose(health: PoolHealth, facts: PoolFacts, damage: DamageCounts | None = None) -> Diagnosis:
    """All that follows from what is known of one pool; `damage` is what the archive knows of the damaged files."""
    damage = count_by_name(health) if damage is None else damage
    busy = is_resilvering(health)
    groups = tuple(_groups(health, busy))
    disks = tuple(_disks(health, facts))
    fill = fill_percent(facts)
    findings = (*findings_of_pool(health, groups), *findings_of_disks(health, disks), *findings_of_use(health, facts, fill))
    verdict = _verdict(health, groups, findings, damage)
    return Diagnosis(
        pool=health.name, verdict=verdict, headline=_headline(health, verdict, groups, disks, damage), groups=groups, disks=disks,
        fill_percent=fill, scan=words_of_scan(health.scan, facts.now), seconds_left=seconds_left(health.scan, facts.now),
        scrub=words_of_scrub(facts.scrubbed_at, facts.now), damaged_files=len(health.damaged) or health.error_count, findings=findings,
    )  # fmt: skip


def fill_percent(facts: PoolFacts) -> float | None:
    """How much of what can be written is used."""
    if facts.used_bytes is None or facts.available_bytes is None or not facts.used_bytes + facts.available_bytes:
        return None
    return round(100 * facts.used_bytes / (facts.used_bytes + facts.available_bytes), 1)


def _groups(health: PoolHealth, busy: bool) -> list[GroupHealth]:
    return [_group(group, busy) for root in health.vdevs for group in (root.children or (root,)) if group.role in GROUPS_THAT_HOLD_DATA
            and group.kind not in ("root", "hole", "indirect")]  # fmt: skip


def _group(group: Vdev, busy: bool) -> GroupHealth:
    members = group.children or (group,)
    gone = sum(not is_complete(member, is_resilvering=busy) for member in members)
    spare = may_still_die(group, is_resilvering=busy)
    if spare < 0:
        words = f"vdev {group.name}: {gone} of {format_count(len(members), 'disk')} gone, more than it can do without"
    elif gone:
        rest = "none more may die" if not spare else f"{spare} more may die"
        words = f"vdev {group.name}: {gone} of {format_count(len(members), 'disk')} gone or not yet filled, {rest}"
    else:
        words = f"vdev {group.name}: {format_count(len(members), 'disk')}, {spare or 'none'} may die"
    return GroupHealth(group.name, group.role, len(members), gone, spare, words)


def _disks(health: PoolHealth, facts: PoolFacts) -> list[DiskHealth]:
    by_guid = {one.vdev_guid: one for one in facts.troubles}
    found = [_disk(place, facts, by_guid) for place in places_of(health)]
    return [
        one for one in found
        if one.is_gone or one.is_failing or one.is_rising or one.read_errors or one.write_errors or one.checksum_errors
    ]  # fmt: skip


def _disk(place: Place, facts: PoolFacts, troubles: Mapping[int, Troubles]) -> DiskHealth:
    leaf = place.leaf
    known = facts.disks.get(leaf.path or leaf.former_path or leaf.name)
    recent = troubles.get(leaf.guid) if leaf.guid else None
    has_errors = leaf.read_errors or leaf.write_errors or leaf.checksum_errors  # none after a clear, which the kernel's events outlive
    return DiskHealth(
        pool=place.pool, vdev=place.group.name, disk=leaf.former_path or leaf.path or leaf.name, state=leaf.state, guid=leaf.guid,
        bay=known.bay if known else None, serial=known.serial if known else "", read_errors=leaf.read_errors,
        write_errors=leaf.write_errors, checksum_errors=leaf.checksum_errors, is_rising=bool(recent and recent.in_last_day and has_errors),
        note=leaf.note, stand_in=place.stand_in.name if place.stand_in else None,
        successor=place.successor.name if place.successor else None,
    )  # fmt: skip


def _verdict(health: PoolHealth, groups: Sequence[GroupHealth], findings: Sequence[Finding], damage: DamageCounts) -> Verdict:
    codes = {finding.code for finding in findings}
    if health.state == "SUSPENDED":
        return "suspended"
    if damage.today or codes & {"vdev-lost", "pool-damaged-metadata"} or health.state in ("FAULTED", "UNAVAIL"):
        return "damaged"
    if codes & {"pool-degraded"} or any(group.gone for group in groups):
        return "degraded"
    return "watch" if codes or has_lost_data(health) else "well"


def _headline(
    health: PoolHealth, verdict: Verdict, groups: Sequence[GroupHealth], disks: Sequence[DiskHealth], damage: DamageCounts
) -> str:
    """The first sentence: is data lost or not."""
    if verdict == "suspended":
        return f"{health.name} has stopped: too many of its disks are gone, and nothing can be written until they are back."
    dead = [disk for disk in disks if disk.is_gone]
    gone = len(dead) or sum(group.gone for group in groups)
    if verdict == "damaged":
        with_disks = f", with {format_count(gone, 'disk')} gone" if gone else ""
        return f"{health.name} has lost data{_what_is_lost(health, damage)}{with_disks}."
    if is_resilvering(health):
        lost = f"{format_count(len(dead), 'disk')} and no data, {_what_may_die(groups)}" if dead else "no data"
        return f"{health.name} has lost {lost}; a new disk is being filled."
    failing = sum(disk.is_failing for disk in disks)
    if verdict == "degraded" and failing and not gone:
        return f"{health.name} has lost no data, but {format_count(failing, 'disk')} {'is' if failing == 1 else 'are'} failing."
    if verdict == "degraded":
        stands_in = "; a spare stands in" if dead and all(disk.stand_in for disk in dead) else ""
        return f"{health.name} has lost {format_count(gone, 'disk') if gone else 'some redundancy'} and no data{stands_in}."
    if damage.in_snapshots or damage.stale:
        return f"{health.name} has lost no file of today; names of older damage are still on its list."
    noisy = sum(not disk.is_gone for disk in disks)
    if noisy:
        return f"{health.name} has lost nothing, but {format_count(noisy, 'disk')} made errors."
    return f"{health.name} is well." if verdict == "well" else f"{health.name} is well, but something is to be done."


def _what_may_die(groups: Sequence[GroupHealth]) -> str:
    """Of the group that has least to spare."""
    least = min((group.may_still_die for group in groups), default=0)
    return f"{least} more may die" if least > 0 else "none more may die"


def _what_is_lost(health: PoolHealth, damage: DamageCounts) -> str:
    if not health.damaged and health.error_count:  # blocks, not files; their names are for root
        return f" ({format_count(health.error_count, 'error')})"
    if health.damaged and damage.today:
        return f" in {format_count(damage.today, 'file')}"
    return " of ZFS itself" if any(map(is_metadata, health.damaged)) else ""
