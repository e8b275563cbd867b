"""The rate, the hours and the pressure that reading again keeps to, with clocks that the test turns."""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import UsageError
from fonoteca.integrity.paced_proving import Pace, StoppedReading
from fonoteca.integrity.pressure import Pressure, PressureGate, parse_pressure
from fonoteca.integrity.token_bucket import TokenBucket, parse_rate
from fonoteca.integrity.windows import Hours


class Clock:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.floats(1e3, 1e9), st.lists(st.integers(0, 10_000_000), min_size=1, max_size=50))
def test_rate_is_never_exceeded_by_more_than_the_burst(rate: float, takes: list[int]) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, clock=clock, sleep=clock.sleep)
    for count in takes:
        bucket.take(count)
    assert sum(takes) <= rate * (clock.now - 1000) + rate * 0.25 + 1
    assert clock.now - 1000 <= sum(takes) / rate + 1e-6, "it waits no longer than it must"


def test_a_rest_saves_up_no_more_than_a_quarter_of_a_second() -> None:
    clock = Clock()
    bucket = TokenBucket(1000, clock=clock, sleep=clock.sleep)
    clock.now += 3600
    bucket.take(1250)
    assert clock.now == pytest.approx(1000 + 3600 + 1)


TEXT = "some avg10={:.2f} avg60=1.00 avg300=0.50 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


def test_pressure_is_read_from_what_the_kernel_writes() -> None:
    assert parse_pressure(TEXT.format(19.45, 768731761)) == Pressure(19.45, 768731761)
    assert parse_pressure("") is None
    assert parse_pressure("full avg10=1.00 avg60=0 avg300=0 total=7\n") is None


def gate_over(told: Iterator[Pressure | None], clock: Clock) -> PressureGate:
    return PressureGate(20, read=lambda: next(told), clock=clock, sleep=clock.sleep)


def test_gate_stays_open_below_the_setting() -> None:
    clock = Clock()
    gate = gate_over(iter([Pressure(20.0, 0)]), clock)
    gate.wait()
    assert clock.now == 1000 and gate.waited_s == 0
    gate.wait()  # within a second nobody looks again
    assert clock.now == 1000


def test_gate_waits_as_long_as_others_wait_for_the_disk() -> None:
    clock = Clock()
    busy = [Pressure(60.0, 0), Pressure(60, 0), Pressure(60, 500_000), Pressure(55, 500_000), Pressure(55, 900_000)]
    gate = gate_over(iter([*busy, Pressure(40, 900_000), Pressure(38, 1_000_000)]), clock)
    gate.wait()
    assert clock.now == pytest.approx(1003.1)
    assert gate.waited_s == pytest.approx(3.1)


def test_gate_opens_under_load_once_its_users_are_to_end() -> None:
    clock, us = Clock(), iter(range(0, 10**12, 900_000))
    gate = PressureGate(
        20, read=lambda: Pressure(90, next(us)), clock=clock, sleep=clock.sleep, is_over=lambda: clock.now > 1030
    )  # fmt: skip
    gate.wait()
    assert 1030 < clock.now < 1032


def test_no_more_is_read_once_it_is_over() -> None:
    clock = Clock()
    pace = Pace(threading.Event(), TokenBucket(1000, clock=clock, sleep=clock.sleep), is_over=lambda: clock.now > 1005)
    with pytest.raises(StoppedReading):
        for _ in range(100):
            pace.before(1000)
    assert clock.now < 1007 and pace.stop.is_set()


@pytest.mark.parametrize("text", ["0", "0.4B/s", "0.5 B", "0MB/s"])
def test_a_rate_with_which_nothing_would_end_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="less than one byte"):
        parse_rate(text)


def test_rates_are_read_with_and_without_their_second() -> None:
    assert (parse_rate(""), parse_rate("3kB/s"), parse_rate("3 kB"), parse_rate("1")) == (None, 3000, 3000, 1)


def test_gate_opens_when_only_we_ourselves_waited_for_the_disk() -> None:
    clock = Clock()
    gate = gate_over(iter([Pressure(95.0, 10_000_000), Pressure(95.0, 10_000_000), Pressure(86.0, 10_020_000)]), clock)
    gate.wait()
    assert clock.now == pytest.approx(1001.1)
    clock.now += 9  # trusted for ten seconds: nothing more is read
    gate.wait()


def test_gate_is_open_where_the_kernel_tells_nothing() -> None:
    clock = Clock()
    gate_over(iter([None]), clock).wait()
    assert clock.now == 1000


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], float]]:
    """Unix seconds of a time of day, in a zone without summer time."""
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    yield lambda text: calendar.timegm((2026, 11, 22, int(text[:2]) - 3, int(text[3:]), 0))
    monkeypatch.undo()
    time.tzset()


def test_hours_reach_over_midnight(at: Callable[[str], float]) -> None:
    hours = Hours.parse("22:00-06:30")
    assert hours is not None and hours.seconds_a_day == 8.5 * 3600
    assert [hours.is_open(at(text)) for text in ("21:59", "22:00", "23:59", "03:00", "06:29", "06:30", "12:00")] == [
        False, True, True, True, True, False, False,
    ]  # fmt: skip
    assert hours.seconds_until_open(at("21:00")) == 3600
    assert hours.seconds_until_open(at("06:30")) == 15.5 * 3600
    assert hours.seconds_until_open(at("23:00")) == 0


@pytest.mark.parametrize("text", ["", "  "])
def test_no_hours_are_always(text: str) -> None:
    assert Hours.parse(text) is None


def test_equal_hours_are_the_whole_day(at: Callable[[str], float]) -> None:
    hours = Hours.parse("00:00-24:00")
    assert hours is not None and hours.seconds_a_day == 86400 and hours.is_open(at("13:00"))


@pytest.mark.parametrize("text", ["22-06", "25:00-06:00", "22:00", "22:60-23:00", "24:00-01:00", "a:b-c:d", "22:00-24:30", "-"])
def test_what_is_no_hours_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Hours.parse(text)
