"""How a pool is made from a plan: the commands, one by one, from what the plan says and what is there already. Starts nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

import msgspec

from fonoteca.pools.capacity import Capacity, reckon, reckon_apart
from fonoteca.pools.dataset_properties import POOL_PROPERTIES, ROOT_PROPERTIES, Compression, can_be_set_later, differing, store_datasets
from fonoteca.pools.disk_checks import Refusal, check_brothers, check_disk, check_same, check_size, needs_force
from fonoteca.pools.disks import Disk
from fonoteca.pools.layout import Layout, VdevShape
from fonoteca.pools.plan_file import PLAN_PROPERTY, PlannedVdev, PoolPlan, Role, shape_of


class MakingStep(msgspec.Struct, frozen=True):
    """One command to run; `destroys` says what is gone after it."""

    command: tuple[str, ...]
    destroys: str | None = None

    @property
    def line(self) -> str:
        """The command as it is typed into a shell."""
        return shlex.join(self.command)


class PoolFacts(msgspec.Struct, frozen=True):
    """A pool as it is: whose plan it carries, its properties and those of its datasets (the root's under the pool's name)."""

    name: str
    plan: str | None = None
    pool_properties: Mapping[str, str] = {}
    datasets: Mapping[str, Mapping[str, str]] = {}
    pool_bytes: int = 0
    shown_bytes: int = 0


class Difference(msgspec.Struct, frozen=True):
    """Something that is not as planned."""

    about: str
    planned: str
    found: str


def store_plan(
    layout: Layout, disk_bytes: int, *, name: str = "tank", store: str = "fonoteca", ashift: int = 12, fill_limit: float = 80,
    compression: Compression = "zstd", special_disk_bytes: int = 0, whole_disks: bool = True, record_bytes: int = 1 << 20,
    small_blocks: int = 0,
) -> PoolPlan:  # fmt: skip
    """The plan of a pool for a store, without disks yet. `small_blocks` (special_small_blocks) counts only with a special vdev."""
    capacity = reckon(layout, disk_bytes, ashift, whole_disks, special_disk_bytes=special_disk_bytes)
    vdevs = [_planned(shape, "data") for shape in layout.vdevs]
    apart: tuple[tuple[VdevShape | None, Role], ...] = ((layout.special, "special"), (layout.log, "log"))
    vdevs += [_planned(shape, role) for shape, role in apart if shape is not None]
    return PoolPlan(
        name=name, vdevs=tuple(vdevs), ashift=ashift, disk_bytes=disk_bytes, spare_count=layout.spares,
        reckoned_pool_bytes=capacity.pool_bytes, reckoned_shown_bytes=capacity.shown_bytes,
        pool_properties=dict(POOL_PROPERTIES), properties=dict(ROOT_PROPERTIES),
        datasets=store_datasets(
            capacity.shown_bytes, name=store, fill_limit=fill_limit, compression=compression, record_bytes=record_bytes,
            small_blocks=small_blocks if layout.special else 0,
        ),
    )  # fmt: skip


def _planned(shape: VdevShape, role: Role) -> PlannedVdev:
    kinds = {
        "raidz": f"raidz{shape.parity}", "mirror": "mirror", "stripe": "disk",
        "draid": f"draid{shape.parity}:{shape.data}d:{shape.width}c:{shape.spares}s",
    }  # fmt: skip
    return PlannedVdev(kinds[shape.kind], shape.width, role)


def layout_of(plan: PoolPlan) -> Layout:
    """The layout of a plan, for reckoning."""
    shapes: dict[str, list[VdevShape]] = {"data": [], "special": [], "log": [], "cache": [], "dedup": []}
    for vdev in plan.vdevs:
        shapes[vdev.role].append(shape_of(vdev))
    special, log = (shapes[role][0] if shapes[role] else None for role in ("special", "log"))
    return Layout(tuple(shapes["data"]), plan.spare_count, special, log)


def missing_disks(plan: PoolPlan, disks: Mapping[str, Disk]) -> list[str]:
    """Disks of a plan that are not on this machine: pulled, dead, or replaced since the pool was made."""
    return [name for name in plan.disks if name not in disks]


def reckon_plan(plan: PoolPlan, disks: Mapping[str, Disk]) -> Capacity:
    """The capacity that a pool on these very disks will have; all must be there."""
    data = [disks[name] for vdev in plan.vdevs if vdev.role == "data" for name in vdev.disks]
    apart = [(shape_of(vdev), min(disks[name].bytes for name in vdev.disks)) for vdev in _apart(plan)]
    whole = not any(disk.is_file for disk in data)
    sector = data[0].logical_sector if whole else 512
    sizes = [disk.bytes for disk in data]
    return reckon_apart(reckon(layout_of(plan), sizes, plan.ashift, whole, sector_bytes=sector), apart, whole, sector)


def _apart(plan: PoolPlan) -> list[PlannedVdev]:
    """The vdevs whose room zpool list counts beside that for data, special ones first."""
    return [vdev for role in ("special", "dedup") for vdev in plan.vdevs if vdev.role == role]


def check_making(plan: PoolPlan, disks: Mapping[str, Disk]) -> Iterator[Refusal]:
    """Everything that speaks against making this pool on these disks; `disks` by the names that the plan gives them."""
    if plan.ashift < 12:
        yield Refusal(
            plan.name, f"ashift {plan.ashift} is below 12, and can never be changed: disks of today have sectors of 4 KiB", "ashift"
        )
    yield from (Refusal(name, "there is no such disk here; fonoteca pool disks lists them") for name in plan.disks if name not in disks)
    for name, disk in disks.items():
        yield from check_disk(disk, name, ashift=plan.ashift)
    yield from check_same(disks)
    for number, vdev in enumerate(plan.vdevs):
        members = [disks[name] for name in vdev.disks if name in disks]
        yield from check_brothers(members, f"vdev {number + 1} ({vdev.kind})")
        if vdev.role == "data":
            yield from (refusal for disk in members for refusal in check_size(disk, plan.disk_bytes))
    smallest = min((disks[name].bytes for vdev in plan.vdevs if vdev.role == "data" for name in vdev.disks if name in disks), default=0)
    yield from (refusal for name in plan.spares if name in disks for refusal in check_size(disks[name], smallest, "a spare"))


def making_steps(plan: PoolPlan, disks: Mapping[str, Disk], there: PoolFacts | None) -> list[MakingStep]:
    """What is to be done, in order; with a pool that this plan has begun only what is missing. Empty where all is done."""
    if there is None:
        cleared = [step for name in plan.disks for step in _clearing(name, disks[name])]
        return [
            *cleared,
            MakingStep(create_command(plan, disks), _destroyed(plan, disks)),
            *(_dataset_step(plan, name) for name in _names(plan)),
        ]
    steps = [_set_pool(plan, key) for key in differing(pool_properties(plan, disks), there.pool_properties)]
    for name, wanted in planned_datasets(plan).items():
        if name not in there.datasets:
            steps.append(_dataset_step(plan, name))
        else:
            changed = [key for key in differing(wanted, there.datasets[name]) if can_be_set_later(key)]
            steps += [MakingStep(("zfs", "set", f"{key}={wanted[key]}", name)) for key in changed]
    return steps


def create_command(plan: PoolPlan, disks: Mapping[str, Disk]) -> tuple[str, ...]:
    """The `zpool create` of a plan."""
    settings = [part for key, value in pool_properties(plan, disks).items() for part in ("-o", f"{key}={value}")]
    root = {**plan.properties, PLAN_PROPERTY: plan.digest}
    settings += [part for key, value in root.items() for part in ("-O", f"{key}={value}")]
    members = [[disks[name] for name in vdev.disks] for vdev in plan.vdevs]
    force = ["-f"] if needs_force(members, any(vdev.role in ("special", "dedup") for vdev in plan.vdevs)) else []
    return ("zpool", "create", *force, "-o", f"ashift={plan.ashift}", *settings, plan.name, *_vdev_words(plan))


def _vdev_words(plan: PoolPlan) -> Iterator[str]:
    roles: tuple[Role, ...] = ("data", "special", "dedup", "log", "cache")
    for role in roles:
        of_role = [vdev for vdev in plan.vdevs if vdev.role == role]
        if of_role and role != "data":
            yield role
        for vdev in of_role:
            yield from ([] if vdev.kind == "disk" else [vdev.kind])
            yield from vdev.disks
    if plan.spares:
        yield "spare"
        yield from plan.spares


def pool_properties(plan: PoolPlan, disks: Mapping[str, Disk]) -> dict[str, str]:
    """The pool's properties: those of the plan, and trimming where all disks for data are solid-state ones."""
    data = [disks[name] for vdev in plan.vdevs if vdev.role == "data" for name in vdev.disks if name in disks]
    solid = bool(data) and not missing_disks(plan, disks) and not any(disk.is_rotational or disk.is_file for disk in data)
    return ({"autotrim": "on"} if solid else {}) | plan.pool_properties


