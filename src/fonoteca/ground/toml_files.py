"""Settings files: TOML into typed structs, with "did you mean" for unknown keys."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from fonoteca.ground.errors import SettingsError, translate_os_errors

Kind = TypeVar("Kind", bound=msgspec.Struct)


def read_toml(path: Path, kind: type[Kind], page: str) -> Kind:
    """The file as `kind`; SettingsError names the key, and the way out on `page`, which lists them all."""
    with translate_os_errors(path):
        text = path.read_bytes()
    try:
        return msgspec.toml.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}", _suggest(str(error), kind, page)) from error


def _suggest(message: str, kind: type[msgspec.Struct], page: str) -> str:
    found = re.search(r"unknown field `([^`]*)`", message)
    if not found:
        return f"{page} lists every key with its type."
    close = difflib.get_close_matches(found[1], _all_keys(kind), n=1)
    return f"Did you mean {close[0]}?" if close else f"{page} lists every key."


def _all_keys(struct: Any) -> set[str]:
    keys: set[str] = set()
    for name, hint in get_type_hints(struct).items():
        keys.add(name)
        for part in (hint, *get_args(hint)):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                keys |= _all_keys(part)
    return keys
