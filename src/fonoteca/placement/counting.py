"""What `choose` asks of the census: copies by distinct operators, what is expected, who is drawn, what may be dropped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np

from fonoteca.placement.census import Census, Standing
from fonoteca.placement.facts import DAY, ContainerFacts, Party
from fonoteca.placement.lots import draw_lots, draw_ties, seeds_of, weigh_lots
from fonoteca.placement.ring import Pledge, plan_arcs
from fonoteca.placement.roster import Roster

ROUND_DAYS = 14
"""Lots for what is short are drawn anew so often, since whoever is drawn may be unable."""

NEW_FOR_DAYS = 30
"""So long a mirror that joined is expected to fetch its arc before it is heard of."""

ALMOST = 0.02
"""Pledges for 3.98 copies are pledges for 4: what does not come out even is lost in last gaps anyway."""


class Peer(msgspec.Struct, frozen=True):
    """Another mirror of the roster that is there: it announced lately, or joined lately and is still fetching."""

    key: str
    who: str
    pledge: int
    is_selective: bool = False
    is_new: bool = False


class _Counted(msgspec.Struct, frozen=True):
    """One container: operators other than one's own that proved it, those that may be expected to, and whether the own one has it."""

    proved: int
    expected: frozenset[str]
    is_with_own_operator: bool


_NOBODY = _Counted(0, frozenset(), False)


