"""What the state of a pool means: what is lost, what may still die, what runs, and which findings follow. Decides, touches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.ground.quantities import format_bytes, format_count, format_duration
from fonoteca.pools.damaged_names import is_metadata
from fonoteca.pools.disks import Disk
from fonoteca.pools.events import Troubles
from fonoteca.pools.health import PoolHealth, Scan, Vdev
from fonoteca.pools.redundancy import GROUPS_THAT_HOLD_DATA, Place, is_complete, may_still_die, places_of

Verdict = Literal["well", "watch", "degraded", "damaged", "suspended"]
"""well: nothing to do. watch: all data has its redundancy, but something should be looked at. degraded: a disk is gone, no data.
damaged: data is lost that ZFS cannot bring back. suspended: the pool has stopped."""

CORRUPT = "ZFS-8000-8A"
_GONE = frozenset({"FAULTED", "OFFLINE", "REMOVED", "UNAVAIL"})
_SLOWEST = 10 * 1024 * 1024  # below this rate OpenZFS gives no estimate either


class PoolFacts(msgspec.Struct, frozen=True):
    """What is known besides `zpool status`; None where it could not be asked. `scrubbed_at`: when the last scrub of all of it ended."""

    now: int
    used_bytes: int | None = None
    available_bytes: int | None = None
    fill_limit: float = 80
    scrub_days: int = 35
    scrubbed_at: int | None = None
    made_at: int | None = None
    troubles: tuple[Troubles, ...] = ()
    disks: Mapping[str, Disk] = {}
    """By the path or name of the leaf in the pool."""


class DamageCounts(msgspec.Struct, frozen=True):
    """Names on ZFS's list of damage by what can be done about them. `stale` have no file any more, `in_snapshots` none of today."""

    mendable: int = 0
    outside: int = 0
    in_snapshots: int = 0
    stale: int = 0

    @property
    def today(self) -> int:
        """Files that cannot be read today."""
        return self.mendable + self.outside


class GroupHealth(msgspec.Struct, frozen=True):
    """One vdev: how many of its disks are gone, how many more may die; below 0 data is out of reach."""

    vdev: str
    role: str
    disks: int
    gone: int
    may_still_die: int
    words: str


