"""What a restored store remembers of its restoring: when it was, and with which snapshot each dataset came. Marks say no more than that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from fonoteca.ground.errors import SnapshotConflictError
from fonoteca.pools.listing import split_rows
from fonoteca.pools.replication import DatasetState
from fonoteca.pools.zfs import Zfs

MARK = "fonoteca:restored"  # on the dataset of the store, when all of it was received, proved and may be opened
SNAPSHOT_MARK = "fonoteca:restored-snapshot"  # on each dataset: the guid of the snapshot that was proved


class Marks(msgspec.Struct, frozen=True):
    """`at`: when the store was opened, None if it was not; `guids`: of the snapshot that each dataset came with."""

    at: int | None = None
    guids: Mapping[str, int] = {}


def read_marks(zfs: Zfs, dataset: str) -> Marks:
    """Those that were set here: one that came with a stream or from above tells of another store. NotFoundError without the dataset."""
    told = zfs.zfs(
        "get", "-Hp", "-r", "-t", "filesystem,volume", "-s", "local", "-o", "name,property,value", f"{MARK},{SNAPSHOT_MARK}", dataset
    )
    return parse_marks(told, dataset)


def parse_marks(text: str, dataset: str) -> Marks:
    """`zfs get -Hp -o name,property,value` of both marks; what is not understood counts as no mark."""
    at, guids = None, {}
    for name, key, value in split_rows(text, 3, "zfs get"):
        if key == SNAPSHOT_MARK and re.fullmatch("[0-9]{1,20}", value):
            guids[name] = int(value)
        opened = re.fullmatch("(proved|received)@([0-9]{1,12})", value) if key == MARK and name == dataset else None
        if opened:
            at = int(opened[2])
    return Marks(at, guids)


def mark_of(at: int, *, is_proved: bool) -> str:
    """The mark of the store, as it is set."""
    return f"{MARK}={'proved' if is_proved else 'received'}@{at}"


def lacking(source: Sequence[DatasetState], names: Mapping[str, str], there: Sequence[DatasetState], marks: Marks) -> list[str]:
    """Datasets of the source that must be received and proved still. SnapshotConflictError where one that was opened is another one now.

    `names` are those that the datasets of the source have here; `there` is what is here.
    """
    known = {state.name: state for state in there}
    return [one.name for one in source if marks.at is None or not _is_back(known.get(names[one.name]), marks)]


def _is_back(state: DatasetState | None, marks: Marks) -> bool:
    guid = marks.guids.get(state.name) if state is not None else None
    if state is None or guid is None:
        return False
    if all(one.guid != guid for one in state.snapshots):
        raise SnapshotConflictError(
            f"{state.name} was restored, and no longer has the snapshot that it came with",
            "It has lived on since, and is left as it is. Restore datasets beside it: fonoteca pool restore REPLICA --into POOL/NAME.",
        )
    return True
