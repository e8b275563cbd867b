"""JSON lines of tracks read where they lie: for each field its place in the block. Compiled functions only.

Only what is plain about a line is understood: no escapes, no unknown or repeated field, numbers and keys in their usual forms,
characters that NFC leaves alone. Everything else is told as such and goes the long way, which also says what is wrong with it.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numba import njit

TEXTS = (
    "path", "id", "isrc", "mbid", "title", "album", "album_mbid", "date", "recording_mbid", "barcode", "label", "rights", "attribution",
)  # fmt: skip
LISTS = ("artists", "artist_mbids", "album_artists", "isrcs", "genres")
COUNTS = ("disc", "number", "duration_ms", "plays", "followers")
SCORES = ("popularity", "artist_popularity", "album_popularity")
FIELDS = (*TEXTS, *LISTS, *COUNTS, *SCORES, "explicit", "extra", "record")
"""A field's place here is its bit in what a line tells."""
PATH, ID, ISRC, MBID, TITLE, ALBUM, ALBUM_MBID, DATE, RECORDING, BARCODE, LABEL, RIGHTS, ATTRIBUTION = range(13)
ARTISTS, ARTIST_MBIDS, ALBUM_ARTISTS, ISRCS, GENRES = range(13, 18)
DISC, NUMBER, DURATION, PLAYS, FOLLOWERS, POPULARITY, ARTIST_POPULARITY, ALBUM_POPULARITY, EXPLICIT, EXTRA, RECORD = range(18, 29)
LONGEST_LINE = 1 << 20
"""A longer line goes the long way."""
_DEEPEST = 60
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _AFTER = range(5)
_SLOTS = 256


class Line(NamedTuple):
    """Where the values of one line lie: (begin, end) of a text, -1 where it has none; of a list its first item and how many there are."""

    spans: Any
    items: Any
    counts: Any
    scores: Any
    explicit: Any


def empty_line(items: int) -> Line:
    """Room for a line whose lists have up to `items` items."""
    return Line(
        np.empty((len(TEXTS) + len(LISTS), 2), np.int64), np.empty((items, 2), np.int64), np.empty(len(COUNTS), np.int64),
        np.empty(len(SCORES)), np.empty(1, np.int64),
    )  # fmt: skip


class Words(NamedTuple):
    """The names of the fields by a hash, and which bytes of a text are characters by themselves that need no look.

    Behind the 256 bytes: which characters of the basic plane, from U+0080 on, NFC leaves alone wherever they stand.
    """

    slots: Any
    names: Any
    lengths: Any
    inert: Any


@cache
def scan_words() -> Words:
    """The tables that scan_line needs."""
    slots = np.full(_SLOTS, -1, np.int64)
    names = np.zeros((len(FIELDS), 32), np.uint8)
    for field, name in enumerate(FIELDS):
        names[field, : len(name)] = np.frombuffer(name.encode(), np.uint8)
        letters = [*name.encode()[:3], 0][:3]  # a name has two characters at least
        slot = sum(map(mul, (*letters, ord(name[-1]), len(name)), _MIX)) & _SLOTS - 1
        while slots[slot] >= 0:
            slot = (slot + 1) % _SLOTS
        slots[slot] = field
    return Words(slots, names, np.array([len(name) for name in FIELDS]), _inert())


_MIX = (3, 7, 31, 101, 11)  # of the first three characters, the last and the length


def _inert() -> Any:
    """Characters that are not composed, decomposed or moved: letters and signs without class that no other one joins."""
    inert = np.zeros(1 << 16, np.uint8)
    for code in range(1 << 16):
        letter = chr(code)
        if unicodedata.category(letter)[0] in "LNPSZ" and unicodedata.combining(letter) == 0 and not 0x1100 <= code <= 0x11FF:
            inert[code] = unicodedata.normalize("NFC", letter) == letter
    bytes_alone = np.zeros(256, np.uint8)
    bytes_alone[32:128] = 1
    bytes_alone[[34, 92]] = 0
    return np.concatenate([bytes_alone, inert[128:]])


@njit(nogil=True, cache=True)
def skip_space(buffer: Any, at: int, end: int) -> Any:
    """The next place without white space."""
    while at < end and (buffer[at] == 32 or buffer[at] == 9 or buffer[at] == 13):
        at += 1
    return at


@njit(nogil=True, cache=True)
def _end_of_text(buffer: Any, at: int, end: int, inert: Any) -> Any:
    """Where the quotation mark stands that ends the text which begins at `at`; -1 for a text that is not plain."""
    while True:
        while at < end and inert[buffer[at]]:
            at += 1
        if at >= end:
            return -1
        letter = np.int64(buffer[at])
        if letter < 128:
            return at if letter == 34 else -1
        code, more = (letter & 31, 1) if letter < 224 else (letter & 15, 2)
        if letter < 194 or letter > 239 or at + more >= end:
            return -1
        for place in range(1, more + 1):
            rest = np.int64(buffer[at + place])
            if rest & 192 != 128:
                return -1
            code = code << 6 | rest & 63
        if (more == 2 and code < 2048) or inert[code + 128] == 0:
            return -1
        at += more + 1


