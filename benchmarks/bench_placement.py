"""What is lost when 30 % of the mirrors vanish: `choose`, beside random choice, rarest first on a stale list, and the score formula.

Mirrors join in ten batches, a week apart. Losses are means over seeded draws of the mirrors that vanish, as multiples of the
floor C(m, r)/C(n, r). Then some mirrors leave, others join and a release comes, and it is counted what has to be moved.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fonoteca.ground.quantities import format_bytes
from fonoteca.placement.simulation import (
    Holders,
    Network,
    draw_losses,
    expected_loss,
    floor_of_loss,
    make_containers,
    make_pledges,
)

CASES = ((40, 4), (40, 6), (200, 4), (200, 6))
BATCHES = 10
VANISH = 0.3
DRAWS = 100_000
SEED = 1

Scores = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], np.random.Generator], npt.NDArray[np.float64]]


def at_random(
    seeders: npt.NDArray[np.int64], leechers: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], draws: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Whatever comes."""
    return draws.random(len(sizes))


def by_rarity(
    seeders: npt.NDArray[np.int64], leechers: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], draws: np.random.Generator
) -> npt.NDArray[np.float64]:
    """The fewest seeders first; ties by lot."""
    return seeders + draws.random(len(sizes))


def by_formula(
    seeders: npt.NDArray[np.int64], leechers: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], draws: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Seeders + 0.1 · leechers, scaled by size, with a jitter of a fifth; what nobody seeds is left out."""
    score = (seeders + 0.1 * leechers) * (sizes / sizes.mean()) * draws.uniform(0.8, 1.2, len(sizes))
    return np.where(seeders > 0, score, np.inf)


def hold_by(scores: Scores, sizes: npt.NDArray[np.int64], pledges: npt.NDArray[np.int64], seed: int) -> Holders:
    """Mirrors that join in batches and fill their pledges in the order of a score, with the list of the week before. The publisher seeds
    everything and is not counted."""
    draws = np.random.default_rng(seed)
    holders = np.zeros((len(sizes), len(pledges)), np.bool_)
    for batch in np.array_split(np.arange(len(pledges)), BATCHES):
        before = np.arange(len(pledges)) < batch[0]
        copies = holders[:, before].sum(axis=1)
        leechers = draws.poisson(1.0, len(sizes))
        for mirror in batch:
            score, room = scores(copies + 1, leechers, sizes, draws), int(pledges[mirror])
            for place in np.argsort(score, kind="stable"):
                if sizes[place] <= room and np.isfinite(score[place]):
                    holders[place, mirror] = True
                    room -= int(sizes[place])
    return holders


def tell(name: str, holders: Holders, times: int, seconds: float) -> None:
    """One way to choose: least copies before the loss, and the loss as a multiple of the floor."""
    mirrors = holders.shape[1]
    gone = round(VANISH * mirrors)
    copies, floor = holders.sum(axis=1), floor_of_loss(times, mirrors, gone)
    few = draw_losses(holders, gone, 2_000, SEED)
    many = np.concatenate([draw_losses(holders, gone, 10_000, SEED + 1 + part) for part in range(DRAWS // 10_000)])
    print(f"  {name:34} copies {copies.min()}–{copies.max()}, too few {(copies < times).mean():6.2%}; lost {many.mean():.5%}, "
          f"{many.mean() / floor:6.3f} × floor (2,000 draws: {few.mean() / floor:.3f}; all there are: "
          f"{expected_loss(copies, mirrors, gone) / floor:.3f}); {seconds:.0f} s", flush=True)  # fmt: skip


def join_all(mirrors: int, times: int) -> Network:
    """The mirrors of a case, joined and settled; one in ten shares its operator with the one before."""
    network = Network(make_containers(seed=SEED))
    for part in np.array_split(make_pledges(mirrors, times, seed=SEED), BATCHES):
        network.join(part, operator_of)
        network.pass_week()
    network.settle()
    return network


def operator_of(number: int) -> str:
    """Every tenth mirror is run by whoever runs the one before."""
    return f"operator {number - 1 if number % 10 == 9 else number}"


def compare(mirrors: int, times: int) -> Network:
    """One case, all ways."""
    sizes = np.array([one.bytes for one in make_containers(seed=SEED) if not one.is_metadata], np.int64)
    pledges = make_pledges(mirrors, times, seed=SEED)
    gone = round(VANISH * mirrors)
    print(f"\n{mirrors} mirrors pledge {times} × 300 TB, {gone} vanish; floor {floor_of_loss(times, mirrors, gone):.5%}")
    began = time.perf_counter()
    network = join_all(mirrors, times)
    tell("choose (roster, ring, receipts)", network.holders(), times, time.perf_counter() - began)
    for name, scores in (("at random", at_random), ("rarest first, list a week old", by_rarity), ("score formula", by_formula)):
        began = time.perf_counter()
        tell(name, hold_by(scores, sizes, pledges, SEED), times, time.perf_counter() - began)
    return network


def churn(network: Network, times: int) -> None:
    """A tenth leaves, half of them without a word; as many join; a release brings 3 % more; then 30 % vanish and the rest goes on."""
    draws = np.random.default_rng(SEED)
    count = len(network.mirrors)
    leaving = draws.choice(count, count // 10, replace=False)
    held = sum(one.bytes for number in leaving for one in network.containers if one.infohash in network.mirrors[number].proved)
    network.leave(leaving[::2], is_told=True)
    network.leave(leaving[1::2], is_told=False)
    tell_moved(f"a tenth left with {format_bytes(held)}", network)
    network.join(make_pledges(count // 10, times / 10, seed=SEED + 7), lambda number: f"operator {number}")
    tell_moved("as many joined", network)
    network.add_containers(one for one in make_containers(9 * 10**12, 43, seed=SEED + 8) if not one.is_metadata)
    tell_moved("a release of 9 TB more", network)
    present = [mirror.number for mirror in network.mirrors if mirror.is_there]
    network.leave(draws.choice(present, round(VANISH * len(present)), replace=False), is_told=False)
    network.join([], str)
    copies = network.holders().sum(axis=1)
    print(f"  30 % vanished: {np.count_nonzero(copies == 0)} lost, {np.count_nonzero(copies == 1)} with one copy")
    tell_moved("what the rest made of it", network)


def tell_moved(what: str, network: Network) -> None:
    """Let it settle; say what was moved and how many copies there are."""
    fetched, dropped = network.moved.fetched, network.moved.dropped
    weeks = network.settle()
    copies = network.holders().sum(axis=1)
    pledged = sum(mirror.entry.pledge for mirror in network.mirrors if mirror.is_there)
    spread = ", ".join(f"{count}: {number}" for count, number in enumerate(np.bincount(copies)) if number)
    print(f"  {what}: {weeks} weeks, {format_bytes(network.moved.fetched - fetched)} fetched, "
          f"{format_bytes(network.moved.dropped - dropped)} given up; pledges for "
          f"{pledged / sum(one.bytes for one in network.containers):.2f} copies; containers by copies {spread}", flush=True)  # fmt: skip


def main() -> None:
    """All cases, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirrors", type=int)
    parser.add_argument("--times", type=int)
    chosen = parser.parse_args()
    for mirrors, times in CASES:
        if chosen.mirrors in (None, mirrors) and chosen.times in (None, times):
            churn(compare(mirrors, times), times)


if __name__ == "__main__":
    main()
