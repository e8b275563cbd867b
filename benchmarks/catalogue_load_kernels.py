"""The loops of the generator, compiled: every value follows from the seed, its kind and the number of its row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fonoteca.catalogue.isrc_numbers import PER_COUNTRY, PER_REGISTRANT

Array = np.ndarray[Any, Any]
ALPHABET = np.frombuffer(b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", np.uint8)
RE_RELEASED = 0.48
ISRC_KEPT = 0.21
"""Of re-releases, those whose tracks keep their ISRCs."""
WITH_ISRC = 0.773
EXPLICIT = 0.1351
TAIL_HELD = 39.0 / 209.0
ALBUMS_PER_REGISTRANT = 256
_REGISTRANTS = 36**3


@njit(nogil=True, cache=True, inline="always")
def _mix(seed: int, kind: int, number: int) -> Any:
    word = np.uint64(number) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(kind) * np.uint64(0xD1B54A32D192ED03) + np.uint64(seed)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(nogil=True, cache=True, inline="always")
def _chance(seed: int, kind: int, number: int) -> float:
    return np.float64(_mix(seed, kind, number) >> np.uint64(11)) / 9007199254740992.0


@njit(nogil=True, cache=True)
def fill_ids(seed: int, kind: int, first: int, length: int, content: Array) -> None:
    """Ids of `length` (22 at most) characters, eleven from each hash."""
    for row in range(len(content) // length):
        word = np.uint64(0)
        for at in range(length):
            if at % 11 == 0:
                word = _mix(seed, 100 + kind * 2 + at // 11, first + row)
            content[row * length + at] = ALPHABET[word % np.uint64(57)]
            word //= np.uint64(57)


@njit(nogil=True, cache=True)
def fill_hashes(seed: int, rows: Array, content: Array) -> None:
    """32 bytes a row."""
    for place in range(len(rows)):
        for part in range(4):
            word = _mix(seed, 90 + part, rows[place])
            for at in range(8):
                content[place * 32 + part * 8 + at] = word & np.uint64(255)
                word >>= np.uint64(8)


@njit(nogil=True, cache=True)
def fill_names(
    seed: int, kind: int, keys: Array, draws: Array, words: Array, word_ends: Array, suffixes: Array, suffix_ends: Array, lengths: Array,
    content: Array, offsets: Array,
) -> int:  # fmt: skip
    """A title or name for each key; `content` has room for 96 bytes each. Gives the bytes used."""
    at, limit = 0, len(content)
    for row in range(len(keys)):
        offsets[row] = at
        state = _mix(seed, 40 + kind, keys[row])
        share = np.float64(state >> np.uint64(11)) / 9007199254740992.0
        count = 1
        while share > lengths[count - 1]:
            count += 1
        state = _mix(seed, 60 + kind, keys[row])
        has_suffix = kind < 3 and np.int64(state % np.uint64(1000)) < 130
        suffix = np.int64((state >> np.uint64(16)) % np.uint64(len(suffix_ends) - 1))
        is_open = has_suffix and suffix < 3
        for place in range(count + (2 if is_open else 0)):
            if place == count:
                for byte in range(suffix_ends[suffix], suffix_ends[suffix + 1]):
                    content[at] = suffixes[byte]
                    at += 1
            elif place > 0:
                content[at] = 32
                at += 1
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            word = draws[np.int64((state >> np.uint64(33)) % np.uint64(len(draws)))]
            for byte in range(word_ends[word], word_ends[word + 1]):
                content[at] = words[byte]
                at += 1
            if at > limit - 400:
                return at
        if is_open:
            content[at] = 41
            at += 1
        elif has_suffix:
            for byte in range(suffix_ends[suffix], suffix_ends[suffix + 1]):
                content[at] = suffixes[byte]
                at += 1
    offsets[len(keys)] = at
    return at


@njit(nogil=True, cache=True)
def fill_artists(seed: int, first: int, genre_chance: float, popularity: Array, followers: Array, genres: Array) -> None:
    """Popularity, followers, the number of a genre (0: none)."""
    for row in range(len(popularity)):
        share = _chance(seed, 10, first + row)
        popularity[row] = min(100.0, np.floor(-4.0 * np.log(1.0 - share)))
        followers[row] = min(100_000_000, np.int64((1.0 - _chance(seed, 11, first + row)) ** -2.0) - 1)
        genres[row] = 1 + np.int64(768 * _chance(seed, 13, first + row) ** 2) if _chance(seed, 12, first + row) < genre_chance else 0


@njit(nogil=True, cache=True)
def spread_albums(seed: int, first: int, tracks: int, sizes: Array, sources: Array) -> None:
    """Tracks on each album, together `tracks`; the number of the album it is a re-release of, or its own."""
    total = 0
    for row in range(len(sizes)):
        share, which = _chance(seed, 14, first + row), _mix(seed, 15, first + row)
        sizes[row] = 1 if share < 0.55 else (2 + np.int64(which % np.uint64(6)) if share < 0.75 else 8 + np.int64(which % np.uint64(8)))
        total += sizes[row]
        sources[row] = first + row
        if row and _chance(seed, 16, first + row) < RE_RELEASED:
            sources[row] = sources[np.int64(which >> np.uint64(8)) % row]
    row = 0
    while total != tracks:
        if total < tracks:
            sizes[row] += 1
            total += 1
        elif sizes[row] > 1:
            sizes[row] -= 1
            total -= 1
        row = (row + 7) % len(sizes) if len(sizes) % 7 else (row + 1) % len(sizes)


@njit(nogil=True, cache=True)
def fill_albums(
    seed: int, first: int, sources: Array, artists: int, labels: int, years: Array, year_ends: Array, artist: Array, label: Array,
    days: Array, year: Array, further: Array, popularity: Array, gtin: Array,
) -> None:  # fmt: skip
    """The columns of albums; `days` counts the days of the year, −1 where only the year is known."""
    for row in range(len(sources)):
        own = first + row
        artist[row] = 1 + np.int64(artists * _chance(seed, 17, sources[row]) ** 2)
        label[row] = 1 + np.int64(labels * _chance(seed, 18, own) ** 3)
        year[row] = years[np.searchsorted(year_ends, _chance(seed, 19, own))]
        word = _mix(seed, 20, own)
        days[row] = -1 if word % np.uint64(8) == 0 else np.int64((word >> np.uint64(8)) % np.uint64(365))
        share = _chance(seed, 23, own)
        further[row] = 0 if share < 0.55 else (1 if share < 0.80 else (2 if share < 0.90 else 3 + np.int64(word >> np.uint64(20)) % 4))
        popularity[row] = min(100.0, np.floor(max(0.0, -7.0 * np.log((1.0 - _chance(seed, 24, own)) / 0.28))))
        gtin[row] = 100_000_000_000 + np.int64(_mix(seed, 25, own) % np.uint64(9_000_000_000_000))


@njit(nogil=True, cache=True)
def fill_further(seed: int, kind: int, rows: Array, positions: Array, artists: int, found: Array) -> None:
    """An artist for every further place."""
    for place in range(len(rows)):
        found[place] = 1 + np.int64(artists * _chance(seed, kind, rows[place] * 64 + positions[place]) ** 2)


@njit(nogil=True, cache=True, inline="always")
def _permuted(number: int, count: int, seed: int) -> Any:
    """A permutation of 0 … count − 1: a Feistel network, walked until it falls within."""
    half = 1
    while (1 << (2 * half)) < count:
        half += 1
    mask = (np.int64(1) << half) - 1
    value = np.int64(number)
    while True:
        left, right = value >> half, value & mask
        for turn in range(4):
            left, right = right, left ^ (np.int64(_mix(seed, 70 + turn, right)) & mask)
        value = (left << half) | right
        if value < count:
            return value


@njit(nogil=True, cache=True)
def fill_tracks(
    seed: int, first: int, first_album: int, total: int, artists: int, sizes: Array, sources: Array, years: Array,
    album_artists: Array, popularity_ends: Array, minute_ends: Array, countries: Array, album: Array, artist: Array, disc: Array,
    number: Array, duration_ms: Array, explicit: Array, state: Array, popularity: Array, isrc: Array, keys: Array, further: Array,
) -> None:  # fmt: skip
    """The columns of tracks, album by album; neighbours by four are as popular as each other, which leaves the sums exact."""
    row = 0
    for place in range(len(sizes)):
        own = first_album + place
        keeps_isrcs = sources[place] != own and _chance(seed, 30, own) < ISRC_KEPT
        for at in range(sizes[place]):
            track = first + row
            album[row], keys[row] = own + 1, sources[place] * 64 + at
            is_mixed = _chance(seed, 31, own) < 0.05
            artist[row] = 1 + np.int64(artists * _chance(seed, 32, track) ** 2) if is_mixed else album_artists[place]
            disc[row], number[row] = 1 + at // 40, 1 + at % 40
            share, within = np.searchsorted(minute_ends, _chance(seed, 33, track)), _chance(seed, 34, track)
            seconds = within * 60.0 if share < 10 else -180.0 * np.log(1.0 - within * 0.999)
            duration_ms[row] = share * 60_000 + (0 if 2 <= share <= 4 and within < 0.04 else np.int64(seconds * 1000))
            explicit[row] = 1 if _chance(seed, 35, track) < EXPLICIT else 0
            block = track // 4
            rank = _permuted(block, total // 4, seed) * 4 + track % 4 if block < total // 4 else track
            popularity[row] = 100 - np.searchsorted(popularity_ends, rank, side="right")
            state[row] = 1 if popularity[row] > 0 or _chance(seed, 36, track) < TAIL_HELD else 0
            share_of = _chance(seed, 37, track)
            further[row] = 0 if share_of < 0.735 else (1 if share_of < 0.93 else (2 if share_of < 0.985 else 3))
            isrc[row] = -1
            if _chance(seed, 38, keys[row] if keeps_isrcs or sources[place] == own else track) < WITH_ISRC:
                source = sources[place] if keeps_isrcs else own
                block_of = source // ALBUMS_PER_REGISTRANT
                country = countries[np.int64(_mix(seed, 39, block_of) & np.uint64(0xFFFF))]
                registrant = np.int64(block_of * 7919 % _REGISTRANTS)
                serial = (source % ALBUMS_PER_REGISTRANT) * 256 + at
                year = years[source - first_album] % 100
                isrc[row] = country * PER_COUNTRY + registrant * PER_REGISTRANT + year * 100_000 + serial % 100_000
            row += 1
