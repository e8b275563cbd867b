"""Bencoding (BEP 3), written small and read without trust: bounded depth, bounded numbers, nothing left over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from fonoteca.ground.errors import TorrentFormatError

Encodable: TypeAlias = int | str | bytes | Sequence["Encodable"] | Mapping[bytes, "Encodable"]
Decoded: TypeAlias = int | bytes | list["Decoded"] | dict[bytes, "Decoded"]

MAX_DEPTH = 100
"""Nesting that is read; a hybrid torrent needs as many levels as its folders."""

_NUMBER = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")
_LENGTH = re.compile(rb"([0-9]{1,10}):")


def encode(value: Encodable) -> bytes:
    """The one bencoding of `value`: keys sorted as bytes, text as UTF-8."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, Mapping):
        return b"d%be" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))
    return b"l%be" % b"".join(map(encode, value))


def decode_dictionary(data: bytes) -> tuple[dict[bytes, Decoded], dict[bytes, bytes]]:
    """The outermost dictionary, and the raw bytes of each of its values; TorrentFormatError for anything else."""
    if data[:1] != b"d":
        raise _bad(data, 0, "no dictionary")
    values: dict[bytes, Decoded] = {}
    raw: dict[bytes, bytes] = {}
    at = 1
    while data[at : at + 1] != b"e":
        key, start = _read_bytes(data, at)
        if key in values:
            raise _bad(data, at, f"key {key!r} stands twice")
        values[key], at = _read(data, start, 1)
        raw[key] = data[start:at]
    if at + 1 != len(data):
        raise _bad(data, at + 1, f"{len(data) - at - 1} bytes follow the end")
    return values, raw


def _bad(data: bytes, at: int, fact: str) -> TorrentFormatError:
    return TorrentFormatError(
        f"bad bencoding at byte {at} of {len(data)}: {fact}", "Fetch the file again; this is no torrent, or only a part of one."
    )


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    found = _LENGTH.match(data, at)
    if found is None:
        raise _bad(data, at, "no value starts here" if at < len(data) else "it ends too early")
    start = found.end()
    end = start + int(found[1])
    if end > len(data):
        raise _bad(data, at, f"needs {end - start} bytes, has {len(data) - start}")
    return data[start:end], end


def _read(data: bytes, at: int, depth: int) -> tuple[Decoded, int]:
    first = data[at : at + 1]
    if first == b"i":
        number = _NUMBER.match(data, at)
        if number is None:
            raise _bad(data, at, "no proper number")
        return int(number[1]), number.end()
    if first not in (b"l", b"d"):
        return _read_bytes(data, at)
    if depth >= MAX_DEPTH:
        raise _bad(data, at, f"nested deeper than {MAX_DEPTH} levels")
    return _read_list(data, at + 1, depth + 1) if first == b"l" else _read_mapping(data, at + 1, depth + 1)


def _read_list(data: bytes, at: int, depth: int) -> tuple[Decoded, int]:
    values: list[Decoded] = []
    while data[at : at + 1] != b"e":
        value, at = _read(data, at, depth)
        values.append(value)
    return values, at + 1


def _read_mapping(data: bytes, at: int, depth: int) -> tuple[Decoded, int]:
    values: dict[bytes, Decoded] = {}
    while data[at : at + 1] != b"e":
        key, start = _read_bytes(data, at)
        if key in values:
            raise _bad(data, at, f"key {key!r} stands twice")
        values[key], at = _read(data, start, depth)
    return values, at + 1
