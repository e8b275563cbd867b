"""Public ids by the million: digests made one by one, written in base 57 all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ALPHABET = np.frombuffer(b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", np.uint8)
_PLACES = {chr(letter): place for place, letter in enumerate(ALPHABET)}
_FIVE = np.uint64(57**5)
_KEY_BITS = 63
ID_CHARACTERS = 22


def digest_of(kind: str, parts: Sequence[str]) -> bytes:
    """The 16 bytes that an id is written from, as fonoteca.catalogue.identifiers makes them."""
    lines = "".join([f"{len(part) if part.isascii() else len(part.encode('utf-8', 'replace'))}:{part}," for part in (kind, *parts)])
    return hashlib.sha256(lines.encode("utf-8", "replace")).digest()[:16]


def digest_of_id(public_id: str) -> bytes:
    """The 16 bytes of an id that was given; of the few above 2^128, which no digest makes, the lowest 16."""
    number = 0
    for letter in public_id:
        number = number * 57 + _PLACES[letter]
    return (number & ((1 << 128) - 1)).to_bytes(16)


def key_of(digest: bytes) -> int:
    """The first 63 bits, by which tables are joined."""
    return int.from_bytes(digest[:8]) >> 1


def keys_of(digests: bytes) -> NDArray[np.int64]:
    """key_of for digests that follow one another."""
    return (np.frombuffer(digests, ">u8")[::2] >> np.uint64(1)).astype(np.int64)


def ids_of(digests: bytes) -> pa.Array:
    """The public ids of digests that follow one another."""
    limbs = np.frombuffer(digests, ">u4").reshape(-1, 4).astype(np.uint64)
    count = len(limbs)
    letters = np.empty((count, ID_CHARACTERS), np.uint8)
    columns = [limbs[:, place].copy() for place in range(4)]
    for group in range(5):
        rest = _divide(columns)
        for place in range(5):
            at = ID_CHARACTERS - 1 - group * 5 - place
            if at < 0:
                break
            letters[:, at] = ALPHABET[rest % np.uint64(57)]
            rest = rest // np.uint64(57)
    offsets = np.arange(0, (count + 1) * ID_CHARACTERS, ID_CHARACTERS, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))


def _divide(columns: list[NDArray[Any]]) -> NDArray[Any]:
    """Long division of 128-bit numbers in four columns by 57^5, in place; gives the remainders."""
    rest = np.zeros(len(columns[0]), np.uint64)
    for place in range(4):
        whole = (rest << np.uint64(32)) | columns[place]
        columns[place] = whole // _FIVE
        rest = whole - columns[place] * _FIVE
    return rest
