"""The words under which names are found: one way of making them, for the index and for the query; docs/formats/search.md.

ASCII goes into FTS5 as it is, since its tokenizer folds it. Everything else is folded here, so that what was indexed can be
computed again from a row: NFKC, case folded, with the ASCII transliteration of each word, and with pairs of characters for
scripts that are written without spaces.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

import msgspec
from anyascii import anyascii

LONGEST_NAME = 1000
"""Characters of one text that are indexed."""
LONGEST_JOINED = 24
LONGEST_RUN = 24

_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3100-\u318f\u31f0-\u31ff"
    "\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_PUNCTUATION = r"'’ʼ`´./&!$@*+\-‐‑"
_INDIC = "\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(r"[^\W_]+")
_UNASSIGNED = "".join(chr(point) for point in range(0x900, 0xE00) if unicodedata.category(chr(point)) == "Cn")
_TOKEN = re.compile(rf"(?:[^\W_]|[{_UNASSIGNED}])+")  # FTS5 takes what is no character yet for a letter
_WORD_WITH_VOWELS = re.compile(rf"(?:[^\W_]|[{_INDIC}])+")
_RUN = re.compile(f"[{_SPACELESS}]+|[^{_SPACELESS}]+")
_IS_SPACELESS = re.compile(f"[{_SPACELESS}]")
_LETTER = rf"[^\W_{_SPACELESS}]"
_COMPOUND = re.compile(rf"(?<!{_LETTER}){_LETTER}++(?:[{_PUNCTUATION}]{_LETTER}++)+")
_ODD_ASCII = re.compile(r"[A-Za-z0-9]['./&!$@*+-][A-Za-z0-9]|^[^A-Za-z0-9\n]+$", re.MULTILINE)
_SIGN = re.compile(r"[^A-Za-z0-9 \n]")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_NOT_PLAIN = re.compile("[^a-z0-9]+")
_READ_AS = str.maketrans({"$": "s", "!": "i", "@": "a", **dict.fromkeys("'’ʼ`´./&*+-‐‑")})


class _SeenCharacters(dict[int, int | None]):
    """A table for str.translate that leaves out marks and what is invisible, but for vowel signs of the scripts of India."""

    def __missing__(self, point: int) -> int | None:
        character = chr(point)
        is_left_out = unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf", "Cs", "Cn") and not 0x900 <= point < 0xE00
        self[point] = None if is_left_out else point
        return self[point]


_SEEN = _SeenCharacters()


class Term(msgspec.Struct, frozen=True):
    """One word of a query: found where all tokens of one alternative are.

    `is_prefix`: the last token of each alternative may go on. `run` is text of a script without spaces that a row must hold
    as it is, since its tokens are only pairs of its characters.
    """

    alternatives: tuple[tuple[str, ...], ...]
    is_prefix: bool = False
    run: str | None = None

    @property
    def text(self) -> str:
        """The term as a person would read it."""
        return self.run or " ".join(self.alternatives[0])


def index_words(*texts: str) -> str:
    """What FTS5 is given for the names of one row; the same texts give the same words for ever (format 1)."""
    joined = "\n".join(texts)
    if is_plain(joined):
        return joined
    return "\n".join(words for text in texts for line in text[:LONGEST_NAME].split("\n") if (words := _line_words(line)))


def is_plain(names: str) -> bool:
    """Whether what is indexed of these names, a line each, is what they are: no word of theirs has another form."""
    return names.isascii() and len(names) <= LONGEST_NAME and not (_SIGN.search(names) and _ODD_ASCII.search(names))


def _line_words(line: str) -> str:
    if line.isascii():
        if not _ODD_ASCII.search(line):
            return line
        return " ".join((line, *compound_words(line.lower()))) if _WORD.search(line) else symbol_word(line)
    folded = fold(line)
    words = [*_indexed_words(folded), *compound_words(folded)]
    return " ".join(dict.fromkeys(words)) if words else symbol_word(line)


def _indexed_words(folded: str) -> Iterator[str]:
    for run in word_runs(folded):
        if _IS_SPACELESS.match(run):
            yield from run_tokens(run)
            if len(run) <= LONGEST_RUN:
                spelt = [_NOT_PLAIN.sub("", anyascii(character).lower()) for character in run]
                yield from filter(None, ("".join(spelt), *(() if is_kana(run) else spelt)))
        else:
            plain = transliterate(run)
            yield plain or run
            if plain != without_accents(run):
                yield run


def fold(text: str) -> str:
    """NFKC, case folded; marks that do not compose and invisible characters are left out."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(_SEEN)


