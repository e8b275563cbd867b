"""Which disks go where: those that are free and alike, each vdev spread over controllers and enclosures as evenly as can be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from fonoteca.ground.errors import DiskRefusedError
from fonoteca.ground.quantities import format_bytes, format_count
from fonoteca.pools.disks import Disk
from fonoteca.pools.plan_file import PlannedVdev, PoolPlan, least_width

_ALIKE = 0.99


class DiskChoice(msgspec.Struct, frozen=True):
    """A plan with its disks, and what is to be known about where they sit."""

    plan: PoolPlan
    notes: tuple[str, ...] = ()


def choose_disks(plan: PoolPlan, disks: Sequence[Disk]) -> DiskChoice:
    """The plan with free disks in all its places; DiskRefusedError where there are too few that are alike.

    Data and spares take disks of the size that the plan names (none named: the size that most have), special and log vdevs
    solid-state ones. The same disks give the same choice.
    """
    free = [disk for disk in disks if disk.is_free and disk.by_id and disk.smart.grade != "failing"]
    data_width = sum(vdev.width for vdev in plan.vdevs if vdev.role == "data") + plan.spare_count
    data = _interleave(_take(_alike(free, plan.disk_bytes, data_width), data_width, "for data and spares"))
    left = [disk for disk in free if disk not in data and not disk.is_rotational]
    apart = _interleave(
        _take(left, sum(vdev.width for vdev in plan.vdevs if vdev.role != "data"), "solid-state, for special and log vdevs")
    )
    vdevs = [_filled(vdev, data if vdev.role == "data" else apart) for vdev in plan.vdevs]
    chosen = msgspec.structs.replace(plan, vdevs=tuple(vdevs), spares=tuple(disk.best_name for disk in data))
    return DiskChoice(chosen, tuple(spread_notes(chosen, {disk.best_name: disk for disk in disks})))


def _alike(disks: Sequence[Disk], disk_bytes: int, count: int) -> list[Disk]:
    """The disks that fit the plan: of its size or a little more, with the same sectors; of several sorts the smallest that is enough."""
    sorts: dict[tuple[int, int, bool, int], list[Disk]] = defaultdict(list)
    for disk in disks:
        if disk.bytes >= disk_bytes * _ALIKE:
            sorts[(disk.bytes, disk.logical_sector, disk.is_rotational, disk.physical_sector)].append(disk)
    enough = [sort for sort in sorted(sorts) if len(sorts[sort]) >= count]
    return sorts[enough[0]] if enough else max(sorts.values(), key=len, default=[])


def _take(disks: list[Disk], count: int, purpose: str) -> list[Disk]:
    if len(disks) < count:
        sizes = Counter(disk.bytes for disk in disks)
        told = ", ".join(f"{number} of {format_bytes(size)}" for size, number in sizes.items()) or "none"
        raise DiskRefusedError(
            f"{format_count(count, 'free disk')} of one sort {'is' if count == 1 else 'are'} needed {purpose}; there are: {told}",
            "fonoteca pool disks shows which disks are there and what is on them; name the disks with --disks, or plan for fewer.",
        )
    return sorted(disks, key=_place)[:count] if _is_one_place(disks) else _evenly(disks, count)


def _place(disk: Disk) -> tuple[str, str, int, str]:
    return (place_of(disk), disk.bay or "", len(disk.name), disk.best_name)


def place_of(disk: Disk) -> str:
    """What several disks lose together: their enclosure where it is known, else their controller."""
    if disk.bay_source == "enclosure" and disk.bay:
        return "enclosure " + disk.bay.rsplit(" of enclosure ", 1)[-1]
    return f"{disk.controller} at {disk.controller_at}" if disk.controller else "an unknown controller"


def _is_one_place(disks: Iterable[Disk]) -> bool:
    return len({place_of(disk) for disk in disks}) < 2


def _evenly(disks: Sequence[Disk], count: int) -> list[Disk]:
    return _interleave(disks)[:count]


def _interleave(disks: Sequence[Disk]) -> list[Disk]:
    """One of each place after the other, so that any run of them is spread over all places."""
    places: dict[str, list[Disk]] = defaultdict(list)
    for disk in sorted(disks, key=_place):
        places[place_of(disk)].append(disk)
    # each disk at its share of the way through its place: places of several sizes mix evenly
    keyed = [((rank + 0.5) / len(members), place, disk) for place, members in places.items() for rank, disk in enumerate(members)]
    return [disk for _, _, disk in sorted(keyed, key=lambda one: one[:2])]


def _filled(vdev: PlannedVdev, waiting: list[Disk]) -> PlannedVdev:
    taken = [waiting.pop(0).best_name for _ in range(vdev.width)]
    return msgspec.structs.replace(vdev, disks=tuple(taken))


def spread_notes(plan: PoolPlan, disks: dict[str, Disk]) -> list[str]:
    """What a person must know about controllers and enclosures: which of them a vdev does not survive."""
    notes = []
    for number, vdev in enumerate(plan.vdevs, 1):
        places = Counter(place_of(disks[name]) for name in vdev.disks if name in disks)
        survives = vdev.width - 1 if vdev.kind == "mirror" else least_width(vdev.kind) - 1
        told = ", ".join(f"{count} at {place}" for place, count in sorted(places.items()))
        deadly = [place for place, count in places.items() if count > survives]
        if deadly and len(places) > 1:
            notes.append(f"vdev {number} ({vdev.kind}): {told}; it stops without {' or without '.join(sorted(deadly))}")
        elif deadly:
            notes.append(f"vdev {number} ({vdev.kind}): all disks at {deadly[0]}; without it the pool stops, and goes on when it is back")
        elif places:
            notes.append(f"vdev {number} ({vdev.kind}): {told}; it survives any one of them")
    return notes
