"""What is above the leaves of a b-tree, written once all leaves are: level by level up to the root."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.page_interior import fill_interior, gather
from fonoteca.catalogue.bulk.page_layout import put_head
from fonoteca.catalogue.bulk.page_records import put_varint, varint_length

Array = Any


class PageSink(Protocol):
    """Where a tree's pages go, in the order of their numbers."""

    page_size: int
    lock_page: int
    next_page: int

    def write(self, page: int, data: Array) -> None:
        """Write whole pages from page number `page` on."""

    def read(self, page: int) -> Array:
        """The bytes of a page that was written."""


def append_pages(sink: PageSink, pages: Array, count: int) -> Array:
    """Write `count` pages after all others; their numbers."""
    size, numbers = sink.page_size, np.empty(count, np.int64)
    for n in range(count):
        if sink.next_page == sink.lock_page:
            sink.write(sink.next_page, np.zeros(size, np.uint8))
            sink.next_page += 1
        sink.write(sink.next_page, pages[n * size : (n + 1) * size])
        numbers[n] = sink.next_page
        sink.next_page += 1
    return numbers


def split_last_leaf(sink: PageSink, children: Array, starts: Array, keys: Array) -> tuple[Array, Array, Array]:
    """The last row of an index went up with nothing after it: the row before it goes up instead, and it gets a leaf of its own.

    Gives children, starts and keys as they then are.
    """
    size, page = sink.page_size, int(children[-1])
    cell = keys[starts[-2] :].copy()
    old = sink.read(page)
    count = int(old[3]) << 8 | int(old[4])
    start, end = (int(old[6 + 2 * n]) << 8 | int(old[7 + 2 * n]) for n in (count, count - 1))
    risen = old[start:end].copy()
    put_head(old, 0, 10, count - 1, end)
    sink.write(page, old)
    new, top = np.zeros(size, np.uint8), size - len(cell)
    new[top:] = cell
    new[8], new[9] = top >> 8, top & 255
    put_head(new, 0, 10, 1, top)
    starts = np.append(starts[:-1], starts[-2] + len(risen))
    return np.append(children, append_pages(sink, new, 1)), starts, np.concatenate([keys[: starts[-2]], risen])


def finish_tree(sink: PageSink, is_index: bool, children: Array, starts: Array, keys: Array) -> Array:
    """Write the pages above the leaves `children`; the bytes of the root. The key after leaf n is keys[starts[n]:starts[n + 1]]."""
    kind, size = (2 if is_index else 5), sink.page_size
    while True:
        widest = int(np.diff(starts).max()) + 6
        room = 2 + (len(keys) + 6 * len(children)) // (size - 12 - widest)
        out, last = np.empty(room * size, np.uint8), np.empty(room, np.int64)
        pages = fill_interior(children, starts, keys, kind, size, out, last)
        if pages == 1:
            return out[:size]
        climbing = last[: pages - 1]
        places = np.column_stack([starts[climbing], starts[climbing + 1] - starts[climbing]])
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(places[:, 1])])
        above = np.empty(int(starts[-1]), np.uint8)
        gather(keys, places, starts, above)
        children, keys = append_pages(sink, out, pages), above


@njit(nogil=True, cache=True)
def varints(values: Any) -> Any:
    """Numbers as varints one after another, and where each starts."""
    starts = np.zeros(len(values) + 1, np.int64)
    for i in range(len(values)):
        starts[i + 1] = starts[i] + varint_length(values[i])
    keys = np.empty(starts[-1], np.uint8)
    for i in range(len(values)):
        put_varint(keys, starts[i], values[i])
    return starts, keys
