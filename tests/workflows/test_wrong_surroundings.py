"""What the environment says wrongly, and names that cannot be kept, end a command with words before anything is begun."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from commands import environment, fonoteca_command, run_fonoteca, tree_digest


@pytest.mark.parametrize(
    "wrong", [{"SOURCE_DATE_EPOCH": "abc"}, {"SOURCE_DATE_EPOCH": "-5"}, {"FONOTECA_JOBS": "x"}, {"FONOTECA_JOBS": "-1"}],
    ids=lambda wrong: "=".join(next(iter(wrong.items()))),
)  # fmt: skip
@pytest.mark.parametrize("command", ["build", "plan"])
def test_wrong_environment_is_wrong_usage(archive: Path, wrong: dict[str, str], command: str) -> None:
    before = tree_digest(archive)
    done = run_fonoteca(command, "--archive", archive, status=2, **wrong)
    (name,) = wrong
    assert name in done.stderr and "Traceback" not in done.stderr
    assert tree_digest(archive) == before


@pytest.mark.parametrize("arguments", [[b"\xff"], [b"fine", b"--name", b"\xff"], [b"\xff/inside"]])
def test_an_archive_with_a_name_that_is_no_utf8_is_not_begun(tmp_path: Path, arguments: list[bytes]) -> None:
    command = [os.fsencode(word) for word in fonoteca_command("init")] + arguments
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment(), timeout=60)
    assert done.returncode == 2 and b"UTF-8" in done.stderr and b"Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
