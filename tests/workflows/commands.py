"""Archives for tests: made, filled and compared through the real command line."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fonoteca.workflows.archive import init_archive

FREE_ART = "http://artlibre.org/licence/lal/en/"
EPOCH = "1700000000"
"""The held clock (SOURCE_DATE_EPOCH) of every run below, so that releases can be compared byte for byte."""


def environment(**more: str) -> dict[str, str]:
    """What a command sees: this environment, the clock held, and `more`."""
    return {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "PYTHONDONTWRITEBYTECODE": "1", **more}


def fonoteca_command(*arguments: str | Path) -> list[str]:
    """The command line that runs this checkout."""
    return [sys.executable, "-m", "fonoteca", *map(str, arguments)]


def run_fonoteca(
    *arguments: str | Path,
    status: int | None = 0,
    timeout: float = 120,
    cwd: Path | None = None,
    under: tuple[str, ...] = (),
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; fails unless the exit status is `status` (None: whatever comes). `more` goes into the environment.

    `under` is a command to run it under.
    """
    done = subprocess.run(
        [*under, *fonoteca_command(*arguments)], capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd,
        env=environment(**more),
    )  # fmt: skip
    if status is not None:
        told = f"fonoteca {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == status, told
    return done


def run_json(*arguments: str | Path, status: int | None = 0, under: tuple[str, ...] = (), **more: str) -> Any:
    """The result that a command prints with --json."""
    return json.loads(run_fonoteca(*arguments, "--json", status=status, under=under, **more).stdout)


@functools.cache
def _signing_key() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return (init_archive(Path(folder) / "key", "key") / "signing" / "release.key").read_bytes()


def make_archive(path: Path, **settings: str) -> Path:
    """An empty archive called Test whose signing key is the same in all tests of one run.

    `settings` replaces lines of archive.toml: make_archive(path, torrent_size='"2 kB"').
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / "signing").mkdir(exist_ok=True)
    (path / "signing" / "release.key").write_bytes(_signing_key())
    (path / "signing" / "release.key").chmod(0o600)
    init_archive(path, "Test")
    set_settings(path, **settings)
    return path


def set_settings(archive: Path, **settings: str) -> None:
    """Replace the first line `name = …` of archive.toml for each name given."""
    lines = (archive / "archive.toml").read_text().splitlines()
    for name, value in settings.items():
        places = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        assert places, f"archive.toml has no line {name} = …"
        lines[places[0]] = f"{name} = {value}"
    (archive / "archive.toml").write_text("\n".join(lines) + "\n")


def write_plays(table: Path, plays: dict[Path, int]) -> Path:
    """A CSV for --plays."""
    table.write_text("path,plays\n" + "".join(f"{path},{count}\n" for path, count in plays.items()))
    return table


def tree_digest(folder: Path) -> dict[str, str]:
    """Every file below `folder`: its path → SHA-256; folders by their names with a slash, links by their targets."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_dir():
            found[name + "/"] = ""
        else:
            with open(path, "rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def copy_archive(source: Path, target: Path) -> Path:
    """A copy with its hard links, times and modes."""
    subprocess.run(["cp", "-a", source, target], check=True)
    return target
