"""The rows of an FTS5 table's own tables, made from names without SQLite: some times as fast, and row for row what FTS5 would write.

For tables with content='', detail=none, columnsize=0 and unicode61 remove_diacritics 2, as the tiers of an edition's search are. What
is made is what FTS5 makes of all the rows in one transaction followed by 'optimize', but for the number of the segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import numpy as np
import pyarrow as pa

from fonoteca.catalogue.bulk import fts5_leaves as leaves
from fonoteca.catalogue.bulk import fts5_terms as kept
from fonoteca.catalogue.bulk.fts5_tokens import OTHER, PLAIN, find_other, find_tokens
from fonoteca.catalogue.bulk.page_columns import ColumnsOfBatch
from fonoteca.catalogue.bulk.page_interior import gather
from fonoteca.catalogue.bulk.page_records import put_varint
from fonoteca.catalogue.bulk.page_schema import TEXT_, Column, Tree
from fonoteca.catalogue.search_text import index_words
from fonoteca.ground.errors import DatabaseError

Array = Any
_CACHED_WORDS = 1 << 18
_LARGEST_ROW = 1 << 56
_SEGMENT = 1


@dataclass(frozen=True)
class TierBlocks:
    """What one FTS5 table keeps: batches for %_data (id, block) and %_idx (segid, term, pgno), and its words.

    words: (word, rows) in order of their UTF-8, as fts5vocab 'row' gives them. rows: rows that have words.
    """

    data: Any
    idx: Any
    words: Any
    rows: int


class TierBuilder:
    """Gathers the names of one tier; `add` batches of rows in ascending order, then `finish`.

    words_of: what makes words of names, for rows that are not plain ASCII; None where words are added instead of names.
    are_tokens: what is not ASCII in those words are FTS5's tokens already, folded and apart. leaf_bytes: FTS5's option pgsz.
    """

    def __init__(
        self,
        expected_rows: int = 0,
        words_of: Callable[..., str] | None = index_words,
        *,
        are_tokens: bool = False,
        leaf_bytes: int = leaves.LEAF_BYTES,
    ) -> None:
        terms = max(1 << 12, expected_rows // 8)
        self._words_of = words_of
        self._are_tokens, self._leaf_bytes = are_tokens, leaf_bytes
        self._counters = np.zeros(kept.COUNTERS, np.int64)
        self._slots = np.zeros(1 << (2 * terms - 1).bit_length(), np.int32)
        self._terms = np.empty((terms, kept.TERM_SIZE), np.int64)
        self._texts = np.empty((1 << 16) + terms * 16, np.uint8)
        self._links = np.empty((4 << 20) + expected_rows * 16, np.uint8)
        self._found = np.empty((1 << 16, 4), np.int64)
        self._found_bytes = np.empty(1 << 20, np.uint8)
        self._last_row = 0
        self._connection = apsw.Connection(":memory:")
        self._tokenizer = self._connection.fts5_tokenizer("unicode61", ["remove_diacritics", "2"])
        self._tokens: dict[str, str] = {}

    def add(self, rows: Array, names: Sequence[Any]) -> None:
        """Add rows by number (int64, ascending) with their names: Arrow string arrays, NULL for none, several names on lines of one."""
        rows = np.ascontiguousarray(rows, np.int64)
        if not len(rows):
            return
        if rows[0] <= self._last_row or (rows[1:] <= rows[:-1]).any():
            raise DatabaseError(f"rows to be searched must ascend: {rows[0]} after {self._last_row}")
        if rows[-1] >= _LARGEST_ROW:
            raise DatabaseError(f"row {rows[-1]} is over 2^56, more than the blocks of a tier are made for")
        self._last_row = int(rows[-1])
        names = [column for column in names if column.null_count < len(column)]
        columns = _described(names)
        kinds = np.empty(len(rows), np.uint8)
        kinds[:] = PLAIN
        has_other = not self._are_tokens and find_other(columns.described, len(rows), self._words_of is None, kinds) > 0
        others = _described([self._words_of_others(names, np.flatnonzero(kinds == OTHER)) if has_other else pa.array([""])])
        first = other = 0
        while first < len(rows):
            at = first
            first, other, count = find_tokens(
                columns.described,
                others.described,
                kinds,
                rows,
                first,
                other,
                self._words_of is None,
                self._found,
                self._found_bytes,
                self._counters,
            )
            self._add_tokens(count)
            if first == at:  # one row of more than all the room
                self._found, self._found_bytes = _twice(self._found), _twice(self._found_bytes)

    def _add_tokens(self, count: int) -> None:
        done = 0
        arrays = (self._found, self._found_bytes)
        while done < count:
            done = kept.add_tokens(*arrays, done, count, self._slots, self._terms, self._texts, self._links, self._counters)
            if done < count:
                self._grow(int(self._found[done, 1]))

    def _words_of_others(self, names: Sequence[Any], places: Array) -> Any:
        """The tokens of rows with other than ASCII in them, a space between each."""
        taken = [column.take(pa.array(places)).to_pylist() for column in names]
        words_of = self._words_of or _joined
        return pa.array([self._split(words_of(*filter(None, row))) for row in zip(*taken, strict=True)], pa.large_string())

    def _split(self, words: str) -> str:
        if words.isascii():
            return words
        return " ".join(chunk if chunk.isascii() else self._tokens_of(chunk) for chunk in words.split()) or " "

    def _tokens_of(self, chunk: str) -> str:
        found = self._tokens.get(chunk)
        if found is None:
            spoken = self._tokenizer(chunk.encode("utf-8", "replace"), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False)
            found = " ".join(str(token) for colocated in spoken for token in colocated)
            if len(self._tokens) >= _CACHED_WORDS:
                self._tokens.clear()
            self._tokens[chunk] = found
        return found

    def _grow(self, length: int) -> None:
        """Make room where a token of `length` bytes found none."""
        counters = self._counters
        if counters[kept.TERMS] >= min(len(self._terms), len(self._slots) // 2):
            self._terms = _twice(self._terms)
            self._slots = np.zeros(2 * len(self._slots), np.int32)
            kept.refill(self._slots, self._terms, int(counters[kept.TERMS]))
        if counters[kept.TEXT_USED] + length > len(self._texts):
            self._texts = _twice(self._texts)
        if counters[kept.LINKS_USED] > len(self._links) - kept.MOST_LINK_BYTES:
            self._links = _twice(self._links)

    def finish(self) -> TierBlocks:
        """The rows of the FTS5 table's own tables; the builder is used up."""
        count, rows = int(self._counters[kept.TERMS]), int(self._counters[kept.ROWS_SEEN])
        averages = _varints([rows, int(self._counters[kept.TOKENS])]) if rows else b""
        if not count:
            return TierBlocks(*_empty_tables(averages), words=_words([], []), rows=rows)
        order = self._sorted(count)
        out, index_bytes, ends, index_pages, entries, state = self._segment(count, order)
        data = self._data(averages, out, index_bytes, ends[: state[leaves.LEAVES]], index_pages[: state[leaves.INDEX_PAGES]])
        idx = self._idx(entries[: state[leaves.ENTRIES]])
        return TierBlocks(data, idx, self._all_words(order), rows)

    def _sorted(self, count: int) -> Array:
        keys = kept.sort_keys(self._terms, count, self._texts, 0)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        same = np.flatnonzero(keys[1:] == keys[:-1])
        if len(same):  # tell apart by their whole texts those that begin alike
            starts = same[np.concatenate([[True], np.diff(same) > 1])]
            stops = same[np.concatenate([np.diff(same) > 1, [True]])] + 2
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
                order[start:stop] = sorted(order[start:stop].tolist(), key=self._text)
        return order

    def _text(self, number: int) -> bytes:
        at, length = self._terms[number, kept.TEXT_AT], self._terms[number, kept.LENGTH]
        return bytes(self._texts[at : at + length])

    def _segment(self, count: int, order: Array) -> Any:
        size = self._leaf_bytes
        longest = int(self._terms[:count, kept.LENGTH].max())
        room = int(self._counters[kept.LINKS_USED] + self._counters[kept.TEXT_USED]) + 16 * count
        many = 64 + room // (size // 2) + (int((self._terms[:count, kept.LENGTH] > size // 4).sum()) if longest > size // 4 else 0)
        out = np.empty(room + many * 32 + 2 * (longest + size), np.uint8)
        index_bytes = np.empty(16 * many + 4 * size, np.uint8)
        ends, index_pages, entries = np.empty(many, np.int64), np.empty((many, 3), np.int64), np.empty((many, 3), np.int64)
        state = np.zeros(leaves.STATE_SIZE, np.int64)
        state[leaves.SIZE] = size
        leaves.write_segment(self._terms, order, self._texts, self._links, out, ends, index_pages, index_bytes, entries, state)
        return out, index_bytes, ends, index_pages, entries, state

    def _data(self, averages: bytes, out: Array, index_bytes: Array, ends: Array, index_pages: Array) -> Any:
        count = len(ends)
        structure = b"\0\0\0\0" + _varints([1, 1, count, 0, 1, _SEGMENT, 1, count])
        pages = np.argsort(index_pages[:, 0] << 32 | index_pages[:, 1])
        starts = np.concatenate([[0], index_pages[:-1, 2]]) if len(pages) else np.empty(0, np.int64)
        over = [bytes(index_bytes[starts[page] : index_pages[page, 2]]) for page in pages]
        of_index = (index_pages[pages, 0] << 31) + index_pages[pages, 1] + (1 << 36)
        ids = np.concatenate([[1, 10], (_SEGMENT << 37) + np.arange(1, count + 1), (_SEGMENT << 37) + of_index]).astype(np.int64)
        offsets = np.concatenate([[0], ends])
        whole = pa.LargeBinaryArray.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(out)])
        blocks = pa.concat_arrays([pa.array([averages, structure], pa.large_binary()), whole, pa.array(over, pa.large_binary())])
        return pa.record_batch({"id": ids, "block": blocks})

    def _idx(self, entries: Array) -> Any:
        terms = [b"", *(b"0" + bytes(self._texts[at : at + shared]) for at, shared, _ in entries[1:].tolist())]
        segments = np.full(len(entries), _SEGMENT, np.int8)
        return pa.record_batch({"segid": segments, "term": pa.array(terms, pa.binary()), "pgno": entries[:, 2].copy()})

    def _all_words(self, order: Array) -> Any:
        chosen = self._terms[order]
        lengths = chosen[:, kept.LENGTH]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        texts = np.empty(int(offsets[-1]), np.uint8)
        gather(self._texts, chosen[:, [kept.TEXT_AT, kept.LENGTH]], offsets, texts)
        words = pa.LargeStringArray.from_buffers(len(order), pa.py_buffer(offsets), pa.py_buffer(texts))
        return _words(words, chosen[:, kept.ROWS].copy())