@njit(nogil=True, cache=True)
def _field_at(buffer: Any, begin: int, end: int, words: Words) -> Any:
    """The field of a name; -1 for an unknown one."""
    length = end - begin
    if length < 2 or length > 30:
        return -1
    third = np.int64(buffer[begin + 2]) if length > 2 else 0
    mixed = np.int64(buffer[begin]) * _MIX[0] + np.int64(buffer[begin + 1]) * _MIX[1] + third * _MIX[2]
    slot = (mixed + np.int64(buffer[end - 1]) * _MIX[3] + length * _MIX[4]) & (_SLOTS - 1)
    while words.slots[slot] >= 0:
        field = words.slots[slot]
        if words.lengths[field] == length:
            place = 0
            while place < length and words.names[field, place] == buffer[begin + place]:
                place += 1
            if place == length:
                return field
        slot = (slot + 1) & (_SLOTS - 1)
    return -1


@njit(nogil=True, cache=True)
def _end_of_number(buffer: Any, at: int, end: int) -> Any:
    """The end of a number of up to 15 digits without exponent; -1 for any other."""
    if at < end and buffer[at] == 45:
        at += 1
    begin, digits = at, 0
    while at < end and 48 <= buffer[at] <= 57:
        at += 1
        digits += 1
    if digits == 0 or (digits > 1 and buffer[begin] == 48):
        return -1
    if at < end and buffer[at] == 46:
        at += 1
        if at >= end or not 48 <= buffer[at] <= 57:
            return -1
        while at < end and 48 <= buffer[at] <= 57:
            at += 1
            digits += 1
    if digits > 15 or (at < end and (buffer[at] == 69 or buffer[at] == 101)):
        return -1
    return at


@njit(nogil=True, cache=True)
def _number_at(buffer: Any, begin: int, end: int) -> Any:
    """The number whose digits _end_of_number has seen; exact, for numerator and denominator are."""
    value, below = np.int64(0), np.int64(0)
    for at in range(begin, end):
        if buffer[at] == 46:
            below = np.int64(1)
        else:
            value = value * 10 + (np.int64(buffer[at]) - 48)
            below *= 10
    return np.float64(value) / np.float64(below) if below else np.float64(value)


@njit(nogil=True, cache=True)
def _end_of_word(buffer: Any, at: int, end: int) -> Any:
    """The end of true, false or null; -1 for anything else."""
    if at + 4 <= end and buffer[at] == 110 and buffer[at + 1] == 117 and buffer[at + 2] == 108 and buffer[at + 3] == 108:
        return at + 4
    if at + 4 <= end and buffer[at] == 116 and buffer[at + 1] == 114 and buffer[at + 2] == 117 and buffer[at + 3] == 101:
        return at + 4
    if at + 5 <= end and buffer[at] == 102 and buffer[at + 1] == 97 and buffer[at + 2] == 108 and buffer[at + 3] == 115:
        return at + 5 if buffer[at + 4] == 101 else -1
    return -1


@njit(nogil=True, cache=True)
def _end_of_value(buffer: Any, at: int, end: int, inert: Any) -> Any:
    """The end of any value, nested ones too; -1 where it is not plain."""
    expected, depth, kinds = _VALUE, 0, np.uint64(0)
    while True:
        at = skip_space(buffer, at, end)
        if at >= end:
            return -1
        letter, is_closed = buffer[at], False
        if (letter == 93 and expected == _VALUE_OR_END) or (letter == 125 and expected == _KEY_OR_END):
            is_closed = True
        elif expected == _AFTER:
            is_object = kinds & np.uint64(1) == np.uint64(1)
            if letter == 44:
                expected = _KEY if is_object else _VALUE
            elif letter == (125 if is_object else 93):
                is_closed = True
            else:
                return -1
        elif letter == 34:
            at = _end_of_text(buffer, at + 1, end, inert)
            if at < 0:
                return -1
            if expected in (_KEY, _KEY_OR_END):
                at = skip_space(buffer, at + 1, end)
                if at >= end or buffer[at] != 58:
                    return -1
                expected = _VALUE
            else:
                expected = _AFTER
        elif expected in (_KEY, _KEY_OR_END):
            return -1
        elif letter == 123 or letter == 91:
            depth += 1
            if depth > _DEEPEST:
                return -1
            kinds = kinds << np.uint64(1) | np.uint64(1 if letter == 123 else 0)
            expected = _KEY_OR_END if letter == 123 else _VALUE_OR_END
        else:
            after = _end_of_word(buffer, at, end)
            if after < 0:
                after = _end_of_number(buffer, at, end)
            if after < 0:
                return -1
            at, expected = after - 1, _AFTER
        at += 1
        if is_closed:
            depth -= 1
            kinds >>= np.uint64(1)
            expected = _AFTER
        if expected == _AFTER and depth == 0:
            return at


