"""The best use of a budget: against the reference workload, against all other ways, and at the edges."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.budget import RATES, Budget, BudgetClass, plan_budget
from fonoteca.catalogue.budget_classes import BudgetCounter, classes_of_statistics, read_rare_shares
from fonoteca.catalogue.budget_others import count_others
from fonoteca.catalogue.coverage import measure_coverage
from fonoteca.catalogue.planner import plays_up_to_rank
from fonoteca.catalogue.quality import DISTANCES, LOSSY_FACTOR, distance_at, quality_at
from fonoteca.catalogue.statistics import count_statistics
from fonoteca.catalogue.statistics_counter import StatisticsRow
from fonoteca.ground.errors import UsageError
from fonoteca.ground.progress import Silent
from made_editions import Shape, opened, write_catalogue

# tracks per decade of popularity in the reference workload, most popular first; of popularity 0 there are about 209 M
DECADES = ((100, 1), (90, 63), (80, 1592), (70, 9931), (60, 43_926), (50, 158_900), (40, 490_602), (30, 1_373_574), (20, 3_158_648),
           (10, 7_210_527), (1, 243_591_243 - 209_039_007))  # fmt: skip
TAIL = 209_039_007
TAIL_KEPT = 39_000_000
ORIGINAL_BYTES, TAIL_RATE = 4_000_000, 75.0


def _class(popularity: int, tracks: int, before: int, size: int, duration_ms: int) -> BudgetClass:
    total = plays_up_to_rank(256_039_007)
    share = (plays_up_to_rank(before + tracks) - plays_up_to_rank(before)) / total
    return BudgetClass(popularity=popularity, tracks=tracks, duration_ms=tracks * duration_ms, bytes=tracks * size, share_of_plays=share)


def _workload() -> list[BudgetClass]:
    """Every known track, as if all could be had at 160 kbit/s; popularity 0 in pieces by rank, of which the first are the reference's."""
    found, before = [], 0
    for popularity, tracks in DECADES:
        found.append(_class(popularity, tracks, before, ORIGINAL_BYTES, 200_000))
        before += tracks
    for tracks in [TAIL_KEPT // 4] * 4 + [(TAIL - TAIL_KEPT) // 10] * 9 + [TAIL - TAIL_KEPT - (TAIL - TAIL_KEPT) // 10 * 9]:
        found.append(_class(0, tracks, before, 3_780_000, 189_000))
        before += tracks
    return found


def _reference(classes: list[BudgetClass]) -> tuple[float, float, float]:
    """Bytes, share of plays and quality for each play of the reference's two tiers."""
    tail = classes[len(DECADES) : len(DECADES) + 4]
    size = sum(one.bytes for one in classes[: len(DECADES)]) + sum(one.duration_ms * TAIL_RATE / 8 for one in tail)
    share = math.fsum(one.share_of_plays for one in classes[: len(DECADES)])
    tail_share = math.fsum(one.share_of_plays for one in tail)
    return size, share + tail_share, share + tail_share * quality_at(TAIL_RATE)


def test_the_reference_workload_is_what_it_says() -> None:
    classes = _workload()
    size, share, _ = _reference(classes)
    assert sum(one.tracks for one in classes) == 256_039_007
    assert size == pytest.approx(257e12, rel=0.03) and share == pytest.approx(0.996, abs=0.0005)


@pytest.mark.parametrize("floor", [24, 48, 75])
def test_the_reference_is_not_better_than_the_plan_for_its_bytes(floor: float) -> None:
    classes = _workload()
    size, share, quality = _reference(classes)
    plan = plan_budget(classes, round(size), floor_kbits=floor)
    assert plan.quality >= quality and plan.bytes <= size
    held_only = plan_budget(classes[: len(DECADES) + 4], round(size), floor_kbits=floor)
    assert held_only.quality >= quality and held_only.share_of_plays >= share - 1e-9


@st.composite
def _classes(draw: st.DrawFn) -> list[BudgetClass]:
    found = []
    for number in range(draw(st.integers(1, 8))):
        tracks, rate = draw(st.integers(1, 10**6)), draw(st.integers(8, 1500))
        duration = tracks * draw(st.integers(1000, 600_000))
        found.append(
            BudgetClass(popularity=number, tracks=tracks, duration_ms=duration, bytes=duration * rate // 8, is_lossy=draw(st.booleans()),
                        share_of_plays=draw(st.floats(0, 0.125)), may_be_encoded=draw(st.booleans()), rare_share=draw(st.floats(0, 1)))
        )  # fmt: skip
    return found


@settings(max_examples=60, deadline=None)
@given(classes=_classes(), parts=st.lists(st.floats(0, 1.2), min_size=2, max_size=6), floor=st.sampled_from(RATES))
def test_more_budget_never_gives_less_and_none_is_ever_passed(classes: list[BudgetClass], parts: list[float], floor: float) -> None:
    whole = sum(one.bytes for one in classes)
    last = -1.0
    for part in sorted(parts):
        plan = plan_budget(classes, int(whole * part), floor_kbits=floor)
        assert plan.bytes <= plan.budget_bytes
        assert plan.quality >= last - 1e-9
        assert sum(row.tracks for row in plan.rows) == sum(one.tracks for one in classes)
        assert all(row.opus_kbits in (None, 0) or (row.opus_kbits or 0) >= floor for row in plan.rows)
        last = plan.quality


@settings(max_examples=30, deadline=None)
@given(classes=_classes())
def test_a_budget_beyond_everything_keeps_everything_as_it_came(classes: list[BudgetClass]) -> None:
    plan = plan_budget(classes, 10**20)
    assert {row.opus_kbits for row in plan.rows} == {None}
    assert plan.bytes == sum(one.bytes for one in classes) and plan.encoded_tracks == 0 and not plan.upgrades


def test_no_budget_keeps_nothing() -> None:
    plan = plan_budget(_workload(), 0, more_bytes=10**12)
    assert (plan.bytes, plan.kept_tracks, plan.quality, plan.share_of_plays) == (0, 0, 0.0, 0.0)
    assert sum(upgrade.bytes for upgrade in plan.upgrades) <= 10**12


@settings(max_examples=40, deadline=None)
@given(rates=st.lists(st.integers(30, 300), min_size=1, max_size=4), part=st.floats(0.05, 0.95), data=st.data())
def test_no_other_choice_of_whole_classes_is_better(rates: list[int], part: float, data: st.DataObject) -> None:
    classes = [
        BudgetClass(popularity=number, tracks=1000, duration_ms=2 * 10**8, bytes=2 * 10**8 * rate // 8,
                    share_of_plays=data.draw(st.floats(0.001, 0.25)))
        for number, rate in enumerate(rates)
    ]  # fmt: skip
    budget = int(part * sum(one.bytes for one in classes))
    best = 0.0
    for choice in itertools.product([0, 24, 48, 64, 96, 128, None], repeat=len(classes)):
        sizes = [one.bytes if rate is None else one.duration_ms * rate / 8 for one, rate in zip(classes, choice, strict=True)]
        if sum(sizes) <= budget:
            best = max(best, sum(one.share_of_plays * quality_at(rate) for one, rate in zip(classes, choice, strict=True)))
    slack = max(one.share_of_plays for one in classes) / 1000 * 2  # of one track, which is not cut
    assert plan_budget(classes, budget).quality >= best - slack


def test_what_more_would_buy_is_what_a_larger_budget_buys() -> None:
    classes = _workload()
    small, large = plan_budget(classes, 12 * 10**12, more_bytes=10**12), plan_budget(classes, 13 * 10**12)
    assert small.quality + sum(upgrade.gain for upgrade in small.upgrades) == pytest.approx(large.quality, abs=1e-9)
    assert sum(upgrade.bytes for upgrade in small.upgrades) == pytest.approx(10**12, rel=1e-3)


def _kept(plan: Budget, popularity: int) -> int:
    return sum(row.tracks for row in plan.rows if row.popularity == popularity and row.opus_kbits != 0)


def test_rarity_keeps_what_nobody_else_holds() -> None:
    classes = [
        BudgetClass(popularity=50, tracks=100, duration_ms=10**7, bytes=10**9, share_of_plays=0.99, rare_share=0.0, may_be_encoded=False),
        BudgetClass(popularity=0, tracks=100, duration_ms=10**7, bytes=10**9, share_of_plays=0.01, rare_share=1.0, may_be_encoded=False),
    ]
    assert _kept(plan_budget(classes, 10**9), 50) == 100
    assert _kept(plan_budget(classes, 10**9, rarity=1), 0) == 100


@pytest.mark.parametrize(
    ("budget", "floor", "rarity"), [(-1, 24, 0), (1, 23, 0), (1, 129, 0), (1, 24, -0.1), (1, 24, 1.1), (1, math.nan, 0)]
)
def test_numbers_out_of_range_are_refused(budget: int, floor: float, rarity: float) -> None:
    with pytest.raises(UsageError):
        plan_budget(_workload(), budget, floor_kbits=floor, rarity=rarity)


def test_quality_follows_what_was_measured_and_always_rises() -> None:
    for rate, distance in DISTANCES:
        assert distance_at(rate, is_lossy=False) == pytest.approx(distance)
        assert distance_at(rate) == pytest.approx(distance * LOSSY_FACTOR)
    qualities = [quality_at(rate / 2) for rate in range(20, 600)]
    assert qualities == sorted(qualities) and quality_at(0) == 0 and quality_at(None) == 1 and qualities[-1] < 1


def test_counted_tracks_become_classes_with_all_their_bytes_and_plays() -> None:
    counter = BudgetCounter({5: 0.25})
    for number in range(1000):
        counter.add(float(number % 10), number % 3, number, 180_000, None if number % 4 == 0 else 3_000_000 + number)
    held, known = counter.classes(), counter.classes(with_wanted=True)
    assert sum(one.tracks for one in held) == 750 and sum(one.tracks for one in known) == 1000
    assert sum(one.bytes for one in held) == sum(3_000_000 + number for number in range(1000) if number % 4)
    assert math.fsum(one.share_of_plays for one in known) == pytest.approx(1)
    assert math.fsum(one.share_of_plays for one in held) == pytest.approx(sum(n for n in range(1000) if n % 4) / sum(range(1000)))
    assert {one.rare_share for one in held if one.popularity == 5} == {0.25}


def test_classes_of_an_edition_have_all_its_tracks_and_bytes() -> None:
    rows = [
        StatisticsRow(report="popularity", bucket=3, number=10, held=9, plays_by_rank=500, duration_ms=1000, held_ms=900, bytes=90),
        StatisticsRow(report="popularity", bucket=0, number=30, held=10, plays_by_rank=400, duration_ms=3000, held_ms=1000, bytes=100),
        StatisticsRow(report="popularity", bucket=-1, number=4, plays_by_rank=100),
        StatisticsRow(report="rank", bucket=8, number=8, held=8, plays_by_rank=300, duration_ms=800, held_ms=800, bytes=80),
        StatisticsRow(report="rank", bucket=16, number=16, held=4, plays_by_rank=200, duration_ms=1600, held_ms=400, bytes=40),
        StatisticsRow(report="rank", bucket=32, number=13, held=2, plays_by_rank=120, duration_ms=1300, held_ms=200, bytes=20),
    ]
    held, known = classes_of_statistics(rows), classes_of_statistics(rows, with_wanted=True)
    assert (sum(one.tracks for one in held), sum(one.bytes for one in held)) == (19, 190)
    assert (sum(one.tracks for one in known), math.fsum(one.share_of_plays for one in known)) == (44, pytest.approx(1))
    assert len({one.share_of_plays for one in known if one.popularity == 0}) > 2


def test_shares_held_elsewhere_are_read_and_checked(tmp_path: Path) -> None:
    table = tmp_path / "shares.csv"
    table.write_text("popularity,held_elsewhere\n0,0.25\n7,1\n")
    assert read_rare_shares(table) == {0: 0.75, 7: 0.0}
    for content in (
        "a,b\n1,2\n",
        "popularity,held_elsewhere\n0,2\n",
        "popularity,held_elsewhere\nx,0\n",
        "",
        "popularity,held_elsewhere\n1\n",
    ):
        table.write_text(content)
        with pytest.raises(UsageError):
            read_rare_shares(table)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"popularity,held_elsewhere\n0,0.5\xff\n", "not UTF-8"),
        (b'popularity,held_elsewhere\n0,"' + b"5" * 140_000 + b'"\n', "field larger"),
        (b"popularity,held_elsewhere\n101,0.5\n", "popularity 101"),
        (b"popularity,held_elsewhere\n-1,0.5\n", "popularity -1"),
        (b"popularity,held_elsewhere\n" + b"1" * 5000 + b",0.5\n", "integer"),
        (b"popularity,held_elsewhere\n1,nan\n", "outside 0 to 1"),
    ],
)
def test_a_table_that_is_none_is_named_with_the_fact(tmp_path: Path, content: bytes, fact: str) -> None:
    (tmp_path / "shares.csv").write_bytes(content)
    with pytest.raises(UsageError) as refused:
        read_rare_shares(tmp_path / "shares.csv")
    assert "shares.csv" in str(refused.value) and fact in str(refused.value)


