"""`pool scrub`: start, pause, stop and watch a scrub, and see to it that exactly one is made a month."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fonoteca.ground.errors import NotFoundError, PoolBusyError, PoolError, UsageError
from fonoteca.ground.files import write_atomically
from fonoteca.pools.health import PoolHealth, Scan
from fonoteca.pools.listing import ERROR_SCRUB_SINCE, read_dataset_properties, read_version
from fonoteca.pools.scan_words import seconds_left, words_of_scan
from fonoteca.pools.scrubbing import (
    PERIODIC,
    commands_to_schedule,
    find_scrub_sources,
    plan_schedule,
    refuse_scrub,
    who_scrubs,
    words_about_scrubbers,
)
from fonoteca.pools.status import read_health
from fonoteca.pools.zfs import Zfs

UNITS = Path("etc/systemd/system")
_LOOK_EVERY_S = 5.0


class ScrubReport(msgspec.Struct, kw_only=True):
    """What was done and how the scrub of a pool stands. `schedule` says who scrubs it."""

    pool: str
    done: str
    scan: str = ""
    function: str | None = None
    state: str | None = None
    issued_bytes: int | None = None
    total_bytes: int | None = None
    seconds_left: int | None = None
    repaired_bytes: int | None = None
    errors: int = 0
    damaged_files: int = 0
    schedule: list[str] = []
    is_unfinished: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether data was found damaged that could not be repaired, or something else ended the scrub."""
        return bool(self.damaged_files) or self.is_unfinished


def choose_pool(zfs: Zfs, pool: str | None, *, with_names: bool = True) -> PoolHealth:
    """The pool that is named, or the only one there is."""
    healths = read_health(zfs, pool, with_names=with_names)
    if not healths:
        raise NotFoundError("no pool is imported on this machine", "zpool import lists those that could be; then: zpool import NAME.")
    if len(healths) > 1:
        raise UsageError(f"there are {len(healths)} pools: {', '.join(one.name for one in healths)}", "Name one.")
    return healths[0]


def start_scrub(zfs: Zfs, pool: str | None, *, errors: bool = False, dry_run: bool = False) -> ScrubReport:
    """Start a scrub, go on with a paused one, or leave the one that runs. PoolBusyError while a resilver runs."""
    health = choose_pool(zfs, pool)
    if errors:
        _require_error_scrub(zfs)
    reason = refuse_scrub(health.scan, errors=errors)
    is_running = health.scan is not None and health.scan.function == "scrub" and health.scan.state == "scanning"
    if reason and (errors or not is_running):
        raise PoolBusyError(f"{health.name}: {reason}", f"fonoteca pool status {health.name} shows how long it takes.")
    command = ("scrub", *(("-e",) if errors else ()), health.name)
    if is_running:
        return _report(health, "a scrub was running already")
    if dry_run:
        return _report(health, f"would run: zpool {' '.join(command)}")
    zfs.zpool(*command)
    goes_on = health.scan is not None and health.scan.state == "paused"
    return _report(choose_pool(zfs, health.name), "the scrub goes on" if goes_on else "a scrub was started")


def steer_scrub(zfs: Zfs, pool: str | None, *, stop: bool, dry_run: bool = False) -> ScrubReport:
    """Pause or stop the one that runs; PoolError where none does."""
    health = choose_pool(zfs, pool)
    scan = health.scan
    if scan is None or scan.function not in ("scrub", "errorscrub") or scan.state not in ("scanning", "paused"):
        raise PoolError(f"no scrub of {health.name} is running", f"Start one: fonoteca pool scrub {health.name}")
    command = ("scrub", "-s" if stop else "-p", health.name)
    if dry_run:
        return _report(health, f"would run: zpool {' '.join(command)}")
    if stop or scan.state != "paused":
        zfs.zpool(*command)
    return _report(choose_pool(zfs, health.name), "the scrub was stopped; the next begins anew" if stop else "the scrub is paused")


