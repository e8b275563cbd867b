"""Plans of pools: TOML files that are made, read by people, kept and carried out. Described in docs/formats/pool-plan.md."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from fonoteca.ground.errors import PoolPlanError, UsageError, translate_os_errors
from fonoteca.ground.files import write_atomically
from fonoteca.pools.layout import VdevShape, check_shape
from fonoteca.pools.plan_words import write_plan_text

PLAN_FORMAT = 1
PLAN_PROPERTY = "fonoteca:plan"  # on the root dataset of a pool: whose plan it was made from
_PAGE = "docs/formats/pool-plan.md lists every key."
_KIND = re.compile(r"raidz[123]|mirror|disk|draid[123](:[0-9]{1,3}d)?(:[0-9]{1,3}c)?(:[0-9]{1,3}s)?")

Role = Literal["data", "special", "log", "cache", "dedup"]
Properties = dict[Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.:@-]*$")], Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]*$")]]


class PlannedVdev(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One top-level vdev: `kind` as zpool writes it (raidz3, mirror, draid3:8d:21c:1s, disk), `disks` its paths, or none yet."""

    kind: str
    width: Annotated[int, Meta(ge=1, le=255)]
    role: Role = "data"
    disks: tuple[str, ...] = ()


class PlannedDataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset to make: `name` below the pool, without it; properties as `zfs set` takes them."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]+(/[A-Za-z0-9_.:-]+)*$", max_length=200)]
    properties: Properties = {}


class PoolPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pool to make. `disk_bytes` is the size that each data disk must have; `reckoned_…` what OpenZFS will show, 0 where not reckoned."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$", max_length=100)]
    vdevs: Annotated[tuple[PlannedVdev, ...], Meta(min_length=1, max_length=1000)]
    format: Literal[1] = 1
    ashift: Annotated[int, Meta(ge=9, le=16)] = 12
    disk_bytes: Annotated[int, Meta(ge=0)] = 0
    spare_count: Annotated[int, Meta(ge=0, le=255)] = 0
    spares: tuple[str, ...] = ()
    reckoned_pool_bytes: Annotated[int, Meta(ge=0)] = 0
    reckoned_shown_bytes: Annotated[int, Meta(ge=0)] = 0
    pool_properties: Properties = {}
    properties: Properties = {}
    datasets: tuple[PlannedDataset, ...] = ()

    @property
    def disks(self) -> tuple[str, ...]:
        """Every disk that it names, spares last."""
        return (*(disk for vdev in self.vdevs for disk in vdev.disks), *self.spares)

    @property
    def has_disks(self) -> bool:
        """Whether every place of it has its disk."""
        return all(len(vdev.disks) == vdev.width for vdev in self.vdevs) and len(self.spares) == self.spare_count

    @property
    def digest(self) -> str:
        """What a pool that was made from it carries: 32 hexadecimal digits of the SHA-256 of what is settled once the pool is there.

        Properties and datasets are not in it: they can be mended in the plan, and the same command goes on.
        """
        settled = {"name": self.name, "ashift": self.ashift, "vdevs": self.vdevs, "spares": self.spares}
        return hashlib.sha256(msgspec.json.encode(settled, order="sorted")).hexdigest()[:32]


def read_plan(path: Path) -> PoolPlan:
    """The plan in a file; PoolPlanError names what does not hold together. Writes nothing."""
    with translate_os_errors(path):
        content = path.read_bytes()
    return parse_plan(content, str(path))


