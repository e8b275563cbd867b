"""What tiers cost: files, bytes, hours of encoding and share of plays, from classes of tracks; pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from fonoteca.catalogue.selection import choose_tier
from fonoteca.ground.things import Tier

PLAYS_EXPONENT = 1.211
"""Plays by rank in the reference workload: plays ~ rank^-1.211 over all tracks."""
ENCODING_SPEED = 100.0
"""libopus: seconds of music per core-second."""
OTHER_RATES: tuple[float, ...] = (48, 64, 96, 128)
OTHER_CUT_OFFS: tuple[float | None, ...] = (None, 0.25, 0.5)


class TrackClass(msgspec.Struct, frozen=True, kw_only=True):
    """Tracks that are planned alike. `bytes` and `duration_ms` are sums over the class, as the files came.

    `popularity` None: unknown. `second_score` is the highest that is possible. `plays` is the sum, None where unknown.
    `repeats_isrc`: a better file with the same ISRC is kept. `has_file` False: known, but there is no file to keep.
    `sound_bytes` is `bytes` without pictures, None: there are none. `may_be_encoded` False: kept whatever the rate is.
    """

    popularity: float | None
    tracks: int
    bytes: int
    duration_ms: int
    second_score: float = math.inf
    plays: int | None = None
    repeats_isrc: bool = False
    has_file: bool = True
    sound_bytes: int | None = None
    may_be_encoded: bool = True


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a plan. `hours` is wall time on the given cores, `core_hours` the work; `share_of_plays` 0–1 over all known tracks."""

    name: str
    files: int
    bytes: int
    encoded_files: int
    core_hours: float
    hours: float
    share_of_plays: float

    @property
    def terabytes(self) -> float:
        """Size in 10^12 bytes."""
        return self.bytes / 1e12


def plays_up_to_rank(rank: int, exponent: float = PLAYS_EXPONENT) -> float:
    """The sum of r^−exponent for r = 1 … rank (Euler–Maclaurin beyond the first thousand; error below 1e-12)."""
    head = min(rank, 1000)
    total = math.fsum(float(r) ** -exponent for r in range(1, head + 1))
    if rank <= head:
        return total
    first, last = float(head), float(rank)
    integral = (first ** (1 - exponent) - last ** (1 - exponent)) / (exponent - 1)
    slope = exponent * (first ** (-exponent - 1) - last ** (-exponent - 1)) / 12
    return float(total + integral + (last**-exponent - first**-exponent) / 2 + slope)


def _rank_key(one: TrackClass) -> tuple[float, float]:
    # unknown popularity ranks behind all that is known to be played and before what is known not to be
    return (0.5 if one.popularity is None else one.popularity or -1.0, one.second_score)


def shares_of_plays(classes: Sequence[TrackClass]) -> list[float]:
    """The share of all plays of each class, in the order given.

    Counts where they are known. Where none are, plays follow rank^−1.211 by popularity, then second score; where only some
    are, the known classes together have what the law gives their ranks, shared among them by their counts.
    """
    known = sum(one.plays for one in classes if one.plays is not None)
    if known and all(one.plays is not None for one in classes):
        return [(one.plays or 0) / known for one in classes]
    shares = _shares_by_rank(classes)
    known_share = math.fsum(share for share, one in zip(shares, classes, strict=True) if one.plays is not None)
    if known:
        shares = [share if one.plays is None else known_share * one.plays / known for share, one in zip(shares, classes, strict=True)]
    return shares


def _shares_by_rank(classes: Sequence[TrackClass]) -> list[float]:
    total = plays_up_to_rank(sum(one.tracks for one in classes)) or 1.0
    shares, rank, before = [0.0] * len(classes), 0, 0.0
    for place in sorted(range(len(classes)), key=lambda place: _rank_key(classes[place]), reverse=True):
        rank += classes[place].tracks
        reached = plays_up_to_rank(rank)
        shares[place], before = (reached - before) / total, reached
    return shares


def is_class_kept(one: TrackClass, tier: Tier) -> bool:
    """Whether the tier keeps the files of this class."""
    if not one.has_file or (tier.one_per_isrc and one.repeats_isrc):
        return False
    return tier.cut_off is None or one.second_score >= tier.cut_off


def is_class_encoded(one: TrackClass, tier: Tier) -> bool:
    """Whether the tier encodes this class: it sets a rate, and the files came above it."""
    sound_bytes = one.bytes if one.sound_bytes is None else one.sound_bytes
    return one.may_be_encoded and is_above_rate(sound_bytes, one.duration_ms, tier.opus_kbits)


def is_above_rate(sound_bytes: int, duration_ms: int, opus_kbits: float | None) -> bool:
    """Whether sound of so many bytes came above a rate in kbit/s; at it or below it is kept. None: there is no rate to be above."""
    return opus_kbits is not None and sound_bytes * 8 > opus_kbits * duration_ms


def plan_tiers(name: str, classes: Sequence[TrackClass], tiers: Sequence[Tier], cores: int = 1) -> PlanRow:
    """What keeping these classes in these tiers takes."""
    files = size = encoded = milliseconds = 0
    covered = []
    for one, share in zip(classes, shares_of_plays(classes), strict=True):
        tier = choose_tier(one.popularity, tiers)
        if not is_class_kept(one, tier):
            continue
        files += one.tracks
        covered.append(share)
        if tier.opus_kbits is not None and is_class_encoded(one, tier):
            size += round(one.duration_ms * tier.opus_kbits / 8)
            encoded += one.tracks
            milliseconds += one.duration_ms
        else:
            size += one.bytes
    core_hours = milliseconds / 3.6e6 / ENCODING_SPEED
    return PlanRow(
        name=name, files=files, bytes=size, encoded_files=encoded, core_hours=core_hours, hours=core_hours / max(1, cores),
        share_of_plays=min(1.0, math.fsum(covered)),
    )  # fmt: skip


