"""The rows of all words with one beginning, read from the leaves of an FTS5 table: in one piece, where FTS5 merges list by list.

For tables of one segment with detail=none, content='' and no prefix index, as the tiers of an edition are. The words of a segment lie in
order of their bytes, so those with one beginning are neighbours. Format: the comment atop SQLite's ext/fts5/fts5_index.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fonoteca.catalogue.statements import Statements

_MAIN = b"0"
"""What every word of the main index begins with."""
_HEADER = 4
_SEGMENT_BITS = 37
_LARGEST_LEAF = (1 << 31) - 1
_DENSE = 200
_SIEVE_BITS = 16

Numbers = NDArray[np.uint32]
"""Row numbers, which are below 2^32."""
_Places = NDArray[np.int64]


class Leaves(NamedTuple):
    """The leaves of one FTS5 table on which words with a beginning stand: the numbers of the first and the last in %_data."""

    table: str
    start: bytes
    first: int
    last: int

    @property
    def number(self) -> int:
        """How many there are."""
        return self.last - self.first + 1


def find_leaves(statements: Statements, table: str, start: str) -> Leaves | None:
    """Where the words of `table` that begin with `start` stand; None where the table has another number of segments than one."""
    segment, other = statements.row(f"SELECT (SELECT min(segid) FROM {table}_idx), (SELECT max(segid) FROM {table}_idx)") or (None, None)
    if segment is None or segment != other:
        return None
    begun = _MAIN + start.encode("utf-8", "replace")
    near = f"SELECT pgno >> 1 FROM {table}_idx WHERE segid = ?1 AND term"
    first = statements.value(f"{near} <= ?2 ORDER BY term DESC LIMIT 1", (segment, begun)) or 1
    last = statements.value(f"{near} > ?2 ORDER BY term LIMIT 1", (segment, begun + b"\xff")) or _LARGEST_LEAF
    leaf = segment << _SEGMENT_BITS
    if last == _LARGEST_LEAF:
        last = (statements.value(f"SELECT max(id) FROM {table}_data WHERE id <= ?", (leaf + last,)) or 0) - leaf
    return Leaves(table, begun, leaf + first, leaf + last)


def read_rows(statements: Statements, leaves: Leaves) -> Numbers:
    """The row numbers of the words that these leaves were found for, word by word: in no order, some more than once."""
    listed = f"SELECT block FROM {leaves.table}_data WHERE id BETWEEN ? AND ? ORDER BY id"
    blocks = [block for (block,) in statements.rows(listed, (leaves.first, leaves.last))]
    return _Decoded(blocks).rows(leaves.start)


def in_order(rows: Numbers) -> Numbers:
    """The same numbers in order, each once: marked on a table where there are many of them for its size, else sorted."""
    if not len(rows):
        return rows
    least, size = int(rows.min()), int(np.ptp(rows)) + 1
    if len(rows) > size // _DENSE:
        marks = np.zeros(size, bool)
        marks[rows - np.uint32(least)] = True
        return np.flatnonzero(marks).astype(np.uint32) + np.uint32(least)
    ordered: Numbers = np.sort(rows)
    is_new: NDArray[np.bool_] = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return ordered[is_new]


def those_among(rows: Numbers, known: Numbers) -> Numbers:
    """Those of `rows`, which are in order, that are among the known numbers, which are in none: without putting all those in order."""
    sieve = np.zeros(1 << _SIEVE_BITS, bool)
    mask = len(sieve) - 1
    sieve[rows & mask] = True
    near = np.sort(known[sieve[known & mask]])
    return those_among_ordered(rows, near)


def those_among_ordered(rows: Numbers, known: Numbers) -> Numbers:
    """Those of `rows` that are among the known numbers, both in order."""
    places = np.searchsorted(known, rows)
    is_known = places < len(known)
    is_known[is_known] = known[places[is_known]] == rows[is_known]
    return rows[is_known]


class _Decoded:
    """Leaves that follow one another, taken apart: where their words begin, and their bytes one after the other."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks
        sizes = [int.from_bytes(block[2:4]) for block in blocks]
        self.bytes = np.frombuffer(b"".join(block[_HEADER:size] for block, size in zip(blocks, sizes, strict=True)), np.uint8)
        self.leaf_ends = np.cumsum(np.array(sizes, np.int64) - _HEADER)
        self.leaf_starts = np.concatenate([np.zeros(1, np.int64), self.leaf_ends[:-1]])
        footers = [block[size:] for block, size in zip(blocks, sizes, strict=True)]
        distances, ends = _numbers(np.frombuffer(b"".join(footers), np.uint8))
        per_leaf = np.diff(np.searchsorted(ends, np.cumsum([len(footer) for footer in footers])), prepend=0)
        leaf_of = np.repeat(np.arange(len(blocks)), per_leaf)
        self.firsts = np.flatnonzero(np.diff(leaf_of, prepend=-1))
        within = _sums(distances, self.firsts).astype(np.int64)
        self.words = within - _HEADER + self.leaf_starts[leaf_of]

    def rows(self, start: bytes) -> Numbers:
        """The row numbers that stand behind the words with this beginning, word by word."""
        first, last = self._bounds(start)
        if first == last:
            return np.empty(0, np.uint32)
        begin = int(self.words[first])
        end = int(self.words[last]) if last < len(self.words) else len(self.bytes)
        words, is_first = self.words[first:last], np.zeros(len(self.words), bool)
        is_first[self.firsts] = True
        lists = self._behind_names(words, is_first[first:last])
        ends = np.concatenate([words[1:], [end]])
        named = np.concatenate([[0], np.cumsum(lists - words)])
        content = self.bytes[begin:end][_is_between(lists - begin, ends - begin, end - begin)]
        # a leaf and a list begin with a whole row number, all others are distances; a leaf without a word begins amid a list
        leaf_starts = self.leaf_starts[(self.leaf_starts > begin) & (self.leaf_starts < end)]
        in_leaves = leaf_starts - begin - named[np.searchsorted(words, leaf_starts)]
        numbers, number_ends = _numbers(content)
        places = np.searchsorted(number_ends, np.sort(np.concatenate([lists - begin - named[1:], in_leaves])))
        places = places[places < len(numbers)]
        return _sums(numbers, places[np.flatnonzero(np.diff(places, prepend=-1))])

    def _behind_names(self, words: _Places, is_first: NDArray[np.bool_]) -> _Places:
        """Where the lists of words begin: behind how much is kept of the word before (but for the first of a leaf) and what is new."""
        at = words.copy()
        _, width = self._short(at)
        at += np.where(is_first, 0, width)
        length, width = self._short(at)
        return at + width + length

    def _short(self, at: _Places) -> tuple[_Places, _Places]:
        """The numbers of one or two bytes that stand there, with their widths."""
        padded = self.bytes
        first = padded[at].astype(np.int64)
        second = padded[np.minimum(at + 1, len(padded) - 1)].astype(np.int64)
        return np.where(first < 128, first, (first & 127) << 7 | second), np.where(first < 128, 1, 2)

    def _bounds(self, start: bytes) -> tuple[int, int]:
        """The first word with the beginning and the first behind it: looked for on the first and the last leaf."""
        first = next((place for place, word in self._names_of(0) if word >= start), None)
        if first is None:
            first = int(self.firsts[1]) if len(self.firsts) > 1 else len(self.words)
        last = len(self.words)
        for leaf in reversed(range(len(self.blocks))):
            behind = [word > start + b"\xff" for _, word in self._names_of(leaf)]
            last -= sum(behind)
            if not all(behind):
                break
        return first, max(first, last)

    def _names_of(self, leaf: int) -> Iterator[tuple[int, bytes]]:
        """(place, word) of the words on one leaf."""
        low, high = np.searchsorted(self.words, [self.leaf_starts[leaf], self.leaf_ends[leaf]]).tolist()
        word, block = b"", self.blocks[leaf]
        for place, offset in enumerate((self.words[low:high] - self.leaf_starts[leaf] + _HEADER).tolist(), low):
            kept, at = (0, offset) if place == low else _read_short(block, offset)
            length, at = _read_short(block, at)
            word = word[:kept] + block[at : at + length]
            yield place, word


