"""`mirror plan`, and the same decision for `mirror run`: what a mirror would hold, and why; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from fonoteca.catalogue.container_facts import ContainerFilter, ContainerShare, count_containers
from fonoteca.catalogue.edition_reading import Edition
from fonoteca.ground.errors import FonotecaError, UsageError
from fonoteca.ground.files import write_atomically
from fonoteca.ground.mirror_settings import ChoiceSettings
from fonoteca.integrity.mirror_ledger_rows import MirrorSource, MirrorTorrent
from fonoteca.placement import Census, Choice, ContainerFacts, Line, Party, Roster, choose
from fonoteca.reports import write_png
from fonoteca.reports.mirror_pictures import Part, PlannedContainer, draw_mirror_plan
from fonoteca.workflows.census import party_of, take_census
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_budget import budget_of, selected_bytes_of
from fonoteca.workflows.roster_files import rosters_of

CATALOGUE = "catalogue.sqlite3"
BY_HAND = "dropped by hand"
"""Why a torrent was dropped by a person."""

CHOSEN = ("wanted", "fetching", "held")
"""States of torrents that are held or on the way."""


class SourcePlan(msgspec.Struct, frozen=True):
    """What is chosen of one source. `catalogue`: whether plays and filters are known; `wanted_copies`: below, a container has too few."""

    source: str
    is_on_roster: bool
    catalogue: bool
    budget_bytes: int
    chosen_bytes: int
    wanted_copies: int
    plays: float
    lines: tuple[Line, ...]


class MirrorPlan(msgspec.Struct, frozen=True):
    """The whole plan. `fetch` in the order of fetching; `why` gives codes of placement.REASONS by infohash."""

    budget_bytes: int
    chosen_bytes: int
    keep: tuple[str, ...]
    fetch: tuple[str, ...]
    drop: tuple[str, ...]
    why: dict[str, str]
    sources: tuple[SourcePlan, ...]


def plan_mirror(
    mirror: Mirror, now: int, *, budget: int | None = None, choice: ChoiceSettings | None = None, census: Census | None = None
) -> MirrorPlan:
    """Choose among all sources. `budget` and `choice` stand for those of mirror.toml; without `census` it is taken from the ledger.

    Sources share the budget in this order: what is held, the pledge on each source's roster, then by name. Torrents that a person
    dropped are left alone.
    """
    wanted = choice if choice is not None else mirror.settings.choice
    whole = budget_of(mirror) if budget is None else budget
    census = take_census(mirror, now) if census is None else census
    party, rosters = party_of(mirror), rosters_of(mirror)
    sources = mirror.ledger.sources()
    pledges = {name: place.pledge for name, roster in rosters.items() if (place := roster.find(party.key)) is not None}
    shares = _divide(mirror, sources, whole, pledges)
    plans = [_plan_source(mirror, one, shares[one.source], wanted, rosters.get(one.source), party, census, now) for one in sources]
    fetch = sorted((line for plan, made in plans for line in _fetched(plan, made)), key=lambda one: not one[1])
    return MirrorPlan(
        whole, sum(plan.chosen_bytes for plan, _ in plans), tuple(one for _, made in plans for one in made.keep),
        tuple(infohash for infohash, _ in fetch), tuple(one for _, made in plans for one in made.drop),
        {infohash: why for _, made in plans for infohash, why in made.why.items()}, tuple(plan for plan, _ in plans),
    )  # fmt: skip


def write_plan_picture(plan: MirrorPlan, path: Path) -> None:
    """Write the picture of a plan as SVG or PNG, as the ending of `path` says."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"{path} ends neither in .svg nor in .png", "The ending says which picture is written.")
    parts: dict[str, Part] = {"keep": "held", "fetch": "fetched", "drop": "left", "leave": "left"}
    containers = [PlannedContainer(parts[line.decision], line.bytes, line.copies, line.plays) for one in plan.sources for line in one.lines]
    svg = draw_mirror_plan(containers, plan.budget_bytes, max((one.wanted_copies for one in plan.sources), default=1))
    write_atomically(path, svg if path.suffix.lower() == ".svg" else write_png(svg), is_ours=False)


def filter_of(choice: ChoiceSettings) -> ContainerFilter:
    """The filters of mirror.toml as a question to a catalogue."""
    years = choice.years or (None, None)
    return ContainerFilter(
        genres=choice.genres, labels=choice.labels, licences=choice.licences, year_from=years[0], year_to=years[1],
        popularity_from=choice.popularity_from, popularity_to=choice.popularity_to,
    )  # fmt: skip


