"""Findings about a pool: what is lost, which disks are gone or make errors, what is late or full."""

from __future__ import annotations

from collections.abc import Sequence

from fonoteca.ground.findings import Finding
from fonoteca.ground.quantities import format_bytes, format_count
from fonoteca.pools.damaged_names import is_metadata
from fonoteca.pools.health import PoolHealth
from fonoteca.pools.pool_facts import DiskHealth, GroupHealth, PoolFacts, has_lost_data
from fonoteca.pools.scan_words import words_of_scrub


def findings_of_pool(health: PoolHealth, groups: Sequence[GroupHealth]) -> list[Finding]:
    """What of its vdevs and data is lost or in danger."""
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
        fact = format_count(count, "error") if count else "ZFS says that data is lost"
        found.append(Finding("pool-damaged-file", health.name, f"{fact}; zpool status -v as root names what"))
    return found


def findings_of_disks(health: PoolHealth, disks: Sequence[DiskHealth]) -> list[Finding]:
    """Each disk that is gone, or made errors."""
    found = []
    for disk in disks:
        if disk.is_gone:
            note = f" ({disk.note})" if disk.note else ""
            stand_in = f"; the spare {disk.stand_in} stands in" if disk.stand_in else ""
            found.append(Finding("disk-faulted", disk.disk, f"{disk.state}{note} in {disk.vdev} of {health.name}: {disk.where}{stand_in}"))
        else:
            failing = f"DEGRADED{f' ({disk.note})' if disk.note else ''}, " if disk.is_failing else ""
            counts = f"{failing}{disk.read_errors} read, {disk.write_errors} write, {disk.checksum_errors} checksum errors"
            rising = ", some within a day" if disk.is_rising else ""
            found.append(Finding("disk-errors", disk.disk, f"{counts}{rising} in {disk.vdev} of {health.name}: {disk.where}"))
    return found


def findings_of_use(health: PoolHealth, facts: PoolFacts, fill: float | None) -> list[Finding]:
    """Too full, or too long not scrubbed."""
    found = []
    if fill is not None and fill > facts.fill_limit and facts.available_bytes is not None:
        free = format_bytes(facts.available_bytes)
        found.append(Finding("pool-full", health.name, f"{fill:g} % full, the limit is {facts.fill_limit:g} %; {free} are left"))
    running = health.scan is not None and health.scan.function == "scrub" and health.scan.state == "scanning"
    since = facts.scrubbed_at or facts.made_at
    if not running and (since is None or facts.now - since > facts.scrub_days * 86400):
        found.append(
            Finding(
                "scrub-late", health.name, f"{words_of_scrub(facts.scrubbed_at, facts.now)}; every {facts.scrub_days} days is asked for"
            )
        )
    return found
