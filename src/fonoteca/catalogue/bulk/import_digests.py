"""SHA-256 of messages in a buffer, and what ids, ISRCs and barcodes in it stand for. Compiled functions only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.import_ids import ALPHABET, ID_CHARACTERS
from fonoteca.catalogue.isrc_numbers import COUNTRIES, PER_COUNTRY, PER_REGISTRANT

_PRIMES = [n for n in range(2, 312) if all(n % part for part in range(2, n))][:64]


def _root_bits(number: int, power: int) -> int:
    """The first 32 bits behind the point of a square or cube root."""
    low, high = 0, number << 32
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**power <= number << 32 * power else (low, middle - 1)
    return low & 0xFFFFFFFF


_ROUNDS = np.array([_root_bits(prime, 3) for prime in _PRIMES], np.uint32)
_BEGIN = np.array([_root_bits(prime, 2) for prime in _PRIMES[:8]], np.uint32)
_PLACES = np.full(256, -1, np.int64)
_PLACES[ALPHABET] = np.arange(len(ALPHABET))
_COUNTRY = np.full(1 << 16, -1, np.int64)
for _place in range(0, len(COUNTRIES), 2):
    _COUNTRY[ord(COUNTRIES[_place]) << 8 | ord(COUNTRIES[_place + 1])] = _place // 2


@njit(nogil=True, cache=True, inline="always")
def _turn(word: Any, bits: int) -> Any:
    return np.uint32((word >> np.uint32(bits)) | (word << np.uint32(32 - bits)))


@njit(nogil=True, cache=True)
def sha256_into(message: Any, length: int, words: Any, state: Any) -> None:
    """SHA-256 (FIPS 180-4) of the first `length` bytes of `message` as eight words in `state`.

    `message` has room for 72 bytes more, which are overwritten; `words` has 64 places.
    """
    message[length] = 128
    blocks = (length + 72) // 64
    for place in range(length + 1, blocks * 64 - 8):
        message[place] = 0
    bits = np.uint64(length) * np.uint64(8)
    for place in range(8):
        message[blocks * 64 - 1 - place] = (bits >> np.uint64(8 * place)) & np.uint64(255)
    for place in range(8):
        state[place] = _BEGIN[place]
    for block in range(blocks):
        _add_block(message, block * 64, words, state)


@njit(nogil=True, cache=True)
def _add_block(message: Any, at: int, words: Any, state: Any) -> None:
    for place in range(16):
        begin = at + 4 * place
        words[place] = (
            np.uint32(message[begin]) << np.uint32(24) | np.uint32(message[begin + 1]) << np.uint32(16)
            | np.uint32(message[begin + 2]) << np.uint32(8) | np.uint32(message[begin + 3])
        )  # fmt: skip
    for place in range(16, 64):
        x, y = words[place - 15], words[place - 2]
        low = _turn(x, 7) ^ _turn(x, 18) ^ (x >> np.uint32(3))
        high = _turn(y, 17) ^ _turn(y, 19) ^ (y >> np.uint32(10))
        words[place] = np.uint32(words[place - 16] + low + words[place - 7] + high)
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    for place in range(64):
        first = np.uint32(h + (_turn(e, 6) ^ _turn(e, 11) ^ _turn(e, 25)) + ((e & f) ^ (np.uint32(~e) & g)) + _ROUNDS[place] + words[place])
        second = np.uint32((_turn(a, 2) ^ _turn(a, 13) ^ _turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c)))
        h, g, f, e = g, f, e, np.uint32(d + first)
        d, c, b, a = c, b, a, np.uint32(first + second)
    state[0], state[1], state[2], state[3] = state[0] + a, state[1] + b, state[2] + c, state[3] + d
    state[4], state[5], state[6], state[7] = state[4] + e, state[5] + f, state[6] + g, state[7] + h


@njit(nogil=True, cache=True, inline="always")
def key_of_words(high: Any, low: Any) -> Any:
    """The first 63 bits of a digest, by which tables are joined, from its first two words."""
    return np.int64((np.uint64(high) << np.uint64(31)) | (np.uint64(low) >> np.uint64(1)))


@njit(nogil=True, cache=True)
def words_of_id(buffer: Any, begin: int, end: int, words: Any) -> Any:
    """The lowest 128 bits of a public id as four words; False where the text is none."""
    if end - begin != ID_CHARACTERS:
        return False
    words[:4] = 0
    for place in range(begin, end):
        carried = _PLACES[buffer[place]]
        if carried < 0:
            return False
        for word in range(3, -1, -1):
            carried += np.int64(words[word]) * 57
            words[word] = np.uint32(carried & 0xFFFFFFFF)
            carried >>= 32
    return True


@njit(nogil=True, cache=True)
def isrc_at(buffer: Any, begin: int, end: int) -> Any:
    """The number of an ISRC of twelve plain characters, as isrc_number gives it; -1 where the text is none."""
    if end - begin != 12:
        return -1
    country = _COUNTRY[np.int64(buffer[begin]) << 8 | np.int64(buffer[begin + 1])]
    registrant, digits = np.int64(0), np.int64(0)
    for place in range(begin + 2, end):
        letter = np.int64(buffer[place])
        if 48 <= letter <= 57:
            value = letter - 48
        elif 65 <= letter <= 90 and place < begin + 5:
            value = letter - 55
        else:
            return -1
        if place < begin + 5:
            registrant = registrant * 36 + value
        else:
            digits = digits * 10 + value
    return -1 if country < 0 else country * PER_COUNTRY + registrant * PER_REGISTRANT + digits


@njit(nogil=True, cache=True)
def is_mbid(buffer: Any, begin: int, end: int) -> Any:
    """Whether the text is a MusicBrainz id in its plain form."""
    if end - begin != 36:
        return False
    for place in range(36):
        letter = buffer[begin + place]
        if place == 8 or place == 13 or place == 18 or place == 23:
            if letter != 45:
                return False
        elif not (48 <= letter <= 57 or 97 <= letter <= 102):
            return False
    return True


@njit(nogil=True, cache=True)
def gtin_at(buffer: Any, begin: int, end: int) -> Any:
    """The number of a barcode as parse_gtin reads it (-1 where it is none), and whether the text is as gtin_text writes it."""
    number, digits, is_bare = np.int64(0), 0, True
    for place in range(begin, end):
        letter = np.int64(buffer[place])
        if letter == 45 or letter == 32:
            is_bare = False
        elif 48 <= letter <= 57 and digits < 14:
            number, digits = number * 10 + letter - 48, digits + 1
        else:
            return -1, False
    if digits == 0:
        return -1, False
    usual = 12 if number < 1_000_000_000_000 else 13 if number < 10_000_000_000_000 else 14
    return number, is_bare and digits == usual
