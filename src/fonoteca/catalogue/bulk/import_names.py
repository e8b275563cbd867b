"""Messages that ids are made of, and the things that a block names, each once. Compiled functions only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.import_digests import key_of_words

HASH, TEXT_AT, LENGTH, KEY, WORD = range(5)
ENTRY = 8  # a hash, where the message lies, its length, the key, and the four words of the digest


class Names(NamedTuple):
    """Things of one kind that the block names, each once: found by a hash of what its id is made of."""

    slots: Any
    entries: Any
    text: Any
    used: Any  # entries, bytes of text


@njit(nogil=True, cache=True)
def copy_bytes(target: Any, at: int, source: Any, begin: int, end: int) -> Any:
    """A loop, for assigning slices takes longer than copying the few bytes."""
    for place in range(begin, end):
        target[at] = source[place]
        at += 1
    return at


@njit(nogil=True, cache=True)
def put_number(message: Any, at: int, number: int) -> Any:
    """Write the digits of a number of 0 or more; where they end."""
    size, rest = 1, number
    while rest >= 10:
        rest //= 10
        size += 1
    for place in range(size - 1, -1, -1):
        message[at + place] = 48 + number % 10
        number //= 10
    return at + size


@njit(nogil=True, cache=True)
def put_part(message: Any, at: int, source: Any, begin: int, end: int, marked: int) -> Any:
    """A part of an id's message: its length, a colon, the text (behind `=` where it is marked) and a comma."""
    at = put_number(message, at, end - begin + marked)
    message[at] = 58
    at += 1
    if marked:
        message[at] = 61
        at += 1
    for place in range(begin, end):
        message[at] = source[place]
        at += 1
    message[at] = 44
    return at + 1


@njit(nogil=True, cache=True)
def put_span(message: Any, at: int, buffer: Any, spans: Any, row: int) -> Any:
    """As put_part, for the text at a row of spans; an empty one where there is none."""
    return put_part(message, at, buffer, max(spans[row, 0], 0), max(spans[row, 1], 0), 0)


@njit(nogil=True, cache=True)
def put_marked(message: Any, at: int, buffer: Any, spans: Any, row: int) -> Any:
    """As put_span, with a mark before a text that is there, so that an empty one is another than none."""
    begin = spans[row, 0]
    return put_part(message, at, buffer, max(begin, 0), max(spans[row, 1], 0), 1 if begin >= 0 else 0)


@njit(nogil=True, cache=True)
def find_name(names: Names, message: Any, length: int) -> Any:
    """The entry of a message, and whether it is a new one, which has no key yet."""
    mixed = np.uint64(14695981039346656037)
    for place in range(length):
        mixed = (mixed ^ np.uint64(message[place])) * np.uint64(1099511628211)
    mixed ^= mixed >> np.uint64(29)
    hashed, mask = np.int64(mixed), len(names.slots) - 1
    slot = hashed & mask
    while names.slots[slot] != 0:
        entry = np.int64(names.slots[slot]) - 1
        if names.entries[entry, HASH] == hashed and names.entries[entry, LENGTH] == length:
            begin, place = names.entries[entry, TEXT_AT], 0
            while place < length and names.text[begin + place] == message[place]:
                place += 1
            if place == length:
                return entry, False
        slot = (slot + 1) & mask
    entry, begin = names.used[0], names.used[1]
    names.slots[slot] = entry + 1
    names.entries[entry, HASH], names.entries[entry, TEXT_AT], names.entries[entry, LENGTH] = hashed, begin, length
    names.used[0], names.used[1] = entry + 1, copy_bytes(names.text, begin, message, 0, length)
    return entry, True


@njit(nogil=True, cache=True)
def fill_slots(names: Names) -> None:
    """Put the entries into an empty table of slots."""
    mask = len(names.slots) - 1
    for entry in range(names.used[0]):
        slot = names.entries[entry, HASH] & mask
        while names.slots[slot] != 0:
            slot = (slot + 1) & mask
        names.slots[slot] = entry + 1


@njit(nogil=True, cache=True)
def keep_key(names: Names, entry: int, state: Any) -> Any:
    """Give a new entry its digest; its key."""
    for word in range(4):
        names.entries[entry, WORD + word] = np.int64(state[word])
    key = key_of_words(state[0], state[1])
    names.entries[entry, KEY] = key
    return key
