"""The token of a receive that was cut: which snapshot was on its way, from which base, and how far it came.

Written by OpenZFS as 1-CHECKSUM-LENGTH-HEX, where HEX is a zlib stream of a name-value list in the byte order of the machine
(module/zfs/dmu_send.c, module/nvpair/nvpair.c).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

import msgspec

from fonoteca.ground.errors import PoolOutputError

_LONGEST = 64 * 1024
_UINT64, _STRING = 8, 9
_NATIVE, _LITTLE = 0, 1


class ResumeToken(msgspec.Struct, frozen=True):
    """What a token says. `to_name` is the full name that the snapshot had at the source; `from_guid` is 0 for a full stream."""

    to_name: str
    to_guid: int
    from_guid: int = 0
    bytes_received: int = 0


def read_token(text: str) -> ResumeToken:
    """What the token says; PoolOutputError for anything that is none."""
    told: dict[str, int | str] = {}
    for name, value in _read_pairs(_unpack(text)):
        if name in told:
            raise _no_token(text, f"{name} stands twice")
        told[name] = value
    to_name, to_guid = told.get("toname"), told.get("toguid")
    from_guid, received = told.get("fromguid", 0), told.get("bytes", 0)
    if not (isinstance(to_name, str) and isinstance(to_guid, int) and isinstance(from_guid, int) and isinstance(received, int)):
        raise _no_token(text, "toname or toguid is missing")
    return ResumeToken(to_name, to_guid, from_guid, received)


def _unpack(text: str) -> bytes:
    match = re.fullmatch(r"1-[0-9a-f]{1,16}-([0-9a-f]{1,8})-((?:[0-9a-f]{2}){1,65536})", text)
    if match is None:
        raise _no_token(text, "not of the form 1-CHECKSUM-LENGTH-HEX")
    inflate = zlib.decompressobj()
    try:
        packed = inflate.decompress(bytes.fromhex(match[2]), _LONGEST)
    except zlib.error as error:
        raise _no_token(text, str(error)) from error
    if len(packed) != int(match[1], 16) or not inflate.eof:
        raise _no_token(text, f"{len(packed)} bytes where it says {int(match[1], 16)}")
    return packed


def _read_pairs(packed: bytes) -> Iterator[tuple[str, int | str]]:
    """Numbers and texts of a native, little-endian name-value list; pairs of other types are passed over."""
    if packed[:2] != bytes((_NATIVE, _LITTLE)):
        raise _no_token(packed[:8].hex(), "made on a machine of another byte order")
    at = 12  # four bytes of encoding, then version and flags
    while True:
        pair = packed[at : at + 16]
        if pair[:4] == bytes(4):
            return
        if len(pair) < 16:
            raise _no_token(packed[at:].hex(), "it ends within a pair")
        size, name_size, _, _, kind = struct.unpack("<ihhii", pair)
        value_at = 16 + (name_size + 7) // 8 * 8
        if not (name_size > 0 and value_at <= size <= len(packed) - at):
            raise _no_token(pair.hex(), "a pair of an impossible size")
        name, value = packed[at + 16 : at + 16 + name_size], packed[at + value_at : at + size]
        if kind == _UINT64 and len(value) >= 8:
            yield _text(name), int.from_bytes(value[:8], "little")
        elif kind == _STRING:
            yield _text(name), _text(value)
        at += size


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _no_token(text: str, fact: str) -> PoolOutputError:
    return PoolOutputError(
        f"the resume token {text[:60]!r} cannot be read: {fact}",
        "Run it again with --forget-partial: what arrived by halves is dropped and sent anew.",
    )