def test_what_is_neither_held_nor_missing_is_not_planned_for(tmp_path: Path) -> None:
    shape = Shape(state=lambda track: track % 6, popularity=lambda track, count: 50.0 if track <= 10 else 0.0)
    write_catalogue(tmp_path / "e", 120, shape=shape)
    connection = apsw.Connection(str(tmp_path / "e"))
    connection.execute("INSERT INTO same_recordings VALUES (6, 7, 1), (60, 61, 1)")  # two that are wanted are held as others
    rows = count_statistics(connection)
    wanted = next(connection.execute("SELECT count(*) FROM tracks WHERE state IN (0, 3, 4)"))[0] - 2
    connection.close()
    with opened(tmp_path / "e") as edition:
        others = count_others(edition.statements, rows)
        missing = measure_coverage(edition, Silent()).missing
    classes = classes_of_statistics(rows, with_wanted=True, others=others)
    assert sum(one.tracks for one in classes if not one.is_held) == wanted == missing
    assert sum(one.tracks for one in classes if one.is_held) == 20
    assert math.fsum(one.share_of_plays for one in classes) == pytest.approx(1)


def test_a_class_that_is_cut_is_cut_between_whole_tracks() -> None:
    one = BudgetClass(popularity=1, tracks=3, duration_ms=600_000, bytes=3 * 10**6, share_of_plays=1.0, may_be_encoded=False)
    plan = plan_budget([one, msgspec.structs.replace(one, popularity=0, share_of_plays=0.0)], 2_500_000)
    assert [(row.tracks, row.opus_kbits, row.bytes) for row in plan.rows if row.popularity == 1] == [(1, 0, 0), (2, None, 2 * 10**6)]
