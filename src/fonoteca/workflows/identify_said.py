"""What a person says of two recordings goes before all evidence, now and in every later run."""

from __future__ import annotations

from itertools import combinations

from fonoteca.catalogue.same_recordings import RecordingStore
from fonoteca.ground.errors import UsageError
from fonoteca.ground.recordings import EvidencePart, Recording, Saying
from fonoteca.identity import Link, choose_leader, judge
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.identify import PairShown, groups_of, show_pair, strongest_links, with_chain
from fonoteca.workflows.lookup import find_track

SAID_BITS = 100.0


def say_of_pair(archive: Archive, saying: Saying, first: str, second: str, *, dry_run: bool = False) -> PairShown:
    """Keep what is said and make the groups of the two anew; `first` and `second` are ids, titles or whatever names one track."""
    store = RecordingStore(archive.catalogue.statements)
    one, other = (store.read_ids([find_track(archive, text)])[0] for text in (first, second))
    if one.id == other.id:
        raise UsageError(f"{first!r} and {second!r} are one track, {one.id}", "Name two.")
    sayings = store.sayings() | {(min(one.id, other.id), max(one.id, other.id)): saying}
    if not dry_run:
        part = EvidencePart("said", SAID_BITS if saying == "same" else -SAID_BITS, f"a person said: {saying}")
        with archive.catalogue.transaction():
            rows = {*store.rows_of_group(one.row), *store.rows_of_group(other.row)}
            store.say(one, other, part)
            _regroup(store, store.read(rows), sayings)
    return show_pair(one, other, judge(one, other, sayings))


def _regroup(store: RecordingStore, recordings: list[Recording], sayings: dict[tuple[str, str], Saying]) -> None:
    """Forget the groups of these recordings and join them again, all compared with all."""
    store.clear([one.row for one in recordings])
    links = []
    for one, other in combinations(recordings, 2):
        judgement = judge(one, other, sayings)
        if judgement.verdict == "same":
            links.append(Link(-judgement.score, min(one.id, other.id), max(one.id, other.id)))
        elif judgement.verdict == "perhaps":
            leader = choose_leader((one, other))
            store.put_evidence((other if leader is one else one).row, leader.row, judgement.parts)
    strongest = strongest_links(links)
    for members in groups_of(recordings, links, sayings):
        leader = choose_leader(members)
        for one in members:
            if one is not leader:
                judgement = with_chain(one, leader, judge(one, leader, sayings), strongest)
                store.put_same(one.row, leader.row, judgement.score)
                store.put_evidence(one.row, leader.row, judgement.parts)
