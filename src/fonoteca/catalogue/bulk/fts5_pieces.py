"""Names taken apart at their spaces, and each piece looked up among those met before; compiled functions only.

What index_words makes of a name is what it makes of these pieces, but for three kinds of text, which are one piece as a whole: a line
without letters, a line with a grave accent (which joins words only in a line with other signs that do), and a text that is, or
with the mark would be, cut for its length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.fts5_terms import hash_step, slot_of
from fonoteca.catalogue.bulk.search_words import ROOM_FOR_MARK
from fonoteca.catalogue.search_text import LONGEST_NAME

# A piece that was found: its first sixteen bytes, twice its length and one if it is whole, its hash, where it begins, its text, its line.
HEAD, NECK, SHAPE, HASH, BEGIN, TEXT, STANDS = range(7)
PIECE_SIZE = 7
_SURE, _IN_DOUBT, _BEGINS_DOUBT = range(3)

# A piece that is known: the same four, where its bytes are, where its terms begin (or the only one), their number (or UNKNOWN).
TEXT_AT, TERMS_AT, TERM_COUNT = range(4, 7)
KNOWN_SIZE = 8
UNKNOWN = -1

PIECES, TEXT_USED, NUMBERS, DOUBTS, TOUCHED = range(5)
COUNTERS = 5
MOST_PIECES = LONGEST_NAME // 2 + 1
_FETCH = 64  # pieces looked ahead
_LETTER, _GRAVE, _SPACE, _END = 1, 2, 4, 8
_ODD = -7046029254386353131


def _classes() -> Any:
    table = np.zeros(256, np.uint8)
    for sign in range(128):
        table[sign] = _LETTER if chr(sign).isalnum() else 0
    table[ord("`")], table[ord(" ")], table[ord("\n")], table[0] = _GRAVE, _SPACE, _END, _END
    return table


_CLASS = _classes()


@njit(nogil=True, cache=True)
def fill_piece(content: Any, begin: int, end: int, whole: int, pieces: Any, n: int) -> None:
    """Describe the bytes from `begin` to `end` in pieces[n, HEAD … BEGIN]."""
    head = neck = value = np.int64(0)
    for k in range(begin, end):
        byte = np.int64(content[k])
        if k - begin < 8:
            head = (head << 8) | byte
        elif k - begin < 16:
            neck = (neck << 8) | byte
        else:
            value = hash_step(value, byte)
    shape = (end - begin) << 1 | whole
    value = (value ^ head) * _ODD
    value = (value ^ (value >> 29) ^ neck) * _ODD
    value = (value ^ (value >> 32) ^ shape) * _ODD
    pieces[n, HEAD], pieces[n, NECK], pieces[n, SHAPE], pieces[n, HASH], pieces[n, BEGIN] = head, neck, shape, value ^ (value >> 30), begin


@njit(nogil=True, cache=True)
def find_pieces(offsets: Any, content: Any, first: int, pieces: Any) -> Any:
    """The pieces of the texts from `first` on that have room: (the first text left out, pieces)."""
    count = 0
    for i in range(first, len(offsets) - 1):
        begin, last = np.int64(offsets[i]), np.int64(offsets[i + 1])
        if count + MOST_PIECES > len(pieces):
            return i, count
        if last - begin > LONGEST_NAME - ROOM_FOR_MARK:
            fill_piece(content, begin, last, 1, pieces, count)
            pieces[count, TEXT], pieces[count, STANDS] = i, _SURE
            count += 1
            continue
        while begin < last:
            line, line_count, seen = begin, count, 0
            kind = 0
            while begin < last and kind != _END:
                piece, kind = begin, 0
                while begin < last:
                    kind = _CLASS[content[begin]]
                    if kind >= _SPACE:
                        break
                    seen |= kind
                    begin += 1
                if begin > piece:
                    fill_piece(content, piece, begin, 0, pieces, count)
                    pieces[count, TEXT], pieces[count, STANDS] = i, _SURE
                    count += 1
                begin += 1
            if seen & _GRAVE:
                count = line_count
                fill_piece(content, line, min(begin, last), 1, pieces, count)
                pieces[count, TEXT], pieces[count, STANDS] = i, _SURE
                count += 1
            elif not seen & _LETTER and count > line_count:
                pieces[line_count, STANDS] = _BEGINS_DOUBT
                pieces[line_count + 1 : count, STANDS] = _IN_DOUBT
    return len(offsets) - 1, count


@njit(nogil=True, cache=True, inline="always")
def _slot_of_piece(pieces: Any, n: int, content: Any, slots: Any, known: Any, texts: Any) -> Any:
    """The slot of a piece, or the empty one where it would be."""
    mask = len(slots) - 1
    slot = slot_of(pieces[n, HASH], mask)
    while slots[slot] != 0:
        number = slots[slot] - 1
        if known[number, HEAD] == pieces[n, HEAD] and known[number, NECK] == pieces[n, NECK] and known[number, SHAPE] == pieces[n, SHAPE]:
            same, length = 16, pieces[n, SHAPE] >> 1
            while same < length and texts[known[number, TEXT_AT] + same] == content[pieces[n, BEGIN] + same]:
                same += 1
            if same >= length:
                break
        slot = (slot + 1) & mask
    return slot


@njit(nogil=True, cache=True)
def _add_piece(pieces: Any, n: int, content: Any, known: Any, texts: Any, counters: Any) -> None:
    number, at, length = counters[PIECES], counters[TEXT_USED], pieces[n, SHAPE] >> 1
    for k in range(length):
        texts[at + k] = content[pieces[n, BEGIN] + k]
    for k in range(HASH + 1):
        known[number, k] = pieces[n, k]
    known[number, TEXT_AT], known[number, TERMS_AT], known[number, TERM_COUNT] = at, 0, UNKNOWN
    counters[PIECES] += 1
    counters[TEXT_USED] += length


@njit(nogil=True, cache=True, inline="always")
def _has_room(length: int, slots: Any, known: Any, texts: Any, counters: Any) -> bool:
    return counters[PIECES] + 1 < min(len(known), len(slots) // 2) and counters[TEXT_USED] + length < len(texts)


@njit(nogil=True, cache=True)
def number_pieces(
    pieces: Any,
    first: int,
    count: int,
    content: Any,
    slots: Any,
    known: Any,
    texts: Any,
    counters: Any,
    listed: Any,
    numbers: Any,
    starts: Any,
    doubts: Any,
) -> int:
    """Put the terms of pieces from `first` on into `numbers`, for pieces of unknown terms -1 - their number; gives the first without room.

    starts[i + 1]: where those of text i end; doubts: the places in `numbers` and in the bytes of lines that may have no letters.
    """
    mask, used, many = len(slots) - 1, counters[NUMBERS], counters[DOUBTS]
    n = fetched = first
    while n < count:
        if n == fetched:  # ask the memory for all that the next pieces need at once, not for one after another
            fetched = min(n + _FETCH, count)
            touched = 0
            for m in range(n, fetched):
                touched += slots[slot_of(pieces[m, HASH], mask)]
            for m in range(n, fetched):
                touched += known[max(0, slots[slot_of(pieces[m, HASH], mask)] - 1), HEAD]
            counters[TOUCHED] ^= touched
        length, stands = pieces[n, SHAPE] >> 1, pieces[n, STANDS]
        slot = _slot_of_piece(pieces, n, content, slots, known, texts)
        if slots[slot] == 0:
            if not _has_room(length, slots, known, texts, counters):
                break
            _add_piece(pieces, n, content, known, texts, counters)
            slots[slot] = counters[PIECES]
        number = slots[slot] - 1
        terms = known[number, TERM_COUNT]
        if used + max(1, terms) > len(numbers) or many + 1 >= len(doubts):
            break
        if terms == UNKNOWN or stands != _SURE:
            if stands == _BEGINS_DOUBT:
                doubts[many, 0], doubts[many, 2] = used, pieces[n, BEGIN]
                many += 1
            if stands != _SURE:
                doubts[many - 1, 1], doubts[many - 1, 3] = used + 1, pieces[n, BEGIN] + length
            numbers[used] = -1 - number
            used += 1
        elif terms == 1:
            numbers[used] = known[number, TERMS_AT]
            used += 1
        else:
            at = known[number, TERMS_AT]
            for k in range(at, at + terms):
                numbers[used] = listed[k]
                used += 1
        starts[pieces[n, TEXT] + 1] = used
        n += 1
    counters[NUMBERS], counters[DOUBTS] = used, many
    return n


@njit(nogil=True, cache=True)
def settle_doubts(
    content: Any, first: int, slots: Any, known: Any, texts: Any, counters: Any, numbers: Any, doubts: Any, piece: Any
) -> int:
    """Put the whole line for the first of its pieces where none of them has a term; gives the first line without room."""
    for d in range(first, counters[DOUBTS]):
        begin, end, line, line_end = doubts[d, 0], doubts[d, 1], doubts[d, 2], doubts[d, 3]
        if not _has_room(line_end - line, slots, known, texts, counters):
            return d
        terms = 0
        for n in range(begin, end):
            terms += known[-1 - numbers[n], TERM_COUNT]
        if terms == 0:
            fill_piece(content, line, line_end, 1, piece, 0)
            slot = _slot_of_piece(piece, 0, content, slots, known, texts)
            if slots[slot] == 0:
                _add_piece(piece, 0, content, known, texts, counters)
                slots[slot] = counters[PIECES]
            numbers[begin] = -slots[slot]
    return counters[DOUBTS]


@njit(nogil=True, cache=True)
def refill(slots: Any, known: Any, count: int) -> None:
    """Put `count` known pieces into an empty table of slots."""
    mask = len(slots) - 1
    for number in range(count):
        slot = slot_of(known[number, HASH], mask)
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = number + 1


@njit(nogil=True, cache=True)
def write_texts(known: Any, first: int, count: int, texts: Any, mark: Any, out: Any, offsets: Any) -> None:
    """The texts of known pieces from `first` on, the mark before those that are not whole."""
    at = 0
    for number in range(first, count):
        shape, begin = known[number, SHAPE], known[number, TEXT_AT]
        if not shape & 1:
            for byte in mark:
                out[at] = byte
                at += 1
        for k in range(begin, begin + (shape >> 1)):
            out[at] = texts[k]
            at += 1
        offsets[number - first + 1] = at


@njit(nogil=True, cache=True)
def put_terms(numbers: Any, starts: Any, known: Any, listed: Any, out: Any, out_starts: Any) -> int:
    """The terms of all texts one after another, now that those of all pieces are known; how many, though `out` be too small."""
    used = 0
    for i in range(len(starts) - 1):
        for n in range(starts[i], starts[i + 1]):
            number = numbers[n]
            if number >= 0:
                if used < len(out):
                    out[used] = number
                used += 1
                continue
            at, count = known[-1 - number, TERMS_AT], known[-1 - number, TERM_COUNT]
            for k in range(count):
                if used < len(out):
                    out[used] = at if count == 1 else listed[at + k]
                used += 1
        out_starts[i + 1] = used
    return used
