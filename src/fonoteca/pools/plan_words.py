"""A plan of a pool as TOML with a few comments, for the person who reviews it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from fonoteca.ground.quantities import format_bytes

if TYPE_CHECKING:
    from fonoteca.pools.plan_file import PlannedDataset, PlannedVdev, PoolPlan

_HEAD = """\
# A pool for ZFS. Read it, change it, then: fonoteca pool create FILE
# Every key is described in docs/formats/pool-plan.md of fonoteca.
"""


def write_plan_text(plan: PoolPlan) -> str:
    """The TOML of a plan; parse_plan gives the same plan."""
    parts = [_HEAD, *_numbers(plan), *_spares(plan)]
    parts += _table("pool_properties", plan.pool_properties, "of the pool, as zpool create -o takes them")
    parts += _table("properties", plan.properties, "of its root dataset, which the others inherit")
    parts += [_vdev(vdev) for vdev in plan.vdevs]
    parts += [_dataset(dataset) for dataset in plan.datasets]
    return "\n".join(parts)


def _numbers(plan: PoolPlan) -> list[str]:
    lines = [f"format = {plan.format}", f"name = {quote_toml(plan.name)}", f"ashift = {plan.ashift}  # sectors of {2**plan.ashift} bytes"]
    lines.append(_size("disk_bytes", plan.disk_bytes, "each data disk"))
    lines.append(_size("reckoned_pool_bytes", plan.reckoned_pool_bytes, "what zpool list will show, parity included"))
    lines.append(_size("reckoned_shown_bytes", plan.reckoned_shown_bytes, "what zfs list will show, used and available together"))
    return lines


def _size(key: str, count: int, meaning: str) -> str:
    return f"{key} = {count}" + (f"  # {format_bytes(count)}: {meaning}" if count else "")


def _spares(plan: PoolPlan) -> list[str]:
    return [f"spare_count = {plan.spare_count}", _array("spares", plan.spares), ""]


def _table(name: str, properties: dict[str, str], meaning: str) -> list[str]:
    return [f"[{name}]  # {meaning}", *_pairs(properties), ""]


def _pairs(properties: dict[str, str]) -> list[str]:
    return [f"{_key(key)} = {quote_toml(value)}" for key, value in properties.items()]


def _vdev(vdev: PlannedVdev) -> str:
    lines = ["[[vdevs]]", f"kind = {quote_toml(vdev.kind)}", f"width = {vdev.width}", f"role = {quote_toml(vdev.role)}"]
    return "\n".join([*lines, _array("disks", vdev.disks), ""])


def _dataset(dataset: PlannedDataset) -> str:
    lines = ["[[datasets]]", f"name = {quote_toml(dataset.name)}"]
    if dataset.properties:
        lines += ["[datasets.properties]", *_pairs(dataset.properties)]
    return "\n".join([*lines, ""])


def _array(key: str, values: tuple[str, ...]) -> str:
    if not values:
        return f"{key} = []"
    return "\n".join([f"{key} = [", *(f"    {quote_toml(value)}," for value in values), "]"])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quote_toml(name)


def quote_toml(text: str) -> str:
    """A basic string of TOML; the escapes of JSON are among its own."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
