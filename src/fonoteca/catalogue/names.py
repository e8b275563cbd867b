"""Text at the border of the catalogue: kept as given, compared in NFC, never such that SQLite cannot hold it."""

from __future__ import annotations

import math
import re
import unicodedata

from fonoteca.ground.errors import FormatError

LONGEST_TEXT = 16 << 20  # characters; longer is no name but an accident
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """`text` with NUL and lone surrogates as U+FFFD, the only characters SQLite cannot keep or `sqlite3` cannot show.

    FormatError over 16 Mi characters.
    """
    if len(text) > LONGEST_TEXT:
        raise FormatError(f"a text of {len(text):,} characters; at most {LONGEST_TEXT:,} are kept", "Shorten the value and add it again.")
    return _UNSTORABLE.sub("\ufffd", text) if not text.isascii() or "\0" in text else text


def clean_optional(text: str | None) -> str | None:
    """As clean_text; None stays None."""
    return None if text is None else clean_text(text)


def normal_form(text: str) -> str:
    """The NFC form under which names are the same name; upper and lower case stay different."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def search_key(text: str) -> str:
    """The form in which titles are looked up: NFC and case folded, white space single."""
    folded = normal_form(text).casefold()
    return normal_form(" ".join(folded.split()))


def check_number(name: str, value: int | None, lowest: int = -(2**63)) -> int | None:
    """`value` where SQLite can hold it; FormatError with the field's name otherwise."""
    if value is not None and not lowest <= value < 2**63:
        raise FormatError(f"{name} is {value}; it lies between {lowest} and 2^63", f"Mend {name} and add the row again.")
    return value


def check_score(name: str, value: float | None) -> float | None:
    """`value` where it is a popularity, 0 to 100; FormatError with the field's name otherwise."""
    if value is not None and not (math.isfinite(value) and 0 <= value <= 100):
        raise FormatError(f"{name} is {value}; it runs from 0 to 100", f"Mend {name} and add the row again.")
    return value
