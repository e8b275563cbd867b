"""The honest time left of a resilver or scrub: from what was done lately, as a range, and unknown where it is."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import msgspec

from fonoteca.ground.quantities import format_bytes, format_duration
from fonoteca.pools.health import Scan

WINDOW_S = 900.0
"""How far back the pace is taken from: long enough for a disk's slow and fast stretches."""
LEAST_S = 20.0
"""Nothing is said of the time left before so much was seen."""
STALLED_S = 120.0
"""No byte for so long is standing still."""
_STRETCHES = 6


class TimeLeft(msgspec.Struct, frozen=True):
    """Seconds until the end at the pace of the fastest and the slowest stretch, and at that of the whole window; None: not known."""

    likely_s: float | None = None
    least_s: float | None = None
    most_s: float | None = None
    bytes_a_second: float | None = None
    is_stalled: bool = False

    @property
    def words(self) -> str:
        """The same for people."""
        if self.is_stalled:
            return "standing still, time left unknown"
        if self.likely_s is None:
            return "time left unknown yet"
        if self.least_s is None or self.most_s is None or self.most_s < 1.25 * self.least_s:
            return f"about {format_duration(self.likely_s)} left"
        return f"{format_duration(self.least_s)} to {format_duration(self.most_s)} left"


class PaceKeeper:
    """Watches how many bytes are done at which time (any clock that only goes forward) and reckons from the last WINDOW_S."""

    def __init__(self, window_s: float = WINDOW_S, least_s: float = LEAST_S, stalled_s: float = STALLED_S) -> None:
        self._window_s, self._least_s, self._stalled_s = window_s, least_s, stalled_s
        self._seen: deque[tuple[float, int]] = deque()
        self._moved_at = 0.0

    def saw(self, at: float, done_bytes: int) -> None:
        """At this time so much was done. Less than before is a new beginning: what was seen is forgotten."""
        if self._seen and (done_bytes < self._seen[-1][1] or at < self._seen[-1][0]):
            self._seen.clear()
        if not self._seen or done_bytes > self._seen[-1][1]:
            self._moved_at = at
        self._seen.append((at, done_bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= at - self._window_s:
            self._seen.popleft()

    def left(self, total_bytes: int | None) -> TimeLeft:
        """How long it takes from what was seen last, to `total_bytes`."""
        if not self._seen:
            return TimeLeft()
        at, done = self._seen[-1]
        if at - self._moved_at >= self._stalled_s:
            return TimeLeft(is_stalled=True)
        span, grown = at - self._seen[0][0], done - self._seen[0][1]
        if total_bytes is None or span < self._least_s or grown <= 0 or total_bytes < done:
            return TimeLeft()
        remaining = total_bytes - done
        paces = self._paces()
        return TimeLeft(
            likely_s=remaining * span / grown, least_s=remaining / max(paces), most_s=remaining / min(paces), bytes_a_second=grown / span
        )

    def _paces(self) -> list[float]:
        """Bytes a second of the window in stretches of equal length; one that stood still is joined with the next."""
        first, last = self._seen[0], self._seen[-1]
        length = (last[0] - first[0]) / _STRETCHES
        marks = [first]
        for seen in self._seen:
            if seen[0] - marks[-1][0] >= length and seen[1] > marks[-1][1]:
                marks.append(seen)
        marks[max(1, len(marks) - 1) :] = [last]
        return [(later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairwise(marks)]


def tell_scan(scan: Scan, left: TimeLeft) -> str:
    """One line about a resilver or scrub that runs: what is done, how fast, how long yet."""
    what = {"rebuild": "rebuild", "resilver": "resilver"}.get(scan.function, "scrub")
    if scan.state == "paused":
        return f"{what} paused"
    if scan.issued_bytes is None or not scan.total_bytes:
        return f"{what} runs, {left.words}"
    done = min(100.0, 100 * scan.issued_bytes / scan.total_bytes)
    looked = "" if scan.issued_bytes or not scan.scanned_bytes else f", reading where things are: {format_bytes(scan.scanned_bytes)}"
    pace = f" at {format_bytes(left.bytes_a_second)}/s" if left.bytes_a_second else ""
    return f"{what} {_percent(done)} of {format_bytes(scan.total_bytes)}{looked}{pace}, {left.words}"


def _percent(done: float) -> str:
    return f"{min(done, 99.9):.1f} %" if done < 100 else "100 %"
