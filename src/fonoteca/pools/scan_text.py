"""The lines behind "scan:" in the text of `zpool status`, of OpenZFS 2.1 to 2.3."""

from __future__ import annotations

import re
import time

from fonoteca.pools.health import Scan, ScanFunction

_SIZE = r"([0-9][0-9.]*[BKMGTPEZ]?)"
_DATE = r"([A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]?[0-9] [0-9:]{8} [0-9]{4,})"
_FINISHED = re.compile(rf"(scrub repaired|resilvered)(?: \([^)]*\))? {_SIZE} in ([0-9a-z :]+?) with ([0-9]+) errors on {_DATE}")
_CANCELED = re.compile(rf"(scrub|resilver|error scrub)(?: \([^)]*\))? canceled on {_DATE}")
_BEGUN = re.compile(rf"(scrub|resilver|error scrub)( \([^)]*\))? (in progress|paused) since {_DATE}")
_ERRORS_DONE = re.compile(rf"scrubbed ([0-9]+) error blocks in ([0-9a-z :]+?) on {_DATE}")
_STARTED = re.compile(rf"scrub started on {_DATE}")
_SCANNED = re.compile(
    rf"{_SIZE}(?: / {_SIZE})? scanned(?: at {_SIZE}/s)?, {_SIZE}(?: / {_SIZE})? issued(?: (?:at )?{_SIZE}/s)?(?:, {_SIZE} total)?"
)
_DONE = re.compile(rf"{_SIZE} (?:repaired|resilvered), ([0-9.]+|-?nan|inf)% done")
_LEFT = re.compile(r"(?:([0-9]+) days )?([0-9]{1,2}):([0-9]{2}):([0-9]{2}) to go")
_UNITS = {unit: 1024**power for power, unit in enumerate("BKMGTPEZ")}


def parse_scan(text: str) -> Scan | None:
    """One scan; None where none was requested, or the words are not known."""
    words = " ".join(text.split())
    if found := _FINISHED.match(words):
        return _finished(words, found)
    if found := _ERRORS_DONE.match(words):
        ended = parse_date(found[3])
        return Scan("errorscrub", "finished", started_at=_minus(ended, _seconds(found[2])), ended_at=ended)
    if found := _CANCELED.match(words):
        return Scan(_function(found[1], words), "canceled", ended_at=parse_date(found[2]))
    if found := _BEGUN.match(words):
        return _running(words, found)
    return None


def latest(scans: list[Scan]) -> Scan | None:
    """Of the last scrub and the last resilver: the one that goes on, else the later one."""
    return max(scans, key=lambda one: (one.state in ("scanning", "paused"), one.ended_at or one.started_at or 0), default=None)


def parse_date(text: str) -> int | None:
    """Unix seconds of a date as ctime writes it, in the time zone of this machine."""
    return parse_local_time(" ".join(text.split()), "%a %b %d %H:%M:%S %Y")


def parse_local_time(text: str, form: str) -> int | None:
    """Unix seconds of a time as this machine's clocks on the wall tell it; None where there is no such time."""
    try:
        return int(time.mktime(time.strptime(text, form)))
    except (ValueError, OverflowError):
        return None


def parse_size(text: str) -> int:
    """Bytes of 1.51M: four figures at most, so only about right."""
    number, unit = (text[:-1], text[-1]) if text[-1] in _UNITS else (text, "B")
    try:
        return int(float(number) * _UNITS[unit])
    except ValueError:
        return 0


def _finished(words: str, found: re.Match[str]) -> Scan:
    ended = parse_date(found[5])
    return Scan(
        function=_function(found[1], words), state="finished", started_at=_minus(ended, _seconds(found[3])), ended_at=ended,
        repaired_bytes=parse_size(found[2]), errors=int(found[4][:18]),
    )  # fmt: skip


def _running(words: str, found: re.Match[str]) -> Scan:
    since, is_paused = parse_date(found[4]), found[3] == "paused"
    started, counts, done = _STARTED.search(words), _SCANNED.search(words), _DONE.search(words)
    total = scanned = issued = rate = None
    if counts:
        scanned, issued = parse_size(counts[1]), parse_size(counts[4])
        total = next((parse_size(size) for size in (counts[7], counts[5], counts[2]) if size), None)
        rate = parse_size(counts[6]) if counts[6] else None
    return Scan(
        function=_function(found[1], words), state="paused" if is_paused else "scanning",
        started_at=parse_date(started[1]) if started else None if is_paused else since, paused_at=since if is_paused else None,
        total_bytes=total, scanned_bytes=scanned, issued_bytes=issued, issued_rate=rate,
        repaired_bytes=parse_size(done[1]) if done else None, seconds_left=_left(words),
    )  # fmt: skip


def _function(word: str, words: str) -> ScanFunction:
    """A resilver with the name of a vdev behind it is a sequential rebuild."""
    if word.startswith("error"):
        return "errorscrub"
    if word.startswith("scrub"):
        return "scrub"
    return "rebuild" if re.match(r"resilver(?:ed)? \(", words) else "resilver"


def _left(words: str) -> int | None:
    found = _LEFT.search(words)
    if found is None:
        return None
    return _in_seconds(*(int((part or "0")[:9]) for part in found.groups()))


def _seconds(text: str) -> int | None:
    """Of 00:01:02, 3 days 00:01:02, or the 0h1m of before."""
    if found := re.fullmatch(r"(?:([0-9]{1,6}) days? )?([0-9]{1,6}):([0-9]{2}):([0-9]{2})", text):
        return _in_seconds(*(int(part or 0) for part in found.groups()))
    if found := re.fullmatch(r"([0-9]{1,6})h([0-9]{1,2})m", text):
        return int(found[1]) * 3600 + int(found[2]) * 60
    return None


def _in_seconds(days: int, hours: int, minutes: int, seconds: int) -> int:
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _minus(end: int | None, seconds: int | None) -> int | None:
    return None if end is None or seconds is None else end - seconds
