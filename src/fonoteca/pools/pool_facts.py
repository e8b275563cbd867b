"""What is known of a pool besides its state, and what is made of its vdevs and disks."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fonoteca.pools.disks import Disk
from fonoteca.pools.events import Troubles
from fonoteca.pools.health import PoolHealth

CORRUPT = "ZFS-8000-8A"
_GONE = frozenset({"FAULTED", "OFFLINE", "REMOVED", "UNAVAIL"})


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
    successor: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nothing can be read from it."""
        return self.state in _GONE

    @property
    def is_failing(self) -> bool:
        """Whether ZFS counts it as failing, and reads it as long as it answers."""
        return self.state == "DEGRADED"

    @property
    def where(self) -> str:
        """Where a person finds it."""
        label = f"serial {self.serial}" if self.serial else ""
        return ", ".join(part for part in (self.disk, f"bay {self.bay}" if self.bay else "", label) if part)


def has_lost_data(health: PoolHealth) -> bool:
    """Whether there is damage that ZFS cannot repair; a pool that says ONLINE may have it."""
    return bool(health.error_count or health.damaged or health.message_id == CORRUPT)
