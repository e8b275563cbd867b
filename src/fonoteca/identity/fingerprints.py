"""Acoustic fingerprints compared: the same sound after encoding, trimming and padding, told from other sound."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

ITEM_S = 4096 / 3 / 11_025  # one Chromaprint item steps a third of a frame of 4,096 samples at 11,025 Hz
SHORTEST_OVERLAP = 40  # items, 5 s: less than that is alike by chance too often
OFFSETS_TRIED = 6
LEAST_BY_CHANCE = 0.1  # share of bits that would differ by chance, below which both are so still that nothing can be told
LEAST_VARIETY = 8  # distinct items below which it is silence or a tone, which says nothing

_BITS = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)

Items = NDArray[np.uint32]
Counts = NDArray[np.int64]


class FingerprintMatch(msgspec.Struct, frozen=True):
    """Two fingerprints laid one on the other where they agree best.

    `bit_error_rate`: share of bits that differ in the overlap; `rate`: the same where half of them would differ by chance, which quiet
    music does not reach; `overlap`: share of the shorter one; `offset_s`: how much later the sound comes in the second.
    """

    bit_error_rate: float
    rate: float
    overlap: float
    offset_s: float


def read_items(fingerprint: bytes) -> Items:
    """The items of a stored fingerprint; bytes beyond the last whole item are ignored."""
    return np.frombuffer(fingerprint, dtype="<u4", count=len(fingerprint) // 4)


def says_something(items: Items) -> bool:
    """Whether it is long and varied enough to be told from others."""
    return len(items) >= SHORTEST_OVERLAP and len(np.unique(items[:2000])) >= LEAST_VARIETY


def compare_fingerprints(first: bytes, second: bytes) -> FingerprintMatch | None:
    """How alike two fingerprints are at the best of the likely offsets; None where one is too short or says nothing.

    Exchanging the two changes the sign of the offset and nothing else.
    """
    if first > second:
        match = compare_fingerprints(second, first)
        return match and msgspec.structs.replace(match, offset_s=-match.offset_s)
    a, b = read_items(first), read_items(second)
    if not (says_something(a) and says_something(b)):
        return None
    counts = _bits_set(a), _bits_set(b)
    matches = [match for offset in _likely_offsets(a, b) if (match := _match_at(a, b, *counts, offset)) and _says_enough(match)]
    return min(matches, key=lambda match: (match.rate - 0.2 * min(match.overlap, 0.5), abs(match.offset_s)), default=None)


def _likely_offsets(a: Items, b: Items) -> list[int]:
    """Zero, and the offsets at which most items agree in their upper 16 bits and those beside them."""
    votes = np.bincount(_differences(a, b) + len(a), minlength=1)
    best = np.argsort(votes, kind="stable")[::-1][:OFFSETS_TRIED]
    centres = {0, *(int(place) - len(a) for place in best if votes[place])}
    return sorted({centre + step for centre in centres for step in (-1, 0, 1)})


def _differences(a: Items, b: Items) -> NDArray[np.int64]:
    """Place in b minus place in a for every pair of items with equal upper halves; the commonest halves say least and are left out."""
    upper_a, upper_b = a >> np.uint32(16), b >> np.uint32(16)
    order = np.argsort(upper_b, kind="stable")
    ordered = upper_b[order]
    begin, end = np.searchsorted(ordered, upper_a, "left"), np.searchsorted(ordered, upper_a, "right")
    counts = np.where(end - begin > 16, 0, end - begin)
    places_a = np.repeat(np.arange(len(a)), counts)
    within = np.arange(len(places_a)) - np.repeat(np.cumsum(counts) - counts, counts)
    places_b = order[np.repeat(begin, counts) + within]
    differences: NDArray[np.int64] = (places_b - places_a).astype(np.int64)
    return differences


def _says_enough(match: FingerprintMatch) -> bool:
    """Short overlaps are somewhat alike by chance, since the best of several offsets is taken."""
    return match.overlap >= 0.25 or match.rate <= 0.15


def _match_at(a: Items, b: Items, set_a: Counts, set_b: Counts, offset: int) -> FingerprintMatch | None:
    begin_a, begin_b = max(0, -offset), max(0, offset)
    length = min(len(a) - begin_a, len(b) - begin_b)
    if length < SHORTEST_OVERLAP:
        return None
    share_a, share_b = ((counts[begin + length] - counts[begin]) / length for counts, begin in ((set_a, begin_a), (set_b, begin_b)))
    by_chance = float((share_a * (1 - share_b) + share_b * (1 - share_a)).mean())
    if by_chance < LEAST_BY_CHANCE:
        return None
    differing = np.bitwise_xor(a[begin_a : begin_a + length], b[begin_b : begin_b + length])
    error_rate = int(_BITS[differing.view(np.uint8)].sum(dtype=np.int64)) / (32 * length)
    return FingerprintMatch(error_rate, error_rate / by_chance / 2, length / min(len(a), len(b)), offset * ITEM_S)


def _bits_set(items: Items) -> Counts:
    """How many of the items before each place have each of the 32 bits set."""
    bits = np.unpackbits(np.ascontiguousarray(items).view(np.uint8)).reshape(-1, 32)
    counts: Counts = np.vstack([np.zeros((1, 32), dtype=np.int64), bits.cumsum(axis=0, dtype=np.int64)])
    return counts


def sample_items(fingerprint: bytes, count: int) -> list[int]:
    """The `count` smallest of the items after mixing their bits: nearly the same sound has some of them in common."""
    items = read_items(fingerprint)
    if not says_something(items):
        return []
    mixed = np.unique(items).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return [int(value) for value in np.sort(mixed)[:count]]
