"""The runs of access units in one movie fragment of an MP4 file (ISO/IEC 14496-12, 8.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class FragmentRuns(NamedTuple):
    """Start and end of each run in the file, and their length in media time."""

    runs: list[tuple[int, int]]
    duration: int


class _Defaults(NamedTuple):
    base: int
    size: int
    duration: int


def read_fragment_runs(tfhd: bytes, truns: Sequence[bytes], trex: bytes, moof_start: int) -> FragmentRuns:
    """Runs out of the bodies of one `traf`'s boxes; `trex` holds the defaults of the whole movie."""
    defaults = _read_defaults(tfhd, trex, moof_start)
    runs, length, place = [], 0, defaults.base
    for trun in truns:
        start, size, duration = _read_run(trun, defaults, place)
        place, length = start + size, length + duration
        runs.append((start, place))
    return FragmentRuns(runs, length)


def _word(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 4], "big")


def _read_defaults(tfhd: bytes, trex: bytes, moof_start: int) -> _Defaults:
    flags, at, base = _word(tfhd, 0) & 0xFFFFFF, 8, moof_start
    duration, size = _word(trex, 12), _word(trex, 16)
    if flags & 1:
        base, at = int.from_bytes(tfhd[at : at + 8], "big"), at + 8
    at += 4 if flags & 2 else 0
    if flags & 8:
        duration, at = _word(tfhd, at), at + 4
    return _Defaults(base, _word(tfhd, at) if flags & 16 else size, duration)


def _read_run(trun: bytes, defaults: _Defaults, place: int) -> tuple[int, int, int]:
    """Offset, bytes and length of one run."""
    flags, count, at = _word(trun, 0) & 0xFFFFFF, _word(trun, 4), 8
    if flags & 1:
        place, at = defaults.base + int.from_bytes(trun[at : at + 4], "big", signed=True), at + 4
    at += 4 if flags & 4 else 0
    width = 4 * (flags >> 8 & 15).bit_count()
    if width:
        count = min(count, max(0, len(trun) - at) // width)
    duration_at, size_at = (0 if flags & 0x100 else None), (4 * (flags >> 8 & 1) if flags & 0x200 else None)
    rows = range(at, at + width * count, width) if width else range(0)
    durations = defaults.duration * count if duration_at is None else sum(_word(trun, row) for row in rows)
    size = defaults.size * count if size_at is None else sum(_word(trun, row + size_at) for row in rows)
    return place, size, durations
