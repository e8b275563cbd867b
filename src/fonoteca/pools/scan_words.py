"""Scrubs and resilvers in words, with the time that is left where anybody can know it."""

from __future__ import annotations

from fonoteca.ground.quantities import format_count, format_duration
from fonoteca.pools.health import Scan

_SLOWEST = 10 * 1024 * 1024  # below this rate OpenZFS gives no estimate either


def seconds_left(scan: Scan | None, now: int) -> int | None:
    """An honest estimate, or None: at first, when paused, and where hardly anything moves nobody knows."""
    if scan is None or scan.state != "scanning":
        return None
    if scan.seconds_left is not None:
        return scan.seconds_left
    if not scan.total_bytes or not scan.issued_bytes or scan.started_at is None:
        return None
    elapsed = now - scan.started_at
    rate = scan.issued_rate if scan.issued_rate else scan.issued_bytes / elapsed if elapsed > 0 else 0
    if elapsed < 30 or rate < _SLOWEST:
        return None
    return int(max(0, scan.total_bytes - scan.issued_bytes) / rate)


def words_of_scan(scan: Scan | None, now: int) -> str:
    """The scrub or resilver that goes on; empty where none does."""
    if scan is None or scan.state not in ("scanning", "paused"):
        return ""
    what = {"errorscrub": "scrub of damaged files", "rebuild": "rebuild"}.get(scan.function, scan.function)
    if scan.state == "paused":
        return f"a {what} is paused; go on with: fonoteca pool scrub"
    done = f", {100 * (scan.issued_bytes or 0) / scan.total_bytes:.1f} % done" if scan.total_bytes else ""
    left = seconds_left(scan, now)
    return f"a {what} is running{done}, {f'about {format_duration(left)} left' if left is not None else 'time left not known yet'}"


def words_of_scrub(scrubbed_at: int | None, now: int) -> str:
    """When every block was read last."""
    if scrubbed_at is None:
        return "no scrub of it has ended yet"
    return f"last scrubbed {_ago(now - scrubbed_at)}"


def _ago(seconds: int) -> str:
    days = seconds // 86400
    return "today" if days < 1 else f"{format_count(days, 'day')} ago"
