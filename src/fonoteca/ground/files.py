"""Files that are whole or not there: write beside, fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fonoteca.ground.errors import ArchiveBusyError, translate_os_errors

FICLONE = 0x40049409  # <linux/fs.h>: share the extents of another file


def sync_folder(folder: Path) -> None:
    """Make renames and new names inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def open_atomically(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file to write that appears under `path` only when it is complete and on disk."""
    partial = path.with_name(path.name + ".partial")
    with translate_os_errors(path):
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)


def write_atomically(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Put `content` under `path`, whole or not at all."""
    with open_atomically(path, mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def reflink_or_copy(source: Path, target: Path) -> None:
    """Copy `source` to `target` atomically, sharing its blocks where the file system can."""
    with open(source, "rb") as reader, open_atomically(target) as writer:
        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY):
                raise
            shutil.copyfileobj(reader, writer, 1 << 20)


@contextmanager
def lock_folder(folder: Path, purpose: str) -> Iterator[None]:
    """Hold `folder` for one writer; a second one gets ArchiveBusyError with who holds it."""
    path = folder / ".lock"
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
