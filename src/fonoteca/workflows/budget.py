"""`plan --budget`: the best use of so many bytes, from an archive or from an edition alone, and a picture of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.catalogue import second_score
from fonoteca.catalogue.budget import Budget, BudgetClass, BudgetRow, plan_budget
from fonoteca.catalogue.budget_classes import BudgetCounter, classes_of_statistics
from fonoteca.catalogue.budget_others import count_others, others_condition
from fonoteca.ground.errors import UsageError
from fonoteca.ground.files import write_atomically
from fonoteca.ground.progress import Progress
from fonoteca.ground.quantities import format_bytes
from fonoteca.ground.things import LOSSLESS_FORMATS
from fonoteca.reports import Axis, Mark, Plot, draw, write_png
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_choices import Merged, may_be_encoded
from fonoteca.workflows.read_catalogue import opened_edition
from fonoteca.workflows.rights_policy import decide_rights
from fonoteca.workflows.stats import read_edition_statistics

Kind = Literal["as it came", "Opus", "nothing"]
TERABYTE = 10**12


class BudgetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; see catalogue.budget.plan_budget. `with_wanted`: what is not held yet counts too."""

    budget_bytes: int
    floor_kbits: float
    rarity: float
    with_wanted: bool
    rare_shares: Mapping[int, float] | None = None


class BudgetLine(msgspec.Struct, frozen=True, kw_only=True):
    """Tracks of neighbouring popularity that are treated alike. `opus_kbits` 0: not kept; None: as they came."""

    popularity_from: int | None
    popularity_to: int | None
    is_held: bool
    opus_kbits: float | None
    tracks: int
    hours: float
    bytes: int
    share_of_plays: float
    quality: float


class BudgetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The plan, its lines by decade of popularity, and what `more_bytes` on top would buy."""

    plan: Budget
    lines: list[BudgetLine]
    more_bytes: int
    quality_with_more: float
    picture: str | None = None


def budget_of_archive(archive: Archive, request: BudgetRequest) -> BudgetReport:
    """The plan for the files that came to an archive, as they came, and for what is missing; all other tracks are left out."""
    archive.refresh_scores()
    sql = archive.catalogue.statements
    others = Merged(sql.rows(f"SELECT t.id FROM tracks t WHERE {others_condition(sql)} ORDER BY t.id"), lambda row: str(row[0]))
    counter = BudgetCounter(request.rare_shares)
    sources = Merged(archive.ledger.kept_sources(), lambda source: source.track_id or "")
    for row in archive.catalogue.iter_selection():
        source, is_other = sources.take(row.id), others.take(row.id) is not None
        if row.status == "withdrawn" or (is_other and source is None and row.file_size is None):
            continue
        rights = decide_rights(archive, row.rights_uri)
        counter.add(
            row.popularity, second_score(row.artist_popularity, row.album_popularity, row.followers).high, row.plays,
            (source and source.duration_ms) or row.duration_ms, source.size if source else row.file_size,
            is_lossy=source is None or source.format not in LOSSLESS_FORMATS,
            may_be_encoded=source is None or may_be_encoded(source, may_change=rights.may_change or not rights.may_publish),
        )  # fmt: skip
    return _report(counter.classes(with_wanted=request.with_wanted), request)


def budget_of_edition(path: Path, request: BudgetRequest, progress: Progress | None = None) -> BudgetReport:
    """The plan for what an edition lists, from its statistics, and from its tracks where some are withdrawn or covered by others."""
    with opened_edition(path) as edition:
        rows = read_edition_statistics(path, progress).rows
        others = count_others(edition.statements, rows)
        return _report(classes_of_statistics(rows, request.rare_shares, with_wanted=request.with_wanted, others=others), request)


def _report(classes: list[BudgetClass], request: BudgetRequest) -> BudgetReport:
    if not classes:
        raise UsageError("no file is held, so there is nothing to spend a budget on", "Add --wanted to plan for what is known too.")
    more = TERABYTE if request.budget_bytes >= 5 * TERABYTE else max(10**6, request.budget_bytes // 10)
    plan = plan_budget(classes, request.budget_bytes, floor_kbits=request.floor_kbits, rarity=request.rarity, more_bytes=more)
    gain = sum(upgrade.gain for upgrade in plan.upgrades)
    return BudgetReport(plan=plan, lines=budget_lines(plan.rows), more_bytes=more, quality_with_more=min(1.0, plan.quality + gain))


def budget_lines(rows: Iterable[BudgetRow]) -> list[BudgetLine]:
    """The plan by decade of popularity and choice, most popular and best kept first."""
    groups: dict[tuple[int, float, bool], list[BudgetRow]] = {}
    for row in rows:
        rate = 1e9 if row.opus_kbits is None else row.opus_kbits
        groups.setdefault((-_decade(row.popularity), -rate, not row.is_held), []).append(row)
    return [_line(groups[key]) for key in sorted(groups)]


def _decade(popularity: int | None) -> int:
    return -1 if popularity is None else 0 if popularity == 0 else popularity // 10 + 1 if popularity < 100 else 10


def _line(rows: list[BudgetRow]) -> BudgetLine:
    known = [row.popularity for row in rows if row.popularity is not None]
    tracks = sum(row.tracks for row in rows)
    return BudgetLine(
        popularity_from=min(known, default=None), popularity_to=max(known, default=None), is_held=rows[0].is_held,
        opus_kbits=rows[0].opus_kbits, tracks=tracks, hours=sum(row.duration_ms for row in rows) / 3.6e6,
        bytes=sum(row.bytes for row in rows), share_of_plays=sum(row.share_of_plays for row in rows),
        quality=sum(row.quality * row.tracks for row in rows) / tracks,
    )  # fmt: skip


def write_picture(report: BudgetReport, path: Path) -> BudgetReport:
    """Write the picture of a plan as SVG or PNG, as the ending of `path` says."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"{path} ends neither in .svg nor in .png", "The ending says which picture is written.")
    svg = draw(budget_picture(report.plan))
    write_atomically(path, svg if path.suffix.lower() == ".svg" else write_png(svg), is_ours=False)
    return msgspec.structs.replace(report, picture=str(path))


