"""Which layout to take for an archive, and what is said against the others."""

from __future__ import annotations

import msgspec
import pytest

from fonoteca.pools.choice import Choice, choose_layout, select_shown
from fonoteca.pools.histogram import workload_histogram
from fonoteca.pools.judging import Judgement, Wanted, judge, one_in
from fonoteca.pools.layout import parse_layout
from fonoteca.pools.prices import parse_prices

TB = 10**12
WANTED = Wanted(workload_histogram(300 * TB))
BLUEPRINT = (parse_layout("2xraidz3x10"), 22 * TB)


@pytest.fixture(scope="module")
def choice() -> Choice:
    return choose_layout([BLUEPRINT], [22 * TB, 24 * TB], WANTED)


def find(choice: Choice, layout: str, disk: int) -> Judgement:
    return next(one for one in choice.judged if (one.layout, one.disk_bytes) == (layout, disk * TB))


def test_the_blueprint_is_refused_for_300_tb_and_told_why(choice: Choice) -> None:
    blueprint = find(choice, "2xraidz3x10", 22)
    assert not blueprint.fits
    assert "80 % is the limit" in blueprint.against[0]
    assert [round(use.plain_fill, 2) for use in blueprint.records] == [0.98, 1.02]


@pytest.mark.parametrize(("layout", "disk"), [("2xraidz3x12", 22), ("2xraidz3x11", 24), ("3xraidz3x10", 22)])
def test_layouts_that_are_known_to_fit_are_offered(choice: Choice, layout: str, disk: int) -> None:
    assert find(choice, layout, disk).is_sound


def test_the_one_to_take_is_the_cheapest_of_those_nothing_speaks_against(choice: Choice) -> None:
    sound = [one for one in choice.judged if one.is_sound]
    assert choice.taken is not None
    assert choice.taken.raw_bytes == min(one.raw_bytes for one in sound)
    assert choice.taken.fill_then <= 0.8
    assert "fewer disks" in choice.why
    assert "costs" not in choice.why


def test_prices_decide_where_they_are_known() -> None:
    dear = msgspec.structs.replace(WANTED, prices=parse_prices("22TB=300,24TB=900", 10, "EUR"))
    taken = choose_layout([], [22 * TB, 24 * TB], dear).taken
    assert taken is not None
    assert (taken.layout, taken.disk_bytes) == ("2xraidz3x12", 22 * TB)
    assert (taken.money, taken.currency) == (24 * 310, "EUR")


def test_disks_without_a_price_are_not_free() -> None:
    partly = msgspec.structs.replace(WANTED, prices=parse_prices("22TB=350"))
    choice = choose_layout([], [22 * TB, 24 * TB], partly)
    assert choice.taken is not None
    assert choice.taken.disk_bytes == 22 * TB
    assert "costs least of those with a price" in choice.why


def test_every_layout_that_is_not_sound_says_what_is_wrong(choice: Choice) -> None:
    assert all(one.against for one in choice.judged if not one.is_sound)
    for one in choice.judged:
        if one.risk.survives == 1:
            assert any("one disk is replaced" in reason for reason in one.against)


def test_growth_needs_larger_pools_and_says_when_the_limit_is_reached() -> None:
    growing = msgspec.structs.replace(WANTED, growth=0.05, years=5)
    layout = parse_layout("2xraidz3x12")
    told = judge(layout, 22 * TB, growing)
    assert judge(layout, 22 * TB, WANTED).fits
    assert not told.fits
    assert told.fill_then == pytest.approx(told.fill * 1.05**5)
    assert told.years_left is not None
    assert 0 < told.years_left < 1
    assert "after 5 years" in told.against[0]


def test_a_table_shows_what_was_asked_for_even_where_better_are_many(choice: Choice) -> None:
    shown = select_shown(choice, [("2xraidz3x10", 22 * TB)])
    assert len(shown) < len(choice.judged)
    assert shown[0] == choice.taken
    assert any(one.layout == "2xraidz3x10" and one.disk_bytes == 22 * TB for one in shown)


def test_where_nothing_will_do_the_nearest_is_named() -> None:
    strict = msgspec.structs.replace(WANTED, loss_bound=0.0)
    nothing = choose_layout([], [22 * TB], strict)
    assert nothing.taken is None
    assert "nothing will do" in nothing.why


def test_a_dozen_disks_are_the_widest_raidz_and_draid_pays_only_when_large() -> None:
    assert any("14 disks" in reason for reason in judge(parse_layout("2xraidz3x14"), 22 * TB, WANTED).against)
    assert any("dRAID pays" in reason for reason in judge(parse_layout("draid3:8d:24c:2s"), 22 * TB, WANTED).against)
    assert not any("dRAID pays" in reason for reason in judge(parse_layout("draid3:8d:40c:2s"), 22 * TB, WANTED).against)


@pytest.mark.parametrize(
    ("chance", "words"),
    [(0, "0"), (0.5, "50%"), (1 / 9_712_345, "1 in 9,700,000"), (1e-310, "less than 1 in 1e+30"), (0.01, "1 in 100"), (1, "100%")],
)
def test_chances_are_told_as_one_in_so_many(chance: float, words: str) -> None:
    assert one_in(chance) == words
