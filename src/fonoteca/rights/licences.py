"""The table of licences (licences.toml) and how addresses, SPDX ids and names are looked up in it."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec

Publishing = Literal["yes", "non-commercial", "no"]


class Licence(msgspec.Struct, frozen=True):
    """One licence in one version and port, under its canonical URI."""

    uri: str
    name: str
    publishing: Publishing
    may_change: bool
    attribution_required: bool
    why: str


class LicenceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of licences.toml; `{version}` in uri, name, spdx and also stands for each of `versions`."""

    uri: str
    name: str
    publishing: Publishing
    may_change: bool
    attribution: bool
    why: str
    versions: tuple[str, ...] = ()
    spdx: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ports: dict[str, str]
    licence: tuple[LicenceRow, ...]


_WORDS = (
    (r"creative\s*commons?", " cc "),
    (r"non[\s-]*commercial", " nc "),
    (r"no[\s-]*deriv(?:ative|s)?s?(?:\s+works)?", " nd "),
    (r"share[\s-]*alike", " sa "),
    (r"attribution", " by "),
    (r"(?:lesser|library)\s+general\s+public\s+licen[sc]e", " lgpl "),
    (r"affero\s+general\s+public\s+licen[sc]e", " agpl "),
    (r"general\s+public\s+licen[sc]e", " gpl "),
    (r"free\s+documentation\s+licen[sc]e", " gfdl "),
    (r"[\s,(]*(?:or|and)[\s-]+(?:\(?at\s+your\s+option\)?[\s-]*)?(?:any[\s-]+)?(?:later|newer|above)(?:[\s-]+versions?)?\)?", " + "),
    (r"\b(l?gpl|agpl|gfdl|by|sa|nc|nd|cc)[\s-]*v?(?=\d)", r" \1 "),
    (r"\bv(?:ersion|er)?\.?\s*(?=\d)", " "),
)
_REPLACEMENTS = tuple((re.compile(pattern), replacement) for pattern, replacement in _WORDS)
_FILLER = frozenset(
    {
        "the", "a", "gnu", "license", "licence", "licensed", "licenced", "licenses", "under",
        "terms", "of", "version", "only", "international", "unported", "generic", "universal",
    }
)  # fmt: skip
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff\ufffd]")
_TOKEN = re.compile(r"[^\W_]+(?:\.\d+)*|\+")
_CC_PATH = re.compile(r"creativecommons\.org/licenses/([a-z+-]+)(?:/(\d\.\d))?(?:/([a-z]{2,8}))?")
_TAILS = re.compile(r"(?:/(?:deed|legalcode|rdf)(?:[.-][a-z_-]+)*|\.(?:[a-z]{2}\.)?(?:html|txt|json)|-standalone|/)+$")
_VERSIONLESS = "any version"
_LONGEST_NAME = 2_000


def name_key(text: str) -> str:
    """The form under which names of licences are the same: "GPLv2+" and "GNU GPL, version 2 or later" give one key.

    Empty where the text has control or direction marks or lost characters, or is longer than any name: then it is not what it seems.
    """
    if _UNSEEN.search(text) or len(text) > _LONGEST_NAME:
        return ""
    text = text.casefold()
    if text.startswith("cc0"):
        text = "cc zero " + text[3:]
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    tokens = (f"{token}.0" if token.isdigit() and token.isascii() else token for token in _TOKEN.findall(text) if token not in _FILLER)
    return " ".join(tokens)


def address_key(address: str) -> str:
    """An address without scheme, www, query, fragment, and the ends that name a deed, a legal code or a language; lower case."""
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", address.strip().lower()).split("#")[0].split("?")[0]
    if bare.startswith("rightsstatements.org/page/"):
        bare = bare.replace("/page/", "/vocab/", 1)
    return _TAILS.sub("", bare)