def wait_for_scrub(
    zfs: Zfs, pool: str, tell: Callable[[PoolHealth], None], *, every_s: float = _LOOK_EVERY_S, sleep: Callable[[float], None] = time.sleep
) -> ScrubReport:
    """Wait until no scrub runs any more. Stopping the wait leaves the scrub running."""
    while True:
        health = choose_pool(zfs, pool, with_names=False)
        scan = health.scan
        if scan is None or scan.function not in ("scrub", "errorscrub") or scan.state != "scanning":
            return _end_of_wait(choose_pool(zfs, pool))
        tell(health)
        sleep(every_s)


def show_scrub(zfs: Zfs, pool: str | None, root: Path = Path("/")) -> ScrubReport:
    """How it stands, and who scrubs."""
    health = choose_pool(zfs, pool)
    report = _report(health, "")
    report.schedule = words_about_scrubbers(health.name, _periodic(zfs, health.name), find_scrub_sources(root))
    return report


def schedule_scrub(
    zfs: Zfs, pool: str | None, program: Sequence[str], scrub_days: int, *, write: bool, root: Path = Path("/")
) -> tuple[ScrubReport, dict[str, str]]:
    """The timer that scrubs a pool which nobody scrubs; `write` puts its files in place. UsageError with the reason otherwise."""
    health = choose_pool(zfs, pool)
    periodic, sources = _periodic(zfs, health.name), find_scrub_sources(root)
    files = plan_schedule(health.name, periodic, sources, program, scrub_days)
    folder = root / UNITS
    report = _report(health, f"wrote {len(files)} units into {folder}" if write else f"would write {len(files)} units into {folder}")
    if write:
        for name, text in files.items():
            write_atomically(folder / name, text.encode(), is_ours=False)
    if not any(one.who == "ours" for one in who_scrubs(health.name, periodic, sources)):
        report.schedule = commands_to_schedule(health.name, str(folder), list(files))
    return report, files


def _periodic(zfs: Zfs, pool: str) -> str:
    return read_dataset_properties(zfs, pool, [PERIODIC]).get(PERIODIC, "-")


def _require_error_scrub(zfs: Zfs) -> None:
    version = read_version(zfs)
    if version < ERROR_SCRUB_SINCE:
        raise UsageError(f"OpenZFS {version} cannot scrub damaged files only; 2.2 can", "Leave --errors out: the whole pool is read.")


def _end_of_wait(health: PoolHealth) -> ScrubReport:
    """How it ended: a resilver ends a scrub that runs, and ZFS tells of the last of them only."""
    scan = health.scan
    report = _report(health, _ended(health, scan))
    report.is_unfinished = scan is not None and (scan.state == "canceled" or scan.function not in ("scrub", "errorscrub"))
    return report


def _ended(health: PoolHealth, scan: Scan | None) -> str:
    if scan is None:
        return "no scrub is running"
    if scan.function not in ("scrub", "errorscrub"):
        return f"the scrub was ended by a resilver; start it again when that is done: fonoteca pool scrub {health.name}"
    if scan.state == "paused":
        return "the scrub was paused"
    if scan.state == "canceled":
        return "the scrub was stopped before its end"
    lost = len(health.damaged) or health.error_count
    return f"the scrub has ended; {lost} damaged files could not be repaired" if lost else "the scrub has ended; all data is whole"


def _report(health: PoolHealth, done: str) -> ScrubReport:
    report = ScrubReport(pool=health.name, done=done, damaged_files=len(health.damaged) or health.error_count)
    scan, now = health.scan, int(time.time())
    if scan is not None:
        report.scan, report.seconds_left = words_of_scan(scan, now), seconds_left(scan, now)
        report.function, report.state, report.errors = scan.function, scan.state, scan.errors or 0
        report.issued_bytes, report.total_bytes, report.repaired_bytes = scan.issued_bytes, scan.total_bytes, scan.repaired_bytes
    return report
