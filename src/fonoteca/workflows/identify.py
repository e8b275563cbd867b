"""`identify`: recordings that are the same, found by evidence and joined; nothing is taken away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from fonoteca.catalogue.merging import AlbumPair, albums_in_common
from fonoteca.catalogue.pair_scratch import PairScratch, open_pair_scratch
from fonoteca.catalogue.same_recordings import RecordingStore
from fonoteca.ground.progress import Progress
from fonoteca.ground.recordings import EvidencePart, Judgement, Recording
from fonoteca.identity import (
    Components,
    Link,
    Sayings,
    choose_leader,
    fold_name,
    group_links,
    judge,
    pairs_in_order,
    speaks_against,
)
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.identify_jobs import Jobs, PairsJob, RangeJob, open_jobs

READ_AT_ONCE, PAIRS_AT_ONCE, MOST_JUDGED, MOST_TOGETHER = 2_000, 2_000, 200_000, 20_000


class PairShown(msgspec.Struct, frozen=True, kw_only=True):
    """One pair as it is told: ids, titles, the score in bits, and why."""

    id: str
    title: str | None
    artists: str
    other: str
    other_title: str | None
    other_artists: str
    score: float
    evidence: tuple[str, ...]


class IdentifyReport(msgspec.Struct, kw_only=True):
    """What came of it. `joined` counts recordings that are the same as a leader; `pairs` and `suggestions` tell the first of them.

    `albums` are pairs with one title that share a barcode or an MBID; nothing is done about them.
    """

    tracks: int = 0
    compared: int = 0
    groups: int = 0
    joined: int = 0
    suggested: int = 0
    fingerprints_made: int = 0
    fingerprints_failed: int = 0
    dry_run: bool = False
    pairs: list[PairShown] = []
    suggestions: list[PairShown] = []
    albums_suggested: int = 0
    albums: list[AlbumPair] = []


@dataclass
class _Run:
    """One run over a catalogue: where it reads, what it notes, what it tells."""

    store: RecordingStore
    scratch: PairScratch
    jobs: Jobs
    sayings: Sayings
    progress: Progress
    dry_run: bool
    shown: int
    report: IdentifyReport = field(default_factory=IdentifyReport)


def identify(archive: Archive, progress: Progress, *, dry_run: bool = False, shown: int = 20) -> IdentifyReport:
    """Compare what shares a key, join what is the same, and suggest what may be; run again it comes to the same.

    `shown`: how many pairs and suggestions the report tells. `dry_run` needs a read-only archive and writes nothing.
    """
    statements = archive.catalogue.statements
    store = RecordingStore(statements)
    sayings = store.sayings()
    place = None if dry_run else archive.staging
    with open_jobs(store, archive.catalogue.path, sayings) as jobs, open_pair_scratch(place) as scratch:
        run = _Run(store, scratch, jobs, sayings, progress, dry_run, shown)
        run.report.dry_run = dry_run
        _find_candidates(run)
        _compare(run)
        _link(run)
        if dry_run:
            _join(run)
        else:
            with archive.catalogue.transaction():
                store.clear()
                _join(run)
    _suggest_albums(archive, run)
    progress.finish()
    return run.report


def _find_candidates(run: _Run) -> None:
    run.progress.start("reading names", run.store.count(), "tracks")
    for keys in run.jobs.find_keys(RangeJob(first, last) for first, last in run.store.ranges()):
        run.scratch.add_keys(keys.keys)
        run.report.tracks += keys.tracks
        run.progress.advance(keys.tracks)
    run.progress.start("looking for pairs", None, "pairs")
    run.scratch.add_candidates(pairs_in_order(run.scratch.members()))
    said = [sorted(one.row for one in run.store.read_known(pair)) for pair in run.sayings]
    run.scratch.add_candidates((rows[0], rows[1]) for rows in said if len(rows) == 2)
    run.scratch.forget_keys()


def _compare(run: _Run) -> None:
    run.progress.start("comparing", run.scratch.count_candidates(), "pairs")
    for compared, found in run.jobs.compare(PairsJob(pairs) for pairs in run.scratch.candidates(PAIRS_AT_ONCE)):
        run.scratch.add_found(found)
        run.report.compared += compared
        run.progress.advance(compared)


def read_several(store: RecordingStore, lists: Iterable[list[int]]) -> Iterator[tuple[list[int], dict[int, Recording]]]:
    """Each list of rows with its recordings, read a thousand or so at once."""
    waiting, size = list[list[int]](), 0
    for rows in chain(lists, [[]]):
        waiting.append(rows)
        size += len(rows)
        if not rows or size >= READ_AT_ONCE:
            known = {one.row: one for one in store.read(row for some in waiting for row in some)}
            yield from ((some, known) for some in waiting if some)
            waiting, size = [], 0


def _link(run: _Run) -> None:
    components = Components(run.scratch.number_linked())
    for one, other in run.scratch.links_by_number():
        components.join(one, other)
    run.scratch.put_components(components.of_many())


def _join(run: _Run) -> None:
    run.progress.start("joining", None, "groups")
    for rows, known in read_several(run.store, _bounded_components(run)):
        within = set(rows)
        links = [_link_of(known[one], known[other], score) for one, other, score in run.scratch.links_of(rows) if other in within]
        strongest = strongest_links(links)
        for members in groups_of((known[row] for row in rows), links, run.sayings):
            _put_group(run, members, strongest)
        run.progress.advance()
    _suggest(run)


def _bounded_components(run: _Run) -> Iterator[list[int]]:
    """What hangs together, in parts by id where it is more than memory should hold at once; what two parts share is suggested."""
    for rows in run.scratch.components():
        if len(rows) <= MOST_TOGETHER:
            yield rows
            continue
        ordered = run.store.order_by_id(rows)
        yield from (ordered[first : first + MOST_TOGETHER] for first in range(0, len(ordered), MOST_TOGETHER))


def _link_of(one: Recording, other: Recording, score: float) -> Link:
    return Link(-score, min(one.id, other.id), max(one.id, other.id))


def groups_of(recordings: Iterable[Recording], links: list[Link], sayings: Sayings) -> list[list[Recording]]:
    """The groups that the links make without joining what is apart, each sorted by id."""
    by_id = {one.id: one for one in recordings}
    judged: dict[tuple[str, str], bool] = {}

    def are_apart(one: str, other: str) -> bool:
        pair = (min(one, other), max(one, other))
        if pair not in judged:
            if len(judged) >= MOST_JUDGED:
                judged.clear()
            judged[pair] = speaks_against(judge(by_id[one], by_id[other], sayings))
        return judged[pair]

    return [[by_id[id] for id in group] for group in group_links(links, are_apart)]


def strongest_links(links: Iterable[Link]) -> dict[str, Link]:
    """The strongest link of each id that has one."""
    strongest: dict[str, Link] = {}
    for link in sorted(links):
        strongest.setdefault(link.first, link)
        strongest.setdefault(link.second, link)
    return strongest


def _put_group(run: _Run, members: list[Recording], strongest: Mapping[str, Link]) -> None:
    leader = choose_leader(members)
    for one in members:
        if one is not leader:
            judgement = with_chain(one, leader, judge(one, leader, run.sayings), strongest)
            _show(run, run.report.pairs, one, leader, judgement)
            if not run.dry_run:
                run.store.put_same(one.row, leader.row, judgement.score)
                run.store.put_evidence(one.row, leader.row, judgement.parts)
    run.scratch.put_leaders([(one.row, leader.row) for one in members])
    run.report.groups += 1
    run.report.joined += len(members) - 1


def with_chain(one: Recording, leader: Recording, judgement: Judgement, strongest: Mapping[str, Link]) -> Judgement:
    """The judgement; where the two alone would not have been joined, with the strongest link that joins the one."""
    if judgement.verdict == "same":
        return judgement
    own = strongest.get(one.id)
    if own is None:
        return judgement
    through = own.second if own.first == one.id else own.first
    part = EvidencePart("through", 0.0, f"joined through {through}, {-own.weakness:.1f} bits")
    return msgspec.structs.replace(judgement, parts=(*judgement.parts, part))


def _suggest(run: _Run) -> None:
    suggested = ([one, other] for one, other, _ in run.scratch.suggestions())
    for rows, known in read_several(run.store, suggested):
        one, other = (known[row] for row in rows)
        leader = choose_leader((one, other))
        follower = other if leader is one else one
        judgement = judge(follower, leader, run.sayings)
        run.report.suggested += 1
        _show(run, run.report.suggestions, follower, leader, judgement)
        if not run.dry_run:
            run.store.put_evidence(follower.row, leader.row, judgement.parts)


def _suggest_albums(archive: Archive, run: _Run) -> None:
    for shares, albums in albums_in_common(archive.catalogue.statements):
        by_title: dict[str, tuple[str, str | None]] = {}
        for id, title in albums:
            former = by_title.setdefault(fold_name(title or ""), (id, title))
            if former[0] != id:
                run.report.albums_suggested += 1
                if len(run.report.albums) < run.shown:
                    run.report.albums.append(AlbumPair(id=former[0], title=former[1], other=id, other_title=title, shares=shares))


def _show(run: _Run, shown: list[PairShown], one: Recording, other: Recording, judgement: Judgement) -> None:
    if len(shown) < run.shown:
        shown.append(show_pair(one, other, judgement))


def show_pair(one: Recording, other: Recording, judgement: Judgement) -> PairShown:
    """A pair with its evidence, what weighs most first."""
    parts = sorted(judgement.parts, key=lambda part: -abs(part.score))
    return PairShown(
        id=one.id, title=one.title, artists=", ".join(names[0] for names in one.artists), other=other.id, other_title=other.title,
        other_artists=", ".join(names[0] for names in other.artists), score=judgement.score,
        evidence=tuple(f"{part.shown} ({part.score:+.1f})" for part in parts),
    )  # fmt: skip
