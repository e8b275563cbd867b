"""What the lab is built from: parts made once, kept under a key, never half there; failures that show what a step said."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

KIT = Path(__file__).resolve().parent


class LabError(Exception):
    """The lab cannot be built or does not answer; the message says which step failed and what it said."""


def choose_lab_cache() -> Path:
    """Where parts and states are kept: FONOTECA_ZFS_LAB, else `zfs-lab` in FONOTECA_CACHE or in the user's cache folder."""
    if named := os.environ.get("FONOTECA_ZFS_LAB"):
        return Path(named)
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fonoteca"
    return Path(os.environ.get("FONOTECA_CACHE") or user) / "zfs-lab"


def hash_of(*things: Path | str) -> str:
    """Twelve hex digits that change with any of the texts, files or folders (by names and bytes)."""
    digest = hashlib.sha256()
    for thing in things:
        if isinstance(thing, str):
            digest.update(thing.encode() + b"\0")
            continue
        for file in sorted(path for path in thing.rglob("*") if _counts(path)) if thing.is_dir() else [thing]:
            digest.update(str(file.relative_to(thing.parent)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with what `path` guards, among all processes of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def keep_part(cache: Path, name: str, key: str, make: Callable[[Path], None], *, others: int = 1) -> Path:
    """The folder NAME-KEY, made by `make` where it is not there: beside its place, renamed when whole.

    Of those with other keys only the newest `others` stay.
    """
    folder = cache / f"{name}-{key}"
    if folder.is_dir():
        return folder
    with locked(cache / f"{name}.lock"):
        if not folder.is_dir():
            partial = folder.with_name(f"{folder.name}.partial")
            for broken in cache.glob(f"{name}-????????????.partial"):
                shutil.rmtree(broken, ignore_errors=True)
            partial.mkdir(parents=True)
            make(partial)
            (partial / "made").write_text(uuid.uuid4().hex)
            for old in sorted(cache.glob(f"{name}-????????????"), key=lambda path: -path.stat().st_mtime)[others:]:
                shutil.rmtree(old, ignore_errors=True)
            os.replace(partial, folder)
    return folder


def identity(part: Path) -> str:
    """What tells a part from one made again under the same key: file systems never come out the same twice."""
    return f"{part.name} {(part / 'made').read_text()}"


def run_step(command: Sequence[str | Path], log: Path, *, cwd: Path | None = None, stdin: bytes = b"", timeout_s: float = 1800) -> bytes:
    """What a program prints; all it says is kept in `log`, and the end of that is in the LabError when it fails."""
    words = [str(word) for word in command]
    started = time.monotonic()
    try:
        done = subprocess.run(
            words, cwd=cwd, input=stdin, capture_output=True, timeout=timeout_s, check=False,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed; as root on Debian: tools/install_programs.sh") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)[:200]} did not end within {timeout_s:.0f} s; see {log}") from error
    _log(log, words, done, time.monotonic() - started)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).decode("utf-8", "replace").splitlines()[-25:])
        raise LabError(f"{' '.join(words)[:200]} ended with status {done.returncode}; {log} has all of it. Its end:\n{tail}")
    return done.stdout


def _log(log: Path, words: list[str], done: subprocess.CompletedProcess[bytes], seconds: float) -> None:
    with log.open("ab") as handle:
        handle.write(f"\n$ {' '.join(words)}   # {seconds:.1f} s, status {done.returncode}\n".encode())
        handle.write(done.stdout[-200_000:] + done.stderr[-200_000:])
