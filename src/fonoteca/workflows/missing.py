"""`missing`: what is known and not held, counted, listed, and written as CSV or JSON lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fonoteca.catalogue.coverage import Measure, Readable, measure_coverage
from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.missing import Grouping, MissingGroup, MissingTrack, missing_groups, missing_tracks
from fonoteca.ground.progress import Progress

Row = MissingTrack | MissingGroup


class MissingReport(msgspec.Struct, kw_only=True):
    """Counts of the whole catalogue, how plays are measured, and the rows that were asked for; they can be read once."""

    known: int
    held: int
    missing: int
    share_of_plays_covered: float
    measure: Measure
    by: Grouping | None
    rows: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a row's fields."""
        return (MissingTrack if self.by is None else MissingGroup).__struct_fields__


def list_missing(
    catalogue: Readable, by: Grouping | None, track_filter: TrackFilter, limit: int | None, progress: Progress
) -> MissingReport:
    """What is missing: tracks by what each would add, or groups by what is missing of them."""
    coverage = measure_coverage(catalogue, progress)
    rows: Iterator[Row] = (
        missing_tracks(catalogue, track_filter, coverage, limit)
        if by is None
        else missing_groups(catalogue, by, track_filter, coverage, limit)
    )
    return MissingReport(
        known=coverage.known, held=coverage.held, missing=coverage.missing, share_of_plays_covered=coverage.covered,
        measure=coverage.measure, by=by, rows=rows,
    )  # fmt: skip


def csv_lines(report: MissingReport) -> Iterator[str]:
    """A header and a row each, every text in quotes (RFC 4180); numbers and what is unknown stand bare."""
    yield from _csv([report.columns])
    yield from _csv([getattr(row, name) for name in report.columns] for row in report.rows)


def _csv(rows: Iterable[Any]) -> Iterator[str]:
    room = io.StringIO()
    writer = csv.writer(room, quoting=csv.QUOTE_NONNUMERIC)
    for row in rows:
        writer.writerow(row)
        yield room.getvalue()
        room.seek(0)
        room.truncate()


def json_lines(report: MissingReport) -> Iterator[str]:
    """An object a row."""
    return (msgspec.json.encode(row).decode() + "\n" for row in report.rows)
