"""`fonoteca mirror plan`: what a mirror would hold and why, as a table, JSON and a picture; nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from fonoteca.cli.commands import JsonOption
from fonoteca.cli.filter_options import FilterOptions
from fonoteca.cli.mirror_app import MirrorOption, mirror_app, opened_mirror
from fonoteca.cli.output import emit, on_one_line, storable, table
from fonoteca.ground.quantities import format_bytes, format_count, parse_bytes

if TYPE_CHECKING:
    from fonoteca.ground.mirror_settings import ChoiceSettings
    from fonoteca.placement import Line
    from fonoteca.workflows.mirror_plan import MirrorPlan, SourcePlan

MOST_LINES = 40
DECISIONS = ("keep", "fetch", "drop", "leave")


@mirror_app.command(name="plan", sort_key=2)
def plan_command(
    *,
    budget: Annotated[str | None, Parameter(help='The most that may be held: "8TB"; else as mirror.toml says.')] = None,
    genre: Annotated[tuple[str, ...], Parameter(help="Containers with tracks of this genre; may be given again.", negative=())] = (),
    label: Annotated[tuple[str, ...], Parameter(help="Containers with tracks of this label; may be given again.", negative=())] = (),
    licence: Annotated[tuple[str, ...], Parameter(help="Containers with tracks under this licence.", negative=())] = (),
    year: Annotated[str | None, Parameter(help="Containers with tracks of a year or a range: 1999, 1990..1999.")] = None,
    popularity: Annotated[str | None, Parameter(help="Containers with tracks of a popularity or a range: 50.., ..10.")] = None,
    copies: Annotated[int | None, Parameter(help="Below so many proved copies a container has too few.")] = None,
    picture: Annotated[Path | None, Parameter(help="Write the plan as a picture, .svg or .png.")] = None,
    mirror: MirrorOption = None,
    json: JsonOption = False,
) -> int:
    """Show what would be held and why: copies elsewhere, plays covered, size; nothing is fetched."""
    from fonoteca.workflows.mirror_plan import plan_mirror, write_plan_picture

    with opened_mirror(mirror, read_only=True) as opened:
        wanted = _choice(opened.settings.choice, (genre, label, licence), year, popularity, copies)
        plan = plan_mirror(opened, opened.now(), budget=None if budget is None else parse_bytes(budget), choice=wanted)
    if picture is not None:
        write_plan_picture(plan, picture)
    emit(plan, storable(_told(plan, picture)), json)
    return 0


def _choice(
    settings: ChoiceSettings, names: tuple[tuple[str, ...], ...], year: str | None, popularity: str | None, copies: int | None
) -> ChoiceSettings:
    """The filters of mirror.toml, but for those that are given here."""
    genre, label, licence = names
    ranges = FilterOptions(year=year, popularity=popularity).track_filter()
    given = {
        "genres": genre or None, "labels": label or None, "licences": licence or None, "copies": copies,
        "years": (ranges.year_from or 0, 9999 if ranges.year_to is None else ranges.year_to) if year is not None else None,
        "popularity_from": ranges.popularity_from, "popularity_to": ranges.popularity_to,
    }  # fmt: skip
    return msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})


def _told(plan: MirrorPlan, picture: Path | None) -> str:
    parts = ["\n".join(_source(one)) for one in plan.sources] or ["no source yet; give one with: fonoteca mirror add SOURCE"]
    fetched = sum(line.bytes for one in plan.sources for line in one.lines if line.decision == "fetch")
    parts.append(f"{format_bytes(plan.chosen_bytes)} of {format_bytes(plan.budget_bytes)}: {format_bytes(fetched)} would be fetched.")
    if picture is not None:
        parts.append(str(picture))
    return "\n\n".join(parts)


def _source(plan: SourcePlan) -> list[str]:
    """One source: sums by decision and reason, then its containers."""
    from fonoteca.placement import REASONS

    place = "on the publisher's roster" if plan.is_on_roster else "on no roster"
    told = [f"{on_one_line(plan.source)}: {place}; {plan.plays:.2%} of all plays covered; {plan.wanted_copies} copies are wanted."]
    if not plan.catalogue:
        told.append("It has no catalogue that can be read, so plays are not known, and filters leave nothing out.")
    sums: dict[tuple[int, str, str], list[float]] = {}
    for line in plan.lines:
        found = sums.setdefault((DECISIONS.index(line.decision), line.decision, line.why), [0, 0, 0.0])
        found[0] += 1
        found[1] += line.bytes
        found[2] += line.plays
    rows: list[tuple[str, ...]] = [("", "torrents", "size", "of plays", "why")]
    rows += [(decision, f"{count:,.0f}", format_bytes(size), f"{plays:.2%}", REASONS[why])
             for (_, decision, why), (count, size, plays) in sorted(sums.items())]  # fmt: skip
    return [*told, table(rows, frozenset({1, 2, 3})), "", *_containers(plan)]


def _containers(plan: SourcePlan) -> list[str]:
    data = sorted((line for line in plan.lines if not line.is_metadata), key=_order)
    rows: list[tuple[str, ...]] = [("container", "", "copies", "seeders", "of plays", "size")]
    rows += [(on_one_line(line.name), line.decision, _copies(line), "?" if line.seeders is None else str(line.seeders),
              f"{line.plays:.3%}", format_bytes(line.bytes)) for line in data[:MOST_LINES]]  # fmt: skip
    more = [f"and {format_count(len(data) - MOST_LINES, 'container')} more; --json gives all"] if len(data) > MOST_LINES else []
    return [table(rows, frozenset({2, 3, 4, 5})), *more] if data else []


def _order(line: Line) -> tuple[int, int, float]:
    return DECISIONS.index(line.decision), line.expected, -line.plays / max(1, line.bytes)


def _copies(line: Line) -> str:
    """Proved copies elsewhere, and how many there will be."""
    return str(line.copies) if line.expected <= line.copies else f"{line.copies} → {line.expected}"
