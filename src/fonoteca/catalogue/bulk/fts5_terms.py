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
_FETCH, _FETCH_ROWS = 256, 64  # tokens and rows looked ahead
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
def number_tokens(
    found: Any,
    bytes_found: Any,
    first: int,
    count: int,
    slots: Any,
    terms: Any,
    texts: Any,
    counters: Any,
    numbers: Any,
    used: int,
    starts: Any,
) -> int:
    """Put the number of the term of each token into `numbers` from `used` on; starts[place + 1]: where those of its place end.

    found[n] is where the token begins in bytes_found, its length, hash and place. Gives the first token for which there is no room.
    """
    mask, most_terms = len(slots) - 1, min(len(terms), len(slots) // 2)
    terms_count, text_used = counters[TERMS], counters[TEXT_USED]
    done = fetched = first
    while done < count:
        if done == fetched:  # ask the memory for all that the next tokens need at once, not for one after another
            fetched = min(done + _FETCH, count)
            touched = 0
            for n in range(done, fetched):
                touched += slots[slot_of(found[n, 2], mask)]
            for n in range(done, fetched):
                touched += terms[max(0, slots[slot_of(found[n, 2], mask)] - 1), HASH]
            for n in range(done, fetched):
                number = max(0, slots[slot_of(found[n, 2], mask)] - 1)
                if number < terms_count:
                    touched += texts[terms[number, TEXT_AT]]
            counters[TOUCHED] ^= touched
        start, length, value = found[done, 0], found[done, 1], found[done, 2]
        if terms_count >= most_terms or text_used + length > len(texts):
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
        numbers[used] = number
        used += 1
        done += 1
        starts[found[done - 1, 3] + 1] = used
    counters[TERMS], counters[TEXT_USED] = terms_count, text_used
    return done


@njit(nogil=True, cache=True)
def add_rows(rows: Any, first: int, numbers: Any, starts: Any, ends: Any, runs: Any, terms: Any, links: Any, counters: Any) -> int:
    """Note the rows from place `first` on in the chains of their terms; gives the first one for which there may be no room.

    Each column has runs of rows: runs[c] is the one that row `first` of column c is in, ends[r] the place before which run r ends,
    numbers[starts[r] : starts[r + 1]] its terms. `runs` moves on. One function, for calls cost more than what is done here.
    """
    most_links, links_used = len(links) - MOST_LINK_BYTES, counters[LINKS_USED]
    fetched = first
    for i in range(first, len(rows)):
        if i == fetched:  # as above, for some rows at once
            fetched = min(i + _FETCH_ROWS, len(rows))
            touched = 0
            for c in range(len(runs)):
                run = runs[c] + (i == ends[runs[c]])
                begin = starts[run]
                while ends[run] < fetched:
                    run += 1
                for n in range(begin, starts[run + 1]):
                    touched += terms[numbers[n], LAST_ROW]
                for n in range(begin, starts[run + 1]):
                    touched += links[terms[numbers[n], WRITE_AT]]
            counters[TOUCHED] ^= touched
        row, tokens = rows[i], 0
        for c in range(len(runs)):
            if i == ends[runs[c]]:
                runs[c] += 1
            tokens += starts[runs[c] + 1] - starts[runs[c]]
        for c in range(len(runs)):
            for n in range(starts[runs[c]], starts[runs[c] + 1]):
                number = numbers[n]
                if terms[number, LAST_ROW] == row and terms[number, ROWS] > 0:
                    continue
                if links_used > most_links:  # what this row has added is not added again
                    counters[LINKS_USED] = links_used
                    return i
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
        counters[TOKENS] += tokens
    counters[LINKS_USED] = links_used
    return len(rows)


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
