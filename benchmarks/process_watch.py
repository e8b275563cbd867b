"""Memory and CPU seconds of this process and all that it started, sampled from /proc; how much a folder held at most."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_S = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")


class Watch:
    """Between entering and leaving: `most_memory` is the largest sum of what is resident (shared pages shared out), in bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stop = folder, threading.Event()
        self._seen: dict[int, float] = {}
        self._before = 0.0
        self.most_memory = self.most_on_disk = 0

    def __enter__(self) -> Self:
        self._sample()
        self._before = sum(self._seen.values())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def cpu_seconds(self) -> float:
        """Of all processes since entering; of those that have ended as far as they were seen."""
        self._sample_cpu()
        return sum(self._seen.values()) - self._before

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._sample()

    def _sample(self) -> None:
        self._sample_cpu()
        self.most_memory = max(self.most_memory, sum(_resident(process) for process in family()))
        self.most_on_disk = max(self.most_on_disk, _size(self._folder))

    def _sample_cpu(self) -> None:
        for process in family():
            self._seen[process] = max(self._seen.get(process, 0.0), _cpu_seconds(process))


def family() -> list[int]:
    """This process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _fields(int(entry))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry))
    found = [os.getpid()]
    for process in found:
        found += parents.get(process, [])
    return found


def _fields(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _cpu_seconds(process: int) -> float:
    fields = _fields(process)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _resident(process: int) -> int:
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)


def _size(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_size
            except OSError:
                continue  # gone meanwhile
    return total


def in_own_process(work: Callable[..., None], *arguments: str) -> None:
    """Do it in a new process and wait; RuntimeError where it fails."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
