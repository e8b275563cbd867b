"""`verify --schedule`: today's portion of everything, oldest first, so that every byte is read within so many days.

Made to be run once a day by a timer. It holds no lock that other commands want, keeps to a rate and to hours, waits while others wait
for the disk, leaves the page cache as it was, and records each file as soon as it was read.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from fonoteca.ground.files import write_atomically
from fonoteca.ground.finding_list import FindingList
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.mirror_settings import ProvingSettings
from fonoteca.ground.progress import Progress
from fonoteca.ground.quantities import format_bytes, format_duration
from fonoteca.ground.workers import count_cores
from fonoteca.integrity import load_key, sign_file
from fonoteca.integrity.paced_proving import Outcome, Pace, prove_paced
from fonoteca.integrity.page_cache import file_system_of
from fonoteca.integrity.pressure import PressureGate, read_pressure
from fonoteca.integrity.schedule import DAY_S, AgeGroup, Book, Good, Portion, Provable, age_of, can_be_held, choose_portion
from fonoteca.integrity.token_bucket import TokenBucket, parse_rate
from fonoteca.integrity.windows import Hours

PROOF_NAMESPACE = "fonoteca-proof"
_LOOK_EVERY_S = 1.0


class ScheduleBook(Book, Protocol):
    """A book, with what a run over it needs besides."""

    path: Path

    @property
    def what(self) -> str:
        """archive or mirror."""

    def refresh(self) -> None:
        """Take note of what is new."""

    def check_database(self, path: Path) -> list[str]:
        """What an integrity check of a database finds."""

    def strangers(self) -> Iterator[Finding]:
        """What lies beside the files that were read in this run, and is on no list."""

    def not_to_be_read(self) -> Iterator[Finding]:
        """What was passed over in this run, since what says how to prove it is damaged."""

    def put_stranger(self, finding: Finding, second: int) -> None:
        """Record one of either."""


class ScheduleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to read: everything within `days`; bytes a second; hours; percent of pressure. `portion` "due" or "all"."""

    days: float = 45.0
    rate: int | None = None
    hours: Hours | None = None
    pressure: float = 20.0
    reads_all: bool = False

    @classmethod
    def of(
        cls, settings: ProvingSettings, *, days: float | None = None, rate: str | None = None, hours: str | None = None,
        reads_all: bool = False,
    ) -> ScheduleOptions:  # fmt: skip
        """The settings, with what the command line says instead. UsageError where that cannot be read. What reads all does not wait."""
        if reads_all:
            return cls(days=settings.days, pressure=100, reads_all=True)
        return cls(
            days=settings.days if days is None else days, rate=parse_rate(settings.rate if rate is None else rate),
            hours=Hours.parse(settings.hours if hours is None else hours), pressure=settings.pressure,
        )  # fmt: skip


class ProofReport(msgspec.Struct, kw_only=True):
    """What stands after a run: `summary` in words, the counts behind it, and what this run read and found. Sizes in bytes."""

    format: int = 1
    what: str
    name: str
    path: str
    at: int
    date: str
    summary: str = ""
    days: float = 45.0
    oldest_days: float | None = None
    files: int = 0
    bytes: int = 0
    bytes_within: int = 0
    damaged: int = 0
    lost: int = 0
    portion_bytes: int = 0
    read_files: int = 0
    read_bytes: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0
    ended: str = ""
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    facts: list[str] = msgspec.field(default_factory=list)
    listed: FindingList = msgspec.field(default_factory=FindingList)

    def take(self, finding: Finding) -> None:
        """Count a finding and list it."""
        self.counts[finding.code] += 1
        self.listed.append(finding)

    @property
    def has_damage(self) -> bool:
        """Whether anything stands that is not what it should be."""
        return self.damaged > 0 or any(counts_as_damage(Finding(code, "", "")) for code in self.counts)


def run_schedule(
    book: ScheduleBook, name: str, options: ScheduleOptions, progress: Progress, *, now: Callable[[], int],
    stop: threading.Event | None = None, small_checks: Sequence[Finding] = (),
) -> ProofReport:  # fmt: skip
    """One run: read what is due now, and say how things stand. `stop` ends it after the files under way are given up."""
    run = _Run(book, options, progress, now, stop or threading.Event())
    second = now()
    date = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    report = ProofReport(what=book.what, name=name, path=str(book.path), at=second, date=date, days=options.days)
    book.refresh()
    for finding in small_checks:
        report.take(finding)
    run.read_portion(report)
    run.conclude(report)
    return report


