"""Names of fields as people mistype them: what was meant."""

from __future__ import annotations

import difflib
import re

import msgspec


def suggest_field(message: str, *structs: type[msgspec.Struct]) -> str:
    """The decoder's message, with "did you mean" where it complains of an unknown field that resembles one of the structs'."""
    found = re.search(r"unknown field `([^`]*)`", message)
    close = close_names(found[1], *structs) if found else []
    return f"{message}; did you mean `{close[0]}`?" if close else message


def close_names(name: str, *structs: type[msgspec.Struct]) -> list[str]:
    """The field that resembles `name` most, if there is one."""
    names = {field for struct in structs for field in struct.__struct_fields__ if field != "line"}
    return difflib.get_close_matches(name.strip().lower().replace(" ", "_").replace("-", "_"), sorted(names), n=1)
