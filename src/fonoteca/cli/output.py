"""Results on stdout: words for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec


def emit(result: Any, words: str, as_json: bool) -> None:
    """Print one result."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(result, enc_hook=_plain), indent=2).decode())
    elif words:
        print(words)


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
