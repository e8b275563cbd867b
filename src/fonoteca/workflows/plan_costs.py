"""The table of `plan`: what the tiers as set cost, and what others would."""

from __future__ import annotations

import msgspec

from fonoteca.catalogue import ClassCounter, PlanRow, compare_tiers, plan_each_tier, second_score
from fonoteca.ground.workers import count_cores
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_choices import Merged, may_be_encoded
from fonoteca.workflows.build_plan import BuildPlan, plan_build
from fonoteca.workflows.rights_policy import decide_rights


class PlanReport(msgspec.Struct, kw_only=True):
    """The next build in numbers; then, for all known tracks: each tier, the tiers as set, and alternatives."""

    build: BuildPlan
    tiers: list[PlanRow]
    alternatives: list[PlanRow]
    cores: int
    hours: float


def make_plan(archive: Archive) -> PlanReport:
    """Decide everything that `build` would do, and do nothing."""
    archive.refresh_scores()
    plan = plan_build(archive, store=False)
    tiers, cores = archive.settings.tier_list, count_cores()
    counter = ClassCounter(tiers)
    sources = Merged(archive.ledger.kept_sources(), lambda source: source.track_id or "")
    repeated = RepeatedIsrcs(archive)
    for row in archive.catalogue.iter_selection():
        source = sources.take(row.id)
        if row.status == "withdrawn":
            continue
        size = source.size if source else row.file_size
        score = second_score(row.artist_popularity, row.album_popularity, row.followers)
        rights = decide_rights(archive, row.rights_uri)
        counter.add(
            row.popularity, score.high, size, (source and source.duration_ms) or row.duration_ms, row.plays, row.id in repeated,
            sound_bytes=source.sound_bytes if source else None,
            may_be_encoded=source is not None and may_be_encoded(source, may_change=rights.may_change or not rights.may_publish),
        )  # fmt: skip
    classes = counter.classes()
    hours = plan.encode_ms / 3.6e6 / 100 / cores
    return PlanReport(build=plan, tiers=plan_each_tier(classes, tiers, cores), alternatives=compare_tiers(classes, tiers, cores),
                      cores=cores, hours=hours)  # fmt: skip


class RepeatedIsrcs:
    """Tracks that the plan just made leaves out for their ISRC, asked for one by one."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __contains__(self, id: str) -> bool:
        statement = "SELECT 1 FROM choices WHERE content = 'audio' AND id = ? AND refusal = 'another file with its ISRC is held'"
        return next(self._archive.ledger.rows(statement, id), None) is not None
