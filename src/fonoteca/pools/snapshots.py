"""Snapshots and bookmarks of a dataset with the holds on them, as `zfs list -Hp` and `zfs holds -H` print them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from fonoteca.ground.errors import NotFoundError, PoolOutputError
from fonoteca.pools.listing import split_rows
from fonoteca.pools.zfs import Zfs

SNAPSHOT_COLUMNS = ("name", "guid", "createtxg", "creation", "used", "referenced", "userrefs")
BOOKMARK_COLUMNS = ("name", "guid", "createtxg", "creation")
# so many names stand on one command line at most
BATCH = 200
_WAY_OUT = "Is this zfs of OpenZFS 2.1 or later? Then report these words."


class Snapshot(msgspec.Struct, frozen=True):
    """One snapshot of one dataset. `created_at` is Unix seconds by the clock of then; `createtxg` tells the true order in one pool.

    A copy that was received has the guid of its source, and a createtxg of its own.
    """

    dataset: str
    name: str
    guid: int
    createtxg: int
    created_at: int
    used_bytes: int = 0
    referenced_bytes: int = 0
    holds: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """tank/fonoteca@monday."""
        return f"{self.dataset}@{self.name}"


class Bookmark(msgspec.Struct, frozen=True):
    """The place of a snapshot that may be gone: an incremental send can begin at it. It has the guid of its snapshot."""

    dataset: str
    name: str
    guid: int
    createtxg: int
    created_at: int

    @property
    def full_name(self) -> str:
        """tank/fonoteca#monday."""
        return f"{self.dataset}#{self.name}"


def read_snapshots(zfs: Zfs, dataset: str, recursive: bool = False) -> list[Snapshot]:
    """Snapshots of `dataset` with their holds, oldest first; with `recursive` of those below too, dataset by dataset."""
    for _ in range(5):
        found = parse_snapshots(zfs.zfs("list", "-Hp", "-t", "snapshot", *_depth(recursive), "-o", ",".join(SNAPSHOT_COLUMNS), dataset))
        try:
            tags = read_holds(zfs, [snapshot.full_name for snapshot, references in found if references])
        except NotFoundError:
            continue  # one was destroyed since it was listed
        if all(len(tags.get(snapshot.full_name, ())) >= references for snapshot, references in found):
            return [msgspec.structs.replace(snapshot, holds=tags.get(snapshot.full_name, ())) for snapshot, _ in found]
    raise PoolOutputError(
        f"snapshots and holds of {dataset} change while they are listed", "Something changes many of them; try again when it is done."
    )


def read_bookmarks(zfs: Zfs, dataset: str, recursive: bool = False) -> list[Bookmark]:
    """Bookmarks of `dataset`, oldest first; with `recursive` of those below too, dataset by dataset."""
    return parse_bookmarks(zfs.zfs("list", "-Hp", "-t", "bookmark", *_depth(recursive), "-o", ",".join(BOOKMARK_COLUMNS), dataset))


def read_holds(zfs: Zfs, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The tags on each of these snapshots, sorted; NotFoundError where one of them is gone."""
    tags: defaultdict[str, set[str]] = defaultdict(set)
    for start in range(0, len(names), BATCH):
        for name, tag in parse_holds(zfs.zfs("holds", "-H", *names[start : start + BATCH])):
            tags[name].add(tag)
    return {name: tuple(sorted(found)) for name, found in tags.items()}


def parse_snapshots(text: str) -> list[tuple[Snapshot, int]]:
    """Each snapshot of `zfs list -Hp -o SNAPSHOT_COLUMNS`, and how many hold it; by dataset, then by age."""
    found = []
    for full_name, *cells in split_rows(text, len(SNAPSHOT_COLUMNS), "zfs list"):
        dataset, name = _split(full_name, "@")
        guid, txg, created, used, referenced, references = _numbers(full_name, cells)
        found.append((Snapshot(dataset, name, guid, txg, created, used, referenced), references))
    return sorted(found, key=lambda pair: _order(pair[0]))


def parse_bookmarks(text: str) -> list[Bookmark]:
    """Each bookmark of `zfs list -Hp -o BOOKMARK_COLUMNS`; by dataset, then by age."""
    found = []
    for full_name, *cells in split_rows(text, len(BOOKMARK_COLUMNS), "zfs list"):
        dataset, name = _split(full_name, "#")
        found.append(Bookmark(dataset, name, *_numbers(full_name, cells)))
    return sorted(found, key=_order)


def parse_holds(text: str) -> list[tuple[str, str]]:
    """Snapshot and tag of each line of `zfs holds -H`; the time at the end of a line is in local words and left out."""
    pairs = []
    for name, rest in split_rows(text, 2, "zfs holds"):
        tag, tab, _ = rest.rpartition("\t")
        if not (tab and tag and "@" in name):
            raise PoolOutputError(
                f"zfs holds printed {name[:200]!r} and {rest[:200]!r}",
                "A hold with a line end in its tag? Release it: zfs release TAG SNAPSHOT.",
            )
        pairs.append((name, tag))
    return pairs


def name_by_hand(now: int) -> str:
    """The name of a snapshot that is taken by hand at `now`, in UTC: fonoteca_2026-11-23_14:05:00."""
    return datetime.fromtimestamp(now, UTC).strftime("fonoteca_%Y-%m-%d_%H:%M:%S")


def _depth(recursive: bool) -> tuple[str, ...]:
    return ("-r",) if recursive else ("-d", "1")


def _order(one: Snapshot | Bookmark) -> tuple[str, int, str]:
    return one.dataset, one.createtxg, one.name


def _split(full_name: str, sign: str) -> tuple[str, str]:
    dataset, _, name = full_name.partition(sign)
    if not dataset or not name:
        raise PoolOutputError(f"zfs list printed the name {full_name[:200]!r}, which has no {sign}", _WAY_OUT)
    return dataset, name


def _numbers(full_name: str, cells: Sequence[str]) -> list[int]:
    for cell in cells:
        if not re.fullmatch(r"[0-9]{1,20}", cell):
            raise PoolOutputError(f"zfs list printed {cell[:60]!r} for a number of {full_name[:200]!r}", _WAY_OUT)
    return [int(cell) for cell in cells]
