"""What is restored from where: names that are given, names that are made, and the swap that a person types."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.pools.restoring import (
    Origin,
    choose_dataset,
    choose_place,
    choose_snapshot,
    clone_commands,
    make_aside,
    open_steps,
    parse_origin,
    restored_name,
    swap_steps,
)
from fonoteca.pools.snapshots import Snapshot
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.restore_dataset import steps_of_received

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


def test_a_restored_name_lies_outside_of_every_store_and_is_not_too_long() -> None:
    assert restored_name("tank/fonoteca/archive", "monday") == "tank/restored/archive_from_monday"
    assert restored_name("tank", "monday") == "tank/restored/tank_from_monday"
    assert make_aside("tank/restored/x")[-1] == "tank/restored"
    with pytest.raises(UsageError, match="too long"):
        restored_name("tank/" + "a" * 150, "b" * 60)


def test_what_was_received_takes_the_place_of_what_it_is_called_like() -> None:
    there = ["tank", "tank/fonoteca", "tank/fonoteca/archive", "backup/fonoteca/archive"]
    assert choose_place("backup/fonoteca/archive", "tank/back", there) == "tank/fonoteca/archive"
    assert choose_place("backup/of/fonoteca/archive", "tank/back", there) == "tank/fonoteca/archive"
    assert choose_place("backup/fonoteca/archive", "tank/back", there[:2]) == "tank/fonoteca/archive"
    assert choose_place("backup/fonoteca/other", "tank/fonoteca/other", [*there, "tank/fonoteca/other"]) == "tank/fonoteca/other"
    assert choose_place("backup", "tank/back", there) is None


def test_the_swap_destroys_nothing_keeps_the_place_and_leaves_the_old_one_outside_of_the_store() -> None:
    steps = swap_steps("tank/a", "tank/back", ["tank/back", "tank/back/sub"], "/srv/music", base="two words")
    lines = [step.line for step in steps]
    assert not any("destroy" in line or "rollback" in line for line in lines)
    assert lines.index("zfs promote tank/back") < lines.index("zfs create -p -o canmount=off tank/restored")
    assert lines.index("zfs rename tank/a tank/restored/a_before") < lines.index("zfs rename tank/back tank/a")
    assert "zfs set mountpoint=/srv/music tank/a" in lines and "zfs set canmount=on tank/a/sub" in lines
    assert all(step.words for step in steps)
    told = [step.words for step in steps]
    assert "zfs clone -o readonly=on -o canmount=noauto 'REPLICA/sub@two words' REPLICA_new/sub" in told
    assert told.index("zfs rename REPLICA REPLICA_before") < told.index("zfs rename REPLICA_new REPLICA")


def test_what_was_received_is_opened_with_properties_and_put_in_its_place() -> None:
    settings = {"tank/back": {"recordsize": "1M", "quota": "5", "compression": "zstd"}}
    assert [step.line for step in open_steps(["tank/back", "tank/back/sub"], settings)] == [
        "zfs inherit readonly tank/back",
        "zfs set recordsize=1M compression=zstd tank/back",
        "zfs inherit readonly tank/back/sub",
    ]
    lines = [step.line for step in swap_steps("tank/a", "tank/back", ["tank/back"], None)]
    assert not any("promote" in line or "mountpoint" in line for line in lines)
    assert {"zfs rename tank/a tank/restored/a_before", "zfs rename tank/back tank/a", "zfs set canmount=on tank/a"} <= set(lines)
    alone = [step.line for step in swap_steps("tank/a", "tank/a", ["tank/a"], None, is_there=False)]
    assert not any("rename" in line for line in alone) and "zfs set canmount=on tank/a" in alone
    assert not any("rename" in step.line for step in swap_steps("tank", "tank/restored/tank_from_m", ["tank/restored/tank_from_m"], None))


class Told(Zfs):
    """ZFS with these datasets; `properties` are what was set on tank/fonoteca/archive."""

    def __init__(self, properties: str, *names: str) -> None:
        super().__init__()
        self.properties, self.names = properties, names

    def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        if arguments[1] == "list":
            return "".join(f"{name}\tfilesystem\t1\t1\t1\tno\t/{name}\n" for name in self.names)
        assert arguments[-1] == "tank/fonoteca/archive"
        return self.properties


@pytest.mark.parametrize(
    ("there", "settings", "has_place"),
    [
        (("tank", "tank/fonoteca", "tank/fonoteca/archive"), "recordsize=2M", True),
        (("tank", "tank/fonoteca"), "recordsize=1M", False),
    ],
)
def test_a_received_dataset_gets_the_properties_and_the_place_of_the_live_one(
    there: tuple[str, ...], settings: str, has_place: bool
) -> None:
    zfs = Told("recordsize\t2M\nmountpoint\t/srv/music\n", *there, "tank/back")
    lines = [step.line for step in steps_of_received(zfs, Origin("backup/fonoteca/archive"), "tank/back", ["tank/back"])]
    assert lines[:2] == ["zfs inherit readonly tank/back", f"zfs set {settings} tank/back"]
    assert ("zfs rename tank/fonoteca/archive tank/restored/archive_before" in lines) == has_place
    assert ("zfs set mountpoint=/srv/music tank/fonoteca/archive" in lines) == has_place
    assert lines.index("zfs rename tank/back tank/fonoteca/archive") < lines.index("zfs set canmount=on tank/fonoteca/archive")
