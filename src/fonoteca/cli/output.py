"""Results on stdout: words for people, JSON for programs."""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import Any

import msgspec

from fonoteca.ground.findings import Finding

# what moves the cursor, rings, or turns the direction of writing
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def escape_controls(text: str) -> str:
    """The text without characters that a terminal obeys; names and tags come from strangers."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text)


def on_one_line(text: str) -> str:
    """As escape_controls, with line ends shown too, so that a name cannot write lines of its own."""
    return escape_controls(text).replace("\n", "\\n")


def storable(text: str) -> str:
    """Bytes of names that are not UTF-8 as escapes, which JSON and every terminal can take."""
    return text.encode("utf-8", "backslashreplace").decode()


def emit(result: Any, words: str, as_json: bool) -> None:
    """Print one result."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(_told(result), enc_hook=_plain), indent=2).decode())
    elif words:
        print(escape_controls(words))


def emit_listed(result: msgspec.Struct, name: str, words: str, as_json: bool) -> None:
    """Print one result whose field `name` holds any number of items: as JSON they are written one after the other."""
    if not as_json:
        emit(result, words, as_json)
        return
    head = {field: getattr(result, field) for field in result.__struct_fields__ if field != name}
    text = msgspec.json.format(msgspec.json.encode(head, enc_hook=_plain), indent=2).decode()
    sys.stdout.write(f'{text.removesuffix("}").rstrip()},\n  "{name}": [')
    separator = "\n"
    for item in getattr(result, name):
        sys.stdout.write(f"{separator}    {msgspec.json.encode(_told(item)).decode()}")
        separator = ",\n"
    sys.stdout.write("]\n}\n" if separator == "\n" else "\n  ]\n}\n")


def _told(value: Any) -> Any:
    """A finding with what its code means and the way out; a result with each of its findings so."""
    if isinstance(value, Finding):
        return msgspec.to_builtins(value) | msgspec.to_builtins(value.kind)
    if isinstance(value, msgspec.Struct):
        told: dict[str, Any] = msgspec.to_builtins(value, enc_hook=_plain)
        lists = {name: getattr(value, name) for name in told if isinstance(getattr(value, name), list)}
        explained = {name: [_told(one) for one in found] for name, found in lists.items() if found and isinstance(found[0], Finding)}
        return told | explained
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Counter):
        return dict(value)
    raise NotImplementedError(type(value))


def table(rows: list[tuple[str, ...]], numbers: frozenset[int] = frozenset()) -> str:
    """Rows in columns; the first row is the heading, columns in `numbers` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (cell.rjust(width) if column in numbers else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