def budget_picture(plan: Budget) -> Plot:
    """For each popularity the part of its tracks that is kept as it came, as Opus at which rates, and not at all."""
    shades: tuple[tuple[str, int, float, float], ...] = (
        ("as it came", 0, 1e9, 2e9), ("Opus 96–128", 2, 96, 1e9), ("Opus 56–80", 5, 49, 96), ("Opus 24–48", 1, 1, 49), ("nothing", 4, 0, 1),
    )  # fmt: skip
    whole: dict[int, int] = {}
    parts: dict[tuple[str, int], int] = {}
    for row in plan.rows:
        if row.popularity is not None:
            rate = 1e9 if row.opus_kbits is None else row.opus_kbits
            name = next(name for name, _, low, high in shades if low <= rate < high)
            whole[row.popularity] = whole.get(row.popularity, 0) + row.tracks
            parts[name, row.popularity] = parts.get((name, row.popularity), 0) + row.tracks
    marks = [
        Mark(kind="bars", name=name, color=color,
             points=tuple((at - 0.5, number / whole[at]) for (other, at), number in sorted(parts.items()) if other == name))
        for name, color, _, _ in shades
    ]  # fmt: skip
    return Plot(
        name="budget", title=f"What {format_bytes(plan.budget_bytes)} keep, by popularity",
        description=f"{plan.kept_tracks:,} of {plan.tracks:,} tracks in {format_bytes(plan.bytes)}: "
                    f"{plan.share_of_plays:.2%} of all plays, quality {plan.quality:.4f} for each play.",
        x=Axis(title="popularity", unit="plain", low=-0.5, high=100.5, step=10),
        y=Axis(title="share of the tracks", unit="share", low=0, high=1, step=0.2),
        marks=tuple(mark for mark in marks if mark.points), is_stacked=True,
    )  # fmt: skip