class _Run:
    def __init__(
        self, book: ScheduleBook, options: ScheduleOptions, progress: Progress, now: Callable[[], int], stop: threading.Event
    ) -> None:
        self._book, self._options, self._progress, self._now = book, options, progress, now
        self._stop, self._are_hours_over = stop, False
        bucket = TokenBucket(options.rate, sleep=self._rest) if options.rate is not None else None
        closes = self._close_in_time
        self._gate = PressureGate(options.pressure, sleep=self._rest, is_over=closes) if options.pressure < 100 else None
        self._pace = Pace(stop, bucket, self._gate, closes)
        self._submitted = self._later = 0

    def read_portion(self, report: ProofReport) -> None:
        """Oldest first, until the portion is read, the hours are over, or somebody stops it."""
        began, groups = time.monotonic(), self._book.groups()
        portion = self._portion(groups, report)
        report.portion_bytes = portion.bytes
        report.ended = "nothing is due" if not portion.bytes else "what was due is read"
        if self._is_closed():
            report.ended = f"the hours begin in {format_duration(self._options.hours.seconds_until_open(time.time()))}"  # type: ignore[union-attr]
            return
        self._progress.start("proving", portion.bytes, "bytes")
        items = self._due(portion, report.at)
        checks = self._book.check_database
        for outcomes in prove_paced(items, self._pace, threads=count_cores(), check_database=checks, on_bytes=self._progress.advance):
            self._record(outcomes, report)
            self._close_in_time()
        self._progress.finish()
        if self._are_hours_over:
            report.ended = "the hours are over"
        self._find_strangers(report)
        report.seconds = round(time.monotonic() - began, 3)
        report.waited_seconds = round(self._gate.waited_s, 3) if self._gate else 0.0

    def _portion(self, groups: Sequence[AgeGroup], report: ProofReport) -> Portion:
        total = sum(group.bytes for group in groups)
        if self._options.reads_all:  # up to what was read last; what is read now counts as later, so that nothing is read twice
            self._later = max([report.at, *(group.newest for group in groups)]) + 1
            return Portion(total, self._later)
        fact = can_be_held(
            total, self._options.days, self._options.rate, self._options.hours.seconds_a_day if self._options.hours else DAY_S
        )
        if fact is not None:
            report.facts.append(fact)
        return choose_portion(groups, report.at, self._options.days)

    def _is_closed(self) -> bool:
        return self._options.hours is not None and not self._options.hours.is_open(time.time())

    def _close_in_time(self) -> bool:
        """Whether the hours are over: then the run ends, also in the middle of a file."""
        if self._is_closed() and not self._stop.is_set():
            self._are_hours_over = True
            self._stop.set()
        return self._are_hours_over

    def _rest(self, seconds: float) -> None:
        """Sleep, but no longer than the run may last."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._close_in_time() and not self._stop.wait(min(left, _LOOK_EVERY_S)):
            continue

    def _due(self, portion: Portion, before: int) -> Iterator[Provable]:
        """Also what was just read and found damaged counts: it was read."""
        for item in self._book.oldest(self._later or before):
            if not self._options.reads_all and self._submitted >= portion.bytes and item.proved_at >= portion.due_before:
                return
            self._submitted += item.size if item.size is not None else _size_at(item.path)
            yield item

    def _record(self, outcomes: Sequence[Outcome], report: ProofReport) -> None:
        second = max(self._now(), self._later)
        good = [Good(outcome.item.key, second, outcome.mtime_ns) for outcome in outcomes if outcome.finding is None]
        if good:
            self._book.good(good)
        for outcome in outcomes:
            report.read_files += 1
            report.read_bytes += outcome.read
            if outcome.finding is not None and self._book.bad(outcome.item, outcome.finding, second):
                report.take(outcome.finding)

    def _find_strangers(self, report: ProofReport) -> None:
        for finding in (*self._book.not_to_be_read(), *(self._book.strangers() if report.read_files else ())):
            self._book.put_stranger(finding, report.at)
            report.take(finding)

    def conclude(self, report: ProofReport) -> None:
        """How everything stands now."""
        age = age_of(self._book.groups(), self._now(), self._options.days, self._book.damaged())
        report.summary, report.oldest_days = age.summary, None if age.oldest_days is None else round(age.oldest_days, 3)
        report.files, report.bytes, report.bytes_within = age.files, age.bytes, age.bytes_within
        report.damaged, report.lost = age.damaged, age.lost
        if report.waited_seconds >= 1:
            report.facts.append(f"waited {format_duration(report.waited_seconds)} while others waited for the disk")
        if self._gate is not None and read_pressure() is None:
            report.facts.append(
                "this kernel does not tell how long tasks wait for the disk (/proc/pressure/io): other load was not looked at"
            )
        if file_system_of(self._book.path) == "zfs":
            report.facts.append("on ZFS the dataset's primarycache rules what stays in memory; with metadata this reading stays out")


def _size_at(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def next_start(options: ScheduleOptions, began: float, now: float) -> float:
    """Seconds from `now` to the next run of one that goes on forever: a day after the last began, within the hours."""
    next_run = max(now, began + DAY_S)
    if options.hours is not None and not options.hours.is_open(now):
        return max(1.0, options.hours.seconds_until_open(now))
    if options.hours is not None:
        next_run += options.hours.seconds_until_open(next_run)
    return max(1.0, next_run - now)


def write_report(report: ProofReport, path: Path, key_file: Path) -> None:
    """The report as JSON, without single findings, with both signatures beside it; the time in Unix seconds is its serial number."""
    told = {name: getattr(report, name) for name in report.__struct_fields__ if name not in ("listed", "path")}
    told["counts"] = dict(report.counts)
    key = load_key(key_file)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n", is_ours=False)
    sign_file(key, path, serial=report.at, namespace=PROOF_NAMESPACE)


def words_of(report: ProofReport) -> str:
    """The report for people."""
    read = f"{report.read_files:,} files, {format_bytes(report.read_bytes)} read in {format_duration(report.seconds)}: {report.ended}"
    lines = [report.summary, read, *report.facts]
    lines += [f"  {code}: {count:,}" for code, count in sorted(report.counts.items())]
    for number, finding in enumerate(report.listed):
        if number == 20:
            lines.append(f"  … and {len(report.listed) - 20:,} more: --json lists all")
            break
        lines.append(f"  {finding.code}  {finding.path}: {finding.fact}")
    if report.has_damage:
        lines.append("Mend it with: fonoteca heal")
    return "\n".join(lines)
