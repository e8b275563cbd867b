"""What `zpool list`, `zfs list` and `zpool get`, `zfs get` print with -Hp: tab-separated, numbers in full."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fonoteca.ground.errors import NotFoundError, PoolOutputError
from fonoteca.pools.zfs import Zfs

_LONGEST = 200


class Version(NamedTuple):
    """A version of OpenZFS, such as 2.3.9."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


JSON_SINCE = Version(2, 3, 0)
ERROR_SCRUB_SINCE = Version(2, 2, 0)


class PoolRow(NamedTuple):
    """A line of `zpool list`: sizes count parity too; `fragmentation` and `fill` in percent; None where the pool does not tell."""

    name: str
    guid: int
    health: str
    size: int | None
    allocated: int | None
    free: int | None
    fragmentation: int | None
    fill: int | None


class DatasetRow(NamedTuple):
    """A line of `zfs list`. `mounted_at` is None for what is not mounted or cannot be."""

    name: str
    kind: str
    used: int
    available: int | None
    referenced: int
    mounted_at: str | None


POOL_COLUMNS = "name,guid,health,size,allocated,free,fragmentation,capacity"
DATASET_COLUMNS = "name,type,used,available,referenced,mounted,mountpoint"


def split_rows(text: str, columns: int, what: str) -> list[list[str]]:
    """The cells of each line, the last one with its tabs; PoolOutputError where a line has fewer."""
    rows = [line.split("\t", columns - 1) for line in text.split("\n") if line]
    for row in rows:
        if len(row) != columns:
            raise _not_understood(what, "\t".join(row))
    return rows


def parse_number(cell: str, what: str) -> int | None:
    """A number with or without %, x or fraction; None for `-` and `none`."""
    if cell in ("-", "none", ""):
        return None
    match = re.fullmatch(r"([0-9]{1,20})(?:\.[0-9]+)?[%x]?", cell)
    if match is None:
        raise _not_understood(what, cell)
    return int(match[1])


def parse_pools(text: str) -> list[PoolRow]:
    """`zpool list -Hp -o POOL_COLUMNS`."""
    rows = []
    for name, guid, health, *numbers in split_rows(text, 8, "zpool list"):
        values = [parse_number(cell, "zpool list") for cell in numbers]
        rows.append(PoolRow(name, parse_number(guid, "zpool list") or 0, health, *values))
    return rows


def parse_datasets(text: str) -> list[DatasetRow]:
    """`zfs list -Hp -o DATASET_COLUMNS`."""
    rows = []
    for name, kind, used, available, referenced, mounted, mountpoint in split_rows(text, 7, "zfs list"):
        at = mountpoint if mounted == "yes" and mountpoint.startswith("/") else None
        numbers = [parse_number(cell, "zfs list") for cell in (used, available, referenced)]
        rows.append(DatasetRow(name, kind, numbers[0] or 0, numbers[1], numbers[2] or 0, at))
    return rows


def parse_properties(text: str, what: str) -> dict[str, str]:
    """`zpool get -Hp -o property,value` and the same of zfs. A value may hold tabs and line ends."""
    told: dict[str, str] = {}
    name = ""
    for line in text.removesuffix("\n").split("\n") if text else ():
        before, tab, value = line.partition("\t")
        if tab:
            name = before
            told[name] = value
        elif name:
            told[name] += "\n" + line
        else:
            raise _not_understood(what, line)
    return told


def parse_version(text: str) -> Version:
    """`zfs version`: the module's where it is loaded (zfs-kmod-2.3.9-1), and of the programs; the older one rules what can be done."""
    found = [Version(*map(int, numbers)) for numbers in re.findall(r"^zfs(?:-kmod)?-([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})", text, re.M)]
    if not found:
        raise _not_understood("zfs version", text)
    return min(found)


def read_version(zfs: Zfs) -> Version:
    """The version of OpenZFS on this machine; of module and programs the older one."""
    return parse_version(zfs.zfs("version"))


def read_pools(zfs: Zfs, pool: str | None = None) -> list[PoolRow]:
    """The imported pools, or the one that is named."""
    return parse_pools(zfs.zpool("list", "-Hp", "-o", POOL_COLUMNS, *([pool] if pool else [])))


def read_datasets(zfs: Zfs, dataset: str | None = None) -> list[DatasetRow]:
    """File systems and volumes, those below `dataset` with it, or all."""
    return parse_datasets(zfs.zfs("list", "-Hp", "-t", "filesystem,volume", "-o", DATASET_COLUMNS, "-r", *([dataset] if dataset else [])))


def read_pool_properties(zfs: Zfs, pool: str, names: Sequence[str]) -> dict[str, str]:
    """Properties of a pool as ZFS writes them; `-` where one is not set."""
    return parse_properties(zfs.zpool("get", "-Hp", "-o", "property,value", ",".join(names), pool), "zpool get")


def read_dataset_properties(zfs: Zfs, dataset: str, names: Sequence[str]) -> dict[str, str]:
    """Properties of a dataset or snapshot as ZFS writes them; `-` where one is not set."""
    return parse_properties(zfs.zfs("get", "-Hp", "-o", "property,value", ",".join(names), dataset), "zfs get")


def find_dataset_of(zfs: Zfs, path: Path) -> str:
    """The dataset that a folder or file lies in; NotFoundError where it lies on no ZFS."""
    return choose_dataset_of(read_datasets(zfs), path).name


def choose_dataset_of(datasets: Sequence[DatasetRow], path: Path) -> DatasetRow:
    """The mounted dataset whose mountpoint is the deepest above `path`."""
    real = os.path.realpath(path)
    above = [one for one in datasets if one.mounted_at and is_below(real, one.mounted_at)]
    if not above:
        raise NotFoundError(f"{path} does not lie on ZFS", "Name the dataset: dataset under [pool] of archive.toml; zfs list shows them.")
    return max(above, key=lambda one: len(one.mounted_at or ""))


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _not_understood(what: str, line: str) -> PoolOutputError:
    return PoolOutputError(
        f"{what} printed what cannot be understood: {line[:_LONGEST]!r}", "Report this line with the output of: zfs version"
    )
