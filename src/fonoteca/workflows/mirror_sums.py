"""Single lines out of a long SHA256SUMS: found by halving, since it is sorted by path; read through where somebody did not sort it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from fonoteca.ground.findings import Finding
from fonoteca.integrity import read_checksums

_NEAR_BYTES = 64 * 1024


def checksums_below(sums: Path, name: str, count: int) -> dict[str, str]:
    """SHA-256 of the file `name`, or of each file in the folder `name`, by path; `count` of them are expected.

    A list of any size is read in a few places only. Empty where there is no list.
    """
    try:
        with open(sums, "rb") as file:
            found = _read_from(file, _find(file, os.fsencode(name)), name, stop=True)
            return found if len(found) >= count else _read_from(file, 0, name, stop=False)
    except FileNotFoundError:
        return {}


def _find(file: BinaryIO, name: bytes) -> int:
    """Where a line begins that is not behind the first one looked for, and near it."""
    low, high = 0, os.fstat(file.fileno()).st_size
    while high - low > _NEAR_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        begin = file.tell()
        line = next((one for one in read_checksums(file) if not isinstance(one, Finding)), None)
        if line is None or begin >= high or os.fsencode(line.path) >= name:
            high = middle
        else:
            low = begin
    return low


def _read_from(file: BinaryIO, begin: int, name: str, *, stop: bool) -> dict[str, str]:
    file.seek(begin)
    found: dict[str, str] = {}
    end = os.fsencode(name) + b"0"  # the character after the slash
    for line in read_checksums(file):
        if isinstance(line, Finding):
            continue
        if line.path == name or line.path.startswith(name + "/"):
            found[line.path] = line.sha256
        elif stop and os.fsencode(line.path) > end:
            break
    return found
