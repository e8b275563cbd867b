"""`pool create`: a plan is held to the disks that are there, shown, carried out, and what came of it read back; stopped, it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from fonoteca.ground.errors import NotFoundError, PoolError, PoolPlanError
from fonoteca.pools.dataset_properties import without_aliases
from fonoteca.pools.disk_checks import Refusal, raise_refusals
from fonoteca.pools.disk_choice import spread_notes
from fonoteca.pools.disk_sources import DiskSources
from fonoteca.pools.disks import Disk
from fonoteca.pools.listing import read_dataset_properties, read_pool_properties, read_version
from fonoteca.pools.making import (
    Difference,
    MakingStep,
    PoolFacts,
    check_making,
    compare_pool,
    making_steps,
    missing_disks,
    planned_datasets,
    reckon_plan,
)
from fonoteca.pools.plan_file import PLAN_PROPERTY, PoolPlan
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.disks import disks_by_name

_CREATE_TIMEOUT_S = 1800  # zpool create waits for the kernel to see each new partition


class CreationPlan(msgspec.Struct, frozen=True):
    """What making a pool takes: its disks, the commands, what they destroy; `is_begun` where the pool is there already.

    `disks` are in the order of the plan; None is one that is not on this machine, or not any more.
    """

    plan: PoolPlan
    disks: tuple[Disk | None, ...]
    steps: tuple[MakingStep, ...]
    reckoned_pool_bytes: int
    reckoned_shown_bytes: int
    is_begun: bool = False
    notes: tuple[str, ...] = ()


class CreationReport(msgspec.Struct, frozen=True):
    """What came of it: the commands that were run, the sizes that ZFS reports, and all that is not as planned."""

    pool: str
    steps: tuple[MakingStep, ...] = ()
    pool_bytes: int = 0
    shown_bytes: int = 0
    differences: tuple[Difference, ...] = ()
    is_done: bool = False


class PoolMaker:
    """Makes one pool from its plan; `allow` are the words of disk_checks.ALLOWED."""

    def __init__(self, plan: PoolPlan, zfs: Zfs | None = None, sources: DiskSources | None = None, *, allow: Sequence[str] = ()) -> None:
        if not plan.has_disks:
            raise PoolPlanError(
                f"the plan of {plan.name} has places without a disk",
                "Name the disks in it by their links in /dev/disk/by-id, or let them be chosen: fonoteca pool plan … --pick --write FILE",
            )
        self.plan, self.allow = plan, frozenset(allow)
        self.zfs, self.sources = zfs or Zfs(), sources or DiskSources()
        self._disks: dict[str, Disk] = {}

    def prepare(self) -> CreationPlan:
        """What is to be done; DiskRefusedError or PoolError where it must not be. Changes nothing."""
        there = self.read_pool()
        self._disks = disks_by_name(self.plan.disks, self.zfs, self.sources, is_new=there is None)
        if there is None:
            self._refuse([*check_making(self.plan, self._disks), *self._check_folders()])
        steps = making_steps(self.plan, self._disks, there)
        pool_bytes, shown_bytes = self._reckon()
        return CreationPlan(
            self.plan, tuple(map(self._disks.get, self.plan.disks)), tuple(steps), pool_bytes, shown_bytes,
            there is not None, tuple(self._notes(shown_bytes)),
        )  # fmt: skip

    def _reckon(self) -> tuple[int, int]:
        """On these very disks; where one is gone, as the plan says."""
        if missing_disks(self.plan, self._disks):
            return self.plan.reckoned_pool_bytes, self.plan.reckoned_shown_bytes
        reckoned = reckon_plan(self.plan, self._disks)
        return reckoned.pool_bytes, reckoned.shown_bytes

    def carry_out(self, prepared: CreationPlan, tell: Callable[[MakingStep], None] = lambda step: None) -> CreationReport:
        """Run the commands one after the other, then read everything back. Stopped anywhere, the same call goes on."""
        for step in prepared.steps:
            tell(step)
            self.zfs.run(*step.command, timeout_s=_CREATE_TIMEOUT_S)
        return self.judge(prepared.steps)

    def judge(self, steps: Sequence[MakingStep] = ()) -> CreationReport:
        """The pool as it is, held to the plan."""
        found = self.read_pool()
        if found is None:
            raise PoolError(f"the pool {self.plan.name} is not there after it was made", "zpool import tells whether it can be seen.")
        differences = compare_pool(self.plan, self._disks, found)
        return CreationReport(self.plan.name, tuple(steps), found.pool_bytes, found.shown_bytes, tuple(differences), is_done=True)

    def read_pool(self) -> PoolFacts | None:
        """The pool as it is, None where there is none; PoolError where one of that name was not made from this plan."""
        name = self.plan.name
        try:
            size = read_pool_properties(self.zfs, name, sorted({"size", "autotrim", *self.plan.pool_properties}))
        except NotFoundError:
            return None
        root = read_dataset_properties(self.zfs, name, [PLAN_PROPERTY, "used", "available", *self.plan.properties])
        if root.get(PLAN_PROPERTY) != self.plan.digest:
            made = "another plan" if len(root.get(PLAN_PROPERTY, "-")) > 1 else "no plan of fonoteca"
            raise PoolError(
                f"there is a pool {name} already, which was made from {made}",
                "Give the plan another name, or compare the pool with it by hand: zpool status, zfs get all. It is left as it is.",
            )
        shown = int(root["used"]) + int(root["available"])
        return PoolFacts(name, self.plan.digest, size, self._read_datasets(root), int(size["size"]), shown)

    def _read_datasets(self, root: dict[str, str]) -> dict[str, Mapping[str, str]]:
        version = read_version(self.zfs)
        found: dict[str, Mapping[str, str]] = {self.plan.name: without_aliases(root, version)}
        for name, wanted in list(planned_datasets(self.plan).items())[1:]:
            try:
                found[name] = without_aliases(read_dataset_properties(self.zfs, name, list(wanted) or ["type"]), version)
            except NotFoundError:
                continue
        return found

    def _refuse(self, refusals: Sequence[Refusal]) -> None:
        raise_refusals([one for one in refusals if one.allow is None or one.allow not in self.allow])

    def _check_folders(self) -> list[Refusal]:
        """Folders that a dataset would be mounted over and that have something in them."""
        told = []
        for name, folder in mountpoints(self.plan).items():
            place = self.sources.root / folder.lstrip("/")
            if place.is_dir() and os.listdir(place):
                fact = f"{folder}, where it will be mounted, is not empty"
                told.append(Refusal(name, fact, None if name == self.plan.name else "mountpoint"))
        return told

    def _notes(self, shown_bytes: int) -> list[str]:
        notes = [warning for disk in self._disks.values() for warning in (f"{disk.name}: {text}" for text in disk.warnings)]
        notes += [f"{disk.best_name}: SMART: {'; '.join(disk.smart.facts)}" for disk in self._disks.values() if disk.smart.grade == "watch"]
        if any(vdev.role == "special" and vdev.width < 3 for vdev in self.plan.vdevs):
            notes.append("the special vdev is a mirror of two, and the pool dies with it; three disks are better")
        if not any(disk.is_file for disk in self._disks.values()):
            notes += spread_notes(self.plan, self._disks)
        if self.plan.reckoned_shown_bytes not in (0, shown_bytes):
            notes.append(f"the plan reckoned with {self.plan.reckoned_shown_bytes:,} bytes shown; on these disks it is {shown_bytes:,}")
        return notes


def mountpoints(plan: PoolPlan) -> dict[str, str]:
    """Where the root and each dataset will be mounted, by name; none for those that will not be."""
    root = plan.properties.get("mountpoint", f"/{plan.name}")
    places = {plan.name: root}
    for dataset in plan.datasets:
        name = f"{plan.name}/{dataset.name}"
        above, _, last = name.rpartition("/")
        inherited = places.get(above, "none")
        places[name] = dataset.properties.get("mountpoint", f"{inherited.rstrip('/')}/{last}" if inherited.startswith("/") else inherited)
    return {name: str(Path(place)) for name, place in places.items() if place.startswith("/")}
