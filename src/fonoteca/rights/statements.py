"""What a rights statement says: an address, an SPDX id or the name that a tag gives, read into one licence of the table."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

from fonoteca.rights.licences import Licence, LicenceTable, load_table

LONGEST_STATEMENT = 16 << 10
_HOSTS = (
    r"(?:www\.)?(?:creativecommons\.org|rightsstatements\.org|spdx\.org|gnu\.org|artlibre\.org|opensource\.org|apache\.org|mozilla\.org|"
    r"unlicense\.org|wtfpl\.net|opendatacommons\.org|scripts\.sil\.org|nationalarchives\.gov\.uk|eff\.org)"
)
_ADDRESS = re.compile(rf"(?:https?://)?{_HOSTS}(?:/[^\s<>\"'()\[\]{{}}]*)?", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:not|no longer|except|excluding|unless|without|never|neither)\b", re.IGNORECASE)
_LIMIT = re.compile(r"\bnon[\s-]*commercial|\b(?:personal|private|educational|promotional)\s+use|\bno[\s-]*deriv", re.IGNORECASE)
_RESERVED = re.compile(r"\ball\s+rights\s+reserved\b", re.IGNORECASE)


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

    An address inside a longer text counts, a name only by itself. Of several the one that permits least counts. A text that
    denies ("not under …"), or limits what the address grants, is no statement.
    """
    return _read(text[:LONGEST_STATEMENT].strip()) if text else None


@lru_cache(maxsize=4096)
def _read(text: str) -> Licence | None:
    table = load_table()
    addresses = _ADDRESS.findall(text)
    found = [licence for address in addresses if (licence := table.by_address(address.rstrip(".,;:!")))]
    beside = _ADDRESS.sub(" ", text) if addresses else ""
    if _DENIAL.search(beside) or (_LIMIT.search(beside) and all(licence.publishing == "yes" for licence in found)):
        return None
    if not addresses:
        found = _by_names(table, text)
    if _RESERVED.search(text) and (reserved := table.by_name("all rights reserved")):
        found.append(reserved)
    return min(found, key=_freedom) if found else None


def _by_names(table: LicenceTable, text: str) -> list[Licence]:
    whole = table.by_name(text)
    if whole:
        return [whole]
    parts = [part for part in re.split(r"\s*(?:[;|/\n]|\b(?:or|and)\b)\s*", text, maxsplit=8, flags=re.IGNORECASE) if part.strip()]
    licences = [table.by_name(part) for part in parts]
    return [licence for licence in licences if licence] if len(parts) > 1 and all(licences) else []


def _freedom(licence: Licence) -> tuple[int, bool, bool, str]:
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