class LicenceTable:
    """licences.toml, ready for looking up."""

    def __init__(self, ports: dict[str, str], rows: tuple[LicenceRow, ...]) -> None:
        self.ports = ports
        self.rows = rows
        self._port_names = {name_key(name): code for code, name in ports.items()} | {code: code for code in ports}
        self._families: dict[str, LicenceRow] = {}
        self._addresses: dict[str, Licence] = {}
        self._names: dict[str, Licence] = {}
        for row in rows:
            self._add(row)

    def _add(self, row: LicenceRow) -> None:
        if row.versions:
            for uri in (row.uri, *row.also):
                self._families[uri.split("/")[4]] = row
            return
        licence = Licence(row.uri, row.name, row.publishing, row.may_change, row.attribution, row.why)
        for address in (row.uri, *row.also):
            self._addresses[address_key(address)] = licence
        for name in (row.name, *row.spdx, *row.said):
            self._names.setdefault(name_key(name), licence)

    def by_address(self, address: str) -> Licence | None:
        """The licence at an http or https address, whatever its deed, legal code, language or port."""
        key = address_key(address)
        if key in self._addresses:
            return self._addresses[key]
        match = _CC_PATH.fullmatch(key)
        return self._creative_commons(match[1], match[2], match[3]) if match else None

    def close_names(self, text: str) -> list[str]:
        """Names and ids that look like this text, the nearest first."""
        names: dict[str, str] = {}
        for row in self.rows:
            for version in row.versions[::-1] or ("",):
                for name in (*row.spdx, *row.said, row.name):
                    names.setdefault(name.replace("{version}", version).casefold(), name.replace("{version}", version))
        return [names[key] for key in difflib.get_close_matches(text.casefold()[:100], names, 3)]

    def by_name(self, text: str) -> Licence | None:
        """The licence with this SPDX id or name."""
        key = name_key(text)
        if key in self._names:
            return self._names[key]
        tokens = key.split()
        if len(tokens) < 2 or tokens[0] != "cc":
            return None
        end = next((place for place, token in enumerate(tokens) if token not in ("cc", "by", "sa", "nc", "nd")), len(tokens))
        version = tokens[end] if end < len(tokens) else None
        port = " ".join(tokens[end + 1 :])
        if port and port not in self._port_names:
            return None
        elements = set(tokens[1:end])
        family = "-".join(part for part in ("by", "nc", "nd", "sa") if part in elements)
        return self._creative_commons(family, version, self._port_names.get(port)) if "by" in elements else None

    def short_name(self, text: str) -> str | None:
        """The SPDX id of the licence with this name or address, with its port: CC-BY-SA-3.0 Germany; None where there is none."""
        licence = self.by_name(text) or self.by_address(text)
        if licence is None:
            return None
        parts = [*licence.uri.split("/"), "", ""]
        family = self._families.get(parts[4]) if _CC_PATH.fullmatch(address_key(licence.uri)) else None
        row = family or next((row for row in self.rows if row.uri == licence.uri), None)
        if row is None or not row.spdx:
            return None
        short = row.spdx[0].replace("{version}", parts[5]) if family else row.spdx[0]
        port = self.ports.get(parts[6], "") if family else ""
        return f"{short.rstrip('-')} {port}".rstrip()

    def _creative_commons(self, family: str, version: str | None, port: str | None) -> Licence | None:
        row = self._families.get(family)
        if row is None or (version is not None and version not in row.versions) or (port is not None and port not in self.ports):
            return None
        uri = row.uri.replace("{version}/", f"{version}/" if version else "") + (f"{port}/" if port and version else "")
        name = row.name.replace("{version}", version or _VERSIONLESS) + (f" {self.ports[port]}" if port and version else "")
        return Licence(uri, name, row.publishing, row.may_change, row.attribution, row.why)


@lru_cache(maxsize=1)
def load_table() -> LicenceTable:
    """The table that ships with the package, read once."""
    content = resources.files("fonoteca.rights").joinpath("licences.toml").read_bytes()
    read = msgspec.toml.decode(content, type=_File)
    return LicenceTable(read.ports, read.licence)


def write_licence_table() -> str:
    """The table as Markdown, as it stands in docs/rights.md."""
    lines = ["| licence | URI | may be published | may be changed | name the maker | why |", "|---|---|---|---|---|---|"]
    for row in load_table().rows:
        versions = f" ({', '.join(row.versions)})" if row.versions else ""
        change, attribution = ("yes" if value else "no" for value in (row.may_change, row.attribution))
        name = row.name.replace(" {version}", versions)
        lines.append(f"| {name} | `{row.uri}` | {row.publishing} | {change} | {attribution} | {row.why} |")
    return "\n".join(lines) + "\n"
