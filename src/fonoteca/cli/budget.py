"""`fonoteca plan --budget`: its options and what it says to people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from fonoteca.cli.output import emit, storable, table
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import format_bytes, format_count, parse_bytes

if TYPE_CHECKING:
    from fonoteca.workflows.archive import Archive
    from fonoteca.workflows.budget import BudgetLine, BudgetReport, BudgetRequest


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """What `plan` takes for a budget."""

    budget: Annotated[str | None, Parameter(help='The most that may be kept: "12TB". Chooses rates by popularity.')] = None
    floor: Annotated[float | None, Parameter(help="Nothing is encoded below this rate, kbit/s; 24 if not said.")] = None
    rarity: Annotated[float | None, Parameter(help="From 0, only plays count, to 1, only what nobody else holds counts.")] = None
    held_elsewhere: Annotated[Path | None, Parameter(help="A CSV of popularity and held_elsewhere, the share others hold.")] = None
    wanted: Annotated[bool, Parameter(negative=(), help="Plan for tracks that are known and not held, too.")] = False
    edition: Annotated[Path | None, Parameter(help="A published catalogue to plan for instead of an archive.")] = None
    picture: Annotated[Path | None, Parameter(help="Write the plan as a picture, .svg or .png.")] = None

    def request(self) -> BudgetRequest | None:
        """The request, None where no budget is given; UsageError where something else asks for one."""
        if self.budget is None:
            if self != NO_BUDGET:
                raise UsageError("these options of plan belong to a budget", "Say how much: fonoteca plan --budget 12TB …")
            return None
        from fonoteca.catalogue.budget import LOWEST_RATE
        from fonoteca.catalogue.budget_classes import read_rare_shares
        from fonoteca.workflows.budget import BudgetRequest

        shares = read_rare_shares(self.held_elsewhere) if self.held_elsewhere else None
        return BudgetRequest(
            budget_bytes=parse_bytes(self.budget), floor_kbits=LOWEST_RATE if self.floor is None else self.floor,
            rarity=self.rarity or 0.0, with_wanted=self.wanted, rare_shares=shares,
        )  # fmt: skip


NO_BUDGET = BudgetOptions()


def plan_for_budget(options: BudgetOptions, request: BudgetRequest, open_one: Any, archive: Path | None, json: bool) -> int:
    """Plan, draw, tell. `open_one` opens the archive where no edition is named."""
    from fonoteca.workflows.budget import budget_of_archive, budget_of_edition, write_picture

    if options.edition is not None and archive is not None:
        raise UsageError("--edition and --archive name two catalogues", "Give one of them.")
    if options.edition is not None:
        report = budget_of_edition(options.edition, request, open_progress())
    else:
        with open_one(archive, "plan", read_only=True) as opened:
            report = _of_archive(opened, request, budget_of_archive)
    if options.picture is not None:
        report = write_picture(report, options.picture)
    emit(report, told(report), json)
    return 0


def _of_archive(opened: Archive, request: BudgetRequest, plan: Any) -> BudgetReport:
    found: BudgetReport = plan(opened, request)
    return found


def told(report: BudgetReport) -> str:
    """The plan as a table, its sums, and what more would buy."""
    plan = report.plan
    headings = ("popularity", "tracks", "hours", "kept", "size", "of plays", "quality")
    rows = [_cells(line) for line in report.lines]
    lines = [
        table([headings, *rows], frozenset({1, 2, 4, 5, 6})), "",
        f"{format_bytes(plan.bytes)} of {format_bytes(plan.budget_bytes)}: {plan.kept_tracks:,} of {format_count(plan.tracks, 'track')}, "
        f"{plan.share_of_plays:.2%} of all plays, quality {plan.quality:.4f} for each play "
        f"(1: as it came, 0: not kept); {plan.core_hours:,.0f} core-hours of encoding.",
        f"{format_bytes(report.more_bytes)} more would buy {report.quality_with_more - plan.quality:.2g} of quality for each play"
        + (":" if plan.upgrades else "."),
    ]  # fmt: skip
    for upgrade in plan.upgrades[:5]:
        of = "unknown popularity" if upgrade.popularity is None else f"popularity {upgrade.popularity}"
        better = f"{choice(upgrade.to_kbits)} instead of {choice(upgrade.from_kbits)}"
        lines.append(f"  {format_count(upgrade.tracks, 'track')} of {of}: {better}, {format_bytes(upgrade.bytes)}")
    if report.picture is not None:
        lines.append(storable(report.picture))
    return "\n".join(lines)


def _cells(line: BudgetLine) -> tuple[str, ...]:
    hours = f"{line.hours:,.0f}" if line.hours >= 100 else f"{line.hours:.1f}"
    named = _popularity(line) + ("" if line.is_held else ", wanted")
    return (named, f"{line.tracks:,}", hours, choice(line.opus_kbits), format_bytes(line.bytes), f"{line.share_of_plays:.3%}",
            f"{line.quality:.3f}")  # fmt: skip


def choice(opus_kbits: float | None) -> str:
    """A choice in words."""
    if opus_kbits is None:
        return "as it came"
    return f"Opus {opus_kbits:g}" if opus_kbits else "nothing"


def _popularity(line: BudgetLine) -> str:
    if line.popularity_from is None:
        return "unknown"
    return f"{line.popularity_from}" if line.popularity_from == line.popularity_to else f"{line.popularity_from}–{line.popularity_to}"
