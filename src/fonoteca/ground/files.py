"""Files that are whole or not there: write beside, fsync, rename, fsync the folder."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fonoteca.ground.errors import ArchiveBusyError, UsageError, translate_os_errors

FICLONE = 0x40049409  # <linux/fs.h>: share the extents of another file


def sync_folder(folder: Path) -> None:
    """Make renames and new names inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file_system(folder: Path) -> None:
    """Bring everything that was written to the file system of `folder` to disk: for thousands of files, instead of each by itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):
            raise OSError(ctypes.get_errno(), "its file system cannot be written to disk", str(folder))
    finally:
        os.close(handle)


def require_file_name(path: Path) -> None:
    """UsageError where a file cannot take the place of what is at `path`: a folder, a device, a pipe."""
    with translate_os_errors(path):
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "Name a file in it.")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file but a device or a pipe", "Name a file.")


def name_beside(path: Path, purpose: str) -> Path:
    """A hidden name in the folder of `path` that nobody but this program gives; the same each time, so that leftovers are found."""
    return path.with_name(f".fonoteca-{purpose}-{path.name}")


@contextmanager
def open_atomically(path: Path, mode: int = 0o644, *, is_ours: bool = True) -> Iterator[BinaryIO]:
    """A file to write that appears under `path` only when it is complete and on disk; UsageError where it cannot stand there.

    Until then it is `NAME.partial`, or, where the folder is not `is_ours` but a person's own, a new name that nobody has;
    what a run that was killed left under such a name goes with the next run for the same file.
    """
    require_file_name(path)
    with translate_os_errors(path):
        partial, handle = _open_beside(path, mode) if not is_ours else _open_named(path, mode)
        try:
            with open(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _open_named(path: Path, mode: int) -> tuple[Path, int]:
    partial = path.with_name(path.name + ".partial")
    return partial, os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)


def _open_beside(path: Path, mode: int) -> tuple[Path, int]:
    """A new file, locked as long as its writer lives, whose name tells which file it is for."""
    purpose = hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
    for left in path.parent.glob(f".fonoteca-{purpose}-*.partial"):
        _remove_unlocked(left)
    while True:
        partial = path.with_name(f".fonoteca-{purpose}-{secrets.token_hex(4)}.partial")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with suppress(OSError):  # not every file system has locks; there leftovers stay
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if partial.exists():
            return partial, handle
        os.close(handle)  # another run took it for a leftover before it was locked


def _remove_unlocked(path: Path) -> None:
    """Remove a file that nobody writes any more."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(handle)


def write_atomically(path: Path, content: bytes | str, mode: int = 0o644, *, is_ours: bool = True) -> None:
    """Put `content` under `path`, whole or not at all; as open_atomically."""
    with open_atomically(path, mode, is_ours=is_ours) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def reflink_or_copy(source: Path, target: Path, *, is_ours: bool = True) -> None:
    """Copy `source` to `target` as open_atomically does, sharing its blocks where the file system can."""
    with open(source, "rb") as reader, open_atomically(target, is_ours=is_ours) as writer:
        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY):
                raise
            shutil.copyfileobj(reader, writer, 1 << 20)


@contextmanager
def lock_folder(folder: Path, purpose: str, name: str = ".lock") -> Iterator[None]:
    """Hold `folder` for one writer; a second one gets ArchiveBusyError with who holds it. Work of another `name` goes on beside it."""
    path = folder / name
    with translate_os_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 200, 0).decode("utf-8", "replace").strip() or "another run"
            raise ArchiveBusyError(
                f"{folder} is in use by {holder}", "Wait until it has finished, or stop it; then run this again."
            ) from error
        with translate_os_errors(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"fonoteca {purpose} (process {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(handle)
