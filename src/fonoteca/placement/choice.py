"""What a mirror holds: `choose`, the one decision that every mirror makes for itself, the same wherever the same is known.

1. Metadata comes first. 2. What is held stays; where the budget became smaller, the most-copied goes, never a last proved
copy. 3. With a roster: a container with too few copies goes to mirrors drawn by lot, who give up what has more copies for it; then the
mirror's arc of the ring is filled. 4. The rest of the room: rarest first, hashed ties, and what fits into the last gap.
Nothing here fetches or reads; every container gets its reason.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from fonoteca.placement.census import Census
from fonoteca.placement.counting import Counts
from fonoteca.placement.facts import ContainerFacts, Party
from fonoteca.placement.roster import Roster

Decision = Literal["keep", "fetch", "drop", "leave"]

REASONS = {
    "metadata": "metadata comes first",
    "held": "held already",
    "no-other-copy": "kept: nobody else has proved it",
    "own-arc": "in this mirror's arc of the ring",
    "too-few-copies": "too few copies, drawn by lot",
    "rarest": "rarest of what fits",
    "fills-gap": "fits into the last gap",
    "most-copied": "gives room for what has fewer copies",
    "over-budget": "beyond the budget, and proved elsewhere",
    "for-metadata": "gives room for metadata",
    "obsolete": "a newer release does without it",
    "filtered": "the filters do not want it",
    "same-operator": "the operator holds it elsewhere",
    "enough-copies": "others hold enough copies",
    "no-room": "no room",
}


class Line(msgspec.Struct, frozen=True):
    """One container and what becomes of it. `copies`: operators other than this mirror's that proved it; `expected`: or will soon."""

    name: str
    infohash: str
    decision: Decision
    why: str
    bytes: int
    copies: int
    expected: int
    seeders: int | None
    plays: float
    is_metadata: bool


class Choice(msgspec.Struct, frozen=True):
    """Infohashes to keep, to fetch (in the order of fetching) and to drop; a line for every container. `why` gives codes of REASONS."""

    keep: tuple[str, ...]
    fetch: tuple[str, ...]
    drop: tuple[str, ...]
    why: dict[str, str]
    lines: tuple[Line, ...]
    budget_bytes: int
    chosen_bytes: int
    wanted_copies: int


def choose(
    containers: Sequence[ContainerFacts], budget: int, held: Collection[str], roster: Roster | None, me: Party, census: Census, now: int,
    *, copies: int = 3,
) -> Choice:  # fmt: skip
    """Decide. `held`: infohashes that are held or being fetched; `budget` in bytes; `copies`: below so many a container has too few.

    What is kept and fetched stays within the budget, unless what nobody else has proved is more than that already.
    """
    containers = list({one.infohash: one for one in containers}.values())
    held_bytes = sum(one.bytes for one in containers if one.infohash in held)
    counts = Counts(containers, budget, held_bytes, roster, me, census, now, copies)
    chooser = _Chooser(containers, budget, frozenset(held), counts)
    chooser.shrink_to_budget()
    chooser.take_metadata()
    if counts.is_on_roster:
        chooser.fill_arc()
        chooser.mend_what_is_short()
    chooser.fill_room()
    return chooser.choice()


