"""The disks of a machine: by which names they go, where they sit, how they are, and what is on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.ground.quantities import format_bytes

UseKind = Literal["mounted", "swap", "held", "zfs-active", "zfs-exported", "partitioned", "formatted"]
SmartGrade = Literal["good", "watch", "failing", "unknown"]
BaySource = Literal["enclosure", "alias", "port"]

# What is in use now; nothing makes a command take such a disk.
ACTIVE_USES: frozenset[UseKind] = frozenset({"mounted", "swap", "held", "zfs-active"})
# Controllers that put themselves between ZFS and the disks.
RAID_DRIVERS = frozenset({"megaraid_sas", "megaraid_mbox", "hpsa", "smartpqi", "aacraid", "arcmsr", "3w-9xxx", "3w-sas", "cciss"})
USB_DRIVERS = frozenset({"usb-storage", "uas"})


class SmartVerdict(msgspec.Struct, frozen=True):
    """What a disk says of itself: one word, and the facts behind it."""

    grade: SmartGrade = "unknown"
    facts: tuple[str, ...] = ()
    temperature_c: int | None = None
    power_on_hours: int | None = None


class DiskUse(msgspec.Struct, frozen=True):
    """Something that is on a disk: `device` is the part of it, `fact` what is there, `pool` whose ZFS label it carries."""

    kind: UseKind
    device: str
    fact: str
    pool: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether something works with it right now."""
        return self.kind in ACTIVE_USES


class Disk(msgspec.Struct, frozen=True):
    """One disk. `by_id` are its paths under /dev/disk/by-id, the best first; `names` whatever else it goes by.

    `bay` is where a person finds it, `bay_source` how that is known; `controller` the driver that the disk hangs on,
    `controller_at` its address. A file that stands for a disk has `is_file`.
    """

    name: str
    path: str
    by_id: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    bytes: int = 0
    logical_sector: int = 512
    physical_sector: int = 512
    model: str = ""
    serial: str = ""
    wwn: str = ""
    is_rotational: bool = False
    is_file: bool = False
    bay: str | None = None
    bay_source: BaySource | None = None
    controller: str | None = None
    controller_at: str | None = None
    smart: SmartVerdict = SmartVerdict()
    uses: tuple[DiskUse, ...] = ()

    @property
    def best_name(self) -> str:
        """The path to write into plans and commands."""
        return self.by_id[0] if self.by_id else self.path

    @property
    def is_free(self) -> bool:
        """Whether nothing at all is on it."""
        return not self.uses

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against its controller."""
        if self.controller in RAID_DRIVERS:
            return (f"{self.controller} is a RAID controller: it hides disks and their errors from ZFS; give it IT or HBA firmware",)
        if self.controller in USB_DRIVERS:
            return ("behind USB: bridges drop out, and lose flushes; not for a store",)
        return ()

    def describe(self) -> str:
        """Its names in one line, for errors and plans."""
        told = [f"serial {self.serial}" if self.serial else "", self.wwn, self.name, f"bay {self.bay}" if self.bay else ""]
        return f"{self.best_name} ({', '.join([*(part for part in told if part), format_bytes(self.bytes)])})"


def order_by_id(links: Iterable[str]) -> tuple[str, ...]:
    """Links of one disk, the best name first: with model and serial, then world-wide names, then what else there is."""
    return tuple(sorted(links, key=lambda link: (_rank(link.rsplit("/", 1)[-1]), len(link), link)))


def _rank(name: str) -> int:
    if re.match(r"(ata|scsi-S|nvme-(?!eui|nvme|uuid)|usb|virtio|mmc|sas)", name):
        return 2 if re.search(r"_\d$", name) and name.startswith("nvme-") else 0
    return 1 if re.match(r"(wwn-|nvme-eui)", name) else 3


def find_disk(disks: Sequence[Disk], text: str) -> Disk:
    """The disk that goes by `text`: a path, a link, a kernel name, a serial, a WWN or a bay; NotFoundError, UsageError where several do."""
    wanted = _plain(text)
    found = [disk for disk in disks if wanted in {_plain(name) for name in _all_names(disk)}]
    if len(found) > 1:
        told = "; ".join(disk.describe() for disk in found)
        raise UsageError(f"{text!r} may be {len(found)} disks: {told}", "Name one by its link in /dev/disk/by-id.")
    if not found:
        raise NotFoundError(f"no disk here goes by {text!r}", "fonoteca pool disks lists them with all their names.")
    return found[0]


def _all_names(disk: Disk) -> list[str]:
    named = [disk.name, disk.path, *disk.by_id, *disk.names, disk.serial, disk.wwn, disk.bay or ""]
    return [part for name in named if name for part in (name, name.rsplit("/", 1)[-1])]


def _plain(text: str) -> str:
    """A name without what ZFS adds to whole disks, and without case."""
    return re.sub(r"(-part1|(?<=nvme\dn\d)p1)$", "", text.strip()).casefold()
