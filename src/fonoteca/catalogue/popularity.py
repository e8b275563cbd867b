"""Popularity from counts of plays, and the second score that orders tracks nobody plays."""

from __future__ import annotations

import math

import msgspec

from fonoteca.ground.errors import UsageError

PLAYS_AT_1 = 1000
PLAYS_AT_100 = 5_000_000_000
COUNTED = "count"  # provenance of a score that was computed from plays, and follows the settings
ISRC_HELD_PENALTY = 10.0
_FOLLOWERS_CEILING = 10**8


def popularity_of_plays(plays: int, plays_at_1: int = PLAYS_AT_1, plays_at_100: int = PLAYS_AT_100) -> float:
    """The score 0–100 of a count of plays: 0 below `plays_at_1`, else 1 + 99·log(plays/plays_at_1)/log(plays_at_100/plays_at_1).

    Absolute: it does not move as the archive grows. Over `plays_at_100` it stays 100. docs/popularity.md says where the defaults come from.
    """
    if not 0 < plays_at_1 < plays_at_100:
        raise UsageError(f"plays_at_1 is {plays_at_1} and plays_at_100 is {plays_at_100}", "Set 0 < plays_at_1 < plays_at_100.")
    if plays < plays_at_1:
        return 0.0
    return min(100.0, 1 + 99 * math.log(plays / plays_at_1) / math.log(plays_at_100 / plays_at_1))


class ScoreRange(msgspec.Struct, frozen=True):
    """The least and the most that a second score can be, given what is known."""

    low: float
    high: float


def second_score(
    artist_popularity: float | None, album_popularity: float | None, followers: int | None, has_other_held: bool = False
) -> ScoreRange:
    """artist/100 + album/100 + log10(min(10^8, followers + 1))/8, minus 10 where another file with the same ISRC is held.

    Unknown is not zero: what is unknown counts 0 in `low` and its maximum, 1, in `high`.
    """
    parts = (
        None if artist_popularity is None else artist_popularity / 100,
        None if album_popularity is None else album_popularity / 100,
        None if followers is None else math.log10(min(_FOLLOWERS_CEILING, max(0, followers) + 1)) / 8,
    )
    less = ISRC_HELD_PENALTY if has_other_held else 0.0
    low = sum(part for part in parts if part is not None)
    return ScoreRange(low - less, low + sum(part is None for part in parts) - less)
