"""A machine made of files, as a storage server has them: sysfs, links under /dev/disk; and lsblk, smartctl and zpool that answer so."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ZFS_DATA, ZFS_RESERVED = "6a898cc3-1dd2-11b2-99a6-080020736631", "6a945a3b-1dd2-11b2-99a6-080020736631"
TB22 = 22_000_969_973_760
# where a disk hangs in sysfs, and the drivers above it, as seen on real machines
HBA = "pci0000:00/0000:00:01.0/0000:03:00.0/host0/port-0:0/expander-0:0/port-0:0:{n}/end_device-0:0:{n}/target0:0:{n}/0:0:{n}:0"
AHCI = "pci0000:00/0000:00:17.0/ata{n}/host{n}/target{n}:0:0/{n}:0:0:0"
RAID = "pci0000:00/0000:00:02.0/0000:05:00.0/host9/target9:2:{n}/9:2:{n}:0"
USB = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host11/target11:0:0/11:0:0:0"
NVME = "pci0000:00/0000:00:1d.0/0000:06:00.0/nvme/nvme0"
DRIVERS = {
    "pci0000:00/0000:00:01.0": "pcieport", "pci0000:00/0000:00:01.0/0000:03:00.0": "mpt3sas", "pci0000:00/0000:00:17.0": "ahci",
    "pci0000:00/0000:00:02.0/0000:05:00.0": "megaraid_sas", "pci0000:00/0000:00:14.0": "xhci_hcd",
    "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0": "uas", "pci0000:00/0000:00:14.0/usb2/2-1": "usb",
    "pci0000:00/0000:00:1d.0/0000:06:00.0": "nvme",
}  # fmt: skip


class MadeMachine:
    """Files below `root`, and programs in `bin` to be put on PATH."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin = root / "root", root / "bin"
        self.devices: list[dict[str, Any]] = []
        self.bin.mkdir(parents=True)
        for place, driver in DRIVERS.items():
            folder = self.root / "sys/devices" / place
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "driver").symlink_to(f"/sys/bus/any/drivers/{driver}")

    def add(self, name: str, where: str, *, links: Mapping[str, Sequence[str]] = {}, **columns: Any) -> None:
        """A disk: its place in sysfs, its links by folder of /dev/disk, its columns of lsblk."""
        device = self.root / "sys/devices" / where
        (device / "block" / name).mkdir(parents=True)
        block = self.root / "sys/block" / name
        block.mkdir(parents=True)
        (block / "device").symlink_to(os.path.relpath(device, block))
        for folder, names in links.items():
            for link in names:
                place = self.root / "dev/disk" / folder / link
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(f"../../{name}")
        self.devices.append(lsblk_row(name, **columns))

    def add_slot(self, enclosure: str, slot: int, name: str) -> None:
        """A slot of an enclosure with a disk in it."""
        folder = self.root / "sys/class/enclosure/0:0:9:0" / f"Slot {slot:02d}"
        folder.mkdir(parents=True)
        (folder.parent / "id").write_text(f"{enclosure}\n")
        (folder / "slot").write_text(f"{slot}\n")
        (folder / "type").write_text("array device\n")
        (folder / "device").symlink_to(os.path.realpath(self.root / "sys/block" / name / "device"))

    def write_programs(self, smart: Mapping[str, Mapping[str, Any]], pools: str = "") -> None:
        """Programs that print what this machine would; smartctl ends with the status that its JSON tells, disks are as lsblk tells."""
        lsblk = self.root.parent / "lsblk.json"
        lsblk.write_text(json.dumps({"blockdevices": self.devices}))
        self.program("lsblk", f"cat {lsblk}")
        self.program("zpool", f"printf '{pools}'")
        self.program("wipefs", """echo '{"signatures": []}'""")
        self.program("zdb", "echo 'failed to unpack label 0'; exit 2")
        cases = []
        for path, told in smart.items():
            answer = self.root.parent / f"smart-{Path(path).name}.json"
            answer.write_text(json.dumps(told))
            cases.append(f"{path}) cat {answer}; exit {told.get('smartctl', {}).get('exit_status', 0)};;")
        self.program("smartctl", f'for last; do :; done; case "$last" in {" ".join(cases)} *) exec sleep 60;; esac')

    def program(self, name: str, script: str) -> None:
        """A program of one line of shell."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


def lsblk_row(name: str, kind: str = "disk", size: int = TB22, **columns: Any) -> dict[str, Any]:
    """A device as lsblk 2.38 tells of it; what it has not is null."""
    row: dict[str, Any] = {
        "name": name, "kname": name, "path": f"/dev/{name}", "type": kind, "size": size, "log-sec": 512, "phy-sec": 4096, "rota": True,
        "fstype": None, "label": None, "uuid": None, "pttype": None, "parttype": None, "mountpoints": [None], "model": None, "serial": None,
        "wwn": None, "tran": None,
    }  # fmt: skip
    return row | {key.replace("_sec", "-sec"): value for key, value in columns.items()}


def part(name: str, **columns: Any) -> dict[str, Any]:
    """A partition."""
    return lsblk_row(name, "part", 10**12, **columns)


def zfs_parts(name: str, pool: str | None, guid: str = "") -> list[dict[str, Any]]:
    """The two partitions that zpool create makes; with the label of a pool, with one that names none as spares have, or blank."""
    label = {} if pool is None else {"fstype": "zfs_member", "label": pool or None, "uuid": guid or None}
    return [part(f"{name}1", parttype=ZFS_DATA, **label), part(f"{name}9", parttype=ZFS_RESERVED)]


def storage_server(root: Path) -> MadeMachine:
    """A server with one disk of every kind of use, on every kind of controller."""
    made = MadeMachine(root)
    for number, name in enumerate(("sda", "sdb"), 1):
        made.add(
            name, HBA.format(n=number), model="ST22000NM004E-3HM", serial=f"ZX2000{number:02d}", wwn=f"0x5000c500e00000{number:02d}",
            links={"by-id": [f"wwn-0x5000c500e00000{number:02d}", f"scsi-SSEAGATE_ST22000NM004E_ZX2000{number:02d}",
                             f"scsi-35000c500e00000{number:02d}"],
                   "by-path": [f"pci-0000:03:00.0-sas-exp0x500605b0000272bf-phy{number}-lun-0"]},
        )  # fmt: skip
        made.add_slot("0x500605b0000272bf", number + 3, name)
    root_parts = [part("sdc1", fstype="ext4", mountpoints=["/"]), part("sdc2", fstype="swap", mountpoints=["[SWAP]"])]
    made.add("sdc", AHCI.format(n=1), size=10**12, rota=False, pttype="gpt", serial="S1", children=root_parts,
             links={"by-id": ["ata-SAMSUNG_SSD_S1"], "by-path": ["pci-0000:00:17.0-ata-1"]})  # fmt: skip
    made.add("sdd", AHCI.format(n=2), pttype="gpt", serial="D4", children=zfs_parts("sdd", "oldtank", "777"),
             links={"by-id": ["ata-WDC_WUH722222ALE6L4_D4"], "by-path": ["pci-0000:00:17.0-ata-2"]})  # fmt: skip
    made.add("sde", AHCI.format(n=3), pttype="gpt", serial="D5", children=zfs_parts("sde", "tank", "4242"),
             links={"by-id": ["ata-WDC_WUH722222ALE6L4_D5"], "by-path": ["pci-0000:00:17.0-ata-3"]})  # fmt: skip
    made.add("sdf", AHCI.format(n=4), fstype="LVM2_member", serial="D6", children=[lsblk_row("vg-music", "lvm", mountpoints=["/srv"])])
    made.add("sdg", AHCI.format(n=5), fstype="crypto_LUKS", serial="D7")
    made.add("sdh", AHCI.format(n=6), fstype="linux_raid_member", label="nas:0", serial="D8", children=[lsblk_row("md0", "raid1")])
    made.add("sdi", USB, serial="U1", links={"by-path": ["pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:0"]})
    made.add("sdj", RAID.format(n=0), serial="R1", model="PERC_H730", links={"by-path": ["pci-0000:05:00.0-scsi-0:2:0:0"]})
    made.add("sdk", AHCI.format(n=7), pttype="gpt", serial="D9", children=zfs_parts("sdk", None),
             links={"by-id": ["ata-WDC_WUH722222ALE6L4_D9"], "by-path": ["pci-0000:00:17.0-ata-7"]})  # fmt: skip
    made.add("nvme0n1", NVME, size=2 * 10**12, rota=False, model="SAMSUNG MZVL2", serial="N1", wwn="eui.0025385", phy_sec=512,
             links={"by-id": ["nvme-eui.0025385", "nvme-SAMSUNG_MZVL2_N1", "nvme-SAMSUNG_MZVL2_N1_1"],
                    "by-path": ["pci-0000:06:00.0-nvme-1"]})  # fmt: skip
    made.devices.append(lsblk_row("loop0", "loop"))
    made.devices.append(lsblk_row("sr0", "rom", 0))
    (made.root / "etc/zfs").mkdir(parents=True)
    (made.root / "etc/zfs/vdev_id.conf").write_text("multipath no\n# shelf 1\nalias d07 /dev/disk/by-path/pci-0000:00:17.0-ata-2\n")
    return made
