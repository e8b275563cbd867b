"""Arrays that compiled functions fill and that grow."""

from __future__ import annotations

from typing import Any

import numpy as np

_LINE = 64


def in_lines(rows: int, columns: int) -> Any:
    """An empty table of int64 that begins at a line of the processor's cache."""
    size = rows * columns * 8
    memory = np.empty(size + _LINE, np.uint8)
    skipped = -memory.ctypes.data % _LINE
    return memory[skipped : skipped + size].view(np.int64).reshape(rows, columns)


def twice(array: Any) -> Any:
    """The same with as much room again."""
    larger = (
        in_lines(2 * len(array), array.shape[1]) if array.dtype == np.int64 and array.ndim == 2 else np.empty(2 * len(array), array.dtype)
    )
    larger[: len(array)] = array
    return larger
