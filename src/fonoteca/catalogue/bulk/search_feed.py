"""The names of rows on their way to the search index: joined while tables are written, kept in the scratch folder, read by workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of
from fonoteca.catalogue.bulk.fts5_pages import Runs
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
        for row, columns in self.batches(kind, first, last):
            texts = [
                column.texts.take(pa.array(np.repeat(np.arange(len(column.ends)), np.diff(column.ends, prepend=0)))) for column in columns
            ]
            words = words_of(pc.binary_join_element_wise(*texts, pa.scalar(chr(BETWEEN)))).to_pylist()
            yield from ((number, text) for number, text in enumerate(words, row) if text)

    def batches(self, kind: Kind, first: int, last: int) -> Iterator[tuple[int, list[Runs]]]:
        """The same many rows at a time: the number of the first, and their texts, which may be empty."""
        for number in range((first - 1) // FILE_ROWS, (last - 1) // FILE_ROWS + 1):
            row = number * FILE_ROWS + 1
            with pa.memory_map(str(_text_file(Path(self.folder), kind, number))) as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    begin, end = max(first - row, 0), min(last + 1 - row, len(batch))
                    if begin < end:
                        yield row + begin, [_runs_of(column, begin, end) for column in batch.columns]
                    row += len(batch)


def _runs_of(column: pa.Array, begin: int, end: int) -> Runs:
    """The texts of the places from `begin` to `end`."""
    if not pa.types.is_run_end_encoded(column.type):
        return Runs(np.arange(1, end - begin + 1), column.slice(begin, end - begin))
    ends = column.run_ends.to_numpy()
    from_run, to_run = np.searchsorted(ends, begin, "right"), np.searchsorted(ends, end, "left") + 1
    return Runs(np.minimum(ends[from_run:to_run], end) - begin, column.values.slice(from_run, to_run - from_run))


def _text_file(folder: Path, kind: Kind, number: int) -> Path:
    return folder / f"{kind}.{number:05}.texts"


class TextStore:
    """Takes the texts of one kind's rows in order: the first of each row as they are, the others, which neighbours share, once a run."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._folder, self._kind, self._rows = folder, kind, 0
        self._writer: Any = None

    def take(self, texts: Sequence[pa.Array]) -> None:
        """The next rows' texts, as join_texts gives them."""
        at, count = 0, len(texts[0])
        while at < count:
            parts = [text.slice(at, FILE_ROWS - self._rows % FILE_ROWS) for text in texts]
            columns = [parts[0], *(pc.run_end_encode(part) for part in parts[1:])]
            batch = pa.RecordBatch.from_arrays(columns, [str(place) for place in range(len(columns))])
            if self._writer is None:
                path = _text_file(self._folder, self._kind, self._rows // FILE_ROWS)
                self._writer = pa.ipc.new_stream(str(path), batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
            self._writer.write_batch(batch)
            at, self._rows = at + len(batch), self._rows + len(batch)
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


def join_texts(*texts: pa.Array) -> tuple[pa.Array, ...]:
    """The texts of each row as TextStore takes them."""
    return tuple(
        pa.repeat(pa.scalar("", pa.string()), len(text)) if pa.types.is_null(text.type) else text.cast(pa.string()).fill_null("")
        for text in texts
    )
