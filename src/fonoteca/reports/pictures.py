"""The report on a catalogue: which pictures and tables come from its counts, in sections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import msgspec

from fonoteca.reports.scales import Unit
from fonoteca.reports.svg import NamedBars, Plot


class Counted(Protocol):
    """One bucket of one report; docs/formats/statistics.md."""

    @property
    def report(self) -> str:
        """Which report."""

    @property
    def bucket(self) -> int:
        """Which bucket; −1 where nothing is known."""

    @property
    def name(self) -> str | None:
        """What the bucket is called."""

    @property
    def number(self) -> int:
        """How many."""

    @property
    def held(self) -> int:
        """Of them held."""

    @property
    def counted(self) -> int:
        """Of them with known plays."""

    @property
    def plays(self) -> int:
        """Their plays."""

    @property
    def plays_by_rank(self) -> int:
        """What the law gives their ranks."""

    @property
    def duration_ms(self) -> int:
        """Their length together."""

    @property
    def held_ms(self) -> int:
        """The length of those held."""

    @property
    def bytes(self) -> int:
        """The size of their files."""


class Table(msgspec.Struct, frozen=True):
    """What a picture shows, as numbers: headings and rows; the first column names the row."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Figure(msgspec.Struct, frozen=True):
    """A picture with its numbers."""

    picture: Plot | NamedBars
    table: Table


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the page: heading, sentences, figures."""

    heading: str
    words: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()


class Counts:
    """The rows of all reports, by report; and plays as they are best known."""

    def __init__(self, rows: Iterable[Counted]) -> None:
        self._rows: dict[str, list[Counted]] = defaultdict(list)
        for row in rows:
            self._rows[row.report].append(row)
        classes = self._rows["popularity"]
        self.tracks = sum(row.number for row in classes)
        self.counted = sum(row.counted for row in classes)
        self.is_counted = 0 < self.tracks == self.counted and sum(row.plays for row in classes) > 0
        self.all_plays = sum(self._plays(row) for row in classes) or 1

    def known(self, report: str) -> list[Counted]:
        """The buckets of a report that say something, in order."""
        return [row for row in self._rows[report] if row.bucket != -1]

    def every(self, report: str) -> list[Counted]:
        """All buckets of a report."""
        return self._rows[report]

    def unknown(self, report: str) -> int:
        """How many stand in no bucket for lack of knowledge."""
        return sum(row.number for row in self._rows[report] if row.bucket == -1)

    def total(self, name: str) -> int:
        """One of the totals: tracks, albums, artists, isrcs, files, bytes."""
        return next((row.number for row in self._rows["total"] if row.name == name), 0)

    def share_of_plays(self, row: Counted) -> float:
        """The share of all plays that a bucket has, 0 to 1."""
        return self._plays(row) / self.all_plays

    def _plays(self, row: Counted) -> int:
        return row.plays if self.is_counted else row.plays_by_rank


def table_of(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of texts."""
    return Table(tuple(headings), tuple(tuple(row) for row in rows))


def named_figure(
    name: str, title: str, heading: str, rows: Sequence[tuple[str, float]], unit: Unit, write: Callable[[float], str], most: int = 15,
    short_names: Mapping[str, str] = MappingProxyType({}),
) -> list[Figure]:  # fmt: skip
    """Lying bars for the first `most` rows, under their short names, and a table of all of them; nothing where there are none."""
    if not rows:
        return []
    name_of_most, highest = max(rows, key=lambda row: row[1])
    first = f"{name_of_most} has the most, {write(highest)}." if highest else ""
    shown = tuple((short_names.get(row, row), value) for row, value in rows[:most])
    picture = NamedBars(name=name, title=title, description=f"{heading} by {title.lower()}. {first}", rows=shown, unit=unit)
    return [Figure(picture, table_of((title, heading), ((row, write(value)) for row, value in rows)))]
