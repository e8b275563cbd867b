"""Names in the forms in which they are compared: without case, accents, punctuation and script."""

from __future__ import annotations

import functools
import re
import unicodedata

from anyascii import anyascii

_APOSTROPHES = str.maketrans("", "", "'’‘ʼ`´")
_ASCII = {
    code: char if char.isalnum() else {"'": None, "`": None, "&": " and "}.get(char, " ") for code, char in enumerate(map(chr, range(128)))
}
_ARTICLES = ("the ", "a ", "an ")
LONGEST_FOLDED = 500  # characters; longer names are no names, and comparing them would take long


def fold_native(text: str) -> str:
    """`text` in its own script: NFKC, case folded, accents and punctuation gone, words one space apart.

    What has neither letters nor digits ("???") stays as it is, but for case and white space.
    """
    if text.isascii():
        lowered = text[:LONGEST_FOLDED].lower()
        return " ".join(lowered.translate(_ASCII).split()) or " ".join(lowered.split())
    folded = unicodedata.normalize("NFKC", text[:LONGEST_FOLDED]).casefold()
    bare = "".join(char for char in unicodedata.normalize("NFD", folded) if unicodedata.category(char) != "Mn")
    bare = unicodedata.normalize("NFC", bare).translate(_APOSTROPHES).replace("&", " and ")
    words = "".join(char if char.isalnum() else " " for char in bare).split()
    return " ".join(words) if words else " ".join(folded.split())


@functools.lru_cache(maxsize=65_536)
def fold_name(text: str) -> str:
    """fold_native, written in Latin letters and without a leading article: the key under which names meet."""
    folded = fold_native(text)
    if not folded.isascii():
        folded = re.sub(r"[^a-z0-9]+", " ", anyascii(folded).lower()).strip() or folded
    for article in _ARTICLES:
        if folded.startswith(article) and len(folded) > len(article):
            return folded[len(article) :]
    return folded