def _read_short(block: bytes, at: int) -> tuple[int, int]:
    first = block[at]
    return (first, at + 1) if first < 128 else ((first & 127) << 7 | block[at + 1], at + 2)


def _numbers(content: NDArray[np.uint8]) -> tuple[Numbers, _Places]:
    """SQLite's numbers of variable length, below 2^32, one after the other: their values, and where each ends."""
    ends = np.flatnonzero(content < 128)
    values = content[ends].astype(np.uint32)
    longer, shift = np.flatnonzero(np.diff(ends, prepend=-1) > 1), 1
    while len(longer):
        byte = content[ends[longer] - shift]
        is_part = byte > 127
        longer = longer[is_part]
        values[longer] |= (byte[is_part] & np.uint32(127)) << np.uint32(7 * shift)
        shift += 1
        longer = longer[ends[longer] >= shift]
    return values, ends


def _sums(distances: Numbers, firsts: _Places) -> Numbers:
    """Running sums that begin anew at the places `firsts`, the first of which is 0."""
    sums = np.cumsum(distances, dtype=np.uint32)  # what is over 2^32 is taken away again
    sums -= np.repeat(sums[firsts] - distances[firsts], np.diff(firsts, append=len(sums)))
    return sums


def _is_between(starts: _Places, ends: _Places, size: int) -> NDArray[np.bool_]:
    """Which of `size` places lie in one of the ranges, which are in order and do not overlap."""
    lengths = np.empty(2 * len(starts) + 1, np.int64)
    lengths[1::2], lengths[0], lengths[2:-1:2], lengths[-1] = ends - starts, starts[0], starts[1:] - ends[:-1], size - ends[-1]
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
