"""Disks that ZFS has, and those that only look so: spares, labels without a pool, blank partitions, a zpool that does not answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fonoteca.ground.errors import PoolError
from fonoteca.pools.disk_checks import check_disk
from fonoteca.pools.disk_sources import DiskSources, disk_of_file, read_disks
from fonoteca.pools.disk_uses import ActivePools, parse_pool_devices, parse_zdb_label
from fonoteca.pools.disks import Disk
from fonoteca.pools.zfs import Zfs
from machine_made import MadeMachine, storage_server, zfs_parts


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeMachine:
    made = storage_server(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    made.write_programs({}, r"tank\t4242\n")
    return made


def read(machine: MadeMachine) -> dict[str, Disk]:
    return {disk.name: disk for disk in read_disks(DiskSources(root=machine.root), Zfs(), with_smart=False)}


ZDB_SPARE = "LABEL 0 \n------\n    version: 5000\n    state: 3\n    guid: 97\n    labels = 0 1 2 3 \n"


@pytest.mark.parametrize(
    ("zdb", "wipefs", "found"),
    [
        ("printf \"    name: 'tank'\\n    pool_guid: 4242\\n\"", "echo '{}'", "zfs-active"),
        ("printf \"    name: 'old'\\n    pool_guid: 77\\n\"", "echo '{}'", "zfs-exported"),
        (f"printf '{ZDB_SPARE}'", "echo '{}'", "zfs-exported"),
        ("echo failed to unpack label 0; exit 2", """echo '{"signatures": [{"type": "xfs"}]}'""", "formatted"),
        ("echo 'cannot open' >&2; exit 1", "echo '{}'", "partitioned"),
        ("echo failed to unpack label 0; exit 2", "exit 1", "partitioned"),
    ],
    ids=["imported", "exported", "spare", "another file system", "zdb fails", "wipefs fails"],
)  # fmt: skip
def test_blank_partitions_of_zpool_are_looked_into_before_the_disk_is_free(machine: MadeMachine, zdb: str, wipefs: str, found: str) -> None:
    machine.program("zdb", zdb)
    machine.program("wipefs", wipefs)
    disks = read(machine)
    assert {use.kind for use in disks["sdk"].uses} == {found}


LIST_WITH_SPARE = r"""case "$2" in -HpvLP) printf 'tank\t1\t-\n\traidz1-0\t1\n\t/dev/sde1\t1\nspare   -\n\t/dev/sdk1\t1\n';;
*) printf 'tank\t4242\n';; esac"""


def with_spare(machine: MadeMachine) -> MadeMachine:
    """As blkid tells of hot spares and cache disks: a label of ZFS that names no pool."""
    machine.devices = [one | ({"children": zfs_parts("sdk", "")} if one["name"] == "sdk" else {}) for one in machine.devices]
    machine.write_programs({})
    machine.program("zpool", LIST_WITH_SPARE)
    return machine


def test_a_hot_spare_of_an_imported_pool_is_in_it(machine: MadeMachine) -> None:
    disks = read(with_spare(machine))
    assert [(use.kind, use.pool) for use in disks["sdk"].uses] == [("zfs-active", "tank")]
    assert [use.kind for use in disks["sdd"].uses] == ["partitioned", "zfs-exported"]


def test_a_label_that_names_no_pool_is_refused_and_nothing_overrides_that(machine: MadeMachine) -> None:
    with_spare(machine).program("zpool", r"printf 'tank\t4242\n'")
    disks = read(machine)
    refused = list(check_disk(disks["sdk"], disks["sdk"].best_name))
    assert [one.allow for one in refused if "names no pool" in one.fact] == [None]


def test_spares_and_caches_are_among_the_devices_of_a_pool() -> None:
    output = Path(__file__).parent / "output"
    assert parse_pool_devices((output / "2.3-list-vP.txt").read_text()) == {f"/v/d{number}": "p" for number in range(1, 7)}
    assert set(parse_pool_devices((output / "2.3-list-v-all-roles.txt").read_text())) == {f"/v/d{number}" for number in range(1, 9)}


def test_where_zpool_fails_it_is_not_said_that_nothing_is_imported(machine: MadeMachine) -> None:
    machine.program("zpool", "echo 'internal error: out of memory' >&2; exit 1")
    with pytest.raises(PoolError, match="out of memory"):
        read(machine)


def test_a_file_that_is_a_spare_is_in_its_pool(machine: MadeMachine, tmp_path: Path) -> None:
    (tmp_path / "spare").write_bytes(b"x")
    active = ActivePools(frozenset({"tank"}), frozenset({"4242"}), {os.path.realpath(tmp_path / "spare"): "tank"})
    for zdb in (f"printf '{ZDB_SPARE}'", "exit 1"):
        machine.program("zdb", zdb)
        found = disk_of_file(DiskSources(root=machine.root), str(tmp_path / "spare"), active)
        assert found is not None
        assert [(use.kind, use.pool) for use in found.uses] == [("zfs-active", "tank")]


def test_the_label_of_a_spare_names_no_pool() -> None:
    assert parse_zdb_label(ZDB_SPARE) == ("", "")
