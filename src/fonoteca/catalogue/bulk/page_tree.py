"""One b-tree written from batches of rows in its order: leaves as they fill, then the pages above them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from fonoteca.catalogue.bulk import page_layout as layout
from fonoteca.catalogue.bulk.page_columns import ColumnsOfBatch, order_of_arrays, trimmed_from
from fonoteca.catalogue.bulk.page_interior import gather
from fonoteca.catalogue.bulk.page_order import first_disorder
from fonoteca.catalogue.bulk.page_packing import PackedRows, check_length
from fonoteca.catalogue.bulk.page_records import measure
from fonoteca.catalogue.bulk.page_schema import Tree
from fonoteca.catalogue.bulk.page_top import PageSink, finish_tree, split_last_leaf, varints
from fonoteca.ground.errors import DatabaseError

_ROWS = 8_192  # measured and laid out at once
_BLOCK_BYTES = 1 << 20  # stays in the processor's cache until it is written
_SPARE_BYTES = 1 << 18
_UNDER_WAY = 3  # pieces of work that wait for the writing thread

Array = Any


def _fill_columns(columns: ColumnsOfBatch, row: int, kinds: Array, first: int, end: int, *placed: Any) -> None:
    layout.fill(columns.described[: columns.stored], row, first, end, kinds, *placed)


def _fill_packed(rows: PackedRows, first: int, end: int, *placed: Any) -> None:
    layout.fill_packed(rows.addresses, first, end, *placed)


class _Block:
    """Pages in memory, and room behind them for what is no page."""

    def __init__(self, slots: int, spare: int, page_size: int) -> None:
        self.slots = slots
        self.bytes = np.empty(slots * page_size + spare, np.uint8)


class TreeWriter:
    """Fills the tree of one table or index; `add` batches in order, then `finish` gives the bytes of its root page."""

    def __init__(self, tree: Tree, sink: PageSink, thread: ThreadPoolExecutor | None) -> None:
        self.tree = tree
        self.rows = 0
        self._sink = sink
        self._thread = thread
        self._jobs: deque[Future[None]] = deque()
        self._size = sink.page_size
        self._fixed = trimmed_from(tree)
        self._slots = max(64, _BLOCK_BYTES // self._size)
        self._free: list[_Block] = []
        self._block = _Block(self._slots, _SPARE_BYTES, self._size)
        self._state = np.zeros(layout.STATE_SIZE, np.int64)
        self._begin()
        self._children: list[Array] = []
        self._keys: list[Array] = []
        self._lengths: list[Array] = []
        self._begun_before = 0  # page number of the leaf in slot 0, once it is full
        self._last: Any = None  # the last row of the batch before

    def _begin(self) -> None:
        state = self._state
        state[layout.LEAF] = -1
        state[layout.NEXT] = 1
        state[layout.BASE] = self._sink.next_page - 1
        state[layout.LAST_KEY] = -(2**63)
        self._fit(self._block)

    def _fit(self, block: _Block) -> None:
        self._state[layout.SLOTS] = block.slots
        self._state[layout.SPARE] = block.slots * self._size
        self._state[layout.SPARE_END] = len(block.bytes)

    def add(self, batch: Any) -> None:
        """Append the rows of a RecordBatch; DatabaseError where they are out of order or not of the tree's columns."""
        if not batch.num_rows:
            return
        arrays, numbers = order_of_arrays(self.tree, batch)
        columns = ColumnsOfBatch(self.tree, arrays)
        keys = self._row_numbers(numbers, batch.num_rows)
        if self.tree.is_index:
            self._check_order(columns)
        for first in range(0, columns.rows, _ROWS):
            end = min(first + _ROWS, columns.rows)
            self._add_rows(columns, first, end - first, keys[first:end] if len(keys) else keys)
        self.rows += columns.rows

    def _row_numbers(self, given: Any, rows: int) -> Array:
        if self.tree.is_index:
            return np.empty(0, np.int64)
        if given is None:
            start = self.rows + 1
            return np.arange(start, start + rows, dtype=np.int64)
        if given.null_count:
            raise DatabaseError(f"table {self.tree.name}: a row has no number")
        return self._ascending(np.require(given.cast(pa.int64()).to_numpy(zero_copy_only=False), requirements=["C", "W"]))

    def _ascending(self, keys: Array) -> Array:
        last = int(self._state[layout.LAST_KEY])
        wrong = np.flatnonzero(keys[1:] <= keys[:-1])
        if len(wrong) or (self.rows and keys[0] <= last):
            place = int(wrong[0]) + 1 if len(wrong) else 0
            before = int(keys[place - 1]) if place else last
            raise DatabaseError(f"table {self.tree.name}: row {keys[place]} comes after row {before}; row numbers must ascend")
        return keys

    def _check_order(self, columns: ColumnsOfBatch) -> None:
        tree = self.tree
        if self._last is not None:
            seam = [pa.concat_arrays([one, two.slice(0, 1)]) for one, two in zip(self._last, columns.arrays, strict=True)]
            if first_disorder(ColumnsOfBatch(tree, seam).described, tree.keys, tree.unique, 2) >= 0:
                self._refuse(self.rows)
        wrong = first_disorder(columns.described, tree.keys, tree.unique, columns.rows)
        if wrong >= 0:
            self._refuse(self.rows + wrong)
        self._last = [array.slice(columns.rows - 1, 1) for array in columns.arrays]

    def _refuse(self, row: int) -> None:
        what = f"{'table' if self.tree.is_table else 'index'} {self.tree.name}"
        raise DatabaseError(f"{what}: row {row} (counted from 0) does not ascend over the row before it, or repeats a unique key")

    def add_packed(self, rows: PackedRows) -> None:
        """Append rows whose records are made; in a table their numbers must ascend, of an index the caller knows that its keys do."""
        keys = np.empty(0, np.int64)
        if not self.tree.is_index:
            keys = self._ascending(rows.numbers)
        for first in range(0, len(rows), _ROWS):
            part = rows.part(first, first + _ROWS)
            check_length(self.tree, int(part.lengths.max(initial=0)))
            self._place(part.lengths, np.zeros(len(part), np.int64), keys[first : first + _ROWS], partial(_fill_packed, part))
        self.rows += len(rows)

    def _add_rows(self, columns: ColumnsOfBatch, row: int, count: int, keys: Array) -> None:
        kinds = np.empty((columns.stored, count), np.uint8)
        headers, bodies = np.empty(count, np.int64), np.empty(count, np.int64)
        check_length(self.tree, measure(columns.described[: columns.stored], row, self._fixed, kinds, headers, bodies))
        self._place(headers, bodies, keys, partial(_fill_columns, columns, row, kinds))

    def _place(self, headers: Array, bodies: Array, keys: Array, fill: Callable[..., None]) -> None:
        """Give every row its place, and let `fill` write those of one block after another."""
        count, state, done = len(headers), self._state, 0
        cells, places, pointers = (np.empty(count, np.int64) for _ in range(3))
        while done < count:
            most = min(count - done, self._block.slots) + 1  # each leaf, and each long row, takes a page of the block
            leaves, long_rows, raised = (np.empty((most, width), np.int64) for width in (6, 4, 2))
            end = layout.lay_out(
                state, done, headers, bodies, keys, self._size, self._sink.lock_page, cells, places, pointers, leaves, long_rows, raised
            )
            closed, climbing = leaves[: state[layout.LEAVES]].copy(), raised[: state[layout.RAISED]].copy()
            base, out = int(state[layout.BASE]), self._block.bytes
            long_placed = long_rows[: state[layout.LONG]].copy()
            if end > done:
                self._note(closed, climbing)
                placed = (done, end, headers, bodies, keys, cells, places, pointers, long_placed, closed, base)
                self._do(partial(self._fill, partial(fill, *placed, self._size, self._sink.lock_page, out), climbing, out))
            if end < count:
                self._next_block(int(headers[end] + bodies[end]))
            done = end

    def _fill(self, fill: Callable[[], None], climbing: Array, out: Array) -> None:
        fill()
        if len(climbing):
            starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(climbing[:, 1])])
            keys = np.empty(int(starts[-1]), np.uint8)
            gather(out, climbing, starts, keys)
            self._keys.append(keys)

    def _note(self, closed: Array, climbing: Array) -> None:
        """Remember the closed leaves, and how long the key after each is."""
        if not len(closed):
            return
        if closed[0, layout.SLOT] == 0:
            self._begun_before = int(closed[0, layout.PAGE])
        self._children.append(closed[:, layout.PAGE].copy())
        self._lengths.append(climbing[:, 1] if self.tree.is_index else closed[:, layout.KEY])

    def _do(self, job: Callable[[], None]) -> None:
        """Run `job` after those before it, in the writing thread where there is one."""
        if self._thread is None:
            job()
            return
        self._jobs.append(self._thread.submit(job))
        while len(self._jobs) > _UNDER_WAY:
            self._jobs.popleft().result()

    def _wait(self) -> None:
        while self._jobs:
            self._jobs.popleft().result()

    def _next_block(self, payload: int) -> None:
        """Write the block, and go on in another with the open leaf in its slot 0."""
        state, old = self._state, self._block
        slots = max(self._slots, payload // (self._size - 4) + 8)
        spare = max(_SPARE_BYTES, payload + 2 * self._size)
        is_usual = slots == self._slots and spare == _SPARE_BYTES
        new = self._free.pop() if is_usual and self._free else _Block(slots, spare, self._size)
        end, base = int(state[layout.NEXT]), int(state[layout.BASE])
        self._do(partial(self._hand_over, old, new, int(state[layout.LEAF]), end, base, self._begun_before))
        self._begun_before = 0
        state[layout.BASE] = base + end - 1
        state[layout.NEXT] = 1
        state[layout.LEAF] = min(0, state[layout.LEAF])
        self._block = new
        self._fit(new)

    def _hand_over(self, old: _Block, new: _Block, leaf: int, end: int, base: int, begun_before: int) -> None:
        size = self._size
        if leaf >= 0:
            new.bytes[:size] = old.bytes[leaf * size : (leaf + 1) * size]
        self._write(old, end, base, begun_before)
        if old.slots == self._slots and len(old.bytes) == self._slots * size + _SPARE_BYTES and len(self._free) < _UNDER_WAY:
            self._free.append(old)

    def _write(self, block: _Block, end: int, base: int, begun_before: int) -> None:
        """Write the slots 1 to end - 1, and the leaf of slot 0 at its own place if it is full."""
        lock, size = self._sink.lock_page - base, self._size
        if begun_before:
            self._sink.write(begun_before, block.bytes[:size])
        if 1 <= lock < end:
            block.bytes[lock * size : (lock + 1) * size] = 0
        if end > 1:
            self._sink.write(base + 1, block.bytes[size : end * size])

    def abandon(self) -> None:
        """Wait for what is under way, whatever comes of it."""
        for job in self._jobs:
            job.exception()
        self._jobs.clear()

    def finish(self) -> Array | None:
        """Write the rest; the bytes of the root page, or None where there was no row (the empty root then stands)."""
        self._wait()
        state, block = self._state, self._block
        if not self.rows:
            return None
        leaf, page = int(state[layout.LEAF]), int(state[layout.LEAF_PAGE])
        if leaf >= 0:
            kind = 10 if self.tree.is_index else 13
            layout.put_head(block.bytes, leaf * self._size, kind, int(state[layout.CELLS]), int(state[layout.TOP]))
            self._begun_before = page if leaf == 0 else self._begun_before
        base, end = int(state[layout.BASE]), int(state[layout.NEXT])
        self._write(block, end, base, self._begun_before)
        self._sink.next_page = base + end
        if page == 0:
            root: Array = block.bytes[: self._size].copy()
            return root
        children = np.concatenate([*self._children, np.empty(0, np.int64)])
        lengths = np.concatenate(self._lengths)
        if not self.tree.is_index:
            starts, keys = varints(lengths)
        else:
            starts, keys = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), np.concatenate(self._keys)
        if leaf < 0:
            return finish_tree(self._sink, True, *split_last_leaf(self._sink, children, starts, keys))
        return finish_tree(self._sink, self.tree.is_index, np.append(children, page), starts, keys)
