"""How wide words are in a picture, estimated so that they never leave it, and how they are cut where they are too long."""

from __future__ import annotations

import unicodedata

FONT = 12
"""Size of the font, pixels."""
# widths in font sizes; those of DejaVu Sans, which is wider than other common fonts without serifs
_NARROW, _SMALL, _CAPITAL, _WIDE, _FULL, _SYMBOL = 0.42, 0.65, 0.8, 1.1, 1.05, 1.3
_NARROW_ONES = frozenset("iljtfrIJ.,:;'|!()[]/\\-` \u00a0’‘·")
_WIDE_ONES = frozenset("mwMWQ@%—…œŒæÆЖШЩЮФЫМжшщюфым")


def text_width(text: str) -> float:
    """The width of words in pixels; rather too large than too small."""
    return FONT * sum(map(_character_width, text))


def shorten(text: str, width: float) -> str:
    """The text, or its beginning and its end with an ellipsis between, in at most so many pixels: names often differ in their end."""
    if text_width(text) <= width:
        return text
    head, tail, room = "", "", width - text_width("…")
    rest = text[:1000] if len(text) <= 2000 else text[:1000] + text[-1000:]
    while len(rest) > 1:
        is_head = text_width(head) <= 1.5 * text_width(tail)
        character = rest[0] if is_head else rest[-1]
        if text_width(head) + text_width(tail) + text_width(character) > room:
            break
        head, tail, rest = (head + character, tail, rest[1:]) if is_head else (head, character + tail, rest[:-1])
    return f"{head.rstrip()}…{tail.lstrip()}"


def _character_width(character: str) -> float:
    if character in _NARROW_ONES:
        return _NARROW
    if character in _WIDE_ONES:
        return _WIDE
    if character.isascii():
        return _CAPITAL if character.isupper() else _SMALL
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.category(character) in ("So", "Cs", "Cn", "Co"):
        return _SYMBOL
    if unicodedata.east_asian_width(character) in "WF":
        return _FULL
    return _CAPITAL
