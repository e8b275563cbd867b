"""The best use of so many bytes: which tracks are kept as they came, which as Opus at which rate, and which not at all; pure.

Every class of tracks has choices with bytes and value. Those on the upper convex hull of value over bytes are bought step by
step, the most value for a byte first. Tracks are bought whole, so the budget is never passed; more budget never gives less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from fonoteca.catalogue.planner import ENCODING_SPEED
from fonoteca.catalogue.quality import quality_at
from fonoteca.ground.errors import UsageError

RATES: tuple[float, ...] = (24, 32, 40, 48, 56, 64, 75, 80, 96, 112, 128)
"""Rates of Opus that are offered, kbit/s."""
LOWEST_RATE = RATES[0]
_LEAST_VALUE = 1e-9


class BudgetClass(msgspec.Struct, frozen=True, kw_only=True):
    """Tracks that are treated alike. `bytes` and `duration_ms` are sums, as the files came; `share_of_plays` is that of all of them.

    `popularity` None: unknown. `rare_share`: the part of the tracks that nobody else holds. `is_held` False: they are still
    to be found, and `bytes` is what they would take.
    """

    popularity: int | None
    tracks: int
    duration_ms: int
    bytes: int
    share_of_plays: float
    is_lossy: bool = True
    may_be_encoded: bool = True
    rare_share: float = 1.0
    is_held: bool = True


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of tracks of one class. `opus_kbits` 0: not kept; None: kept as they came. `quality` 0 to 1, of one of them."""

    popularity: int | None
    is_held: bool
    tracks: int
    duration_ms: int
    opus_kbits: float | None
    bytes: int
    share_of_plays: float
    quality: float


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """What more bytes buy: tracks of one popularity from one choice to a better one; `gain` is quality per play."""

    popularity: int | None
    tracks: int
    from_kbits: float | None
    to_kbits: float | None
    bytes: int
    gain: float


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How a budget is used. `quality` is quality per play over all plays, 0 to 1, with nothing for what is not kept."""

    budget_bytes: int
    bytes: int
    tracks: int
    kept_tracks: int
    encoded_tracks: int
    core_hours: float
    share_of_plays: float
    quality: float
    rows: list[BudgetRow]
    upgrades: list[Upgrade]


class _Choice(msgspec.Struct, frozen=True):
    opus_kbits: float | None
    bytes: int
    value: float
    quality: float


class _Step(msgspec.Struct, frozen=True):
    """From one choice on the hull to the next, for all tracks of a class."""

    place: int
    level: int
    slope: float


def plan_budget(
    classes: Sequence[BudgetClass], budget_bytes: int, *, floor_kbits: float = LOWEST_RATE, rarity: float = 0.0, more_bytes: int = 0
) -> Budget:
    """The plan for a budget. `floor_kbits`: nothing is encoded below it. `rarity` from 0 (only plays count) to 1 (only what
    nobody else holds counts). `upgrades` tells what `more_bytes` on top would buy. UsageError where a number is out of its range.
    """
    if budget_bytes < 0 or not 0 <= rarity <= 1 or not LOWEST_RATE <= floor_kbits <= RATES[-1]:
        raise UsageError(
            f"a budget of {budget_bytes} bytes, a floor of {floor_kbits:g} kbit/s and a rarity of {rarity:g} cannot be",
            f"The budget is at least 0, the floor from {LOWEST_RATE:g} to {RATES[-1]:g}, the rarity from 0 to 1.",
        )
    hulls = [_hull(list(_choices(one, floor_kbits, value))) for one, value in zip(classes, _values(classes, rarity), strict=True)]
    steps = sorted(_steps(hulls), key=lambda step: (-step.slope, step.place, step.level))
    bought = _buy(classes, hulls, steps, budget_bytes)
    plan = _sum_up(classes, list(_rows(classes, hulls, bought)), budget_bytes)
    if not more_bytes:
        return plan
    more = _buy(classes, hulls, steps, budget_bytes + more_bytes)
    return msgspec.structs.replace(plan, upgrades=_upgrades(classes, hulls, bought, more))


def _values(classes: Sequence[BudgetClass], rarity: float) -> list[float]:
    """What each class is worth at full quality. Where nothing else is asked for, every track is worth a little: room is used."""
    rare = math.fsum(one.tracks * one.rare_share for one in classes) or 1.0
    tracks = sum(one.tracks for one in classes) or 1
    return [
        (1 - rarity) * one.share_of_plays + rarity * one.tracks * one.rare_share / rare + _LEAST_VALUE * one.tracks / tracks
        for one in classes
    ]


def _choices(one: BudgetClass, floor_kbits: float, value: float) -> Iterator[_Choice]:
    """Nothing, Opus below the rate that the files came at, and the files as they came."""
    yield _Choice(0, 0, 0.0, 0.0)
    if one.may_be_encoded:
        for rate in sorted({*RATES, floor_kbits}):
            size = round(one.duration_ms * rate / 8)
            if rate >= floor_kbits and size < one.bytes:
                quality = quality_at(rate, is_lossy=one.is_lossy)
                yield _Choice(rate, size, value * quality, quality)
    yield _Choice(None, one.bytes, value, 1.0)


def _hull(choices: Iterable[_Choice]) -> list[_Choice]:
    """The upper convex hull of value over bytes, from nothing upwards."""
    hull: list[_Choice] = []
    for choice in sorted(choices, key=lambda choice: (choice.bytes, -choice.value, -choice.quality)):
        if hull and (choice.value <= hull[-1].value or choice.bytes == hull[-1].bytes):
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], choice):
            hull.pop()
        hull.append(choice)
    return hull


def _slope(low: _Choice, high: _Choice) -> float:
    return (high.value - low.value) / (high.bytes - low.bytes)


def _steps(hulls: Sequence[list[_Choice]]) -> Iterator[_Step]:
    for place, hull in enumerate(hulls):
        for level, (low, high) in enumerate(pairwise(hull)):
            yield _Step(place, level, _slope(low, high))


def _buy(classes: Sequence[BudgetClass], hulls: Sequence[list[_Choice]], steps: Sequence[_Step], budget: int) -> list[list[int]]:
    """For each class how many tracks stand at each choice of its hull."""
    counts = [[one.tracks, *[0] * (len(hull) - 1)] for one, hull in zip(classes, hulls, strict=True)]
    left = budget
    for step in steps:
        count, hull, tracks = counts[step.place], hulls[step.place], classes[step.place].tracks
        if count[step.level] != tracks:
            continue  # an earlier step of this class was cut short: it has no cheaper ones
        cost = hull[step.level + 1].bytes - hull[step.level].bytes
        number = tracks if cost <= left else left * tracks // cost
        count[step.level], count[step.level + 1] = tracks - number, number
        left -= cost if number == tracks else -(-cost * number // tracks)
    return counts


def _rows(classes: Sequence[BudgetClass], hulls: Sequence[list[_Choice]], bought: Sequence[list[int]]) -> Iterator[BudgetRow]:
    for one, hull, counts in zip(classes, hulls, bought, strict=True):
        for choice, number in zip(hull, counts, strict=True):
            if number:
                yield BudgetRow(
                    popularity=one.popularity, is_held=one.is_held, tracks=number, duration_ms=one.duration_ms * number // one.tracks,
                    opus_kbits=choice.opus_kbits, bytes=choice.bytes * number // one.tracks, quality=choice.quality,
                    share_of_plays=one.share_of_plays * number / one.tracks,
                )  # fmt: skip


def _sum_up(classes: Sequence[BudgetClass], rows: list[BudgetRow], budget: int) -> Budget:
    kept, encoded = [row for row in rows if row.opus_kbits != 0], [row for row in rows if row.opus_kbits]
    return Budget(
        budget_bytes=budget, bytes=sum(row.bytes for row in kept), tracks=sum(one.tracks for one in classes),
        kept_tracks=sum(row.tracks for row in kept), encoded_tracks=sum(row.tracks for row in encoded),
        core_hours=sum(row.duration_ms for row in encoded) / 3.6e6 / ENCODING_SPEED,
        share_of_plays=min(1.0, math.fsum(row.share_of_plays for row in kept)),
        quality=min(1.0, math.fsum(row.share_of_plays * row.quality for row in kept)), rows=rows, upgrades=[],
    )  # fmt: skip


def _upgrades(
    classes: Sequence[BudgetClass], hulls: Sequence[list[_Choice]], before: Sequence[list[int]], after: Sequence[list[int]]
) -> list[Upgrade]:
    """Where the tracks of each class move, the greatest gain first."""
    found = []
    for one, hull, old, new in zip(classes, hulls, before, after, strict=True):
        for (low, high), number in _moves(hull, old, new).items():
            share = one.share_of_plays * number / one.tracks
            found.append(
                Upgrade(popularity=one.popularity, tracks=number, from_kbits=hull[low].opus_kbits, to_kbits=hull[high].opus_kbits,
                        bytes=(hull[high].bytes - hull[low].bytes) * number // one.tracks,
                        gain=share * (hull[high].quality - hull[low].quality))
            )  # fmt: skip
    return sorted(found, key=lambda upgrade: (-upgrade.gain, -upgrade.bytes))


def _moves(hull: list[_Choice], old: list[int], new: list[int]) -> dict[tuple[int, int], int]:
    """Tracks by (level before, level after), the lowest moving lowest."""
    moves: dict[tuple[int, int], int] = {}
    old, new, low, high = [*old], [*new], 0, 0
    while low < len(hull) and high < len(hull):
        number = min(old[low], new[high])
        if number and high > low:
            moves[low, high] = number
        old[low] -= number
        new[high] -= number
        low, high = low + (not old[low]), high + (not new[high])
    return moves
