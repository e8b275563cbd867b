"""Archives, rosters and censuses drawn for tests of who holds what."""

import hashlib

from hypothesis import strategies as st

from fonoteca.placement import Announced, Census, ContainerFacts, Copy, Party, Roster, RosterMirror, Standing
from fonoteca.placement.facts import DAY

NOW = 1_800_000_000


def infohash_of(number: int) -> str:
    return hashlib.sha1(b"%d" % number).hexdigest()


def container(number: int, size: int, **more) -> ContainerFacts:
    return ContainerFacts(**{"name": f"container {number}", "infohash": infohash_of(number), "is_metadata": False, "bytes": size} | more)


def mirror(number: int, pledge: int, operator: str = "", since: int = NOW - 400 * DAY) -> RosterMirror:
    return RosterMirror(name=f"mirror {number}", key=f"key {number}", operator=operator, pledge=pledge, since=since)


def roster_of(*mirrors: RosterMirror) -> Roster:
    return Roster(serial=1, mirrors=mirrors)


def census_of(roster: Roster, holders: dict[int, list[int]], now: int = NOW) -> Census:
    """Which mirrors (by their place on the roster) proved which container (by number), all heard of just now."""
    entries = roster.mirrors
    standings = {
        infohash_of(number): Standing(tuple(Copy(entries[place].key, entries[place].party.who, 1.0, now, now) for place in places))
        for number, places in holders.items()
    }
    return Census(standings, {one.key: Announced(one.key, one.party.who, one.pledge, now) for one in entries})


@st.composite
def worlds(draw):
    """Containers, a roster of a few mirrors with a few operators, who holds what, and the budget of each mirror."""
    sizes = draw(st.lists(st.integers(0, 300), min_size=1, max_size=14))
    kinds = draw(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=len(sizes), max_size=len(sizes)))
    containers = [container(number, size, is_metadata=is_metadata, matches=matches, is_obsolete=luck == 0)
                  for number, (size, (is_metadata, matches, luck)) in enumerate(zip(sizes, kinds, strict=True))]  # fmt: skip
    count = draw(st.integers(1, 6))
    operators = draw(st.lists(st.sampled_from(["", "club", "library"]), min_size=count, max_size=count))
    budgets = draw(st.lists(st.integers(0, 2500), min_size=count, max_size=count))
    since = draw(st.sampled_from([NOW, NOW - 400 * DAY]))
    mirrors = [mirror(number, budgets[number], operators[number], since) for number in range(count)]
    holders = {number: draw(st.lists(st.integers(0, count - 1), unique=True)) for number in range(len(sizes))}
    return containers, roster_of(*mirrors), budgets, holders


def party(number: int, operator: str = "") -> Party:
    return Party(f"key {number}", operator)
