"""Titles taken apart: the bare title, who is featured, and which version it says it is."""

from __future__ import annotations

import functools
import re

import msgspec

from fonoteca.identity.folding import fold_name, fold_native
from fonoteca.identity.version_words import NEUTRAL_WORDS, PLAIN_VERSION, VERSION_WORDS

_BRACKETS = re.compile(r"[\(\[\{（【「『<]([^\(\)\[\]\{\}（）【】「」『』<>]*)[\)\]\}）】」』>]")
_DASH = re.compile(r"\s+[-–—~|/]+\s+")
_FEATURED = re.compile(r"^\s*(?:feat(?:uring)?|ft|with|con|avec)\b\.?\s+(.+)$", re.IGNORECASE)
_FEATURED_AT_END = re.compile(r"\s+(?:feat|featuring|ft)\b\.?\s+(.+)$", re.IGNORECASE)
_SEVERAL = re.compile(r"\s*(?:,|;|&|\+|/|\band\b|\bund\b|\by\b|\bet\b|\bx\b)\s*", re.IGNORECASE)
_PART = re.compile(r"\b(?:pt|part|parte|teil|partie) (\d+|[ivx]+)\b")
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "x": 10}


class TitleForm(msgspec.Struct, frozen=True):
    """A title in parts. `native` and `bare` are the folded title in its own script and in Latin letters.

    `versions` are kinds of version with the words that tell one of that kind from another (("live", {"wembley", "1986"}));
    `featured` are names as given; `numbers` are the numbers in the bare title, which tell "Part 1" from "Part 2".
    """

    native: str
    bare: str
    versions: tuple[tuple[str, frozenset[str]], ...] = ()
    featured: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    def version(self, kind: str) -> frozenset[str] | None:
        """The words beside the kind, or None where the title does not say that it is of that kind."""
        return dict(self.versions).get(kind)


def split_names(text: str) -> tuple[str, ...]:
    """The single names in "A, B & C"."""
    return tuple(name for name in _SEVERAL.split(text) if name.strip()) or (text,)


@functools.lru_cache(maxsize=65_536)
def read_title(title: str) -> TitleForm:
    """The parts of a title. Words in brackets and behind a dash count as a version only where they name one."""
    versions, featured = dict[str, frozenset[str]](), list[str]()
    kept = _without_suffixes(title[:2000], versions, featured)
    if at_end := _FEATURED_AT_END.search(kept):
        featured.extend(split_names(at_end[1]))
        kept = kept[: at_end.start()]
    if not any(char.isalnum() for char in kept):
        kept, versions = title, {}
    bare = _PART.sub(_part, fold_name(kept))
    native = _PART.sub(_part, fold_native(kept))
    return TitleForm(native, bare, tuple(sorted(versions.items(), key=_kind)), tuple(featured), tuple(re.findall(r"\d+", bare)))


def _kind(version: tuple[str, frozenset[str]]) -> str:
    return version[0]


def _without_suffixes(title: str, versions: dict[str, frozenset[str]], featured: list[str]) -> str:
    """The title without the brackets and the parts behind a dash that were understood."""
    kept, end = [], 0
    for bracket in _BRACKETS.finditer(title):
        is_understood = _read_suffix(bracket[1], versions, featured)
        kept += [title[end : bracket.start()], " " if is_understood else bracket[0]]
        end = bracket.end()
    first, *behind = _DASH.split("".join(kept) + title[end:])
    return " - ".join([first, *(part for part in behind if not _read_suffix(part, versions, featured))])


def _part(found: re.Match[str]) -> str:
    return f"part {_ROMAN.get(found[1], found[1])}"


def _read_suffix(suffix: str, versions: dict[str, frozenset[str]], featured: list[str]) -> bool:
    """Note what the suffix says; False where it is part of the title."""
    if names := _FEATURED.match(suffix):
        featured.extend(split_names(names[1]))
        return True
    native = f" {fold_native(suffix)} "
    texts = {native, f" {fold_name(suffix)} "}
    plain = {PLAIN_VERSION.sub("", text) for text in texts}
    kinds = [kind for kind, pattern in VERSION_WORDS.items() if any(pattern.search(text) for text in plain)]
    if "version" in kinds and len(kinds) > 1:
        kinds.remove("version")
    for kind in kinds:
        versions[kind] = versions.get(kind, frozenset()) | _details(PLAIN_VERSION.sub("", native))
    return bool(kinds) or plain != texts


def _details(text: str) -> frozenset[str]:
    """The words beside those that name a kind."""
    for pattern in VERSION_WORDS.values():
        text = pattern.sub("", text)
    return frozenset(fold_name(text).split()) - NEUTRAL_WORDS
