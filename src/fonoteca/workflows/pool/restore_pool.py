"""The whole store on new disks: the pool made from its plan, everything received from a replica, proved, and only then opened for writing.

Killed anywhere, the next run goes on: the pool is there, what was received is received. A proof that was cut begins anew; what was
proved and opened is marked so, and is not read again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from fonoteca.ground.errors import NotFoundError
from fonoteca.ground.progress import Progress
from fonoteca.pools.dataset_states import read_states
from fonoteca.pools.listing import parse_properties, read_dataset_properties
from fonoteca.pools.making import MakingStep
from fonoteca.pools.proving_replica import SnapshotProof
from fonoteca.pools.replace_steps import Step
from fonoteca.pools.replication import DatasetState
from fonoteca.pools.restored_marks import SNAPSHOT_MARK, Marks, lacking, mark_of, read_marks
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.create import CreationPlan, PoolMaker
from fonoteca.workflows.pool.prove_replica import prove_replica
from fonoteca.workflows.pool.replica_source import ReadSide, only, target_of
from fonoteca.workflows.pool.replicate import ReplicationOptions, ReplicationReport, replicate

Proved = Literal["same", "no-release", "not-the-same", "earlier"]
"""earlier: all of it was restored by a former run (`restored_at`), and nothing was read now."""


class RestoredStore(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, or what came of it. `commands` make the pool; `datasets` are those that came back."""

    origin: str
    dataset: str
    commands: tuple[MakingStep, ...]
    bytes: int | None = None
    datasets: tuple[str, ...] = ()
    proved: Proved | None = None
    mismatch: str = ""
    proof: SnapshotProof | None = None
    restored_at: int | None = None
    next_steps: tuple[Step, ...] = ()
    is_done: bool = False


