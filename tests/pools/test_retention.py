from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.pools.holds import BOOKMARKS_KEPT, COPIES_TAG, bookmark_name, hold_tag
from fonoteca.pools.policy import KINDS, Policy
from fonoteca.pools.retention import PERIODS, Replica, Retention, decide_retention, find_clock_faults, kind_of, newest_base
from fonoteca.pools.snapshots import Bookmark, Snapshot

DATASET = "tank/fonoteca"
NOW = 2_000_000_000
YEAR = 365 * 86400
TAGS = ("fonoteca:attic", "fonoteca:attic:sending", "fonoteca:cellar", COPIES_TAG, "mine")

ages = st.one_of(st.integers(0, 4 * 86400), st.integers(0, 6 * YEAR))
kinds = st.sampled_from([*KINDS, "weekly", "frequently", "by-hand"])
drafts = st.lists(st.tuples(ages, kinds, st.sets(st.sampled_from(TAGS), max_size=2)), max_size=25)
policies = st.builds(Policy, st.just(DATASET), *[st.integers(0, 5)] * 4)
copies = st.integers(0, 2)
seen = st.sets(st.integers(1, 25), max_size=4)


def made(drafts: list[tuple[int, str, set[str]]]) -> list[Snapshot]:
    """Snapshots in the order in which they were taken; guids and transaction groups count from 1."""
    rows = sorted(drafts, key=lambda draft: -draft[0])
    return [
        Snapshot(
            DATASET, f"autosnap_{n}_{kind}" if kind != "by-hand" else f"hand{n}", n, n, NOW - age, holds=tuple(sorted(holds))
        )
        for n, (age, kind, holds) in enumerate(rows, 1)
    ]  # fmt: skip


def replicas(attic: set[int], cellar: set[int]) -> list[Replica]:
    return [Replica("attic", frozenset(attic)), Replica("cellar", frozenset(cellar))]


def doomed(retention: Retention) -> set[str]:
    return {one.name for one in retention.doomed}


def pruned_by_sanoid(snapshots: list[Snapshot], policy: Policy, now: int) -> set[str]:
    """The loop of prune_snapshots in sanoid 2.1, word by word."""
    gone: set[str] = set()
    for kind, period in PERIODS.items():
        found = sorted((one for one in snapshots if kind_of(one) == kind), key=lambda one: (one.created_at, one.createtxg))
        maxage, left = now - policy.kept(kind) * period, len(found)
        for one in found:
            if one.created_at < maxage and left > policy.kept(kind):
                gone.add(one.name)
                left -= 1
    return gone


@given(drafts, policies)
def test_without_replicas_and_holds_it_is_what_sanoid_would_do(draft: list[tuple[int, str, set[str]]], policy: Policy) -> None:
    snapshots = [msgspec.structs.replace(one, holds=()) for one in made(draft)]
    assert doomed(decide_retention(DATASET, snapshots, [], policy, [], NOW)) == pruned_by_sanoid(snapshots, policy, NOW)


@given(drafts, policies, seen, seen, copies)
def test_what_is_held_and_each_newest_common_base_stay(
    draft: list[tuple[int, str, set[str]]], policy: Policy, attic: set[int], cellar: set[int], wanted: int
) -> None:
    snapshots = made(draft)
    known = replicas(attic, cellar)
    retention = decide_retention(DATASET, snapshots, [], policy, known, NOW, wanted)
    gone = doomed(retention)
    assert gone <= pruned_by_sanoid(snapshots, policy, NOW), "nothing goes that sanoid would not take"
    for one in snapshots:
        assert one.name not in gone or not set(one.holds) - {COPIES_TAG}
    held = {name for _, name in retention.holds_to_set}
    for replica in known:
        base = newest_base(replica, snapshots)
        if base is not None:
            assert base.name not in gone
            assert hold_tag(replica.name) in base.holds or base.full_name in held
    for kind in KINDS:
        of_kind = [one for one in snapshots if kind_of(one) == kind]
        assert sum(one.name not in gone for one in of_kind) >= min(len(of_kind), policy.kept(kind))


@given(drafts, policies, seen, seen, copies, st.integers(0, 3 * YEAR))
def test_later_nothing_comes_back_and_a_stricter_demand_never_lets_more_go(
    draft: list[tuple[int, str, set[str]]], policy: Policy, attic: set[int], cellar: set[int], wanted: int, later: int
) -> None:
    snapshots, known = made(draft), replicas(attic, cellar)

    def gone(policy: Policy = policy, now: int = NOW, wanted: int = wanted, snapshots: list[Snapshot] = snapshots) -> set[str]:
        return doomed(decide_retention(DATASET, snapshots, [], policy, known, now, wanted))

    assert gone() <= gone(now=NOW + later)
    assert gone(wanted=wanted + 1) <= gone()
    assert gone(policy=msgspec.structs.replace(policy, hourly=policy.hourly + 1, yearly=policy.yearly + 1)) <= gone()
    assert gone(snapshots=[msgspec.structs.replace(one, holds=(*one.holds, "more")) for one in snapshots]) == set()


