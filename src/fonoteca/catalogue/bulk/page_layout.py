"""Where each cell of a b-tree goes: leaves are filled from their end downwards, one after another, overflow pages between them.

A block is slot 0, for a leaf that was begun in the block before or may yet become the root; a run of pages in slots 1 and up; and room
for what is no page: records too long for a leaf, and the cells that go up between two leaves of an index. Layout only computes places;
`fill` writes the bytes, so the two can run in different threads. https://www.sqlite.org/fileformat2.html#b_tree_pages
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.page_memory import TOUCHED, copy_bytes, copy_part, touch
from fonoteca.catalogue.bulk.page_records import put_varint, varint_length, write_records

# What the state of a layout holds: one int64 each.
LEAF = 0  # slot of the open leaf, or -1
TOP = 1  # where the lowest cell of the open leaf begins, within its page
CELLS = 2  # cells in the open leaf
NEXT = 3  # the first free slot
SLOTS = 4  # pages in the block
SPARE = 5  # the first free byte behind the pages
SPARE_END = 6
BASE = 7  # page number of slot 0
LEAF_PAGE = 8  # page number of the open leaf; 0 while the first one, in slot 0, may yet turn out to be the root
LAST_KEY = 9  # row number of the last row
LEAVES = 10  # leaves closed by this call
LONG = 11  # rows with overflow pages in this call
RAISED = 12  # cells that go up, in this call
STATE_SIZE = 13

# A closed leaf: one row of int64.
SLOT, COUNT, CONTENT, KEY, COPY_FROM, PAGE = range(6)
# A row with overflow: its number, the place of its local bytes and their count, its first overflow slot.
ROW, LOCAL_AT, LOCAL_SIZE, FIRST_SLOT = range(4)


@njit(nogil=True, cache=True)
def page_after(slot: int, base: int, lock_page: int) -> int:
    """The slot after `slot`, over the page that SQLite locks bytes of and never uses."""
    return slot + 2 if base + slot + 1 == lock_page else slot + 1


@njit(nogil=True, cache=True)
def local_size(payload: int, page_size: int, is_index: bool) -> int:
    """Bytes of a payload that stay in its leaf; the rest goes to overflow pages."""
    largest = (page_size - 12) * 64 // 255 - 23 if is_index else page_size - 35
    if payload <= largest:
        return payload
    least = (page_size - 12) * 32 // 255 - 23
    wanted = least + (payload - least) % (page_size - 4)
    return wanted if wanted <= largest else least


@njit(nogil=True, cache=True)
def _take_slot(state: Any, lock_page: int) -> int:
    slot = state[NEXT]
    if state[BASE] + slot == lock_page:
        slot += 1
    state[NEXT] = slot + 1
    return slot


@njit(nogil=True, cache=True)
def close_leaf(state: Any, leaves: Any, lock_page: int) -> None:
    """Note the open leaf as full; the first one moves away from the place of the root."""
    slot, copied = state[LEAF], -1
    if state[LEAF_PAGE] == 0:
        copied, slot = slot, _take_slot(state, lock_page)
        state[LEAF_PAGE] = state[BASE] + slot
    leaf = leaves[state[LEAVES]]
    leaf[PAGE] = state[LEAF_PAGE]
    leaf[SLOT], leaf[COUNT], leaf[CONTENT], leaf[KEY], leaf[COPY_FROM] = slot, state[CELLS], state[TOP], state[LAST_KEY], copied
    state[LEAVES] += 1
    state[LEAF] = -1


@njit(nogil=True, cache=True)
def _open_leaf(state: Any, page_size: int, lock_page: int) -> None:
    if state[LEAF_PAGE] == 0:
        state[LEAF] = 0
    else:
        state[LEAF] = _take_slot(state, lock_page)
        state[LEAF_PAGE] = state[BASE] + state[LEAF]
    state[TOP] = page_size
    state[CELLS] = 0


@njit(nogil=True, cache=True)
def lay_out(
    state: Any,
    first: int,
    headers: Any,
    bodies: Any,
    keys: Any,
    page_size: int,
    lock_page: int,
    cells: Any,
    places: Any,
    pointers: Any,
    leaves: Any,
    long_rows: Any,
    raised: Any,
) -> int:
    """Give the rows from `first` on their places until the block is full: the first row that has none.

    cells, places, pointers: where a row's cell, its record and its cell pointer go in the block (-1: no pointer).
    keys has a row number per row for a table, and is empty for an index, where one cell goes up between two leaves.
    """
    is_index = len(keys) == 0
    state[LEAVES] = state[LONG] = state[RAISED] = 0
    for i in range(first, len(headers)):
        payload = headers[i] + bodies[i]
        local = local_size(payload, page_size, is_index)
        prefix = varint_length(payload) + (0 if is_index else varint_length(keys[i]))
        size = max(4, prefix + local + (4 if local < payload else 0))
        overflow = 0 if local == payload else (payload - local + page_size - 5) // (page_size - 4)
        spare = 0 if overflow == 0 else payload
        is_raised = False
        if state[LEAF] >= 0 and 8 + 2 * (state[CELLS] + 1) + size > state[TOP]:
            is_raised = is_index
            if state[NEXT] + 3 + overflow > state[SLOTS] or state[SPARE] + spare + size > state[SPARE_END]:
                return i
            close_leaf(state, leaves, lock_page)
        elif state[NEXT] + 3 + overflow > state[SLOTS] or state[SPARE] + spare > state[SPARE_END]:
            return i
        if is_raised:
            cells[i], pointers[i] = state[SPARE], -1
            raised[state[RAISED], 0], raised[state[RAISED], 1] = state[SPARE], size
            state[RAISED] += 1
            state[SPARE] += size
        else:
            if state[LEAF] < 0:
                _open_leaf(state, page_size, lock_page)
            state[TOP] -= size
            cells[i] = state[LEAF] * page_size + state[TOP]
            pointers[i] = state[LEAF] * page_size + 8 + 2 * state[CELLS]
            state[CELLS] += 1
        places[i] = cells[i] + prefix
        if overflow > 0:
            long_row = long_rows[state[LONG]]
            long_row[ROW], long_row[LOCAL_AT], long_row[LOCAL_SIZE] = i, places[i], local
            places[i] = state[SPARE]
            state[SPARE] += payload
            long_row[FIRST_SLOT] = _take_slot(state, lock_page)
            for _ in range(overflow - 1):
                _take_slot(state, lock_page)
            state[LONG] += 1
        if not is_index:
            state[LAST_KEY] = keys[i]
    return len(headers)


@njit(nogil=True, cache=True)
def put4(out: Any, at: int, value: int) -> None:
    """Write `value` as four bytes, the highest first."""
    out[at], out[at + 1], out[at + 2], out[at + 3] = (value >> 24) & 255, (value >> 16) & 255, (value >> 8) & 255, value & 255


@njit(nogil=True, cache=True)
def put_head(out: Any, at: int, kind: int, count: int, content: int) -> None:
    """Write the first eight bytes of a b-tree page, and zeros between its pointers and its cells."""
    out[at], out[at + 1], out[at + 2] = kind, 0, 0
    out[at + 3], out[at + 4] = count >> 8, count & 255
    out[at + 5], out[at + 6], out[at + 7] = (content >> 8) & 255, content & 255, 0
    head = 12 if kind == 2 or kind == 5 else 8
    out[at + head + 2 * count : at + content] = 0


@njit(nogil=True, cache=True)
def _spread_long(row: Any, payload: int, place: int, base: int, page_size: int, lock_page: int, out: Any) -> None:
    """Copy a long record from its spare place to its cell and its chain of overflow pages."""
    at, local, slot = row[LOCAL_AT], row[LOCAL_SIZE], row[FIRST_SLOT]
    copy_part(out, at, out, place, local)
    put4(out, at + local, base + slot)
    done = local
    while done < payload:
        part = min(page_size - 4, payload - done)
        page = slot * page_size
        following = page_after(slot, base, lock_page)
        put4(out, page, base + following if done + part < payload else 0)
        copy_part(out, page + 4, out, place + done, part)
        out[page + 4 + part : page + page_size] = 0
        done += part
        slot = following


@njit(nogil=True, cache=True)
def fill(
    columns: Any,
    row: int,
    first: int,
    end: int,
    kinds: Any,
    headers: Any,
    bodies: Any,
    keys: Any,
    cells: Any,
    places: Any,
    pointers: Any,
    long_rows: Any,
    leaves: Any,
    base: int,
    page_size: int,
    lock_page: int,
    out: Any,
) -> None:
    """Write the cells of the rows first..end that `lay_out` has placed, then the heads of the leaves it closed."""
    _put_prefixes(first, end, headers, bodies, keys, cells, pointers, page_size, out)
    write_records(columns, row + first, kinds[:, first:end], headers[first:end], places[first:end], out)
    _close(headers, bodies, keys, places, long_rows, leaves, base, page_size, lock_page, out)


@njit(nogil=True, cache=True)
def fill_packed(
    addresses: Any,
    first: int,
    end: int,
    lengths: Any,
    bodies: Any,
    keys: Any,
    cells: Any,
    places: Any,
    pointers: Any,
    long_rows: Any,
    leaves: Any,
    base: int,
    page_size: int,
    lock_page: int,
    out: Any,
) -> None:
    """As `fill`, for records that are made already: `lengths` bytes at `addresses`; bodies: zeros."""
    _put_prefixes(first, end, lengths, bodies, keys, cells, pointers, page_size, out)
    target, seen = out.ctypes.data, np.empty(1, np.int64)
    for i in range(first, end):
        if (i - first) % TOUCHED == 0:
            touch(addresses[i : min(i + TOUCHED, end)], seen)
        copy_bytes(target + places[i], addresses[i], lengths[i])
    _close(lengths, bodies, keys, places, long_rows, leaves, base, page_size, lock_page, out)


@njit(nogil=True, cache=True)
def _put_prefixes(first: int, end: int, headers: Any, bodies: Any, keys: Any, cells: Any, pointers: Any, page_size: int, out: Any) -> None:
    """Payload size and row number at the head of each cell, and its place among the pointers of the page."""
    is_index = len(keys) == 0
    for i in range(first, end):
        at = put_varint(out, cells[i], headers[i] + bodies[i])
        if not is_index:
            at = put_varint(out, at, keys[i])
        elif headers[i] + bodies[i] < 3:
            out[cells[i] + 3] = 0  # a cell takes four bytes at least
        if pointers[i] >= 0:
            offset = cells[i] & (page_size - 1)
            out[pointers[i]], out[pointers[i] + 1] = offset >> 8, offset & 255


@njit(nogil=True, cache=True)
def _close(
    headers: Any, bodies: Any, keys: Any, places: Any, long_rows: Any, leaves: Any, base: int, page_size: int, lock_page: int, out: Any
) -> None:
    """Chains of overflow pages, and the heads of the leaves that are full."""
    for long_row in long_rows:
        i = long_row[ROW]
        _spread_long(long_row, headers[i] + bodies[i], places[i], base, page_size, lock_page, out)
    for leaf in leaves:
        at = leaf[SLOT] * page_size
        if leaf[COPY_FROM] >= 0:
            copy_part(out, at, out, leaf[COPY_FROM] * page_size, page_size)
        put_head(out, at, 10 if len(keys) == 0 else 13, leaf[COUNT], leaf[CONTENT])
