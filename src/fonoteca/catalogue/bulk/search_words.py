"""The words of names by the million: what index_words gives, compiled for Latin letters; only other lines go through Python.

FTS5 is told which tokens a row has, not how often or in which order, so a line may be written in another way as long as its tokens
are those of index_words: letters whose accents it would take away are written without them at once.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import chain
from typing import Any

import apsw
import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import text_parts
from fonoteca.catalogue.search_text import LONGEST_JOINED, LONGEST_NAME, fold, index_words, transliterate, without_accents

Array = NDArray[Any]
BETWEEN = 0
"""Between the texts of a row; the names within one text stand on lines of their own."""

_LETTERS = chain(range(0xC0, 0x250), range(0x1E00, 0x1F00))
_AS_APOSTROPHE, _AS_HYPHEN = "\u2019", "\u2010\u2011"
_AS_SPACE = "–—“”„«»¿¡"
_SPACE, _LINE_END = 32, 10
_MARK = "q9zq"
ROOM_FOR_MARK = 8
"""Of a text that is nearly as long as what is indexed of one no word can stand alone behind the mark."""
_POINTS = 0x2100
_PUNCTUATION = np.zeros(256, np.uint8)
"""Of ASCII: 1 joins letters to a compound and falls away in it, else the letter that it is read as."""
for _sign in b"'`./&*+-":
    _PUNCTUATION[_sign] = 1
for _sign, _letter in zip(b"$!@", b"sia", strict=True):
    _PUNCTUATION[_sign] = _letter
_KINDS = np.zeros(128, np.uint8)
"""Of ASCII: 1 letters and digits, 2 signs that make a line odd for index_words, as it looks at them."""
for _sign in range(128):
    _KINDS[_sign] = 1 if chr(_sign).isalnum() else 2 if _PUNCTUATION[_sign] and chr(_sign) != "`" else 0


@cache
def plain_forms() -> Array:
    """For each code point below 0x2100 the one ASCII character that it is the same token as; 0 where there is none so simple."""
    plain = np.zeros(_POINTS, np.uint8)
    plain[1:128] = np.arange(1, 128)
    for point in _LETTERS:
        folded = fold(chr(point))
        letter = transliterate(folded) if folded else ""
        if len(letter) == 1 and letter.isascii() and letter.isalnum() and letter == without_accents(folded):
            plain[point] = ord(letter)
    for signs, form in ((_AS_APOSTROPHE, "'"), (_AS_HYPHEN, "-"), (_AS_SPACE, " ")):
        for sign in signs:
            plain[ord(sign)] = ord(form)
    return plain


@numba.njit(nogil=True, cache=True, inline="always")
def _is_word(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@numba.njit(nogil=True, cache=True)
def _plain_form(content: Array, begin: int, end: int, plain: Array) -> Any:
    """(the ASCII character of what stands at `begin`, 0 where there is none so simple; its bytes)."""
    byte = np.int64(content[begin])
    if byte < 0x80:
        return np.int64(plain[byte]), 1
    if 0xC2 <= byte < 0xE0 and begin + 1 < end:
        return np.int64(plain[((byte & 31) << 6) | (np.int64(content[begin + 1]) & 63)]), 2
    if 0xE0 <= byte < 0xF0 and begin + 2 < end:
        point = ((byte & 15) << 12) | ((np.int64(content[begin + 1]) & 63) << 6) | (np.int64(content[begin + 2]) & 63)
        return np.int64(plain[point]) if point < len(plain) else 0, 3
    return 0, 1


@numba.njit(nogil=True, cache=True)
def _plain_line(content: Array, begin: int, end: int, plain: Array, kinds: Array, out: Array, at: int, hard: Array, found: int) -> Any:
    """The line in ASCII at `out[at:]`, its hard words noted in `hard`.

    (Its end in `out`, how many are noted, whether it has letters or digits, whether it may have compounds.)
    """
    word, word_at, last, before_last = begin, at, 0, 0
    has_word, is_odd = False, False
    while begin < end:
        form, width = np.int64(content[begin]), 1
        if form >= 128 or form == 0:
            is_odd = True
            form, width = _plain_form(content, begin, end, plain)
            if form == 0:
                while begin < end and content[begin] != 32:
                    begin += 1
                hard[found, 1], hard[found, 2] = word, begin
                found, at, last = found + 1, word_at, 0
                continue
        out[at] = form
        at += 1
        kind = kinds[form]
        if kind == 1:
            has_word = True
            is_odd |= last == 2 and before_last == 1
        before_last, last = last, kind
        begin += width
        if form == 32:
            word, word_at = begin, at
    return at, found, has_word, is_odd


@numba.njit(nogil=True, cache=True)
def _compounds(out: Array, begin: int, end: int, punctuation: Array, longest: int) -> int:
    """Words joined by punctuation, behind the line, without it; gives the new end."""
    at, place = end, begin
    while place < end:
        if not _is_word(out[place]):
            place += 1
            continue
        start, stop, joins = place, place, False
        while place < end and _is_word(out[place]):
            place += 1
        stop = place
        while place + 1 < end and punctuation[out[place]] and _is_word(out[place + 1]):
            place += 1
            while place < end and _is_word(out[place]):
                place += 1
            stop, joins = place, True
        if joins:
            at = _append_joined(out, start, stop, at, punctuation, longest)
    return at


@numba.njit(nogil=True, cache=True)
def _append_joined(out: Array, start: int, stop: int, at: int, punctuation: Array, longest: int) -> int:
    out[at] = 32
    length = 0
    for place in range(start, stop):
        reading = punctuation[out[place]]
        if reading != 1:
            length += 1
            out[at + length] = reading if reading else out[place]
    return at + 1 + length if 1 < length <= longest else at


@numba.njit(nogil=True, cache=True)
def _write_rows(
    offsets: Array, content: Array, plain: Array, kinds: Array, punctuation: Array, limits: tuple[int, int], out: Array, ends: Array,
    hard: Array,
) -> int:  # fmt: skip
    """The rows' words into `out`; what is hard into `hard`: (row, from, to, 0 for a word, 1 for a line or a long row); how much."""
    at, found = 0, 0
    for row in range(len(offsets) - 1):
        begin, last = np.int64(offsets[row]), np.int64(offsets[row + 1])
        is_long = last - begin > limits[0]
        while begin < last:
            end = last if is_long else begin
            while end < last and content[end] != 0 and content[end] != 10:
                end += 1
            if end > begin:
                before, stop, has_word, is_odd = found, at, False, False
                if not is_long:
                    stop, found, has_word, is_odd = _plain_line(content, begin, end, plain, kinds, out, at, hard, found)
                if has_word:
                    if is_odd:
                        stop = _compounds(out, at, stop, punctuation, limits[1])
                    out[stop] = 10
                    at = stop + 1
                else:
                    hard[before, 1], hard[before, 2], hard[before, 3] = begin, end, 1
                    found = before + 1
                for item in range(before, found):
                    hard[item, 0] = row
            begin = end + 1
        ends[row + 1] = at
    return found


