"""Which rows of an edition have which whole popularity: rows are ranked, so each class is one range."""

from __future__ import annotations

from collections.abc import Iterator

from fonoteca.catalogue.shuffle_members import RowRange
from fonoteca.catalogue.statements import Statements

UNKNOWN = -1


def popularity_ranges(statements: Statements) -> list[tuple[int, RowRange]]:
    """(whole popularity, its rows) of an edition, highest first; −1 last: unknown. Only classes that occur."""
    rows = int(statements.value("SELECT max(track) FROM tracks") or 0)
    counted = list(_counted(statements))
    if sum(number for _, number in counted) == rows:
        return list(_one_after_another(counted))
    return list(_looked_up(statements, rows))


def _counted(statements: Statements) -> Iterator[tuple[int, int]]:
    """As the edition's own statistics have it."""
    if statements.value("SELECT 1 FROM sqlite_schema WHERE name = 'statistics'"):
        yield from statements.rows("SELECT bucket, number FROM statistics WHERE report = 'popularity' AND number > 0 ORDER BY bucket DESC")


def _one_after_another(counted: list[tuple[int, int]]) -> Iterator[tuple[int, RowRange]]:
    first = 1
    for bucket, number in counted:
        yield bucket, RowRange(first, first + number - 1)
        first += number


def _looked_up(statements: Statements, rows: int) -> Iterator[tuple[int, RowRange]]:
    """Found by halving, where an edition has no statistics."""
    first = 1
    while first <= rows:
        found = _class_of(statements, first)
        low, high = first + 1, rows + 1
        while low < high:
            middle = (low + high) // 2
            if _class_of(statements, middle) < found:
                high = middle
            else:
                low = middle + 1
        yield found, RowRange(first, low - 1)
        first = low


def _class_of(statements: Statements, row: int) -> int:
    popularity = statements.value("SELECT popularity FROM tracks WHERE track = ?", (row,))
    return UNKNOWN if popularity is None else int(popularity)
