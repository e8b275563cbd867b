"""Every digest of what is written, taken from the bytes as they pass, so that nothing is read a second time."""

from __future__ import annotations

import hashlib
from typing import Protocol

from fonoteca.ground.errors import SettingsError

Buffer = bytes | bytearray | memoryview

BLOCK_BYTES = 16 * 1024
"""The leaf of BitTorrent v2's Merkle trees (BEP 52)."""

HELD_HASHES = 1 << 18
"""Above this many hashes (8 MiB, 4 GiB of file) a MerkleHasher folds its lowest level away, so its memory does not grow."""

FOLD_LEAVES = 1024
"""Leaves that a MerkleHasher keeps before it joins them to the hashes above."""


class Digest(Protocol):
    """Anything that takes bytes in order."""

    def update(self, data: Buffer, /) -> None:
        """Take the next bytes."""


class FileDigest:
    """SHA-256 and size of one file."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def update(self, data: Buffer, /) -> None:
        """Take the next bytes; any buffer, never copied."""
        self._hash.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Lower-case hex over all bytes so far."""
        return self._hash.hexdigest()


class PieceHasher:
    """SHA-1 of each piece of a BitTorrent v1 stream (BEP 3): the files of a torrent one after the other."""

    def __init__(self, piece_length: int) -> None:
        if piece_length <= 0:
            raise SettingsError(f"a piece of {piece_length} bytes cannot be", "Leave piece_length out, or set a power of two from 16384.")
        self.piece_length = piece_length
        self.size = 0
        self._pieces = bytearray()
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._room = piece_length

    def update(self, data: Buffer, /) -> None:
        """Take the next bytes; any buffer, never copied."""
        length = len(data)
        self.size += length
        if length < self._room:
            self._hash.update(data)
            self._room -= length
            return
        view = memoryview(data)
        start = 0
        while length - start >= self._room:
            self._hash.update(view[start : start + self._room])
            start += self._room
            self._close_piece()
        if start < length:
            self._hash.update(view[start:])
            self._room -= length - start

    def _close_piece(self) -> None:
        self._pieces += self._hash.digest()
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._room = self.piece_length

    def finish(self) -> bytes:
        """20 bytes a piece, the short last one included; nothing for an empty stream. May be called again."""
        if self._room == self.piece_length:
            return bytes(self._pieces)
        return bytes(self._pieces) + self._hash.digest()


class MerkleHasher:
    """BitTorrent v2 tree (BEP 52) over one file whose size is not known beforehand."""

    def __init__(self) -> None:
        self.size = 0
        self._level = 0
        self._hashes: list[bytes] = []
        self._leaves: list[bytes] = []
        self._rest = bytearray()

    def update(self, data: Buffer, /) -> None:
        """Take the next bytes; whole blocks are hashed without copying."""
        view = memoryview(data)
        self.size += len(view)
        start = 0
        if self._rest:
            start = min(BLOCK_BYTES - len(self._rest), len(view))
            self._rest += view[:start]
            if len(self._rest) < BLOCK_BYTES:
                return
            self._leaves.append(hashlib.sha256(self._rest).digest())
            self._rest = bytearray()
        whole = start + (len(view) - start) // BLOCK_BYTES * BLOCK_BYTES
        sha256 = hashlib.sha256
        self._leaves += [sha256(view[at : at + BLOCK_BYTES]).digest() for at in range(start, whole, BLOCK_BYTES)]
        self._rest += view[whole:]
        if len(self._leaves) >= max(FOLD_LEAVES, 1 << self._level):
            self._fold_leaves()

    def _fold_leaves(self) -> None:
        whole = len(self._leaves) >> self._level << self._level
        self._hashes += _rise(self._leaves[:whole], 0, self._level)
        del self._leaves[:whole]
        while len(self._hashes) > HELD_HASHES and len(self._hashes) % 2 == 0:
            self._hashes = _pair(self._hashes)
            self._level += 1

    def finish(self, piece_length: int) -> tuple[bytes, bytes]:
        """Root of the tree and the layer at `piece_length`, 32 bytes a piece; the layer is empty for a file of one piece,
        both for an empty file. SettingsError where pieces are smaller than what was still held (never above 1/2^17 of the size)."""
        if piece_length < BLOCK_BYTES or piece_length & (piece_length - 1):
            raise SettingsError(
                f"a piece of {piece_length} bytes cannot be in a hybrid torrent", "Set piece_length to a power of two from 16384."
            )
        if not self.size:
            return b"", b""
        piece_level = (piece_length // BLOCK_BYTES).bit_length() - 1
        if piece_level < self._level:
            raise SettingsError(f"pieces of {piece_length} bytes are too small for {self.size} bytes", "Leave piece_length out.")
        leaves = [*self._leaves, hashlib.sha256(self._rest).digest()] if self._rest else self._leaves
        hashes = self._hashes + _rise(leaves, 0, self._level)
        if self.size <= piece_length:
            return _root(hashes, self._level), b""
        layer = _rise(hashes, self._level, piece_level)
        return _root(layer, piece_level), b"".join(layer)


def _pair(hashes: list[bytes]) -> list[bytes]:
    sha256 = hashlib.sha256
    return [sha256(left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)]


def _zero_hash(level: int) -> bytes:
    """Root of a tree of 2^level leaves beyond the end of the file, which are 32 zero bytes each."""
    digest = bytes(32)
    for _ in range(level):
        digest = hashlib.sha256(digest + digest).digest()
    return digest


def _rise(hashes: list[bytes], level: int, target: int) -> list[bytes]:
    """The hashes at `target` over those at `level`, filled up with what lies beyond the end of the file."""
    for at in range(level, target):
        hashes = _pair([*hashes, _zero_hash(at)] if len(hashes) % 2 else hashes)
    return hashes


def _root(hashes: list[bytes], level: int) -> bytes:
    while len(hashes) > 1:
        hashes = _rise(hashes, level, level + 1)
        level += 1
    return hashes[0]
