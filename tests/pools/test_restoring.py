"""What is restored from where: names that are given, names that are made, and the swap that a person types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.pools.restoring import Origin, choose_dataset, choose_snapshot, clone_commands, parse_origin, restored_name, swap_steps
from fonoteca.pools.snapshots import Snapshot

REPLICAS = {"attic": "backup/fonoteca", "far": "ssh://keeper@far:2222/backup/fonoteca"}


def snap(dataset: str, name: str, txg: int) -> Snapshot:
    return Snapshot(dataset, name, txg, txg, txg)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("tank/a@monday", Origin("tank/a", "monday")),
        ("@monday", Origin("tank/own", "monday")),
        ("backup/a", Origin("backup/a")),
        ("tank/a b@x y", Origin("tank/a b", "x y")),
        ("attic", Origin("backup/fonoteca", replica="attic")),
        ("far", Origin("backup/fonoteca", remote="ssh://keeper@far:2222", replica="far")),
        ("ssh://keeper@far/backup/a@monday", Origin("backup/a", "monday", "ssh://keeper@far")),
    ],
)
def test_snapshots_targets_and_replicas_are_told_apart(text: str, origin: Origin) -> None:
    assert parse_origin(text, REPLICAS, "tank/own") == origin


@pytest.mark.parametrize("text", ["", "@", "tank@", "@monday@x", "/tank/a", "ssh://far", "./a", "tank/", "http://x/y"])
def test_what_names_nothing_is_a_usage_error_with_what_could_be_named(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_origin(text, REPLICAS)
    assert caught.value.hint


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_origins(text: str) -> None:
    try:
        origin = parse_origin(text, {})
    except UsageError:
        return
    assert origin.dataset and parse_origin(origin.words, {}) == origin


def test_the_newest_snapshot_is_by_order_in_the_pool_not_by_name_or_clock() -> None:
    snapshots = [snap("tank/a", "z", 5), snap("tank/a", "a", 9), snap("tank/b", "b", 99)]
    assert choose_snapshot(snapshots, Origin("tank/a")).name == "a"
    assert choose_snapshot(snapshots, Origin("tank/a", "z")).createtxg == 5
    with pytest.raises(NotFoundError, match="there are: a, z"):
        choose_snapshot(snapshots, Origin("tank/a", "nope"))
    with pytest.raises(NotFoundError, match="none at all"):
        choose_snapshot(snapshots, Origin("tank/c"))


def test_a_replica_has_the_same_dataset_below_its_own_root() -> None:
    there = ["backup", "backup/fonoteca", "backup/fonoteca/archive", "backup/other"]
    assert choose_dataset(there, "backup/fonoteca", "tank/fonoteca/archive") == "backup/fonoteca/archive"
    assert choose_dataset(there, "backup", "tank/fonoteca/archive") == "backup/fonoteca/archive"
    assert choose_dataset(there, "backup/other", "tank/fonoteca/archive") == "backup/other"
    with pytest.raises(NotFoundError):
        choose_dataset(there, "backup/none", "tank/fonoteca/archive")


def test_clones_come_parents_first_with_what_was_set_and_nothing_that_would_be_in_the_way() -> None:
    taken = [snap("tank/a/sub", "m", 3), snap("tank/a", "m", 3), snap("tank/ab", "m", 3)]
    set_there = {"tank/a": {"recordsize": "1048576", "mountpoint": "/srv", "quota": "5", "fonoteca:plan": "x"}}
    commands = clone_commands(taken, "tank/a", "tank/a_back", set_there)
    assert commands == [
        ("zfs", "clone", "-o", "canmount=noauto", "-o", "recordsize=1048576", "tank/a@m", "tank/a_back"),
        ("zfs", "clone", "-o", "canmount=noauto", "tank/a/sub@m", "tank/a_back/sub"),
    ]


def test_a_restored_name_is_never_that_of_live_data_nor_too_long() -> None:
    assert restored_name("tank/a", "monday") == "tank/a_from_monday"
    with pytest.raises(UsageError, match="too long"):
        restored_name("tank/" + "a" * 150, "b" * 60)


def test_the_swap_destroys_nothing_and_keeps_the_place() -> None:
    steps = swap_steps("tank/a", "tank/a_back", ["tank/a_back", "tank/a_back/sub"], "/srv/music", is_clone=True)
    lines = [step.line for step in steps]
    assert not any("destroy" in line or "rollback" in line for line in lines)
    assert (
        lines.index("zfs promote tank/a_back")
        < lines.index("zfs rename tank/a tank/a_before")
        < lines.index("zfs rename tank/a_back tank/a")
    )
    assert "zfs set mountpoint=/srv/music tank/a" in lines and "zfs set canmount=on tank/a/sub" in lines
    assert all(step.words for step in steps)
    plain = [step.line for step in swap_steps("tank/a", "tank/a_back", ["tank/a_back"], None, is_clone=False)]
    assert not any("promote" in line or "mountpoint" in line for line in plain)
