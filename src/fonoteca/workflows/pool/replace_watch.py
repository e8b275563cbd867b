"""Watching a resilver to its end, and the spare sent back then. ZFS goes on whatever happens here."""

from __future__ import annotations

import time
from collections.abc import Callable

from fonoteca.ground.errors import DiskRefusedError, NotFoundError, UsageError
from fonoteca.pools.health import PoolHealth, Scan
from fonoteca.pools.redundancy import answers_to
from fonoteca.pools.replacing import compare, is_resilvering, spares_to_send_back
from fonoteca.pools.resilver_progress import PaceKeeper, TimeLeft
from fonoteca.pools.status import read_health
from fonoteca.pools.zfs import Zfs

EVERY_S = 5.0
SETTLES_S = 30.0
"""So long after the last sign of a resilver the pool may still rearrange its disks, or begin a second one that was put off."""

Tell = Callable[[Scan, TimeLeft], None]


def watch_resilver(
    zfs: Zfs, pool: str, successor: str, before: PoolHealth, tell: Tell, *, every_s: float = EVERY_S, settles_s: float = SETTLES_S
) -> list[str]:
    """Wait until nothing is being filled any more; gives what was noticed."""
    pace, facts = PaceKeeper(), list[str]()
    began = busy_at = time.monotonic()
    while True:
        health = read_one_health(zfs, pool)
        watched = compare(before, health, successor)
        facts += watched.facts
        if not watched.is_over:
            busy_at = time.monotonic()
        elif _is_settled(health, successor) or time.monotonic() - busy_at > settles_s:
            return facts
        if health.scan is not None and is_resilvering(health):
            pace.saw(time.monotonic(), health.scan.issued_bytes or 0)
            tell(health.scan, pace.left(health.scan.total_bytes))
        before = health
        time.sleep(min(every_s, 0.5 + (time.monotonic() - began) / 10))


def _is_settled(health: PoolHealth, successor: str) -> bool:
    """Whether the new disk stands in the pool as any other; right after the command, and right after the end, it does not yet."""
    vdevs = [vdev for root in health.vdevs for vdev in root.walk()]
    is_moving = any(vdev.kind == "replacing" or "awaiting resilver" in vdev.note for vdev in vdevs)
    return not is_moving and any(answers_to(leaf, successor) for leaf in health.leaves())


def send_spares_back(zfs: Zfs, pool: str, successor: str) -> list[str]:
    """What of the spares went back; ZFS, which sends back most by itself, may do so at the same moment."""
    facts = []
    for spare in spares_to_send_back(read_one_health(zfs, pool), successor):
        try:
            zfs.zpool("detach", pool, spare)
        except (NotFoundError, DiskRefusedError):  # not in use any more: "no such device", or "reserved as a hot spare"
            continue
        facts.append(f"sent the spare {spare} back")
    return facts


def read_one_health(zfs: Zfs, pool: str) -> PoolHealth:
    """How this pool is, without names of damaged files, which may take long; UsageError where it is gone."""
    found = read_health(zfs, pool, with_names=False)
    if not found:
        raise UsageError(f"{pool} is not imported any more", "zpool import tells which pools there are.")
    return found[0]
