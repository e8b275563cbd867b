"""The tokens of plain ASCII names, as search_text.index_words and FTS5's tokenizer unicode61 make them; compiled functions only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.fts5_terms import LONGEST_TOKEN, ROWS_SEEN, hash_step
from fonoteca.catalogue.bulk.page_memory import SHIFT, VALIDITY, VALUES, bytes_at, is_valid, span
from fonoteca.catalogue.search_text import LONGEST_JOINED, LONGEST_NAME

PLAIN, OTHER = 0, 1
"""Whether the words of a row are made here, or are given by the caller."""

_LETTER, _JOINS, _JOINS_ODD, _BREAK, _SPACE = 1, 2, 4, 8, 16


def _classes() -> Any:
    table = np.zeros(256, np.uint8)
    for byte in range(256):
        if byte >= 128 or chr(byte).isalnum():
            table[byte] |= _LETTER
    for sign in b"'`./&!$@*+-":
        table[sign] |= _JOINS
    for sign in b"'./&!$@*+-":
        table[sign] |= _JOINS_ODD
    for sign in range(128):
        if chr(sign).isspace():
            table[sign] |= _SPACE
    table[10] |= _BREAK
    return table


def _lowers() -> Any:
    table = np.arange(256).astype(np.uint8)
    table[65:91] += 32
    return table


def _read_as() -> Any:
    """What a byte within a joined word becomes: 0 for nothing."""
    table = np.where(_classes() & _LETTER, _lowers(), 0).astype(np.uint8)
    table[ord("$")], table[ord("!")], table[ord("@")] = b"sia"
    return table


_CLASS, _LOWER, _READ_AS = _classes(), _lowers(), _read_as()
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8).copy()
_START = -3750763034362895579  # FNV-1a's


@njit(nogil=True, cache=True)
def find_other(columns: Any, rows: int, are_words: bool, kinds: Any) -> int:
    """Mark the rows whose words are not made here: with other than ASCII, or names of more than 1,000 characters; how many."""
    count = 0
    for i in range(rows):
        total = 0
        kinds[i] = PLAIN
        for column in columns:
            if not is_valid(column[VALIDITY], i + column[SHIFT]):
                continue
            start, end = span(column, i)
            total += end - start + 1
            text = bytes_at(column[VALUES] + start, end - start)
            seen = 0
            for byte in text:
                seen |= byte
            if seen >= 128:
                kinds[i] = OTHER
        if total > LONGEST_NAME and not are_words:
            kinds[i] = OTHER
        count += kinds[i]
    return count


@njit(nogil=True, cache=True, inline="always")
def _end_token(used: int, start: int, value: int, row: int, found: Any, count: int) -> int:
    found[count, 0], found[count, 1], found[count, 2], found[count, 3] = start, used - start, value, row
    return count + 1


@njit(nogil=True, cache=True)
def _find_odd(text: Any, row: int, found: Any, found_bytes: Any, count: int, used: int) -> Any:
    """What index_words adds to the lines of a text: words joined by punctuation as one, the signs of a line without letters."""
    start = 0
    for end in range(len(text) + 1):
        if end < len(text) and text[end] != 10:
            continue
        has_letter = is_odd = False
        for k in range(start, end):
            kind = _CLASS[text[k]]
            has_letter |= kind & _LETTER != 0
            if start < k < end - 1 and kind & _JOINS_ODD:
                is_odd |= _CLASS[text[k - 1]] & _LETTER != 0 and _CLASS[text[k + 1]] & _LETTER != 0
        if not has_letter:
            count, used = _find_signs(text[start:end], row, found, found_bytes, count, used)
        elif is_odd:
            count, used = _find_joined(text[start:end], row, found, found_bytes, count, used)
        start = end + 1
    return count, used


@njit(nogil=True, cache=True)
def _find_joined(line: Any, row: int, found: Any, found_bytes: Any, count: int, used: int) -> Any:
    at = 0
    while at < len(line):
        if not _CLASS[line[at]] & _LETTER:
            at += 1
            continue
        parts, look, end = 0, at, at
        while look < len(line) and _CLASS[line[look]] & _LETTER:
            while look < len(line) and _CLASS[line[look]] & _LETTER:
                look += 1
            end = look
            parts += 1
            if look < len(line) and _CLASS[line[look]] & _JOINS:
                look += 1
        start, value = used, _START
        for k in range(at, end):
            byte = _READ_AS[line[k]]
            if byte and used - start <= LONGEST_JOINED:
                found_bytes[used] = byte
                value = hash_step(value, byte)
                used += 1
        if parts > 1 and 1 < used - start <= LONGEST_JOINED:
            count = _end_token(used, start, value, row, found, count)
        else:
            used = start
        at = end + 1
    return count, used


@njit(nogil=True, cache=True)
def _find_signs(line: Any, row: int, found: Any, found_bytes: Any, count: int, used: int) -> Any:
    found_bytes[used] = 120  # x
    start, value = used, hash_step(_START, 120)
    used += 1
    for byte in line:
        if not _CLASS[byte] & _SPACE and used - start < 65:
            for half in (_HEX[byte >> 4], _HEX[byte & 15]):
                found_bytes[used] = half
                value = hash_step(value, half)
                used += 1
    if used > start + 1:
        return _end_token(used, start, value, row, found, count), used
    return count, start


@njit(nogil=True, cache=True)
def find_tokens(
    columns: Any, others: Any, kinds: Any, rows: Any, first: int, other: int, are_words: bool, found: Any, found_bytes: Any, counters: Any
) -> Any:
    """The tokens of the rows from `first` on that have room: (the first row left out, words of others used up, tokens).

    are_words: nothing is to be added to the columns' own words. others: one column with the words of the rows whose kind is
    OTHER, one after another. found: see fts5_terms.add_tokens.
    """
    count = used = 0
    for i in range(first, len(rows)):
        total = 0
        many = 1 if kinds[i] == OTHER else len(columns)
        for c in range(many):
            column, place = (others[0], other) if kinds[i] == OTHER else (columns[c], i)
            if is_valid(column[VALIDITY], place + column[SHIFT]):
                start, end = span(column, place)
                total += end - start
        if count + total + 2 * many > len(found) or used + 2 * total + 66 * many > len(found_bytes):
            return i, other, count
        before, row_is_odd = count, False
        for c in range(many):
            column, place = (others[0], other) if kinds[i] == OTHER else (columns[c], i)
            if not is_valid(column[VALIDITY], place + column[SHIFT]):
                continue
            start, end = span(column, place)
            text = bytes_at(column[VALUES] + start, end - start)
            begun, value, is_odd = used, _START, False
            letters = signs = 0
            for k in range(len(text)):
                byte = text[k]
                kind = _CLASS[byte]
                if kind & _LETTER:
                    letters += 1
                    if used - begun < LONGEST_TOKEN:
                        found_bytes[used] = _LOWER[byte]
                        value = hash_step(value, _LOWER[byte])
                        used += 1
                    continue
                if used > begun:
                    count = _end_token(used, begun, value, rows[i], found, count)
                    begun, value = used, _START
                    is_odd |= kind & _JOINS_ODD != 0 and k + 1 < len(text) and _CLASS[text[k + 1]] & _LETTER != 0
                signs += 1
                if kind & _BREAK:
                    is_odd |= letters == 0 and signs > 1
                    letters = signs = 0
            if used > begun:
                count = _end_token(used, begun, value, rows[i], found, count)
            is_odd |= letters == 0 and signs > 0
            if is_odd and not are_words and kinds[i] != OTHER:
                row_is_odd = True
                count, used = _find_odd(text, rows[i], found, found_bytes, count, used)
        other += kinds[i] == OTHER
        counters[ROWS_SEEN] += count > before or (total > 0 and not row_is_odd)  # FTS5 is given no row without words
    return len(rows), other, count
