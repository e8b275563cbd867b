"""The same risk by playing it out: disks die and are replaced, event by event, nothing of the chain is used. For tests and benchmarks."""

from __future__ import annotations

from math import sqrt
from random import Random

import msgspec

from fonoteca.pools.risk import VdevChain


class Played(msgspec.Struct, frozen=True):
    """How many of the trials lost the vdev, and how many lost at least a file."""

    trials: int
    lost: int
    lost_files: int

    @property
    def loss(self) -> float:
        """Share of the trials that lost the vdev."""
        return self.lost / self.trials

    @property
    def file_loss(self) -> float:
        """Share of the trials that lost at least a file."""
        return self.lost_files / self.trials

    def sigmas_from(self, chance: float, *, counts_files: bool = False) -> float:
        """How many standard deviations the share lies from a chance that is claimed."""
        spread = sqrt(max(chance * (1 - chance), 1e-12) / self.trials)
        return ((self.file_loss if counts_files else self.loss) - chance) / spread


def play(chain: VdevChain, hours: float, trials: int, random: Random, *, has_fixed_repairs: bool = False) -> Played:
    """Play a vdev's life so many times. Repairs last as the chain says on average, or always the same (`has_fixed_repairs`)."""
    lost = files = 0
    for _ in range(trials):
        is_lost, is_file_lost = _play_once(chain, hours, random, has_fixed_repairs)
        lost, files = lost + is_lost, files + is_file_lost
    return Played(trials, lost, files)


def _play_once(chain: VdevChain, hours: float, random: Random, has_fixed_repairs: bool) -> tuple[bool, bool]:
    """One life: every disk has its own hour of death, drawn anew when the danger of its neighbourhood changes (it has no memory)."""
    now, repaired_at, dead, is_file_lost = 0.0, float("inf"), 0, False
    deaths = _draw(chain, random, now, chain.disks, dead)
    while True:
        first = min(deaths)
        if min(first, repaired_at) > hours:
            return False, is_file_lost
        if repaired_at <= first:
            now, dead = repaired_at, dead - 1
            repaired_at = now + _repair(chain, random, has_fixed_repairs) if dead else float("inf")
        else:
            now, dead = first, dead + 1
            if dead > chain.survives:
                return True, True
            if dead == chain.survives and random.random() < chain.unreadable:
                is_file_lost = True
            if dead == 1:
                repaired_at = now + _repair(chain, random, has_fixed_repairs)
        deaths = _draw(chain, random, now, chain.disks - dead, dead)


def _draw(chain: VdevChain, random: Random, now: float, alive: int, dead: int) -> list[float]:
    rate = chain.death_rate * (chain.neighbours if dead else 1.0)
    return [now + random.expovariate(rate) for _ in range(alive)]


def _repair(chain: VdevChain, random: Random, is_fixed: bool) -> float:
    return 1 / chain.repair_rate if is_fixed else random.expovariate(chain.repair_rate)
