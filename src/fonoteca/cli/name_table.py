"""A table of names from anywhere: wide characters take two columns, nothing in a name moves the cursor or turns the line."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence

from fonoteca.cli.output import on_one_line

_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LEAST_WIDTH, LONGEST_CELL = 12, 200


def cell_width(text: str) -> int:
    """Columns of a terminal that the text takes (Unicode Standard Annex 11; marks take none)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(character) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def fit_cell(text: str, width: int, *, to_right: bool = False) -> str:
    """The text in so many columns, its end replaced by … where it is longer."""
    taken = cell_width(text)
    if taken > width:
        kept, used = [], 1
        for character in text:
            used += cell_width(character)
            if used > width:
                break
            kept.append(character)
        text = "".join(kept) + "…"
        taken = cell_width(text)
    filling = " " * (width - taken)
    return filling + text if to_right else text + filling


def name_table(heading: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int] = frozenset()) -> str:
    """Rows in columns under their heading, those in `numbers` aligned to the right; on a terminal the widest are cut until it fits.

    No cell is wider than LONGEST_CELL: one name of a megabyte would fill every row beside it with spaces.
    """
    cells = [heading, *([on_one_line(_DIRECTIONS.sub("", cell[: 2 * LONGEST_CELL])) for cell in row] for row in rows)]
    widths = [min(LONGEST_CELL, max(cell_width(row[column]) for row in cells)) for column in range(len(heading))]
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - 2 * (len(widths) - 1)
        while sum(widths) > room and max(widths) > LEAST_WIDTH:
            widths[widths.index(max(widths))] -= 1
    return "\n".join(_line(row, widths, numbers) for row in cells)


def _line(row: Sequence[str], widths: Sequence[int], numbers: frozenset[int]) -> str:
    cells = zip(row, widths, strict=True)
    return "  ".join(fit_cell(cell, width, to_right=column in numbers) for column, (cell, width) in enumerate(cells)).rstrip()
