"""`pool restore`: finds out what was named, and hands it to who brings back files, datasets or a whole pool."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fonoteca.ground.errors import FonotecaError, UsageError
from fonoteca.ground.progress import Progress
from fonoteca.ground.settings import read_settings
from fonoteca.pools.listing import choose_dataset_of, read_datasets
from fonoteca.pools.plan_file import read_plan
from fonoteca.pools.restoring import Origin, choose_dataset, choose_snapshot, parse_origin
from fonoteca.pools.snapshots import Snapshot, read_snapshots
from fonoteca.pools.transport import SshOptions
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.pool.create import PoolMaker
from fonoteca.workflows.pool.opened_snapshot import find_archive_below, opened_snapshot
from fonoteca.workflows.pool.replica_source import source_of
from fonoteca.workflows.pool.restore_dataset import RestoredDataset, clone_dataset, receive_dataset
from fonoteca.workflows.pool.restore_files import RestoredFiles, restore_files
from fonoteca.workflows.pool.restore_pool import StoreRestorer


def read_origin(zfs: Zfs, text: str, archive: Path | None) -> Origin:
    """What a person named, with the replicas of the archive and the dataset that it lies in, where there is an archive."""
    if archive is None:
        return parse_origin(text, {})
    replicas = {replica.name: replica.target for replica in read_settings(archive).pool.replicas}
    own = choose_dataset_of(read_datasets(zfs), archive).name if text.startswith("@") else None
    return parse_origin(text, replicas, own)


def restore_into_archive(
    zfs: Zfs, origin: Origin, wanted: str, into: Path | None, archive: Archive, progress: Progress, *, dry_run: bool
) -> RestoredFiles:
    """Files that `wanted` names, from a snapshot of this machine."""
    with _opened_archive_of(zfs, origin, archive.path) as (source, snapshot):
        return restore_files(archive, source, snapshot.full_name, wanted, into, progress, dry_run=dry_run)


@contextmanager
def _opened_archive_of(zfs: Zfs, origin: Origin, archive: Path) -> Iterator[tuple[Path, Snapshot]]:
    """The archive as it was in the snapshot, and which snapshot that is."""
    if origin.remote is not None:
        raise UsageError(
            f"{origin.words} is on another machine, and single files are taken from a snapshot of this one",
            f"Bring the dataset first: fonoteca pool restore {origin.remote}/{origin.dataset} --into POOL/NAME; then name that one.",
        )
    rows = read_datasets(zfs)
    try:
        own = choose_dataset_of(rows, archive)
        name, below = own.name, Path(os.path.relpath(os.path.realpath(archive), own.mounted_at or "/"))
    except FonotecaError:
        name, below = origin.dataset, Path(".")  # the archive was copied off ZFS; the snapshot must hold it at its top
    dataset = origin.dataset if origin.dataset == name else choose_dataset((row.name for row in rows), origin.dataset, name)
    found = Origin(dataset, origin.snapshot)
    snapshot = choose_snapshot(read_snapshots(zfs, dataset), found)
    with opened_snapshot(zfs, snapshot) as top:
        yield find_archive_below(top, below), snapshot


def restore_dataset(
    zfs: Zfs, origin: Origin, into: str | None, options: SshOptions, progress: Progress, *, dry_run: bool
) -> RestoredDataset:
    """A dataset under a name of its own: cloned where it is in the same pool, else received whole."""
    is_in_same_pool = into is None or into.split("/")[0] == origin.dataset.split("/")[0]
    if origin.remote is None and is_in_same_pool:
        return clone_dataset(zfs, origin, into, dry_run=dry_run)
    if into is None:
        raise UsageError(f"{origin.words} is on another machine", "Say where to: --into POOL/NAME; or --plan FILE for a whole new pool.")
    _refuse_one_snapshot(origin)
    return receive_dataset(zfs, origin, source_of(zfs, origin, options), into, progress, dry_run=dry_run)


def restorer_of(zfs: Zfs, origin: Origin, plan: Path, allow: Sequence[str], options: SshOptions, progress: Progress) -> StoreRestorer:
    """Who brings the whole store back to the pool of a plan."""
    _refuse_one_snapshot(origin)
    return StoreRestorer(zfs, source_of(zfs, origin, options), PoolMaker(read_plan(plan), zfs, allow=allow), progress)


def _refuse_one_snapshot(origin: Origin) -> None:
    if origin.snapshot is not None:
        raise UsageError(
            f"from another pool everything comes back with all its snapshots, not only @{origin.snapshot}",
            "Name it without the snapshot; then restore from the one that is wanted: fonoteca pool restore DATASET@SNAPSHOT.",
        )
