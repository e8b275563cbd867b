"""Fields of the JSON that zpool prints: taken with their types, or refused."""

from __future__ import annotations

import re
from typing import Any

from fonoteca.ground.errors import PoolOutputError


def take_struct(value: Any, what: str) -> dict[str, Any]:
    """A JSON object; PoolOutputError where it is none."""
    if not isinstance(value, dict):
        raise odd_output(f"{what} is {str(value)[:80]!r}")
    return value


def take_strings(value: Any) -> list[str]:
    """A list of texts; empty where there is none."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise odd_output("errlist is no list of names")
    return value


def take_text(told: dict[str, Any], key: str) -> str | None:
    """A text; None for `-` and what is not told."""
    value = told.get(key)
    return value if isinstance(value, str) and value not in ("", "-") else None


def take_sentence(told: dict[str, Any], key: str) -> str | None:
    """Words that ZFS broke over lines, on one; "OK" is none."""
    value = take_text(told, key)
    return " ".join(value.split()) if value and value != "OK" else None


def take_number(told: dict[str, Any], key: str) -> int | None:
    """Also without --json-int, where numbers are texts; None for what is not told."""
    value = told.get(key)
    if value is None or value == "-":
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise odd_output(f"{key} is {str(value)[:80]!r}")
    return value


def odd_output(fact: str) -> PoolOutputError:
    """The error for what is not as OpenZFS writes it."""
    return PoolOutputError(f"zpool status -j printed what cannot be understood: {fact}", "Report it with the output of: zfs version")
