"""Snapshots of the store: by hand at one moment for all datasets, by policy through sanoid, and listed with who has them.

The databases need no quieting: SQLite in WAL mode is always as it would be after a power cut, a snapshot takes database and WAL of one
dataset at one moment, and whoever opens the copy has every transaction that was committed before.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from fonoteca.ground.errors import NotFoundError, PoolError, UsageError
from fonoteca.ground.pool_settings import PoolSettings
from fonoteca.ground.settings import read_settings
from fonoteca.pools.holds import check_tag
from fonoteca.pools.listing import find_dataset_of, read_datasets
from fonoteca.pools.policy import Policy, dataset_named, is_local, lies_in, resolve_policies
from fonoteca.pools.retention import Replica, newest_base
from fonoteca.pools.sanoid import parse_taken, write_sanoid_conf
from fonoteca.pools.snapshots import Bookmark, Snapshot, read_bookmarks, read_snapshots
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.sanoid_runs import refresh_sanoid_cache, run_sanoid


class Store(msgspec.Struct, frozen=True):
    """The dataset that holds the store, and [pool] of its archive."""

    dataset: str
    settings: PoolSettings
    archive: Path | None = None

    def narrowed(self, dataset: str) -> str:
        """The dataset that --dataset means; without it the whole store."""
        return dataset_named(dataset, self.dataset)


class TakenSnapshots(msgspec.Struct, frozen=True):
    """What was taken, or would be: full names, and the commands by hand."""

    snapshots: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...] = ()
    hold: str | None = None
    is_done: bool = True


class ListedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot and the replicas that are known to have it; `base_of`: those whose newest common one it is."""

    snapshot: Snapshot
    replicas: tuple[str, ...] = ()
    base_of: tuple[str, ...] = ()


class SnapshotList(msgspec.Struct, frozen=True):
    """All snapshots and bookmarks of a dataset and those below it."""

    dataset: str
    now: int
    snapshots: tuple[ListedSnapshot, ...]
    bookmarks: tuple[Bookmark, ...]


def find_store(zfs: Zfs, archive: Path) -> Store:
    """The store of an archive: `dataset` under [pool], else the dataset that its folder lies in."""
    settings = read_settings(archive).pool
    return Store(settings.dataset or find_dataset_of(zfs, archive), settings, archive)


def take_by_hand(zfs: Zfs, dataset: str, name: str, hold: str | None = None, *, dry_run: bool = False) -> TakenSnapshots:
    """One snapshot of `dataset` and all below it at one moment; it stays until somebody destroys it."""
    full_name = f"{dataset}@{check_name(name)}"
    commands: list[tuple[str, ...]] = [("snapshot", "-r", full_name)]
    if hold is not None:
        commands.append(("hold", "-r", check_tag(hold), full_name))
    below = [row.name for row in read_datasets(zfs, dataset)]
    if any(one.name == name for one in read_snapshots(zfs, dataset)):
        raise UsageError(f"there is a snapshot {full_name} already", "Give another name, or none: --now names it after the time.")
    if not dry_run:
        for command in commands:
            zfs.zfs(*command)
    taken = tuple(f"{one}@{name}" for one in below)
    return TakenSnapshots(taken, tuple(("zfs", *command) for command in commands), hold, is_done=not dry_run)


def take_by_policy(zfs: Zfs, store: Store, *, dry_run: bool = False) -> TakenSnapshots:
    """What sanoid takes now under the policy of archive.toml; often nothing is due."""
    said = parse_taken(run_sanoid(zfs, sanoid_conf_of(zfs, store), "--take-snapshots", *(["--readonly"] if dry_run else [])))
    if not dry_run and said:
        there = {one.full_name for one in read_snapshots(zfs, store.dataset, recursive=True)}
        missing = [name for name in said if name not in there and lies_in(name.split("@")[0], store.dataset)]
        if missing:
            raise PoolError(f"sanoid could not take {missing[0]}", "Try it by hand to see why: zfs snapshot " + missing[0])
        refresh_sanoid_cache(zfs, sanoid_conf_of(zfs, store))
    return TakenSnapshots(tuple(said), is_done=not dry_run)


def list_snapshots(zfs: Zfs, store: Store, dataset: str, now: int) -> SnapshotList:
    """Snapshots of `dataset` and those below it, dataset by dataset, oldest first."""
    snapshots = read_snapshots(zfs, dataset, recursive=True)
    bookmarks = read_bookmarks(zfs, dataset, recursive=True)
    rows = []
    for name in dict.fromkeys(one.dataset for one in snapshots):
        own = [one for one in snapshots if one.dataset == name]
        known = replicas_of(zfs, store, name)
        bases = {replica.name: newest_base(replica, own) for replica in known}
        for one in own:
            base_of = tuple(sorted(replica for replica, base in bases.items() if base == one))
            has = {replica.name for replica in known if one.guid in replica.guids} | set(base_of)
            rows.append(ListedSnapshot(one, tuple(sorted(has)), base_of))
    return SnapshotList(dataset, now, tuple(rows), tuple(bookmarks))


def replicas_of(zfs: Zfs, store: Store, dataset: str) -> list[Replica]:
    """What is known of the replicas of one dataset: those on this machine are asked, of others holds and bookmarks tell.

    Of a dataset that is a replica itself it is the store that is asked: the newest common snapshot stays on both sides.
    """
    found = []
    for replica in store.settings.replicas:
        if lies_in(dataset, store.dataset):
            other = replica.target + dataset.removeprefix(store.dataset) if is_local(replica) else None
            found.append(Replica(replica.name, _guids_of(zfs, other)))
        elif is_local(replica) and lies_in(dataset, replica.target):
            found.append(Replica(replica.name, _guids_of(zfs, store.dataset + dataset.removeprefix(replica.target))))
    return found


def _guids_of(zfs: Zfs, dataset: str | None) -> frozenset[int]:
    """None where nothing was sent yet, or the pool is not here now."""
    try:
        return frozenset(one.guid for one in read_snapshots(zfs, dataset)) if dataset else frozenset()
    except NotFoundError:
        return frozenset()


def store_policies(zfs: Zfs, store: Store) -> tuple[tuple[Policy, ...], list[str]]:
    """The policies, and the names of all datasets there are; NotFoundError where a policy is about none."""
    policies = resolve_policies(store.settings, store.dataset)
    names = [row.name for row in read_datasets(zfs)]
    for policy in policies:
        if policy.takes_snapshots and policy.dataset not in names:
            raise NotFoundError(
                f"there is no dataset {policy.dataset}, which [[pool.snapshots]] names", "Make it, or take the entry out of archive.toml."
            )
    return policies, names


def sanoid_conf_of(zfs: Zfs, store: Store) -> str:
    """sanoid.conf of the store and of the replicas on this machine."""
    return write_sanoid_conf(*store_policies(zfs, store))


def check_name(name: str) -> str:
    """A name of a snapshot by hand; UsageError where ZFS does not take it, or sanoid or syncoid would prune it."""
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,120}", name):
        raise UsageError(f"{name[:60]!r} is no name of a snapshot", "Use up to 120 letters, digits, '-', '_', '.' and ':'.")
    if name.startswith(("autosnap", "syncoid")):
        raise UsageError(
            f"{name} begins as the names of {'sanoid' if name.startswith('auto') else 'syncoid'} do, which prunes them",
            "Give another name.",
        )
    return name
