"""The chain that `pool plan` reckons with, against lives of vdevs played out event by event; disks die so fast that losses are many.

For each shape: the chance that the chain gives, what so many lives gave, by how many standard deviations they differ, and what lives
gave in which every repair lasts the same (the chain takes repairs without memory). The chain must lie within 4 standard deviations.
"""

from __future__ import annotations

import argparse
import time
from random import Random

from fonoteca.pools.risk import VdevChain, loss_of
from fonoteca.pools.risk_simulation import play

DEATH_RATE, REPAIR_HOURS, UNREADABLE = 1e-3, 20.0, 0.2
"""A disk dies after 1,000 hours on average: some 500 times as fast as real ones."""

NEIGHBOURS = 2.0
SHAPES = (
    ("mirror of 2", 2, 1, 600), ("mirror of 3", 3, 2, 6000), ("RAIDZ1 of 6", 6, 1, 150), ("RAIDZ2 of 8", 8, 2, 600),
    ("RAIDZ2 of 12", 12, 2, 200), ("RAIDZ3 of 10", 10, 3, 1500), ("RAIDZ3 of 12", 12, 3, 800), ("dRAID3 of 21", 21, 3, 120),
)  # fmt: skip
"""Name, disks, deaths that it bears, and hours until the lives are looked at."""


def main() -> None:
    """Print one row a shape, for the loss of the vdev and for that of a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started, worst = time.process_time(), 0.0
    print(f"{'shape':<14}{'lost':<6}{'chain':>9}{'played':>9}{'sigmas':>8}{'fixed repairs':>15}")
    for number, (name, disks, survives, hours) in enumerate(SHAPES):
        chain = VdevChain(disks, survives, DEATH_RATE, NEIGHBOURS, 1 / REPAIR_HOURS, UNREADABLE)
        played = play(chain, hours, options.trials, Random(options.seed * 1000 + number))
        fixed = play(chain, hours, options.trials, Random(options.seed * 2000 + number), has_fixed_repairs=True)
        for what, counts_files in (("vdev", False), ("file", True)):
            claimed = loss_of(chain, hours, counts_files=counts_files)
            sigmas = played.sigmas_from(claimed, counts_files=counts_files)
            shares = (played.file_loss, fixed.file_loss) if counts_files else (played.loss, fixed.loss)
            print(f"{name:<14}{what:<6}{claimed:>9.4f}{shares[0]:>9.4f}{sigmas:>8.1f}{shares[1]:>15.4f}")
            worst = max(worst, abs(sigmas))
    print(f"worst {worst:.1f} standard deviations, {options.trials:,} lives a shape, {time.process_time() - started:.0f} CPU s")
    assert worst < 4, "the chain and the lives played out differ"


if __name__ == "__main__":
    main()
