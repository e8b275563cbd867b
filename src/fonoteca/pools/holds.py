"""Holds and bookmarks: what keeps the common base of source and replica, and a way to go on when it is gone all the same.

A hold `fonoteca:REPLICA` is on the newest snapshot that a replica is known to have; `fonoteca:REPLICA:sending` on one that is under way
to it; `fonoteca-copies` on what must not go before enough replicas have it, `fonoteca-proving` on what is being read back. A bookmark
`#fonoteca_REPLICA_GUID` marks each former base. ZFS refuses to destroy what is held, whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fonoteca.ground.errors import NotFoundError, PoolError, UsageError
from fonoteca.pools.snapshots import BATCH, Bookmark, Snapshot, read_bookmarks, read_snapshots
from fonoteca.pools.zfs import Zfs

COPIES_TAG = "fonoteca-copies"
PROVING_TAG = "fonoteca-proving"
BOOKMARKS_KEPT = 8
_REPLICA = r"[a-z0-9][a-z0-9-]{0,39}"
_LONGEST_TAG = 200


def hold_tag(replica: str) -> str:
    """The tag on the newest snapshot that a replica is known to have."""
    return f"fonoteca:{replica}"


def sending_tag(replica: str) -> str:
    """The tag on a snapshot that is being sent; pin_base takes it off."""
    return f"fonoteca:{replica}:sending"


def replica_of_tag(tag: str) -> str | None:
    """The replica whose base a hold marks; None for any other hold."""
    match = re.fullmatch(f"fonoteca:({_REPLICA})", tag)
    return match[1] if match else None


def bookmark_name(replica: str, guid: int) -> str:
    """The name of the bookmark of a base: fonoteca_attic_0123456789abcdef."""
    return f"fonoteca_{replica}_{guid:016x}"


def replica_of_bookmark(bookmark: Bookmark) -> str | None:
    """The replica whose former base a bookmark marks; None for bookmarks of others."""
    match = re.fullmatch(f"fonoteca_({_REPLICA})_([0-9a-f]{{16}})", bookmark.name)
    return match[1] if match and int(match[2], 16) == bookmark.guid else None


def check_tag(tag: str) -> str:
    """A tag that a person gives; UsageError where it cannot be one or means something to us."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]*", tag) or len(tag) > _LONGEST_TAG:
        raise UsageError(f"{tag[:60]!r} cannot be the tag of a hold", "Use letters, digits, '-', '_', '.' and ':'.")
    if tag.startswith("fonoteca:") or tag in (COPIES_TAG, PROVING_TAG):
        raise UsageError(f"holds named {tag} are set and released by replication and pruning", "Give another tag.")
    return tag


def set_hold(zfs: Zfs, tag: str, snapshots: Iterable[str]) -> None:
    """Hold snapshots by their full names; none of them may have the tag already."""
    _in_batches(zfs, ("hold", tag), snapshots)


def release_hold(zfs: Zfs, tag: str, snapshots: Iterable[str]) -> None:
    """Take a hold off snapshots that have it."""
    _in_batches(zfs, ("release", tag), snapshots)


def hold_sending(zfs: Zfs, dataset: str, snapshot: str, replica: str) -> None:
    """Hold a snapshot while it is sent, so that a send that is cut can be resumed. Idempotent."""
    try:  # without listing first: there may be thousands of snapshots, and each is sent
        set_hold(zfs, sending_tag(replica), [f"{dataset}@{snapshot}"])
    except PoolError as error:
        if "tag already exists" not in error.message:
            raise


def pin_base(zfs: Zfs, dataset: str, snapshot: str, replica: str) -> None:
    """After `snapshot` was proved on the replica: it is the base from now on. Idempotent; killed anywhere, the next call ends the same."""
    for step in steps_to_pin(read_snapshots(zfs, dataset), read_bookmarks(zfs, dataset), dataset, snapshot, replica):
        zfs.zfs(*step)


def steps_to_pin(
    snapshots: Sequence[Snapshot], bookmarks: Sequence[Bookmark], dataset: str, snapshot: str, replica: str
) -> list[tuple[str, ...]]:
    """Arguments of zfs, in order: hold and bookmark the new base, then release the old one, then thin out bookmarks."""
    base = _find(snapshots, dataset, snapshot)
    tag, sending, mark = hold_tag(replica), sending_tag(replica), bookmark_name(replica, base.guid)
    steps: list[tuple[str, ...]] = []
    if tag not in base.holds:
        steps.append(("hold", tag, base.full_name))
    if all(one.name != mark for one in bookmarks):
        steps.append(("bookmark", base.full_name, f"{dataset}#{mark}"))
    steps += [("release", tag, one.full_name) for one in snapshots if tag in one.holds and one != base]
    steps += [("release", sending, one.full_name) for one in snapshots if sending in one.holds]
    return steps + [("destroy", one.full_name) for one in old_bookmarks(bookmarks, base, replica)]


def old_bookmarks(bookmarks: Sequence[Bookmark], base: Snapshot | Bookmark, replica: str, kept: int = BOOKMARKS_KEPT) -> list[Bookmark]:
    """Bookmarks of one replica beyond the newest `kept`, the one of `base` among them."""
    others = [one for one in bookmarks if replica_of_bookmark(one) == replica and one.guid != base.guid]
    return sorted(others, key=lambda one: one.createtxg)[: max(0, len(others) - (kept - 1))]


def steps_to_forget(snapshots: Sequence[Snapshot], bookmarks: Sequence[Bookmark], replica: str) -> list[tuple[str, ...]]:
    """Arguments of zfs that take every hold and bookmark of a replica away."""
    tags = (hold_tag(replica), sending_tag(replica))
    steps: list[tuple[str, ...]] = [("release", tag, one.full_name) for one in snapshots for tag in tags if tag in one.holds]
    return steps + [("destroy", one.full_name) for one in bookmarks if replica_of_bookmark(one) == replica]


def replicas_named(snapshots: Iterable[Snapshot], bookmarks: Iterable[Bookmark]) -> set[str]:
    """The replicas that holds and bookmarks tell of."""
    tags = {replica_of_tag(tag.removesuffix(":sending")) for one in snapshots for tag in one.holds}
    return {name for name in tags | {replica_of_bookmark(one) for one in bookmarks} if name is not None}


def _find(snapshots: Iterable[Snapshot], dataset: str, name: str) -> Snapshot:
    for one in snapshots:
        if (one.dataset, one.name) == (dataset, name):
            return one
    raise NotFoundError(f"there is no snapshot {dataset}@{name}", "fonoteca pool snapshot --list shows those that are there.")


def _in_batches(zfs: Zfs, command: tuple[str, ...], snapshots: Iterable[str]) -> None:
    names = list(snapshots)
    for start in range(0, len(names), BATCH):
        zfs.zfs(*command, *names[start : start + BATCH])
