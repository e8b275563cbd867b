"""What several benchmarks share: real music, archives to work on, and programs for comparison."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import RESULTS
from music import fetch_music

LICENCE = "https://creativecommons.org/licenses/by-sa/4.0/"
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder on the checkout's file system, which goes away in the end."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=RESULTS.parent) as folder:
        yield Path(folder)


def gather_ogg(target: Path, name: str = "benchmarks") -> list[Path]:
    """The Ogg Vorbis files of the real music, copied into one folder under short names."""
    target.mkdir()
    chosen = []
    for number, source in enumerate(sorted(fetch_music(name).rglob("*.ogg"))):
        chosen.append(target / f"{number:03d}.ogg")
        shutil.copyfile(source, chosen[-1])
    return chosen


def make_archive(path: Path, music: Path, *commands: str) -> Path:
    """An archive of the music below `music`, checked by its structure only; then further commands, such as "build"."""
    run_fonoteca("init", path)
    run_fonoteca("add", music, "--archive", path, "--rights", LICENCE, "--check", "structure")
    for command in commands:
        run_fonoteca(command, "--archive", path)
    return path


def run_fonoteca(*arguments: str | os.PathLike[str]) -> None:
    """One command; the CPU time of all its worker processes is counted as that of finished children."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # workers that outlive the command for a moment become ours to wait for
    run([sys.executable, "-m", "fonoteca", *arguments])
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def run(command: Sequence[str | os.PathLike[str]], *, may_fail: bool = False) -> None:
    """One program with its output thrown away."""
    subprocess.run([os.fspath(part) for part in command], check=not may_fail, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def pinned(count: int) -> Iterator[None]:
    """This process and its children on `count` cores, the last ones: the first one takes most interrupts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def megabytes(paths: Sequence[Path]) -> float:
    """Size of these files in millions of bytes."""
    return sum(path.stat().st_size for path in paths) / 1e6
