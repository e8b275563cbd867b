"""What people ask of search, and what is hard for it: lists of texts, made from rows that are there and from the commonest words."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import apsw

from fonoteca.catalogue.search_build import TEXTS

SEARCHES = 300
COMMON, MIDDLE, RARE = (1, 40), (100, 2_000), (20_000, 200_000)
"""Places among the words of an edition, the commonest first."""


def search_questions(path: Path, chance: random.Random) -> dict[str, list[str]]:
    """Texts by kind: those of people, from the words of random rows, then the hard ones."""
    rows = _words_of_rows(path, chance)
    asked = {
        f"{count} word{'s' * (count > 1)}": [" ".join(chance.sample(words, count)) + " " for words in rows if len(words) >= count]
        for count in range(1, 7)
    }
    asked |= {f"prefix of {letters}": [chance.choice(words)[:letters] for words in rows] for letters in (1, 2, 3)}
    asked["word and prefix of 3"] = [f"{words[0]} {words[1][:3]}" for words in rows if len(words) > 1]
    asked["one mistyped word"] = [_mistyped(word, chance) + " " for words in rows for word in words[:1] if len(word) >= 6]
    return {name: texts[:SEARCHES] for name, texts in asked.items()}


def hard_questions(path: Path, chance: random.Random) -> dict[str, list[str]]:
    """Texts by kind that are hard to answer."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    ranked = [text for (text,) in connection.execute("SELECT text FROM words WHERE word <= ? ORDER BY word", (RARE[1],))]
    connection.close()
    rows = _words_of_rows(path, chance)

    def some(places: tuple[int, int], count: int) -> str:
        return " ".join(chance.sample(ranked[min(places[0], len(ranked) // 2) : places[1]], count))

    def many(make: Callable[[], str]) -> list[str]:
        return [make() for _ in range(SEARCHES // 3)]

    asked = {
        f"word and prefix of {letters}": [f"{words[0]} {words[1][:letters]}" for words in rows if len(words) > 1] for letters in (1, 2)
    }
    asked["two words and prefix of 3"] = [f"{words[0]} {words[2]} {words[1][:3]}" for words in rows if len(words) > 2]
    asked["phrase of two words"] = [f'"{words[0]} {words[1]}"' for words in rows if len(words) > 1]
    return {name: texts[: SEARCHES // 3] for name, texts in asked.items()} | {
        "six of the commonest words": many(lambda: some(COMMON, 6) + " "),
        "two middling words": many(lambda: some(MIDDLE, 2) + " "),
        "three middling words": many(lambda: some(MIDDLE, 3) + " "),
        "a common and a rare word": many(lambda: f"{some(COMMON, 1)} {some(RARE, 1)} "),
        "three common and a middling word": many(lambda: f"{some(COMMON, 3)} {some(MIDDLE, 1)} "),
        "a common word, prefix of 1": many(lambda: f"{some(COMMON, 1)} {some(RARE, 1)[:1]}"),
        "a middling word, prefix of 2": many(lambda: f"{some(MIDDLE, 1)} {some(MIDDLE, 1)[:2]}"),
        "a rare word, prefix of 3": many(lambda: f"{some(RARE, 1)} {some(MIDDLE, 1)[:3]}"),
        "a Chinese character, a prefix of 2": many(lambda: f"{chr(chance.randrange(0x4E00, 0x4E00 + 2500))} {some(MIDDLE, 1)[:2]}"),
        "a common word of a year": many(lambda: f"{some(COMMON, 1)} year:{chance.randrange(1960, 2026)} "),
        "a common word that is held": many(lambda: f"{some(COMMON, 1)} held: "),
        "a common word, not another": many(lambda: f"{some(COMMON, 1)} -{some(COMMON, 1)} "),
        "a phrase that is nowhere": many(lambda: f'"{some(COMMON, 3)}"'),
        "words that are nowhere together": many(lambda: some(RARE, 3) + " "),
    }


def _words_of_rows(path: Path, chance: random.Random) -> list[list[str]]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    last = connection.execute("SELECT max(track) FROM tracks").get
    found: list[list[str]] = []
    while len(found) < 4 * SEARCHES:
        row = connection.execute(f"{TEXTS['track']} WHERE t.track = ?", (chance.randint(1, last),)).fetchone() or ()
        words = list(dict.fromkeys(word for name in row[1:] if name for word in name.lower().split() if word.isalnum()))
        if words:
            found.append(words)
    connection.close()
    return found


def _mistyped(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1 :]