def planned_datasets(plan: PoolPlan) -> dict[str, dict[str, str]]:
    """Properties by whole name, the root first."""
    return {plan.name: {**plan.properties, PLAN_PROPERTY: plan.digest}} | {
        f"{plan.name}/{one.name}": one.properties for one in plan.datasets
    }


def _names(plan: PoolPlan) -> list[str]:
    return list(planned_datasets(plan))[1:]


def _dataset_step(plan: PoolPlan, name: str) -> MakingStep:
    settings = [part for key, value in planned_datasets(plan)[name].items() for part in ("-o", f"{key}={value}")]
    return MakingStep(("zfs", "create", *settings, name))


def _set_pool(plan: PoolPlan, key: str) -> MakingStep:
    value = plan.pool_properties.get(key, "on")
    return MakingStep(("zpool", "set", f"{key}={value}", plan.name))


def _clearing(named: str, disk: Disk) -> Iterator[MakingStep]:
    """What takes off a disk that which was allowed to go: labels of ZFS first, then everything that has a signature."""
    labels = [use for use in disk.uses if use.kind == "zfs-exported"]
    for use in labels:
        part = re.fullmatch(rf"{re.escape(disk.path)}p?(\d+)", use.device)
        beside = f"{named}-part{part[1]}" if part and named.startswith("/dev/disk/") else use.device
        place = named if use.device == disk.path else beside
        yield MakingStep(("zpool", "labelclear", "-f", place), f"{disk.describe()}: {use.fact}")
    others = [use for use in disk.uses if use.kind in ("formatted", "partitioned")]
    if others:
        yield MakingStep(("wipefs", "--all", named), f"{disk.describe()}: {'; '.join(use.fact for use in others)}")


