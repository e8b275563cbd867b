"""`pool replace`: a disk gives way to another; planned, done, watched to its end and proved. ZFS goes on whatever happens here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.ground.errors import DiskRefusedError, NotFoundError, PoolError, StoppedError
from fonoteca.pools.disks import Disk, find_disk
from fonoteca.pools.health import PoolHealth, Vdev
from fonoteca.pools.listing import read_pool_properties
from fonoteca.pools.redundancy import Place, answers_to, find_place, handle_of, without_partition
from fonoteca.pools.replace_steps import Command, Step, Surroundings, introduce, plan_steps
from fonoteca.pools.replacing import Judgement, check_successor, find_pulled_by_mistake, is_being_filled, judge
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.replace_watch import EVERY_S, Tell, read_one_health, send_spares_back, watch_resilver

PULLED = "pulled"  # the word of --allow for another disk of the vdev that was taken out while the pool ran

Outcome = Literal["planned", "taken-offline", "begun", "healthy", "not-healthy"]
Refuse = Callable[[Disk, Sequence[Disk]], None]


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done about one disk. `handle` is the old disk; `successor` what takes its place: named, or doing so already."""

    pool: str
    disk: str
    handle: str
    introduction: str
    judgement: Judgement
    steps: tuple[Step, ...]
    new: str | None = None
    successor: str | None = None
    path: str | None = None

    @property
    def commands(self) -> tuple[Command, ...]:
        """What --yes runs."""
        return tuple(step.command for step in self.steps if step.is_ours)


class ReplaceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the plan, what was noticed on the way, and what to do next."""

    plan: Replacement
    outcome: Outcome
    seconds: float = 0.0
    facts: tuple[str, ...] = ()
    next_steps: tuple[Step, ...] = ()


def plan_replacement(
    zfs: Zfs, pools: Sequence[PoolHealth], disks: Sequence[Disk], text: str, new: str | None, *, refuse: Refuse,
    has_lights: bool, with_force: bool = False, ignores_pulled: bool = False,
) -> Replacement:  # fmt: skip
    """What replacing the disk `text` (any of its names) takes. Changes nothing; what must not be done is an error with its way out.

    `refuse` raises where a disk must not be taken; it is given the disk and those of the group that it would join.
    """
    disk = _known(disks, text)
    place = _find_place(pools, (text, *_links_of(disk)), new)
    health = next(one for one in pools if one.name == place.pool)
    disk = disk or _known(disks, without_partition(place.leaf.path or place.leaf.former_path or place.leaf.name))
    judgement = judge(health, place)
    if not ignores_pulled:
        _refuse_wrong_pull(health, place, disks)
    path = _check_new(place, health, disks, new, disk, refuse) if new is not None else None
    is_spare = any(leaf.state == "AVAIL" and path is not None and answers_to(leaf, path) for leaf in health.leaves())
    takes_by_itself = read_pool_properties(zfs, place.pool, ["autoreplace"]).get("autoreplace") == "on"
    around = Surroundings(disk, _candidates(place, disks, refuse), takes_by_itself, has_lights, is_spare)
    is_filled = is_being_filled(health, place)
    old = (place.predecessor if is_filled else None) or place.leaf
    filled = place.successor or (place.leaf if is_filled else None)
    if filled is not None and path is not None and path != filled.path:
        raise DiskRefusedError(
            f"{old.name} is being replaced by {filled.name} already",
            f"Wait for it, or give that one up first: zpool detach {place.pool} {handle_of(filled)}",
        )
    taker = (filled.path or filled.name) if filled else path
    return Replacement(
        pool=place.pool, disk=place.leaf.name, handle=handle_of(old), introduction=introduce(place, disk), judgement=judgement,
        steps=plan_steps(place, judgement, path, around, with_force=with_force or is_spare), new=path, successor=taker,
        path=place.leaf.path,
    )  # fmt: skip


def _find_place(pools: Sequence[PoolHealth], names: Sequence[str], new: str | None) -> Place:
    try:
        return find_place(pools, names)
    except NotFoundError:
        if new is not None and any(answers_to(leaf, new) for health in pools for leaf in health.leaves()):
            raise NotFoundError(
                f"{names[0]} is in no pool any more, and {new} is: it has taken over already",
                "fonoteca pool status says whether all is well.",
            ) from None
        raise


def _known(disks: Sequence[Disk], text: str) -> Disk | None:
    try:
        return find_disk(disks, text)
    except NotFoundError:
        return None


def _links_of(disk: Disk | None) -> tuple[str, ...]:
    return () if disk is None else (disk.path, *disk.by_id, *disk.names)


def _is_present(disks: Sequence[Disk], leaf: Vdev) -> bool:
    path = leaf.path or leaf.former_path or leaf.name
    return _known(disks, without_partition(path)) is not None or (path.startswith("/") and Path(path).exists())


def _refuse_wrong_pull(health: PoolHealth, place: Place, disks: Sequence[Disk]) -> None:
    wrong = find_pulled_by_mistake(health, place, lambda leaf: _is_present(disks, leaf))
    if wrong is not None:
        name = wrong.former_path or wrong.path or wrong.name
        raise PoolError(
            f"{name} was pulled, and not {place.leaf.name}, which is still in the machine",
            f"Put {name} back first, it is good: then zpool online {place.pool} {wrong.guid or wrong.name}, wait for its resilver "
            f"(zpool wait -t resilver {place.pool}), and begin again. Was it taken out on purpose, or is it dead itself: --allow {PULLED}.",
        )


def _check_new(place: Place, health: PoolHealth, disks: Sequence[Disk], new: str, old: Disk | None, refuse: Refuse) -> str:
    """The path of the disk that takes over; DiskRefusedError where it must not."""
    taking = _known(disks, new)
    names = (new, *_links_of(taking))
    spare = next((leaf for leaf in health.leaves() if leaf.state == "AVAIL" and any(answers_to(leaf, name) for name in names)), None)
    if spare is not None:
        return without_partition(spare.path or spare.name)
    if taking is None:
        raise NotFoundError(f"there is no disk {new!r}", "fonoteca pool disks tells the names of those that are there.")
    if taking == old:
        raise DiskRefusedError(f"{new} is the disk that is to be replaced", "Put the new disk in and name that one.")
    successor = place.successor
    if successor is not None and any(answers_to(successor, name) for name in (taking.path, *taking.by_id)):
        return successor.path or successor.name
    brothers = [one for leaf in place.group.leaves() if (one := _known(disks, without_partition(leaf.path or leaf.name)))]
    least = min((one.bytes for one in brothers if one != old), default=None)
    check_successor(place, {taking.path, *taking.by_id}, taking.bytes, least)
    refuse(taking, brothers)
    return taking.best_name


def _candidates(place: Place, disks: Sequence[Disk], refuse: Refuse) -> tuple[Disk, ...]:
    """Disks that could take over as they are: spares aside, free and large enough."""
    brothers = [one for leaf in place.group.leaves() if (one := _known(disks, without_partition(leaf.path or leaf.name)))]
    found = []
    for disk in disks:
        try:
            if disk.is_free and brothers:
                check_successor(place, {disk.path}, disk.bytes, min(one.bytes for one in brothers))
                refuse(disk, brothers)
                found.append(disk)
        except DiskRefusedError:
            continue
    return tuple(found)


def carry_out(zfs: Zfs, plan: Replacement, tell: Tell, *, waits: bool, every_s: float = EVERY_S) -> ReplaceReport:
    """Run the commands of the plan, then watch until the pool is healthy. Run again after a stop, it goes on watching."""
    before = read_one_health(zfs, plan.pool)
    for command in plan.commands:
        zfs.run(*command, timeout_s=600)
    if plan.new is None and plan.judgement.verdict != "watch":
        return ReplaceReport(plan=plan, outcome="taken-offline" if plan.commands else "planned", next_steps=plan.steps)
    if not waits:
        words = "The resilver runs by itself. This shows how far it is."
        return ReplaceReport(plan=plan, outcome="begun", next_steps=(Step(words, ("fonoteca", "pool", "replace", plan.handle)),))
    began = time.monotonic()
    try:
        facts = watch_resilver(zfs, plan.pool, plan.successor or plan.handle, before, tell, every_s=every_s)
    except KeyboardInterrupt:
        raise StoppedError(
            "stopped watching; the resilver goes on by itself", f"Watch on with: fonoteca pool replace {plan.handle}"
        ) from None
    return _finish(zfs, plan, facts, time.monotonic() - began)


def _finish(zfs: Zfs, plan: Replacement, facts: list[str], seconds: float) -> ReplaceReport:
    """Spares back, then the pool looked at once more."""
    facts += send_spares_back(zfs, plan.pool, plan.successor or plan.handle)
    health = read_one_health(zfs, plan.pool)
    facts += _spares_in_use(health)
    is_well = (
        health.state == "ONLINE" and not health.error_count and not any(leaf.state not in ("ONLINE", "AVAIL") for leaf in health.leaves())
    )
    steps = [Step("Read every block once more, now that the disk is new.", ("fonoteca", "pool", "scrub", plan.pool))]
    if not is_well:
        steps.insert(0, Step("See what is still wrong.", ("fonoteca", "pool", "status")))
    outcome: Outcome = "healthy" if is_well else "not-healthy"
    return ReplaceReport(plan=plan, outcome=outcome, seconds=seconds, facts=tuple(facts), next_steps=tuple(steps))


def _spares_in_use(health: PoolHealth) -> list[str]:
    """What a spare that stands in needs to become a spare again, or to stay for good."""
    return [
        f"{spare.children[-1].name} stands in for {spare.children[0].name}. Replace that one by a new disk, and the spare goes back; "
        f"or let it stay: zpool detach {health.name} {spare.children[0].guid or spare.children[0].name}."
        for root in health.vdevs for spare in root.walk() if spare.kind == "spare" and spare.children
    ]  # fmt: skip