@njit(nogil=True, cache=True)
def _list_at(buffer: Any, at: int, end: int, line: Line, field: int, used: int, inert: Any) -> Any:
    """Take a list of texts behind `used` items; its end and the items used now, or -1."""
    if buffer[at] != 91:
        return -1, used
    first = used
    at = skip_space(buffer, at + 1, end)
    if at < end and buffer[at] == 93:
        line.spans[field, 0], line.spans[field, 1] = first, 0
        return at + 1, used
    while at < end and buffer[at] == 34 and used < len(line.items):
        close = _end_of_text(buffer, at + 1, end, inert)
        if close < 0:
            return -1, used
        line.items[used, 0], line.items[used, 1] = at + 1, close
        used += 1
        at = skip_space(buffer, close + 1, end)
        if at < end and buffer[at] == 93:
            line.spans[field, 0], line.spans[field, 1] = first, used - first
            return at + 1, used
        if at >= end or buffer[at] != 44:
            return -1, used
        at = skip_space(buffer, at + 1, end)
    return -1, used


@njit(nogil=True, cache=True)
def _value_at(buffer: Any, at: int, end: int, field: int, line: Line, inert: Any) -> Any:
    """Take the value of a field that is no list; its end, or -1."""
    if field < ARTISTS:
        if buffer[at] == 34:
            close = _end_of_text(buffer, at + 1, end, inert)
            if close < 0:
                return -1
            line.spans[field, 0], line.spans[field, 1] = at + 1, close
            return close + 1
        return _end_of_word(buffer, at, end) if buffer[at] == 110 else -1
    if field == EXTRA:
        return _end_of_value(buffer, at, end, inert) if buffer[at] == 123 else -1
    if field == RECORD:
        close = _end_of_text(buffer, at + 1, end, inert) if buffer[at] == 34 else -1
        is_track = close == at + 6 and buffer[at + 1] == 116 and buffer[at + 2] == 114 and buffer[at + 3] == 97
        return close + 1 if is_track and buffer[at + 4] == 99 and buffer[at + 5] == 107 else -1
    after = _end_of_word(buffer, at, end)
    if field == EXPLICIT:
        line.explicit[0] = -1 if buffer[at] == 110 else 1 if buffer[at] == 116 else 0
        return after
    if after >= 0:
        return after if buffer[at] == 110 else -1
    after = _end_of_number(buffer, at, end)
    if after < 0 or buffer[at] == 45:
        return -1
    value = _number_at(buffer, at, after)
    if field >= POPULARITY:
        line.scores[field - POPULARITY] = value
        return after if value <= 100 else -1
    for place in range(at, after):
        if buffer[place] == 46:
            return -1
    line.counts[field - DISC] = np.int64(value)
    return after


@njit(nogil=True, cache=True)
def scan_line(buffer: Any, at: int, end: int, line: Line, words: Words) -> Any:
    """Which fields the line tells, one bit each, with their values in `line`; -1 for a line that is not plain."""
    for field in range(DISC):
        line.spans[field, 0] = line.spans[field, 1] = -1 if field < ARTISTS else 0
    for field in range(DISC, EXPLICIT):
        if field < POPULARITY:
            line.counts[field - DISC] = -1
        else:
            line.scores[field - POPULARITY] = np.nan
    line.explicit[0] = -1
    told, used = np.int64(0), 0
    at = skip_space(buffer, at, end)
    if at >= end or buffer[at] != 123 or end - at > LONGEST_LINE:
        return -1
    at = skip_space(buffer, at + 1, end)
    while at < end and buffer[at] == 34:
        close = _end_of_text(buffer, at + 1, end, words.inert)
        field = _field_at(buffer, at + 1, close, words) if close >= 0 else -1
        if field < 0 or told >> field & 1:
            return -1
        told |= np.int64(1) << field
        at = skip_space(buffer, close + 1, end)
        if at >= end or buffer[at] != 58:
            return -1
        at = skip_space(buffer, at + 1, end)
        if at >= end:
            return -1
        if ARTISTS <= field <= GENRES:
            at, used = _list_at(buffer, at, end, line, field, used, words.inert)
        else:
            at = _value_at(buffer, at, end, field, line, words.inert)
        if at < 0:
            return -1
        at = skip_space(buffer, at, end)
        if at < end and buffer[at] == 125:
            return told if skip_space(buffer, at + 1, end) == end else -1
        if at >= end or buffer[at] != 44:
            return -1
        at = skip_space(buffer, at + 1, end)
    return -1
