"""The terms of one FTS5 table and their rows while they are gathered: room that grows, tokens to numbers, numbers to rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fonoteca.catalogue.bulk import fts5_terms as kept
from fonoteca.catalogue.bulk.fts5_memory import in_lines, twice
from fonoteca.catalogue.bulk.fts5_tokens import PLAIN, find_tokens
from fonoteca.catalogue.bulk.page_columns import ColumnsOfBatch
from fonoteca.catalogue.bulk.page_schema import TEXT_, Column, Tree

Array = Any


class Gathering:
    """Terms by number, in the order in which they were met, and for each a chain of rows."""

    def __init__(self, expected_rows: int) -> None:
        count = max(1 << 12, expected_rows // 8)
        self.counters = np.zeros(kept.COUNTERS, np.int64)
        self._slots = np.zeros(1 << (2 * count - 1).bit_length(), np.int32)
        self.terms = in_lines(count, kept.TERM_SIZE)
        self.texts = np.empty((1 << 16) + count * 16, np.uint8)
        self.links = np.empty((4 << 20) + expected_rows * 16, np.uint8)
        self._found = np.empty((1 << 16, 4), np.int64)
        self._found_bytes = np.empty(1 << 20, np.uint8)
        self._numbers, self._used = np.empty(1 << 16, np.int32), 0

    def terms_of(self, words: Any) -> tuple[Array, Array]:
        """The terms of words that are tokens already: all of them, and where those of each place begin, and the end."""
        kinds, uncounted = np.full(len(words), PLAIN, np.uint8), self.counters.copy()
        starts = self._number(np.arange(len(words)), kinds, described([words]), described([pa.array([""])]), True, uncounted)
        return self._numbers[: self._used], starts

    def add_names(self, rows: Array, kinds: Array, columns: Any, others: Any, are_words: bool) -> None:
        """Rows (ascending) of names, as find_tokens takes them."""
        starts = self._number(np.arange(len(rows)), kinds, columns, others, are_words, self.counters)
        self._add_rows(rows, self._numbers, starts, np.arange(1, len(rows) + 1), np.zeros(1, np.int64))

    def add_runs(self, rows: Array, columns: Sequence[tuple[Array, Array, Array]]) -> None:
        """Rows (ascending) of one or more columns: (the places before which runs of rows end, terms, where those of each run begin)."""
        has_terms, runs, used = np.zeros(len(rows), bool), [0], 0
        all_ends, all_terms, all_starts = [], [], []
        for ends, terms, starts in columns:
            has_terms |= np.repeat(np.diff(starts) > 0, np.diff(ends, prepend=0))
            all_ends.append(ends)
            all_terms.append(terms)
            all_starts.append(starts[:-1] + used)
            runs.append(runs[-1] + len(ends))
            used += len(terms)
        self.counters[kept.ROWS_SEEN] += np.count_nonzero(has_terms)
        starts = np.concatenate([*all_starts, [used]])  # where one run's terms end those of the next begin, over the ends of columns, too
        self._add_rows(rows, np.concatenate(all_terms), starts, np.concatenate(all_ends).astype(np.int64), np.array(runs[:-1]))

    def _number(self, places: Array, kinds: Array, columns: Any, others: Any, are_words: bool, seen: Array) -> Array:
        """Put the numbers of the terms at all places into _numbers; where those of each place begin, and the end."""
        starts = np.zeros(len(places) + 1, np.int64)
        self._used = first = other = 0
        found = columns.described, others.described, kinds, places
        while first < len(places):
            at = first
            first, other, count = find_tokens(*found, first, other, are_words, self._found, self._found_bytes, seen)
            self._number_tokens(count, starts)
            if first == at:  # one row of more than all the room
                self._found, self._found_bytes = twice(self._found), twice(self._found_bytes)
        return np.maximum.accumulate(starts)

    def _number_tokens(self, count: int, starts: Array) -> None:
        while self._used + count > len(self._numbers):
            self._numbers = twice(self._numbers)
        done, arrays = 0, (self._found, self._found_bytes)
        while done < count:
            known = self._slots, self.terms, self.texts, self.counters, self._numbers
            before, done = done, kept.number_tokens(*arrays, done, count, *known, self._used, starts)
            self._used += done - before
            if done < count:
                self._make_room_for_terms(int(self._found[done, 1]))

    def _make_room_for_terms(self, length: int) -> None:
        counters = self.counters
        if counters[kept.TERMS] >= min(len(self.terms), len(self._slots) // 2):
            self.terms = twice(self.terms)
            self._slots = np.zeros(2 * len(self._slots), np.int32)
            kept.refill(self._slots, self.terms, int(counters[kept.TERMS]))
        if counters[kept.TEXT_USED] + length > len(self.texts):
            self.texts = twice(self.texts)

    def _add_rows(self, rows: Array, numbers: Array, starts: Array, ends: Array, runs: Array) -> None:
        done = 0
        while done < len(rows):
            done = kept.add_rows(rows, done, numbers, starts, ends, runs, self.terms, self.links, self.counters)
            if done < len(rows):
                self.links = twice(self.links)


def described(names: Sequence[Any]) -> ColumnsOfBatch:
    """Arrow string arrays as compiled functions read them."""
    tree = Tree("names", 0, tuple(Column(str(place), TEXT_) for place in range(len(names))), True, "")
    return ColumnsOfBatch(tree, list(names))
