"""Evidence from names: titles with the version they say they are, artists in any order, places on an album."""

from __future__ import annotations

import functools
from difflib import SequenceMatcher

from fonoteca.ground.recordings import Recording
from fonoteca.identity.folding import fold_name
from fonoteca.identity.titles import TitleForm, read_title, split_names
from fonoteca.identity.version_words import CONTRADICTING, OTHER_DETAILS_CONTRADICT, WEIGHTS
from fonoteca.identity.weighing import Weighed
from fonoteca.identity.weights import (
    ARTISTS_ALIAS,
    ARTISTS_OTHER,
    ARTISTS_OVERLAP,
    ARTISTS_SAME,
    ARTISTS_SIMILAR,
    OTHER_DETAILS,
    OTHER_PLACE_ON_ALBUM,
    SIMILAR_FROM,
    TITLE_AT_MOST,
    TITLE_BASE,
    TITLE_ONLY_TRANSLITERATED,
    TITLE_OTHER,
    TITLE_PER_LETTER,
    TITLE_SIMILAR,
)

NO_ARTISTS = frozenset({"various artists", "various", "va", "unknown artist", "unknown", "n a", "no artist", "diverse", "varios artistas"})


def judge_titles(a: Recording, b: Recording) -> list[Weighed]:
    """The bare titles as one part, each kind of version in which they differ as another; empty where a title is not known."""
    if not (a.title and b.title):
        return []
    first, second = read_title(a.title), read_title(b.title)
    return [_judge_bare(first, second, f"“{a.title[:80]}”, “{b.title[:80]}”"), *_judge_versions(first, second)]


def _judge_bare(a: TitleForm, b: TitleForm, shown: str) -> Weighed:
    if a.bare == b.bare:
        score = min(TITLE_AT_MOST, TITLE_BASE + TITLE_PER_LETTER * len(a.bare))
        if a.native == b.native:
            return Weighed("title", score, f"the same title: {shown}")
        return Weighed("title", score + TITLE_ONLY_TRANSLITERATED, f"the same title in Latin letters: {shown}")
    if a.numbers != b.numbers:
        return Weighed("title", TITLE_OTHER, f"titles with other numbers: {shown}", contradicts=_differ_in_numbers_alone(a, b))
    if likeness(a.bare, b.bare) >= SIMILAR_FROM:
        return Weighed("title", TITLE_SIMILAR, f"similar titles: {shown}")
    return Weighed("title", TITLE_OTHER, f"other titles: {shown}")


def _differ_in_numbers_alone(a: TitleForm, b: TitleForm) -> bool:
    first, second = ("".join(char for char in title.bare if not char.isdigit()).split() for title in (a, b))
    return bool(a.numbers and b.numbers) and first == second


def likeness(a: str, b: str) -> float:
    """0 to 1, symmetric; 1 for equal texts."""
    if a == b:
        return 1.0
    matcher = SequenceMatcher(None, min(a, b), max(a, b), autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= SIMILAR_FROM and matcher.quick_ratio() >= SIMILAR_FROM else 0.0


def _judge_versions(a: TitleForm, b: TitleForm) -> list[Weighed]:
    kinds = sorted({kind for kind, _ in (*a.versions, *b.versions)})
    return [part for kind in kinds if (part := _judge_kind(kind, a.version(kind), b.version(kind)))]


def _judge_kind(kind: str, a: frozenset[str] | None, b: frozenset[str] | None) -> Weighed | None:
    name = f"version: {kind}"
    if (a is None) != (b is None):
        if kind in CONTRADICTING:
            return Weighed(name, TITLE_OTHER, f"only one says {kind}", contradicts=True)
        return Weighed(name, WEIGHTS[kind], f"only one says {kind}") if WEIGHTS[kind] else None
    if a == b or a is None or b is None or (WEIGHTS.get(kind, -1.0) >= -1.0 and kind not in CONTRADICTING):
        return None
    if a and b and not a & b:
        shown = f"{kind}, of another kind: {_words(a)}; {_words(b)}"
        return Weighed(name, OTHER_DETAILS, shown, contradicts=kind in OTHER_DETAILS_CONTRADICT)
    return Weighed(name, -2.0, f"{kind}, said with other words: {_words(a)}; {_words(b)}")


def _words(details: frozenset[str]) -> str:
    return " ".join(sorted(details))[:60] or "no more words"


def folded_artists(recording: Recording) -> frozenset[str]:
    """All names of all artists, folded; those featured in the title too. Stand-ins such as "Various Artists" are none."""
    return _folded(recording.artists, recording.title)


@functools.lru_cache(maxsize=16_384)
def _folded(artists: tuple[tuple[str, ...], ...], title: str | None) -> frozenset[str]:
    featured = read_title(title).featured if title else ()
    groups = [frozenset(map(fold_name, names)) for names in (*artists, *((name,) for name in featured))]
    return frozenset[str]().union(*(group - {""} for group in groups if not group & NO_ARTISTS))


def credited_artists(recording: Recording) -> frozenset[str]:
    """The folded names as credited, with "A & B" also as A and B."""
    return _credited(recording.artists, recording.title)


@functools.lru_cache(maxsize=16_384)
def _credited(artists: tuple[tuple[str, ...], ...], title: str | None) -> frozenset[str]:
    featured = read_title(title).featured if title else ()
    folded = {fold_name(part) for name in (*(names[0] for names in artists if names), *featured) for part in split_names(name)}
    return frozenset(folded - {""} - NO_ARTISTS)


def judge_artists(a: Recording, b: Recording) -> Weighed | None:
    """Who plays, in any order; None where either does not say."""
    first, second = credited_artists(a), credited_artists(b)
    if not (first and second):
        return None
    shown = f"{_names(a)}; {_names(b)}"
    if first == second:
        return Weighed("artists", ARTISTS_SAME, f"the same artists: {shown}")
    if first & second:
        return Weighed("artists", ARTISTS_OVERLAP, f"artists in common: {shown}")
    if folded_artists(a) & folded_artists(b):
        return Weighed("artists", ARTISTS_ALIAS, f"the same artist under another name: {shown}")
    if any(likeness(one, other) >= SIMILAR_FROM for one in first for other in second):
        return Weighed("artists", ARTISTS_SIMILAR, f"similar artists: {shown}")
    return Weighed("artists", ARTISTS_OTHER, f"other artists: {shown}")


def _names(recording: Recording) -> str:
    return ", ".join(names[0][:60] for names in recording.artists[:4] if names) or "none"


def judge_place(a: Recording, b: Recording) -> Weighed | None:
    """Two places of one album are seldom one recording."""
    if a.album is None or a.album != b.album or a.number is None or b.number is None:
        return None
    if (a.disc or 1, a.number) == (b.disc or 1, b.number):
        return None
    return Weighed("place", OTHER_PLACE_ON_ALBUM, f"two places of one album: {a.disc or 1}/{a.number}, {b.disc or 1}/{b.number}")
