"""What to send next, decided from what source and target have: a pure function that names each conflict and never needs force.

Snapshots are the same when their guids are; names and clocks decide nothing. A target only takes what follows its newest snapshot.
"""

from __future__ import annotations

import shlex
from typing import Literal

import msgspec

from fonoteca.ground.errors import PoolError, PoolOutputError, SnapshotConflictError, StaleTokenError
from fonoteca.pools.resume_token import ResumeToken, read_token
from fonoteca.pools.snapshots import Bookmark, Snapshot

StepKind = Literal["full", "incremental", "bookmark", "resume"]
ConflictCode = Literal[
    "no-snapshots", "target-not-ours", "nothing-in-common", "target-ahead", "target-changed", "diverged", "encryption", "stale-token",
    "kind", "no-parent",
]  # fmt: skip


class DatasetState(msgspec.Struct, frozen=True):
    """A file system or volume as replication sees it. Snapshots and bookmarks are in order of age (createtxg).

    `token` is that of a receive that was cut; `written_bytes` what was written since the newest snapshot.
    """

    name: str
    kind: Literal["filesystem", "volume"] = "filesystem"
    snapshots: tuple[Snapshot, ...] = ()
    bookmarks: tuple[Bookmark, ...] = ()
    token: str = ""
    written_bytes: int = 0
    is_readonly: bool = False
    is_encrypted: bool = False


class Step(msgspec.Struct, frozen=True, tag="send"):
    """One stream that brings `target` one snapshot further. `base` is a snapshot, or a bookmark where the kind says so."""

    kind: StepKind
    dataset: str
    target: str
    snapshot: str
    guid: int
    base: str = ""
    base_guid: int = 0
    token: str = ""
    is_raw: bool = False
    volume: bool = False


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    """Drop what arrived by halves: `zfs receive -A`."""

    dataset: str
    target: str


class UpToDate(msgspec.Struct, frozen=True, tag="up-to-date"):
    """The target has the newest snapshot; `snapshot` is empty where the source only has a bookmark of it."""

    dataset: str
    target: str
    snapshot: str
    guid: int


class Conflict(msgspec.Struct, frozen=True, tag="conflict"):
    """Why nothing can be sent without losing what the target keeps, and what a person can do."""

    code: ConflictCode
    dataset: str
    target: str
    fact: str
    way_out: str

    def error(self) -> PoolError:
        """It as an error."""
        kind = StaleTokenError if self.code == "stale-token" else SnapshotConflictError
        return kind(f"{self.dataset} cannot be replicated to {self.target}: {self.fact}", self.way_out)


Decision = Step | Forget | UpToDate | Conflict

_STALE = "Run it again with --forget-partial: what arrived by halves is dropped and sent anew."


def decide(
    source: DatasetState, target: DatasetState | None, target_name: str, *, sends_all: bool = True, forgets_partial: bool = False
) -> Decision:
    """The next thing to do for one dataset; done again and again, it ends with UpToDate or a Conflict.

    `sends_all`: every snapshot that the target lacks, one by one; otherwise only the newest.
    """
    decision = _Decision(source, target_name, sends_all)
    if not source.snapshots:
        return decision.conflict("no-snapshots", "it has no snapshot", "Take one: fonoteca pool snapshot.")
    if target is None:
        return decision.full()
    if target.kind != source.kind:
        return decision.conflict("kind", f"the source is a {source.kind}, the target a {target.kind}", "Name another target.")
    if target.token:
        return Forget(source.name, target_name) if forgets_partial else decision.resume(target)
    if not target.snapshots:
        return decision.conflict(
            "target-not-ours", "the target exists and has no snapshot, so it was not made by replication",
            "Name a dataset that does not exist yet below it, or rename this one: zfs rename.",
        )  # fmt: skip
    return decision.onwards(target)


def with_step(target: DatasetState | None, step: Step) -> DatasetState:
    """The target as it will be once the stream of a step has arrived."""
    before = target or DatasetState(step.target, "volume" if step.volume else "filesystem", is_readonly=True, is_encrypted=step.is_raw)
    latest = max((one.createtxg for one in before.snapshots), default=0)
    arrived = Snapshot(step.target, step.snapshot, step.guid, latest + 1, 0)
    return msgspec.structs.replace(before, snapshots=(*before.snapshots, arrived), token="")


def _typed(*words: str) -> str:
    """A command of zfs to be typed; names may have spaces, and come from other machines."""
    return shlex.join(["zfs", *words])


