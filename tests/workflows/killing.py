"""A story of commands over one archive, and what happens when some of them are killed on the way."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from commands import copy_archive, environment, fonoteca_command, tree_digest

MARK = "FONOTECA_TEST_RUN"


class Running:
    """A command under way, known by a mark in its environment that all of its processes inherit."""

    def __init__(self, *arguments: str | Path, **more: str) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            fonoteca_command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            env=environment(**{MARK: self.mark}, **more), start_new_session=True,
        )  # fmt: skip

    def wait_for_lock(self, archive: Path, seconds: float = 60) -> None:
        """Until it holds the archive, or has ended."""
        end = time.monotonic() + seconds
        held = f"(process {self.process.pid})".encode()
        while self.process.poll() is None and not _holds(archive / ".lock", held):
            assert time.monotonic() < end, "the command never took hold of the archive"
            time.sleep(0.002)

    def finish(self, timeout: float = 120) -> tuple[int, str, str]:
        """Exit status, stdout and stderr."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err

    def kill(self) -> None:
        """Kill -9 the main process alone; the others must go by themselves."""
        self.process.kill()
        self.finish()

    def others(self) -> list[int]:
        """Processes of this command that live, without the main one."""
        found = []
        mark = f"{MARK}={self.mark}".encode()
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != self.process.pid and _has_mark(name, mark):
                found.append(int(name))
        return found

    def wait_until_alone(self, seconds: float = 20) -> list[int]:
        """What is left of the other processes after so long: nothing, if all is well."""
        end = time.monotonic() + seconds
        while (left := self.others()) and time.monotonic() < end:
            time.sleep(0.02)
        return left

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)


def _holds(lock: Path, held: bytes) -> bool:
    try:
        return held in lock.read_bytes()
    except FileNotFoundError:
        return False


def _has_mark(pid: str, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read()
    except OSError:
        return False


@dataclass
class Step:
    """One command of a story; `states` are the exit statuses that are right."""

    name: str
    arguments: tuple[str | Path, ...]
    statuses: tuple[int, ...] = (0,)


@dataclass
class Story:
    """Commands in order; after an undisturbed run, the archive before each, how long each held it, and every release."""

    steps: list[Step]
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    releases: dict[str, dict[str, str]] = field(default_factory=dict)

    def before(self, name: str) -> Path:
        """The archive as it was before a step."""
        return self.folder / f"before-{name}"

    def run_undisturbed(self, archive: Path) -> None:
        """Tell the story once, remembering."""
        for step in self.steps:
            copy_archive(archive, self.before(step.name))
            running = Running(*step.arguments, "--archive", archive)
            running.wait_for_lock(archive)
            started = time.monotonic()
            self._check(step, running)
            self.seconds[step.name] = time.monotonic() - started
            if step.name.startswith("publish"):
                self.releases[step.name] = tree_digest(archive / "release")

    def run_killed(self, archive: Path, name: str, kills: int, chance: random.Random) -> None:
        """Tell it from step `name` on; that one is killed so many times before it may finish. Every release must be the same."""
        at = next(number for number, step in enumerate(self.steps) if step.name == name)
        archive.parent.mkdir(exist_ok=True)
        copy_archive(self.before(name), archive)
        done = 0
        while done < kills:
            if self._kill_once(self.steps[at], archive, chance):
                done += 1
            else:
                shutil.rmtree(archive)
                copy_archive(self.before(name), archive)
        for step in self.steps[at:]:
            self._check(step, Running(*step.arguments, "--archive", archive))
            if step.name in self.releases:
                found, expected = tree_digest(archive / "release"), self.releases[step.name]
                assert found == expected, f"after {kills} kills in {name}, {step.name}: {_difference(found, expected)}"

    def _kill_once(self, step: Step, archive: Path, chance: random.Random) -> bool:
        """Whether it was killed while it held the archive, not done before."""
        running = Running(*step.arguments, "--archive", archive)
        running.wait_for_lock(archive)
        time.sleep(chance.random() * self.seconds[step.name])
        was_running = running.process.poll() is None
        running.kill()
        left = running.wait_until_alone()
        assert not left, f"processes {left} outlived a killed {step.name}"
        return was_running

    def _check(self, step: Step, running: Running) -> None:
        status, out, err = running.finish()
        assert status in step.statuses, f"{step.name}: exit {status}\n{out}\n{err}"
        assert "Traceback" not in err, err


def _difference(found: dict[str, str], expected: dict[str, str]) -> str:
    names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    kinds = ["missing" if name not in found else "extra" if name not in expected else "changed" for name in names]
    shown = ", ".join(f"{kind} {name}" for kind, name in list(zip(kinds, names, strict=True))[:8])
    return f"{len(names)} names differ: {shown}"
