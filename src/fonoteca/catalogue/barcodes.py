"""UPC and EAN as whole numbers (GTIN): padding with zeros does not make another one."""

from __future__ import annotations

import re

_DIGITS = re.compile("[0-9]{1,14}")


def parse_gtin(text: str) -> int | None:
    """The number of a UPC, EAN or GTIN of up to 14 digits in any padding, with hyphens or spaces; None where `text` is none.

    Check digits are not asked for: shops got many of them wrong.
    """
    bare = text[:64].replace("-", "").replace(" ", "")
    return int(bare) if _DIGITS.fullmatch(bare) else None


def gtin_text(number: int) -> str:
    """Twelve digits (UPC) where they suffice, else thirteen or fourteen; as the column `barcode` writes it."""
    return f"{number:012d}" if number < 10**12 else f"{number:013d}"
