"""The indexes of one table: their keys are kept aside while it is written, then sorted and handed on in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import (
    PACKED_CHARACTERS,
    byte_lengths,
    bytes_of_numbers,
    first_bytes,
    numbers_of,
    pack_ids,
    text_parts,
    unpack_ids,
)  # fmt: skip
from fonoteca.catalogue.bulk.key_files import KeyFile
from fonoteca.catalogue.bulk.shapes import IndexShape, TableShape
from fonoteca.catalogue.bulk.sorting import SortedPairs, order_texts
from fonoteca.ground.errors import FormatError

Array = NDArray[Any]
HASH_BYTES = 32
_CHUNK = 1 << 18
Twins = Callable[[Array], None]
"""Hears packed ids that several rows share, to see whether the whole ids are the same."""


class TableIndexes:
    """All indexes of one table. `take` its rows as they are written, in order, then write each of `indexes` from `batches`."""

    def __init__(self, shape: TableShape, scratch: Path, threads: int) -> None:
        self.indexes, self._shape, self._threads = shape.indexes, shape, threads
        self._rows = 0
        self._keys = [KeyFile(scratch / f"{index.name}.keys", "i8") for index in shape.indexes]
        self._texts: list[list[pa.Array]] = [[] for _ in shape.indexes]
        self._places = [KeyFile(scratch / f"{index.name}.places", "i4") for index in shape.indexes]
        leads = shape.key if shape.indexes and not shape.is_counted else ()
        self._leads = {name: KeyFile(scratch / f"{shape.name}.{name}", "i4") for name in leads}
        self._read_leads: list[Array] | None = None

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
            odd = byte_lengths(column) != HASH_BYTES
            if odd.any():
                raise FormatError(f"{self._shape.name}.{index.column} has a hash that is not {HASH_BYTES} bytes", "Make the tables again.")
            keys.append(first_bytes(column, index.prefix))
        elif pa.types.is_integer(column.type):
            keys.append(numbers_of(column)[0])
        else:
            texts.append(column)

    def batches(self, place: int, twins: Twins) -> Iterator[pa.RecordBatch]:
        """The entries of index number `place` in order: its key, then what leads to the row. Its keys are gone after that."""
        index = self.indexes[place]
        keys, places = self._keys[place].read(), self._places[place].read() if index.is_partial else None
        texts, self._texts[place] = self._texts[place], []
        if texts:
            entries = self._text_entries(texts)
        elif index.column == "id":
            entries = self._id_entries(keys, index.prefix or PACKED_CHARACTERS, twins)
        elif len(keys):
            entries = self._number_entries(keys, index.prefix)
        else:
            return
        if self._read_leads is None:
            self._read_leads = [lead.read() for lead in self._leads.values()]
        for column, rows in entries:
            rows = places[rows] if places is not None else rows
            columns = [column, *(pa.array(lead[rows]) for lead in self._read_leads)] if self._read_leads else [column, pa.array(rows + 1)]
            yield pa.RecordBatch.from_arrays(columns, [str(number) for number in range(len(columns))])

    def _number_entries(self, keys: Array, prefix: int | None) -> Iterator[tuple[pa.Array, Array]]:
        for numbers, rows in SortedPairs(keys, threads=self._threads).chunks(_CHUNK):
            yield pa.array(numbers) if prefix is None else bytes_of_numbers(numbers, prefix), rows

    def _id_entries(self, keys: Array, length: int, twins: Twins) -> Iterator[tuple[pa.Array, Array]]:
        last = np.empty(0, np.int64)
        for numbers, rows in SortedPairs(keys, ignore=6 * (PACKED_CHARACTERS - length), threads=self._threads).chunks(_CHUNK):
            around = np.concatenate([last, rows])
            near = np.flatnonzero(np.diff(keys[around] >> 6 * (PACKED_CHARACTERS - length)) == 0)
            if len(near):
                suspects = keys[np.unique(np.concatenate([around[near], around[near + 1]]))]
                found, counts = np.unique(suspects, return_counts=True)
                if (counts > 1).any():
                    twins(found[counts > 1])
            last = rows[-1:]
            yield unpack_ids(numbers, length), rows

    def _text_entries(self, texts: list[pa.Array]) -> Iterator[tuple[pa.Array, Array]]:
        whole = pa.concat_arrays([text.cast(pa.large_string()) for text in texts])
        order = order_texts(*text_parts(whole))
        for begin in range(0, len(order), _CHUNK):
            rows = order[begin : begin + _CHUNK]
            yield whole.take(pa.array(rows)), rows


def unique_entries(shape: TableShape, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The entries of a table's UNIQUE index for some of its rows, which are in its order already."""
    columns = [batch.column(name) for name in (*shape.unique_columns, shape.key[0])]
    return pa.RecordBatch.from_arrays(columns, [str(number) for number in range(len(columns))])
