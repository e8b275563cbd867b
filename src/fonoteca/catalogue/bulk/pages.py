"""Whole SQLite b-trees written page by page from sorted Arrow batches; described in docs/formats/edition-pages.md.

SQLite itself makes the schema and its empty tables; `PageFile` then appends the pages and last of all sets the roots. It is five and more
times as fast as any way through SQLite's own insert path, and the file is an ordinary SQLite database.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from fonoteca.catalogue.bulk.page_packing import PackedRows
from fonoteca.catalogue.bulk.page_schema import Tree, read_trees
from fonoteca.catalogue.bulk.page_tree import TreeWriter
from fonoteca.ground.errors import DatabaseError, translate_os_errors

WRITER = "pages"
WRITER_VERSION = 1
"""Goes up whenever the same rows would give other bytes."""

_MAGIC = b"SQLite format 3\x00"
LOCK_BYTE = 1 << 30
"""The page that holds this byte is never used; builds of SQLite for tests can move it."""

Batches = Iterable[Any]
"""RecordBatches in order; of any sizes, which change nothing in the file."""


class PageFile:
    """An SQLite file with empty tables and indexes, filled one b-tree after another.

    Nothing else may have the file open. Until `close` its tables stay empty: roots and page count are set last. The same rows
    give the same bytes whatever the batches and `threads` (1: all in the caller's thread; 2: written in another). CHECK and
    foreign keys are not checked.
    """

    def __init__(
        self, path: Path, page_size: int | None = None, *, threads: int = 2, is_synced: bool = False, lock_byte: int = LOCK_BYTE
    ) -> None:
        self.path = path
        self.trees = read_trees(path)
        self._descriptor = -1
        with translate_os_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        try:
            self._read_header(page_size)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.lock_page = lock_byte // self.page_size + 1
        self.rows: dict[str, int] = {}
        self._roots: dict[int, Any] = {}
        self._is_synced = is_synced
        self._thread = ThreadPoolExecutor(1, "pages") if threads > 1 else None

    def _read_header(self, page_size: int | None) -> None:
        header = os.pread(self._descriptor, 100, 0)
        if len(header) < 100 or header[:16] != _MAGIC:
            raise DatabaseError(f"{self.path} is no SQLite database with a schema")
        (size,) = struct.unpack_from(">H", header, 16)
        self.page_size = 65536 if size == 1 else size
        pages, schema_format, encoding = (struct.unpack_from(">I", header, at)[0] for at in (28, 44, 56))
        (vacuum,) = struct.unpack_from(">I", header, 52)
        wanted = (
            (page_size in (None, self.page_size), f"pages of {self.page_size} bytes, not {page_size}"),
            (header[20] == 0, f"{header[20]} reserved bytes in each page"),
            (encoding == 1, "another encoding than UTF-8"),
            (vacuum == 0, "auto_vacuum, which needs pages of pointers"),
            (schema_format == 4, f"schema format {schema_format}, not 4"),
            (header[24:28] == header[92:96], "been written by an SQLite that leaves the page count unset"),
            (not any(self._beside(end) for end in ("-wal", "-journal")), "a journal that is not yet written back"),
        )
        for is_right, fact in wanted:
            if not is_right:
                raise DatabaseError(f"{self.path} has {fact}; the page writer cannot fill it")
        self._header = header
        self.next_page = pages + 1
        os.ftruncate(self._descriptor, pages * self.page_size)  # what a broken run has left

    def _beside(self, end: str) -> bool:
        other = self.path.with_name(self.path.name + end)
        return other.exists() and other.stat().st_size > 0

    def write_table(self, name: str, batches: Batches) -> int:
        """Fill a table, WITHOUT ROWID or not, in the order of its key; the number of rows.

        Batches hold the stored columns by name; the INTEGER PRIMARY KEY may be left out, and is then counted from 1.
        """
        tree = self._tree(name)
        if not tree.is_table:
            raise DatabaseError(f"{name} in {self.path} is an index, not a table")
        return self._write(tree, batches)

    def write_without_rowid(self, name: str, batches: Batches) -> int:
        """As `write_table`."""
        return self.write_table(name, batches)

    def write_index(self, name: str, batches: Batches) -> int:
        """Fill an index; the number of rows.

        Batches hold, by place, the indexed columns, then what leads to the row: its number, or the rest of its table's primary
        key. Of a partial index they hold only the rows that its WHERE lets through.
        """
        tree = self._tree(name)
        if tree.is_table:
            raise DatabaseError(f"{name} in {self.path} is a table, not an index")
        return self._write(tree, batches)

    def fill(self, name: str, rows: Iterable[Any]) -> int:
        """Fill a table or an index from batches as above, or from records that are made already (PackedRows); the number of rows."""
        return self._write(self._tree(name), rows)

    def tree_of(self, name: str) -> Tree:
        """What the records of a table are made of."""
        return self.trees[name]

    def _tree(self, name: str) -> Tree:
        if name not in self.trees:
            raise DatabaseError(f"{self.path} has no table or index {name}")
        tree = self.trees[name]
        root = self.read(tree.root)
        if name in self.rows or root[0] not in (10, 13) or root[3] or root[4]:
            raise DatabaseError(f"{name} in {self.path} is not empty")
        return tree

    def _write(self, tree: Tree, batches: Batches) -> int:
        writer = TreeWriter(tree, self, self._thread)
        try:
            for batch in batches:
                if isinstance(batch, PackedRows):
                    writer.add_packed(batch)
                else:
                    writer.add(batch)
            root = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        if root is not None:
            self._roots[tree.root] = root
        self.rows[tree.name] = writer.rows
        return writer.rows

    def write(self, page: int, data: Any) -> None:
        """Write whole pages from page number `page` on."""
        with translate_os_errors(self.path):
            view, at = memoryview(data), (page - 1) * self.page_size
            while view:
                done = os.pwrite(self._descriptor, view, at)
                view, at = view[done:], at + done

    def read(self, page: int) -> Any:
        """The bytes of a page in the file."""
        return np.frombuffer(os.pread(self._descriptor, self.page_size, (page - 1) * self.page_size), np.uint8).copy()

    def close(self) -> None:
        """Set the roots and the page count: from here on it is a database like any other.

        DatabaseError where an index has not as many rows as its table.
        """
        try:
            self._check_indexes()
            for page, root in self._roots.items():
                self.write(page, root)
            counter = struct.pack(">I", (struct.unpack_from(">I", self._header, 24)[0] + 1) & 0xFFFFFFFF)
            head = np.frombuffer(self._header, np.uint8).copy()
            head[24:28] = head[92:96] = np.frombuffer(counter, np.uint8)
            head[28:32] = np.frombuffer(struct.pack(">I", self.next_page - 1), np.uint8)
            if self._is_synced:
                os.fsync(self._descriptor)
            with translate_os_errors(self.path):
                os.pwrite(self._descriptor, head.tobytes(), 0)
                if self._is_synced:
                    os.fsync(self._descriptor)
        finally:
            self.abandon()

    def _check_indexes(self) -> None:
        for tree in self.trees.values():
            rows = self.rows.get(tree.table, 0)
            if tree.is_table or not rows:
                continue
            found = self.rows.get(tree.name, 0)
            if found > rows or (found != rows and not tree.is_partial):
                raise DatabaseError(f"index {tree.name} has {found} rows, its table {rows}", "Fill every index of a table that is filled.")

    def abandon(self) -> None:
        """Let go of the file; without `close` its tables stay empty."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> PageFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()
