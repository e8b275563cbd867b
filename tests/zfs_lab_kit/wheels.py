"""What Fonoteca needs of Python packages, as wheels for the guest's Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from zfs_lab_kit.parts import LabError, run_step

PYTHON = "3.13"  # Debian 13's
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 24, 26, 27, 28, 31, 34, 35, 38, 39, 40, 41)))


def read_requirements(project: Path) -> list[str]:
    """The dependencies of pyproject.toml, without extras."""
    return [str(line) for line in tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]]


def make_wheels(folder: Path, project: Path, system: Path) -> None:
    """`site/`, everything unpacked and compiled by the guest's own Python."""
    log = folder / "log"
    site = folder / "site"
    run_step([*_find_installer(site), *(without_markers(line) for line in read_requirements(project))], log)
    for needless in ("bin", "share", "pip"):
        shutil.rmtree(site / needless, ignore_errors=True)
    compile_tree(site, "/opt/fonoteca/site", system, log)


def without_markers(requirement: str) -> str:
    """A requirement without its condition: those of ours all hold in the guest."""
    return re.split(r"\s*;", requirement, maxsplit=1)[0]


def _find_installer(site: Path) -> list[str | Path]:
    """pip of this Python, else uv, told to fetch wheels for another one."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        choice = ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *platforms]
        return [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", site, *choice]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--target", site, "--only-binary=:all:", "--python-version", PYTHON,
                "--python-platform", "x86_64-manylinux_2_28"]  # fmt: skip
    raise LabError("neither pip nor uv is there to fetch the guest's Python packages with")


def compile_tree(tree: Path, place: str, system: Path, log: Path) -> None:
    """Byte code beside every module, as if it lay at `place`, made by the guest's Python on this machine: in the guest it takes minutes."""
    name = f"compile-{os.getpid()}"
    target = system / "root" / "mnt" / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(tree, target)
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", f"/mnt/{name}", "-p", place]
    try:
        run_step(["chroot", system / "root", "python3", "-m", "compileall", *options, f"/mnt/{name}"], log)
    finally:
        shutil.move(target, tree)