def _fetched(plan: SourcePlan, made: Choice) -> list[tuple[str, bool]]:
    metadata = {line.infohash for line in plan.lines if line.is_metadata}
    return [(infohash, infohash in metadata) for infohash in made.fetch]


def _plan_source(
    mirror: Mirror, source: MirrorSource, budget: int, wanted: ChoiceSettings, roster: Roster | None, party: Party, census: Census, now: int
) -> tuple[SourcePlan, Choice]:
    torrents = [one for one in mirror.ledger.torrents(source=source.source) if not _is_given_up(one)]
    shares = count_source(mirror, source, filter_of(wanted))
    parts = {one.infohash: selected_bytes_of(mirror, one) for one in torrents if one.state in CHOSEN and one.selection is not None}
    facts = [
        facts_of(one, shares, is_filtered=not filter_of(wanted).is_empty, part=min(one.bytes, parts.get(one.infohash, 0)))
        for one in torrents
    ]
    held = {one.infohash for one in torrents if one.state in CHOSEN and one.selection is None}
    asked_for = sum(parts.values())
    made = choose(facts, max(0, budget - asked_for), held, roster, party, census, now, copies=wanted.copies)
    chosen = {*made.keep, *made.fetch}
    plays = sum(one.plays for one in facts if one.infohash in chosen)
    is_on_roster = roster is not None and roster.find(party.key) is not None
    return SourcePlan(
        source.source, is_on_roster, shares is not None, budget, made.chosen_bytes + asked_for, made.wanted_copies, plays, made.lines
    ), made


def facts_of(torrent: MirrorTorrent, shares: Mapping[str, ContainerShare] | None, *, is_filtered: bool, part: int = 0) -> ContainerFacts:
    """What is known of one torrent. Filters leave out containers of which the catalogue knows tracks and none of them pass.

    `part` bytes of it were asked for by name and stay whatever is chosen: the rest is what there must be room for.
    """
    share = (shares or {}).get(torrent.container)
    return ContainerFacts(
        name=torrent.container, infohash=torrent.infohash, is_metadata=torrent.is_metadata, bytes=torrent.bytes - part,
        plays=share.plays if share and not torrent.is_metadata else 0.0,
        matches=not is_filtered or share is None or share.matching > 0, is_obsolete=torrent.is_obsolete,
    )  # fmt: skip


def _is_given_up(torrent: MirrorTorrent) -> bool:
    """What a person dropped stays dropped; what was dropped for lack of room may come back."""
    return torrent.state == "dropping" or (torrent.state == "dropped" and torrent.why == BY_HAND)


def count_source(mirror: Mirror, source: MirrorSource, wanted: ContainerFilter) -> dict[str, ContainerShare] | None:
    """What the source's catalogue says of its containers; None where it has none that can be read. Counted once for each release."""
    path = mirror.release_of(source) / CATALOGUE
    if not path.is_file():
        return None
    status = path.stat()
    stamp = f"{status.st_size} {status.st_mtime_ns} {wanted.key}"
    kept = mirror.ledger.value(f"containers of {source.source}")
    if kept is not None and kept.startswith(stamp + "\n"):
        return msgspec.json.decode(kept[len(stamp) + 1 :], type=dict[str, ContainerShare])
    try:
        edition = Edition.open(path)
    except FonotecaError:
        return None
    try:
        shares = count_containers(edition, wanted)
    finally:
        edition.statements.connection.close()
    if not mirror.ledger.connection.readonly("main"):
        mirror.ledger.put_value(f"containers of {source.source}", f"{stamp}\n{msgspec.json.encode(shares).decode()}")
    return shares


def _divide(mirror: Mirror, sources: Sequence[MirrorSource], whole: int, pledges: Mapping[str, int]) -> dict[str, int]:
    """A budget for each source: first for what is held, then up to the pledges, then for all there is."""
    shares = dict.fromkeys((one.source for one in sources), 0)
    torrents = {name: mirror.ledger.torrents(source=name) for name in shares}
    held = {name: sum(selected_bytes_of(mirror, one) for one in found if one.state in CHOSEN) for name, found in torrents.items()}
    sizes = {name: sum(one.bytes for one in found) for name, found in torrents.items()}
    for limits in (held, pledges, sizes):
        for name in shares:
            shares[name] += max(0, min(whole - sum(shares.values()), limits.get(name, 0) - shares[name]))
    return shares
