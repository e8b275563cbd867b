"""Orders of 0 … count − 1 that a key of 16 bytes gives: no memory, any place at once, and back; docs/formats/shuffle.md.

Up to 65,536 numbers the order is a Fisher–Yates shuffle: all orders are equally likely. Beyond, it is a Feistel network of eight
rounds over the next power of two, walked until it falls below `count`: one pseudorandom order out of 2^128.
"""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fonoteca.catalogue.random_words import Words, draws_of_shuffle, random_words

Numbers = npt.NDArray[np.int64]

LARGEST_EXACT = 1 << 16
"""Up to so many numbers every order is equally likely."""
ROUNDS = 8
_FEW = 8  # numbers for which numpy takes longer than Python
_PIECE = 4096  # numbers whose parts stay in the nearest cache
_MASK = (1 << 64) - 1
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014


class Permutation(Protocol):
    """An order of 0 … count − 1."""

    count: int

    def block(self, start: int, stop: int) -> Numbers:
        """The numbers at positions `start` … `stop` − 1, with 0 ≤ start ≤ stop ≤ count."""

    def at(self, position: int) -> int:
        """The number at one position."""

    def position_of(self, number: int) -> int:
        """Where a number stands."""


def permutation(count: int, key: bytes) -> Permutation:
    """The order of 0 … count − 1 that `key` gives."""
    return FisherYates(count, key) if count <= LARGEST_EXACT else Feistel(count, key)


class FisherYates:
    """A shuffle from the front: position i is swapped with position i + draw i, which has count − i outcomes. Made as far as it is read."""

    def __init__(self, count: int, key: bytes) -> None:
        self.count = count
        self._order = array("i", np.arange(count, dtype=np.intc).tobytes())
        self._draws = draws_of_shuffle(key, count)
        self._settled = 0

    def block(self, start: int, stop: int) -> Numbers:
        """The numbers at positions `start` … `stop` − 1."""
        self._settle(stop)
        return np.array(self._order[start:stop], dtype=np.int64)

    def at(self, position: int) -> int:
        """The number at one position."""
        self._settle(position + 1)
        return self._order[position]

    def position_of(self, number: int) -> int:
        """Where a number stands; makes the whole order."""
        self._settle(self.count)
        return self._order.index(number)

    def _settle(self, stop: int) -> None:
        order, first = self._order, self._settled
        for place, distance in enumerate(self._draws[first:stop].tolist(), first):
            other = place + distance
            order[place], order[other] = order[other], order[place]
        self._settled = max(self._settled, stop)


class Feistel:
    """A network over the smallest power of two that holds `count` (at least 4), walked until a number below `count` comes.

    The upper half of the digits (the smaller, where their number is odd) and the lower one change each other in turn; every round
    has a 64-bit key, word r of the key's stream.
    """

    def __init__(self, count: int, key: bytes, rounds: int = ROUNDS) -> None:
        self.count = count
        digits = max(2, (count - 1).bit_length())
        self._low_digits = digits - digits // 2
        self._high_mask = (1 << digits // 2) - 1
        self._low_mask = (1 << self._low_digits) - 1
        self._keys: list[int] = random_words(key, 0, rounds).tolist()

    def block(self, start: int, stop: int) -> Numbers:
        """The numbers at positions `start` … `stop` − 1."""
        if stop - start <= _FEW:
            return np.array([self.at(position) for position in range(start, stop)], dtype=np.int64)
        found = np.arange(start, stop, dtype=np.uint64)
        for first in range(0, len(found), _PIECE):
            piece = found[first : first + _PIECE]
            self._enciphered(piece)
            while len(outside := np.flatnonzero(piece >= np.uint64(self.count))):
                again = piece[outside]
                self._enciphered(again)
                piece[outside] = again
        return found.view(np.int64)

    def at(self, position: int) -> int:
        """The number at one position."""
        number = self._walk(position, range(len(self._keys)))
        while number >= self.count:
            number = self._walk(number, range(len(self._keys)))
        return number

    def position_of(self, number: int) -> int:
        """Where a number stands: the same rounds, backwards."""
        backwards = range(len(self._keys) - 1, -1, -1)
        position = self._walk(number, backwards)
        while position >= self.count:
            position = self._walk(position, backwards)
        return position

    def _walk(self, number: int, rounds: range) -> int:
        high, low = number >> self._low_digits, number & self._low_mask
        for place in rounds:
            if place % 2 == 0:
                high ^= _mixed(low + self._keys[place]) & self._high_mask
            else:
                low ^= _mixed(high + self._keys[place]) & self._low_mask
        return high << self._low_digits | low

    def _enciphered(self, numbers: Words) -> None:
        """Put each number through all rounds, in place."""
        digits = np.uint64(self._low_digits)
        high, low = numbers >> digits, numbers & np.uint64(self._low_mask)
        mixed, shifted = np.empty_like(numbers), np.empty_like(numbers)
        for place, key in enumerate(self._keys):
            read, changed, mask = (low, high, self._high_mask) if place % 2 == 0 else (high, low, self._low_mask)
            np.add(read, np.uint64(key), out=mixed)
            _mix_in_place(mixed, shifted)
            np.bitwise_and(mixed, np.uint64(mask), out=mixed)
            np.bitwise_xor(changed, mixed, out=changed)
        np.left_shift(high, digits, out=high)
        np.bitwise_or(high, low, out=numbers)


def _mixed(word: int) -> int:
    """The 64 bits of `word` mixed: every bit of the result depends on every bit given."""
    word &= _MASK
    word = (word ^ word >> 30) * _FIRST & _MASK
    word = (word ^ word >> 27) * _SECOND & _MASK
    return word ^ word >> 31


def _mix_in_place(words: Words, room: Words) -> None:
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        np.right_shift(words, np.uint64(shift), out=room)
        np.bitwise_xor(words, room, out=words)
        np.multiply(words, np.uint64(factor), out=words)
    np.right_shift(words, np.uint64(31), out=room)
    np.bitwise_xor(words, room, out=words)
