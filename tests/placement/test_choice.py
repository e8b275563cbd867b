"""What a mirror holds: the promises of `choose`, whatever the archive, the roster and the census are."""

import random

from drawn_worlds import NOW, census_of, container, infohash_of, mirror, party, roster_of, worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.placement import EMPTY_CENSUS, REASONS, Census, Copy, Standing, choose
from fonoteca.placement.facts import DAY
from fonoteca.placement.ring import Pledge, plan_arcs


def choices_of(world, *, with_roster=True):
    containers, roster, budgets, holders = world
    census = census_of(roster, holders)
    for place, one in enumerate(roster.mirrors):
        held = {infohash_of(number) for number, places in holders.items() if place in places}
        yield one, held, census, choose(containers, budgets[place], held, roster if with_roster else None, one.party, census, NOW, copies=2)


@settings(max_examples=50, deadline=None)
@given(worlds(), st.booleans())
def test_the_budget_is_never_exceeded_by_anything_but_last_copies(world, with_roster):
    for one, _, census, choice in choices_of(world, with_roster=with_roster):
        sizes = {line.infohash: line.bytes for line in choice.lines}
        assert choice.chosen_bytes == sum(sizes[infohash] for infohash in (*choice.keep, *choice.fetch))
        if choice.chosen_bytes > choice.budget_bytes:
            assert not choice.fetch
            assert not any(census.proved_elsewhere(infohash, NOW, one.party.who) for infohash in choice.keep)


@settings(max_examples=50, deadline=None)
@given(worlds(), st.booleans())
def test_nothing_is_dropped_unless_another_operator_proved_it(world, with_roster):
    for one, held, census, choice in choices_of(world, with_roster=with_roster):
        assert held == {*choice.keep, *choice.drop}
        for infohash in choice.drop:
            others = {copy.who for copy in census.of(infohash).copies if copy.is_proved(NOW)} - {one.party.who}
            assert others


@settings(max_examples=50, deadline=None)
@given(worlds())
def test_when_all_mirrors_decide_at_once_no_last_copy_goes(world):
    containers, _, budgets, holders = world
    sizes = {one.infohash: one.bytes for one in containers}
    dropped = {}
    for one, held, _, choice in choices_of(world):
        if sum(sizes[infohash] for infohash in held) <= budgets[int(one.key.split()[1])]:
            for infohash in choice.drop:
                dropped.setdefault(infohash, set()).add(one.key)
        else:
            return  # budgets that shrink are a person's decision, one mirror at a time
    for number, places in holders.items():
        left = {f"key {place}" for place in places} - dropped.get(infohash_of(number), set())
        assert left or not places


@settings(max_examples=50, deadline=None)
@given(worlds(), st.booleans())
def test_metadata_comes_first(world, with_roster):
    containers, _, _, _ = world
    for one, _, census, choice in choices_of(world, with_roster=with_roster):
        chosen = {*choice.keep, *choice.fetch}
        fetched = [line.infohash in {c.infohash for c in containers if c.is_metadata} for line in choice.lines if line.decision == "fetch"]
        order = [next(c.is_metadata for c in containers if c.infohash == infohash) for infohash in choice.fetch]
        assert order == sorted(order, reverse=True)
        assert len(fetched) == len(order)
        data = [c for c in containers if not c.is_metadata]
        if any(c.infohash in choice.fetch for c in data):
            for left in (c for c in containers if c.is_metadata and not c.is_obsolete and c.infohash not in chosen):
                free = choice.budget_bytes - choice.chosen_bytes + sum(c.bytes for c in data if c.infohash in choice.fetch)
                assert left.bytes > free
        assert census is not None and one is not None


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False), st.booleans())
def test_the_same_knowledge_gives_the_same_choice_in_whatever_order_it_comes(world, chance, with_roster):
    containers, roster, budgets, holders = world
    shuffled = list(containers)
    chance.shuffle(shuffled)
    mixed = (shuffled, roster, budgets, holders)
    for (_, _, _, first), (_, _, _, second) in zip(
        choices_of(world, with_roster=with_roster), choices_of(mixed, with_roster=with_roster), strict=True
    ):
        assert first.fetch == second.fetch
        assert {*first.keep} == {*second.keep} and {*first.drop} == {*second.drop}
        assert first.why == second.why


@settings(max_examples=40, deadline=None)
@given(worlds(), st.booleans())
def test_every_container_gets_one_decision_and_a_reason(world, with_roster):
    for _, _, _, choice in choices_of(world, with_roster=with_roster):
        assert len(choice.lines) == len(world[0])
        assert {line.why for line in choice.lines} <= REASONS.keys()
        assert {line.infohash for line in choice.lines if line.decision in ("keep", "fetch")} == {*choice.keep, *choice.fetch}
        wanted = {one.infohash for one in world[0] if not one.is_obsolete and (one.matches or one.is_metadata)}
        assert {*choice.fetch} <= wanted


def test_new_mirrors_take_their_arcs_and_every_container_gets_as_many_copies():
    chance = random.Random(3)
    containers = [container(number, chance.randint(90, 110)) for number in range(300)]
    pledges = [chance.randint(1000, 5000) for _ in range(30)]
    roster = roster_of(*(mirror(number, pledge, since=NOW) for number, pledge in enumerate(pledges)))
    copies = dict.fromkeys((one.infohash for one in containers), 0)
    for one in roster.mirrors:
        choice = choose(containers, one.pledge, (), roster, one.party, EMPTY_CENSUS, NOW, copies=1)
        assert choice.chosen_bytes <= one.pledge
        for infohash in choice.fetch:
            copies[infohash] += 1
    times = sum(pledges) / sum(one.bytes for one in containers)
    assert min(copies.values()) >= int(times) - 1
    assert max(copies.values()) <= int(times) + 1


