"""The benchmark harness takes turns and keeps what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness import Alternative, Comparison, Timing, compare, measure


def test_alternatives_run_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.keep_comparison, "__defaults__", (tmp_path / "kept.jsonl",))
    order: list[str] = []
    ways = [Alternative(name, lambda name=name: order.append(name), lambda: order.append("-")) for name in "AB"]  # type: ignore[misc]
    compare("turns", ways, amount=1, unit="turn", rounds=2)
    assert "".join(order) == "-A-B" * 3
    kept = json.loads((tmp_path / "kept.jsonl").read_text())
    assert [len(kept["timings"][name]) for name in "AB"] == [2, 2]


def test_ratio_compares_within_a_round() -> None:
    quick, slow = [Timing(1, 1), Timing(10, 10), Timing(2, 2)], [Timing(2, 3), Timing(20, 30), Timing(4, 6)]
    comparison = Comparison("load", 100, "MB", {"quick": quick, "slow": slow})
    assert comparison.ratio("quick", "slow") == 2
    assert comparison.ratio("quick", "slow", wall=True) == 3
    assert comparison.speed("quick") == 50


def test_cpu_time_of_children_counts() -> None:
    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    assert measure(lambda: subprocess.run([sys.executable, "-c", burn], check=True)).cpu_s >= 0.3
