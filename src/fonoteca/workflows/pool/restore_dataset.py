"""A dataset brought back under a name of its own, cloned in the same pool or received from a replica. Live data is never overwritten."""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.ground.progress import Progress
from fonoteca.pools.dataset_properties import store_datasets
from fonoteca.pools.listing import parse_properties, read_datasets
from fonoteca.pools.replace_steps import Command, Step
from fonoteca.pools.replica_sides import Side
from fonoteca.pools.restoring import (
    Origin,
    choose_place,
    choose_snapshot,
    clone_commands,
    make_aside,
    open_steps,
    restored_name,
    swap_steps,
)
from fonoteca.pools.snapshots import Snapshot, read_snapshots
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.replica_source import target_of
from fonoteca.workflows.pool.replicate import ReplicationOptions, replicate


class RestoredDataset(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, and how it takes the place of live data: for a person to type, since it stops what uses that."""

    snapshot: str
    dataset: str
    commands: tuple[Command, ...]
    next_steps: tuple[Step, ...]
    is_done: bool = False


def clone_dataset(zfs: Zfs, origin: Origin, into: str | None, *, dry_run: bool) -> RestoredDataset:
    """The dataset of a snapshot and all below it at that moment, under `into` or a name beside it. Run again, it makes what lacks."""
    found = read_snapshots(zfs, origin.dataset, recursive=True)
    snapshot = choose_snapshot(found, origin)
    new = into or restored_name(origin.dataset, snapshot.name)
    if new.split("/")[0] != origin.dataset.split("/")[0]:
        raise UsageError(f"{new} lies in another pool than {snapshot.full_name}", "Give a name in the same pool.")
    together = [one for one in found if one.name == snapshot.name]
    existing = {row.name: row for row in read_datasets(zfs)}
    _refuse_live(zfs, new, snapshot, existing)
    properties = {one.dataset: _set_properties(zfs, one.dataset) for one in together}
    wanted = [*([] if into else [make_aside(new)]), *clone_commands(together, origin.dataset, new, properties)]
    commands = [command for command in wanted if command[-1] not in existing]
    names = [new + one.dataset.removeprefix(origin.dataset) for one in sorted(together, key=lambda one: one.dataset)]
    if not dry_run:
        for command in commands:
            zfs.run(*command)
    steps = swap_steps(origin.dataset, new, names, _own_mountpoint(zfs, origin.dataset), base=snapshot.name)
    return RestoredDataset(snapshot=snapshot.full_name, dataset=new, commands=tuple(commands), next_steps=steps, is_done=not dry_run)


def _refuse_live(zfs: Zfs, new: str, snapshot: Snapshot, existing: Container[str]) -> None:
    """What is there under that name must be such a clone, begun earlier."""
    if new in existing and _property(zfs, new, "origin") != snapshot.full_name:
        raise UsageError(f"{new} is there already, and is no clone of {snapshot.full_name}", "Give another name with --into.")


def _set_properties(zfs: Zfs, dataset: str) -> dict[str, str]:
    """What was set on the dataset itself, or came with a stream."""
    return parse_properties(zfs.zfs("get", "-Hp", "-s", "local,received", "-o", "property,value", "all", dataset), "zfs get")


def _own_mountpoint(zfs: Zfs, dataset: str) -> str | None:
    try:
        return _set_properties(zfs, dataset).get("mountpoint")
    except NotFoundError:
        return None


def _property(zfs: Zfs, dataset: str, name: str) -> str:
    return zfs.zfs("get", "-Hp", "-o", "value", name, dataset).strip()


def receive_dataset(zfs: Zfs, origin: Origin, source: Side, into: str, progress: Progress, *, dry_run: bool) -> RestoredDataset:
    """A dataset of a replica and all below it, received under `into`, a new name; killed, the next run goes on. It stays read-only."""
    report = replicate(source, target_of(zfs, into), ReplicationOptions(is_dry_run=dry_run), progress)
    for conflict in report.conflicts:
        raise conflict.error()
    names = list(dict.fromkeys([one.step.target for one in report.sent] + [one.target for one in report.up_to_date]))
    steps = steps_of_received(zfs, origin, into, names)
    return RestoredDataset(snapshot=origin.words, dataset=into, commands=(), next_steps=steps, is_done=not dry_run)


def steps_of_received(zfs: Zfs, origin: Origin, into: str, names: Sequence[str]) -> tuple[Step, ...]:
    """Streams bring no properties: they are those of the live datasets, or of a store as pool create makes it."""
    existing = {row.name for row in read_datasets(zfs)} - set(names)
    place = choose_place(origin.dataset, into, existing) or into
    live = {name: place + name.removeprefix(into) for name in names}
    usual = {one.name.rpartition("/")[2]: one.properties for one in store_datasets(0)}
    properties = {
        name: _set_properties(zfs, other) if other in existing else usual.get(other.rpartition("/")[2], {}) for name, other in live.items()
    }
    is_there = place in existing
    mountpoint = _own_mountpoint(zfs, place) if is_there else None
    return (*open_steps(names, properties), *swap_steps(place, into, names, mountpoint, is_there=is_there))
