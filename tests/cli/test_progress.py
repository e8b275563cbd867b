"""Progress on a real terminal: rate and time left, also where the total has to be counted first."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from generated_music import write_small_files


def watch(command: list[str], folder: Path) -> str:
    """What a person sees on a terminal of 100 columns, all of its states one after the other."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm", "NO_COLOR": "1"}
    watched = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert watched.wait(60) == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())


def test_add_shows_count_total_rate_and_time_left(tmp_path: Path) -> None:
    (tmp_path / "Music").mkdir()
    write_small_files(tmp_path / "Music", 700)
    program = [sys.executable, "-m", "fonoteca"]
    subprocess.run([*program, "init", "archive"], cwd=tmp_path, check=True, capture_output=True)
    seen = watch([*program, "add", "Music", "--rights", "CC0-1.0", "--archive", "archive"], tmp_path)
    assert re.search(r"reading .*\b\d+/700 .*[\d.]+ files/s .*\d:\d\d:\d\d", seen), seen[-2000:]
    assert "700 read, 700 kept" in seen
