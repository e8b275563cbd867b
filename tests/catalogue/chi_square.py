"""Chi-square over many fixed seeds: what an honest shuffle passes for ever and a bad one fails."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from fonoteca.catalogue.random_words import key_of_seed

MOST_DEVIATION = 4.0
"""Standard deviations that an honest chi-square stays within; the seeds are fixed, so it does so for ever."""
KEYS = [key_of_seed(str(number)) for number in range(22_000)]


def deviation(counts: Sequence[float] | np.ndarray, expected: Sequence[float] | np.ndarray) -> float:
    """How far a chi-square lies from its mean, in standard deviations."""
    observed, mean = np.asarray(counts, float).ravel(), np.asarray(expected, float).ravel()
    freedom = len(observed) - 1
    return float((((observed - mean) ** 2 / mean).sum() - freedom) / math.sqrt(2 * freedom))


def deviation_of_orders(shuffle: Callable[[bytes], Sequence[int]], items: int, keys: Sequence[bytes]) -> float:
    """How far the frequencies of all orders are from equal."""
    found = Counter(tuple(shuffle(key)) for key in keys)
    orders = math.factorial(items)
    counts = [*found.values(), *[0] * (orders - len(found))]
    return deviation(counts, [len(keys) / orders] * orders)
