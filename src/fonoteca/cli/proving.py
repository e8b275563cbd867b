"""`fonoteca verify --schedule`: one run, or one after the other."""

from __future__ import annotations

import math
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.output import emit_listed, storable
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import UsageError
from fonoteca.ground.mirror_settings import MIRROR_FILE

if TYPE_CHECKING:
    from fonoteca.workflows.schedule_open import OpenedBook
    from fonoteca.workflows.verify_schedule import ScheduleOptions

ScheduleOption = Annotated[
    bool, Parameter(name="--schedule", negative=(), help="Read today's portion, oldest first: all within --days. For a timer.")
]
DaysOption = Annotated[float | None, Parameter(name="--days", help="With --schedule: every byte is read within so many days.")]
RateOption = Annotated[str | None, Parameter(name="--rate", help='With --schedule: bytes a second, such as "100MB/s".')]
HoursOption = Annotated[str | None, Parameter(name="--hours", help='With --schedule: read only then, such as "22:00-06:00".')]
ReportOption = Annotated[Path | None, Parameter(name="--report", help="With --schedule: write the result there as JSON, signed.")]
ForeverOption = Annotated[bool, Parameter(name="--forever", negative=(), help="With --schedule: go on, a portion a day.")]


def verify_on_schedule(
    path: Path | None, *, days: float | None = None, rate: str | None = None, hours: str | None = None, report_file: Path | None = None,
    forever: bool = False, json: bool = False, reads_all: bool = False,
) -> int:  # fmt: skip
    """Exit status 3 where damage stands, else 0. `reads_all`: everything at once."""
    from fonoteca.workflows.schedule_open import open_book, what_is_proved
    from fonoteca.workflows.verify_schedule import ScheduleOptions, next_start

    if days is not None and not 0 < days < math.inf:
        raise UsageError(f"--days is {days:g}", "Give a number above 0.")
    path = what_is_proved(Path.cwd()) if path is None else path.resolve()
    while True:
        began = time.time()
        with open_book(path) as opened:
            options = ScheduleOptions.of(opened.settings, days=days, rate=rate, hours=hours, reads_all=reads_all)
            has_damage = _run_once(opened, options, report_file, json)
        if not forever:
            return 3 if has_damage else 0
        sys.stdout.flush()
        threading.Event().wait(next_start(options, began, time.time()))


def _run_once(opened: OpenedBook, options: ScheduleOptions, report_file: Path | None, json: bool) -> bool:
    from fonoteca.workflows.archive import Archive
    from fonoteca.workflows.verify_schedule import run_schedule, words_of, write_report

    report = run_schedule(opened.book, opened.name, options, open_progress(), now=Archive.now, small_checks=opened.small_checks)
    if report_file is not None:
        write_report(report, report_file, opened.key_file)
    emit_listed(report, "listed", "" if json else storable(words_of(report)), json)
    return report.has_damage


def refuse_without_schedule(**options: object) -> None:
    """UsageError where an option is given that only a schedule has."""
    for name, value in options.items():
        if value:
            raise UsageError(f"--{name} goes with --schedule", "Add --schedule, or leave it out: a plain verify reads everything at once.")


def is_mirror(path: Path) -> bool:
    """Whether a mirror lies there: its ledger says what every byte should be."""
    return (path / MIRROR_FILE).is_file()
