"""What is read today, so that every byte is read within N days: worked out over made-up years."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.integrity.schedule import DAY_S, AgeGroup, Portion, age_of, can_be_held, choose_portion

NOW = 1_700_000_000


def read(files: list[list[int]], portion: Portion, now: int) -> int:
    """Read as a run does: oldest first, until the portion is done and nothing is due. Files are [proved_at, size]."""
    done = 0
    for file in sorted(files):
        if done >= portion.bytes and file[0] >= portion.due_before:
            break
        done += file[1]
        file[0] = now
    return done


def groups_of(files: list[list[int]]) -> list[AgeGroup]:
    return [AgeGroup(proved_at, 1, size) for proved_at, size in files]


def test_a_day_reads_one_part_of_days_and_the_oldest_is_never_older() -> None:
    files = [[NOW, 1000] for _ in range(2000)]
    amounts, oldest = [], 0.0
    for day in range(1, 200):
        now = NOW + day * int(DAY_S)
        oldest = max(oldest, now - min(file[0] for file in files))
        amounts.append(read(files, choose_portion(groups_of(files), now, 45), now))
    assert oldest <= 45 * DAY_S
    assert max(amounts) <= 2_000_000 / 40, "it is spread over the days"


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([3, 7, 45]))
def test_every_byte_is_read_in_time_whatever_is_added_and_whenever_runs_are_late(seed: int, days: int) -> None:
    chance = random.Random(seed)
    files = [[NOW - chance.randrange(days * 86400), chance.randrange(1, 10_000)] for _ in range(chance.randrange(1, 300))]
    files = [[max(proved_at, NOW - int((days - 2) * DAY_S)), size] for proved_at, size in files]
    now = NOW
    for _ in range(3 * days):
        now += int(DAY_S) + chance.randrange(-3600, 3600)
        if chance.random() < 0.2:
            files += [[now, chance.randrange(1, 100_000)] for _ in range(chance.randrange(50))]
        assert max(now - file[0] for file in files) <= days * DAY_S
        read(files, choose_portion(groups_of(files), now, days), now)


def test_days_without_a_run_are_caught_up_without_a_rush() -> None:
    files = [[NOW - day * int(DAY_S), 1000] for day in range(30)]
    late = NOW + 10 * int(DAY_S)
    portion = choose_portion(groups_of(files), late, 45)
    assert 500 <= portion.bytes <= 2000
    overdue = NOW + 60 * int(DAY_S)
    assert choose_portion(groups_of(files), overdue, 45).bytes >= 30_000


def test_what_was_never_read_is_due_at_once() -> None:
    portion = choose_portion([AgeGroup(0, 3, 500), AgeGroup(NOW - 60, 100, 10**9)], NOW, 45)
    assert portion.bytes >= 500 and portion.due_before > 0


def test_nothing_is_due_where_nothing_is_held() -> None:
    assert choose_portion([], NOW, 45).bytes == 0


def test_the_summary_says_how_long_ago_the_oldest_was_read() -> None:
    groups = [AgeGroup(NOW - int(30.2 * DAY_S), 10, 4000), AgeGroup(NOW, 5, 1000)]
    assert age_of(groups, NOW, 45).summary == "100 % read within 31 days; oldest 31 d; 0 damaged"
    assert age_of(groups, NOW, 10, (3, 1)).summary == "20.0 % read within 10 days; oldest 31 d; 3 damaged, 1 of them not to be mended"
    assert age_of([*groups, AgeGroup(0, 1, 1)], NOW, 45).summary == "99.9 % read within 45 days; oldest never; 0 damaged"
    assert age_of([], NOW, 45).summary == "nothing is held; 0 damaged"


def test_a_rate_that_cannot_hold_the_days_is_told_with_what_would() -> None:
    assert can_be_held(300 * 10**12, 45, 100e6, 86400) is None
    fact = can_be_held(300 * 10**12, 45, 100e6, 8 * 3600)
    assert fact == pytest.approx("at this rate within these hours everything takes 104.2 days; for 45 days it takes 231.5 MB/s")
    assert can_be_held(1, 45, None, 3600) is None
