"""What a rights statement says: an address, an SPDX id or the name that a tag gives, read into one licence of the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from fonoteca.rights.licences import Licence, LicenceTable, load_table

LONGEST_STATEMENT = 2_000
_HOSTS = (
    r"(?:www\.)?(?:creativecommons\.org|rightsstatements\.org|spdx\.org|gnu\.org|artlibre\.org|opensource\.org|apache\.org|mozilla\.org|"
    r"unlicense\.org|wtfpl\.net|opendatacommons\.org|scripts\.sil\.org|nationalarchives\.gov\.uk|eff\.org)"
)
_BETWEEN = re.compile(r"[\s<>\"“”„'‘’()\[\]{}|,;]+")
_ADDRESS = re.compile(rf"[^:/]*://.*|{_HOSTS}(?:/.*)?", re.IGNORECASE)
_ODD_MARK = re.compile(r"[^\w\s.,:;/()\[\]{}<>\"“”„'‘’|*+&–—-]")
_RESERVED = re.compile(r"\ball\s+rights\s+reserved\b", re.IGNORECASE)
# Words that neither grant nor limit anything, wherever they stand around an address or a name.
_FILLER = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "these",
        "work",
        "works",
        "track",
        "tracks",
        "music",
        "recording",
        "recordings",
        "is",
        "are",
        "licensed",
        "licenced",
        "released",
        "published",
        "distributed",
        "made",
        "available",
        "under",
        "at",
        "see",
        "from",
        "via",
        "of",
        "terms",
        "license",
        "licence",
        "licenses",
        "licences",
        "licensing",
    ]
)
_FILLER_ALONE = _FILLER | frozenset(
    ["to", "public", "cc", "creative", "commons", "some", "rights", "reserved", "or", "and", "any", "later", "version", "url", "link"]
)


class Decision(msgspec.Struct, frozen=True):
    """What may be done with an item. `uri` is canonical; `why` says it in one sentence."""

    may_publish: bool
    may_change: bool
    name: str | None
    uri: str | None
    attribution_required: bool
    why: str


def read_statement(text: str) -> Licence | None:
    """The licence that a statement names; None where it names none that is known, which denies.

    It grants only where all of it is understood: every address is known, and what stands around the addresses names licences itself
    or is filler ("this work is licensed under the"). Of several licences the one that permits least counts.
    """
    return _read(text.strip()) if text else None


def read_statements(texts: Sequence[str]) -> Licence | None:
    """The licence that counts where several statements are made at once: the one that permits least; None where one is not known."""
    found = [licence for text in texts if (licence := read_statement(text))]
    return min(found, key=freedom) if found and len(found) == len(texts) else None


@lru_cache(maxsize=4096)
def _read(text: str) -> Licence | None:
    table = load_table()
    if _RESERVED.search(text):
        return table.by_name("all rights reserved")
    if len(text) > LONGEST_STATEMENT:
        return None
    addresses, beside = _split(text)
    if any(_ODD_MARK.search(part) for part in beside):
        return None
    found: list[Licence] = []
    for licences in (*([table.by_address(address)] for address in addresses), *(_by_names(table, part) for part in beside)):
        if None in licences:
            return None
        found += [licence for licence in licences if licence]
    return min(found, key=freedom) if found else None


def _split(text: str) -> tuple[list[str], list[str]]:
    """The addresses in a text, and the pieces of text around them."""
    addresses: list[str] = []
    beside = [""]
    end = 0
    for match in (*_BETWEEN.finditer(text), None):
        word = text[end : match.start() if match else None]
        if _ADDRESS.fullmatch(word.rstrip(".:!")) and not word.endswith("?"):
            addresses.append(word.rstrip(".:!"))
            beside.append("")
        else:
            beside[-1] += word
        beside[-1] += match[0] if match else ""
        end = match.end() if match else end
    return addresses, beside


def _by_names(table: LicenceTable, text: str) -> list[Licence | None]:
    """The licences that a text names, None for what is not understood; nothing where it is only filler."""
    whole = table.by_name(text)
    if whole:
        return [whole]
    words = [word for word in text.split() if _bare(word)]
    if all(_bare(word) in _FILLER_ALONE for word in words):
        return []
    while _bare(words[0]) in _FILLER:
        del words[0]
    while _bare(words[-1]) in _FILLER:
        del words[-1]
    named = table.by_name(" ".join(words))
    parts = re.split(r"\s*(?:[;|/\n]|\b(?:or|and)\b)\s*", text, maxsplit=8, flags=re.IGNORECASE)
    if named or len(parts) == 1:
        return [named]
    return [licence for part in parts for licence in _by_names(table, part)]


def _bare(word: str) -> str:
    return word.strip(".,:;/()[]{}<>\"“”„'‘’|–—-").casefold()


def freedom(licence: Licence) -> tuple[int, bool, bool, str]:
    """What it permits, as something to sort by: the one that permits least comes first."""
    order: dict[Literal["no", "non-commercial", "yes"], int] = {"no": 0, "non-commercial": 1, "yes": 2}
    return order[licence.publishing], licence.may_change, not licence.attribution_required, licence.uri


def decide(uri: str | None, *, commercial: bool = False) -> Decision:
    """What may be done under a rights URI (or any statement); unknown and None deny. The one place where this is decided.

    `commercial`: money is made with the archive, so what is non-commercial stays unpublished.
    """
    licence = read_statement(uri) if uri else None
    if licence is None:
        why = "the rights statement is no known licence" if uri else "there is no rights statement"
        return Decision(False, False, None, uri, True, f"Not published: {why}.")
    may_publish = licence.publishing == "yes" or (licence.publishing == "non-commercial" and not commercial)
    why = licence.why if may_publish or licence.publishing == "no" else f"{licence.why} This archive is commercial."
    return Decision(may_publish, may_publish and licence.may_change, licence.name, licence.uri, licence.attribution_required, why)


def attribution_line(
    title: str | None, artists: tuple[str, ...], licence_name: str | None, licence_uri: str | None, attribution: str | None = None
) -> str:
    """One line to show with an item: “Title” by Artist, Artist (licence, address); a given attribution goes in the artists' place."""
    maker = attribution or ", ".join(artists) or "unknown artist"
    terms = ", ".join(part for part in (licence_name, licence_uri) if part) or "no known licence"
    return " ".join(f"“{title or 'untitled'}” by {maker} ({terms})".split())