class Counts:
    """The census as one mirror sees it. Copies with the mirror's own operator are never counted."""

    def __init__(
        self, containers: Sequence[ContainerFacts], budget: int, held_bytes: int, roster: Roster | None, me: Party, census: Census,
        now: int, copies: int,
    ) -> None:  # fmt: skip
        self._census, self._now, self._me, self._roster = census, now, me, roster
        self._budget, self._room = budget, budget - held_bytes
        self._data = tuple((one.infohash, one.bytes) for one in containers if not one.is_metadata and not one.is_obsolete)
        self._metadata_bytes = sum(one.bytes for one in containers if one.is_metadata and not one.is_obsolete)
        self._sizes = {one.infohash: one.bytes for one in containers}
        self._ties: dict[str, int] = (
            dict(zip(self._sizes, draw_ties(me.key, list(self._sizes)).tolist(), strict=True)) if containers else {}
        )
        self.is_on_roster = roster is not None and roster.find(me.key) is not None
        self._counted = {infohash: self._count(infohash) for infohash in self._sizes}
        self.wanted_copies = max(copies, self._copies_that_fit())

    def standing(self, one: ContainerFacts) -> Standing:
        """What is known of it."""
        return self._census.of(one.infohash)

    def proved(self, one: ContainerFacts) -> int:
        """Other operators that proved it."""
        return self._counted[one.infohash].proved

    def expected(self, one: ContainerFacts) -> int:
        """Other operators that proved it or are getting it."""
        return len(self._counted[one.infohash].expected)

    def may_drop(self, one: ContainerFacts) -> bool:
        """Whether another operator proved it."""
        return self.proved(one) > 0

    def keepers_before(self, one: ContainerFacts) -> int:
        """Operators that proved it and whose lot to give it up comes after this mirror's: they keep it even if all decide at once."""
        copies = [copy for copy in self.standing(one).copies if copy.who != self._me.who and copy.is_proved(self._now)]
        if not copies:
            return 0
        lots = draw_lots(seeds_of([self._me.key, *(copy.key for copy in copies)]), one.infohash)
        return len({copy.who for copy, lot in zip(copies, lots[1:], strict=True) if lot < lots[0]})

    def rarity(self, one: ContainerFacts) -> tuple[int, int, int]:
        """Sorts the rarest first: by copies, by order of magnitude of seeders, by hashed tie."""
        return self.expected(one), _magnitude(self.standing(one).seeders or 0), self.tie(one)

    def tie(self, one: ContainerFacts) -> int:
        """What decides between equals, other for each mirror."""
        return self._ties[one.infohash]

    def least_needed(self, one: ContainerFacts) -> tuple[bool, bool, int, int]:
        """Sorts first what is given up first: what is not wanted, data before metadata, the most-copied."""
        return (one.matches or one.is_metadata) and not one.is_obsolete, one.is_metadata, -self.proved(one), self.tie(one)

    def is_with_own_operator(self, one: ContainerFacts) -> bool:
        """Whether another mirror of this one's operator holds it or is getting it, so that a copy here would not count."""
        return self._counted[one.infohash].is_with_own_operator

    def is_short(self, one: ContainerFacts) -> bool:
        """Whether it has too few copies, and one more with this mirror would count."""
        return self.expected(one) < self.wanted_copies and not self.is_with_own_operator(one)

    def has_plenty(self, one: ContainerFacts) -> bool:
        """Whether others proved more copies than are wanted; what they only plan does not count, or all would leave it to all."""
        return self.proved(one) > self.wanted_copies

    def is_drawn(self, one: ContainerFacts) -> bool:
        """Whether this mirror is among those that the lots of this round give the container to: as many as copies are missing.

        Whoever has room for it comes first, and among equals one comes as often as its share of the pledges.
        """
        seeds, pledges, room, owners, is_open = self._candidates
        is_candidate = is_open & ~np.isin(owners, [self._number(who) for who in self._counted[one.infohash].expected])
        is_candidate[0] = True
        scores = weigh_lots(draw_lots(seeds, one.infohash, self._now // (ROUND_DAYS * DAY)), pledges)
        has_room = room >= one.bytes
        comes_before = is_candidate & ((has_room & ~has_room[0]) | ((has_room == has_room[0]) & (scores > scores[0])))
        before = len(set(owners[comes_before].tolist()) - {owners[0]})
        return before < self.wanted_copies - self.expected(one)

    @cached_property
    def arc(self) -> frozenset[str]:
        """Infohashes of this mirror's arc of the ring; empty where it is on no roster."""
        return self._arcs.get(self._me.key, frozenset()) if self.is_on_roster else frozenset()

    @cached_property
    def _arcs(self) -> dict[str, frozenset[str]]:
        mirrors = self._roster.mirrors if self._roster else ()
        pledges = (Pledge(_slot(one.key, one.left), one.party.who, max(0, one.pledge - self._metadata_bytes)) for one in mirrors)
        return plan_arcs(self._data, tuple(pledges))

    @cached_property
    def _peers(self) -> list[Peer]:
        peers = []
        for one in self._roster.present() if self._roster else ():
            told = self._census.announced.get(one.key)
            if one.key == self._me.key or (told is None and one.since < self._now - NEW_FOR_DAYS * DAY):
                continue
            pledge = min(one.pledge, told.pledge) if told else one.pledge
            peers.append(Peer(one.key, one.party.who, pledge, told is not None and told.is_selective, told is None))
        return peers

    @cached_property
    def _expected_by_arc(self) -> dict[str, set[str]]:
        """What new mirrors will fetch that have not announced anything yet."""
        found: dict[str, set[str]] = defaultdict(set)
        for peer in self._peers:
            for infohash in self._arcs.get(peer.key, ()) if peer.is_new else ():
                found[infohash].add(peer.who)
        return found

    def _count(self, infohash: str) -> _Counted:
        standing, by_arc = self._census.of(infohash), self._expected_by_arc.get(infohash)
        if not standing.copies and by_arc is None:
            return _NOBODY
        own, now = self._me.who, self._now
        ours = any(copy.who == own and copy.key != self._me.key and (copy.is_proved(now) or copy.is_on_the_way(now))
                   for copy in standing.copies)  # fmt: skip
        expected = standing.expected_from(now, own)
        expected = expected if by_arc is None else expected | (by_arc - {own})
        return _Counted(len(standing.proved_by(now, own)), expected, ours)

    def _copies_that_fit(self) -> int:
        """How many copies of everything the pledges that are there have room for."""
        whole = sum(size for _, size in self._data)
        if not whole or not self.is_on_roster:
            return 0
        pledges = [*(peer.pledge for peer in self._peers), self._budget]
        return int(sum(min(whole, max(0, pledge - self._metadata_bytes)) for pledge in pledges) / whole + ALMOST)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {who: number for number, who in enumerate(dict.fromkeys((self._me.who, *(peer.who for peer in self._peers))))}

    def _number(self, who: str) -> int:
        return self._numbers.get(who, -1)

    @cached_property
    def _candidates(self):  # type: ignore[no-untyped-def]
        """Seeds, pledges, free bytes, numbers of the operators, and whether it takes everything; this mirror first."""
        peers, taken = self._peers, self._bytes_by_key()
        seeds = seeds_of([self._me.key, *(peer.key for peer in peers)])
        pledges = np.array([self._budget, *(peer.pledge for peer in peers)], np.float64)
        room = np.array([self._room, *(peer.pledge - taken[peer.key] for peer in peers)], np.float64)
        owners = np.array([self._number(who) for who in (self._me.who, *(peer.who for peer in peers))])
        return seeds, pledges, room, owners, np.array([True, *(not peer.is_selective for peer in peers)])

    def _bytes_by_key(self) -> dict[str, int]:
        taken: dict[str, int] = defaultdict(int)
        for infohash, size in self._sizes.items():
            for copy in self._census.of(infohash).copies:
                taken[copy.key] += size
        for peer in self._peers:
            if peer.is_new:
                taken[peer.key] += self._metadata_bytes + sum(self._sizes[infohash] for infohash in self._arcs.get(peer.key, ()))
        return taken


def _slot(key: str, left: int | None) -> str:
    """A mirror that left keeps its arc, under a name that no key has."""
    return key if left is None else f"{key} left {left}"


def _magnitude(seeders: int) -> int:
    """Whole up to three, then by octaves: nobody can tell 40 strangers from 50."""
    return seeders if seeders < 4 else seeders.bit_length() + 1
