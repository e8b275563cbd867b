"""`fonoteca pool disks`: which disks are there, where, how they are, and what is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import JsonOption
from fonoteca.cli.output import emit, on_one_line, storable, table
from fonoteca.cli.pool_app import pool_app
from fonoteca.ground.quantities import format_bytes, format_count

if TYPE_CHECKING:
    from fonoteca.pools.disks import Disk
    from fonoteca.workflows.pool.disks import Inventory

_SOURCES = {"enclosure": "the enclosure tells", "alias": "by vdev_id.conf", "port": "no enclosure tells; the port"}


@pool_app.command(name="disks", sort_key=1)
def pool_disks(
    *,
    smart: Annotated[bool, Parameter(help="Ask each disk how it is, by smartctl.")] = True,
    json: JsonOption = False,
) -> int:
    """List the disks of this machine: names, size, sectors, bay, controller, SMART verdict, and what is on them."""
    from fonoteca.workflows.pool.disks import take_inventory

    inventory = take_inventory(with_smart=smart)
    emit(inventory, storable("\n".join(_lines(inventory))), json)
    return 0


def _lines(inventory: Inventory) -> list[str]:
    if not inventory.disks:
        return ["no disks are here"]
    rows: list[tuple[str, ...]] = [("disk", "size", "sectors", "model", "serial", "bay", "controller", "SMART", "on it")]
    rows += [_row(disk) for disk in inventory.disks]
    lines = [table(rows, frozenset({1}))]
    lines += ["", *(line for disk in inventory.disks for line in _details(disk))]
    lines += [f"warning: {on_one_line(warning)}" for warning in inventory.warnings]
    free = [disk for disk in inventory.disks if disk.is_free]
    told = f"{format_bytes(sum(disk.bytes for disk in free))} on {format_count(len(free), 'free disk')}"
    return [*lines, f"{format_count(len(inventory.disks), 'disk')}, {told}"]


def _row(disk: Disk) -> tuple[str, ...]:
    told = (
        disk.name, format_bytes(disk.bytes), f"{disk.logical_sector}/{disk.physical_sector}", disk.model or "-", disk.serial or "-",
        disk.bay or "-", disk.controller or "-", disk.smart.grade, disk.uses[0].kind if disk.uses else "nothing",
    )  # fmt: skip
    return tuple(on_one_line(cell) for cell in told)


def _details(disk: Disk) -> list[str]:
    told = [on_one_line(f"{disk.name}  {disk.best_name}" + (f"  WWN {disk.wwn}" if disk.wwn else ""))]
    if disk.bay and disk.bay_source:
        told.append(f"  bay: {on_one_line(disk.bay)} ({_SOURCES[disk.bay_source]})")
    told += [f"  SMART: {on_one_line(fact)}" for fact in disk.smart.facts]
    told += [f"  {on_one_line(use.device)}: {on_one_line(use.fact)}" for use in disk.uses]
    return told
