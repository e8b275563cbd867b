"""What share of plays a rank has where no plays are counted: rank^−1.211 in whole numbers, so that sums are the same everywhere.

The power is taken in decimal arithmetic, once for each block of ranks whose first eight binary digits are the same: a
floating-point power differs in its last digit from machine to machine, and an edition must not.
"""

from __future__ import annotations

import functools
from decimal import Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from fonoteca.catalogue.planner import PLAYS_EXPONENT

Whole = npt.NDArray[np.int64]

WEIGHT_OF_FIRST = 10**15
"""The weight of rank 1. The sum over all ranks is 5.3 times that, which a float still holds exactly."""
LEADING = 8
"""Binary digits of a rank that decide its weight."""
_EXPONENT = Decimal(str(PLAYS_EXPONENT))


def block_of(ranks: npt.ArrayLike, leading: int = LEADING) -> Whole:
    """The block of each rank (from 1) of those that share their first `leading` binary digits: 2^(leading−1) for each doubling."""
    given = np.asarray(ranks, dtype=np.int64)
    power = np.maximum(np.frexp(given.astype(np.float64))[1].astype(np.int64) - leading, 0)
    found: Whole = (given >> power) + (power << (leading - 1))
    return found


def block_start(block: int, leading: int = LEADING) -> int:
    """The first rank of a block."""
    half = 1 << (leading - 1)
    if block < 2 * half:
        return block
    power, rest = divmod(block - half, half)
    return (rest + half) << power


def block_weights(highest_rank: int) -> Whole:
    """The weight of one rank of each block, up to that of `highest_rank` and further: the mean over the block of rank^−1.211, rounded."""
    return _weights_up_to(max(LEADING, highest_rank.bit_length()))


@functools.cache
def _weights_up_to(digits: int) -> Whole:
    shorter = [0, *map(_weight, range(1, 256))] if digits == LEADING else _weights_up_to(digits - 1).tolist()
    return np.array([*shorter, *map(_weight, range(len(shorter), int(block_of(1 << digits))))], dtype=np.int64)


def _weight(block: int) -> int:
    context = Context(prec=30)
    first, after = block_start(block), block_start(block + 1)
    if after - first == 1:
        return round(_power(Decimal(first), -_EXPONENT, context) * WEIGHT_OF_FIRST)
    half = Decimal("0.5")
    low, high = (_power(edge - half, 1 - _EXPONENT, context) for edge in (first, after))
    return round((low - high) / (_EXPONENT - 1) / (after - first) * WEIGHT_OF_FIRST)


def _power(base: Decimal, exponent: Decimal, context: Context) -> Decimal:
    return context.exp(context.multiply(context.ln(base), exponent))  # ln and exp are rounded right, so the same everywhere


def weights_of(ranks: npt.ArrayLike) -> Whole:
    """The weight of each rank."""
    given = np.asarray(ranks, dtype=np.int64)
    found: Whole = block_weights(int(given.max(initial=1)))[block_of(given)]
    return found


def blocks_between(first: int, count: int, leading: int = LEADING) -> tuple[Whole, Whole]:
    """The blocks of `count` ranks (at least one) from `first` on, and the place among them where each block begins."""
    blocks = np.arange(int(block_of(first, leading)), int(block_of(first + count - 1, leading)) + 1)
    starts = np.array([max(0, block_start(int(block), leading) - first) for block in blocks], dtype=np.int64)
    return blocks, starts


def weights_between(first: int, count: int) -> Whole:
    """The weights of `count` ranks (at least one) from `first` on; faster than one by one."""
    blocks, starts = blocks_between(first, count)
    found: Whole = np.repeat(block_weights(first + count)[blocks], np.diff(np.append(starts, count)))
    return found


def as_whole(column: Any, missing: int = -1) -> Whole:
    """An Arrow or numpy column as int64, NULL (and a masked value) as `missing`."""
    if hasattr(column, "fill_null"):
        column = column.fill_null(missing).to_numpy(zero_copy_only=False)
    elif isinstance(column, np.ma.MaskedArray):
        column = column.filled(missing)
    return np.asarray(column).astype(np.int64, copy=False)