@numba.njit(nogil=True, cache=True)
def _append(out: Array, ends: Array, rows: Array, extra: Array, extra_ends: Array, whole: Array, whole_ends: Array) -> int:
    """Each row of `out` with what else belongs to it."""
    write, item = 0, 0
    for row in range(len(ends) - 1):
        for read in range(ends[row], ends[row + 1]):
            whole[write] = out[read]
            write += 1
        while item < len(rows) and rows[item] == row:
            for read in range(extra_ends[item], extra_ends[item + 1]):
                whole[write] = extra[read]
                write += 1
            whole[write] = 10
            write += 1
            item += 1
        whole_ends[row + 1] = write
    return write


def words_of(texts: pa.Array) -> pa.Array:
    """For rows of texts (BETWEEN between them, names on lines) what FTS5 is to be given: large_string.

    The tokens are those of index_words; words that are not ASCII are tokens of unicode61 already.
    """
    offsets, content = text_parts(texts)
    first, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    content, offsets = content[first : first + size], offsets - first
    out, ends = np.empty(2 * size + 2 * len(texts) + 64, np.uint8), np.zeros(len(texts) + 1, np.int64)
    parts = int(np.count_nonzero((content == BETWEEN) | (content == _LINE_END) | (content == _SPACE))) + len(texts)
    hard = np.zeros((parts, 4), np.int64)
    limits = LONGEST_NAME - ROOM_FOR_MARK, LONGEST_JOINED
    found = _write_rows(offsets, content, plain_forms(), _KINDS, _PUNCTUATION, limits, out, ends, hard)
    if found:
        out, ends = _with_hard(out, ends, content, hard[:found])
    used = int(ends[-1])
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(out[:used]))


def _with_hard(out: Array, ends: Array, content: Array, hard: Array) -> tuple[Array, Array]:
    whole, known = content.tobytes(), dict[bytes, bytes]()
    extra = []
    for begin, end, is_line in hard[:, 1:].tolist():
        text = whole[begin:end] if is_line else whole[begin:end] + b" "
        words = known.get(text)
        if words is None:
            words = known[text] = _hard_words(text) if is_line else _hard_word(text)
        extra.append(words)
    lengths = np.fromiter(map(len, extra), np.int64, len(extra))
    extra_ends = np.concatenate([[0], np.cumsum(lengths)])
    joined = np.frombuffer(b"".join(extra) or b"\0", np.uint8)
    result, result_ends = np.empty(int(ends[-1]) + int(extra_ends[-1]) + len(extra) + 1, np.uint8), np.zeros_like(ends)
    _append(out, ends, hard[:, 0].copy(), joined, extra_ends, result, result_ends)
    return result, result_ends


@lru_cache(maxsize=1 << 18)
def _hard_words(text: bytes) -> bytes:
    words = index_words(*filter(None, text.decode("utf-8", "replace").split(chr(BETWEEN))))
    return b" ".join(chunk.encode() if chunk.isascii() else _tokens_of(chunk) for chunk in words.split())


@lru_cache(maxsize=1 << 18)
def _hard_word(text: bytes) -> bytes:
    """One word of a line that has others, so that signs alone make none."""
    mark = _MARK.encode()
    while mark in text.lower():  # or it would be there only once
        mark += b"q"
    words = _hard_words(mark + b" " + text.rstrip())
    return words.removeprefix(mark).lstrip()


@lru_cache(maxsize=1 << 18)
def _tokens_of(chunk: str) -> bytes:
    spoken = _tokenizer()(chunk.encode("utf-8", "replace"), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False)
    return " ".join(str(token) for colocated in spoken for token in colocated).encode()


@cache
def _tokenizer() -> Any:
    return apsw.Connection(":memory:").fts5_tokenizer("unicode61", ["remove_diacritics", "2"])
