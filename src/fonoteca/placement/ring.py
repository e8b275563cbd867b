"""The ring of containers and the arc of each mirror on it: where a share starts, the same for all who know roster and containers.

The ring is walked lap after lap, and in each lap the containers stand in another order, drawn by lot (`lots.draw_places`). Mirrors walk
in the order of the roster: each begins where the pledges before it end and takes what stands next and fits, of the earliest lap that is
not finished. So pledges of any sizes give every container as many copies as any other, and the copies of two containers lie with
different mirrors: whoever vanishes is replaced from many.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from fonoteca.placement.lots import draw_places, seeds_of

Indices = npt.NDArray[np.intp]

NEAR_TAKEN, NEAR_LEFT = 64, 256
"""How far around its end an arc is looked over for an exchange that fills its last gap."""


class Pledge(msgspec.Struct, frozen=True):
    """A mirror's place in the roster: key, operator, bytes for data (what metadata takes is off already)."""

    key: str
    operator: str
    bytes: int


@lru_cache(maxsize=8)
def plan_arcs(containers: tuple[tuple[str, int], ...], pledges: tuple[Pledge, ...]) -> dict[str, frozenset[str]]:
    """The infohashes of each pledge's arc, by key. `containers`: infohash and bytes of each data container, in any order."""
    walk = _Walk(sorted(containers))
    return {pledge.key: walk.take(pledge) for pledge in pledges}


class _Walk:
    """One walk along the ring; `_copies` is the lap that each container is in."""

    def __init__(self, containers: Sequence[tuple[str, int]]) -> None:
        self._names = [infohash for infohash, _ in containers]
        self._sizes = np.array([size for _, size in containers], np.int64)
        self._seeds = seeds_of(self._names)
        self._copies = np.zeros(len(containers), np.int64)
        self._places = draw_places(self._seeds, self._copies)
        self._of_operator: dict[str, npt.NDArray[np.bool_]] = {}

    def take(self, pledge: Pledge) -> frozenset[str]:
        """The arc of the next mirror."""
        has = self._of_operator.setdefault(pledge.operator, np.zeros(len(self._names), np.bool_))
        order = np.lexsort((self._places, self._copies))
        order = order[~has[order]]
        count = int(np.searchsorted(np.cumsum(self._sizes[order]), pledge.bytes, "right"))
        taken = self._fill_gap(order[:count], order[count:], pledge.bytes)
        self._copies[taken] += 1
        self._places[taken] = draw_places(self._seeds[taken], self._copies[taken])
        has[taken] = True
        return frozenset(self._names[place] for place in taken)

    def _fill_gap(self, taken: Indices, left: Indices, room: int) -> Indices:
        """What still fits into the last gap: first whole containers, then one exchanged for a larger one."""
        gap = room - int(self._sizes[taken].sum())
        while len(fitting := left[self._sizes[left] <= gap]):
            level = self._copies[fitting].min()
            fitting = fitting[self._copies[fitting] == level]
            best = fitting[np.argmax(self._sizes[fitting])]
            taken, left = np.append(taken, best), left[left != best]
            gap -= int(self._sizes[best])
        return self._exchange(taken, left, gap)

    def _exchange(self, taken: Indices, left: Indices, gap: int) -> Indices:
        """One of the last that were taken for one of the next of as few copies, so that the gap is smallest."""
        ours, others = taken[-NEAR_TAKEN:], left[:NEAR_LEFT]
        if not len(ours) or not len(others):
            return taken
        gained = self._sizes[others][None, :] - self._sizes[ours][:, None]
        is_level = self._copies[others][None, :] <= self._copies[ours][:, None]
        gained = np.where(is_level & (gained <= gap), gained, 0)
        row, column = np.unravel_index(int(np.argmax(gained)), gained.shape)
        if gained[row, column] <= 0:
            return taken
        return np.append(taken[taken != ours[row]], others[column])
