"""The indexes of one table: their keys are kept aside while it is written, then sorted and handed on in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import PACKED_CHARACTERS, byte_lengths, first_bytes, numbers_of, pack_ids, text_parts
from fonoteca.catalogue.bulk.key_files import KeyFile
from fonoteca.catalogue.bulk.page_entries import BLOBS, NUMBERS, TEXTS, pack_entries
from fonoteca.catalogue.bulk.page_packing import PackedRows
from fonoteca.catalogue.bulk.shapes import IndexShape, TableShape
from fonoteca.catalogue.bulk.sorting import SortedPairs, order_texts
from fonoteca.ground.errors import FormatError
from fonoteca.ground.workers import map_in_order, open_threads

Array = NDArray[Any]
HASH_BYTES = 32
_CHUNK = 1 << 17
Twins = Callable[[Array], None]
"""Hears packed ids that several rows share, to see whether the whole ids are the same."""


class Entries(msgspec.Struct, frozen=True):
    """The next entries of an index. numbers: their keys, where it is over whole numbers; distinct: keys that were not there before."""

    rows: PackedRows | pa.RecordBatch
    numbers: Array | None
    distinct: int

    def __len__(self) -> int:
        return len(self.rows)


class TableIndexes:
    """All indexes of one table. `take` its rows as they are written, in order, then write each of `indexes` from `entries`."""

    def __init__(self, shape: TableShape, scratch: Path, threads: int) -> None:
        self.indexes, self._shape, self._threads = shape.indexes, shape, threads
        self._rows = 0
        narrow = {column.name for column in shape.columns if column.refers_to}
        self._keys = [KeyFile(scratch / f"{index.name}.keys", "i4" if index.column in narrow else "i8") for index in shape.indexes]
        self._texts: list[list[pa.Array]] = [[] for _ in shape.indexes]
        self._places = [KeyFile(scratch / f"{index.name}.places", "i4") for index in shape.indexes]
        leads = shape.key if shape.indexes and not shape.is_counted else ()
        self._leads = {name: KeyFile(scratch / f"{shape.name}.{name}", "i4") for name in leads}
        self._read_leads: list[Array] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `take` looks at."""
        return tuple({index.column: None for index in self.indexes} | dict.fromkeys(self._leads))

    def take(self, batch: pa.RecordBatch) -> None:
        """The next rows of the table as it is stored."""
        if not self.indexes:
            return
        for index, keys, texts, places in zip(self.indexes, self._keys, self._texts, self._places, strict=True):
            column = batch.column(index.column)
            if index.is_partial and column.null_count:
                there = np.asarray(column.is_valid())
                places.append(np.flatnonzero(there) + self._rows)
                column = column.drop_null()
            elif index.is_partial:
                places.append(np.arange(self._rows, self._rows + len(column)))
            if len(column):
                self._take_keys(index, column, keys, texts)
        for name, lead in self._leads.items():
            lead.append(numbers_of(batch.column(name))[0])
        self._rows += len(batch)

    def _take_keys(self, index: IndexShape, column: pa.Array, keys: KeyFile, texts: list[pa.Array]) -> None:
        if index.column == "id":
            keys.append(pack_ids(column)[0])
        elif index.prefix:
            if (byte_lengths(column) != HASH_BYTES).any():
                raise FormatError(f"{self._shape.name}.{index.column} has a hash that is not {HASH_BYTES} bytes", "Make the tables again.")
            keys.append(first_bytes(column, index.prefix))
        elif pa.types.is_integer(column.type):
            keys.append(numbers_of(column)[0])
        else:
            texts.append(column)

    def entries(self, place: int, twins: Twins) -> Iterator[Entries]:
        """The entries of index number `place` in order: its key, then what leads to the row. Its keys are gone after that."""
        index = self.indexes[place]
        keys, places = self._keys[place].read(), self._places[place].read() if index.is_partial else None
        texts, self._texts[place] = self._texts[place], []
        if self._read_leads is None:
            self._read_leads = [lead.read() for lead in self._leads.values()]
        leads = self._read_leads
        if places is not None and len(places) < self._rows:
            leads = [lead[places] for lead in leads] if leads else [places + np.int32(1)]
        if texts:
            yield from self._text_entries(texts, leads)
        elif len(keys):
            yield from self._key_entries(index, keys, leads, twins)

    def _key_entries(self, index: IndexShape, keys: Array, leads: list[Array], twins: Twins) -> Iterator[Entries]:
        is_id, prefix = index.column == "id", index.prefix or 0
        kind, ignore = (TEXTS if is_id else BLOBS if prefix else NUMBERS), 6 * (PACKED_CHARACTERS - prefix) if is_id else 0
        pairs = SortedPairs(keys, ignore=ignore, threads=self._threads)

        def pack(begin: int) -> tuple[PackedRows, Array, Array]:
            numbers, rows = pairs.chunk(begin, begin + _CHUNK)
            return pack_entries(numbers, rows, leads, kind, prefix), numbers, rows

        last_key, last_row = np.empty(0, np.int64), np.empty(0, np.int64)
        with open_threads(self._threads) as pool:
            begins = range(0, len(pairs), _CHUNK)
            for _, done in map_in_order(lambda begin: pool.submit(pack, begin), begins, self._threads + 1):
                packed, numbers, rows = done.result()
                is_new = np.diff(np.concatenate([last_key, numbers])) != 0
                if is_id and not is_new.all():
                    _tell_twins(keys, np.concatenate([last_row, rows]), is_new, twins)
                distinct = len(rows) if prefix else int(np.count_nonzero(is_new)) + (0 if len(last_key) else 1)
                last_key, last_row = numbers[-1:], rows[-1:]
                yield Entries(packed, numbers if kind == NUMBERS else None, distinct)

    def _text_entries(self, texts: list[pa.Array], leads: list[Array]) -> Iterator[Entries]:
        whole = pa.concat_arrays([text.cast(pa.large_string()) for text in texts])
        order = order_texts(*text_parts(whole))
        for begin in range(0, len(order), _CHUNK):
            rows = order[begin : begin + _CHUNK]
            columns = [whole.take(pa.array(rows)), *([pa.array(lead[rows]) for lead in leads] or [pa.array(rows + 1)])]
            yield Entries(pa.RecordBatch.from_arrays(columns, [str(number) for number in range(len(columns))]), None, len(rows))


def _tell_twins(keys: Array, rows: Array, is_new: Array, twins: Twins) -> None:
    """Of ids that begin alike, those that are the same as far as they are packed."""
    near = np.flatnonzero(~is_new)
    found, counts = np.unique(keys[np.unique(np.concatenate([rows[near], rows[near + 1]]))], return_counts=True)
    if (counts > 1).any():
        twins(found[counts > 1])


def unique_entries(shape: TableShape, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The entries of a table's UNIQUE index for some of its rows, which are in its order already."""
    columns = [batch.column(name) for name in (*shape.unique_columns, shape.key[0])]
    return pa.RecordBatch.from_arrays(columns, [str(number) for number in range(len(columns))])
