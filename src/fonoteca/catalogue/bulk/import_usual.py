"""Which lines are as they would be settled. Compiled functions only."""

from __future__ import annotations

from typing import Any

from numba import njit

from fonoteca.catalogue.bulk.import_digests import is_mbid, isrc_at
from fonoteca.catalogue.bulk.import_scan import ARTIST_MBIDS, ARTISTS, BARCODE, ISRC, ISRCS, MBID, RECORDING, TITLE, Line

_FEW_ITEMS = 64


@njit(nogil=True, cache=True)
def is_usual(buffer: Any, line: Line) -> Any:
    """Whether the keys and lists of a line are as they would be settled; may say no where they are."""
    spans, items = line.spans, line.items
    if spans[TITLE, 1] <= spans[TITLE, 0] or (spans[BARCODE, 1] - spans[BARCODE, 0] > 64):
        return False
    if spans[ISRC, 0] >= 0 and isrc_at(buffer, spans[ISRC, 0], spans[ISRC, 1]) < 0:
        return False
    for field in (MBID, RECORDING):
        if spans[field, 0] >= 0 and not is_mbid(buffer, spans[field, 0], spans[field, 1]):
            return False
    first, count = spans[ISRCS, 0], spans[ISRCS, 1]
    if count > _FEW_ITEMS:
        return False
    for place in range(first, first + count):
        number = isrc_at(buffer, items[place, 0], items[place, 1])
        if number < 0:
            return False
        for other in range(first, place):
            if isrc_at(buffer, items[other, 0], items[other, 1]) == number:
                return False
    first, count = spans[ARTIST_MBIDS, 0], spans[ARTIST_MBIDS, 1]
    if count and count != spans[ARTISTS, 1]:
        return False
    is_empty = False
    for place in range(first, first + count):
        is_empty |= items[place, 0] == items[place, 1]
    return not is_empty
