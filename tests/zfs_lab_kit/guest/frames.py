"""Frames between the host and the guest's agent: a length, a kind and a job, then so many bytes. Both sides import this file."""

from __future__ import annotations

import struct

HEAD = struct.Struct(">IBI")
HELLO, START, STDIN, KILL, OUT, ERR, END = range(7)
LARGEST = 64 * 1024
"""Bytes of a payload at most: what is longer goes in several frames."""


def pack(kind: int, job: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(len(payload), kind, job) + payload


class Unpacker:
    """Takes bytes as they come, gives whole frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Kind, job and payload of every frame that is whole now."""
        self._rest += data
        found = []
        at = 0
        while len(self._rest) - at >= HEAD.size:
            length, kind, job = HEAD.unpack_from(self._rest, at)
            if len(self._rest) - at - HEAD.size < length:
                break
            found.append((kind, job, bytes(self._rest[at + HEAD.size : at + HEAD.size + length])))
            at += HEAD.size + length
        del self._rest[:at]
        return found
