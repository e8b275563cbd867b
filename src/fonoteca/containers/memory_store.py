"""A store in memory: the small real fake that tests and trials use."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Self

from fonoteca.containers.safe_names import check_name
from fonoteca.ground.errors import NotFoundError


class MemoryFile:
    """Bytes as a ranged file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""
        return self._content[offset : offset + max(0, length)]

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class MemoryStore:
    """A store that is gone when the process ends."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def open(self, name: str) -> MemoryFile:
        """The file under `name`, for reading."""
        try:
            return MemoryFile(self._files[check_name(name)])
        except KeyError as error:
            raise NotFoundError(f"the store has no {name}") from error

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` of one file; fewer only at its end."""
        return self.open(name).read_at(offset, length)

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Names that begin with `prefix` and their sizes, sorted by name."""
        for name in sorted(self._files, key=str.encode):
            if name.startswith(prefix):
                yield name, len(self._files[name])

    def exists(self, name: str) -> bool:
        """Whether there is a whole file under `name`."""
        return check_name(name) in self._files

    @contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """A file to write that appears under `name` only when the block ends well."""
        check_name(name)
        sink = io.BytesIO()
        yield sink
        self._files[name] = sink.getvalue()

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name; what stood there is replaced."""
        self.open(name)
        self._files[check_name(new_name)] = self._files.pop(name)

    def delete(self, name: str) -> None:
        """Remove a file; fine if it is not there."""
        self._files.pop(check_name(name), None)
