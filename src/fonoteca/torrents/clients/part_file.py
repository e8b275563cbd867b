"""The part file of libtorrent: pieces at the borders of wanted files, with bytes of files that are not wanted. Read only.

Layout (libtorrent 2.x, src/part_file.cpp; all numbers big-endian 32 bits): pieces of the torrent, bytes of a piece, then for each
piece its slot or 0xffffffff; the head is filled up to a multiple of 1,024 bytes; slots of a piece's length follow.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_NO_SLOT = 0xFFFFFFFF
_HEAD_STEP = 1024


class PartFile:
    """One `.INFOHASH.parts`, there or not."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, piece: int, offset: int, into: memoryview) -> bool:
        """Whether the bytes of a piece from `offset` were there and now stand in `into`."""
        try:
            with open(self._path, "rb", buffering=0) as file:
                pieces, piece_bytes = struct.unpack(">II", file.read(8))
                if piece >= pieces or offset + len(into) > piece_bytes:
                    return False
                (slot,) = struct.unpack(">I", os.pread(file.fileno(), 4, 8 + 4 * piece))
                head_bytes = -(-4 * (2 + pieces) // _HEAD_STEP) * _HEAD_STEP
                return slot != _NO_SLOT and os.preadv(file.fileno(), [into], head_bytes + slot * piece_bytes + offset) == len(into)
        except (OSError, struct.error):
            return False
