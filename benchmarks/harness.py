"""Compares alternatives fairly on a busy machine: in turn, in one process, by CPU seconds, as ratios."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "build" / "benchmarks.jsonl"


@dataclass(frozen=True)
class Alternative:
    """One way to do the work; `run` does all of it once. `prepare` comes before each run and is not measured."""

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] | None = None


@dataclass(frozen=True)
class Timing:
    """What one run took: CPU seconds of this process and its finished children, and seconds on the clock."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class Comparison:
    """Every timing of every alternative, round by round; `amount` of `unit` was done in each run."""

    title: str
    amount: float
    unit: str
    timings: dict[str, list[Timing]]

    def speed(self, name: str, *, wall: bool = False) -> float:
        """Median units per CPU second, or per second on the clock."""
        return self.amount / statistics.median(_seconds(timing, wall) for timing in self.timings[name])

    def ratio(self, name: str, against: str, *, wall: bool = False) -> float:
        """How many times as fast `name` is as `against`: the median over rounds, so that load on the machine cancels out."""
        pairs = zip(self.timings[name], self.timings[against], strict=True)
        return statistics.median(_seconds(other, wall) / _seconds(own, wall) for own, other in pairs)


def _seconds(timing: Timing, wall: bool) -> float:
    return max(timing.wall_s if wall else timing.cpu_s, 1e-9)


def measure(run: Callable[[], object]) -> Timing:
    """One run, timed; children count once they were waited for."""
    before, started = os.times(), time.perf_counter()
    run()
    after, ended = os.times(), time.perf_counter()
    return Timing(sum(after[:4]) - sum(before[:4]), ended - started)


def compare(
    title: str, alternatives: Sequence[Alternative], *, amount: float, unit: str, rounds: int = 5, warm_up: bool = True
) -> Comparison:
    """Run A B C A B C …; the first alternative is what the others are measured against. Prints a table and keeps the figures.

    `os.times` counts in hundredths of a second, so a run should take at least half a second.
    """
    timings: dict[str, list[Timing]] = {alternative.name: [] for alternative in alternatives}
    for number in range(-1 if warm_up else 0, rounds):
        for alternative in alternatives:
            if alternative.prepare:
                alternative.prepare()
            timing = measure(alternative.run)
            if number >= 0:
                timings[alternative.name].append(timing)
    comparison = Comparison(title, amount, unit, timings)
    print(format_comparison(comparison), flush=True)
    keep_comparison(comparison)
    return comparison


def format_comparison(comparison: Comparison) -> str:
    """A table: median CPU and clock seconds, speed, and ratios to the first alternative."""
    first = next(iter(comparison.timings))
    width = max(len(name) for name in comparison.timings)
    lines = [
        f"\n{comparison.title}: {comparison.amount:,.4g} {comparison.unit}, {len(comparison.timings[first])} rounds in turn",
        f"{'':{width}}  {'CPU s':>8} {'clock s':>8} {comparison.unit + '/CPU s':>14} {'ratio':>7} {'clock':>7}",
    ]
    for name, timings in comparison.timings.items():
        cpu_s, wall_s = (statistics.median(_seconds(timing, wall) for timing in timings) for wall in (False, True))
        ratios = comparison.ratio(name, first), comparison.ratio(name, first, wall=True)
        if cpu_s < 0.01:  # all of it in processes that are still there
            lines.append(f"{name:{width}}  {'':8} {wall_s:8.2f} {'':14} {'':7} {ratios[1]:7.2f}")
        else:
            lines.append(f"{name:{width}}  {cpu_s:8.2f} {wall_s:8.2f} {comparison.speed(name):14,.1f} {ratios[0]:7.2f} {ratios[1]:7.2f}")
    return "\n".join(lines)


def keep_comparison(comparison: Comparison, path: Path = RESULTS) -> None:
    """Append the figures as one line of JSON, with the machine and the time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "title": comparison.title,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}",
        "amount": comparison.amount,
        "unit": comparison.unit,
        "timings": {name: [[timing.cpu_s, timing.wall_s] for timing in timings] for name, timings in comparison.timings.items()},
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
