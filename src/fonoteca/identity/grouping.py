"""Pairs joined into groups, so that no chain brings together what is apart, whatever the order of arrival."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import msgspec

from fonoteca.ground.recordings import Recording

CHECKED_EACH = 32  # members of either group that are compared before two groups become one


class Link(msgspec.Struct, frozen=True, order=True):
    """Two ids found to be the same, the lower first. Sorts strongest first."""

    weakness: float
    first: str
    second: str


class Components:
    """Which of the numbers 0 … count − 1 hang together; 4 bytes a number."""

    def __init__(self, count: int) -> None:
        self._parents = array("I", range(count))

    def find(self, number: int) -> int:
        """The lowest number of its component that stands for it."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Make one component of two."""
        one, other = self.find(one), self.find(other)
        self._parents[max(one, other)] = min(one, other)

    def of_many(self) -> Iterator[tuple[int, int]]:
        """Every number with the one that stands for its component."""
        for number in range(len(self._parents)):
            yield number, self.find(number)


def group_links(links: Iterable[Link], are_apart: Callable[[str, str], bool]) -> list[tuple[str, ...]]:
    """Groups of two and more ids, sorted. The strongest links join first, and none that would join two ids of which one is apart."""
    groups: dict[str, _Group] = {}
    for link in sorted(links):
        one, other = (groups.get(id) or _Group([id], [id]) for id in (link.first, link.second))
        if one is other or link.first == link.second or _any_apart(one.lowest, other.lowest, are_apart):
            continue
        small, large = sorted((one, other), key=lambda group: len(group.members))
        large.members += small.members
        large.lowest = sorted((*large.lowest, *small.lowest))[:CHECKED_EACH]
        groups |= dict.fromkeys(large.members if len(large.members) == 2 else small.members, large)
    return sorted(tuple(sorted(group.members)) for group in {id(group): group for group in groups.values()}.values())


@dataclass(eq=False)
class _Group:
    """The members in no order, and the lowest of them, which stand for all when two groups are compared."""

    members: list[str]
    lowest: list[str]


def _any_apart(one: Sequence[str], other: Sequence[str], are_apart: Callable[[str, str], bool]) -> bool:
    return any(are_apart(a, b) for a, b in product(one, other))


def choose_leader(members: Iterable[Recording]) -> Recording:
    """The best known: held before not held, then the most popular, then the smallest id."""
    return min(members, key=lambda one: (not one.is_held, -(one.popularity if one.popularity is not None else -1.0), one.id))
