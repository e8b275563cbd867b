"""Memory is flat: ten or a hundred times the files take no more of it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from commands import make_archive
from killing import Running

from generated_music import write_small_files

MOST_MORE = 300_000_000
STEPS = ("add", "build", "publish", "verify")


def _peak_of(pid: int) -> int:
    """Most bytes of memory a process has held so far (VmHWM); 0 for one that has gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


class _Watch(threading.Thread):
    """Adds up the peaks of all processes of one command, each by itself: never less than the peak of the whole."""

    def __init__(self, running: Running) -> None:
        super().__init__(daemon=True)
        self.running = running
        self.peaks: dict[int, int] = {}
        self.start()

    def run(self) -> None:
        others: list[int] = []
        for look in range(1_000_000):
            if self.running.process.poll() is not None:
                return
            if look % 20 == 0:
                others = self.running.others()
            for pid in (self.running.process.pid, *others):
                self.peaks[pid] = max(self.peaks.get(pid, 0), _peak_of(pid))
            time.sleep(0.02)


def _run_all(folder: Path, count: int) -> dict[str, int]:
    """Peak bytes of each command over `count` small files, a quarter of which is encoded."""
    paths = write_small_files(folder / "music", count)
    table = folder / "plays.csv"
    table.write_text("path,plays\n" + "".join(f"{path},5\n" for path in paths if path.suffix == ".flac"))
    archive = make_archive(folder / "archive")
    peaks = {}
    for step in STEPS:
        more = (folder / "music", "--plays", table) if step == "add" else ()
        started = time.monotonic()
        running = Running(step, *more, "--archive", archive)
        watch = _Watch(running)
        status, out, err = running.finish(timeout=3600)
        assert status == 0, f"{step}: exit {status}\n{out[-2000:]}\n{err[-2000:]}"
        watch.join()
        peaks[step] = sum(watch.peaks.values())
        seconds = time.monotonic() - started
        if os.environ.get("FONOTECA_SHOW_MEMORY"):
            os.write(2, f"{count} files: {step} {seconds:.1f} s, {count / seconds:.0f} files/s, {peaks[step] >> 20} MiB\n".encode())
    return peaks


def _assert_flat(folder: Path, count: int) -> None:
    few, many = _run_all(folder / "few", 1_000), _run_all(folder / "many", count)
    for step in STEPS:
        more = many[step] - few[step]
        assert more <= MOST_MORE, f"{step}: {count} files take {more >> 20} MiB more than the {few[step] >> 20} MiB for 1,000"


def test_ten_thousand_files_take_no_more_memory_than_a_thousand(tmp_path: Path) -> None:
    _assert_flat(tmp_path, 10_000)


@pytest.mark.slow
def test_a_hundred_thousand_files_take_no_more_memory_than_a_thousand(tmp_path: Path) -> None:
    _assert_flat(tmp_path, 100_000)
