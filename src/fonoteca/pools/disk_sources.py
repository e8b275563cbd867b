"""Where facts about disks come from: sysfs, links under /dev/disk, lsblk, smartctl, zdb and zpool; joined into disks."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from fonoteca.ground.errors import FonotecaError, NoZfsError, ProgramError
from fonoteca.ground.programs import has_program, run_program
from fonoteca.pools.bays import EnclosureSlot, find_bay, read_aliases
from fonoteca.pools.disk_uses import (
    ActivePools,
    children_of,
    left_by_zpool,
    number_of,
    parse_lsblk,
    parse_pool_devices,
    parse_signatures,
    parse_zdb_label,
    text_of,
    truth_of,
    uses_of,
    zfs_use,
)
from fonoteca.pools.disks import Disk, DiskUse, SmartVerdict, order_by_id
from fonoteca.pools.smart import read_smart
from fonoteca.pools.zfs import Zfs

_NO_DISKS = ("loop", "ram", "zram", "zd", "sr", "fd", "md", "dm-", "nbd", "drbd", "mtd")
_OUTSIDE_DRIVERS = frozenset({"sd", "ses", "st", "sr", "pcieport", "virtio-pci", "hub", "usb"})


@dataclass(frozen=True)
class DiskSources:
    """Where to ask: `root` is the folder that sys, dev and etc lie in, `prefix` stands before each command (such as sudo -n)."""

    root: Path = Path("/")
    prefix: tuple[str, ...] = ()
    smart_timeout_s: float = 20

    def run(self, *arguments: str, timeout_s: float = 30, any_status: bool = False) -> bytes:
        """What a command prints."""
        return run_program([*self.prefix, *arguments], timeout_s=timeout_s, any_status=any_status)

    def links(self, folder: str) -> dict[str, list[str]]:
        """The links in a folder of /dev/disk, by the kernel name of the device that they lead to."""
        place = self.root / "dev/disk" / folder
        found: dict[str, list[str]] = defaultdict(list)
        for link in sorted(place.iterdir()) if place.is_dir() else ():
            found[Path(os.path.realpath(link)).name].append(link.name)
        return found


@dataclass(frozen=True)
class _Facts:
    """What is read once for all disks."""

    by_id: Mapping[str, list[str]]
    by_path: Mapping[str, list[str]]
    by_vdev: Mapping[str, list[str]]
    slots: Sequence[EnclosureSlot]
    aliases: Mapping[str, str]
    active: ActivePools
    smart: Mapping[str, SmartVerdict] = field(default_factory=dict)


def read_disks(sources: DiskSources, zfs: Zfs, *, with_smart: bool = True) -> list[Disk]:
    """Every disk of this machine, by name. Writes nothing; a disk that does not answer is told as unknown, and stops nobody."""
    devices = list(_disk_devices(parse_lsblk(sources.run("lsblk", "--json", "--bytes", "--output-all"))))
    smart = _ask_all(sources, [text_of(one, "path") or f"/dev/{one['name']}" for one in devices]) if with_smart else {}
    conf = sources.root / "etc/zfs/vdev_id.conf"
    facts = _Facts(
        sources.links("by-id"), sources.links("by-path"), sources.links("by-vdev"), list(_enclosure_slots(sources.root)),
        read_aliases(conf.read_text("utf-8", "replace")) if conf.is_file() else {}, active_pools(zfs), smart,
    )  # fmt: skip
    return sorted((_disk(device, sources, facts) for device in devices), key=lambda disk: (len(disk.name), disk.name))


def active_pools(zfs: Zfs) -> ActivePools:
    """The pools that are imported here and their devices; none where ZFS is not. Where ZFS fails nobody knows, so its error goes on."""
    try:
        rows = [line.split("\t") for line in zfs.zpool("list", "-Hpo", "name,guid", timeout_s=30).splitlines()]
        devices = parse_pool_devices(zfs.zpool("list", "-HpvLP", timeout_s=30))
    except NoZfsError:
        return ActivePools()
    return ActivePools(frozenset(row[0] for row in rows), frozenset(row[1] for row in rows if len(row) > 1), devices)


def _disk_devices(devices: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Whole disks, and each multipath device once."""
    seen: set[str] = set()
    for device in devices:
        if text_of(device, "type") == "disk" and number_of(device, "size") and not device["name"].startswith(_NO_DISKS):
            yield device
        for child in children_of(device):
            if text_of(child, "type") == "mpath" and text_of(child, "name") not in seen:
                seen.add(text_of(child, "name"))
                yield {**child, "serial": text_of(child, "serial") or text_of(device, "serial"), "model": text_of(device, "model")}


def _disk(device: Mapping[str, Any], sources: DiskSources, facts: _Facts) -> Disk:
    root = sources.root
    kernel_name = text_of(device, "kname") or str(device["name"])
    path = text_of(device, "path") or f"/dev/{kernel_name}"
    scsi = os.path.realpath(root / "sys/block" / kernel_name / "device")
    bay = find_bay(scsi, facts.by_path.get(kernel_name, ()), facts.by_vdev.get(kernel_name, ()), facts.slots, facts.aliases)
    controller, controller_at = find_controller(root, kernel_name)
    return Disk(
        name=kernel_name, path=path, by_id=order_by_id(f"/dev/disk/by-id/{name}" for name in facts.by_id.get(kernel_name, ())),
        names=(str(device["name"]), *facts.by_path.get(kernel_name, ()), *facts.by_vdev.get(kernel_name, ())),
        bytes=number_of(device, "size"), logical_sector=number_of(device, "log-sec") or 512,
        physical_sector=number_of(device, "phy-sec") or 512, model=text_of(device, "model").replace("_", " "),
        serial=text_of(device, "serial"), wwn=text_of(device, "wwn"), is_rotational=truth_of(device, "rota"),
        bay=bay[0] if bay else None, bay_source=bay[1] if bay else None, controller=controller, controller_at=controller_at,
        smart=facts.smart.get(path, SmartVerdict()), uses=_uses_of(device, sources, facts.active),
    )  # fmt: skip


