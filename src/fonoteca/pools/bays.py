"""Where a disk sits: the slot that its enclosure names, else what vdev_id.conf calls it, else the port that it hangs on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from fonoteca.pools.disks import BaySource


class EnclosureSlot(msgspec.Struct, frozen=True):
    """A slot of an enclosure that tells about itself (SES): `device` is the real path of the disk's SCSI device in sysfs."""

    enclosure: str
    name: str
    slot: int | None
    device: str


def find_bay(
    device: str, by_path: Iterable[str], by_vdev: Iterable[str], slots: Iterable[EnclosureSlot], aliases: Mapping[str, str]
) -> tuple[str, BaySource] | None:
    """Where the disk of a SCSI device sits, and how that is known; None where nothing tells.

    `by_path` and `by_vdev` are the names of its links there; `aliases` leads from the names in vdev_id.conf to theirs.
    """
    for slot in slots:
        if slot.device == device:
            return _slot_words(slot), "enclosure"
    for name in sorted(by_vdev):
        return name, "alias"
    paths = sorted(by_path)
    for path in paths:
        if path in aliases:
            return aliases[path], "alias"
    told = next((words for path in paths if (words := port_words(path))), None)
    return (told, "port") if told else None


def _slot_words(slot: EnclosureSlot) -> str:
    name = slot.name.strip()
    number = f"slot {slot.slot}" if slot.slot is not None else name
    told = number if slot.slot is None or re.search(rf"\b0*{slot.slot}\b", name) is None else name
    return f"{told} of enclosure {slot.enclosure}"


_PORTS = (
    (r"-sas-exp0x([0-9a-f]+)-phy(\d+)-lun", "SAS expander {0}, phy {1}"),
    (r"pci-([0-9a-f:.]+)-sas-phy(\d+)-lun", "SAS phy {1} of {0}"),
    (r"pci-([0-9a-f:.]+)-sas-0x([0-9a-f]+)-lun", "SAS address {1} of {0}"),
    (r"pci-([0-9a-f:.]+)-ata-(\d+(?:\.\d+)?)$", "SATA port {1} of {0}"),
    (r"pci-([0-9a-f:.]+)-nvme-(\d+)$", "NVMe at {0}"),
    (r"pci-([0-9a-f:.]+)-usb-[^-]*:(\d[\d.]*):[^-]*(?:-scsi.*)?$", "USB port {1} of {0}"),
    (r"pci-([0-9a-f:.]+)-scsi-(\d+:\d+:\d+:\d+)$", "SCSI {1} of {0}"),
    (r"(?:virtio-)?pci-([0-9a-f:.]+)$", "virtual disk at {0}"),
)


def port_words(by_path: str) -> str | None:
    """A name of /dev/disk/by-path in words: SATA port 3 of 0000:00:1f.2; None where it is of no known form."""
    for pattern, words in _PORTS:
        if found := re.search(pattern, by_path):
            return words.format(*(part.removeprefix("0000:") if ":" in part and "." in part else part for part in found.groups()))
    return None


def read_aliases(vdev_id_conf: str) -> dict[str, str]:
    """The aliases of vdev_id.conf(5), by the name of the link in /dev/disk/by-path (or by-id) that they stand for."""
    found = re.findall(r"^\s*alias\s+(\S+)\s+(\S+)", vdev_id_conf, re.M)
    return {target.rsplit("/", 1)[-1]: alias for alias, target in found}