def test_an_arc_begins_where_the_pledges_before_it_end():
    containers = tuple((infohash_of(number), 10) for number in range(60))
    arcs = plan_arcs(containers, (Pledge("a", "a", 200), Pledge("b", "b", 300), Pledge("c", "c", 100)))
    assert [len(arcs[key]) for key in "abc"] == [20, 30, 10]
    assert arcs["a"] | arcs["b"] | arcs["c"] == {infohash for infohash, _ in containers}
    assert not arcs["a"] & arcs["b"]
    longer = plan_arcs(containers, (Pledge("a", "a", 200), Pledge("b", "b", 300), Pledge("c", "c", 100), Pledge("d", "d", 90)))
    assert {key: longer[key] for key in "abc"} == arcs


def test_a_mirror_that_left_moves_no_other_arc():
    containers = [container(number, 10) for number in range(60)]
    mirrors = [mirror(number, 150, since=NOW) for number in range(4)]
    gone = type(mirrors[1])(**{name: getattr(mirrors[1], name) for name in mirrors[1].__struct_fields__} | {"left": NOW})
    before = choose(containers, 150, (), roster_of(*mirrors), mirrors[3].party, EMPTY_CENSUS, NOW)
    after = choose(containers, 150, (), roster_of(mirrors[0], gone, *mirrors[2:]), mirrors[3].party, EMPTY_CENSUS, NOW)
    arc = {infohash for infohash in before.fetch if before.why[infohash] == "own-arc"}
    assert arc == {infohash for infohash in after.fetch if after.why[infohash] == "own-arc"}


def test_a_container_with_too_few_copies_replaces_one_that_has_many():
    containers = [container(number, 100) for number in range(4)]
    roster = roster_of(*(mirror(number, 300) for number in range(5)))
    holders = {0: [0, 1, 2, 3], 1: [0, 1, 2, 3], 2: [0, 1, 2, 3], 3: [4]}
    census = census_of(roster, holders)
    swaps = []
    for place in range(4):
        held = {infohash_of(number) for number in (0, 1, 2)}
        choice = choose(containers, 300, held, roster, party(place), census, NOW, copies=2)
        if choice.fetch:
            swaps.append(choice)
            assert choice.fetch == (infohash_of(3),) and len(choice.drop) == 1
            assert choice.why[infohash_of(3)] == "too-few-copies" and choice.why[choice.drop[0]] == "most-copied"
    assert 1 <= len(swaps) <= 3


def test_two_copies_with_one_operator_count_as_one():
    containers = [container(0, 100)]
    mirrors = (mirror(0, 100, "club"), mirror(1, 100, "club"), mirror(2, 100, "library"))
    roster = roster_of(*mirrors)
    both = census_of(roster, {0: [0, 1]})
    assert both.proved_elsewhere(infohash_of(0), NOW, "library") == 1
    mine = choose(containers, 0, {infohash_of(0)}, roster, mirrors[0].party, both, NOW)
    assert mine.keep == (infohash_of(0),) and mine.why[infohash_of(0)] == "no-other-copy"
    other = choose(containers, 0, {infohash_of(0)}, roster, mirrors[0].party, census_of(roster, {0: [0, 2]}), NOW)
    assert other.drop == (infohash_of(0),)
    second = choose(containers, 100, (), roster, mirrors[1].party, census_of(roster, {0: [0]}), NOW)
    assert not second.fetch and second.why[infohash_of(0)] == "same-operator"


def test_seeders_and_old_or_partial_proofs_are_no_copies():
    held = {infohash_of(0)}
    for copy in (Copy("x", "x", 0.99, NOW, NOW), Copy("x", "x", 1.0, NOW - 91 * DAY, 0), Copy("x", "x", 1.0, NOW + 3 * DAY, 0)):
        census = Census({infohash_of(0): Standing((copy,), seeders=500)}, {})
        assert choose([container(0, 10)], 0, held, None, party(0), census, NOW).keep == (infohash_of(0),)


def test_without_a_roster_the_rarest_come_first_and_ties_differ_from_mirror_to_mirror():
    containers = [container(number, 10) for number in range(40)]
    standings = {infohash_of(number): Standing(seeders=0 if number < 5 else 9) for number in range(40)}
    fetched = [{*choose(containers, 100, (), None, party(place), Census(standings), NOW).fetch} for place in range(8)]
    rare = {infohash_of(number) for number in range(5)}
    assert all(rare <= one and len(one) == 10 for one in fetched)
    assert len(set.union(*fetched)) > 25


def test_the_last_gap_is_filled_by_what_fits():
    containers = [container(0, 70), container(1, 60), container(2, 25), container(3, 5)]
    standings = {infohash_of(number): Standing(seeders=number) for number in range(4)}
    choice = choose(containers, 100, (), None, party(0), Census(standings), NOW)
    assert {*choice.fetch} == {infohash_of(0), infohash_of(2), infohash_of(3)}


def test_what_the_filters_do_not_want_is_not_fetched_and_goes_first():
    containers = [container(0, 50, matches=False), container(1, 50), container(2, 5, is_metadata=True, matches=False)]
    roster = roster_of(mirror(0, 100), mirror(1, 100))
    census = census_of(roster, {0: [0, 1], 1: [0, 1]})
    choice = choose(containers, 60, {infohash_of(0), infohash_of(1)}, None, party(0), census, NOW)
    assert choice.drop == (infohash_of(0),)
    assert choice.fetch == (infohash_of(2),)
    assert choose(containers, 200, (), None, party(0), census, NOW).why[infohash_of(0)] == "filtered"
