"""`fonoteca pool replace`: the day of the dead disk, step by step."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import DryRunOption, JsonOption
from fonoteca.cli.output import emit, on_one_line, storable
from fonoteca.cli.pool_app import pool_app
from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import format_duration

if TYPE_CHECKING:
    from fonoteca.pools.health import Scan
    from fonoteca.pools.replace_steps import Step
    from fonoteca.pools.resilver_progress import TimeLeft
    from fonoteca.workflows.pool.replace import Replacement, ReplaceReport

_LINE_EVERY_S = 60.0


@pool_app.command(name="replace", sort_key=8)
def pool_replace(
    disk: Annotated[str, Parameter(help="The disk that has to go: link, serial number, bay, guid, sdX, or as zpool status names it.")],
    new: Annotated[str | None, Parameter(help="The disk that takes over; without it the steps up to there are told.")] = None,
    /,
    *,
    yes: Annotated[
        bool, Parameter(negative=(), help="Do it: replace; without NEW, take the disk offline so that it can be pulled.")
    ] = False,
    no_wait: Annotated[bool, Parameter(name="--no-wait", negative=(), help="Do not watch the resilver.")] = False,
    allow: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Take a disk that would be refused; the refusal names the word: labelled, failing …")
    ] = (),
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Replace a disk: which bay, is it safe, pull it, put that in; waits, and tells the time left. Ctrl-C leaves the resilver running."""
    from fonoteca.pools import Zfs
    from fonoteca.workflows.pool.replace import ReplaceReport, carry_out
    from fonoteca.workflows.pool.replace_disks import plan_with_disks_here

    zfs = Zfs()
    plan = plan_with_disks_here(zfs, disk, new, allow=allow)
    watches = plan.judgement.verdict == "watch"
    if dry_run or (not yes and not watches):
        emit(ReplaceReport(plan=plan, outcome="planned"), storable(_plan(plan)), json)
        if new is not None and not dry_run:
            raise UsageError("nothing was changed yet", "Run it again with --yes.")
        return 0
    print(storable(_plan(plan)), file=sys.stderr)
    report = carry_out(zfs, plan, Line(), waits=not no_wait)
    emit(report, storable(_report(report)), json)
    return 3 if report.outcome == "not-healthy" else 0


class Line:
    """How far the resilver is: one line that is written again on a terminal, else a line a minute."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._said_at: float | None = None

    def __call__(self, scan: Scan, left: TimeLeft) -> None:
        from fonoteca.pools.resilver_progress import tell_scan

        words = tell_scan(scan, left)
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{words}")
            sys.stderr.flush()
        elif self._said_at is None or time.monotonic() - self._said_at >= _LINE_EVERY_S:
            self._said_at = time.monotonic()
            print(words, file=sys.stderr)


def _plan(plan: Replacement) -> str:
    safe = {
        "safe": "It is safe to pull it now.",
        "careful": "It may be pulled, but better leave it in until the new disk is filled.",
        "keep": "Do NOT pull it now.",
        "watch": "It is being replaced now: pull nothing until that has ended.",
        "done": "It holds no data of the pool.",
    }[plan.judgement.verdict]
    return "\n".join([on_one_line(plan.introduction), safe, *(f"  {fact}" for fact in plan.judgement.facts), "", *numbered(plan.steps)])


def numbered(steps: tuple[Step, ...]) -> list[str]:
    """Steps for people: each with its number, and its command below it."""
    lines = []
    for number, step in enumerate(steps, 1):
        lines.append(f"{number}. {on_one_line(step.words)}")
        if step.command:
            lines.append(f"     {on_one_line(step.line)}")
    return lines


def _report(report: ReplaceReport) -> str:
    plan = report.plan
    first = {
        "planned": f"nothing to do for {plan.disk}",
        "taken-offline": f"{plan.disk} is offline and can be pulled",
        "begun": f"{plan.pool} fills {plan.successor}",
        "healthy": f"{plan.pool} is healthy again after {format_duration(report.seconds)}",
        "not-healthy": f"the resilver ended after {format_duration(report.seconds)}, and {plan.pool} is not healthy yet",
    }[report.outcome]
    return "\n".join([on_one_line(first), *(f"  {on_one_line(fact)}" for fact in report.facts), *numbered(report.next_steps)])