class _Chooser:
    """The room that is left, and what was decided so far."""

    def __init__(self, containers: Sequence[ContainerFacts], budget: int, held: frozenset[str], counts: Counts) -> None:
        self._containers, self._budget, self._counts = containers, budget, counts
        self._held = [one for one in containers if one.infohash in held]
        self._keep = {one.infohash: "metadata" if one.is_metadata else "held" for one in self._held}
        self._fetch: dict[str, str] = {}
        self._drop: dict[str, str] = {}
        self._room = budget - sum(one.bytes for one in self._held)

    def shrink_to_budget(self) -> None:
        """Let go of what is beyond the budget: first what is not wanted any more, then the most-copied; metadata last of all."""
        for one in self._held:
            if one.is_obsolete and self._counts.keepers_before(one):
                self._let_go(one, "obsolete")
        kept = [one for one in self._held if one.infohash in self._keep and self._counts.may_drop(one)]
        for one in sorted(kept, key=lambda one: (not self._counts.keepers_before(one), self._counts.least_needed(one))):
            if self._room < 0:
                self._let_go(one, "over-budget")

    def take_metadata(self) -> None:
        """Metadata of everything, whatever the filters want; it displaces data."""
        wanted = [one for one in self._containers if one.is_metadata and not one.is_obsolete and one.infohash not in self._keep]
        for one in sorted(wanted, key=self._counts.rarity):
            self._make_room(one.bytes)
            self._take(one, "metadata")

    def mend_what_is_short(self) -> None:
        """Containers with too few copies, for which this mirror is drawn; the most-copied make room where that leaves them more copies."""
        counts = self._counts
        short = [one for one in self._wanted() if counts.is_short(one)]
        drawn = [one for one in short if counts.is_drawn(one)]
        for one in sorted(drawn, key=counts.rarity):
            if one.bytes > self._room:
                self._exchange_for(one)
            self._take(one, "too-few-copies")

    def fill_arc(self) -> None:
        """The mirror's arc of the ring, rarest first."""
        counts = self._counts
        arc = [one for one in self._wanted() if one.infohash in counts.arc and not counts.has_plenty(one)]
        for one in sorted(arc, key=counts.rarity):
            self._take(one, "own-arc")

    def fill_room(self) -> None:
        """Whatever else fits: rarest first; what the roster gives to others only where it fills the last gap."""
        counts = self._counts
        wanted = [one for one in self._wanted() if not counts.is_with_own_operator(one)]
        for one in sorted(wanted, key=counts.rarity):
            self._take(one, "fills-gap" if counts.is_on_roster else "rarest")

    def choice(self) -> Choice:
        """All decisions; what is fetched in the order metadata, rarest, most played for its size."""
        by_hash = {one.infohash: one for one in self._containers}
        fetch = sorted(self._fetch, key=lambda infohash: self._fetch_order(by_hash[infohash]))
        lines = tuple(self._line(one) for one in self._containers)
        why = {line.infohash: line.why for line in lines}
        chosen = sum(by_hash[infohash].bytes for infohash in (*self._keep, *self._fetch))
        return Choice(tuple(self._keep), tuple(fetch), tuple(self._drop), why, lines, self._budget, chosen, self._counts.wanted_copies)

    def _wanted(self) -> list[ContainerFacts]:
        """Data that is neither held nor decided upon, and that the filters want."""
        taken = self._keep.keys() | self._fetch.keys() | self._drop.keys()
        return [one for one in self._containers if is_wanted(one) and not one.is_metadata and one.infohash not in taken]

    def _take(self, one: ContainerFacts, why: str) -> None:
        if one.bytes <= self._room:
            self._fetch[one.infohash] = why
            self._room -= one.bytes

    def _let_go(self, one: ContainerFacts, why: str) -> None:
        if self._counts.may_drop(one):
            del self._keep[one.infohash]
            self._drop[one.infohash] = why
            self._room += one.bytes

    def _make_room(self, needed: int) -> None:
        """Drop data until `needed` bytes are free; nothing where that cannot be reached. What all others would drop too stays."""
        victims = [one for one in self._held if one.infohash in self._keep and not one.is_metadata and self._counts.keepers_before(one)]
        if self._room + sum(one.bytes for one in victims) < needed:
            return
        for one in sorted(victims, key=self._counts.least_needed):
            if self._room < needed:
                self._let_go(one, "for-metadata")

    def _exchange_for(self, one: ContainerFacts) -> None:
        """Drop the most-copied for `one`, as far as each of them keeps more copies without this mirror than `one` has with it."""
        counts = self._counts
        after = counts.expected(one) + 1
        victims = [other for other in self._held if other.infohash in self._keep and not other.is_metadata]
        victims = sorted((other for other in victims if counts.keepers_before(other) >= after), key=counts.least_needed)
        freed, chosen = self._room, []
        for other in victims:
            if freed >= one.bytes:
                break
            chosen.append(other)
            freed += other.bytes
        if freed < one.bytes:
            return
        for other in chosen:
            self._let_go(other, "most-copied")

    def _fetch_order(self, one: ContainerFacts) -> tuple[object, ...]:
        return (not one.is_metadata, self._counts.expected(one), -one.plays / max(1, one.bytes), self._counts.tie(one))

    def _line(self, one: ContainerFacts) -> Line:
        decision, why = self._decided(one)
        standing = self._counts.standing(one)
        return Line(one.name, one.infohash, decision, why, one.bytes, self._counts.proved(one), self._counts.expected(one),
                    standing.seeders, one.plays, one.is_metadata)  # fmt: skip

    def _decided(self, one: ContainerFacts) -> tuple[Decision, str]:
        for decision, decided in (("keep", self._keep), ("fetch", self._fetch), ("drop", self._drop)):
            if one.infohash in decided:
                why = decided[one.infohash]
                is_last = why == "held" and not self._counts.may_drop(one)
                return decision, "no-other-copy" if is_last else why  # type: ignore[return-value]
        return "leave", self._why_left(one)

    def _why_left(self, one: ContainerFacts) -> str:
        if one.is_obsolete:
            return "obsolete"
        if not one.matches and not one.is_metadata:
            return "filtered"
        if self._counts.is_with_own_operator(one):
            return "same-operator"
        return "enough-copies" if self._counts.has_plenty(one) else "no-room"


def is_wanted(one: ContainerFacts) -> bool:
    """Whether it may be fetched at all."""
    return one.matches and not one.is_obsolete
