"""How good a rate sounds, as one number from 0 to 1, so that rates can be weighed against plays and bytes."""

from __future__ import annotations

import math

from fonoteca.ground.errors import UsageError

DISTANCES = ((27, 4.48), (36, 3.21), (54, 1.91), (71, 1.11), (81, 0.80), (102, 0.47), (118, 0.34), (136, 0.25), (169, 0.17))
"""kbit/s and Zimtohrli distance of stereo Opus from a lossless source; measured November 2026, lower is better."""
LOSSY_FACTOR = 1.27
"""The distance is so many times greater where the source was Ogg Vorbis."""
NOTHING_DISTANCE = 10.0
"""The distance that nothing at all counts as: twice that of 24 kbit/s."""


def distance_at(kbits: float, *, is_lossy: bool = True) -> float:
    """The distance of Opus at a rate: straight between what was measured, both as logarithms, and so straight on at both ends."""
    if kbits <= 0:
        raise UsageError(f"a rate of {kbits:g} kbit/s", "Rates are above 0.")
    place = next((place for place, (rate, _) in enumerate(DISTANCES) if kbits <= rate), len(DISTANCES) - 1)
    (low, far), (high, near) = DISTANCES[max(place, 1) - 1], DISTANCES[max(place, 1)]
    slope = math.log(near / far) / math.log(high / low)
    return min(NOTHING_DISTANCE, far * math.pow(kbits / low, slope) * (LOSSY_FACTOR if is_lossy else 1.0))


def quality_at(kbits: float | None, *, is_lossy: bool = True) -> float:
    """1 for what is kept as it came (None), 0 for nothing (a rate of 0), between them for Opus at a rate."""
    if kbits is None:
        return 1.0
    return 0.0 if kbits == 0 else 1.0 - distance_at(kbits, is_lossy=is_lossy) / NOTHING_DISTANCE
