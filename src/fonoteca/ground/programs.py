"""The only module that starts other programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from fonoteca.ground.errors import ProgramError


def has_program(name: str) -> bool:
    """Whether `name` is on PATH."""
    return shutil.which(name) is not None


def run_program(
    arguments: Sequence[str | Path], *, timeout_s: float, stdin: bytes | None = None, cwd: Path | None = None, any_status: bool = False
) -> bytes:
    """Its standard output; ProgramError with its own words when it is missing, takes too long or fails.

    With `any_status` it may end as it likes, for programs whose status is no verdict (smartctl).
    """
    name = str(arguments[0])
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [str(part) for part in arguments], input=stdin, cwd=cwd, env=environment,
            capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ProgramError(f"{name} is not installed", f"On Debian: apt-get install {name}.") from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{name} did not finish within {timeout_s:.0f} s", "Try again with less load.") from error
    if done.returncode and not any_status:
        told = done.stderr.decode("utf-8", "replace").strip()
        raise ProgramError(
            f"{name} ended with status {done.returncode}: {' / '.join(told.splitlines()[-3:])}", f"Run it by hand: {arguments}",
            status=done.returncode, stderr=told,
        )  # fmt: skip
    return done.stdout
