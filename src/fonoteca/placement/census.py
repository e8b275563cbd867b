"""The census: who holds what, as far as it is known. Only copies that a mirror proved, and told lately, count as copies.

A copy counts for its operator: two with one operator count as one. What is on the way counts where it is asked what is still to be
fetched, never where it is asked what may be dropped. Seeders are strangers; they break ties and no more.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fonoteca.placement.facts import DAY

PROOF_LASTS_DAYS = 90
"""A copy that nobody has read for longer is a hope: twice the time within which mirrors prove every byte."""

ARRIVES_WITHIN_DAYS = 60
"""What was begun longer ago and is not complete is not counted on any more,"""

ARRIVES_AT_LAST_DAYS = 365
"""but where so many operators proved it that there is no hurry: a large mirror on a thin line fetches for months."""

NO_HURRY_COPIES = 2


class Copy(msgspec.Struct, frozen=True):
    """What one mirror told of one container: the share of its bytes that it proved, the oldest proof of them, when it chose it."""

    key: str
    who: str
    share: float = 1.0
    proved_at: int = 0
    chosen_at: int = 0

    def is_proved(self, now: int) -> bool:
        """Whether every byte was read and found good not too long ago; a proof from tomorrow is none."""
        return self.share >= 1 and now - PROOF_LASTS_DAYS * DAY <= self.proved_at <= now + DAY

    def is_on_the_way(self, now: int, within_days: int = ARRIVES_WITHIN_DAYS) -> bool:
        """Whether the rest may still be expected."""
        return self.share < 1 and self.chosen_at >= now - within_days * DAY


class Standing(msgspec.Struct, frozen=True):
    """What is known of one container. `seeders` is None where no tracker was asked or answered."""

    copies: tuple[Copy, ...] = ()
    seeders: int | None = None
    leechers: int = 0
    scraped_at: int = 0

    def proved_by(self, now: int, besides: str = "") -> frozenset[str]:
        """The operators that hold a proved copy, but for one."""
        return frozenset(copy.who for copy in self.copies if copy.who != besides and copy.is_proved(now))

    def expected_from(self, now: int, besides: str = "") -> frozenset[str]:
        """The operators that hold a proved copy, or will before long, but for one."""
        proved = self.proved_by(now, besides)
        days = ARRIVES_AT_LAST_DAYS if len(proved) >= NO_HURRY_COPIES else ARRIVES_WITHIN_DAYS
        return proved | {copy.who for copy in self.copies if copy.who != besides and copy.is_on_the_way(now, days)}


class Announced(msgspec.Struct, frozen=True):
    """A mirror whose announcement has not expired. `pledge` in bytes; a selective one takes only what its filters want."""

    key: str
    who: str
    pledge: int
    at: int
    is_selective: bool = False


class Census(msgspec.Struct, frozen=True):
    """Standings by infohash, and the mirrors that are heard of."""

    standings: Mapping[str, Standing] = {}
    announced: Mapping[str, Announced] = {}

    def of(self, infohash: str) -> Standing:
        """What is known of one container; nothing is a standing too."""
        return self.standings.get(infohash) or _NOTHING

    def proved_elsewhere(self, infohash: str, now: int, who: str) -> int:
        """How many operators other than `who` proved it: what `status` shows and `drop` asks for."""
        return len(self.of(infohash).proved_by(now, who))


_NOTHING = Standing()
EMPTY_CENSUS = Census()
