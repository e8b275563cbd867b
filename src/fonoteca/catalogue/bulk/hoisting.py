"""Dates and labels that all tracks of an album share move to the album, where they take a fourth of the room."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.renumbering import Renumbering

Array = NDArray[Any]
_UNSEEN, _MIXED = -2, -1


@numba.njit(nogil=True, cache=True)
def _join(albums: Array, codes: Array, shared: Array) -> None:
    for row in range(len(albums)):
        album = albums[row]
        if shared[album] == -2:
            shared[album] = codes[row]
        elif shared[album] != codes[row]:
            shared[album] = -1


@numba.njit(nogil=True, cache=True)
def _is_shared(albums: Array, shared: Array, found: Array) -> None:
    for row in range(len(albums)):
        found[row] = shared[albums[row]] >= 0


class Hoisting:
    """For every album (by its new number) the one date and the one label of all its tracks, where there is one."""

    def __init__(self, album_count: int) -> None:
        self._album_count = album_count
        self._shared: dict[str, Array] = {}
        self._codes: dict[str, dict[Any, int]] = {"date": {}, "label": {}}

    def take(self, batch: pa.RecordBatch, albums: Array) -> None:
        """The next tracks, with the new numbers of their albums (0: none)."""
        for name in ("date", "label"):
            if name in batch.schema.names:
                if name not in self._shared:
                    self._shared[name] = np.full(self._album_count + 1, _UNSEEN, np.int32)
                _join(albums, self._codes_of(name, batch.column(name)), self._shared[name])

    def settle(self, batch: pa.RecordBatch, albums: Array) -> None:
        """The next albums, with their new numbers: what has a date (label) of its own takes no other one."""
        for name, shared in self._shared.items():
            if name in batch.schema.names:
                codes, there = self._codes_of(name, batch.column(name)), np.asarray(batch.column(name).is_valid())
                own = albums[there & (codes != shared[albums])]
                shared[own] = _MIXED

    def _codes_of(self, name: str, column: pa.Array) -> Array:
        encoded = column.dictionary_encode()
        known = self._codes[name]
        codes = np.array([*(known.setdefault(value, len(known)) for value in encoded.dictionary.to_pylist()), _MIXED], np.int32)
        return codes[pc.fill_null(encoded.indices, len(codes) - 1).to_numpy()]

    def lower(self, name: str, column: pa.Array, albums: Array) -> pa.Array:
        """The tracks' own column without what has moved to their albums."""
        if name not in self._shared:
            return column
        moved = np.empty(len(albums), bool)
        self._shared[name][0] = _MIXED
        _is_shared(albums, self._shared[name], moved)
        return pc.if_else(pa.array(moved), pa.scalar(None, column.type), column)

    def lift(self, name: str, column: pa.Array | None, albums: Array, kind: pa.DataType, labels: Renumbering) -> pa.Array | None:
        """The albums' own column with what has moved to them; `albums` are their new numbers, labels get theirs from `labels`."""
        if name not in self._shared:
            return column
        known = list(self._codes[name])
        if name == "label":
            known = labels.apply(np.array([number or 0 for number in known], np.int64)).tolist()
        values = pa.array(known or [None], kind)
        codes = self._shared[name][albums]
        moved = values.take(pa.array(codes, mask=codes < 0))
        return moved if column is None else pc.coalesce(column.cast(kind), moved)
