"""International Standard Recording Codes (ISO 3901): evidence about a recording, never its key."""

from __future__ import annotations

import re

_PREFIX = re.compile(r"^\s*(?:urn:)?isrc(?:-code)?\s*[:=]?\s*", re.IGNORECASE)
_FORM = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_SEPARATORS = str.maketrans("", "", "-‐‑‒–— .\t\u00a0")


def parse_isrc(text: str) -> str | None:
    """The twelve characters of an ISRC, upper case and bare; None where `text` is none.

    A leading "ISRC" and hyphens or spaces between the parts are taken off. Whether the prefix was ever
    allotted is not asked: tables of prefixes age.
    """
    bare = _PREFIX.sub("", text[:64]).translate(_SEPARATORS).strip().upper()
    return bare if _FORM.fullmatch(bare) else None


def parse_isrcs(texts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(the ISRCs in order without repeats, the values that are none).

    Several in one value, by comma, semicolon or slash, are told apart.
    """
    good: dict[str, None] = {}
    bad: list[str] = []
    for text in texts:
        for part in re.split(r"[,;/\0]", text[:4096]):
            if not part.strip():
                continue
            isrc = parse_isrc(part)
            if isrc:
                good[isrc] = None
            else:
                bad.append(part)
    return tuple(good), tuple(bad)
