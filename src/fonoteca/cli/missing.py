"""`fonoteca missing`: what is known and not held, as a table, JSON, CSV or JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, JsonOption, app
from fonoteca.cli.filter_options import FilterOptions
from fonoteca.cli.output import emit, emit_listed, on_one_line, table
from fonoteca.cli.progress_bar import open_progress
from fonoteca.cli.shuffle import EditionOption, opened_catalogue
from fonoteca.ground.errors import UsageError

if TYPE_CHECKING:
    from fonoteca.workflows.missing import MissingReport

_NO_FILTER = FilterOptions()
SHOWN = 20
_WIDEST = 48


@app.command(sort_key=19)
def missing(
    *,
    by: Annotated[
        Literal["artist", "label", "year", "country", "album"] | None, Parameter(help="Count by this instead of listing tracks.")
    ] = None,
    options: FilterOptions = _NO_FILTER,
    limit: Annotated[int | None, Parameter(help="So many rows; else 20, and all for --csv and --jsonl.")] = None,
    as_csv: Annotated[
        str | None, Parameter(name="--csv", allow_leading_hyphen=True, help="Write the rows as CSV to this file, or to stdout: -")
    ] = None,
    as_jsonl: Annotated[
        str | None, Parameter(name="--jsonl", allow_leading_hyphen=True, help="Write the rows as JSON lines to this file, or to stdout: -")
    ] = None,
    edition: EditionOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """What is known and not held: the tracks first that would add most to the share of plays covered."""
    from fonoteca.workflows.missing import csv_lines, json_lines, list_missing

    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} gives nothing", "Give 1 or more.")
    if (as_csv is not None) + (as_jsonl is not None) + json > 1:
        raise UsageError("--csv, --jsonl and --json are different results", "Give one of them.")
    target = as_csv if as_csv is not None else as_jsonl
    with opened_catalogue(archive, edition) as catalogue:
        report = list_missing(catalogue, by, options.track_filter(), limit or (None if target is not None else SHOWN), open_progress())
        with closing(report.rows) as rows:  # while what it reads is open, also where a reader of ours has enough
            report.rows = counted = _Counted(rows)
            if target is not None:
                _write(target, csv_lines(report) if as_csv is not None else json_lines(report))
            elif json:
                emit_listed(report, "rows", "", True)
            else:
                emit(report, _told(report), False)
    if not counted.number and not options.track_filter().is_empty:
        print("fonoteca: no track passes", file=sys.stderr)
    return 0


class _Counted:
    """Rows, counted as they go by."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self.rows, self.number = rows, 0

    def __iter__(self) -> Iterator[Any]:
        """The rows."""
        for self.number, row in enumerate(self.rows, 1):  # noqa: B020
            yield row


def _write(target: str, lines: Iterator[str]) -> None:
    if target == "-":
        for line in lines:
            sys.stdout.write(line)
        return
    from fonoteca.ground.files import open_atomically

    with open_atomically(Path(target), is_ours=False) as file:
        for line in lines:
            file.write(line.encode())
    print(target)


def _told(report: MissingReport) -> str:
    head = (
        f"{report.known:,} tracks known, {report.held:,} held, {report.missing:,} missing;"
        f" what is held covers {report.share_of_plays_covered:.2%} of {report.measure}"
    )
    rows = list(_group_cells(report) if report.by else _track_cells(report))
    return head if len(rows) == 1 else f"{head}\n\n{table(rows, frozenset({0, 1, 2, 3}))}"


def _track_cells(report: MissingReport) -> Iterator[tuple[str, ...]]:
    yield "adds", "covered", "popularity", "plays", "id", "track"
    for row in report.rows:
        popularity = "" if row.popularity is None else f"{row.popularity:.0f}"
        plays = "" if row.plays is None else f"{row.plays:,}"
        names = _short(f"{row.artists or '(no artist)'} – {row.title or '(no title)'}")
        yield f"{row.adds:.4%}", f"{row.coverage:.2%}", popularity, plays, row.id, names


def _group_cells(report: MissingReport) -> Iterator[tuple[str, ...]]:
    yield "share missing", "missing", "held", "known", str(report.by)
    for row in report.rows:
        yield f"{row.share:.4%}", f"{row.missing:,}", f"{row.held:,}", f"{row.known:,}", _short(row.name or "(unknown)")


def _short(text: str) -> str:
    line = on_one_line(text)
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
