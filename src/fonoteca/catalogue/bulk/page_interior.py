"""The pages above the leaves: each holds the numbers of its children and a key between every two of them."""

from __future__ import annotations

from typing import Any

from numba import njit

from fonoteca.catalogue.bulk.page_layout import put4, put_head
from fonoteca.catalogue.bulk.page_memory import copy_part


@njit(nogil=True, cache=True)
def fill_interior(children: Any, starts: Any, keys: Any, kind: int, page_size: int, out: Any, last: Any) -> int:
    """Write one level of interior pages to `out`: how many; last[n] is the child at the right of page n, whose key goes up.

    children: page numbers; the key after child i is keys[starts[i]:starts[i + 1]]; kind: 5 table, 2 index.
    """
    count = len(children)
    child = 0
    page = 0
    while child < count:
        at = page * page_size
        top = page_size
        cells = 0
        while child < count - 1:
            size = 4 + starts[child + 1] - starts[child]
            if 12 + 2 * (cells + 1) + size > top:
                break
            top = _put_cell(out, at, top, cells, children[child], keys[starts[child] : starts[child + 1]])
            cells += 1
            child += 1
        if child == count - 2:  # else the last page would have one child and no key
            child -= 1
            cells -= 1
            top += 4 + starts[child + 1] - starts[child]
        put_head(out, at, kind, cells, top)
        put4(out, at + 8, children[child])
        last[page] = child
        child += 1
        page += 1
    return page


@njit(nogil=True, cache=True)
def _put_cell(out: Any, at: int, top: int, cells: int, child: int, key: Any) -> int:
    top -= 4 + len(key)
    put4(out, at + top, child)
    copy_part(out, at + top + 4, key, 0, len(key))
    out[at + 12 + 2 * cells], out[at + 13 + 2 * cells] = top >> 8, top & 255
    return top


@njit(nogil=True, cache=True)
def gather(out: Any, places: Any, starts: Any, keys: Any) -> None:
    """Copy the cells at `places` (start and length each) in `out` one after another to `keys`, where `starts` says."""
    for i in range(len(places)):
        copy_part(keys, starts[i], out, places[i, 0], places[i, 1])