def _joined(*words: str) -> str:
    return "\n".join(words)


def _described(names: Sequence[Any]) -> ColumnsOfBatch:
    tree = Tree("names", 0, tuple(Column(str(place), TEXT_) for place in range(len(names))), True, "")
    return ColumnsOfBatch(tree, list(names))


def _twice(array: Array) -> Array:
    larger = np.empty((2 * len(array), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _varints(values: list[int]) -> bytes:
    out, at = np.zeros(9 * len(values), np.uint8), 0
    for value in values:
        at = put_varint(out, at, value)
    return bytes(out[:at])


def _words(words: Any, rows: Any) -> Any:
    return pa.record_batch({"word": pa.array(words, pa.large_string()), "rows": pa.array(rows, pa.int64())})


def _empty_tables(averages: bytes) -> tuple[Any, Any]:
    data = pa.record_batch({"id": pa.array([1, 10]), "block": pa.array([averages, b"\0" * 7], pa.large_binary())})
    empty = {"segid": pa.array([], pa.int8()), "term": pa.array([], pa.binary()), "pgno": pa.array([], pa.int64())}
    return data, pa.record_batch(empty)


def build_tier_blocks(batches: Iterable[tuple[Array, Sequence[Any]]], expected_rows: int = 0) -> TierBlocks:
    """The blocks of one tier from (row numbers, names) in order; see TierBuilder.add."""
    builder = TierBuilder(expected_rows)
    for rows, names in batches:
        builder.add(rows, names)
    return builder.finish()
