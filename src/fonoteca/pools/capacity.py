"""Bytes of a pool as OpenZFS reckons them: what zpool list calls size, what zfs list calls used and available.

Sources: OpenZFS 2.1 to 2.3, module/zfs/{vdev,vdev_raidz,vdev_draid,metaslab,spa_misc}.c and lib/libzfs/os/linux/libzfs_pool_os.c;
docs/pool-model.md tells it step by step, the tests on real ZFS hold it to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import msgspec

from fonoteca.ground.errors import UsageError
from fonoteca.pools.layout import Layout, VdevShape

LABELS = 4718592
"""Bytes of a leaf for its four labels and room to boot from: 4 MiB in front, 512 KiB behind."""

LEAST_DISK = 1 << 26
_LABEL = 1 << 18
_START_SECTORS, _LAST_SECTORS, _TABLE_SECTORS = 2048, 16384, 33
_DRAID_ROW = 1 << 24
_LEAST_METASLAB, _USUAL_METASLAB, _MOST_METASLAB, _METASLABS, _MOST_METASLABS = 24, 29, 34, 200, 17
_LEAST_FOR_LOG = 64
_SLOP_SHIFT, _MOST_SLOP, _LEAST_SLOP = 5, 1 << 37, 1 << 27


class VdevCapacity(msgspec.Struct, frozen=True):
    """One vdev: bytes of each leaf that count, of the whole, and the bytes zfs shows for each 512 of them (`deflate`)."""

    shape: VdevShape
    leaf_bytes: int
    metaslab_bytes: int
    metaslabs: int
    size_bytes: int
    deflate: int
    log_bytes: int
    """Of `size_bytes`, a metaslab that is kept for the intent log."""

    @property
    def shown_bytes(self) -> int:
        """Its size as zfs shows it, before anything is held back."""
        return self.size_bytes // 512 * self.deflate


class Capacity(msgspec.Struct, frozen=True):
    """A whole pool. `pool_bytes` is SIZE of zpool list; `shown_bytes` is USED + AVAIL of the root dataset in zfs list."""

    pool_bytes: int
    shown_bytes: int
    slop_bytes: int
    raw_bytes: int
    ashift: int
    vdevs: tuple[VdevCapacity, ...]
    special: VdevCapacity | None = None
    apart: tuple[VdevCapacity, ...] = ()
    """Of a pool on given disks: its special and dedup vdevs, as many as there are."""

    def holds(self, record_bytes: int) -> int:
        """Bytes of files that fit if they come in full records of this size and cannot be compressed."""
        whole = sum(vdev.shown_bytes for vdev in self.vdevs)
        records = sum(vdev.size_bytes / allocated(record_bytes, vdev.shape, self.ashift) for vdev in self.vdevs)
        return int(records * record_bytes * self.shown_bytes / whole) if whole else 0

    def shown(self, asize: int, number: int = 0) -> int:
        """What zfs shows for bytes allocated on a vdev."""
        return asize // 512 * self.vdevs[number].deflate


def allocated(size: int, shape: VdevShape, ashift: int = 12) -> int:
    """Bytes that a block of `size` takes of a vdev, parity and padding with it (mirrors: of each disk)."""
    if size <= 0:
        return 0
    sectors = (size - 1 >> ashift) + 1
    if shape.kind == "raidz":
        sectors += shape.parity * -(-sectors // (shape.width - shape.parity))
        sectors = -(-sectors // (shape.parity + 1)) * (shape.parity + 1)
    elif shape.kind == "draid":
        sectors = -(-sectors // shape.data) * shape.group_width
    return sectors << ashift


def deflate_ratio(shape: VdevShape, ashift: int = 12) -> int:
    """Bytes that zfs shows for each 512 allocated: as if every block were 128 KiB, and a RAIDZ as wide as it was made."""
    shape = _as_made(shape)
    return (1 << 17) // (allocated(1 << 17, shape, ashift) >> 9)


def partition_bytes(disk_bytes: int, sector_bytes: int = 512) -> int:
    """What zpool create leaves of a whole disk for its first partition: 2048 sectors in front, 16384 behind, the table twice."""
    sectors = disk_bytes // sector_bytes - _TABLE_SECTORS - _LAST_SECTORS - _START_SECTORS
    return max(0, sectors // _START_SECTORS * _START_SECTORS * sector_bytes)


def leaf_bytes(disk_bytes: int, *, whole_disk: bool = True, sector_bytes: int = 512) -> int:
    """What counts of a disk, or of a file or partition; UsageError where it is too small for ZFS."""
    given = partition_bytes(disk_bytes, sector_bytes) if whole_disk else disk_bytes
    usable = given // _LABEL * _LABEL
    if usable < LEAST_DISK:
        raise UsageError(f"a disk of {disk_bytes:,} bytes: ZFS needs {LEAST_DISK:,} (64 MiB) of it", "Was TB left out behind the number?")
    return usable - LABELS


def reckon(
    layout: Layout, disk_bytes: int | Sequence[int], ashift: int = 12, whole_disks: bool = True, *,
    special_disk_bytes: int = 0, sector_bytes: int = 512,
) -> Capacity:  # fmt: skip
    """The capacity of a pool to the byte. `disk_bytes`: of all disks, or of each disk for data in the order of the vdevs."""
    check_ashift(ashift)
    sizes = [disk_bytes] * layout.data_disks if isinstance(disk_bytes, int) else list(disk_bytes)
    if len(sizes) != layout.data_disks:
        raise UsageError(f"{len(sizes)} sizes of disks for {layout.data_disks} disks", "Give one for all, or one for each.")
    leaves = [leaf_bytes(size, whole_disk=whole_disks, sector_bytes=sector_bytes) for size in sizes]
    vdevs, at = [], 0
    for shape in layout.vdevs:
        vdevs.append(_reckon_vdev(shape, min(leaves[at : at + shape.width]), ashift))
        at += shape.width
    special = None
    if layout.special is not None and special_disk_bytes:
        leaf = leaf_bytes(special_disk_bytes, whole_disk=whole_disks, sector_bytes=sector_bytes)
        special = _reckon_vdev(layout.special, leaf, ashift, keeps_log=False)
    return _add_up(vdevs, special, sum(sizes), ashift)


def reckon_apart(capacity: Capacity, apart: Sequence[tuple[VdevShape, int]], whole_disks: bool = True, sector_bytes: int = 512) -> Capacity:
    """The capacity with special and dedup vdevs, each with the bytes of its smallest disk: zpool list counts them, zfs list does not."""
    leaves = [leaf_bytes(size, whole_disk=whole_disks, sector_bytes=sector_bytes) for _, size in apart]
    vdevs = [_reckon_vdev(shape, leaf, capacity.ashift, keeps_log=False) for (shape, _), leaf in zip(apart, leaves, strict=True)]
    added = sum(vdev.size_bytes for vdev in vdevs)
    return msgspec.structs.replace(capacity, pool_bytes=capacity.pool_bytes + added, apart=tuple(vdevs))


def check_ashift(ashift: int) -> None:
    """UsageError where ZFS refuses the exponent of a sector."""
    if not 9 <= ashift <= 16:
        raise UsageError(f"ashift {ashift}: ZFS takes 9 (sectors of 512 bytes) to 16 (64 KiB)", "12 fits every disk of today.")


def _reckon_vdev(shape: VdevShape, leaf: int, ashift: int, *, keeps_log: bool = True) -> VdevCapacity:
    asize, shift = _allocatable(shape, leaf), _metaslab_shift(_allocatable(_as_made(shape), leaf))
    metaslabs = asize >> shift
    sizes = _metaslab_sizes(shape, shift, ashift)
    whole = metaslabs // len(sizes) * sum(sizes) + sum(sizes[: metaslabs % len(sizes)])
    log = sizes[0] if keeps_log and metaslabs > _LEAST_FOR_LOG else 0
    return VdevCapacity(shape, leaf, 1 << shift, metaslabs, whole, deflate_ratio(shape, ashift), log)


def _as_made(shape: VdevShape) -> VdevShape:
    """The shape before it was expanded: sizes of metaslabs and the deflation stay what they were."""
    return VdevShape(shape.kind, shape.parity, shape.made_width) if shape.made_width else shape


def _allocatable(shape: VdevShape, leaf: int) -> int:
    """Bytes of a vdev before they are cut into metaslabs; of dRAID without its spares, in whole rows and groups."""
    if shape.kind == "raidz":
        return leaf * shape.width
    if shape.kind == "draid":
        rows = (leaf - 2 * _DRAID_ROW) // _DRAID_ROW * _DRAID_ROW
        group = shape.group_width * _DRAID_ROW
        return rows * (shape.width - shape.spares) // group * group
    return leaf


def _metaslab_shift(asize: int) -> int:
    count = asize >> _USUAL_METASLAB
    if count < 16:
        shift = (asize // 16).bit_length()
    elif count > _METASLABS:
        shift = (asize // _METASLABS).bit_length()
    else:
        shift = _USUAL_METASLAB
    if shift < _LEAST_METASLAB:
        return _LEAST_METASLAB
    if shift > _MOST_METASLAB:
        return (asize >> _MOST_METASLABS).bit_length() if asize >> _MOST_METASLAB > 1 << _MOST_METASLABS else _MOST_METASLAB
    return shift


def _metaslab_sizes(shape: VdevShape, shift: int, ashift: int) -> list[int]:
    """Sizes of metaslabs from the first until they come again; those of dRAID begin and end with whole stripes."""
    if shape.kind != "draid":
        return [1 << shift]
    stripe, size = shape.group_width << ashift, 1 << shift
    return [(size - (-(number << shift) % stripe)) // stripe * stripe for number in range(stripe // gcd(stripe, size))]


def _add_up(vdevs: list[VdevCapacity], special: VdevCapacity | None, raw: int, ashift: int) -> Capacity:
    """The log's metaslabs are no room for files, but what they take is held back less; so says spa_get_slop_space."""
    log = sum(vdev.log_bytes // 512 * vdev.deflate for vdev in vdevs)
    space = sum(vdev.shown_bytes for vdev in vdevs) - log
    slop = min(space >> _SLOP_SHIFT, _MOST_SLOP)
    slop -= min(log, slop >> 1)
    slop = max(slop, min(space >> 1, _LEAST_SLOP))
    size = sum(vdev.size_bytes for vdev in vdevs) + (special.size_bytes if special else 0)
    return Capacity(size, space - slop, slop + log, raw, ashift, tuple(vdevs), special)
