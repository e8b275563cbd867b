"""What is known of each replica, and when that is an alarm. Reading and hashing are the work of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.ground.pool_settings import ReplicaSettings
from fonoteca.ground.quantities import format_duration

FORMAT = 1
_HOUR, _DAY = 3600, 86_400


class ReadRequest(msgspec.Struct, frozen=True):
    """What of a snapshot is to be read: the folder `release` within its dataset, and so many bytes; the whole of it where that is None.

    `seed` turns the order of the files, so that each proof that reads a part reads another one.
    """

    dataset: str
    snapshot: str
    guid: int
    release: str
    read_bytes: int | None = None
    seed: int = 0


class SnapshotProof(msgspec.Struct, frozen=True):
    """What reading a snapshot gave. `list_sha256` is of its SHA256SUMS; `scrubbed_at` when the last whole scrub of its pool ended."""

    dataset: str
    snapshot: str
    guid: int
    list_sha256: str
    files_listed: int = 0
    files_read: int = 0
    bytes_read: int = 0
    damaged: tuple[str, ...] = ()
    damaged_count: int = 0
    scrubbed_at: int | None = None
    scrub_errors: int | None = None
    pool_errors: int | None = None


class ReplicaState(msgspec.Struct, frozen=True):
    """A replica as it was last seen; times are Unix seconds, 0 for never. Kept in replicas.json.

    `snapshot_at` is when the oldest among the newest common snapshots of all its datasets was taken: so far back does the replica lag.
    """

    name: str
    target: str
    mode: Literal["push", "pull"] = "push"
    first_at: int = 0
    replicated_at: int = 0
    snapshot: str = ""
    snapshot_at: int = 0
    tried_at: int = 0
    failure: str = ""
    proved_at: int = 0
    proof: SnapshotProof | None = None
    mismatch: str = ""


class ReplicaBook(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """replicas.json."""

    format: int = FORMAT
    replicas: tuple[ReplicaState, ...] = ()


def compare_proofs(source: SnapshotProof, replica: SnapshotProof) -> str:
    """How a replica is not what its source is; empty where it is the same."""
    if source.guid != replica.guid:
        return f"@{replica.snapshot} has the guid {replica.guid} there, {source.guid} here"
    if source.list_sha256 != replica.list_sha256:
        return f"SHA256SUMS of @{replica.snapshot} is another one there ({replica.list_sha256[:16]}…, here {source.list_sha256[:16]}…)"
    if replica.damaged_count:
        return f"{replica.damaged_count:,} of {replica.files_read:,} files read there are not what SHA256SUMS says: {replica.damaged[0]}"
    return ""


def judge_replicas(
    settings: Sequence[ReplicaSettings], states: Sequence[ReplicaState], now: int, *, is_fetching: bool = False
) -> list[Finding]:
    """What is wrong with the replicas that the settings name: late, failing, not proved, not the same, never scrubbed.

    A replica that fetches is proved where it lies; only there, with `is_fetching`, its proofs are known.
    """
    known = {state.name: state for state in states}
    found = []
    for one in settings:
        state = known.get(one.name, ReplicaState(one.name, one.target))
        found += _judge(one, state, now, knows_proofs=one.mode == "push" or is_fetching)
    return found


def _judge(wanted: ReplicaSettings, state: ReplicaState, now: int, *, knows_proofs: bool) -> list[Finding]:
    found = []
    if late := _lateness(wanted, state, now):
        found.append(Finding("replica-late", wanted.name, late))
    if state.mismatch:
        found.append(Finding("replica-differs", wanted.name, state.mismatch))
    if knows_proofs and state.snapshot_at and (unproved := _unproved(wanted, state, now)):
        found.append(Finding("replica-unproved", wanted.name, unproved))
    return found


def _lateness(wanted: ReplicaSettings, state: ReplicaState, now: int) -> str:
    why = f"; the last try failed: {state.failure}" if state.failure else ""
    if not state.snapshot_at:
        return f"nothing was replicated to {wanted.target} yet{why}"
    behind = now - state.snapshot_at
    if behind < -_HOUR:
        return f"its newest snapshot @{state.snapshot} is {format_duration(-behind)} in the future: a clock is wrong"
    if behind > wanted.lag_hours * _HOUR:
        return f"its newest snapshot @{state.snapshot} is {format_duration(behind)} old, {wanted.lag_hours:g} h are allowed{why}"
    return ""


def _unproved(wanted: ReplicaSettings, state: ReplicaState, now: int) -> str:
    allowed = wanted.prove_days * _DAY
    if not state.proved_at or state.proof is None:
        return "it was never read and compared" if now - state.first_at > allowed else ""
    if now - state.proved_at > allowed:
        return f"it was last read and compared {format_duration(now - state.proved_at)} ago"
    scrubbed = state.proof.scrubbed_at
    if scrubbed is None and now - state.first_at > allowed:
        return "its pool was never scrubbed"
    if scrubbed is not None and now - scrubbed > allowed:
        return f"its pool was last scrubbed {format_duration(now - scrubbed)} ago"
    if state.proof.pool_errors:
        return f"its pool has {state.proof.pool_errors:,} errors that it could not repair"
    return ""
