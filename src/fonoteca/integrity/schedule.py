"""What is to be read today so that every byte is read within so many days, and how long ago each was.

Deadlines decide: a byte that was read p days ago is due in `days` − p days. The pace that meets them all is the largest of (bytes due
until then) / (time until then), over all deadlines; a run reads one day's worth of it, oldest first, and everything that is due before
the next run. After days without a run the pace rises, after a full read it falls, and nothing is read more often than it must be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from fonoteca.ground.findings import Finding

DAY_S = 86_400.0


class PieceCheck(msgspec.Struct, frozen=True):
    """How to prove bytes of which only the torrent's pieces are known: (path, first byte, size) of every file that its pieces touch."""

    files: tuple[tuple[Path, int, int], ...]
    first_byte: int
    piece_length: int
    pieces: bytes
    first_piece: int = 0


class Provable(msgspec.Struct, frozen=True, kw_only=True):
    """One file to be read again. `key` names it to its book; `proved_at` in Unix seconds, 0: never.

    Proved by `sha256` in hex, else by `pieces`; where there is neither, the book knows how (`is_database`).
    """

    key: str
    path: Path
    size: int | None
    proved_at: int
    sha256: str = ""
    pieces: PieceCheck | None = None
    is_database: bool = False
    track: str | None = None
    container: str | None = None


class Good(msgspec.Struct, frozen=True):
    """A file that was read and is good: Unix second, and the time of change that it had."""

    key: str
    second: int
    mtime_ns: int


class AgeGroup(msgspec.Struct, frozen=True):
    """Files that were last read at about the same time: from `proved_at` to `newest`, in Unix seconds."""

    proved_at: int
    files: int
    bytes: int
    newest: int = 0


class Book(Protocol):
    """What knows when each byte was last read: an archive's ledger, or a mirror's."""

    def groups(self) -> Sequence[AgeGroup]:
        """All that can be read, by age; damaged files are left out."""

    def oldest(self, before: int) -> Iterator[Provable]:
        """What was last read before `before`, oldest first; streamed, while `good` and `bad` are called."""

    def good(self, proved: Sequence[Good]) -> None:
        """Record, for good even after kill -9, that these are good."""

    def bad(self, item: Provable, finding: Finding, second: int) -> bool:
        """Record damage; False where the file is no longer to be here, so that there is none."""

    def damaged(self) -> tuple[int, int]:
        """How many files are damaged, and how many of them could not be mended."""


class Portion(msgspec.Struct, frozen=True):
    """What one run reads: at least `bytes`, and all that was last read before `due_before` (Unix seconds)."""

    bytes: int
    due_before: int


def choose_portion(groups: Iterable[AgeGroup], now: float, days: float, *, every_s: float = DAY_S) -> Portion:
    """The portion of a run that is made every `every_s` seconds. Of the time a day is kept in hand (at most half of all)."""
    within_s = days * DAY_S - min(every_s, days * DAY_S / 2)
    due = pace = 0.0
    for group in sorted(groups, key=lambda group: group.proved_at):
        due += group.bytes
        left_s = max(group.proved_at + within_s - now, every_s)
        pace = max(pace, due / left_s)
    return Portion(math.ceil(pace * every_s), math.floor(now + every_s - within_s))


class ProofAge(msgspec.Struct, frozen=True):
    """How long ago everything was read: files, bytes, the oldest's age in days (None: nothing is held), bytes read within `days`."""

    files: int
    bytes: int
    oldest_days: float | None
    bytes_within: int
    days: float
    damaged: int = 0
    lost: int = 0

    @property
    def summary(self) -> str:
        """100 % read within 31 days; oldest 31 d; 0 damaged."""
        if self.oldest_days is None:
            return f"nothing is held; {self._told_damage()}"
        if self.oldest_days <= self.days:
            whole = max(1, math.ceil(self.oldest_days))
            return f"100 % read within {whole} day{'s' * (whole > 1)}; {self._told_oldest()}; {self._told_damage()}"
        share = math.floor(1000 * self.bytes_within / max(1, self.bytes)) / 10
        return f"{share:.1f} % read within {self.days:g} days; {self._told_oldest()}; {self._told_damage()}"

    def _told_oldest(self) -> str:
        never = self.oldest_days is not None and self.oldest_days > 18_000  # since 1970 or so
        return "oldest never" if never else f"oldest {math.ceil(self.oldest_days or 0)} d"

    def _told_damage(self) -> str:
        return f"{self.damaged:,} damaged" + (f", {self.lost:,} of them not to be mended" if self.lost else "")


def age_of(groups: Iterable[AgeGroup], now: float, days: float, damaged: tuple[int, int] = (0, 0)) -> ProofAge:
    """The ages of all groups in one."""
    held = [group for group in groups if group.files]
    oldest = max(0.0, (now - min(group.proved_at for group in held)) / DAY_S) if held else None
    within = sum(group.bytes for group in held if now - group.proved_at <= days * DAY_S)
    files, total = sum(group.files for group in held), sum(group.bytes for group in held)
    return ProofAge(files, total, oldest, within, days, *damaged)


def can_be_held(total_bytes: int, days: float, bytes_a_second: float | None, seconds_a_day: float) -> str | None:
    """None where this rate within these hours reads everything within `days`; else the fact, with what it would take."""
    if bytes_a_second is None or days <= 0:
        return None
    needed = total_bytes / days / seconds_a_day
    if bytes_a_second >= needed:
        return None
    takes = total_bytes / (bytes_a_second * seconds_a_day)
    return f"at this rate within these hours everything takes {takes:.1f} days; for {days:g} days it takes {needed / 1e6:,.1f} MB/s"