def _uses_of(device: Mapping[str, Any], sources: DiskSources, active: ActivePools) -> tuple[DiskUse, ...]:
    """What is on it; partitions that zpool left blank are no use, once their own bytes have been looked at."""
    uses = uses_of(device, active)
    left = left_by_zpool(device, uses)
    return tuple(dict.fromkeys(use for part in left for use in _uses_of_part(sources, part, active, uses))) if left else uses


def _uses_of_part(sources: DiskSources, path: str, active: ActivePools, unless_known: tuple[DiskUse, ...]) -> tuple[DiskUse, ...]:
    """What is in a partition by its own bytes; `unless_known` where it does not answer."""
    try:
        found = parse_signatures(sources.run("wipefs", "--no-act", "--json", path), path)
        label = _read_label(sources, path) if has_program("zdb") else None
    except FonotecaError:
        return unless_known
    return (zfs_use(path, *label, active),) if label else found


def _read_label(sources: DiskSources, path: str) -> tuple[str, str] | None:
    """The pool that a label of ZFS names, None where there is no label; ProgramError where zdb cannot tell."""
    told = sources.run("zdb", "-l", path, any_status=True).decode("utf-8", "replace")
    label = parse_zdb_label(told)
    if label is None and "failed to unpack label" not in told:
        raise ProgramError(f"zdb does not tell what is on {path}", f"Run it by hand: zdb -l {path}")
    return label


def find_controller(root: Path, kernel_name: str) -> tuple[str | None, str | None]:
    """The driver that a disk hangs on and its address, by the folders above it in sysfs: mpt3sas at 0000:03:00.0."""
    top = Path(os.path.realpath(root / "sys"))
    place = _device_folder(root, kernel_name)
    while top in place.parents:
        driver = place / "driver"
        if driver.is_symlink() and (name := os.path.basename(os.readlink(driver))) not in _OUTSIDE_DRIVERS:
            return name, place.name
        place = place.parent
    return None, None


def _device_folder(root: Path, kernel_name: str) -> Path:
    """A disk's device in sysfs; of an NVMe disk with several ways to it the first of these."""
    place = Path(os.path.realpath(root / "sys/block" / kernel_name / "device"))
    ways = sorted(one for one in place.glob("nvme*") if one.is_symlink()) if place.name.startswith("nvme-subsys") else []
    return Path(os.path.realpath(ways[0])) if ways else place


def _enclosure_slots(root: Path) -> Iterable[EnclosureSlot]:
    """The slots of enclosures that are occupied: sys/class/enclosure/*/SLOT/device."""
    for enclosure in sorted((root / "sys/class/enclosure").glob("*")):
        named = _line(enclosure / "id") or enclosure.name
        for slot in sorted(enclosure.iterdir()):
            if (slot / "device").is_symlink() and (slot / "type").exists():
                number = _line(slot / "slot")
                yield EnclosureSlot(named, slot.name, int(number) if number.isdigit() else None, os.path.realpath(slot / "device"))


def _line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _ask_all(sources: DiskSources, paths: Sequence[str]) -> dict[str, SmartVerdict]:
    """The verdict of each disk, all asked at once; who does not answer in time is unknown."""
    verdicts = {path: SmartVerdict("unknown", (f"it did not answer within {sources.smart_timeout_s:.0f} s",)) for path in paths}
    if not has_program("smartctl"):
        return dict.fromkeys(paths, SmartVerdict("unknown", ("smartctl is not installed (Debian: smartmontools)",)))

    def ask(path: str) -> None:
        verdicts[path] = ask_smart(sources, path)

    # threads that end with the program: a disk that hangs in the kernel must not hold it
    threads = [threading.Thread(target=ask, args=(path,), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    end = monotonic() + sources.smart_timeout_s
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))
    return dict(verdicts)


def ask_smart(sources: DiskSources, path: str) -> SmartVerdict:
    """What one disk says of itself."""
    try:
        return read_smart(sources.run("smartctl", "--json", "--all", path, timeout_s=sources.smart_timeout_s, any_status=True))
    except ProgramError as error:
        return SmartVerdict("unknown", (error.message,))


def look_closely(sources: DiskSources, disk: Disk) -> Disk:
    """The disk with what is on it by its own bytes, where lsblk knows of nothing: udev may not have noticed yet."""
    if disk.uses or disk.is_file:
        return disk
    try:
        found = parse_signatures(sources.run("wipefs", "--no-act", "--json", disk.path, any_status=True), disk.path)
    except ProgramError:
        return disk
    return msgspec.structs.replace(disk, uses=found)


def disk_of_file(sources: DiskSources, path: str, active: ActivePools | None) -> Disk | None:
    """A file that stands for a disk, and whose label of ZFS it carries (not looked at without `active`); None where there is no file."""
    place = Path(path)
    if not place.is_file():
        return None
    uses = _uses_of_file(sources, path, active) if active is not None else ()
    return Disk(name=place.name, path=path, bytes=place.stat().st_size, is_file=True, uses=uses, smart=SmartVerdict("good"))


def _uses_of_file(sources: DiskSources, path: str, active: ActivePools) -> tuple[DiskUse, ...]:
    place = os.path.realpath(path)
    try:
        label = _read_label(sources, path)
    except FonotecaError:
        label = ("", "") if place in active.devices else None
    return (zfs_use(path, *label, active, place),) if label else ()