def word_runs(folded: str) -> Iterator[str]:
    """The words of folded text in order, those of scripts without spaces apart from others."""
    if folded.isascii():
        yield from _WORD.findall(folded)
        return
    for word in _WORD_WITH_VOWELS.findall(folded):
        yield from (word,) if word.isascii() else _RUN.findall(word)


def run_tokens(run: str) -> list[str]:
    """Pairs of neighbouring characters, then the last alone: so that a single character is the prefix of a token wherever it stands."""
    return [*(run[place : place + 2] for place in range(len(run) - 1)), run[-1:]]


def is_kana(run: str) -> bool:
    """Whether `run` begins in hiragana or katakana, whose characters are too short to be words."""
    return "\u3041" <= run[:1] <= "\u30ff"


def without_accents(word: str) -> str:
    """`word` (folded) without the accents of Latin, Greek and Cyrillic."""
    if word.isascii():
        return word
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word)))


@functools.lru_cache(maxsize=1 << 16)
def transliterate(word: str) -> str:
    """`word` (folded) in a–z and 0–9, without its accents; empty where nothing of it can be said so."""
    plain = without_accents(word)
    return plain if plain.isascii() else _NOT_PLAIN.sub("", anyascii(plain).lower())


def compound_words(folded: str) -> list[str]:
    """Words joined by punctuation as people type them without it: dont, acdc, jayz, pink for P!nk; at most 24 characters."""
    found = (transliterate(word[0].translate(_READ_AS)) for word in _COMPOUND.finditer(folded))
    return [word for word in found if 1 < len(word) <= LONGEST_JOINED]


def symbol_word(text: str) -> str:
    """The word of a name without letters and digits: `x` and its UTF-8 in hex, at most 32 bytes; empty for white space."""
    signs = "".join(unicodedata.normalize("NFKC", text).split()).encode("utf-8", "replace")[:32]
    return f"x{signs.hex()}" if signs else ""


def tokens_of(words: str) -> set[str]:
    """The tokens that FTS5 makes of what index_words gave."""
    return set((_WORD if words.isascii() else _TOKEN).findall(words.lower()))


def reading_form(text: str) -> str:
    """The words of a text in order, transliterated, one space around each: what phrases are looked for in."""
    words = (run if _IS_SPACELESS.match(run) else transliterate(run) or run for run in word_runs(fold(text[:LONGEST_NAME])))
    return f" {' '.join(words)} "


def query_terms(text: str, *, is_last_open: bool = True) -> list[Term]:
    """The terms of text that a person typed; with `is_last_open` the last word is one that may go on, unless a space follows it.

    Text without letters and digits is one term for a name of the same signs. Never fails.
    """
    folded = fold(text[: LONGEST_NAME * 16])
    chunks = folded.split()
    terms = [term for chunk in chunks for term in _chunk_terms(chunk)]
    if not terms:
        symbol = symbol_word(text[:LONGEST_NAME])
        return [Term(((symbol,),))] if symbol else []
    is_open = is_last_open and terms[-1].run is None and unicodedata.category(text[-1])[0] in "LNM"
    return [*terms[:-1], msgspec.structs.replace(terms[-1], is_prefix=True)] if is_open else terms


def _chunk_terms(chunk: str) -> Iterator[Term]:
    runs = list(word_runs(chunk))
    compounds = compound_words(chunk)
    words = tuple(transliterate(run) or run for run in runs if not _IS_SPACELESS.match(run))
    if len(compounds) == 1 and len(words) > 1 and len(runs) == len(words):
        yield Term(((compounds[0],), words))
        return
    for run in runs:
        if not _IS_SPACELESS.match(run):
            yield Term(((transliterate(run) or run,),))
        elif len(run) == 1:
            yield Term(((run,),), is_prefix=True, run=run)
        else:
            yield Term((tuple(run_tokens(run)[:-1]),), run=run)
