"""The classes that a budget is spent on: counted track by track, or read from the statistics of an edition."""

from __future__ import annotations

import csv
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from fonoteca.catalogue.budget import RATES, BudgetClass
from fonoteca.catalogue.budget_others import Others
from fonoteca.catalogue.planner import TrackClass, shares_of_plays
from fonoteca.catalogue.statistics_counter import StatisticsRow
from fonoteca.ground.errors import UsageError, translate_os_errors

SUPPOSED_KBITS = 160.0
"""The rate at which tracks that are not held are supposed to come: Ogg Vorbis of the reference workload."""
SUPPOSED_MS = 210_000
"""The length of a track of which none is known."""
_NO_OTHERS: Others = MappingProxyType({})
_SCORES = tuple(step / 4 for step in range(13))


class BudgetCounter:
    """Counts tracks one by one into classes of one popularity, second score, rate and kind."""

    def __init__(self, rare_shares: Mapping[int, float] | None = None) -> None:
        """`rare_shares` says by whole popularity which part of the tracks nobody else holds; where it says nothing, all."""
        self._rare_shares = dict(rare_shares or {})
        self._sums: dict[tuple[int, int, int, bool, bool, bool, bool], list[int]] = {}

    def add(
        self,
        popularity: float | None,
        second_score: float,
        plays: int | None,
        duration_ms: int | None,
        size: int | None,
        *,
        is_lossy: bool = True,
        may_be_encoded: bool = True,
    ) -> None:
        """Count one track; `size` None where no file of it is held."""
        length = duration_ms or SUPPOSED_MS
        bytes_ = round(length * SUPPOSED_KBITS / 8) if size is None else size
        key = (
            -1 if popularity is None else math.floor(popularity), bisect_right(_SCORES, second_score),
            bisect_left(RATES, bytes_ * 8 / length), plays is None, is_lossy, may_be_encoded, size is not None,
        )  # fmt: skip
        sums = self._sums.setdefault(key, [0, 0, 0, 0])
        for place, amount in enumerate((1, length, bytes_, plays or 0)):
            sums[place] += amount

    def classes(self, *, with_wanted: bool = False) -> list[BudgetClass]:
        """The classes, most popular first; shares of plays are over all that was counted, held or not."""
        items = sorted(self._sums.items(), key=lambda item: item[0], reverse=True)
        ranked = [
            TrackClass(popularity=None if key[0] < 0 else float(key[0]), tracks=sums[0], bytes=sums[2], duration_ms=sums[1],
                       second_score=float(key[1]), plays=None if key[3] else sums[3], has_file=key[6])
            for key, sums in items
        ]  # fmt: skip
        found = []
        for (key, sums), share in zip(items, shares_of_plays(ranked), strict=True):
            if key[6] or with_wanted:
                found.append(
                    BudgetClass(popularity=None if key[0] < 0 else key[0], tracks=sums[0], duration_ms=sums[1], bytes=sums[2],
                                share_of_plays=share, is_lossy=key[4], may_be_encoded=key[5], is_held=key[6],
                                rare_share=self._rare_shares.get(max(key[0], 0), 1.0))
                )  # fmt: skip
        return found


class _Piece(StatisticsRow, frozen=True, kw_only=True):
    """A bucket, with those of its tracks that are neither held nor missing."""

    others: int = 0
    others_ms: int = 0


