"""Layouts that hold an archive, side by side, and the one to take: the cheapest that holds it and that nothing speaks against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

import msgspec

from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import format_bytes
from fonoteca.pools.capacity import reckon
from fonoteca.pools.filling import fill
from fonoteca.pools.judging import Judgement, Wanted, judge
from fonoteca.pools.layout import MOST_CHILDREN, MOST_DISKS, Layout, VdevShape

RAIDZ_WIDTHS = (6, 8, 9, 10, 11, 12)
DRAID_DATA = 8
DISKS_FOR_A_SPARE = 20
"""dRAID is offered with one distributed spare for so many disks."""

_SHOWN_OF_A_KIND = 3


class Choice(msgspec.Struct, frozen=True):
    """All layouts judged, best first; `taken` is the one to take, or None where nothing will do."""

    judged: tuple[Judgement, ...]
    taken: Judgement | None
    why: str


def choose_layout(given: Sequence[tuple[Layout, int]], disk_sizes: Sequence[int], wanted: Wanted, spares: int = 0) -> Choice:
    """Judge the layouts that were given, and beside them the smallest of every usual kind that holds the files; take one of them."""
    pairs = dict.fromkeys([*given, *(pair for size in disk_sizes for pair in _offers(size, wanted, spares))])
    if not pairs:
        raise UsageError(
            f"no layout of up to {MOST_DISKS:,} disks holds {format_bytes(wanted.files.bytes)}", "Larger disks, or several pools, would."
        )
    judged = sorted((judge(layout, size, wanted) for layout, size in pairs), key=rank)
    sound = [one for one in judged if one.is_sound]
    return Choice(tuple(judged), sound[0] if sound else None, _why(sound, judged))


def rank(judgement: Judgement) -> tuple[bool, float, int, int, float, str]:
    """What is sound first, then by money (without a price last), else by bytes of disks bought, then fewer disks, then less risk."""
    money = judgement.money if judgement.money is not None else inf
    return (not judgement.is_sound, money, judgement.raw_bytes, judgement.disks, judgement.risk.pool_loss, judgement.layout)


def select_shown(choice: Choice, given: Sequence[tuple[str, int]]) -> list[Judgement]:
    """What a table has room for: what was given, the three best of every sound kind, and the best of each other."""
    shown, seen = [], dict[tuple[str, int], int]()
    for one in choice.judged:
        key = (one.kind, one.disk_bytes)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= (_SHOWN_OF_A_KIND if one.is_sound else 1) or (one.layout, one.disk_bytes) in given:
            shown.append(one)
    return shown


def _offers(disk_bytes: int, wanted: Wanted, spares: int) -> Iterator[tuple[Layout, int]]:
    for shape in _usual_shapes():
        if layout := _smallest(shape, disk_bytes, wanted, spares):
            yield layout, disk_bytes
    for parity in (2, 3):
        if layout := _smallest_draid(parity, disk_bytes, wanted):
            yield layout, disk_bytes


def _usual_shapes() -> Iterator[VdevShape]:
    for parity in (1, 2, 3):
        yield from (VdevShape("raidz", parity, width) for width in RAIDZ_WIDTHS)
    yield from (VdevShape("mirror", 0, width) for width in (2, 3))


def _smallest(shape: VdevShape, disk_bytes: int, wanted: Wanted, spares: int) -> Layout | None:
    """So many vdevs of one shape as hold the files; None beyond what is planned for."""
    needed = _needed_share(Layout((shape,)), disk_bytes, wanted)
    count = max(1, int(needed) - 1)
    while count * shape.width + spares <= MOST_DISKS:
        layout = Layout((shape,) * count, spares)
        if _needed_share(layout, disk_bytes, wanted) <= 1:
            return layout
        count += 1
    return None


def _smallest_draid(parity: int, disk_bytes: int, wanted: Wanted) -> Layout | None:
    """The narrowest single dRAID that holds the files, found by halving."""
    low, high = DRAID_DATA + parity + 1, MOST_CHILDREN
    if _needed_share(_draid(parity, high), disk_bytes, wanted) > 1:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _needed_share(_draid(parity, middle), disk_bytes, wanted) <= 1 else (middle + 1, high)
    return _draid(parity, low)


def _draid(parity: int, width: int) -> Layout:
    return Layout((VdevShape("draid", parity, width, DRAID_DATA, -(-width // DISKS_FOR_A_SPARE)),))


def _needed_share(layout: Layout, disk_bytes: int, wanted: Wanted) -> float:
    """What the files take in the end, as a share of what may be filled."""
    capacity = reckon(layout, disk_bytes, wanted.ashift, wanted.whole_disks, special_disk_bytes=wanted.special_disk_bytes)
    taken = fill(capacity, wanted.files, wanted.records[0], is_compressed=wanted.is_compressed, small_blocks=wanted.small_blocks)
    if not capacity.shown_bytes:
        raise UsageError(f"disks of {disk_bytes:,} bytes leave no room in {layout.data_disks} disks", "Take larger disks.")
    return taken.shown_bytes * wanted.times / capacity.shown_bytes / (wanted.fill_limit / 100)


def _why(sound: list[Judgement], judged: list[Judgement]) -> str:
    if not sound:
        nearest = min(judged, key=lambda one: len(one.against))
        return f"nothing will do; nearest comes {nearest.layout}: {'; '.join(nearest.against)}"
    best, others = sound[0], sound[1:]
    kept = f"of the {len(sound)} that hold the files, stay under the fill limit and keep the risk under the bound it"
    if not others or (others[0].money, others[0].raw_bytes) != (best.money, best.raw_bytes):
        unpriced = any(one.money is None for one in others)
        least = f"costs least{' of those with a price' if unpriced else ''}"
        return f"{kept} {least if best.money is not None else 'needs the least disk space to be bought'}"
    better = "needs fewer disks" if others[0].disks > best.disks else "is safer"
    as_little = "needs as little disk space as" if best.money is None else "costs as little as"
    return f"{kept} {as_little} {others[0].layout} and {better}"