def _destroyed(plan: PoolPlan, disks: Mapping[str, Disk]) -> str | None:
    return f"whatever is on {len(plan.disks)} disks" if any(not disks[name].is_file for name in plan.disks) else None


def compare_pool(plan: PoolPlan, disks: Mapping[str, Disk], found: PoolFacts) -> list[Difference]:
    """Everything that is not as planned: properties, disks, and sizes to the byte where all disks are here, which tell them."""
    told = [Difference(f"{plan.name} {key}", *pair) for key, pair in differing(pool_properties(plan, disks), found.pool_properties).items()]
    for name, wanted in planned_datasets(plan).items():
        if name not in found.datasets:
            told.append(Difference(name, "there", "missing"))
        else:
            told += [Difference(f"{name} {key}", *pair) for key, pair in differing(wanted, found.datasets[name]).items()]
    if gone := missing_disks(plan, disks):
        return told + [Difference(name, "there", "not on this machine") for name in gone]
    return told + _compare_sizes(plan, reckon_plan(plan, disks), found)


def _compare_sizes(plan: PoolPlan, reckoned: Capacity, found: PoolFacts) -> list[Difference]:
    """To the byte; but metadata on special and dedup vdevs counts as used and was never part of what is available."""
    room = sum(vdev.shown_bytes for vdev in reckoned.apart)
    is_shown = 0 <= found.shown_bytes - reckoned.shown_bytes <= room
    sizes = (
        ("size (zpool list)", reckoned.pool_bytes, found.pool_bytes, reckoned.pool_bytes == found.pool_bytes),
        ("used and available (zfs list)", reckoned.shown_bytes, found.shown_bytes, is_shown),
    )
    return [Difference(f"{plan.name} {about}", f"{wanted:,}", f"{seen:,}") for about, wanted, seen, is_so in sizes if not is_so]
