"""A segment of FTS5 written from sorted terms, as its own merge writes it; format: the comment atop SQLite's ext/fts5/fts5_index.c.

Only for detail=none, where a row number is all that is kept of an occurrence. Compiled functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.fts5_terms import FIRST_LINK, LENGTH, ROWS, TEXT_AT, link_end, next_link
from fonoteca.catalogue.bulk.page_memory import copy_part
from fonoteca.catalogue.bulk.page_records import put_varint

LEAF_BYTES = 4050
"""FTS5's default pgsz."""
LEVELS = 6  # of an index over the leaves of one term
_PREFIX = 48  # "0": the main index
_FEWEST_TERMLESS = 4  # leaves without a term that make an index worth it

# The state of a segment being written: one int64 each.
(
    AT,
    LEAF,
    PAGE,
    FOOTER,
    LAST_OFFSET,
    HAS_TERM,
    HAS_ROW,
    IN_DOCLIST,
    LAST_ROW,
    TERMLESS,
    INDEXED_PAGE,
    LEAVES,
    ENTRIES,
    INDEX_PAGES,
    INDEX_USED,
    SIZE,
) = range(16)
STATE_SIZE = 16

# Of each level of an index over a term's leaves: bytes in it, its page number, whether it has a row, its last row.
USED, NUMBER, HAS_LAST, LAST = range(4)


@njit(nogil=True, cache=True)
def _begin_leaf(state: Any, out: Any) -> None:
    state[LEAF] = state[AT]
    for k in range(4):
        out[state[AT] + k] = 0
    state[AT] += 4
    state[FOOTER] = state[LAST_OFFSET] = 0
    state[HAS_TERM] = state[HAS_ROW] = 0


@njit(nogil=True, cache=True)
def _end_leaf(state: Any, out: Any, footer: Any, ends: Any, levels: Any, buffers: Any) -> None:
    size = state[AT] - state[LEAF]
    out[state[LEAF] + 2], out[state[LEAF] + 3] = size >> 8, size & 255
    if state[HAS_TERM]:
        count = state[FOOTER]
        copy_part(out, state[AT], footer, 0, count)
        state[AT] += count
    else:
        if not state[HAS_ROW] and levels[0, USED] > 0:
            levels[0, USED] = put_varint(buffers[0], levels[0, USED], 0)
        state[TERMLESS] += 1
    ends[state[LEAVES]] = state[AT]
    state[LEAVES] += 1
    state[PAGE] += 1
    _begin_leaf(state, out)


@njit(nogil=True, cache=True)
def _write_index_page(level: int, state: Any, levels: Any, buffers: Any, index_pages: Any, index_bytes: Any) -> None:
    used, at = levels[level, USED], state[INDEX_USED]
    copy_part(index_bytes, at, buffers[level], 0, used)
    state[INDEX_USED] += used
    page = index_pages[state[INDEX_PAGES]]
    page[0], page[1], page[2] = level, levels[level, NUMBER], state[INDEX_USED]
    state[INDEX_PAGES] += 1


@njit(nogil=True, cache=True)
def _index_row(row: int, state: Any, levels: Any, buffers: Any, index_pages: Any, index_bytes: Any) -> None:
    """Note the first row of a leaf in the index over the leaves of its term, which may become a tree."""
    for level in range(LEVELS - 1):
        here, above = levels[level], levels[level + 1]
        is_done = here[USED] < state[SIZE]
        if not is_done:
            buffers[level, 0] = 1
            _write_index_page(level, state, levels, buffers, index_pages, index_bytes)
            if above[USED] == 0:
                _, place = _read_varint(buffers[level], 1)
                first, _ = _read_varint(buffers[level], place)
                above[NUMBER] = here[NUMBER]
                used = put_varint(buffers[level + 1], 0, 0)
                used = put_varint(buffers[level + 1], used, here[NUMBER])
                above[USED] = put_varint(buffers[level + 1], used, first)
                above[HAS_LAST], above[LAST] = 1, first
            here[USED] = here[HAS_LAST] = 0
            here[NUMBER] += 1
        value = row - here[LAST]
        if not here[HAS_LAST]:
            value = row
            used = put_varint(buffers[level], 0, 0 if is_done else 1)
            here[USED] = put_varint(buffers[level], used, state[PAGE] if level == 0 else levels[level - 1, NUMBER])
        here[USED] = put_varint(buffers[level], here[USED], value)
        here[HAS_LAST], here[LAST] = 1, row
        if is_done:
            return


@njit(nogil=True, cache=True)
def _read_varint(data: Any, at: int) -> Any:
    value = np.int64(0)
    for _ in range(8):
        byte = np.int64(data[at])
        at += 1
        value = (value << 7) | (byte & 127)
        if byte < 128:
            return value, at
    return (value << 8) | np.int64(data[at]), at + 1


