"""The pieces of names as they are spelt there, each with the terms that FTS5 is to find it under, so that a piece is looked at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from fonoteca.catalogue.bulk import fts5_pieces as pieces
from fonoteca.catalogue.bulk.columns import text_parts
from fonoteca.catalogue.bulk.fts5_gathering import Gathering
from fonoteca.catalogue.bulk.fts5_memory import in_lines, twice

Array = Any
_MARK = b"q9zq "
"""Before a piece, so that it is part of a line with letters; the first term of such a line."""


class Dictionary:
    """Pieces for one Gathering, whose terms they stand for. words_of: what FTS5 is given for texts, made of its tokens."""

    def __init__(self, gathering: Gathering, expected_rows: int, words_of: Callable[[Any], Any]) -> None:
        self._gathering, self._words_of = gathering, words_of
        count = max(1 << 12, expected_rows // 16)
        self._slots = np.zeros(1 << (2 * count - 1).bit_length(), np.int32)
        self._known, self._texts = in_lines(count, pieces.KNOWN_SIZE), np.empty(16 * count, np.uint8)
        self._listed, self._learnt, self._listed_count = np.empty(count, np.int32), 0, 0
        self._found = np.empty((1 << 12, pieces.PIECE_SIZE), np.int64)
        self._numbers, self._doubts = np.empty(1 << 20, np.int32), np.empty((1 << 12, 4), np.int64)
        self._counters = np.zeros(pieces.COUNTERS, np.int64)

    def terms_of(self, texts: Any) -> tuple[Array, Array]:
        """The terms of texts (Arrow strings): all of them, and where those of each text begin, and the end."""
        offsets, content = text_parts(texts)
        starts = np.zeros(len(texts) + 1, np.int64)
        self._counters[pieces.NUMBERS] = self._counters[pieces.DOUBTS] = first = 0
        while first < len(texts):
            first, count = pieces.find_pieces(offsets, content, first, self._found)
            self._number(count, content, starts)
        self._learn()
        self._settle(content)
        self._learn()
        return self._terms(np.maximum.accumulate(starts))

    def _number(self, count: int, content: Array, starts: Array) -> None:
        done = 0
        while done < count:
            rest = self._listed, self._numbers, starts, self._doubts
            done = pieces.number_pieces(self._found, done, count, content, *self._arrays(), *rest)
            if done < count:
                self._make_room(int(self._found[done, pieces.SHAPE]) >> 1)

    def _settle(self, content: Array) -> None:
        done, piece = 0, np.empty((1, pieces.PIECE_SIZE), np.int64)
        while done < self._counters[pieces.DOUBTS]:
            done = pieces.settle_doubts(content, done, *self._arrays(), self._numbers, self._doubts, piece)
            if done < self._counters[pieces.DOUBTS]:
                self._make_room(int(self._doubts[done, 3] - self._doubts[done, 2]))

    def _arrays(self) -> tuple[Array, Array, Array, Array]:
        return self._slots, self._known, self._texts, self._counters

    def _make_room(self, length: int) -> None:
        """Where a piece of `length` bytes found none."""
        count, text, numbers, doubts, _ = self._counters.tolist()
        if count + 1 >= min(len(self._known), len(self._slots) // 2):
            self._known, self._slots = twice(self._known), np.zeros(2 * len(self._slots), np.int32)
            pieces.refill(self._slots, self._known, count)
        while text + length >= len(self._texts):
            self._texts = twice(self._texts)
        if 2 * numbers > len(self._numbers):
            self._numbers = twice(self._numbers)
        if doubts + 1 >= len(self._doubts):
            self._doubts = twice(self._doubts)

    def _learn(self) -> None:
        """Find the terms of pieces that are new."""
        first, count = self._learnt, int(self._counters[pieces.PIECES])
        if first == count:
            return
        new = self._known[first:count]
        lengths, is_marked = new[:, pieces.SHAPE] >> 1, new[:, pieces.SHAPE] & 1 == 0
        offsets, content = np.zeros(len(new) + 1, np.int64), np.empty(int(lengths.sum()) + len(_MARK) * len(new), np.uint8)
        pieces.write_texts(self._known, first, count, self._texts, np.frombuffer(_MARK, np.uint8), content, offsets)
        texts = pa.LargeStringArray.from_buffers(len(new), pa.py_buffer(offsets), pa.py_buffer(content))
        terms, starts = self._gathering.terms_of(self._words_of(texts))
        while len(self._listed) < self._listed_count + len(terms):
            self._listed = twice(self._listed)
        self._listed[self._listed_count : self._listed_count + len(terms)] = terms
        places, counts = starts[:-1] + is_marked, np.diff(starts) - is_marked
        new[:, pieces.TERM_COUNT] = counts
        new[:, pieces.TERMS_AT] = self._listed_count + places
        new[counts == 1, pieces.TERMS_AT] = terms[places[counts == 1]]
        self._listed_count, self._learnt = self._listed_count + len(terms), count

    def _terms(self, starts: Array) -> tuple[Array, Array]:
        numbers = self._numbers[: self._counters[pieces.NUMBERS]]
        ends, terms = np.zeros_like(starts), np.empty(len(numbers) + len(numbers) // 8 + 64, np.int32)
        used = pieces.put_terms(numbers, starts, self._known, self._listed, terms, ends)
        if used > len(terms):
            terms = np.empty(used, np.int32)
            pieces.put_terms(numbers, starts, self._known, self._listed, terms, ends)
        return terms[:used], ends
