"""Terms and the rows they stand in, gathered in memory: a table of terms by hash, and for each a chain of row numbers.

Row numbers are kept as FTS5 keeps them without details: differences as varints, each row once a term. Compiled functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

LONGEST_TOKEN = 32_768  # FTS5 cuts longer ones

# What is known of a term: one row of int64, a line of the processor's cache.
HASH, TEXT_AT, LENGTH, LAST_ROW, ROWS, FIRST_LINK, WRITE_AT, WRITE_END = range(8)
TERM_SIZE = 8

# Counters of an index.
TERMS, TEXT_USED, LINKS_USED, TOKENS, ROWS_SEEN, TOUCHED = range(6)
COUNTERS = 6

LINK_HEAD = 6  # a link is the power of two of its size, as many bytes, and the place of the next in five
_FIRST_LINK = 3
_FETCH = 256  # tokens looked ahead
_LONGEST_LINK = 12
MOST_LINK_BYTES = 2 * (LINK_HEAD + (1 << _LONGEST_LINK))


@njit(nogil=True, cache=True, inline="always")
def slot_of(value: int, mask: int) -> Any:
    """Where the search for a hash begins."""
    return (value ^ (value >> 32)) & mask


@njit(nogil=True, cache=True)
def refill(slots: Any, terms: Any, count: int) -> None:
    """Put `count` terms into an empty table of slots."""
    mask = len(slots) - 1
    for number in range(count):
        slot = slot_of(terms[number, HASH], mask)
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = number + 1


@njit(nogil=True, cache=True)
def next_link(links: Any, end: int) -> Any:
    """Where the link begins that follows the one whose bytes end at `end`."""
    place = np.int64(0)
    for k in range(5):
        place |= np.int64(links[end + k]) << (8 * k)
    return place


@njit(nogil=True, cache=True)
def link_end(links: Any, at: int) -> Any:
    """Where the bytes of the link at `at` end; they begin at `at` + 1."""
    return at + 1 + (1 << np.int64(links[at]))


@njit(nogil=True, cache=True)
def add_tokens(found: Any, bytes_found: Any, first: int, count: int, slots: Any, terms: Any, texts: Any, links: Any, counters: Any) -> int:
    """Note where tokens stand: found[n] is where the token begins in bytes_found, its length, hash and row; rows ascend.

    Gives the first token for which there may be no room. One function, for calls cost more than what is done here.
    """
    mask, most_terms = len(slots) - 1, min(len(terms), len(slots) // 2)
    most_text, most_links = len(texts), len(links) - MOST_LINK_BYTES
    terms_count, text_used, links_used = counters[TERMS], counters[TEXT_USED], counters[LINKS_USED]
    done = fetched = first
    while done < count:
        if done == fetched:  # ask the memory for all that the next tokens need at once, not for one after another
            fetched = min(done + _FETCH, count)
            touched = 0
            for n in range(done, fetched):
                touched += slots[slot_of(found[n, 2], mask)]
            for n in range(done, fetched):
                number = max(0, slots[slot_of(found[n, 2], mask)] - 1)
                touched += terms[number, HASH]
            for n in range(done, fetched):
                number = max(0, slots[slot_of(found[n, 2], mask)] - 1)
                if number < terms_count:
                    touched += texts[terms[number, TEXT_AT]] + links[terms[number, WRITE_AT]]
            counters[TOUCHED] ^= touched
        start, length, value, row = found[done, 0], found[done, 1], found[done, 2], found[done, 3]
        if terms_count >= most_terms or text_used + length > most_text or links_used > most_links:
            break
        slot = slot_of(value, mask)
        number = -1
        while slots[slot] != 0:
            number = slots[slot] - 1
            if terms[number, HASH] == value and terms[number, LENGTH] == length:
                at, same = terms[number, TEXT_AT], 0
                while same < length and texts[at + same] == bytes_found[start + same]:
                    same += 1
                if same == length:
                    break
            number = -1
            slot = (slot + 1) & mask
        if number < 0:
            number = terms_count
            terms_count += 1
            slots[slot] = number + 1
            for k in range(length):
                texts[text_used + k] = bytes_found[start + k]
            terms[number, HASH], terms[number, TEXT_AT], terms[number, LENGTH] = value, text_used, length
            terms[number, LAST_ROW], terms[number, ROWS], terms[number, FIRST_LINK] = 0, 0, -1
            terms[number, WRITE_AT] = terms[number, WRITE_END] = 0
            text_used += length
        done += 1
        if terms[number, ROWS] > 0 and terms[number, LAST_ROW] == row:
            continue
        delta = row - terms[number, LAST_ROW]
        power = 0
        while delta >> (7 * power + 7) > 0:
            power += 1
        at, end = terms[number, WRITE_AT], terms[number, WRITE_END]
        for k in range(power, -1, -1):
            if at == end:
                size = _FIRST_LINK
                if terms[number, FIRST_LINK] < 0:
                    terms[number, FIRST_LINK] = links_used
                else:
                    while (1 << size) < terms[number, ROWS] and size < _LONGEST_LINK:
                        size += 1
                    for j in range(5):
                        links[end + j] = (links_used >> (8 * j)) & 255
                links[links_used] = size
                at, end = links_used + 1, links_used + 1 + (1 << size)
                links_used = end + 5
            links[at] = ((delta >> (7 * k)) & 127) | (128 if k > 0 else 0)
            at += 1
        terms[number, WRITE_AT], terms[number, WRITE_END], terms[number, LAST_ROW] = at, end, row
        terms[number, ROWS] += 1
    counters[TERMS], counters[TEXT_USED], counters[LINKS_USED] = terms_count, text_used, links_used
    counters[TOKENS] += done - first
    return done


@njit(nogil=True, cache=True, inline="always")
def hash_step(value: int, byte: int) -> int:
    """The hash of a token with one more byte."""
    return (value ^ byte) * 0x100000001B3


@njit(nogil=True, cache=True)
def sort_keys(terms: Any, count: int, texts: Any, skip: int) -> Any:
    """Eight bytes of each term from its byte `skip` on as a number that compares as they do."""
    keys = np.zeros(count, np.uint64)
    for number in range(count):
        at, length = terms[number, TEXT_AT], terms[number, LENGTH]
        for k in range(8):
            byte = texts[at + skip + k] if skip + k < length else 0
            keys[number] = (keys[number] << np.uint64(8)) | np.uint64(byte)
    return keys