class StoreRestorer:
    """Brings the store from `source` to the pool of a plan."""

    def __init__(self, zfs: Zfs, source: ReadSide, maker: PoolMaker, progress: Progress) -> None:
        self.zfs, self.source, self.maker, self.progress = zfs, source, maker, progress
        name = maker.plan.datasets[0].name.split("/")[0] if maker.plan.datasets else source.place.dataset.rpartition("/")[2]
        self.dataset = f"{maker.plan.name}/{name}"
        self.target = target_of(zfs, self.dataset)

    def prepare(self) -> RestoredStore:
        """What is to be done: the commands that make the pool, and how much is received. Changes nothing."""
        states = self.source.states()
        if not any(state.snapshots for state in states):
            raise NotFoundError(f"{self.source.place} has no snapshot to restore from", "zfs list -t snapshot shows those that are there.")
        steps = _of_pool(self.maker.prepare())
        known = self.maker.read_pool() is not None
        planned = self._receive(self._lacking(states, self._marks()), is_dry_run=True) if known else None
        size = planned.sent_bytes if planned is not None else None
        return RestoredStore(
            origin=str(self.source.place), dataset=self.dataset, commands=steps, bytes=size, datasets=tuple(state.name for state in states)
        )

    def carry_out(self, prepared: RestoredStore) -> RestoredStore:
        """Make the pool, receive, prove, open. What is not the same as the replica stays read-only."""
        for step in prepared.commands:
            self.zfs.run(*step.command, timeout_s=1800)
        states, marks = self.source.states(), self._marks()
        missing = self._lacking(states, marks)
        proved: Proved = "earlier"
        proof = None
        if missing:
            report = self._receive(missing)
            proof, mismatch = self._prove(report)
            if mismatch:
                return self._told(prepared, "not-the-same", proof, mismatch)
            proved = "same" if proof else "no-release"
            self._mark(report, marks, is_proved=proof is not None)
        self._open_all(self._names(states))
        told = self._told(prepared, proved, proof, "")
        return msgspec.structs.replace(told, restored_at=marks.at if proved == "earlier" else None)

    def _names(self, states: Sequence[DatasetState]) -> dict[str, str]:
        """The name here of each dataset of the source."""
        return {state.name: self.dataset + state.name.removeprefix(self.source.place.dataset) for state in states}

    def _marks(self) -> Marks:
        try:
            return read_marks(self.zfs, self.dataset)
        except NotFoundError:
            return Marks()

    def _lacking(self, states: Sequence[DatasetState], marks: Marks) -> list[str]:
        return lacking(states, self._names(states), self.target.states(), marks)

    def _receive(self, names: list[str], *, is_dry_run: bool = False) -> ReplicationReport:
        if not names:
            return ReplicationReport(str(self.source.place), str(self.target.place), is_dry_run)
        report = replicate(only(self.source, names), self.target, ReplicationOptions(is_dry_run=is_dry_run), self.progress)
        for conflict in [] if is_dry_run else report.conflicts:
            raise conflict.error()
        return report

    def _prove(self, report: ReplicationReport) -> tuple[SnapshotProof | None, str]:
        """Every file of the release read from the new disks; None where no snapshot holds a release."""
        try:
            return prove_replica(self.source, self.target, report.up_to_date, None, None, 0)
        except NotFoundError:
            return None, ""

    def _mark(self, report: ReplicationReport, marks: Marks, *, is_proved: bool) -> None:
        """The store's own mark last: before it is set, everything is received on and proved anew."""
        for base in report.up_to_date:
            self.zfs.zfs("set", f"{SNAPSHOT_MARK}={base.guid}", base.target)
        if marks.at is None:
            self.zfs.zfs("set", mark_of(int(time.time()), is_proved=is_proved), self.dataset)

    def _open_all(self, names: Mapping[str, str]) -> None:
        """For writing; then what the plan has beside: its properties, and datasets that the replica lacks."""
        opened = self._open()
        prepared = self.maker.prepare()
        theirs = set(names.values())
        steps = [step for step in prepared.steps if step.command[:2] != ("zfs", "create") or step.command[-1] not in theirs]
        self.maker.carry_out(msgspec.structs.replace(prepared, steps=tuple(steps)))
        for name in opened:
            self._mount(name)

    def _open(self) -> list[str]:
        """Let go of what kept it as it was received."""
        names = [state.name for state in read_states(self.zfs, self.dataset)]
        for name in names:
            told = self.zfs.zfs("get", "-Hp", "-s", "local", "-o", "property,value", "readonly,canmount", name)
            received = parse_properties(told, "zfs get")
            if "readonly" in received:
                self.zfs.zfs("inherit", "readonly", name)
            if received.get("canmount") == "noauto":
                self.zfs.zfs("set", "canmount=on", name)
        return names

    def _mount(self, name: str) -> None:
        told = read_dataset_properties(self.zfs, name, ["canmount", "mounted", "mountpoint"])
        if told.get("canmount") == "on" and told.get("mounted") == "no" and told.get("mountpoint", "-").startswith("/"):
            self.zfs.zfs("mount", name)

    def _told(self, prepared: RestoredStore, proved: Proved, proof: SnapshotProof | None, mismatch: str) -> RestoredStore:
        names = tuple(state.name for state in read_states(self.zfs, self.dataset))
        return msgspec.structs.replace(
            prepared, datasets=names, proved=proved, proof=proof, mismatch=mismatch, next_steps=_next(self.dataset, proved), is_done=True
        )


def _of_pool(prepared: CreationPlan) -> tuple[MakingStep, ...]:
    """What makes the pool itself; its datasets come from the replica."""
    return tuple(step for step in prepared.steps if step.command[0] != "zfs")


def _next(dataset: str, proved: Proved) -> tuple[Step, ...]:
    if proved == "not-the-same":
        return (Step(f"{dataset} stays read-only. Look at both pools, then run this again.", ("zpool", "status", "-v")),)
    steps = [Step("Prove every byte of the archive.", ("fonoteca", "verify", f"/{dataset}/archive"))]
    steps.append(Step("Have it replicated again from here: a new base is held with the first run.", ("fonoteca", "pool", "replicate")))
    return (*steps, Step("Set up snapshots and mail of this machine.", ("fonoteca", "pool", "configure")))
