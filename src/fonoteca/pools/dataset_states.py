"""What replication must know of every dataset below one, read in two commands that any user may run."""

from __future__ import annotations

from collections import defaultdict

from fonoteca.ground.errors import NotFoundError, PoolOutputError
from fonoteca.pools.listing import parse_number, split_rows
from fonoteca.pools.replication import DatasetState
from fonoteca.pools.snapshots import BOOKMARK_COLUMNS, SNAPSHOT_COLUMNS, parse_bookmarks, parse_snapshots
from fonoteca.pools.zfs import Zfs

STATE_COLUMNS = ("name", "type", "written", "readonly", "encryption", "receive_resume_token")


def read_states(zfs: Zfs, dataset: str) -> list[DatasetState]:
    """The dataset and all below, parents first; nothing where it does not exist. Holds are not read."""
    try:
        rows = zfs.zfs("list", "-Hp", "-r", "-t", "filesystem,volume", "-o", ",".join(STATE_COLUMNS), dataset)
    except NotFoundError:
        return []
    snapshots = zfs.zfs("list", "-Hp", "-r", "-t", "snapshot", "-o", ",".join(SNAPSHOT_COLUMNS), dataset)
    bookmarks = zfs.zfs("list", "-Hp", "-r", "-t", "bookmark", "-o", ",".join(BOOKMARK_COLUMNS), dataset)
    return parse_states(rows, snapshots, bookmarks)


def read_state(zfs: Zfs, dataset: str) -> DatasetState | None:
    """One dataset alone; None where it does not exist."""
    try:
        rows = zfs.zfs("list", "-Hp", "-t", "filesystem,volume", "-o", ",".join(STATE_COLUMNS), dataset)
    except NotFoundError:
        return None
    snapshots = zfs.zfs("list", "-Hp", "-d", "1", "-t", "snapshot", "-o", ",".join(SNAPSHOT_COLUMNS), dataset)
    bookmarks = zfs.zfs("list", "-Hp", "-d", "1", "-t", "bookmark", "-o", ",".join(BOOKMARK_COLUMNS), dataset)
    return next(iter(parse_states(rows, snapshots, bookmarks)), None)


def parse_states(rows: str, snapshots: str, bookmarks: str) -> list[DatasetState]:
    """From the three lists, by the columns of STATE_COLUMNS, SNAPSHOT_COLUMNS and BOOKMARK_COLUMNS."""
    of_snapshots, of_bookmarks = defaultdict(list), defaultdict(list)
    for snapshot, _ in parse_snapshots(snapshots):
        of_snapshots[snapshot.dataset].append(snapshot)
    for bookmark in parse_bookmarks(bookmarks):
        of_bookmarks[bookmark.dataset].append(bookmark)
    states = []
    for name, kind, written, readonly, encryption, token in split_rows(rows, len(STATE_COLUMNS), "zfs list"):
        if kind not in ("filesystem", "volume"):
            raise PoolOutputError(f"zfs list calls {name[:100]!r} a {kind[:40]!r}", "Is this zfs of OpenZFS 2.1 or later?")
        states.append(
            DatasetState(
                name, kind, tuple(of_snapshots[name]), tuple(of_bookmarks[name]), "" if token == "-" else token,  # type: ignore[arg-type]
                parse_number(written, "zfs list") or 0, readonly == "on", encryption not in ("off", "-", ""),
            )
        )  # fmt: skip
    return states
