"""What is on a disk: mounts, swap, volumes, labels of ZFS, partitions, file systems; from what `lsblk` tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from fonoteca.ground.errors import PoolOutputError
from fonoteca.pools.disks import DiskUse

_HOLDERS = {
    "crypt": "an open LUKS volume",
    "lvm": "a logical volume",
    "mpath": "multipath; give its own device instead",
    "dm": "a device mapper volume",
}
_SIGNATURES = {"LVM2_member": "LVM", "linux_raid_member": "a Linux RAID", "crypto_LUKS": "LUKS", "swap": "swap space"}
_TABLES = frozenset({"gpt", "PMBR", "dos", "mac", "sun", "sgi", "bsd"})
# What zpool create leaves of itself: a data partition and a reserved one.
_ZFS_PARTITIONS = frozenset({"6a898cc3-1dd2-11b2-99a6-080020736631", "6a945a3b-1dd2-11b2-99a6-080020736631"})


class ActivePools(msgspec.Struct, frozen=True):
    """The pools that are imported here, by name and by GUID; and which of them each device is in, spares and caches too."""

    names: frozenset[str] = frozenset()
    guids: frozenset[str] = frozenset()
    devices: Mapping[str, str] = {}


def parse_lsblk(content: bytes) -> list[dict[str, Any]]:
    """The whole devices of `lsblk --json --bytes --output-all`, their parts below them; PoolOutputError for anything else."""
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PoolOutputError(
            f"lsblk printed no JSON that can be read: {error}", "Run it by hand: lsblk --json --bytes --output-all"
        ) from error
    devices = told.get("blockdevices") if isinstance(told, dict) else None
    if not isinstance(devices, list) or not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in devices):
        raise PoolOutputError("lsblk tells of no block devices", "Run it by hand: lsblk --json --bytes --output-all")
    return devices


def uses_of(device: Mapping[str, Any], active: ActivePools) -> tuple[DiskUse, ...]:
    """All that is on a device of lsblk and on its parts; empty where it is free."""
    found = list(_walk(device, active, is_whole=True))
    if any(use.kind == "zfs-active" for use in found):
        return tuple(use for use in found if use.kind not in ("partitioned", "formatted"))
    return tuple(found)


def parse_pool_devices(output: str) -> dict[str, str]:
    """The pool of each device in `zpool list -HpvLP`: pools begin their lines, what they are made of is behind a tab."""
    found, pool = {}, ""
    for line in output.splitlines():
        name, *rest = line.removeprefix("\t").split("\t")
        if line.startswith("\t/"):
            found[name] = pool
        elif rest and not line.startswith("\t"):
            pool = name
    return found


def _walk(device: Mapping[str, Any], active: ActivePools, *, is_whole: bool) -> Iterator[DiskUse]:
    path = text_of(device, "path") or f"/dev/{text_of(device, 'name')}"
    yield from _mounts(device, path)
    yield from _signature(device, path, active)
    parts = children_of(device)
    if is_whole and (text_of(device, "pttype") or any(text_of(part, "type") == "part" for part in parts)):
        yield from _partitions(device, path, parts)
    for part in parts:
        kind = text_of(part, "type")
        if kind != "part":
            yield DiskUse(
                "held", path, _HOLDERS.get(kind, f"{'a Linux RAID' if kind.startswith('raid') else kind}") + f": {text_of(part, 'name')}"
            )
        yield from _walk(part, active, is_whole=False)


def _mounts(device: Mapping[str, Any], path: str) -> Iterator[DiskUse]:
    """`mountpoints` since util-linux 2.37, `mountpoint` before."""
    listed = device.get("mountpoints")
    places = listed if isinstance(listed, list) else [device.get("mountpoint")]
    for place in places:
        if place == "[SWAP]":
            yield DiskUse("swap", path, "swap space in use")
        elif isinstance(place, str) and place:
            yield DiskUse("mounted", path, f"mounted at {place}")


def _signature(device: Mapping[str, Any], path: str, active: ActivePools) -> Iterator[DiskUse]:
    kind, label = text_of(device, "fstype"), text_of(device, "label")
    if kind == "zfs_member":
        yield zfs_use(path, label, text_of(device, "uuid"), active, f"/dev/{text_of(device, 'kname')}")
    elif kind:
        yield DiskUse("formatted", path, f"{_SIGNATURES.get(kind, f'a file system ({kind})')}{f' named {label}' if label else ''}")


def zfs_use(path: str, pool: str, guid: str, active: ActivePools, *other_paths: str) -> DiskUse:
    """A label of ZFS: of a pool that is imported here, or of one that is exported or of another machine.

    The labels of hot spares and cache disks name no pool; so `path`, or another path of the same device, is looked up too.
    """
    holder = next((active.devices[place] for place in (path, *other_paths) if place in active.devices), None)
    if holder or guid in active.guids or (not guid and pool in active.names):
        return DiskUse("zfs-active", path, f"in the pool {holder or pool or 'unknown name'}, which is imported", holder or pool)
    if not pool:
        fact = f"label of ZFS that names no pool, as hot spares and cache disks have; where it is nobody's: zpool labelclear -f {path}"
        return DiskUse("zfs-exported", path, fact)
    return DiskUse("zfs-exported", path, f"label of the pool {pool}, which is not imported here", pool)


def _partitions(device: Mapping[str, Any], path: str, parts: list[Mapping[str, Any]]) -> Iterator[DiskUse]:
    count = sum(text_of(part, "type") == "part" for part in parts)
    table = (text_of(device, "pttype") or "partition").upper()
    yield DiskUse("partitioned", path, f"a {table} table with {count} partition{'' if count == 1 else 's'}")


def left_by_zpool(device: Mapping[str, Any], uses: Iterable[DiskUse]) -> list[str]:
    """The partitions that zpool makes, where a disk has nothing else and lsblk knows of nothing in them.

    So a run leaves them that was stopped before the pool was there; only their own bytes tell whether that is so.
    """
    parts = children_of(device)
    if any(use.kind != "partitioned" for use in uses) or not {text_of(part, "parttype").lower() for part in parts} <= _ZFS_PARTITIONS:
        return []
    return [text_of(part, "path") or f"/dev/{text_of(part, 'name')}" for part in parts]


def parse_signatures(content: bytes, path: str) -> tuple[DiskUse, ...]:
    """What `wipefs --no-act --json` finds on a device itself, but for partition tables: lsblk tells those as the kernel has them."""
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    found = told.get("signatures") if isinstance(told, dict) else None
    kinds = {text_of(one, "type") for one in found if isinstance(one, dict)} if isinstance(found, list) else set()
    return tuple(DiskUse("formatted", path, _SIGNATURES.get(kind, f"a signature of {kind}")) for kind in sorted(kinds - _TABLES - {""}))


def parse_zdb_label(output: str) -> tuple[str, str] | None:
    """Name and GUID of the pool in what `zdb -l` prints, empty in the labels of spares; None where there is no label."""
    if not re.search(r"^ {4}(name|version|guid): ", output, re.M):
        return None
    name = re.search(r"^ {4}name: '(.*)'$", output, re.M)
    guid = re.search(r"^ {4}pool_guid: (\d+)$", output, re.M)
    return name[1] if name else "", guid[1] if guid else ""


def children_of(device: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What lsblk shows below a device."""
    below = device.get("children")
    return [one for one in below if isinstance(one, dict)] if isinstance(below, list) else []


def text_of(device: Mapping[str, Any], key: str) -> str:
    """A column of lsblk as text, empty where it has none."""
    value = device.get(key)
    return value.strip() if isinstance(value, str) else ""


def number_of(device: Mapping[str, Any], key: str) -> int:
    """A column of lsblk as a number; old versions print numbers as text."""
    value = device.get(key)
    if isinstance(value, str) and value.strip().isdigit() and len(value) < 30:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def truth_of(device: Mapping[str, Any], key: str) -> bool:
    """A column of lsblk as yes or no; old versions print "0" and "1"."""
    return device.get(key) in (True, 1, "1")


def all_mounts(devices: Iterable[Mapping[str, Any]]) -> set[str]:
    """Every place where something is mounted."""
    return {
        use.fact.removeprefix("mounted at ")
        for device in devices
        for use in _walk(device, ActivePools(), is_whole=True)
        if use.kind == "mounted"
    }