class _Decision:
    def __init__(self, source: DatasetState, target_name: str, sends_all: bool) -> None:
        self.source, self.target_name, self.sends_all = source, target_name, sends_all
        self.snapshots = sorted(source.snapshots, key=lambda one: one.createtxg)
        self.points: list[Snapshot | Bookmark] = [*self.snapshots, *source.bookmarks]

    def conflict(self, code: ConflictCode, fact: str, way_out: str) -> Conflict:
        return Conflict(code, self.source.name, self.target_name, fact, way_out)

    def step(self, kind: StepKind, snapshot: Snapshot, base: Snapshot | Bookmark | None = None) -> Step:
        return Step(
            kind, self.source.name, self.target_name, snapshot.name, snapshot.guid, base.name if base else "", base.guid if base else 0,
            is_raw=self.source.is_encrypted, volume=self.source.kind == "volume",
        )  # fmt: skip

    def full(self) -> Step:
        return self.step("full", self.snapshots[0 if self.sends_all else -1])

    def resume(self, target: DatasetState) -> Step | Conflict:
        """The rest of a stream that was cut, as long as both of its ends are still at the source."""
        try:
            token = read_token(target.token)
        except PoolOutputError as error:
            return self.conflict("stale-token", error.message, _STALE)
        snapshot = self._named_by(token)
        if snapshot is None:
            return self.conflict("stale-token", f"{token.to_name}, which was on its way, is gone at the source", _STALE)
        base = next((one for one in self.points if one.guid == token.from_guid), None)
        if token.from_guid and base is None:
            return self.conflict("stale-token", f"the base from which {token.to_name} was on its way is gone at the source", _STALE)
        return msgspec.structs.replace(self.step("resume", snapshot, base), token=target.token)

    def _named_by(self, token: ResumeToken) -> Snapshot | None:
        """`zfs send -t` finds its snapshot by name, so one that was renamed cannot be resumed."""
        named = (one for one in self.snapshots if one.guid == token.to_guid and one.full_name == token.to_name)
        return next(named, None)

    def onwards(self, target: DatasetState) -> Step | UpToDate | Conflict:
        newest = max(target.snapshots, key=lambda one: one.createtxg)
        base = self._base(newest.guid)
        if base is None:
            return self._no_base(target, newest)
        if target.written_bytes:
            return self._changed(target, newest)
        missing = [one for one in self.snapshots if one.createtxg > base.createtxg]
        if not missing:
            return UpToDate(self.source.name, self.target_name, base.name if isinstance(base, Snapshot) else "", base.guid)
        if self.source.is_encrypted and not target.is_encrypted:
            return self.conflict(
                "encryption", "the source is encrypted, the target is not: the one cannot follow the other",
                "Name a new target; it is sent raw, so that it stays encrypted without its key.",
            )  # fmt: skip
        return self._next(target, missing[0] if self.sends_all else missing[-1], base)

    def _base(self, guid: int) -> Snapshot | Bookmark | None:
        """A snapshot goes before its bookmark."""
        return next((one for one in self.points if one.guid == guid), None)

    def _next(self, target: DatasetState, snapshot: Snapshot, base: Snapshot | Bookmark) -> Step | Conflict:
        if any(one.name == snapshot.name for one in target.snapshots):
            return self.conflict(
                "diverged", f"both have a snapshot @{snapshot.name}, and they are not the same one",
                f"Rename one of them: {_typed('rename', f'{self.target_name}@{snapshot.name}', f'@{snapshot.name}-old')}",
            )  # fmt: skip
        return self.step("incremental" if isinstance(base, Snapshot) else "bookmark", snapshot, base)

    def _changed(self, target: DatasetState, newest: Snapshot) -> Conflict:
        writable = "" if target.is_readonly else " and it is not read-only"
        return self.conflict(
            "target-changed", f"the target was written to ({target.written_bytes:,} bytes) since @{newest.name}{writable}",
            f"Look what it is: {_typed('diff', newest.full_name)}. If it may go: {_typed('rollback', newest.full_name)}",
        )  # fmt: skip

    def _aside(self) -> str:
        """The way out that loses nothing."""
        rename = _typed("rename", self.target_name, f"{self.target_name}_before")
        return f"Keep all of it under another name: {rename}; then this one is sent anew."

    def _no_base(self, target: DatasetState, newest: Snapshot) -> Conflict:
        known = {one.guid for one in self.points}
        common = [one for one in target.snapshots if one.guid in known]
        if common:
            last = max(common, key=lambda one: one.createtxg)
            return self.conflict(
                "target-ahead", f"the target has @{newest.name} after the last common snapshot @{last.name}, and the source has it not",
                f"{self._aside()} If what came after the common one may go: {_typed('rollback', '-r', last.full_name)}",
            )  # fmt: skip
        names = {one.name for one in self.snapshots}
        if same := next((one for one in target.snapshots if one.name in names), None):
            return self.conflict(
                "diverged", f"both have a snapshot @{same.name}, but they are not the same one, and nothing else in common",
                f"This is a copy of something else. Name another target, or: {self._aside()}",
            )  # fmt: skip
        return self.conflict(
            "nothing-in-common", f"none of the target's {len(target.snapshots)} snapshots is known at the source, nor a bookmark of one",
            self._aside(),
        )  # fmt: skip
