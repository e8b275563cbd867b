"""A vocabulary of made-up words beside the commonest of titles, in several scripts, drawn as words of titles are: by rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from fonoteca.catalogue.isrc_numbers import COUNTRIES

Array = np.ndarray[Any, Any]
COMMON = """
the of love a in you to and me my de la i on for it no is all live be original day night time el mi que con from with out baby heart
this up life good dance one we what do down world home blue at not now like get dream way go girl christmas song beautiful summer light
back theme never dark sun rain man little let don't i'm che amor vida noche sin por para du ich und der die le les mon je ne pas sweet
star moon water fire black white red last first street city house party king queen god jesus holy sleep noise piano sonata op major
minor allegro andante symphony part vol intro outro interlude
"""
SYLLABLES = """
ka ki ku ke ko sa shi su ta te to na ni no ma mi mo ra ri ro la lo li da di do ba be bo ya yu wa ha hi ho ga go zi za vi va xo qua tra
pri sto che nje sk ndr lle tti ova ien ski man son berg
"""
ACCENTED = "ški né ção ñar ör üm å"
WITH_ACCENT = 0.06
SUFFIXES = [
    " (feat. ", " (with ", " (feat. ", " - Remastered 2009", " - Remastered 2011", " - Live", " - Radio Edit", " - Original Mix",
    " - Acoustic",
    " (Instrumental)", " - Extended Mix", " - Remix", " (Live at the Town Hall)", " - Sped Up", " in C Minor, Op. 67: I. Allegro con brio",
    " No. 5 in E-Flat Major, BWV 1010: II. Allemande", ' - From "The Original Motion Picture"', " - Single Version",
]  # fmt: skip
OTHER_SCRIPTS = ((0x4E00, 2500, 1_300, 5), (0x3042, 80, 500, 6), (0xAC00, 2000, 500, 5), (0x0430, 32, 1_300, 9), (0x0627, 36, 500, 7))
"""(first character, characters, words, longest) of Chinese, Japanese, Korean, Cyrillic and Arabic."""
COUNTRY_SHARES = {
    "US": 20,
    "QZ": 18,
    "GB": 9,
    "QM": 5,
    "DE": 6,
    "FR": 5,
    "BR": 5,
    "TC": 4,
    "JP": 4,
    "IT": 3,
    "NL": 3,
    "CA": 2,
    "IN": 3,
    "SE": 2,
}
WORDS = 300_000
DRAWS = 1 << 20


class Vocabulary:
    """`tables`: words by draw, their bytes, the suffixes' bytes, how many words a title has; `countries`: by draw."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        made = self._made(rng)
        words = [word.title() if word.isascii() and "'" not in word else word for word in [*COMMON.split(), *made]]
        chance = np.cumsum(1.0 / (np.arange(len(words)) + 3.0) ** 1.02)
        draws = np.searchsorted(chance / chance[-1], (np.arange(DRAWS) + 0.5) / DRAWS).astype(np.int32)
        lengths = np.cumsum([0.22, 0.28, 0.20, 0.12, 0.08, 0.05, 0.03, 0.02])
        lengths[-1] = 1.1
        self.tables = draws, *_bytes_of(words), *_bytes_of(SUFFIXES), lengths
        self.countries = self._country_draws(rng)

    def _made(self, rng: np.random.Generator) -> list[str]:
        """Most words are ASCII, one in seventeen has an accent, one in seventy is of another script."""
        syllables = SYLLABLES.split()
        draws = rng.integers(0, len(syllables), size=(WORDS, 4))
        lengths = rng.integers(2, 5, size=WORDS)
        made = ["".join(syllables[at] for at in row[:length]) for row, length in zip(draws.tolist(), lengths.tolist(), strict=True)]
        accented = ACCENTED.split()
        for place in np.flatnonzero(rng.random(WORDS) < WITH_ACCENT).tolist():
            made[place] += accented[place % len(accented)]
        for first, characters, words, longest in OTHER_SCRIPTS:
            made += [
                "".join(map(chr, rng.integers(first, first + characters, size=rng.integers(1, longest)).tolist())) for _ in range(words)
            ]
        unique = list(dict.fromkeys(made))
        return [unique[place] for place in rng.permutation(len(unique)).tolist()]

    def _country_draws(self, rng: np.random.Generator) -> Array:
        codes = [COUNTRIES[place : place + 2] for place in range(0, 120, 2)]
        rest = (100 - sum(COUNTRY_SHARES.values())) / (len(codes) - len(COUNTRY_SHARES))
        chance = np.cumsum([COUNTRY_SHARES.get(code, rest) for code in codes])
        return np.searchsorted(chance / chance[-1], rng.random(1 << 16)).astype(np.int64)


def _bytes_of(texts: list[str]) -> tuple[Array, Array]:
    encoded = [text.encode() for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8).copy(), offsets
