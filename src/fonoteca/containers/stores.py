"""The one way to containers: open, list, put, range. Here a folder; other stores follow the same protocol."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from fonoteca.containers.safe_names import check_name
from fonoteca.ground.errors import ContainerFormatError, NotFoundError, translate_os_errors
from fonoteca.ground.files import open_atomically, sync_folder

PARTIAL_SUFFIX = ".partial"
"""Names that end so are not whole yet; stores do not show them."""


class RangedFile(Protocol):
    """Bytes that can be read anywhere, by several threads at once."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""

    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> Self:
        """Use it in a `with` block."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""


class ByteSink(Protocol):
    """What `put` gives to write into."""

    def write(self, content: bytes, /) -> int:
        """Append `content`."""


class Store(Protocol):
    """Named immutable files. Names are relative, with `/` between parts; tricks in them raise ContainerFormatError.

    NotFoundError where there is no such name.
    """

    def open(self, name: str) -> RangedFile:
        """The file under `name`, for reading."""

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` of one file; fewer only at its end."""

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Names that begin with `prefix` and their sizes, sorted by name; what is still being written is not shown."""

    def exists(self, name: str) -> bool:
        """Whether there is a whole file under `name`."""

    def put(self, name: str) -> AbstractContextManager[ByteSink]:
        """A file to write that appears under `name` only when the block ends well."""

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name; what stood there is replaced."""

    def delete(self, name: str) -> None:
        """Remove a file; fine if it is not there."""


class FolderFile:
    """A regular file as a ranged file."""

    def __init__(self, path: Path, flags: int = 0) -> None:
        self.path = path
        with translate_os_errors(path):
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
            status = os.fstat(self._handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._handle)
            raise ContainerFormatError(f"{path} is no regular file")
        self.size = status.st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""
        length = max(0, min(length, self.size - offset))
        with translate_os_errors(self.path):
            parts = [os.pread(self._handle, length, offset)]
            while (done := sum(map(len, parts))) < length and parts[-1]:
                parts.append(os.pread(self._handle, length - done, offset + done))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class FolderStore:
    """A store that is a folder. Links that lead out of it are not followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = os.path.realpath(folder)

    def _locate(self, name: str) -> Path:
        path = os.path.join(self._root, check_name(name))
        parent = os.path.realpath(os.path.dirname(path))
        if parent != self._root and not parent.startswith(os.path.join(self._root, "")):
            raise ContainerFormatError(f"{name!r} leads out of {self.folder} by a link", "Put the files themselves into the folder.")
        return Path(path)

    def open(self, name: str) -> FolderFile:
        """The file under `name`; NotFoundError if there is none, ContainerFormatError if it is a link or no regular file."""
        path = self._locate(name)
        if path.is_symlink():
            raise ContainerFormatError(f"{name!r} is a link", "Put the file itself into the folder.")
        if not path.exists():
            raise NotFoundError(f"{self.folder} has no {name}")
        return FolderFile(path, os.O_NOFOLLOW)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` of one file; fewer only at its end."""
        with self.open(name) as file:
            return file.read_at(offset, length)

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Names that begin with `prefix` and their sizes, sorted by name; links and unfinished files are not shown."""
        start = prefix.rpartition("/")[0]
        folder = self._locate(start) if start else Path(self._root)
        if folder.is_dir() and not (start and folder.is_symlink()):
            yield from (pair for pair in _walk(folder, f"{start}/" if start else "", prefix))

    def exists(self, name: str) -> bool:
        """Whether there is a whole file under `name`."""
        path = self._locate(name)
        return not name.endswith(PARTIAL_SUFFIX) and path.is_file() and not path.is_symlink()

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """A file to write that appears under `name` only when the block ends well."""
        path = self._locate(name)
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with open_atomically(path) as file:
            yield file

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name; what stood there is replaced."""
        path, new_path = self._locate(name), self._locate(new_name)
        if not path.exists():
            raise NotFoundError(f"{self.folder} has no {name}")
        with translate_os_errors(new_path):
            new_path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, new_path)
            sync_folder(new_path.parent)
            sync_folder(path.parent)

    def delete(self, name: str) -> None:
        """Remove a file; fine if it is not there."""
        path = self._locate(name)
        with translate_os_errors(path):
            path.unlink(missing_ok=True)


def _walk(folder: Path, prefix: str, wanted: str) -> Iterator[tuple[str, int]]:
    with translate_os_errors(folder), os.scandir(folder) as entries:
        found = [(entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in entries]
    found.sort(key=lambda pair: os.fsencode(pair[0]))
    for name, entry in found:
        path = prefix + name
        if name.rstrip("/").endswith(PARTIAL_SUFFIX) or not (path.startswith(wanted) or wanted.startswith(path)):
            continue
        if name.endswith("/"):
            yield from _walk(Path(entry.path), path, wanted)
        elif entry.is_file(follow_symlinks=False):
            yield path, entry.stat(follow_symlinks=False).st_size
