"""Hours: to resilver one disk, to scrub the pool, from bytes in use and what disks sustain."""

from __future__ import annotations

import msgspec

from fonoteca.pools.capacity import Capacity, VdevCapacity


class Rates(msgspec.Struct, frozen=True):
    """What is sustained, bytes a second. A disk of 7,200 turns reads 140 to 280 MB/s from rim to hub, a pool in use leaves about half."""

    disk: int = 130_000_000
    machine: int = 4_000_000_000


def used_bytes(vdev: VdevCapacity, share: float) -> float:
    """Bytes in use on each disk of a vdev that is filled to `share`; distributed spares are spread over all."""
    whole = vdev.size_bytes if vdev.shape.kind in ("raidz", "draid") else vdev.size_bytes * vdev.shape.width
    return whole * share / vdev.shape.width


def resilver_hours(vdev: VdevCapacity, share: float, rates: Rates) -> float:
    """To make one disk whole again. Onto one new disk it is written at one disk's rate; onto a distributed spare by all at once.

    ZFS reads and writes in the order of the disk since 0.8 (sorted scans), so that large records go near the sequential rate; what is
    resilvered are the bytes in use, not the whole disk. All other disks of the vdev are read at the same time.
    """
    used, shape = used_bytes(vdev, share), vdev.shape
    if shape.kind == "stripe":
        return 0.0
    reads = {"raidz": shape.width - 1, "mirror": 1, "draid": shape.group_width - 1}[shape.kind]
    busiest = used
    if shape.kind == "draid" and shape.spares:
        busiest = used * (reads + 1) / (shape.width - 1)
    return max(busiest / rates.disk, used * (reads + 1) / rates.machine) / 3600


def scrub_hours(capacity: Capacity, share: float, rates: Rates) -> float:
    """To read all that is in use once: every disk at its rate, all together at the machine's."""
    on_disks = [used_bytes(vdev, share) for vdev in capacity.vdevs]
    whole = sum(used * vdev.shape.width for used, vdev in zip(on_disks, capacity.vdevs, strict=True))
    return max(max(on_disks) / rates.disk, whole / rates.machine) / 3600
