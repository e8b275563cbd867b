"""Words near a mistyped one, by symmetric deletion: two words one slip apart share a form with a letter left out.

Only the first seven letters are deleted from, so that a word has at most eight forms for one slip and 29 for two, whatever its
length; the words found are then compared in full. Words of 4 letters and more bear one slip, of 8 and more two.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice, pairwise

import apsw
import numpy as np
from numpy.typing import NDArray

from fonoteca.catalogue.statements import Statements

PREFIX = 7
SHORTEST = 4
SHORTEST_FOR_TWO = 8
LONGEST = 32
MOST_WORDS = 2_000_000
"""Words that are kept, the commonest."""
FAR_WORDS = 300_000
"""The commonest words that are found two slips away."""
_ENTRY = np.dtype([("check", "<u2"), ("word", "<u4")])
_CRC_TABLE = np.array([zlib.crc32(bytes([byte ^ 0xFF])) ^ 0xFF000000 for byte in range(256)], np.uint32)
_MOST_CANDIDATES = 200


def slips_for(word: str) -> int:
    """How many slips a word of this length may hold."""
    return 0 if not SHORTEST <= len(word) <= LONGEST else 1 if len(word) < SHORTEST_FOR_TWO else 2


def deleted_forms(word: str, slips: int) -> set[str]:
    """The beginning of `word` with up to `slips` letters left out."""
    start = word[:PREFIX]
    return {"".join(kept) for gone in range(min(slips, len(start) - 1) + 1) for kept in combinations(start, len(start) - gone)}


def form_number(form: str) -> int:
    """The 32 bits a form is filed under: CRC-32 of its UTF-8."""
    return zlib.crc32(form.encode("utf-8", "replace"))


def bucket_bits(words: int) -> int:
    """How many leading bits of a form's number name its bucket; the next sixteen are kept with the entry."""
    return min(16, max(4, (words // 8).bit_length()))


def build_spellings(connection: apsw.Connection, parts: Sequence[str]) -> int:
    """Fill `words` and `spellings` from the words counted in part files; gives how many words there are."""
    words, tracks = _most_frequent(_summed(parts))
    rows = zip(range(1, len(words) + 1), words, tracks, strict=True)
    connection.executemany("INSERT INTO words (word, text, tracks) VALUES (?, ?, ?)", rows)
    connection.execute("CREATE INDEX words_by_text ON words (text)")
    keys = _filed_forms(words)
    connection.executemany("INSERT INTO spellings (bucket, entries) VALUES (?, ?)", _buckets(keys, bucket_bits(len(words))))
    return len(words)


def _summed(parts: Sequence[str]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for part in parts:
        connection = apsw.Connection(part, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            for word, tracks in connection.execute("SELECT text, tracks FROM counted WHERE length(text) <= ?", (LONGEST,)):
                totals[word] = totals.get(word, 0) + tracks
        finally:
            connection.close()
    return totals


def _most_frequent(totals: dict[str, int]) -> tuple[list[str], list[int]]:
    """The words that are kept and how many tracks have each: the commonest first, of as common ones by their text."""
    words = sorted(totals)
    tracks = np.fromiter((totals[word] for word in words), np.int64, len(words))
    order = np.argsort(-tracks, kind="stable")[:MOST_WORDS]
    return [words[place] for place in order.tolist()], tracks[order].tolist()


def _filed_forms(words: Sequence[str]) -> NDArray[np.uint64]:
    """The number of each form in the upper 32 bits, its word's place (from 1) in the lower ones, in order."""
    is_filed = [word.isascii() and slips_for(word) > 0 for word in words]
    letters = np.array([word[:PREFIX].encode() if filed else b"" for word, filed in zip(words, is_filed, strict=True)], f"S{PREFIX}")
    lengths = np.array([len(word) if filed else 0 for word, filed in zip(words, is_filed, strict=True)], np.int64)
    table = letters.view(np.uint8).reshape(len(words), PREFIX)
    keys = [np.empty(0, np.uint64)]
    for length in range(SHORTEST, PREFIX + 1):
        for gone in range(3):
            of_length = lengths >= PREFIX if length == PREFIX else lengths == length
            if gone == 2:
                of_length = (lengths >= SHORTEST_FOR_TWO) & of_length & (np.arange(len(words)) < FAR_WORDS)
            places = np.flatnonzero(of_length)
            for kept in combinations(range(length), length - gone):
                forms = _crc32(table[places], kept).astype(np.uint64)
                keys.append(forms << np.uint64(32) | (places + 1).astype(np.uint64))
    every: NDArray[np.uint64] = np.sort(np.concatenate(keys))  # np.unique is slower by far
    is_first = np.ones(len(every), bool)
    is_first[1:] = every[1:] != every[:-1]
    return np.compress(is_first, every)


def _crc32(table: NDArray[np.uint8], columns: Sequence[int]) -> NDArray[np.uint32]:
    """zlib.crc32 of these columns of every row."""
    crc = np.full(len(table), 0xFFFFFFFF, np.uint32)
    for column in columns:
        crc = _CRC_TABLE[(crc ^ table[:, column]) & np.uint32(0xFF)] ^ crc >> np.uint32(8)
    return ~crc


def _buckets(keys: NDArray[np.uint64], bits: int) -> Iterator[tuple[int, bytes]]:
    """(bucket, entries): entries of six bytes, the sixteen bits behind the bucket's and the word's number, in this order."""
    forms = (keys >> np.uint64(32)).astype(np.uint32)
    entries = np.empty(len(keys), _ENTRY)
    entries["check"] = (forms >> np.uint32(16 - bits)).astype(np.uint16)
    entries["word"] = keys.astype(np.uint32)
    buckets = (forms >> np.uint32(32 - bits)).astype(np.int64)
    starts = np.flatnonzero(np.diff(buckets, prepend=-1)).tolist()
    for start, end in pairwise([*starts, len(buckets)]):
        yield int(buckets[start]), entries[start:end].tobytes()


def nearest_words(statements: Statements, word: str, most: int = 3) -> list[str]:
    """Words of the index of an edition one slip from `word`, else two, the commonest first; `word` itself is none of them."""
    bits = bucket_bits(statements.value("SELECT coalesce(max(word), 0) FROM words"))
    for slips in range(1, slips_for(word) + 1):
        numbers = sorted(_candidates(statements, deleted_forms(word, slips), bits))[:_MOST_CANDIDATES]
        listed = "SELECT text FROM words WHERE word IN (SELECT value FROM json_each(?)) ORDER BY word"
        found = (text for (text,) in statements.rows(listed, (str(numbers),)))
        near = list(islice((other for other in found if other != word and is_near(word, other, slips)), most))
        if near:
            return near
    return []


def _candidates(statements: Statements, forms: Iterable[str], bits: int) -> set[int]:
    """The numbers of the words that are filed under one of the forms."""
    numbers = [form_number(form) for form in forms]
    listed = "SELECT bucket, entries FROM spellings WHERE bucket IN (SELECT value FROM json_each(?))"
    entries = dict(statements.rows(listed, (str([number >> (32 - bits) for number in numbers]),)))
    return {
        word
        for number in numbers
        for word in _filed_under(entries.get(number >> (32 - bits), b""), (number >> (16 - bits) & 0xFFFF).to_bytes(2, "little"))
    }


def _filed_under(entries: bytes, check: bytes) -> Iterator[int]:
    at = entries.find(check)
    while at >= 0:
        if at % _ENTRY.itemsize == 0:
            yield int.from_bytes(entries[at + 2 : at + _ENTRY.itemsize], "little")
        at = entries.find(check, at + 1)


def nearest_in_vocabulary(words: Iterable[tuple[str, int]], word: str, most: int = 3) -> list[str]:
    """As nearest_words, among (word, tracks) as they come: for a working catalogue, which has no table of spellings."""
    near = [
        (slips, -tracks, other) for other, tracks in words
        if other != word and (slips := count_slips(word, other, slips_for(word))) <= slips_for(word)
    ]  # fmt: skip
    closest = min((slips for slips, _, _ in near), default=0)
    return [other for slips, _, other in sorted(near) if slips == closest][:most]


def is_near(word: str, other: str, slips: int) -> bool:
    """Whether at most `slips` slips lie between two words: letters left out, put in, changed or swapped with their neighbour."""
    if word == other or slips < 1 or abs(len(word) - len(other)) > slips:
        return word == other
    shared = _count_shared(word, other)
    word, other = word[shared:], other[shared:]
    is_swapped = word[:2] == other[1::-1]
    if slips == 1:
        rest = word[1:], other[1:]
        return rest[0] == rest[1] or rest[0] == other or word == rest[1] or (is_swapped and word[2:] == other[2:])
    left = slips - 1
    return (
        is_near(word[1:], other[1:], left)
        or is_near(word[1:], other, left)
        or is_near(word, other[1:], left)
        or (is_swapped and is_near(word[2:], other[2:], left))
    )


def _count_shared(word: str, other: str) -> int:
    shared = 0
    for letter, another in zip(word, other, strict=False):
        if letter != another:
            break
        shared += 1
    return shared


def count_slips(word: str, other: str, most: int) -> int:
    """How many slips lie between two words; `most` + 1 where there are more."""
    return next((slips for slips in range(most + 1) if is_near(word, other, slips)), most + 1)
