"""Which files a person means by the paths given to `add`: walked in byte order, links followed, loops and blind ends found."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from fonoteca.audio import AUDIO_SUFFIXES
from fonoteca.ground.errors import UsageError
from fonoteca.ground.findings import Finding
from fonoteca.integrity import show_path

_FILE_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,4}")


class FoundFile(msgspec.Struct, frozen=True):
    """One file to read; `path` is absolute, as the file system gives it."""

    path: bytes
    size: int
    mtime_ns: int


def find_source_files(
    sources: Sequence[Path], *, leave_out: Path, on_other: Callable[[bytes], None]
) -> Iterator[FoundFile | tuple[bytes, Finding]]:
    """Every audio file below `sources`, or the finding why a place cannot be read.

    Folders are walked in the order of their names as bytes. A file named by itself is taken whatever its name is; in
    folders, names without an audio suffix go to `on_other`. The folder `leave_out` (the archive) is never entered.
    """
    kept_out = _identity(os.fsencode(leave_out))
    for path in [os.path.abspath(os.fsencode(source)) for source in sources]:
        if os.path.isdir(path):
            yield from _walk(path, kept_out, on_other)
        else:
            yield _take(path)


def count_source_files(sources: Sequence[Path], leave_out: Path) -> int:
    """How many files and unreadable places `find_source_files` gives."""
    return sum(1 for _ in find_source_files(sources, leave_out=leave_out, on_other=lambda _path: None))


def check_sources(sources: Sequence[Path]) -> None:
    """UsageError where one of the paths is not there, before anything is read."""
    for source in sources:
        path = os.path.abspath(os.fsencode(source))
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"{show_path(path)} does not exist", "Check the path; folders and files can be named.") from error
        except OSError:
            continue  # told as a finding


def _walk(top: bytes, kept_out: tuple[int, int], on_other: Callable[[bytes], None]) -> Iterator[FoundFile | tuple[bytes, Finding]]:
    above: list[tuple[int, int]] = []
    waiting: list[tuple[int, bytes]] = [(0, top)]
    while waiting:
        depth, path = waiting.pop()
        if not os.path.isdir(path):
            if _may_be_music(path):
                yield _take(path)
            else:
                on_other(path)
            continue
        try:
            here = _identity(path)
            names = sorted(os.listdir(path), reverse=True)
        except OSError as error:
            yield path, Finding("unreadable-file", show_path(path), f"the folder cannot be read: {error.strerror}")
            continue
        del above[depth:]
        if here in above:
            yield path, Finding("link-loop", show_path(path), "the link leads to a folder above it")
        elif here != kept_out:
            above.append(here)
            waiting.extend((depth + 1, os.path.join(path, name)) for name in names)


def _may_be_music(path: bytes) -> bool:
    """Whether the name says audio; or what there is cannot be looked at, and may be a folder of music."""
    suffix = os.path.splitext(path)[1].lower().decode("ascii", "replace")
    if suffix in AUDIO_SUFFIXES:
        return True
    try:
        os.stat(path)
    except FileNotFoundError:
        return not _FILE_SUFFIX.fullmatch(suffix)
    except OSError:
        return True
    return False


def _identity(path: bytes) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _take(path: bytes) -> FoundFile | tuple[bytes, Finding]:
    try:
        found = os.stat(path)
    except OSError as error:
        code = {errno.ELOOP: "link-loop", errno.ENOENT: "dangling-link"}.get(error.errno or 0)
        if code and os.path.islink(path):
            return path, Finding(code, show_path(path), f"the link cannot be followed: {error.strerror}")
        return path, Finding("unreadable-file", show_path(path), f"the file cannot be looked at: {error.strerror}")
    if not stat.S_ISREG(found.st_mode):
        return path, Finding("unreadable-file", show_path(path), "it is no regular file")
    return FoundFile(path, found.st_size, found.st_mtime_ns)
