"""Why a disk must not be taken: pure answers from what is known about it, its brothers in the vdev and the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from fonoteca.ground.errors import DiskRefusedError
from fonoteca.ground.quantities import format_bytes
from fonoteca.pools.disks import Disk, DiskUse, UseKind

Allowed = Literal[
    "files", "names", "partitioned", "formatted", "labelled", "too-small", "mixed-sizes", "mixed-sectors",
    "same-serial", "failing", "ashift", "mountpoint",
]  # fmt: skip
ALLOWED: Mapping[Allowed, str] = {
    "files": "files in the place of disks, to try things out",
    "names": "names other than those in /dev/disk/by-id, which may change from start to start",
    "partitioned": "disks with a partition table: it is destroyed",
    "formatted": "disks with a file system, LVM, RAID or LUKS on them: it is destroyed",
    "labelled": "disks of a pool that is not imported here: it is destroyed",
    "too-small": "disks that are smaller than planned",
    "mixed-sizes": "disks of several sizes in a vdev: each counts as the smallest",
    "mixed-sectors": "disks of several sector sizes in a vdev",
    "same-serial": "disks that tell the same serial number",
    "failing": "disks whose SMART says that they are failing",
    "ashift": "an ashift below 12, or below the sectors of a disk",
    "mountpoint": "folders with something in them where a dataset will be mounted: it is hidden",
}
_TOLERANCE = 0.99
_ZPOOL_TOLERANCE = 16 << 20  # zpool_vdev.c: ZPOOL_FUZZ
_BY_USE: Mapping[UseKind, Allowed] = {"zfs-exported": "labelled", "partitioned": "partitioned", "formatted": "formatted"}


class Refusal(msgspec.Struct, frozen=True):
    """One reason against: what it is about, the fact, and the word that overrides it (None: nothing does)."""

    about: str
    fact: str
    allow: Allowed | None = None

    @property
    def words(self) -> str:
        """The reason in one line, with the way to override it."""
        return f"{self.about}: {self.fact}" + (f" [--allow {self.allow}]" if self.allow else "")


def check_disk(disk: Disk, named: str, *, ashift: int = 12) -> Iterator[Refusal]:
    """What speaks against one disk by itself; `named` is how the plan or the person calls it."""
    about = disk.describe()
    if disk.is_file:
        yield Refusal(about, "it is a file", "files")
    elif not named.startswith("/dev/disk/by-id/"):
        better = f"; use {disk.by_id[0]}" if disk.by_id else ""
        yield Refusal(about, f"{named} may be another disk after the next start{better}", "names")
    if re.search(r"-part\d+$", named):
        yield Refusal(about, f"{named} is a part of it; name the whole disk: {disk.best_name}")
    yield from (Refusal(about, f"{use.device}: {use.fact}", _word_for(use)) for use in disk.uses)
    if disk.smart.grade == "failing":
        yield Refusal(about, f"SMART: {'; '.join(disk.smart.facts)}", "failing")
    if not disk.is_file and disk.physical_sector > 1 << ashift:
        yield Refusal(about, f"its sectors have {disk.physical_sector} bytes, ashift {ashift} means {1 << ashift}", "ashift")


def _word_for(use: DiskUse) -> Allowed | None:
    """Nothing overrides a label that names no pool: it may be of a spare of any pool."""
    return None if use.kind == "zfs-exported" and use.pool is None else _BY_USE.get(use.kind)


def check_size(disk: Disk, needed_bytes: int, what: str = "the plan") -> Iterator[Refusal]:
    """Whether it is smaller than it must be, by more than 1 %."""
    if disk.bytes < needed_bytes * _TOLERANCE:
        fact = f"{format_bytes(disk.bytes)} ({disk.bytes:,} bytes) is too small: {what} needs {needed_bytes:,}"
        yield Refusal(disk.describe(), fact, "too-small")


def check_brothers(disks: Sequence[Disk], what: str) -> Iterator[Refusal]:
    """Whether the disks of one vdev are alike."""
    sizes = [disk.bytes for disk in disks]
    if sizes and min(sizes) < max(sizes) * _TOLERANCE:
        small, large = (pick(disks, key=lambda disk: disk.bytes) for pick in (min, max))
        fact = f"disks of {format_bytes(large.bytes)} and {format_bytes(small.bytes)} ({small.best_name}): each counts as the smallest"
        yield Refusal(what, fact, "mixed-sizes")
    sectors = sorted({(disk.logical_sector, disk.physical_sector) for disk in disks})
    if len(sectors) > 1:
        told = " and ".join(f"{logical}/{physical}" for logical, physical in sectors)
        yield Refusal(what, f"disks with sectors of {told} bytes (logical/physical)", "mixed-sectors")


def check_same(disks: Mapping[str, Disk]) -> Iterator[Refusal]:
    """Whether two names lead to one disk; `disks` by the name that each was given."""
    seen: dict[tuple[str, str], str] = {}
    for named, disk in disks.items():
        for kind, value in (("device", disk.path), ("WWN", disk.wwn), ("serial", disk.serial)):
            first = seen.setdefault((kind, value), named) if value else named
            if first != named:
                yield _same(kind, value, first, named, disk)
                break


def _same(kind: str, value: str, first_name: str, named: str, disk: Disk) -> Refusal:
    if kind == "device":
        return Refusal(disk.describe(), f"{first_name} and {named} are one and the same disk")
    fact = f"{first_name} and {named} tell the same {kind} ({value}); they may be two ways to one disk"
    return Refusal(disk.describe(), fact, "same-serial" if kind == "serial" else None)


def needs_force(vdevs: Sequence[Sequence[Disk]], has_special: bool) -> bool:
    """Whether zpool create needs -f for what was allowed: sizes that differ, files beside disks, a special mirror beside RAIDZ."""
    for disks in vdevs:
        sizes = [disk.bytes for disk in disks]
        if len({disk.is_file for disk in disks}) > 1 or max(sizes) - min(sizes) > _ZPOOL_TOLERANCE:
            return True
    return has_special


def refuse_disk(disk: Disk, brothers: Sequence[Disk], *, named: str | None = None, allow: Sequence[str] = (), ashift: int = 12) -> None:
    """DiskRefusedError where a disk must not join those brothers, with all reasons; nothing where it may."""
    refusals = list(check_disk(disk, named or disk.best_name, ashift=ashift))
    if brothers:
        refusals += check_size(disk, min(one.bytes for one in brothers), "its vdev")
        refusals += (one for one in check_brothers([*brothers, disk], "its vdev") if one.allow == "mixed-sectors")
        refusals += (one for one in check_same({one.best_name: one for one in (*brothers, disk)}) if one.about == disk.describe())
    raise_refusals([one for one in refusals if one.allow not in allow or one.allow is None])


def raise_refusals(refusals: Sequence[Refusal]) -> None:
    """DiskRefusedError that tells them all; nothing where there are none."""
    if not refusals:
        return
    words = sorted({one.allow for one in refusals if one.allow})
    final = any(one.allow is None for one in refusals)
    way_out = (
        "Take another disk." if final else f"Take another disk, or say that it is meant: {' '.join(f'--allow {word}' for word in words)}"
    )
    raise DiskRefusedError("; ".join(one.words for one in refusals[:1]) if len(refusals) == 1 else _list(refusals), way_out)


def _list(refusals: Sequence[Refusal]) -> str:
    return "\n  ".join([f"{len(refusals)} reasons not to:", *(one.words for one in refusals)])