class DiskHealth(msgspec.Struct, frozen=True):
    """A disk that is gone or makes errors: what ZFS calls it, in which bay it is, what its label reads."""

    pool: str
    vdev: str
    disk: str
    state: str
    guid: int = 0
    bay: str | None = None
    serial: str = ""
    read_errors: int = 0
    write_errors: int = 0
    checksum_errors: int = 0
    is_rising: bool = False
    note: str = ""
    stand_in: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nothing can be read from it."""
        return self.state in _GONE

    @property
    def where(self) -> str:
        """Where a person finds it."""
        label = f"serial {self.serial}" if self.serial else ""
        return ", ".join(part for part in (self.disk, f"bay {self.bay}" if self.bay else "", label) if part)


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
    findings = (*_of_pool(health, groups), *_of_disks(health, disks), *_of_use(health, facts, fill))
    verdict = _verdict(health, groups, findings, damage)
    return Diagnosis(
        pool=health.name, verdict=verdict, headline=_headline(health, verdict, groups, disks, damage), groups=groups, disks=disks,
        fill_percent=fill, scan=words_of_scan(health.scan, facts.now), seconds_left=seconds_left(health.scan, facts.now),
        scrub=words_of_scrub(facts), damaged_files=len(health.damaged) or health.error_count, findings=findings,
    )  # fmt: skip


def is_resilvering(health: PoolHealth) -> bool:
    """Whether a disk is being filled now."""
    return health.scan is not None and health.scan.function in ("resilver", "rebuild") and health.scan.state == "scanning"


def has_lost_data(health: PoolHealth) -> bool:
    """Whether there is damage that ZFS cannot repair; a pool that says ONLINE may have it."""
    return bool(health.error_count or health.damaged or health.message_id == CORRUPT)


def fill_percent(facts: PoolFacts) -> float | None:
    """How much of what can be written is used."""
    if facts.used_bytes is None or facts.available_bytes is None or not facts.used_bytes + facts.available_bytes:
        return None
    return round(100 * facts.used_bytes / (facts.used_bytes + facts.available_bytes), 1)


def seconds_left(scan: Scan | None, now: int) -> int | None:
    """An honest estimate, or None: at first, when paused, and where hardly anything moves nobody knows."""
    if scan is None or scan.state != "scanning":
        return None
    if scan.seconds_left is not None:
        return scan.seconds_left
    if not scan.total_bytes or not scan.issued_bytes or scan.started_at is None:
        return None
    elapsed = now - scan.started_at
    rate = scan.issued_rate if scan.issued_rate else scan.issued_bytes / elapsed if elapsed > 0 else 0
    if elapsed < 30 or rate < _SLOWEST:
        return None
    return int(max(0, scan.total_bytes - scan.issued_bytes) / rate)


def words_of_scan(scan: Scan | None, now: int) -> str:
    """The scrub or resilver that goes on; empty where none does."""
    if scan is None or scan.state not in ("scanning", "paused"):
        return ""
    what = {"errorscrub": "scrub of damaged files", "rebuild": "rebuild"}.get(scan.function, scan.function)
    if scan.state == "paused":
        return f"a {what} is paused; go on with: fonoteca pool scrub"
    done = f", {100 * (scan.issued_bytes or 0) / scan.total_bytes:.1f} % done" if scan.total_bytes else ""
    left = seconds_left(scan, now)
    return f"a {what} is running{done}, {f'about {format_duration(left)} left' if left is not None else 'time left not known yet'}"


def words_of_scrub(facts: PoolFacts) -> str:
    """When every block was read last."""
    if facts.scrubbed_at is None:
        return "no scrub of it has ended yet"
    return f"last scrubbed {_ago(facts.now - facts.scrubbed_at)}"


def _ago(seconds: int) -> str:
    days = seconds // 86400
    return "today" if days < 1 else f"{format_count(days, 'day')} ago"


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
    return [one for one in found if one.is_gone or one.is_rising or one.read_errors or one.write_errors or one.checksum_errors]


def _disk(place: Place, facts: PoolFacts, troubles: Mapping[int, Troubles]) -> DiskHealth:
    leaf = place.leaf
    known = facts.disks.get(leaf.path or leaf.former_path or leaf.name)
    recent = troubles.get(leaf.guid) if leaf.guid else None
    return DiskHealth(
        pool=place.pool, vdev=place.group.name, disk=leaf.former_path or leaf.path or leaf.name, state=leaf.state, guid=leaf.guid,
        bay=known.bay if known else None, serial=known.serial if known else "", read_errors=leaf.read_errors,
        write_errors=leaf.write_errors, checksum_errors=leaf.checksum_errors, is_rising=bool(recent and recent.in_last_day), note=leaf.note,
        stand_in=place.stand_in.name if place.stand_in else None,
    )  # fmt: skip


def _of_pool(health: PoolHealth, groups: Sequence[GroupHealth]) -> list[Finding]:
    found = []
    if health.state == "SUSPENDED":
        found.append(Finding("pool-suspended", health.name, health.status or "ZFS has stopped all writing to it"))
    lost = [group.vdev for group in groups if group.may_still_die < 0]
    if lost:
        found.append(Finding("vdev-lost", health.name, f"{', '.join(lost)}: more disks are gone than it can do without"))
    weak = [group.words for group in groups if group.gone and group.may_still_die >= 0]
    if weak or (health.state == "DEGRADED" and not lost):
        found.append(Finding("pool-degraded", health.name, "; ".join(weak) or health.status or "a part of it is degraded"))
    if any(is_metadata(one) for one in health.damaged):
        count = sum(map(is_metadata, health.damaged))
        found.append(Finding("pool-damaged-metadata", health.name, f"{format_count(count, 'object')} of ZFS itself cannot be read"))
    if has_lost_data(health) and not health.damaged:  # the names are for root, or the pool has none yet
        count = health.error_count
        fact = f"{format_count(count, 'file')} cannot be read" if count else "ZFS says that data is lost"
        found.append(Finding("pool-damaged-file", health.name, f"{fact}; zpool status -v as root names what"))
    return found


def _of_disks(health: PoolHealth, disks: Sequence[DiskHealth]) -> list[Finding]:
    found = []
    for disk in disks:
        if disk.is_gone:
            note = f" ({disk.note})" if disk.note else ""
            stand_in = f"; the spare {disk.stand_in} stands in" if disk.stand_in else ""
            found.append(Finding("disk-faulted", disk.disk, f"{disk.state}{note} in {disk.vdev} of {health.name}: {disk.where}{stand_in}"))
        else:
            counts = f"{disk.read_errors} read, {disk.write_errors} write, {disk.checksum_errors} checksum errors"
            rising = ", some within a day" if disk.is_rising else ""
            found.append(Finding("disk-errors", disk.disk, f"{counts}{rising} in {disk.vdev} of {health.name}: {disk.where}"))
    return found


def _of_use(health: PoolHealth, facts: PoolFacts, fill: float | None) -> list[Finding]:
    found = []
    if fill is not None and fill > facts.fill_limit and facts.available_bytes is not None:
        free = format_bytes(facts.available_bytes)
        found.append(Finding("pool-full", health.name, f"{fill:g} % full, the limit is {facts.fill_limit:g} %; {free} are left"))
    running = health.scan is not None and health.scan.function == "scrub" and health.scan.state == "scanning"
    since = facts.scrubbed_at or facts.made_at
    if not running and (since is None or facts.now - since > facts.scrub_days * 86400):
        found.append(Finding("scrub-late", health.name, f"{words_of_scrub(facts)}; every {facts.scrub_days} days is asked for"))
    return found


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
        return f"{health.name} has lost no data; a new disk is being filled."
    if verdict == "degraded":
        stands_in = "; a spare stands in" if dead and all(disk.stand_in for disk in dead) else ""
        return f"{health.name} has lost {format_count(gone, 'disk') if gone else 'some redundancy'} and no data{stands_in}."
    if damage.in_snapshots or damage.stale:
        return f"{health.name} has lost no file of today; names of older damage are still on its list."
    noisy = sum(not disk.is_gone for disk in disks)
    if noisy:
        return f"{health.name} has lost nothing, but {format_count(noisy, 'disk')} made errors."
    return f"{health.name} is well." if verdict == "well" else f"{health.name} is well, but something is to be done."


def _what_is_lost(health: PoolHealth, damage: DamageCounts) -> str:
    if damage.today:
        return f" in {format_count(damage.today, 'file')}"
    return " of ZFS itself" if any(map(is_metadata, health.damaged)) else ""
