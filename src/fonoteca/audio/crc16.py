"""CRC-16 with the polynomial x^16 + x^15 + x^2 + 1 (0x8005), as FLAC frames, MPEG audio frames and LAME tags use it.

Python has no such CRC built in. Here many frames are divided at once: 16-bit words are folded in pairs, hi * x^16 + lo, then the
results in pairs with x^32, and so on, each by one table of 65,536 products. About 400 MB/s where a loop over bytes gives 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy
from numpy.typing import NDArray

_POLYNOMIAL = 0x18005
_GROUP_BYTES = 1 << 19
_ROW_LEVELS = 11
_ROW_BYTES = 2 << _ROW_LEVELS
REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def remainders(frames: Sequence[bytes | memoryview]) -> list[int]:
    """Each frame, read as one polynomial, modulo 0x18005: zero where a frame ends with its own right CRC."""
    found: list[int] = []
    group: list[bytes | memoryview] = []
    longest = 0
    for frame in frames:
        if group and max(longest, len(frame)) * (len(group) + 1) > _GROUP_BYTES:
            found += _divide(group, longest)
            group, longest = [], 0
        group.append(frame)
        longest = max(longest, len(frame))
    return found + _divide(group, longest) if group else found


def crc16(data: bytes, start: int = 0) -> int:
    """The CRC, most significant bit first, of at least two bytes, from the register value `start`."""
    first = int.from_bytes(data[:2], "big") ^ start
    padding = -(len(data) + 2) % _ROW_BYTES
    padded = b"".join((bytes(padding), first.to_bytes(2, "big"), data[2:], b"\0\0"))
    rows = remainders([memoryview(padded)[at : at + _ROW_BYTES] for at in range(0, len(padded), _ROW_BYTES)])
    return int(_fold(numpy.array([rows], numpy.uint16), _ROW_LEVELS)[0])


def crc16_reflected(data: bytes, start: int = 0) -> int:
    """The CRC, least significant bit first (CRC-16/ARC), of at least two bytes: what the LAME tag holds."""
    return _reverse16(crc16(data.translate(REVERSED_BITS), _reverse16(start)))


def _reverse16(value: int) -> int:
    return int(f"{value:016b}"[::-1], 2)


def _divide(frames: Sequence[bytes | memoryview], longest: int) -> list[int]:
    width = longest + longest % 2
    rows = bytearray(width * len(frames))
    for number, frame in enumerate(frames):
        end = (number + 1) * width
        rows[end - len(frame) : end] = frame
    words = numpy.frombuffer(rows, ">u2").astype(numpy.uint16).reshape(len(frames), width // 2)
    return [int(word) for word in _fold(words)]


def _fold(words: NDArray[numpy.uint16], level: int = 0) -> NDArray[numpy.uint16]:
    """One remainder for each row of words, where neighbours stand x^(16 * 2^level) apart."""
    while words.shape[1] > 1:
        if words.shape[1] % 2:
            words = numpy.hstack((numpy.zeros((words.shape[0], 1), numpy.uint16), words))
        words = numpy.take(_products(level), words[:, ::2]) ^ words[:, 1::2]
        level += 1
    return words[:, 0] if words.shape[1] else numpy.zeros(words.shape[0], numpy.uint16)


@cache
def _products(level: int) -> NDArray[numpy.uint16]:
    """For each 16-bit value: value * x^(16 * 2^level) modulo the polynomial."""
    power = 1
    for _ in range(16):
        power = _times_x(power)
    for _ in range(level):
        power = _multiply(power, power)
    table = numpy.zeros(1, numpy.uint16)
    for _ in range(16):
        table = numpy.concatenate((table, table ^ numpy.uint16(power)))
        power = _times_x(power)
    return table


def _times_x(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value & 0x10000 else value


def _multiply(one: int, other: int) -> int:
    product = 0
    for bit in range(15, -1, -1):
        product = _times_x(product)
        if other >> bit & 1:
            product ^= one
    return product