def parse_plan(content: bytes, named: str = "the plan") -> PoolPlan:
    """A plan from its TOML; PoolPlanError with "did you mean" for unknown keys."""
    try:
        plan = msgspec.toml.decode(content, type=PoolPlan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PoolPlanError(f"{named}: {error}", _suggest(str(error))) from error
    for problem in check_plan(plan):
        raise PoolPlanError(f"{named}: {problem}", _PAGE)
    return plan


def write_plan(path: Path, plan: PoolPlan) -> None:
    """Put a plan into a file of its own, with words for who reviews it; read_plan gives the same plan.

    PoolPlanError where something else is there already: a plan that was edited is not made anew.
    """
    for problem in check_plan(plan):
        raise PoolPlanError(f"the plan of {plan.name}: {problem}", _PAGE)
    text = write_plan_text(plan)
    with translate_os_errors(path):
        differs = path.exists() and path.read_bytes() != text.encode()
    if differs:
        raise PoolPlanError(f"{path} is there already and says something else", "Name another file, or remove that one.")
    write_atomically(path, text, is_ours=False)


def check_plan(plan: PoolPlan) -> Iterator[str]:
    """What does not hold together in a plan, whatever the disks are."""
    if re.match(r"(mirror|raidz|draid|spare)|log$", plan.name):
        yield f"{plan.name!r} is a name that ZFS keeps for itself"
    for number, vdev in enumerate(plan.vdevs, 1):
        yield from (f"vdev {number} ({vdev.kind}) {problem}" for problem in _check_vdev(vdev))
    if not any(vdev.role == "data" for vdev in plan.vdevs):
        yield "no vdev is there for data"
    if plan.spares and len(plan.spares) != plan.spare_count:
        yield f"spare_count is {plan.spare_count}, and {len(plan.spares)} spares are named"
    yield from _check_names(plan)


def _check_vdev(vdev: PlannedVdev) -> Iterator[str]:
    if not _KIND.fullmatch(vdev.kind):
        yield "is of no known kind; there are raidz1 to raidz3, mirror, draid1 to draid3 (draid3:8d:21c:1s) and disk"
        return
    if vdev.disks and len(vdev.disks) != vdev.width:
        yield f"is {vdev.width} wide and names {len(vdev.disks)} disks"
    least = least_width(vdev.kind)
    if vdev.width < least:
        yield f"is {vdev.width} wide; {vdev.kind} needs at least {least}"
    if vdev.kind == "disk" and vdev.width > 1:
        yield "is one disk, so it is 1 wide"
    children = re.search(r":(\d+)c", vdev.kind)
    if children and int(children[1]) != vdev.width:
        yield f"says {children[1]} children and is {vdev.width} wide"
    elif vdev.kind.startswith("draid"):
        yield from _check_draid(shape_of(vdev))
    if vdev.role in ("special", "dedup") and vdev.kind != "mirror":
        yield f"is a {vdev.role} vdev: with it the pool dies, so it must be a mirror of two, better three"
    if vdev.role == "log" and vdev.kind not in ("mirror", "disk"):
        yield "is a log vdev, which is a mirror or a disk"


def _check_draid(shape: VdevShape) -> Iterator[str]:
    try:
        check_shape(shape)
    except UsageError as error:
        yield f"cannot be: {error.message}"
    if shape.data < 1:
        yield "has no disk for data in a group"


def shape_of(vdev: PlannedVdev) -> VdevShape:
    """The shape of a vdev, for reckoning."""
    match = re.match(r"(raidz|mirror|disk|draid)(\d?)", vdev.kind)
    kind, parity = (match[1], int(match[2] or 0)) if match else ("disk", 0)
    if kind == "draid":
        told = {unit: int(number) for number, unit in re.findall(r":(\d+)([dcs])", vdev.kind)}
        spares = told.get("s", 0)
        return VdevShape("draid", parity, vdev.width, told.get("d", min(8, vdev.width - spares - parity)), spares)
    return VdevShape("stripe" if kind == "disk" else "raidz" if kind == "raidz" else "mirror", parity, vdev.width)


def least_width(kind: str) -> int:
    """The fewest disks that a vdev of that kind is made of."""
    parity = re.match(r"(raidz|draid)(\d)", kind)
    return int(parity[2]) + 1 if parity else 2 if kind == "mirror" else 1


def _check_names(plan: PoolPlan) -> Iterator[str]:
    named = plan.disks
    yield from (f"{disk} stands in it twice" for disk in sorted({disk for disk in named if named.count(disk) > 1}))
    yield from (
        f"{disk!r} is no path; paths begin with /dev/disk/by-id/" for disk in named if not re.fullmatch(r"/[^\x00-\x1f\x7f]+", disk)
    )
    names = [dataset.name for dataset in plan.datasets]
    yield from (f"dataset {name}: no name may be . or .." for name in names if {".", ".."} & set(name.split("/")))
    yield from (f"dataset {name} stands in it twice" for name in sorted({name for name in names if names.count(name) > 1}))
    for place, name in enumerate(names):
        if "/" in name and name.rsplit("/", 1)[0] not in names[:place]:
            yield f"dataset {name} must come after the one above it, {name.rsplit('/', 1)[0]}"
    if "ashift" in plan.pool_properties:
        yield "ashift has a key of its own and is no pool property"
    for where, properties in (("the pool", plan.properties), *((one.name, one.properties) for one in plan.datasets)):
        if properties.get("encryption", "off") != "off" and not properties.get("keylocation", "").startswith(("file:", "https:")):
            yield f'encryption of {where} would ask for a key; name a file with it: keylocation = "file:///etc/zfs/keys/NAME"'
    if PLAN_PROPERTY in plan.properties:
        yield f"{PLAN_PROPERTY} is set by fonoteca itself"


def _suggest(message: str) -> str:
    found = re.search(r"unknown field `([^`]*)`", message)
    close = difflib.get_close_matches(found[1], _keys(PoolPlan) | _keys(PlannedVdev) | _keys(PlannedDataset), 1) if found else []
    return f"Did you mean {close[0]}? {_PAGE}" if close else _PAGE


def _keys(kind: Any) -> set[str]:
    return set(get_type_hints(kind))