@njit(nogil=True, cache=True)
def _end_entry(state: Any, levels: Any, buffers: Any, index_pages: Any, index_bytes: Any, entries: Any) -> None:
    """The entry of %_idx for the last leaf that began with a term, now that the doclist on it has ended."""
    if state[INDEXED_PAGE] == 0:
        return
    has_index = levels[0, USED] > 0 and state[TERMLESS] >= _FEWEST_TERMLESS
    for level in range(LEVELS):
        if levels[level, USED] == 0:
            break
        if has_index:
            _write_index_page(level, state, levels, buffers, index_pages, index_bytes)
        levels[level, USED] = levels[level, HAS_LAST] = 0
    state[TERMLESS] = 0
    entries[state[ENTRIES], 2] = state[INDEXED_PAGE] * 2 + has_index
    state[ENTRIES] += 1
    state[INDEXED_PAGE] = 0


@njit(nogil=True, cache=True)
def _begin_term(
    term: Any,
    before: Any,
    texts: Any,
    state: Any,
    out: Any,
    footer: Any,
    ends: Any,
    levels: Any,
    buffers: Any,
    index_pages: Any,
    index_bytes: Any,
    entries: Any,
) -> None:
    """Write a term's own bytes; `before` is the term before it, or itself for the first."""
    length = term[LENGTH] + 1
    if state[AT] - state[LEAF] + state[FOOTER] + length + 2 >= state[SIZE] and state[AT] - state[LEAF] > 4:
        _end_leaf(state, out, footer, ends, levels, buffers)
    is_first_of_all = before[TEXT_AT] == term[TEXT_AT]
    shared = 0 if is_first_of_all else 1
    if not is_first_of_all:
        for k in range(min(term[LENGTH], before[LENGTH])):
            if texts[term[TEXT_AT] + k] != texts[before[TEXT_AT] + k]:
                break
            shared += 1
    offset = state[AT] - state[LEAF]
    state[FOOTER] = put_varint(footer, state[FOOTER], offset - state[LAST_OFFSET])
    state[LAST_OFFSET] = offset
    if not state[HAS_TERM]:
        if state[PAGE] != 1:
            _end_entry(state, levels, buffers, index_pages, index_bytes, entries)
            entry = entries[state[ENTRIES]]
            entry[0], entry[1] = term[TEXT_AT], shared  # without the prefix, and one byte more than is shared
            state[INDEXED_PAGE] = state[PAGE]
        shared = 0
    else:
        state[AT] = put_varint(out, state[AT], shared)
    state[AT] = put_varint(out, state[AT], length - shared)
    if shared == 0:
        out[state[AT]] = _PREFIX
        state[AT] += 1
        shared = 1
    for k in range(shared - 1, term[LENGTH]):
        out[state[AT]] = texts[term[TEXT_AT] + k]
        state[AT] += 1
    state[HAS_TERM] = state[HAS_ROW] = 1
    state[IN_DOCLIST] = 0
    levels[0, NUMBER] = state[PAGE]


@njit(nogil=True, cache=True)
def write_segment(
    terms: Any, order: Any, texts: Any, links: Any, out: Any, ends: Any, index_pages: Any, index_bytes: Any, entries: Any, state: Any
) -> None:
    """Write the leaves of all terms in `order` to `out`.

    ends[n]: where leaf n ends; index_pages: level, number and end (in index_bytes) of each page over the leaves of a term;
    entries: for each leaf that begins with a term where that term's text is, how much of it tells it from the term before,
    and its page with a flag; state: zeros but for SIZE, the bytes of a leaf.
    """
    footer = np.empty(state[SIZE] + 64, np.uint8)
    buffers = np.empty((LEVELS, state[SIZE] + 64), np.uint8)
    levels = np.zeros((LEVELS, 4), np.int64)
    state[PAGE] = state[INDEXED_PAGE] = 1
    entries[0, 0] = entries[0, 1] = 0
    _begin_leaf(state, out)
    before = order[0]
    for number in order:
        _begin_term(terms[number], terms[before], texts, state, out, footer, ends, levels, buffers, index_pages, index_bytes, entries)
        before = number
        _write_rows(terms[number], links, state, out, footer, ends, levels, buffers, index_pages, index_bytes)
    if state[AT] - state[LEAF] > 4:
        _end_leaf(state, out, footer, ends, levels, buffers)
    _end_entry(state, levels, buffers, index_pages, index_bytes, entries)


@njit(nogil=True, cache=True)
def _write_rows(
    term: Any, links: Any, state: Any, out: Any, footer: Any, ends: Any, levels: Any, buffers: Any, index_pages: Any, index_bytes: Any
) -> None:
    at = term[FIRST_LINK] + 1
    end = link_end(links, term[FIRST_LINK])
    row = np.int64(0)
    for _ in range(term[ROWS]):
        start, delta, byte = state[AT], np.int64(0), np.int64(128)
        if state[AT] - state[LEAF] + state[FOOTER] >= state[SIZE]:
            _end_leaf(state, out, footer, ends, levels, buffers)
            start = state[AT]
        while byte >= 128:
            if at == end:
                at = next_link(links, end)
                end = link_end(links, at)
                at += 1
            byte = np.int64(links[at])
            at += 1
            out[start] = byte
            start += 1
            delta = (delta << 7) | (byte & 127)
        row += delta
        if not state[HAS_ROW]:
            offset = state[AT] - state[LEAF]
            out[state[LEAF]], out[state[LEAF] + 1] = offset >> 8, offset & 255
            _index_row(row, state, levels, buffers, index_pages, index_bytes)
            start = put_varint(out, state[AT], row)
            state[HAS_ROW] = 1
        state[AT] = start
