"""Random words that are the same on every machine and for ever: Philox 4×64-10 under a key of 16 bytes; docs/formats/shuffle.md.

Salmon and others, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011. numpy makes the words in bulk; a test compares them with
the published answers and with the plain code below.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

KEY_BYTES = 16
_MASK = (1 << 64) - 1
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_PREFIX = b"fonoteca shuffle 1\0"


def key_of_seed(seed: str) -> bytes:
    """The key of 16 bytes that a seed, any text, stands for."""
    return derive_key(seed.encode("utf-8", "backslashreplace"), "seed")


def derive_key(key: bytes, purpose: str) -> bytes:
    """Another key out of `key`, one for each purpose."""
    return hashlib.sha256(_PREFIX + purpose.encode() + b"\0" + key).digest()[:KEY_BYTES]


def philox_block(key: bytes, counter: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Four words of 64 bits: ten rounds of Philox over `counter`. The key is two little-endian words."""
    first, second = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    a, b, c, d = counter
    for _ in range(10):
        low, high = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (high >> 64) ^ b ^ first, high & _MASK, (low >> 64) ^ d ^ second, low & _MASK
        first, second = (first + _WEYL[0]) & _MASK, (second + _WEYL[1]) & _MASK
    return a, b, c, d


def random_words(key: bytes, first: int, count: int) -> Words:
    """Words number `first` … of the stream of `key`: word w is part w mod 4 of the block with counter (w div 4, 0, 0, 0)."""
    block, skipped = divmod(first, 4)
    # numpy counts up before it makes a block
    generator = np.random.Philox(key=int.from_bytes(key, "little"), counter=(block - 1) % (1 << 256))
    words: Any = generator.random_raw(skipped + count)
    found: Words = words[skipped:]
    return found


def draw(key: bytes, number: int, bound: int, word: int | None = None) -> int:
    """Draw number `number`: a whole number from 0 to `bound` − 1, all equally likely.

    It is word `number` of the stream modulo `bound`, unless that word lies in the last, incomplete run of `bound` below 2^64; then
    the first word of the block with counter (number, 1, 0, 0) is taken, then (number, 2, 0, 0), … `word`, where it is known already.
    """
    limit = (1 << 64) - (1 << 64) % bound
    if word is None:
        word = philox_block(key, (number // 4, 0, 0, 0))[number % 4]
    attempt = 0
    while word >= limit:
        attempt += 1
        word = philox_block(key, (number, attempt, 0, 0))[0]
    return word % bound


def draws_of_shuffle(key: bytes, count: int) -> npt.NDArray[np.int32]:
    """Draws number 0 … count − 1, draw i from `count` − i numbers: what Fisher and Yates ask for. At most 2^31 of them."""
    words = random_words(key, 0, count)
    bounds = np.arange(count, 0, -1, dtype=np.uint64)
    rest = (np.uint64(0) - bounds) % bounds  # 2^64 modulo each bound
    found: npt.NDArray[np.int32] = (words % bounds).astype(np.int32)
    for place in np.flatnonzero((rest != 0) & (words >= np.uint64(0) - rest)).tolist():
        found[place] = draw(key, place, count - place, int(words[place]))
    return found
