"""The model of risk against closed forms, against counting, and against lives played out event by event."""

from __future__ import annotations

from itertools import combinations
from math import exp, expm1, sqrt
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.ground.errors import UsageError
from fonoteca.pools.capacity import reckon
from fonoteca.pools.layout import Layout, parse_layout
from fonoteca.pools.rebuild import Rates, resilver_hours, scrub_hours, used_bytes
from fonoteca.pools.risk import RiskAssumptions, VdevChain, assess, check_assumptions, loss_of, survival
from fonoteca.pools.risk_simulation import play

TB = 10**12
ASSUMED = RiskAssumptions()


def test_a_stripe_is_lost_with_its_first_disk() -> None:
    assert loss_of(VdevChain(5, 0, 1e-4, 1, 1.0, 0), 1000) == pytest.approx(-expm1(-5 * 1e-4 * 1000), rel=1e-12)


def test_a_mirror_of_two_is_lost_as_its_closed_form_says() -> None:
    death, repair, hours = 2e-3, 1 / 30, 700.0
    total, product = 3 * death + repair, 2 * death * death
    root = sqrt(total * total - 4 * product)
    slow, fast = (total - root) / 2, (total + root) / 2
    kept = (fast * exp(-slow * hours) - slow * exp(-fast * hours)) / (fast - slow)
    assert loss_of(VdevChain(2, 1, death, 1, repair, 0), hours) == pytest.approx(1 - kept, rel=1e-9)


def test_small_chances_keep_their_digits() -> None:
    """To first order: the vdev spends its hours whole, and loss is a race of deaths against repairs from there."""
    death, repair, hours = 1e-7, 1 / 40, 87_660.0
    expected = 10 * death * hours * (9 * death / repair) * (8 * death / repair) * (7 * death / repair)
    assert loss_of(VdevChain(10, 3, death, 1, repair, 0), hours) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("disks", "survives"), [(3, 0), (2, 1), (4, 1), (6, 2), (8, 3), (10, 3)])
@pytest.mark.parametrize("counts_files", [False, True])
def test_lives_played_out_are_lost_as_often_as_the_chain_says(disks: int, survives: int, counts_files: bool) -> None:
    chain = VdevChain(disks, survives, 2e-3, 2.0, 1 / 20, 0.3)
    played = play(chain, 400, 3000, Random(disks * 10 + survives))
    assert abs(played.sigmas_from(loss_of(chain, 400, counts_files=counts_files), counts_files=counts_files)) < 3


def test_repairs_that_always_last_the_same_are_safer_than_the_chain_says_where_there_is_parity_to_spare() -> None:
    chain = VdevChain(8, 3, 2e-3, 2.0, 1 / 20, 0)
    assert play(chain, 400, 3000, Random(1), has_fixed_repairs=True).loss < loss_of(chain, 400)


@given(st.sampled_from(["2xraidz1x4", "raidz2x5+mirrorx2", "3xmirrorx2", "draid1:2d:7c:1s", "stripex2+mirrorx3"]), st.integers(0, 8))
@settings(max_examples=45)
def test_survival_is_what_counting_all_sets_of_dead_disks_gives(text: str, dead: int) -> None:
    layout = parse_layout(text)
    assert survival(layout, dead) == pytest.approx(count_survivors(layout, dead))


def count_survivors(layout: Layout, dead: int) -> float:
    homes = [number for number, vdev in enumerate(layout.vdevs) for _ in range(vdev.width)]
    sets = list(combinations(range(len(homes)), dead))
    kept = [one for one in sets if all(sum(homes[disk] == n for disk in one) <= v.survives for n, v in enumerate(layout.vdevs))]
    return len(kept) / len(sets) if sets else 0.0


def risk_of(text: str, share: float = 0.8, assumed: RiskAssumptions = ASSUMED) -> float:
    layout = parse_layout(text)
    return assess(layout, reckon(layout, 22 * TB), share, Rates(), assumed).pool_loss


def test_more_parity_more_spares_and_quicker_rebuilds_are_safer() -> None:
    assert risk_of("2xraidz3x10") < risk_of("2xraidz2x10") < risk_of("2xraidz1x10") < risk_of("stripex20")
    assert risk_of("2xraidz3x10+1spare") < risk_of("2xraidz3x10")
    assert risk_of("draid3:8d:21c:1s") < risk_of("2xraidz3x10")
    assert risk_of("2xraidz3x10", 0.2) < risk_of("2xraidz3x10", 0.8)


def test_losing_a_file_is_never_less_likely_than_losing_the_pool() -> None:
    for text in ("2xraidz3x10", "3xmirrorx2", "stripex4", "draid2:8d:24c:2s"):
        layout = parse_layout(text)
        risk = assess(layout, reckon(layout, 22 * TB), 0.8, Rates(), ASSUMED)
        assert risk.file_loss >= risk.pool_loss
    assert assess(layout, reckon(layout, 22 * TB), 0.8, Rates(), RiskAssumptions(bit_errors=0)).file_loss == pytest.approx(risk.pool_loss)


def test_hours_are_bytes_in_use_over_what_is_sustained() -> None:
    raidz, draid = reckon(parse_layout("2xraidz3x10"), 22 * TB), reckon(parse_layout("draid3:8d:21c:1s"), 22 * TB)
    rates = Rates(disk=100_000_000, machine=10**12)
    assert used_bytes(raidz.vdevs[0], 0.5) == pytest.approx(11 * TB, rel=0.001)
    assert resilver_hours(raidz.vdevs[0], 0.5, rates) == pytest.approx(11e12 / 1e8 / 3600, rel=0.001)
    assert resilver_hours(draid.vdevs[0], 0.5, rates) < 0.6 * resilver_hours(raidz.vdevs[0], 0.5, rates)
    assert scrub_hours(raidz, 0.5, Rates(100_000_000, 10**9)) == pytest.approx(220e12 / 1e9 / 3600, rel=0.001)


@pytest.mark.parametrize("wrong", [{"yearly_failures": 0}, {"yearly_failures": 1.5}, {"bit_errors": 1}, {"years": 0}, {"neighbours": 0.5}])
def test_assumptions_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        check_assumptions(RiskAssumptions(**wrong))
