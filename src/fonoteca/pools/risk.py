"""How likely a pool is to lose data by dying disks: a Markov chain in continuous time for each vdev. docs/pool-model.md tells all of it."""

from __future__ import annotations

from math import comb, exp, expm1, log1p

import msgspec

from fonoteca.ground.errors import UsageError
from fonoteca.pools.capacity import Capacity, VdevCapacity
from fonoteca.pools.layout import Layout, VdevShape
from fonoteca.pools.rebuild import Rates, resilver_hours, used_bytes

HOURS_A_YEAR = 8766.0
_JUMPS = 64
"""In a step so short that less than one jump is expected; more never happen."""

Matrix = list[list[float]]


class RiskAssumptions(msgspec.Struct, frozen=True):
    """What the model is told; every one can be given on the command line.

    `yearly_failures`: share of disks that die in a year (large fleets report 0.013 to 0.017 in 2022 to 2025). `replace_hours`: until a new
    disk is in its place, where no spare is there; `spare_hours` where one is. `neighbours`: how many times likelier a disk dies while
    another of its vdev is dead (same batch, same heat, the work of the resilver). `bit_errors`: unreadable bits of bits read.
    """

    yearly_failures: float = 0.015
    replace_hours: float = 72.0
    spare_hours: float = 0.25
    neighbours: float = 2.0
    bit_errors: float = 1e-15
    years: float = 10.0


class VdevChain(msgspec.Struct, frozen=True):
    """The chain of one vdev: disks, how many deaths it bears, rates per hour, and the chance to meet an unreadable block without parity."""

    disks: int
    survives: int
    death_rate: float
    neighbours: float
    repair_rate: float
    unreadable: float


class Risk(msgspec.Struct, frozen=True):
    """Chances over the whole time: that the pool is lost, and that at least one file is (unreadable when parity is gone, or all)."""

    pool_loss: float
    file_loss: float
    survives: int
    survives_one_more: float
    survives_two_more: float


def assess(layout: Layout, capacity: Capacity, share: float, rates: Rates, assumed: RiskAssumptions) -> Risk:
    """The risk of a pool that is filled to `share` of its size all the time."""
    check_assumptions(assumed)
    hours = assumed.years * HOURS_A_YEAR
    losses: dict[tuple[VdevShape, int], tuple[float, float]] = {}
    kept_pool = kept_files = 0.0
    for vdev in [*capacity.vdevs, *([capacity.special] if capacity.special else [])]:
        key = (vdev.shape, vdev.leaf_bytes)
        if key not in losses:
            chain = chain_of(vdev, share, rates, assumed, has_spare=bool(layout.spares or vdev.shape.spares))
            losses[key] = loss_of(chain, hours), loss_of(chain, hours, counts_files=True)
        kept_pool += log1p(-min(losses[key][0], 1 - 1e-15))
        kept_files += log1p(-min(losses[key][1], 1 - 1e-15))
    least = layout.survives
    return Risk(-expm1(kept_pool), -expm1(kept_files), least, survival(layout, least + 1), survival(layout, least + 2))


def check_assumptions(assumed: RiskAssumptions) -> None:
    """UsageError where a number cannot be."""
    if not 0 < assumed.yearly_failures < 1:
        raise UsageError(f"{assumed.yearly_failures:.3g} of all disks die in a year: it must be above 0 and below 1", "1.5 % is 0.015.")
    if not 0 <= assumed.bit_errors <= 1e-3:
        raise UsageError(f"an error rate of {assumed.bit_errors:g} for each bit", "Disks are sold with 1e-14 to 1e-16.")
    if not 0 < assumed.years <= 100 or assumed.replace_hours < 0 or not 1 <= assumed.neighbours <= 1000:
        raise UsageError("years must be above 0 and up to 100, hours not negative, neighbours from 1 to 1000", "See docs/pool-model.md.")


