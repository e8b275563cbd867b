"""A snapshot as a folder to read: below .zfs where its dataset is mounted, else mounted for as long as it is read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fonoteca.ground.errors import NotFoundError, translate_os_errors
from fonoteca.pools.listing import read_datasets
from fonoteca.pools.snapshots import Snapshot
from fonoteca.pools.zfs import Zfs


@contextmanager
def opened_snapshot(zfs: Zfs, snapshot: Snapshot) -> Iterator[Path]:
    """The folder that holds what the snapshot holds; read only."""
    place = _below_mounted(zfs, snapshot)
    if place is not None:
        yield place
        return
    folder = Path(tempfile.mkdtemp(prefix="fonoteca-snapshot-"))
    try:
        zfs.run("mount", "-t", "zfs", "-o", "ro", snapshot.full_name, folder)
        try:
            yield folder
        finally:
            zfs.run("umount", folder)
    finally:
        folder.rmdir()


def _below_mounted(zfs: Zfs, snapshot: Snapshot) -> Path | None:
    row = next((row for row in read_datasets(zfs, snapshot.dataset) if row.name == snapshot.dataset), None)
    if row is None or row.mounted_at is None:
        return None
    place = Path(row.mounted_at, ".zfs", "snapshot", snapshot.name)
    try:
        os.listdir(place)  # entering it mounts it
    except OSError:
        return None
    return place


def find_archive_below(top: Path, below: Path) -> Path:
    """The archive in a snapshot: where it lies in the live dataset, or at the top. NotFoundError where there is none."""
    with translate_os_errors(top):
        for place in (top / below, top):
            if (place / "archive.toml").is_file() or (place / "containers").is_dir():
                return place
    raise NotFoundError(f"the snapshot holds no archive at {below}", "Name the dataset that the archive lies in; zfs list tells it.")
