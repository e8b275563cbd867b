"""Lots that all mirrors draw alike: hashed ties, and who mends what is short, without a word between them.

A seed is the first eight bytes, big-endian, of the SHA-256 of a text. The lot of a mirror for a container in a round is the finaliser
of SplitMix64 over `mirror + 0x9E3779B97F4A7C15 * (container + round) mod 2**64`. The smallest lot comes first. Weighted, it is the
largest of -weight / ln(lot / 2**64): rendezvous hashing, so that a mirror that comes or goes moves no lots but its own.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Seeds = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)


@lru_cache(maxsize=100_000)
def seed_of(text: str) -> int:
    """The seed of a mirror's key, of a container's infohash."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def seeds_of(texts: list[str]) -> Seeds:
    """The seeds of several."""
    return np.array([seed_of(text) for text in texts], np.uint64)


def draw_lots(mirrors: Seeds, container: str, round_number: int = 0) -> Seeds:
    """The lot of each mirror for one container, in one round."""
    return _finalise(mirrors + np.full(1, (seed_of(container) + round_number) % 2**64, np.uint64) * _STEP)


def draw_places(containers: Seeds, laps: npt.NDArray[np.int64]) -> Seeds:
    """Where each container stands on the ring in its lap (from 0), by its seed; the smallest comes first."""
    return _finalise(containers + (laps.astype(np.uint64) + np.uint64(1)) * _STEP)


def draw_ties(mirror: str, containers: list[str]) -> Seeds:
    """The lot of one mirror for each container: what decides between equals, other for each mirror."""
    return _finalise(np.full(1, seed_of(mirror), np.uint64) + seeds_of(containers) * _STEP)


def weigh_lots(lots: Seeds, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A score for each lot, the largest first: each comes first as often as its share of the weights."""
    shares = (lots.astype(np.float64) + 0.5) / 2.0**64
    return np.asarray(weights / -np.log(np.minimum(shares, 1 - 2.0**-53)), np.float64)


def _finalise(numbers: Seeds) -> Seeds:
    mixed = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)
