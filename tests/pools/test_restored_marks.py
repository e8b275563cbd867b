"""A mark tells what was restored once, and is never taken for what is there now."""

from __future__ import annotations

import pytest

from fonoteca.ground.errors import PoolOutputError, SnapshotConflictError
from fonoteca.pools.replication import DatasetState
from fonoteca.pools.restored_marks import Marks, lacking, mark_of, parse_marks
from fonoteca.pools.snapshots import Snapshot

NAMES = {"backup/f": "tank/f", "backup/f/archive": "tank/f/archive"}
SOURCE = [DatasetState(name) for name in NAMES]
MARKS = Marks(1_763_865_000, {"tank/f": 7, "tank/f/archive": 8})


def state(name: str, *guids: int) -> DatasetState:
    return DatasetState(name, snapshots=tuple(Snapshot(name, f"s{guid}", guid, guid, guid) for guid in guids))


def test_marks_are_read_as_they_were_set_and_only_those_of_the_store_itself_open_it() -> None:
    text = f"tank/f\t{mark_of(1_763_865_000, is_proved=True).replace('=', chr(9))}\ntank/f\tfonoteca:restored-snapshot\t7\n"
    text += "tank/f/archive\tfonoteca:restored-snapshot\t8\ntank/f/archive\tfonoteca:restored\tproved@5\n"
    assert parse_marks(text, "tank/f") == MARKS
    for odd in ("proved", "-", "proved@", "proved@x", "PROVED@5"):
        assert parse_marks(f"tank/f\tfonoteca:restored\t{odd}\ntank/f\tfonoteca:restored-snapshot\t-\n", "tank/f") == Marks()
    with pytest.raises(PoolOutputError):
        parse_marks("tank/f", "tank/f")


def test_what_was_restored_and_is_there_lacks_nothing() -> None:
    assert lacking(SOURCE, NAMES, [state("tank/f", 7), state("tank/f/archive", 8, 9)], MARKS) == []


def test_what_is_gone_or_was_made_empty_since_is_received_again() -> None:
    assert lacking(SOURCE, NAMES, [state("tank/f", 7)], MARKS) == ["backup/f/archive"]
    made_empty = Marks(MARKS.at, {"tank/f": 7})
    assert lacking(SOURCE, NAMES, [state("tank/f", 7), state("tank/f/archive")], made_empty) == ["backup/f/archive"]


def test_before_the_store_was_opened_everything_is_proved_anew() -> None:
    there = [state("tank/f", 7), state("tank/f/archive", 8)]
    assert lacking(SOURCE, NAMES, there, Marks(None, MARKS.guids)) == list(NAMES)
    assert lacking(SOURCE, NAMES, [], Marks()) == list(NAMES)


def test_another_dataset_under_the_name_is_refused() -> None:
    with pytest.raises(SnapshotConflictError, match="tank/f/archive was restored"):
        lacking(SOURCE, NAMES, [state("tank/f", 7), state("tank/f/archive", 9)], MARKS)
