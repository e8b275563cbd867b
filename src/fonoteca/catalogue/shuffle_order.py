"""Rows in shuffled order, block by block, from any state on: each equally likely at every place, or drawn by weight."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np

from fonoteca.catalogue.permutation import Numbers, Permutation, permutation
from fonoteca.catalogue.random_words import derive_key, draw, random_words
from fonoteca.catalogue.shuffle_members import Members

State = tuple[int, ...]
"""Where an order stands: the rows taken; by weight, the rows taken of each class."""


class Order(Protocol):
    """Rows in shuffled order. `take` gives the next ones; fewer only at the end."""

    @property
    def size(self) -> int:
        """How many rows there are in all."""

    def take(self, count: int) -> Numbers:
        """The next `count` rows."""

    def state_after(self, rows: int) -> State:
        """Where the order stood after the first `rows` rows of what `take` gave last."""


class UniformOrder:
    """Every order of the rows is as likely as any other."""

    def __init__(self, members: Members, key: bytes, state: State = ()) -> None:
        self._members = members
        self._permutation = permutation(members.size, derive_key(key, "order"))
        self._position = self._block_start = min(state[0] if state else 0, members.size)

    @property
    def size(self) -> int:
        """How many rows there are in all."""
        return self._members.size

    def take(self, count: int) -> Numbers:
        """The next `count` rows."""
        self._block_start = self._position
        self._position = min(self._position + count, self.size)
        return self._members.select(self._permutation.block(self._block_start, self._position))

    def state_after(self, rows: int) -> State:
        """The number of rows taken."""
        return (self._block_start + rows,)


class WeightedOrder:
    """Rows drawn without replacement, each time with the chance of its class's weight: exact, in memory for the classes alone.

    A class is drawn with the chance of weight × rows left; within it the next row of its own shuffle comes.
    """

    def __init__(self, classes: Sequence[tuple[int, Members]], key: bytes, state: State = ()) -> None:
        self._weights = [weight for weight, _ in classes]
        self._members = [members for _, members in classes]
        self._orders: dict[int, Permutation] = {}  # made when a class is drawn first
        self._class_keys = [derive_key(key, f"class {weight}") for weight in self._weights]
        self._taken = [min(taken, members.size) for taken, members in zip(_padded(state, len(classes)), self._members, strict=True)]
        left = (members.size - taken for members, taken in zip(self._members, self._taken, strict=True))
        self._left = [rows * weight for rows, weight in zip(left, self._weights, strict=True)]
        self._key = derive_key(key, "draws")
        self._block_start, self._drawn = list(self._taken), list[int]()

    @property
    def size(self) -> int:
        """How many rows there are in all."""
        return sum(members.size for members in self._members)

    def take(self, count: int) -> Numbers:
        """The next `count` rows."""
        self._block_start, first = list(self._taken), sum(self._taken)
        self._drawn = self._draw_classes(first, min(count, self.size - first))
        drawn, rows = np.array(self._drawn, dtype=np.int64), np.empty(len(self._drawn), dtype=np.int64)
        for place in np.unique(drawn).tolist():
            if place not in self._orders:
                self._orders[place] = permutation(self._members[place].size, self._class_keys[place])
            numbers = self._orders[place].block(self._block_start[place], self._taken[place])
            rows[drawn == place] = self._members[place].select(numbers)
        return rows

    def _draw_classes(self, first: int, count: int) -> list[int]:
        """Which class each of the next rows comes from; draw number t has as many outcomes as there is weight left."""
        drawn, left = [], self._left
        for number, word in enumerate(random_words(self._key, first, count).tolist(), first):
            reached = list(accumulate(left))
            place = bisect_right(reached, draw(self._key, number, reached[-1], word))
            left[place] -= self._weights[place]
            self._taken[place] += 1
            drawn.append(place)
        return drawn

    def state_after(self, rows: int) -> State:
        """The number of rows taken of each class."""
        taken = list(self._block_start)
        for place in self._drawn[:rows]:
            taken[place] += 1
        return tuple(taken)


def _padded(state: State, length: int) -> list[int]:
    return [*state[:length], *[0] * (length - len(state))]