def classes_of_statistics(
    rows: Iterable[StatisticsRow], rare_shares: Mapping[int, float] | None = None, *, with_wanted: bool = False, others: Others = _NO_OTHERS
) -> list[BudgetClass]:
    """The classes of an edition, from its statistics: one for each popularity; 0, by far the largest, is divided further by rank.

    Shares of plays are over all tracks but `others`.
    """
    counted = [_Piece(**msgspec.structs.asdict(row), **_others_of(row, others)) for row in rows]
    popularities = [row for row in counted if row.report == "popularity"]
    is_counted = bool(popularities) and all(row.counted == row.number for row in popularities) and any(row.plays for row in popularities)
    pieces: list[tuple[int, _Piece]] = []
    for row in sorted(popularities, key=lambda row: (row.bucket < 0, -row.bucket)):
        before = sum(one.number for one in popularities if _is_before(one, row))
        divided = _divide(row, [one for one in counted if one.report == "rank"], before) if row.bucket == 0 else [row]
        pieces += [(row.bucket, piece) for piece in divided if piece.number]
    plays = [piece.plays if is_counted else piece.plays_by_rank for _, piece in pieces]
    whole = sum(amount * (1 - piece.others / piece.number) for amount, (_, piece) in zip(plays, pieces, strict=True)) or 1
    found: list[BudgetClass] = []
    for amount, (popularity, piece) in zip(plays, pieces, strict=True):
        found += _classes_of_row(piece, popularity, amount / whole, (rare_shares or {}).get(max(popularity, 0), 1.0), with_wanted)
    return found


def _others_of(row: StatisticsRow, others: Others) -> dict[str, Any]:
    number, length = others.get((row.report, row.bucket), (0, 0))
    return {"others": min(number, row.number - row.held), "others_ms": min(length, max(0, row.duration_ms - row.held_ms))}


def _is_before(one: StatisticsRow, row: StatisticsRow) -> bool:
    return one.bucket > row.bucket


def _divide(row: _Piece, ranks: Sequence[_Piece], before: int) -> list[_Piece]:
    """A class by the buckets of rank that lie wholly in it, and the rest of it."""
    inside = [one for one in ranks if one.bucket > before and one.bucket - 1 + one.number <= before + row.number]
    rest = {
        name: max(0, getattr(row, name) - sum(getattr(one, name) for one in inside))
        for name in ("number", "held", "counted", "plays", "plays_by_rank", "duration_ms", "held_ms", "bytes", "others", "others_ms")
    }
    first = _Piece(report="rank", bucket=before + 1, **rest)
    return [*([first] if first.number else []), *inside]


def _classes_of_row(row: _Piece, popularity: int, share: float, rare_share: float, with_wanted: bool) -> Iterator[BudgetClass]:
    base = BudgetClass(popularity=None if popularity < 0 else popularity, tracks=0, duration_ms=0, bytes=0, share_of_plays=0,
                       rare_share=rare_share)  # fmt: skip
    replace, missing = msgspec.structs.replace, row.number - row.held - row.others
    if row.held:
        yield replace(base, tracks=row.held, duration_ms=row.held_ms, bytes=row.bytes, share_of_plays=share * row.held / row.number)
    if missing and with_wanted:
        length = row.duration_ms - row.held_ms - row.others_ms or missing * SUPPOSED_MS
        yield replace(base, tracks=missing, duration_ms=length, bytes=round(length * SUPPOSED_KBITS / 8), is_held=False,
                      share_of_plays=share * missing / row.number)  # fmt: skip


def read_rare_shares(path: Path) -> dict[int, float]:
    """A CSV with the columns popularity (whole) and held_elsewhere (0 to 1): by popularity the part that nobody else holds."""
    with translate_os_errors(path), open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        try:
            if not {"popularity", "held_elsewhere"} <= set(reader.fieldnames or ()):
                raise UsageError(f"{path} has no columns popularity and held_elsewhere", "Its first line names the columns.")
            shares = {int(row["popularity"]): float(row["held_elsewhere"]) for row in reader}
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}", "Save it as CSV in UTF-8.") from error
        except (csv.Error, TypeError, ValueError) as error:
            raise UsageError(f"{path}, line {reader.line_num}: {error}", "Write whole popularities and shares from 0 to 1.") from error
    if any(not 0 <= share <= 1 for share in shares.values()):
        raise UsageError(f"{path} has a share outside 0 to 1", "1 means that all tracks of that popularity are held elsewhere.")
    if strange := [popularity for popularity in shares if not 0 <= popularity <= 100]:
        raise UsageError(f"{path} has the popularity {strange[0]}", "Popularity runs from 0 to 100.")
    return {popularity: 1 - share for popularity, share in shares.items()}
