"""Columns kept aside for an index while their table is written: in memory while small, else in the scratch folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
IN_MEMORY_BYTES = 64 << 20


class KeyFile:
    """Whole numbers appended in order and read back once."""

    def __init__(self, path: Path, dtype: str) -> None:
        self._path, self._dtype, self._kept = path, np.dtype(dtype), list[Array]()
        self._bytes = 0
        self._file: BinaryIO | None = None

    def append(self, values: Array) -> None:
        """The next values."""
        values = np.ascontiguousarray(values, self._dtype)
        self._bytes += values.nbytes
        if self._file is None and self._bytes <= IN_MEMORY_BYTES:
            self._kept.append(values.copy())
            return
        if self._file is None:
            self._file = self._path.open("wb")
            for kept in self._kept:
                self._file.write(kept.data)
            self._kept.clear()
        self._file.write(values.data)

    def __len__(self) -> int:
        return self._bytes // self._dtype.itemsize

    def read(self) -> Array:
        """All of them; the file is gone after that."""
        if self._file is None:
            values = np.concatenate(self._kept) if self._kept else np.empty(0, self._dtype)
            self._kept.clear()
            return values
        self._file.close()
        values = np.fromfile(self._path, self._dtype)
        self._path.unlink()
        return values
