"""How old the newest snapshot and the copies on other pools are."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.ground.pool_settings import PoolSettings, SnapshotSettings
from fonoteca.ground.quantities import format_duration
from fonoteca.pools.proving_replica import ReplicaState
from fonoteca.pools.snapshots import Snapshot
from fonoteca.workflows.pool.damage import ReplicaBase

_HOUR, _DAY = 3600, 86400
# the shortest kind that is asked for, and after how long without one it is late: it was missed at least once
_LATE: tuple[tuple[str, int], ...] = (("hourly", 3 * _HOUR), ("daily", 50 * _HOUR), ("monthly", 33 * _DAY), ("yearly", 368 * _DAY))


class ReplicaAge(msgspec.Struct, frozen=True):
    """A replica and the newest snapshot that it is known to have; None: it has none yet."""

    name: str
    snapshot: str | None
    age_seconds: int | None

    @property
    def words(self) -> str:
        """The same for people."""
        if self.age_seconds is None:
            return f"replica {self.name} has nothing yet"
        return f"replica {self.name} is {format_duration(max(0, self.age_seconds))} old ({self.snapshot})"


class CopiesAge(msgspec.Struct, frozen=True):
    """Snapshots and replicas of the store."""

    newest_snapshot: str | None
    age_seconds: int | None
    replicas: tuple[ReplicaAge, ...]
    findings: tuple[Finding, ...]

    @property
    def words(self) -> list[str]:
        """A line each."""
        if self.age_seconds is None:
            first = "no snapshot was made yet"
        else:
            first = f"newest snapshot {self.newest_snapshot}, {format_duration(max(0, self.age_seconds))} old"
        return [first, *(one.words for one in self.replicas)]


def age_of_copies(
    store: str, snapshots: Sequence[Snapshot], settings: PoolSettings, states: Sequence[ReplicaState], judged: Sequence[Finding], now: int
) -> CopiesAge:  # fmt: skip
    """What is late, held against the settings; `snapshots` are those of the dataset `store`, `judged` findings about the replicas."""
    newest = max(snapshots, key=lambda one: one.createtxg, default=None)
    age = None if newest is None else now - newest.created_at
    known = {state.name: state for state in states}
    replicas = tuple(_replica(known.get(one.name), one.name, now) for one in settings.replicas)
    findings = []
    limit = late_after(settings.snapshots)
    if limit is not None and (age is None or age > limit):
        fact = "there is none" if age is None else f"the newest is {format_duration(age)} old"
        findings.append(Finding("snapshot-late", store, fact))
    return CopiesAge(newest.name if newest else None, age, replicas, (*findings, *judged))


def late_after(policies: Sequence[SnapshotSettings]) -> int | None:
    """Seconds without a new snapshot that are too long; None where the policy asks for none."""
    return next((seconds for kind, seconds in _LATE if any(getattr(one, kind) for one in policies)), None)


def replica_bases(states: Sequence[ReplicaState]) -> list[ReplicaBase]:
    """Until when each replica has everything."""
    return [ReplicaBase(one.name, one.snapshot_at) for one in states if one.snapshot_at]


def _replica(state: ReplicaState | None, name: str, now: int) -> ReplicaAge:
    if state is None or not state.snapshot_at:
        return ReplicaAge(name, None, None)
    return ReplicaAge(name, state.snapshot, now - state.snapshot_at)
