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
from fonoteca.catalogue.bulk.fts5_dictionary import Dictionary
from fonoteca.catalogue.bulk.fts5_gathering import Gathering, described
from fonoteca.catalogue.bulk.fts5_tokens import OTHER, PLAIN, find_other
from fonoteca.catalogue.bulk.page_interior import gather
from fonoteca.catalogue.bulk.page_records import put_varint
from fonoteca.catalogue.bulk.search_words import words_of as words_of_texts
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


@dataclass(frozen=True)
class Runs:
    """One name (Arrow string) of each of the rows that follow one another: texts[k] up to place ends[k], from where texts[k - 1] ends."""

    ends: Array
    texts: Any


class TierBuilder:
    """Gathers the words of one tier; `add` or `add_runs` batches of rows in ascending order, then `finish`.

    words_of: what makes words of names, for rows that are not plain ASCII; None where words are added instead of names.
    leaf_bytes: FTS5's option pgsz.
    """

    def __init__(
        self, expected_rows: int = 0, words_of: Callable[..., str] | None = index_words, *, leaf_bytes: int = leaves.LEAF_BYTES
    ) -> None:
        self._words_of, self._leaf_bytes = words_of, leaf_bytes
        self._gathering = Gathering(expected_rows)
        self._dictionary = Dictionary(self._gathering, expected_rows, words_of_texts)
        self._last_row = 0
        self._connection = apsw.Connection(":memory:")
        self._tokenizer = self._connection.fts5_tokenizer("unicode61", ["remove_diacritics", "2"])
        self._tokens: dict[str, str] = {}

    def add(self, rows: Array, names: Sequence[Any]) -> None:
        """Add rows by number (int64, ascending) with their names: Arrow string arrays, NULL for none, several names on lines of one."""
        rows = np.ascontiguousarray(rows, np.int64)
        if not len(rows):
            return
        self._refuse_disorder(rows)
        names = [column for column in names if column.null_count < len(column)]
        columns = described(names)
        kinds = np.full(len(rows), PLAIN, np.uint8)
        has_other = find_other(columns.described, len(rows), self._words_of is None, kinds) > 0
        others = self._words_of_others(names, np.flatnonzero(kinds == OTHER)) if has_other else pa.array([""])
        self._gathering.add_names(rows, kinds, columns, described([others]), self._words_of is None)

    def add_runs(self, first: int, columns: Sequence[Runs]) -> None:
        """Add the rows from number `first` on by their names, the same name in neighbouring rows given once."""
        rows = np.arange(first, first + int(columns[0].ends[-1]))
        self._refuse_disorder(rows)
        self._gathering.add_runs(rows, [(column.ends, *self._dictionary.terms_of(column.texts)) for column in columns])

    def _refuse_disorder(self, rows: Array) -> None:
        if rows[0] <= self._last_row or (rows[1:] <= rows[:-1]).any():
            raise DatabaseError(f"rows to be searched must ascend: {rows[0]} after {self._last_row}")
        if rows[-1] >= _LARGEST_ROW:
            raise DatabaseError(f"row {rows[-1]} is over 2^56, more than the blocks of a tier are made for")
        self._last_row = int(rows[-1])

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

    def finish(self) -> TierBlocks:
        """The rows of the FTS5 table's own tables; the builder is used up."""
        counters = self._gathering.counters
        rows = int(counters[kept.ROWS_SEEN])
        averages = _varints([rows, int(counters[kept.TOKENS])]) if rows else b""
        order = self._sorted(int(counters[kept.TERMS]))
        if not len(order):
            return TierBlocks(*_empty_tables(averages), words=_words([], []), rows=rows)
        out, index_bytes, ends, index_pages, entries, state = self._segment(order)
        data = self._data(averages, out, index_bytes, ends[: state[leaves.LEAVES]], index_pages[: state[leaves.INDEX_PAGES]])
        idx = self._idx(entries[: state[leaves.ENTRIES]])
        return TierBlocks(data, idx, self._all_words(order), rows)

    def _sorted(self, count: int) -> Array:
        terms = self._gathering.terms
        keys = kept.sort_keys(terms, count, self._gathering.texts, 0)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        same = np.flatnonzero(keys[1:] == keys[:-1])
        if len(same):  # tell apart by their whole texts those that begin alike
            starts = same[np.concatenate([[True], np.diff(same) > 1])]
            stops = same[np.concatenate([np.diff(same) > 1, [True]])] + 2
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
                order[start:stop] = sorted(order[start:stop].tolist(), key=self._text)
        return order[terms[order, kept.ROWS] > 0]  # a dictionary's own terms may stand nowhere

    def _text(self, number: int) -> bytes:
        term = self._gathering.terms[number]
        return bytes(self._gathering.texts[term[kept.TEXT_AT] : term[kept.TEXT_AT] + term[kept.LENGTH]])

    def _segment(self, order: Array) -> Any:
        gathering, size = self._gathering, self._leaf_bytes
        lengths = gathering.terms[order, kept.LENGTH]
        longest = int(lengths.max())
        room = int(gathering.counters[kept.LINKS_USED] + gathering.counters[kept.TEXT_USED]) + 16 * len(order)
        many = 64 + room // (size // 2) + int((lengths > size // 4).sum())
        out = np.empty(room + many * 32 + 2 * (longest + size), np.uint8)
        index_bytes = np.empty(16 * many + 4 * size, np.uint8)
        ends, index_pages, entries = np.empty(many, np.int64), np.empty((many, 3), np.int64), np.empty((many, 3), np.int64)
        state = np.zeros(leaves.STATE_SIZE, np.int64)
        state[leaves.SIZE] = size
        leaves.write_segment(gathering.terms, order, gathering.texts, gathering.links, out, ends, index_pages, index_bytes, entries, state)
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
        terms = [b"", *(b"0" + bytes(self._gathering.texts[at : at + shared]) for at, shared, _ in entries[1:].tolist())]
        segments = np.full(len(entries), _SEGMENT, np.int8)
        return pa.record_batch({"segid": segments, "term": pa.array(terms, pa.binary()), "pgno": entries[:, 2].copy()})

    def _all_words(self, order: Array) -> Any:
        chosen = self._gathering.terms[order]
        lengths = chosen[:, kept.LENGTH]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        texts = np.empty(int(offsets[-1]), np.uint8)
        gather(self._gathering.texts, chosen[:, [kept.TEXT_AT, kept.LENGTH]], offsets, texts)
        words = pa.LargeStringArray.from_buffers(len(order), pa.py_buffer(offsets), pa.py_buffer(texts))
        return _words(words, chosen[:, kept.ROWS].copy())


def _joined(*words: str) -> str:
    return "\n".join(words)


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