def plan_each_tier(classes: Sequence[TrackClass], tiers: Sequence[Tier], cores: int = 1) -> list[PlanRow]:
    """One row for each tier as set, in the order of the settings; their shares add up to that of the whole."""
    rows = []
    for tier in tiers:
        others = [one if choose_tier(one.popularity, tiers) is tier else msgspec.structs.replace(one, has_file=False) for one in classes]
        rows.append(plan_tiers(tier.name, others, tiers, cores))
    return rows


def other_tiers(
    tiers: Sequence[Tier], rates: Sequence[float] = OTHER_RATES, cut_offs: Sequence[float | None] = OTHER_CUT_OFFS
) -> Iterator[tuple[str, tuple[Tier, ...]]]:
    """Alternatives to the tiers as set, each with its name: other rates, other cut-offs, all as it came, the first tiers encoded too."""
    replace = msgspec.structs.replace
    for rate in rates:
        if any(tier.opus_kbits not in (None, rate) for tier in tiers):
            yield f"encoded at {rate:g} kbit/s", tuple(replace(tier, opus_kbits=rate) if tier.opus_kbits else tier for tier in tiers)
    for cut_off in cut_offs:
        if any(tier.cut_off not in (None, cut_off) for tier in tiers):
            name = "no cut-off" if cut_off is None else f"cut-off at {cut_off:g}"
            yield name, tuple(tier if tier.cut_off is None else replace(tier, cut_off=cut_off) for tier in tiers)
    if any(tier.opus_kbits for tier in tiers):
        yield "all as it came", tuple(replace(tier, opus_kbits=None) for tier in tiers)
    for rate in rates:
        if rate >= 96 and any(tier.opus_kbits is None for tier in tiers):
            yield f"kept tiers at {rate:g} kbit/s too", tuple(replace(tier, opus_kbits=tier.opus_kbits or rate) for tier in tiers)
    if len(tiers) > 1:
        yield "without the tail", tuple(replace(tier, cut_off=math.inf) if _is_lowest(tier, tiers) else tier for tier in tiers)


def _is_lowest(tier: Tier, tiers: Sequence[Tier]) -> bool:
    return tier.from_popularity == min(other.from_popularity for other in tiers) and not tier.takes_unknown


def compare_tiers(classes: Sequence[TrackClass], tiers: Sequence[Tier], cores: int = 1) -> list[PlanRow]:
    """The plan as set, first, then its alternatives."""
    return [plan_tiers("as set", classes, tiers, cores)] + [plan_tiers(name, classes, other, cores) for name, other in other_tiers(tiers)]


class ClassCounter:
    """Counts tracks one by one into classes fine enough for every rate and cut-off to be compared; memory is a few thousand classes."""

    def __init__(self, tiers: Sequence[Tier] = ()) -> None:
        own_cut_offs = {tier.cut_off for tier in tiers} | set(OTHER_CUT_OFFS)
        own_rates = {tier.opus_kbits for tier in tiers} | set(OTHER_RATES)
        self._cut_offs = sorted(cut_off for cut_off in own_cut_offs if cut_off is not None)
        self._rates = sorted(rate for rate in own_rates if rate is not None)
        self._sums: dict[tuple[object, ...], list[int]] = {}

    def add(
        self,
        popularity: float | None,
        second_score: float,
        size: int | None,
        duration_ms: int | None,
        plays: int | None,
        repeats_isrc: bool = False,
        sound_bytes: int | None = None,
        may_be_encoded: bool = True,
    ) -> None:
        """Count one track; `size` None where there is no file of it, `sound_bytes` None where its size is all sound."""
        if popularity is not None and popularity >= 1:
            popularity = float(math.floor(popularity))
        sound_bytes = (size or 0) if sound_bytes is None else sound_bytes
        rate = sound_bytes * 8 / max(1, duration_ms or 0)
        key = (
            popularity,
            bisect_right(self._cut_offs, second_score),
            bisect_left(self._rates, rate),
            plays is None,
            repeats_isrc,
            size is not None,
            may_be_encoded,
        )
        sums = self._sums.setdefault(key, [0, 0, 0, 0, 0])
        for place, amount in enumerate((1, size or 0, duration_ms or 0, plays or 0, sound_bytes)):
            sums[place] += amount

    def classes(self) -> list[TrackClass]:
        """The classes counted so far, sorted."""
        found = []
        for (popularity, score, _, unplayed, repeats, has_file, may_be_encoded), sums in self._sums.items():
            assert isinstance(score, int) and (popularity is None or isinstance(popularity, float | int))
            found.append(
                TrackClass(
                    popularity=popularity, tracks=sums[0], bytes=sums[1], duration_ms=sums[2], plays=None if unplayed else sums[3],
                    second_score=self._cut_offs[score - 1] if score else -math.inf, repeats_isrc=bool(repeats), has_file=bool(has_file),
                    sound_bytes=sums[4], may_be_encoded=bool(may_be_encoded),
                )
            )  # fmt: skip
        return sorted(found, key=lambda one: (_rank_key(one), one.bytes, one.tracks, one.has_file), reverse=True)
