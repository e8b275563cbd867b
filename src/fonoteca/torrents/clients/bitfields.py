"""Bitfields of pieces as BEP 3 sends them: the first piece is the highest bit of the first byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from fonoteca.ground.errors import UsageError


def pack_pieces(flags: Sequence[bool]) -> bytes:
    """The bitfield of one flag a piece."""
    return np.packbits(np.asarray(flags, dtype=bool)).tobytes()


def unpack_pieces(bitfield: bytes, count: int) -> list[bool]:
    """`count` flags; UsageError where the bitfield has another length."""
    if len(bitfield) != -(-count // 8):
        raise UsageError(f"a bitfield of {len(bitfield)} bytes for {count} pieces", f"It takes {-(-count // 8)} bytes.")
    flags: list[bool] = np.unpackbits(np.frombuffer(bitfield, dtype=np.uint8), count=count).astype(bool).tolist()
    return flags


def pack_indexes(indexes: Iterable[int], count: int) -> bytes:
    """The bitfield that has these pieces of `count`."""
    flags = np.zeros(count, dtype=bool)
    flags[list(indexes)] = True
    return np.packbits(flags).tobytes()


def full_bitfield(count: int) -> bytes:
    """The bitfield that has them all."""
    return np.packbits(np.ones(count, dtype=bool)).tobytes()
