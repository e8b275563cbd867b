"""Mirrors that come, choose, fetch, announce and go, week by week, each by the very `choose` that mirrors run; and what is lost after.

Every mirror sees the announcements of the week before, so all decide at once on a list that is a week old.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import comb

import numpy as np
import numpy.typing as npt

from fonoteca.placement.census import Announced, Census, Copy, Standing
from fonoteca.placement.choice import choose
from fonoteca.placement.facts import DAY, ContainerFacts
from fonoteca.placement.roster import Roster, RosterMirror

Holders = npt.NDArray[np.bool_]
"""Containers in rows, mirrors in columns."""

WEEK = 7 * DAY
IDLE_WEEKS = 3
START = 1_800_000_000
TERABYTE = 10**12
ARCHIVE_BYTES = 300 * TERABYTE


def make_containers(whole: int = ARCHIVE_BYTES, number: int = 1_434, seed: int = 0) -> list[ContainerFacts]:
    """An archive of the reference workload's shape: two tiers of containers of 60,000 files, 4.0 and 1.77 MB each, a few that are not full,
    and metadata. Plays follow the rank of the container."""
    draws = np.random.default_rng(seed)
    kept = round(number * 47 / 86)
    sizes = np.concatenate([draws.normal(4.0, 0.2, kept), draws.normal(1.77, 0.12, number - kept)])
    sizes[draws.choice(number, max(1, number // 300), replace=False)] *= draws.uniform(0.05, 0.9, max(1, number // 300))
    metadata = np.full(2, sizes.sum() / 30_000)  # 233 bytes a record
    scale = whole / (sizes.sum() + metadata.sum())
    plays = np.arange(1, number + 1, dtype=float) ** -1.211
    facts = [ContainerFacts(name=f"data {place}", infohash=_infohash(seed, place), is_metadata=False, bytes=int(size * scale),
                            plays=float(plays[place] / plays.sum())) for place, size in enumerate(sizes)]  # fmt: skip
    return facts + [ContainerFacts(name=f"metadata {place}", infohash=_infohash(seed, number + place), is_metadata=True,
                                   bytes=int(size * scale)) for place, size in enumerate(metadata)]  # fmt: skip


def make_pledges(mirrors: int, times: float, whole: int = ARCHIVE_BYTES, seed: int = 0) -> npt.NDArray[np.int64]:
    """Pledges that together are so many times the archive: lognormal (σ 0.75), so that a few give much and many give little; none gives
    more than the archive."""
    drawn = np.random.default_rng(seed + 1).lognormal(0, 0.75, mirrors)
    for _ in range(20):
        drawn = np.minimum(drawn / drawn.sum() * times, 1.0)
    return np.asarray(drawn * whole, np.int64)


def _infohash(seed: int, place: int) -> str:
    return hashlib.sha1(b"simulated %d %d" % (seed, place), usedforsecurity=False).hexdigest()


@dataclass
class SimulatedMirror:
    """One mirror: its place on the roster, what it has proved, and what is still on the way with the week in which it was chosen."""

    entry: RosterMirror
    number: int
    proved: set[str] = field(default_factory=set)
    coming: dict[str, int] = field(default_factory=dict)
    carried: int = 0
    is_there: bool = True
    announces: bool = False


@dataclass
class Moved:
    """Bytes that were fetched and given up."""

    fetched: int = 0
    dropped: int = 0


class Network:
    """All mirrors of one archive. `fetched_a_week`: bytes that a mirror can fetch in a week."""

    def __init__(self, containers: Sequence[ContainerFacts], *, fetched_a_week: int = 20 * TERABYTE) -> None:
        self.containers = list(containers)
        self.mirrors: list[SimulatedMirror] = []
        self.roster = Roster(serial=1)
        self.now = START
        self.moved = Moved()
        self._fetched_a_week = fetched_a_week
        self._sizes = {one.infohash: one.bytes for one in containers}

    def join(self, pledges: Iterable[int], operators: Callable[[int], str] = str) -> None:
        """New mirrors at the end of the roster."""
        for pledge in pledges:
            number = len(self.mirrors)
            entry = RosterMirror(
                name=f"mirror {number}", key=f"key {number}", operator=operators(number), pledge=int(pledge), since=self.now
            )
            self.mirrors.append(SimulatedMirror(entry, number))
        self._write_roster()

    def leave(self, numbers: Iterable[int], *, is_told: bool) -> None:
        """Mirrors go with all they hold; where it is not told, the roster goes on naming them."""
        for number in numbers:
            mirror = self.mirrors[number]
            mirror.is_there, mirror.announces, mirror.proved, mirror.coming = False, False, set(), {}
            if is_told:
                mirror.entry = RosterMirror(
                    **{name: getattr(mirror.entry, name) for name in mirror.entry.__struct_fields__} | {"left": self.now}
                )
        self._write_roster()

    def add_containers(self, containers: Iterable[ContainerFacts]) -> None:
        """A new release."""
        self.containers += containers
        self._sizes = {one.infohash: one.bytes for one in self.containers}

    def pass_week(self) -> Moved:
        """Every mirror decides on last week's census; then all of them drop, fetch and announce. What was moved in this week."""
        census, moved = self.census(), Moved()
        present = [mirror for mirror in self.mirrors if mirror.is_there]
        choices = [choose(self.containers, mirror.entry.pledge, mirror.proved | mirror.coming.keys(), self.roster, mirror.entry.party,
                          census, self.now) for mirror in present]  # fmt: skip
        for mirror, choice in zip(present, choices, strict=True):
            assert choice.chosen_bytes <= mirror.entry.pledge
            for infohash in choice.drop:
                moved.dropped += self._sizes[infohash]
                mirror.proved.discard(infohash)
                mirror.coming.pop(infohash, None)
            for infohash in choice.fetch:
                mirror.coming[infohash] = self.now
            moved.fetched += self._fetch(mirror)
        self.now += WEEK
        for mirror in present:
            mirror.announces = True
        self.moved.fetched += moved.fetched
        self.moved.dropped += moved.dropped
        return moved

    def settle(self, most_weeks: int = 60) -> int:
        """Weeks until nothing is moved any more, whatever the lots of the next rounds say; at most so many."""
        idle = 0
        for week in range(most_weeks):
            moved = self.pass_week()
            is_idle = not moved.fetched and not moved.dropped and not any(mirror.coming for mirror in self.mirrors)
            idle = idle + 1 if is_idle else 0
            if idle == IDLE_WEEKS:
                return week + 1 - IDLE_WEEKS
        return most_weeks

    def census(self) -> Census:
        """What the mirrors that are there announced."""
        copies: dict[str, list[Copy]] = {one.infohash: [] for one in self.containers}
        announced = {}
        for mirror in self.mirrors:
            if not mirror.announces:
                continue
            key, who = mirror.entry.key, mirror.entry.party.who
            announced[key] = Announced(key, who, mirror.entry.pledge, self.now)
            for infohash in mirror.proved:
                copies[infohash].append(Copy(key, who, 1.0, self.now, self.now))
            for infohash, chosen_at in mirror.coming.items():
                copies[infohash].append(Copy(key, who, 0.0, 0, chosen_at))
        return Census({infohash: Standing(tuple(found)) for infohash, found in copies.items() if found}, announced)

    def holders(self) -> Holders:
        """Which data container is proved by which mirror that is there."""
        present = [mirror for mirror in self.mirrors if mirror.is_there]
        data = [one.infohash for one in self.containers if not one.is_metadata]
        return np.array([[infohash in mirror.proved for mirror in present] for infohash in data], np.bool_).reshape(len(data), len(present))

    def _fetch(self, mirror: SimulatedMirror) -> int:
        """What arrives in a week, in the order in which it was chosen; of a large one a part is carried over."""
        room, arrived = mirror.carried + self._fetched_a_week, 0
        for infohash in list(mirror.coming):
            size = self._sizes[infohash]
            if arrived + size > room:
                break
            arrived += size
            del mirror.coming[infohash]
            mirror.proved.add(infohash)
        mirror.carried = min(room - arrived, self._fetched_a_week) if mirror.coming else 0
        return arrived

    def _write_roster(self) -> None:
        self.roster = Roster(serial=self.roster.serial + 1, mirrors=tuple(mirror.entry for mirror in self.mirrors))


def expected_loss(copies: npt.NDArray[np.int64], mirrors: int, gone: int) -> float:
    """The mean share of containers that are lost when `gone` of the mirrors, drawn by lot, vanish: over all draws, by counting them."""
    found = [comb(gone, int(count)) / comb(mirrors, int(count)) if count <= mirrors else 0.0 for count in copies]
    return float(np.mean(found))


def floor_of_loss(times: int, mirrors: int, gone: int) -> float:
    """The least that can be, where every container has `times` copies: C(m, r) / C(n, r)."""
    return comb(gone, times) / comb(mirrors, times)


def draw_losses(holders: Holders, gone: int, draws: int, seed: int) -> npt.NDArray[np.float64]:
    """The share of containers that are lost in each of so many draws of the mirrors that vanish."""
    lots = np.random.default_rng(seed).random((holders.shape[1], draws))
    stays = (np.argsort(np.argsort(lots, axis=0), axis=0) >= gone).astype(np.float32)
    left = holders.astype(np.float32) @ stays
    return np.asarray((left < 0.5).mean(axis=0), np.float64)
