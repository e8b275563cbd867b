"""`fonoteca pool create`: shows what making a pool takes, does it with --yes, and proves it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import DryRunOption, JsonOption
from fonoteca.cli.output import emit, escape_controls, on_one_line, storable, table
from fonoteca.cli.pool_app import pool_app
from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import format_bytes, format_count

if TYPE_CHECKING:
    from fonoteca.pools.making import MakingStep
    from fonoteca.workflows.pool.create import CreationPlan, CreationReport

_WIDTH = 120


@pool_app.command(name="create", sort_key=3)
def pool_create(
    plan: Annotated[Path, Parameter(help="The plan: a file that fonoteca pool plan --write made.")],
    /,
    *,
    yes: Annotated[bool, Parameter(negative=(), help="Do it; what is on the disks is lost.")] = False,
    allow: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="Take disks that would be refused; the refusal names the word: labelled, partitioned, files …"),
    ] = (),
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Make a pool from its plan: show the disks and the exact zpool and zfs commands; with --yes run them and prove the result.

    Stopped in the middle, the same command goes on. A pool that is as planned is left alone. Exit status 3: made, but something is
    not as planned.
    """
    from fonoteca.pools.plan_file import read_plan
    from fonoteca.workflows.pool.create import PoolMaker

    _check_words(allow)
    maker = PoolMaker(read_plan(plan), allow=allow)
    prepared = maker.prepare()
    if prepared.steps and (dry_run or not yes):
        emit(prepared, storable(_shown(prepared)), json)
        if dry_run:
            return 0
        raise UsageError(
            f"nothing was done: making {prepared.plan.name} changes disks", "Read the commands above; with --yes they are run."
        )
    if prepared.steps:
        print(escape_controls(storable(_shown(prepared))), file=sys.stderr)
    report = maker.carry_out(prepared, _say) if prepared.steps else maker.judge()
    emit(report, storable(_told(report)), json)
    return 3 if report.differences else 0


def _check_words(allow: tuple[str, ...]) -> None:
    from fonoteca.pools.disk_checks import ALLOWED

    for word in allow:
        if word not in ALLOWED:
            raise UsageError(f"--allow {on_one_line(word)} means nothing", f"It takes: {', '.join(ALLOWED)}.")


def _say(step: MakingStep) -> None:
    print(f"+ {escape_controls(storable(step.line))}", file=sys.stderr, flush=True)


def _shown(prepared: CreationPlan) -> str:
    """Disks, what is destroyed, commands, size: all that is to be known before --yes."""
    plan = prepared.plan
    rows: list[tuple[str, ...]] = [("place", "disk", "size", "serial", "bay")]
    places = [f"{vdev.role} {number} {vdev.kind}" for number, vdev in enumerate(plan.vdevs, 1) for _ in vdev.disks] + ["spare"] * len(
        plan.spares
    )
    for place, name, disk in zip(places, plan.disks, prepared.disks, strict=True):
        told = (format_bytes(disk.bytes), disk.serial or "-", disk.bay or "-") if disk else ("not here", "-", "-")
        rows.append((place, on_one_line(name), *map(on_one_line, told)))
    gone = [f"  {on_one_line(step.destroys)}" for step in prepared.steps if step.destroys]
    lines = [table(rows, frozenset({2})), "", *(f"note: {on_one_line(note)}" for note in prepared.notes)]
    lines += ["what is lost:", *gone, ""] if gone else []
    lines += ["the pool is there, begun from this plan; what is missing:" if prepared.is_begun else "the commands:"]
    lines += [f"  {_wrapped(step)}" for step in prepared.steps]
    if shown := prepared.reckoned_shown_bytes:
        lines += ["", f"{plan.name} will show {shown:,} bytes ({format_bytes(shown)}, {shown / 2**40:.2f} TiB) used and available"]
    return "\n".join(lines)


def _wrapped(step: MakingStep) -> str:
    """A command on lines that fit a terminal; pasted into a shell it is one."""
    lines = [""]
    for word in map(on_one_line, map(shlex.quote, step.command)):
        if lines[-1] and len(lines[-1]) + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n    ".join(lines)


def _told(report: CreationReport) -> str:
    shown = f"{report.shown_bytes:,} bytes ({format_bytes(report.shown_bytes)}) used and available"
    if not report.differences:
        made = (
            f"made {report.pool} with {format_count(len(report.steps), 'command')}" if report.steps else f"{report.pool} is there already"
        )
        return f"{made}; it is as planned: {shown}"
    rows: list[tuple[str, ...]] = [("not as planned", "planned", "found")]
    rows += [(on_one_line(one.about), on_one_line(one.planned), on_one_line(one.found)) for one in report.differences]
    return f"{table(rows)}\n{report.pool} is there and not as planned in {format_count(len(report.differences), 'thing')}; {shown}"
