"""The checksum of Ogg pages (RFC 3533, section 6): CRC-32 with polynomial 0x04C11DB7, most significant bit first, start 0.

By anycrc, which multiplies without carry: 4.4 GB/s over pages of 4 kB, where zlib over bytes mirrored by numpy gave 1.4 (measured
2026-11).
"""

from __future__ import annotations

import anycrc

checksum = anycrc.CRC(32, 0x04C11DB7, 0, False, False, 0).calc
"""The checksum of a buffer as a number; a second argument is the checksum of what came before."""

_ZEROS = memoryview(bytes(65_536))


def page_crc(page: bytes | bytearray) -> bytes:
    """Give the four checksum bytes of a page as they stand in its header.

    The checksum field of `page` (bytes 22 to 25) must be zero.
    """
    return int(checksum(page)).to_bytes(4, "little")


def difference_crc(word: int, zeros: int) -> int:
    """Give what a page's checksum changes by where four bytes (little-endian `word`) change and `zeros` bytes follow them."""
    return int(checksum(_ZEROS[:zeros], checksum(word.to_bytes(4, "little"))))
