"""The whole store on new disks: the pool made from its plan, everything received from a replica, proved, and only then opened for writing.

Killed anywhere, the next run goes on: the pool is there, what was received is received, what was proved is marked so.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fonoteca.ground.errors import NotFoundError
from fonoteca.ground.progress import Progress
from fonoteca.pools.dataset_states import read_states
from fonoteca.pools.listing import parse_properties, read_dataset_properties
from fonoteca.pools.making import MakingStep
from fonoteca.pools.proving_replica import SnapshotProof
from fonoteca.pools.replace_steps import Step
from fonoteca.pools.replica_sides import Side
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.create import CreationPlan, PoolMaker
from fonoteca.workflows.pool.prove_replica import prove_replica
from fonoteca.workflows.pool.replica_source import target_of
from fonoteca.workflows.pool.replicate import ReplicationOptions, ReplicationReport, replicate

MARK = "fonoteca:restored"  # on the dataset of the store, when all of it was received and proved

Proved = Literal["same", "no-release", "not-the-same"]


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
    next_steps: tuple[Step, ...] = ()
    is_done: bool = False


class StoreRestorer:
    """Brings the store from `source` to the pool of a plan."""

    def __init__(self, zfs: Zfs, source: Side, maker: PoolMaker, progress: Progress) -> None:
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
        planned = replicate(self.source, self.target, ReplicationOptions(is_dry_run=True), self.progress) if known else None
        size = planned.sent_bytes if planned is not None else None
        return RestoredStore(
            origin=str(self.source.place), dataset=self.dataset, commands=steps, bytes=size, datasets=tuple(state.name for state in states)
        )

    def carry_out(self, prepared: RestoredStore) -> RestoredStore:
        """Make the pool, receive, prove, open. What is not the same as the replica stays read-only."""
        for step in prepared.commands:
            self.zfs.run(*step.command, timeout_s=1800)
        if not self._is_marked():
            report = self._receive()
            proof, mismatch = self._prove(report)
            if mismatch:
                return self._told(prepared, "not-the-same", proof, mismatch)
            self.zfs.zfs("set", f"{MARK}={'proved' if proof else 'received'}", self.dataset)
            proved: Proved = "same" if proof else "no-release"
        else:
            proof, proved = None, "same" if self._mark() == "proved" else "no-release"
        names = self._open()
        self.maker.carry_out(self.maker.prepare())  # datasets that the replica lacks, and properties of the plan
        for name in names:
            self._mount(name)
        return self._told(prepared, proved, proof, "")

    def _receive(self) -> ReplicationReport:
        report = replicate(self.source, self.target, ReplicationOptions(), self.progress)
        for conflict in report.conflicts:
            raise conflict.error()
        return report

    def _prove(self, report: ReplicationReport) -> tuple[SnapshotProof | None, str]:
        """Every file of the release read from the new disks; None where no snapshot holds a release."""
        try:
            return prove_replica(self.source, self.target, report.up_to_date, None, None, 0)
        except NotFoundError:
            return None, ""

    def _mark(self) -> str:
        return read_dataset_properties(self.zfs, self.dataset, [MARK]).get(MARK, "-")

    def _is_marked(self) -> bool:
        try:
            return self._mark() in ("proved", "received")
        except NotFoundError:
            return False

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
