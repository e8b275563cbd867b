"""JSON arrays of strangers, entry by entry: what nobody asked for never stands in memory whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

LONGEST_ENTRY = 1 << 20
"""Bytes; entries of torrents.json have about 700."""

_SPACE = re.compile(rb"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def iterate_array(data: bytes) -> Iterator[bytes]:
    """The bytes of every entry. ValueError or RecursionError where the array ends, or where an entry is longer than may be."""
    at = _expect(data, 0, b"[")
    if data[at : at + 1] == b"]":
        _end(data, at)
        return
    entries = _Entries(data)
    while True:
        end = entries.end_of(at)
        yield data[at:end]
        at = _SPACE.match(data, end).end()  # type: ignore[union-attr]
        if data[at : at + 1] == b"]":
            _end(data, at)
            return
        at = _expect(data, at, b",")


def _expect(data: bytes, at: int, sign: bytes) -> int:
    """Behind this sign and the space around it."""
    start = _SPACE.match(data, at).end()  # type: ignore[union-attr]
    if data[start : start + 1] != sign:
        raise ValueError(f"no {sign.decode()!r} at byte {start}")
    return _SPACE.match(data, start + 1).end()  # type: ignore[union-attr]


def _end(data: bytes, at: int) -> None:
    if _SPACE.match(data, at + 1).end() != len(data):  # type: ignore[union-attr]
        raise ValueError(f"more follows its end at byte {at}")


class _Entries:
    """Finds where entries end, in a window of the data. Read as Latin-1 each byte is a character, and all signs of JSON are their own."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._text, self._begin = "", 0

    def end_of(self, at: int) -> int:
        """Behind the entry that starts here."""
        if self._begin <= at < self._begin + len(self._text):
            try:
                end = self._read(at)
            except ValueError:
                end = None  # it may go on behind the window
            if end is not None:
                return end
        self._text, self._begin = self._data[at : at + LONGEST_ENTRY].decode("latin-1"), at
        end = self._read(at)
        if end is None:
            raise ValueError(f"the entry at byte {at} is longer than {LONGEST_ENTRY} bytes")
        return end

    def _read(self, at: int) -> int | None:
        """None where a number may go on behind the window."""
        _, end = _DECODER.raw_decode(self._text, at - self._begin)
        return self._begin + end if end < len(self._text) or self._begin + end == len(self._data) else None
