"""Which tier a track belongs to, and which tracks of a tail are kept: pure decisions, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from fonoteca.catalogue.popularity import ScoreRange, second_score
from fonoteca.catalogue.records import SelectionRow
from fonoteca.ground.errors import SettingsError
from fonoteca.ground.things import Tier

ChoiceReason = Literal["kept", "below-cut-off", "same-isrc"]


class Choice(msgspec.Struct, frozen=True):
    """What becomes of one track. `reason` says why it is not kept; `score` is given for tracks of a tail."""

    id: str
    tier: str
    reason: ChoiceReason = "kept"
    score: ScoreRange | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the tier keeps a file of this track."""
        return self.reason == "kept"


class TakenIsrcs(Protocol):
    """ISRCs of which a file is held or already chosen; a set will do."""

    def __contains__(self, isrc: object, /) -> bool:
        """Whether a file with this ISRC is there."""

    def add(self, isrc: str, /) -> None:
        """From now on one is there."""


def choose_tier(popularity: float | None, tiers: Sequence[Tier]) -> Tier:
    """The tier with the highest `from_popularity` not above `popularity`; where nothing is known, the one that takes the unknown.

    Unknown is not zero: without such a tier it is the one for the most popular. Below every tier it is the lowest.
    """
    if not tiers:
        raise SettingsError("no tier is set", "Set at least one [[tier]] in archive.toml.")
    descending = sorted(tiers, key=lambda tier: -tier.from_popularity)
    if popularity is None:
        return next((tier for tier in tiers if tier.takes_unknown), descending[0])
    return next((tier for tier in descending if tier.from_popularity <= popularity), descending[-1])


def is_tail(tier: Tier) -> bool:
    """Whether the tier keeps only some of its tracks."""
    return tier.cut_off is not None or tier.one_per_isrc


def score_of(row: SelectionRow, has_other_held: bool = False) -> ScoreRange:
    """The second score of one row."""
    return second_score(row.artist_popularity, row.album_popularity, row.followers, has_other_held)


def choose_in_tail(row: SelectionRow, tier: Tier, taken: TakenIsrcs) -> Choice:
    """Whether one row of a tail is kept; its ISRCs are then taken.

    Rows come in order of second score (`low`, highest first), then id, so the first with an ISRC is the best one. Cut only
    where even the highest possible score lies below the cut-off: unknown is not zero.
    """
    has_other = any(isrc in taken for isrc in row.isrcs)
    score = score_of(row, has_other)
    if tier.one_per_isrc and has_other:
        return Choice(row.id, tier.name, "same-isrc", score)
    if tier.cut_off is not None and score.high < tier.cut_off:
        return Choice(row.id, tier.name, "below-cut-off", score)
    for isrc in row.isrcs:
        taken.add(isrc)
    return Choice(row.id, tier.name, "kept", score)