@given(drafts, policies, seen, seen, copies)
def test_holds_are_changed_once_and_then_all_is_as_it_should_be(
    draft: list[tuple[int, str, set[str]]], policy: Policy, attic: set[int], cellar: set[int], wanted: int
) -> None:
    snapshots, known = made(draft), replicas(attic, cellar)
    first = decide_retention(DATASET, snapshots, [], policy, known, NOW, wanted)
    after = []
    for one in snapshots:
        tags = set(one.holds) | {tag for tag, name in first.holds_to_set if name == one.full_name}
        tags -= {tag for tag, name in first.holds_to_release if name == one.full_name}
        after.append(msgspec.structs.replace(one, holds=tuple(sorted(tags))))
    second = decide_retention(DATASET, after, [], policy, known, NOW, wanted)
    assert (second.holds_to_set, second.holds_to_release) == ((), ())
    assert doomed(second) == doomed(first)
    unheld = {one.name for one in after if not one.holds}
    assert pruned_by_sanoid(after, policy, NOW) & unheld == doomed(first), "with these holds sanoid takes just what is shown"


def hourly(count: int, **known: tuple[str, ...]) -> list[Snapshot]:
    """So many, an hour apart, the newest an hour old; holds by name."""
    return [
        Snapshot(DATASET, f"autosnap_{n}_hourly", n, n, NOW - 3600 * (count - n + 1), holds=known.get(f"s{n}", ()))
        for n in range(1, count + 1)
    ]


def test_every_reason_is_said() -> None:
    snapshots = [*hourly(6, s1=("mine",), s2=("fonoteca:attic",)), Snapshot(DATASET, "before-upgrade", 9, 9, NOW - 60)]
    policy = Policy(DATASET, 2, 0, 0, 0)
    retention = decide_retention(DATASET, snapshots, [], policy, [Replica("attic")], NOW, copies=1)
    words = {fate.snapshot.name: [reason.words for reason in fate.reasons] for fate in retention.fates}
    assert words["autosnap_1_hourly"] == ["held by mine"]
    assert words["autosnap_2_hourly"] == ["held for replica attic", "newest common with attic"]
    assert words["autosnap_3_hourly"] == ["0 of 1 replicas have it or a later one"]
    assert words["autosnap_6_hourly"] == ["of 2 hourly"]
    assert words["before-upgrade"] == ["not sanoid's: nothing prunes it"]
    assert not retention.doomed
    assert retention.holds_to_set == tuple((COPIES_TAG, f"{DATASET}@autosnap_{n}_hourly") for n in (3, 4))


def test_what_enough_replicas_have_reached_is_let_go() -> None:
    snapshots = hourly(6, s1=(COPIES_TAG,), s3=(COPIES_TAG,), s5=("fonoteca:attic",), s2=("fonoteca:cellar",))
    known = [Replica("attic"), Replica("cellar")]
    once = decide_retention(DATASET, snapshots, [], Policy(DATASET, 1, 0, 0, 0), known, NOW, copies=1)
    assert doomed(once) == {f"autosnap_{n}_hourly" for n in (1, 3, 4)}
    assert once.holds_to_release == tuple((COPIES_TAG, f"{DATASET}@autosnap_{n}_hourly") for n in (1, 3))
    twice = decide_retention(DATASET, snapshots, [], Policy(DATASET, 1, 0, 0, 0), known, NOW, copies=2)
    assert doomed(twice) == {"autosnap_1_hourly"}


def test_bookmark_tells_how_far_a_replica_is_when_its_base_is_gone() -> None:
    mark = Bookmark(DATASET, bookmark_name("attic", 77), 77, 4, NOW - 9999)
    retention = decide_retention(DATASET, hourly(6), [mark], Policy(DATASET, 1, 0, 0, 0), [Replica("attic")], NOW, copies=1)
    assert doomed(retention) == {f"autosnap_{n}_hourly" for n in (1, 2, 3, 4)}
    assert not retention.bookmarks_to_destroy


def test_bookmarks_beyond_the_newest_are_thinned_out() -> None:
    marks = [Bookmark(DATASET, bookmark_name("attic", n), n, n, n) for n in range(1, 31)] + [Bookmark(DATASET, "mine", 5, 5, 5)]
    retention = decide_retention(DATASET, [], marks, None, [Replica("attic")], NOW)
    assert [one.guid for one in retention.bookmarks_to_destroy] == list(range(1, 31 - BOOKMARKS_KEPT))


def test_dataset_without_a_policy_loses_nothing() -> None:
    assert not decide_retention(DATASET, hourly(50), [], None, [], NOW).doomed


@pytest.mark.parametrize(("ahead", "faults"), [(-10, 0), (0, 0), (299, 0), (301, 1), (10 * YEAR, 1), (2**62, 1)])
def test_snapshot_from_the_future_is_a_fault_of_the_clock(ahead: int, faults: int) -> None:
    found = find_clock_faults([Snapshot(DATASET, "x", 1, 1, NOW + ahead)], NOW)
    assert len(found) == faults
    assert all("tank/fonoteca@x was taken at" in words for words in found)
