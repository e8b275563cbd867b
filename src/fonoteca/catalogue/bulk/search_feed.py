"""The names of rows on their way to the search index: joined while tables are written, kept in the scratch folder, read by workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of
from fonoteca.catalogue.bulk.search_words import BETWEEN, words_of
from fonoteca.catalogue.search_build import Kind

Array = NDArray[Any]
FILE_ROWS = 1 << 18
"""Rows in one file: every tier but the last holds whole files."""


class StagedTexts(msgspec.Struct, frozen=True):
    """The words of rows from the files of a TextStore."""

    folder: str

    def __call__(self, kind: Kind, first: int, last: int) -> Iterator[tuple[int, str]]:
        """(row number, words) of rows `first` to `last` in order, rows without words left out."""
        for rows, words in self.batches(kind, first, last):
            yield from ((row, text) for row, text in zip(rows.tolist(), words.to_pylist(), strict=True) if text)

    def batches(self, kind: Kind, first: int, last: int) -> Iterator[tuple[Array, pa.Array]]:
        """The same many rows at a time: their numbers, their words, which may be empty."""
        for number in range((first - 1) // FILE_ROWS, (last - 1) // FILE_ROWS + 1):
            row = number * FILE_ROWS + 1
            with pa.memory_map(str(_text_file(Path(self.folder), kind, number))) as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    begin, end = max(first - row, 0), min(last + 1 - row, len(batch))
                    if begin < end:
                        yield np.arange(row + begin, row + end), words_of(batch.column(0).slice(begin, end - begin))
                    row += len(batch)


def _text_file(folder: Path, kind: Kind, number: int) -> Path:
    return folder / f"{kind}.{number:05}.texts"


class TextStore:
    """Takes the joined texts of one kind's rows in order."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._folder, self._kind, self._rows = folder, kind, 0
        self._writer: Any = None

    def take(self, texts: pa.Array) -> None:
        """The next rows' texts."""
        at = 0
        while at < len(texts):
            if self._writer is None:
                path = _text_file(self._folder, self._kind, self._rows // FILE_ROWS)
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writer = pa.ipc.new_stream(str(path), pa.schema([("texts", pa.string())]), options=options)
            part = texts.slice(at, FILE_ROWS - self._rows % FILE_ROWS)
            self._writer.write_batch(pa.RecordBatch.from_arrays([part.cast(pa.string())], ["texts"]))
            at, self._rows = at + len(part), self._rows + len(part)
            if self._rows % FILE_ROWS == 0:
                self.finish()

    def finish(self) -> None:
        """The file under way is whole."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class NameList:
    """The names of artists, or titles of albums, by their new numbers."""

    def __init__(self) -> None:
        self._parts: list[pa.Array] = []
        self._names: pa.Array | None = None

    def take(self, names: pa.Array) -> None:
        """The next names."""
        self._parts.append(names.cast(pa.large_string()))

    def of(self, numbers: pa.Array) -> pa.Array:
        """The names of these numbers; NULL for NULL."""
        if self._names is None:
            self._names = pa.concat_arrays(self._parts) if self._parts else pa.array([], pa.large_string())
            self._parts = []
        if pa.types.is_null(numbers.type):
            return pa.nulls(len(numbers), pa.large_string())
        return self._names.take(pc.subtract(numbers, pa.scalar(1, numbers.type)))


class FurtherNames:
    """Further names of rows (a list's place after the first): put in in order of rows, asked for in the same order."""

    def __init__(self, path: Path) -> None:
        self._path, self._writer, self._schema = path, None, pa.schema([("row", pa.int32()), ("name", pa.large_string())])  # type: Path, Any, pa.Schema
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._rest: pa.RecordBatch | None = None

    def take(self, rows: pa.Array, names: pa.Array) -> None:
        """The next names and the numbers of their rows."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self._path), self._schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        self._writer.write_batch(pa.RecordBatch.from_arrays([rows.cast(pa.int32()), names.cast(pa.large_string())], schema=self._schema))

    def finish(self) -> None:
        """All were put in."""
        if self._writer is not None:
            self._writer.close()

    def of(self, first: int, count: int) -> pa.Array:
        """The names of rows `first` … of each `count` rows, on lines of their own; empty where there are none."""
        parts = list(self._until(first + count))
        if not parts:
            return pa.repeat(pa.scalar("", pa.large_string()), count)
        rows = np.concatenate([numbers_of(part.column(0))[0] for part in parts])
        names = pa.concat_arrays([part.column(1) for part in parts]).cast(pa.string())
        offsets = np.searchsorted(rows, np.arange(first, first + count + 1))
        return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names), "\n")

    def _until(self, end: int) -> Iterator[pa.RecordBatch]:
        if self._batches is None:
            self._batches = self._read() if self._writer is not None else iter(())
        while True:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            self._rest = None
            if batch is None:
                return
            cut = int(np.searchsorted(numbers_of(batch.column(0))[0], end))
            if cut:
                yield batch.slice(0, cut)
            if cut < len(batch):
                self._rest = batch.slice(cut)
                return

    def _read(self) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self._path), "rb") as file, pa.ipc.open_stream(file) as reader:
            yield from reader
        self._path.unlink()


def join_texts(*texts: pa.Array) -> pa.Array:
    """The texts of each row as TextStore takes them."""
    columns = [pa.repeat(pa.scalar("", pa.large_string()), len(text)) if pa.types.is_null(text.type) else text for text in texts]
    wide = [column.cast(pa.large_string()) for column in columns]
    return pc.binary_join_element_wise(*wide, pa.scalar(chr(BETWEEN), pa.large_string()), null_handling="replace", null_replacement="")
