"""Disks of a machine: names, bays, controllers, and what is on them; from sysfs, links and lsblk as they are on real machines."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import NotFoundError, PoolOutputError, UsageError
from fonoteca.pools.bays import find_bay, port_words, read_aliases
from fonoteca.pools.disk_sources import DiskSources, find_controller, read_disks
from fonoteca.pools.disk_uses import ActivePools, parse_lsblk, parse_signatures, parse_zdb_label, uses_of
from fonoteca.pools.disks import Disk, find_disk, order_by_id
from fonoteca.pools.zfs import Zfs
from machine_made import HBA, NVME, MadeMachine, lsblk_row, storage_server

GOOD = {"smart_status": {"passed": True}, "temperature": {"current": 33}, "rotation_rate": 7200}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeMachine:
    made = storage_server(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    smart = {f"/dev/{one['name']}": GOOD for one in made.devices}
    smart["/dev/sdb"] = GOOD | {"smart_status": {"passed": False}, "smartctl": {"exit_status": 8}}
    made.write_programs(smart, r"tank\t4242\n")
    return made


@pytest.fixture
def disks(machine: MadeMachine) -> dict[str, Disk]:
    return {disk.name: disk for disk in read_disks(DiskSources(root=machine.root), Zfs())}


def kinds(disk: Disk) -> list[str]:
    return [use.kind for use in disk.uses]


def test_a_disk_goes_by_model_and_serial_before_its_world_wide_name(disks: dict[str, Disk]) -> None:
    assert disks["sda"].best_name == "/dev/disk/by-id/scsi-SSEAGATE_ST22000NM004E_ZX200001"
    assert disks["nvme0n1"].best_name == "/dev/disk/by-id/nvme-SAMSUNG_MZVL2_N1"
    assert order_by_id(["wwn-0x1", "scsi-35000", "ata-X_1"]) == ("ata-X_1", "wwn-0x1", "scsi-35000")


def test_loops_and_drives_without_a_medium_are_no_disks(disks: dict[str, Disk]) -> None:
    assert not {"loop0", "sr0"} & set(disks)
    assert len(disks) == 12


def test_the_enclosure_tells_the_slot(disks: dict[str, Disk]) -> None:
    assert (disks["sda"].bay, disks["sda"].bay_source) == ("Slot 04 of enclosure 0x500605b0000272bf", "enclosure")
    assert disks["sdb"].bay == "Slot 05 of enclosure 0x500605b0000272bf"


def test_an_alias_of_vdev_id_conf_is_the_bay_where_no_enclosure_tells(disks: dict[str, Disk]) -> None:
    assert (disks["sdd"].bay, disks["sdd"].bay_source) == ("d07", "alias")


def test_a_link_that_udev_made_by_vdev_id_conf_is_the_bay() -> None:
    assert find_bay("/sys/x", ["pci-0000:00:17.0-ata-2"], ["shelf1-bay07"], [], {}) == ("shelf1-bay07", "alias")


def test_a_multipath_device_is_one_disk_and_its_ways_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = MadeMachine(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    for number, name in enumerate(("sda", "sdb"), 1):
        child = lsblk_row("mpatha", "mpath", kname="dm-0", path="/dev/mapper/mpatha")
        made.add(name, HBA.format(n=number), serial="ZX1", children=[child])
    (made.root / "dev/disk/by-id").mkdir(parents=True)
    (made.root / "dev/disk/by-id/dm-uuid-mpath-35000c500").symlink_to("../../dm-0")
    made.write_programs({})
    found = {disk.name: disk for disk in read_disks(DiskSources(root=made.root), Zfs(), with_smart=False)}
    assert {name: kinds(disk) for name, disk in found.items()} == {"sda": ["held"], "sdb": ["held"], "dm-0": []}
    assert (found["dm-0"].serial, found["dm-0"].best_name) == ("ZX1", "/dev/disk/by-id/dm-uuid-mpath-35000c500")


def test_an_nvme_disk_with_two_ways_hangs_on_the_first(tmp_path: Path) -> None:
    made = MadeMachine(tmp_path)
    made.add("nvme0n1", "virtual/nvme-subsystem/nvme-subsys0")
    (made.root / "sys/devices" / NVME).mkdir(parents=True)
    (made.root / "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0").symlink_to(made.root / "sys/devices" / NVME)
    assert find_controller(made.root, "nvme0n1") == ("nvme", "0000:06:00.0")


def test_else_the_port_is_told(disks: dict[str, Disk]) -> None:
    assert (disks["sdc"].bay, disks["sdc"].bay_source) == ("SATA port 1 of 00:17.0", "port")
    assert disks["nvme0n1"].bay == "NVMe at 06:00.0"
    assert disks["sdi"].bay == "USB port 1 of 00:14.0"
    assert disks["sdf"].bay is None


def test_controllers_are_found_above_the_disk(disks: dict[str, Disk]) -> None:
    told = {name: disks[name].controller for name in ("sda", "sdc", "sdi", "sdj", "nvme0n1")}
    assert told == {"sda": "mpt3sas", "sdc": "ahci", "sdi": "uas", "sdj": "megaraid_sas", "nvme0n1": "nvme"}
    assert disks["sda"].controller_at == "0000:03:00.0"


def test_a_raid_controller_and_usb_are_warned_of(disks: dict[str, Disk]) -> None:
    assert "hides disks" in disks["sdj"].warnings[0]
    assert "USB" in disks["sdi"].warnings[0]
    assert disks["sda"].warnings == ()


def test_what_is_on_each_disk_is_told(disks: dict[str, Disk]) -> None:
    assert {name: kinds(disk) for name, disk in disks.items() if disk.uses} == {
        "sdc": ["partitioned", "mounted", "formatted", "swap", "formatted"],
        "sdd": ["partitioned", "zfs-exported"],
        "sde": ["zfs-active"],
        "sdf": ["formatted", "held", "mounted"],
        "sdg": ["formatted"],
        "sdh": ["formatted", "held"],
    }
    assert disks["sdd"].uses[1].pool == "oldtank"
    assert "oldtank" in disks["sdd"].uses[1].fact


def test_partitions_that_a_stopped_zpool_create_left_blank_are_no_use(disks: dict[str, Disk]) -> None:
    assert disks["sdk"].is_free


def test_a_failing_disk_says_so_and_the_status_of_smartctl_stops_nothing(disks: dict[str, Disk]) -> None:
    assert disks["sdb"].smart.grade == "failing"
    assert disks["sda"].smart.grade == "good"


def test_a_disk_that_hangs_does_not_stop_the_list(machine: MadeMachine) -> None:
    machine.write_programs({"/dev/sda": GOOD})  # the others sleep for a minute
    start = time.monotonic()
    found = {disk.name: disk.smart for disk in read_disks(DiskSources(root=machine.root, smart_timeout_s=1.5), Zfs())}
    assert time.monotonic() - start < 20
    assert found["sda"].grade == "good"
    assert "did not" in found["sdb"].facts[0]


def test_without_zfs_labels_count_as_not_imported(machine: MadeMachine) -> None:
    machine.program("zpool", "echo 'The ZFS modules cannot be auto-loaded.' >&2; exit 1")
    found = {disk.name: disk for disk in read_disks(DiskSources(root=machine.root), Zfs(), with_smart=False)}
    assert kinds(found["sde"]) == ["partitioned", "zfs-exported"]


def test_lsblk_of_debian_13_with_real_labels_is_understood() -> None:
    captured = (Path(__file__).parent / "output/lsblk-2.41-in-use.json").read_bytes()
    active = ActivePools(frozenset({"busy"}), frozenset({"5005997740637382279"}))
    told = {one["name"]: [(use.kind, use.device) for use in uses_of(one, active)] for one in parse_lsblk(captured)}
    assert told == {
        "sda": [("swap", "/dev/sda"), ("formatted", "/dev/sda")],
        "sdb": [("partitioned", "/dev/sdb"), ("zfs-exported", "/dev/sdb1")],
        "sdc": [("zfs-active", "/dev/sdc1")],
        "sdd": [("partitioned", "/dev/sdd")],
        "sde": [],
        "vda": [("mounted", "/dev/vda"), ("formatted", "/dev/vda")],
    }


def test_signatures_that_udev_has_not_noticed_are_found_on_the_disk_itself() -> None:
    told = b'{"signatures": [{"device":"sda","offset":"0x438","type":"ext4","uuid":"x","label":null}, {"type":"gpt"}, {"type":"PMBR"}]}'
    assert [use.fact for use in parse_signatures(told, "/dev/sda")] == ["a signature of ext4"]
    assert parse_signatures(b"", "/dev/sda") == parse_signatures(b"[3]", "/dev/sda") == parse_signatures(b"\xff", "/dev/sda") == ()


def test_lsblk_of_debian_11_prints_numbers_as_text_and_one_mountpoint() -> None:
    row = lsblk_row("sda", children=[{"name": "sda1", "type": "part", "mountpoint": "/boot"}])
    del row["mountpoints"]
    assert [use.fact for use in uses_of(row, ActivePools())] == ["a PARTITION table with 1 partition", "mounted at /boot"]


def test_a_disk_is_found_by_each_of_its_names(disks: dict[str, Disk]) -> None:
    every = list(disks.values())
    names = (
        "sda", "/dev/sda", "/dev/disk/by-id/wwn-0x5000c500e0000001", "wwn-0x5000c500e0000001", "ZX200001", "zx200001", "0x5000c500e0000001",
        "Slot 04 of enclosure 0x500605b0000272bf", "/dev/disk/by-id/scsi-35000c500e0000001-part1",
    )  # fmt: skip
    assert {find_disk(every, name).name for name in names} == {"sda"}
    assert find_disk(every, "d07").name == "sdd"


def test_a_name_that_leads_nowhere_or_to_two_disks_is_an_error() -> None:
    two = [Disk("sda", "/dev/sda", serial="1"), Disk("sdb", "/dev/sdb", serial="1")]
    with pytest.raises(NotFoundError, match="no disk here"):
        find_disk(two, "sdz")
    with pytest.raises(UsageError, match="may be 2 disks"):
        find_disk(two, "1")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"blockdevices": 3}', b'{"blockdevices": [{"name": 3}]}', b"\xff", b"[" * 100_000])
def test_what_is_no_output_of_lsblk_is_named_so(content: bytes) -> None:
    with pytest.raises(PoolOutputError):
        parse_lsblk(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["name", "type", "size", "fstype", "label", "uuid", "children", "mountpoints", "pttype", "parttype", "path"]), inner, max_size=6),
    max_leaves=15,
)  # fmt: skip


@given(
    st.lists(
        st.fixed_dictionaries({"name": st.text(max_size=8)}, optional={"children": JSON, "mountpoints": JSON, "fstype": JSON}), max_size=3
    )
)
def test_odd_values_from_lsblk_never_crash(devices: list[dict[str, object]]) -> None:
    for device in parse_lsblk(json.dumps({"blockdevices": devices}).encode()):
        uses_of(device, ActivePools())


def test_labels_that_zdb_prints_are_read() -> None:
    told = (
        "-" * 36
        + "\nLABEL 0 \n"
        + "-" * 36
        + "\n    version: 5000\n    name: 'old tank'\n    state: 1\n    pool_guid: 987\n    top_guid: 1\n"
    )
    assert parse_zdb_label(told) == ("old tank", "987")
    assert parse_zdb_label("failed to unpack label 0\n") is None


def test_ports_are_told_in_words() -> None:
    assert port_words("pci-0000:03:00.0-sas-exp0x500605b0000272bf-phy12-lun-0") == "SAS expander 500605b0000272bf, phy 12"
    assert port_words("pci-0000:03:00.0-sas-phy5-lun-0") == "SAS phy 5 of 03:00.0"
    assert port_words("pci-0000:00:04.0-scsi-0:0:7:0") == "SCSI 0:0:7:0 of 00:04.0"
    assert port_words("platform-odd") is None


def test_aliases_lead_from_the_link_to_the_name() -> None:
    assert read_aliases("alias a1 /dev/disk/by-path/pci-1\n#alias b /x\n  alias b2\twwn-0x1\n") == {"pci-1": "a1", "wwn-0x1": "b2"}
