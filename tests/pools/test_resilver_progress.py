"""The time left is honest: unknown at first, unknown when nothing moves, a range where the pace wavers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.pools.health import Scan
from fonoteca.pools.resilver_progress import PaceKeeper, TimeLeft, tell_scan

TB = 10**12


def watched(pace: PaceKeeper, series: list[tuple[float, int]], total: int) -> list[TimeLeft]:
    told = []
    for at, done in series:
        pace.saw(at, done)
        told.append(pace.left(total))
    return told


def steady(rate: float, until_s: int, every_s: int = 5, start: int = 0) -> list[tuple[float, int]]:
    return [(float(at), start + int(rate * at)) for at in range(0, until_s, every_s)]


def test_nothing_is_said_before_enough_was_seen() -> None:
    told = watched(PaceKeeper(), steady(1e9, 60), 10 * TB)
    assert [left.likely_s is None for left in told] == [at < 20 for at in range(0, 60, 5)]
    assert told[0].words == "time left unknown yet"


def test_a_steady_pace_gives_the_true_time() -> None:
    left = watched(PaceKeeper(), steady(1e9, 605), 10 * TB)[-1]
    assert left.likely_s == pytest.approx((10 * TB - 600e9) / 1e9)
    assert left.least_s == pytest.approx(left.most_s)
    assert left.words == "about 2 h 36 min left"


def test_a_wavering_pace_gives_a_range_that_holds_the_truth() -> None:
    chance = random.Random(5)
    done, series = 0.0, []
    for at in range(0, 900, 5):
        series.append((float(at), int(done)))
        done += 5 * chance.uniform(0.4e9, 1.6e9) * (1.5 if at // 150 % 2 else 0.5)
    left = watched(PaceKeeper(), series, 20 * TB)[-1]
    assert left.least_s is not None and left.likely_s is not None and left.most_s is not None
    assert left.least_s < left.likely_s < left.most_s
    assert left.least_s < (20 * TB - done) / (done / 900) < left.most_s
    assert " to " in left.words


def test_a_pace_that_changed_is_followed_within_a_window() -> None:
    slow = steady(1e8, 2000)
    fast = [(2000 + at, slow[-1][1] + done) for at, done in steady(1e9, 1000)]
    left = watched(PaceKeeper(), slow + fast, 10 * TB)[-1]
    assert left.bytes_a_second == pytest.approx(1e9, rel=0.01)


def test_a_resilver_that_stands_still_has_no_time_left_told() -> None:
    series = steady(1e9, 300)
    still = [(300.0 + at, series[-1][1]) for at in range(0, 300, 5)]
    told = watched(PaceKeeper(), series + still, 10 * TB)
    assert told[-1] == TimeLeft(is_stalled=True)
    assert "standing still" in told[-1].words
    moved = watched(PaceKeeper(), [*series, *still, (605.0, series[-1][1] + 10**9)], 10 * TB)[-1]
    assert not moved.is_stalled and moved.likely_s is not None


def test_a_resilver_that_begins_anew_is_reckoned_anew() -> None:
    pace = PaceKeeper()
    watched(pace, steady(1e9, 600), 10 * TB)
    told = watched(pace, [(600.0 + at, done) for at, done in steady(1e8, 60)], 10 * TB)
    assert told[0].likely_s is None
    assert told[-1].bytes_a_second == pytest.approx(1e8)


def test_more_done_than_there_is_gives_no_time() -> None:
    assert watched(PaceKeeper(), steady(1e9, 100), 50 * 10**9)[-1].likely_s is None


@given(st.lists(st.tuples(st.floats(0.1, 1000), st.integers(0, 10**13)), min_size=1, max_size=60), st.integers(0, 10**14))
def test_whatever_comes_the_range_holds_the_likely_time(steps: list[tuple[float, int]], total: int) -> None:
    pace, at, done = PaceKeeper(), 0.0, 0
    for seconds, grown in steps:
        at, done = at + seconds, done + grown
        pace.saw(at, done)
        left = pace.left(total)
        assert (left.likely_s is None) == (left.least_s is None) == (left.most_s is None)
        if left.likely_s is not None and left.least_s is not None and left.most_s is not None:
            assert 0 <= left.least_s <= left.likely_s * 1.000001 <= left.most_s * 1.000002
        assert left.words


def test_a_line_tells_what_is_done_how_fast_and_how_long() -> None:
    scan = Scan("resilver", "scanning", total_bytes=8 * TB, scanned_bytes=3 * TB, issued_bytes=2 * TB)
    assert tell_scan(scan, TimeLeft(7200, 7000, 7400, 8e8)) == "resilver 25.0 % of 8.00 TB at 800 MB/s, about 2 h 00 min left"
    early = Scan("resilver", "scanning", total_bytes=8 * TB, scanned_bytes=3 * TB, issued_bytes=0)
    assert tell_scan(early, TimeLeft()) == "resilver 0.0 % of 8.00 TB, reading where things are: 3.00 TB, time left unknown yet"
    assert tell_scan(Scan("scrub", "paused"), TimeLeft()) == "scrub paused"
    assert tell_scan(Scan("rebuild", "scanning"), TimeLeft()) == "rebuild runs, time left unknown yet"
