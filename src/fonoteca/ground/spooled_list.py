"""Any number of values in a bounded amount of memory: above a megabyte they lie in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Generic, TypeVar

import msgspec

Item = TypeVar("Item", bound=msgspec.Struct)
HELD_BYTES = 1 << 20


class SpooledList(Generic[Item]):
    """Structs of one kind in the order in which they came; may be read again and again, and grow in between."""

    def __init__(self, kind: type[Item]) -> None:
        self._file = SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115  # lives as long as the list
        self._decode = msgspec.json.Decoder(kind).decode
        self._count = 0

    def append(self, item: Item) -> None:
        """One more."""
        line = msgspec.json.encode(item) + b"\n"
        self._file.seek(0, 2)
        self._file.write(line)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        at = 0
        for _ in range(self._count):
            self._file.seek(at)
            line = self._file.readline()
            at += len(line)
            yield self._decode(line)
