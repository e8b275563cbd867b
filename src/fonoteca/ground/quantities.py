"""Bytes, rates and durations: read from settings, shown to people."""

from __future__ import annotations

import re

from fonoteca.ground.errors import UsageError

_UNITS = {"": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
          "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}  # fmt: skip


def parse_bytes(text: str | int) -> int:
    """Bytes of "210 GB", "8MB", "4 MiB" or a plain number; decimal and binary units are told apart."""
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text.replace("_", ""))
    if not match or match[2] not in _UNITS:
        raise UsageError(f"not a size: {text!r}", 'Write a number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB: "210 GB".')
    return round(float(match[1]) * _UNITS[match[2]])


def format_bytes(count: float) -> str:
    """A size in decimal units with three figures: 209 GB, 3.49 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5 or unit == "TB":
            break
        count /= 1000
    if unit == "B":
        return f"{count:.0f} B"
    return f"{count:.{max(0, 2 - len(str(int(abs(count)))) + 1)}f} {unit}"


def format_duration(seconds: float) -> str:
    """A length of time for people: 42 s, 3 min 05 s, 7 h 12 min, 35 d 4 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def format_count(count: int, noun: str, plural: str | None = None) -> str:
    """1 file, 47,000,000 files."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
