"""What replication must know of every dataset below one, read in one command that any user may run."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import Literal

from fonoteca.ground.errors import NotFoundError, PoolOutputError
from fonoteca.pools.listing import parse_number, split_rows
from fonoteca.pools.replication import DatasetState
from fonoteca.pools.snapshots import Bookmark, Snapshot
from fonoteca.pools.zfs import Zfs

STATE_COLUMNS = (
    "type", "name", "guid", "createtxg", "creation", "used", "referenced", "written", "readonly", "encryption", "receive_resume_token",
)  # fmt: skip
_LIST = ("list", "-Hp", "-t", "filesystem,volume,snapshot,bookmark", "-o", ",".join(STATE_COLUMNS))
_WAY_OUT = "Is this zfs of OpenZFS 2.1 or later? Then report these words."


def read_states(zfs: Zfs, dataset: str) -> list[DatasetState]:
    """The dataset and all below, parents first; nothing where it does not exist in a pool that does. Holds are not read."""
    try:
        return parse_states(zfs.zfs(*_LIST, "-r", dataset, timeout_s=600))
    except NotFoundError:
        _check_pool(zfs, dataset.partition("/")[0])
        return []


def _check_pool(zfs: Zfs, pool: str) -> None:
    """All datasets of a pool that is exported seem not to exist, as if everything were to be sent anew."""
    try:
        zfs.zpool("list", "-H", "-o", "name", pool)
    except NotFoundError as error:
        raise NotFoundError(
            f"the pool {pool} is not imported", f"zpool import {shlex.quote(pool)}; zpool import tells which could be."
        ) from error


def read_state(zfs: Zfs, dataset: str) -> DatasetState | None:
    """One dataset alone; None where it does not exist."""
    try:
        states = parse_states(zfs.zfs(*_LIST, "-d", "1", dataset))
    except NotFoundError:
        return None
    return next((one for one in states if one.name == dataset), None)


def parse_states(text: str) -> list[DatasetState]:
    """`zfs list -Hp -o STATE_COLUMNS`, whatever its order."""
    datasets: list[list[str]] = []
    snapshots: defaultdict[str, list[Snapshot]] = defaultdict(list)
    bookmarks: defaultdict[str, list[Bookmark]] = defaultdict(list)
    for kind, *cells in split_rows(text, len(STATE_COLUMNS), "zfs list"):
        if kind in ("filesystem", "volume"):
            datasets.append([kind, *cells])
            continue
        numbers = [parse_number(cell, "zfs list") or 0 for cell in cells[1:6]]
        if kind == "snapshot":
            dataset, name = _split(cells[0], "@")
            guid, txg, created, used, referenced = numbers
            snapshots[dataset].append(Snapshot(dataset, name, guid, txg, created, used, referenced))
        elif kind == "bookmark":
            dataset, name = _split(cells[0], "#")
            bookmarks[dataset].append(Bookmark(dataset, name, numbers[0], numbers[1], numbers[2]))
        else:
            raise PoolOutputError(f"zfs list calls {cells[0][:100]!r} a {kind[:40]!r}", _WAY_OUT)
    return sorted((_state(row, snapshots, bookmarks) for row in datasets), key=lambda one: one.name.split("/"))


def _state(row: list[str], snapshots: dict[str, list[Snapshot]], bookmarks: dict[str, list[Bookmark]]) -> DatasetState:
    kind: Literal["filesystem", "volume"] = "volume" if row[0] == "volume" else "filesystem"
    name, written, readonly, encryption, token = row[1], *row[7:]
    return DatasetState(
        name, kind,
        tuple(sorted(snapshots.get(name, ()), key=lambda one: one.createtxg)),
        tuple(sorted(bookmarks.get(name, ()), key=lambda one: one.createtxg)),
        "" if token == "-" else token, parse_number(written, "zfs list") or 0, readonly == "on", encryption not in ("off", "-", ""),
    )  # fmt: skip


def _split(full_name: str, sign: str) -> tuple[str, str]:
    dataset, _, name = full_name.partition(sign)
    if not dataset or not name:
        raise PoolOutputError(f"zfs list printed the name {full_name[:200]!r}, which has no {sign}", _WAY_OUT)
    return dataset, name
