"""Which pairs are compared, and which groups come of them."""

from __future__ import annotations

import random
import time
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.recordings import Recording
from fonoteca.identity import (
    Components,
    Link,
    block_keys,
    choose_leader,
    group_links,
    judge,
    pairs_in_order,
    place_in_block,
    speaks_against,
)
from recordings_made import fingerprint_of, recording, some_alike


def groups_of(recordings: list[Recording]) -> list[tuple[str, ...]]:
    """The groups that all pairs make."""
    by_id = {one.id: one for one in recordings}
    links = [Link(-judged.score, min(a.id, b.id), max(a.id, b.id))
             for a, b in combinations(recordings, 2) if (judged := judge(a, b)).verdict == "same"]  # fmt: skip
    return group_links(links, lambda a, b: speaks_against(judge(by_id[a], by_id[b])))


@given(some_alike(6), st.randoms())
def test_order_of_arrival_decides_nothing(recordings: list[Recording], chance: random.Random) -> None:
    shuffled = chance.sample(recordings, len(recordings))
    assert groups_of(recordings) == groups_of(shuffled)
    assert choose_leader(recordings) == choose_leader(shuffled)


@given(some_alike(6))
def test_no_group_holds_two_that_are_apart(recordings: list[Recording]) -> None:
    by_id = {one.id: one for one in recordings}
    for group in groups_of(recordings):
        assert not any(judge(by_id[a], by_id[b]).is_vetoed for a, b in combinations(group, 2))


def test_chain_does_not_join_what_is_apart() -> None:
    links = [Link(-9.0, "a", "b"), Link(-8.0, "b", "c"), Link(-7.0, "c", "d")]
    assert group_links(links, lambda one, other: {one, other} == {"a", "c"}) == [("a", "b"), ("c", "d")]
    assert group_links(links, lambda one, other: False) == [("a", "b", "c", "d")]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_components_are_what_hangs_together(pairs: list[tuple[int, int]]) -> None:
    components = Components(31)
    for one, other in pairs:
        components.join(one, other)
    sets = {number: {number} for number in range(31)}
    for one, other in pairs:
        joined = sets[one] | sets[other]
        sets |= dict.fromkeys(joined, joined)
    assert [root for _, root in components.of_many()] == [min(sets[number]) for number in range(31)]


def test_leader_is_held_then_popular_then_first() -> None:
    wanted, known, loved = recording(1, popularity=99.0), recording(2, is_held=True), recording(3, is_held=True, popularity=3.0)
    assert choose_leader([wanted, known, loved]) is loved
    assert choose_leader([wanted, known]) is known
    assert choose_leader([recording(5), recording(4)]).row == 4


def test_what_is_joined_shares_a_key() -> None:
    one = recording(
        1, "Yesterday (feat. Bob)", "Ann", isrcs=("USRC17607839",), recording_mbid="m", essences=("e",), fingerprint=fingerprint_of(1)
    )
    for other in (
        recording(2, "yesterday - Remastered 2009", "Bob"), recording(3, None, isrcs=("USRC17607839",)),
        recording(4, None, recording_mbid="m"),
        recording(5, None, essences=("e",)), recording(6, None, fingerprint=fingerprint_of(1)),
        Recording(row=7, id="7" * 22, title="Yesterday", artists=(("Anne", "Ann"),)),
    ):  # fmt: skip
        assert block_keys(one) & block_keys(other), other
    assert not block_keys(one) & block_keys(recording(8, "Yesterday", "Carl"))
    assert not block_keys(recording(9, None))


def test_pairs_of_large_blocks_grow_with_their_size_only() -> None:
    members = [(7, row) for row in range(10_000)]
    assert sum(1 for _ in pairs_in_order(members)) < 25 * 10_000
    small = [(7, row) for row in range(25)] + [(8, 1)]
    assert sorted(pairs_in_order(small)) == list(combinations(range(25), 2))


def test_block_is_sorted_by_duration_and_not_by_arrival() -> None:
    assert place_in_block(recording(9, duration_ms=1)) < place_in_block(recording(1, duration_ms=2)) < place_in_block(recording(2))
    assert place_in_block(recording(3, duration_ms=2**80)) < 2**63


def test_one_large_group_is_made_in_a_moment() -> None:
    ids = [f"{number:06d}" for number in range(20_000)]
    links = [Link(-50.0, one, other) for one, other in pairwise(ids)]
    begun = time.process_time()
    assert group_links(links, lambda one, other: False) == [tuple(ids)]
    assert time.process_time() - begun < 10