def chain_of(vdev: VdevCapacity, share: float, rates: Rates, assumed: RiskAssumptions, *, has_spare: bool) -> VdevChain:
    """The chain of a vdev. One repair goes on at a time: ZFS defers a second resilver until the first is done."""
    shape = vdev.shape
    repair = (assumed.spare_hours if has_spare else assumed.replace_hours) + resilver_hours(vdev, share, rates)
    sources = {"raidz": shape.width - shape.parity, "mirror": 1, "draid": shape.data, "stripe": 0}[shape.kind]
    bits = 8 * used_bytes(vdev, share) * sources
    death = -log1p(-assumed.yearly_failures) / HOURS_A_YEAR
    return VdevChain(shape.width, shape.survives, death, assumed.neighbours, 1 / max(repair, 1e-6), -expm1(-bits * assumed.bit_errors))


def loss_of(chain: VdevChain, hours: float, *, counts_files: bool = False) -> float:
    """The chance to be lost within `hours`, from whole; with `counts_files` an unreadable block without parity left is loss too."""
    return _power(generator(chain, counts_files=counts_files), hours)[0][-1]


def generator(chain: VdevChain, *, counts_files: bool) -> Matrix:
    """Rates from state to state: 0 to `survives` dead disks, and lost, which nothing leaves."""
    lost = chain.survives + 1
    rates = [[0.0] * (lost + 1) for _ in range(lost + 1)]
    for dead in range(lost):
        deaths = (chain.disks - dead) * chain.death_rate * (chain.neighbours if dead else 1.0)
        unreadable = chain.unreadable if counts_files and dead + 1 == chain.survives else 0.0
        rates[dead][dead + 1] += deaths * (1 - unreadable)
        rates[dead][lost] += deaths * unreadable
        if dead:
            rates[dead][dead - 1] = chain.repair_rate
    return rates


def survival(layout: Layout, dead: int) -> float:
    """The chance that a pool is whole after so many of its disks (spares aside) died at once, all sets being equally likely.

    A dRAID is taken for lost with more than its parity: its blocks are spread so that some block has all of them.
    """
    disks = sum(vdev.width for vdev in layout.vdevs_and_special)
    if dead > disks:
        return 0.0
    ways = [1]
    for vdev in layout.vdevs_and_special:
        bears = [comb(vdev.width, number) for number in range(min(vdev.survives, vdev.width) + 1)]
        ways = _multiply(ways, bears, dead)
    return (ways[dead] if dead < len(ways) else 0) / comb(disks, dead)


def _multiply(left: list[int], right: list[int], most: int) -> list[int]:
    found = [0] * min(most + 1, len(left) + len(right) - 1)
    for at, one in enumerate(left):
        for step, other in enumerate(right):
            if at + step < len(found):
                found[at + step] += one * other
    return found


def _power(rates: Matrix, hours: float) -> Matrix:
    """exp(rates · hours) by halving the time until a step is short, then squaring; nothing is subtracted, so small chances stay exact."""
    fastest = max(sum(row) for row in rates)
    halvings = max(0, int(fastest * hours).bit_length() + 1)
    step = _short_step(rates, fastest, hours / 2**halvings)
    for _ in range(halvings):
        step = _product(step, step)
    return step


def _short_step(rates: Matrix, fastest: float, hours: float) -> Matrix:
    """One short step by uniformisation: a Poisson number of jumps of a chain that stays where it is or goes on."""
    size = range(len(rates))
    jump = [[rates[row][column] / fastest if row != column else 0.0 for column in size] for row in size]
    for row in size:
        jump[row][row] = max(0.0, (fastest - sum(rates[row])) / fastest)
    found = [[0.0] * len(rates) for _ in size]
    power: Matrix = [[float(row == column) for column in size] for row in size]
    weight = exp(-fastest * hours)
    for number in range(1, _JUMPS):
        found = [[found[row][column] + weight * power[row][column] for column in size] for row in size]
        power, weight = _product(power, jump), weight * fastest * hours / number
    return found


def _product(left: Matrix, right: Matrix) -> Matrix:
    size = range(len(left))
    return [[sum(left[row][at] * right[at][column] for at in size) for column in size] for row in size]
