"""Thousands of small valid audio files a second, each with a sound and tags of its own, for tests of load.

A template of noise per codec is encoded once; a file is a random sequence of its packets or frames, which decoders take in any
order: Opus packets and FLAC frames stand alone, and of Vorbis packets only long blocks between long blocks are used.
"""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy
import soundfile

FORMATS = ("ogg", "opus", "flac", "wav")
LICENCE = "https://creativecommons.org/licenses/by-sa/4.0/"
_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_COMMENT_PREFIX = {"ogg": b"\x03vorbis", "opus": b"OpusTags"}


def write_small_files(folder: Path, count: int, seed: int = 0, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """`count` files of about half a second under `folder`, a hundred to a subfolder; the same seed gives the same bytes.

    Nine in ten carry a free licence, and one ISRC in fifty stands in two files.
    """
    makers: dict[str, Callable[[random.Random, dict[str, str]], bytes]] = {
        "ogg": make_ogg_vorbis, "opus": make_ogg_opus, "flac": make_flac, "wav": make_wav
    }  # fmt: skip
    paths = []
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        name = formats[number % len(formats)]
        path = folder / f"{number // 100:04d}" / f"{number:06d}.{name}"
        if number % 100 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(makers[name](chance, make_tags(number)))
        paths.append(path)
    return paths


def make_tags(number: int) -> dict[str, str]:
    """Title, artist, album and the like of file `number`."""
    tags = {
        "TITLE": f"Piece {number}",
        "ARTIST": f"Player {number % 997}",
        "ALBUM": f"Album {number // 12}",
        "TRACKNUMBER": str(number % 12 + 1),
        "DATE": str(1950 + number % 75),
        "ISRC": f"QZ5AB{number // 100_000 % 100:02d}{(number - number % 50 if number % 50 == 1 else number) % 100_000:05d}",
    }
    return tags | {"LICENSE": LICENCE} if number % 10 else tags


def make_wav(chance: random.Random, tags: dict[str, str]) -> bytes:
    """Half a second of noise, 16 bit mono at 8 kHz, with a LIST INFO chunk."""
    sound = (_noise(chance, 4000) >> 3).astype("<i2").tobytes()
    named = {b"INAM": "TITLE", b"IART": "ARTIST", b"IPRD": "ALBUM", b"ICRD": "DATE", b"ICOP": "LICENSE"}
    info = b"".join(_chunk(key, tags[name].encode() + b"\0") for key, name in named.items() if name in tags)
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", b"INFO" + info) + _chunk(b"data", sound)
    return _chunk(b"RIFF", body)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _noise(chance: random.Random, samples: int) -> numpy.ndarray:
    return numpy.frombuffer(chance.randbytes(2 * samples), dtype="<i2")


def make_flac(chance: random.Random, tags: dict[str, str]) -> bytes:
    """About half a second of noise at 8 kHz as libFLAC writes it, with its MD5 and our comments."""
    buffer = io.BytesIO()
    soundfile.write(buffer, _noise(chance, 4000) >> 7, 8000, format="FLAC", subtype="PCM_16")
    data = buffer.getvalue()
    frames = _end_of_flac_metadata(data)
    comments = _comment_list(tags)
    return data[:4] + b"\0" + data[5:42] + struct.pack(">I", 0x84000000 | len(comments)) + comments + data[frames:]


def _end_of_flac_metadata(data: bytes) -> int:
    position, is_last = 4, False
    while not is_last:
        is_last = bool(data[position] & 0x80)
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
    return position


def make_ogg_vorbis(chance: random.Random, tags: dict[str, str]) -> bytes:
    """About half a second of noise, mono at 8 kHz."""
    headers, packets = _vorbis_template()
    block = 1 << (headers[0][28] >> 4)
    chosen = chance.choices(packets, k=4000 // (block // 2) + 1)
    return _write_ogg("ogg", headers, chosen, tags, (len(chosen) - 1) * block // 2, chance.getrandbits(31))


def make_ogg_opus(chance: random.Random, tags: dict[str, str]) -> bytes:
    """Half a second of noise, mono, in packets of 20 ms."""
    headers, packets = _opus_template()
    chosen = chance.choices(packets, k=26)
    pre_skip = int.from_bytes(headers[0][10:12], "little")
    return _write_ogg("opus", headers, chosen, tags, pre_skip + 24_000, chance.getrandbits(31))


@functools.cache
def _vorbis_template() -> tuple[list[bytes], list[bytes]]:
    packets = _read_packets(_encode_noise(8000, 40, "VORBIS"))
    # type 0 (audio), mode 1 (long block), the blocks before and after are long too: Vorbis I specification, 4.3.1
    return packets[:3], [packet for packet in packets[4:-1] if packet[0] & 0x0F == 0x0E]


@functools.cache
def _opus_template() -> tuple[list[bytes], list[bytes]]:
    packets = _read_packets(_encode_noise(48_000, 10, "OPUS"))
    first = packets[10][0]
    return packets[:2], [packet for packet in packets[10:-1] if packet[0] == first]


def _encode_noise(rate: int, seconds: int, codec: str) -> bytes:
    buffer = io.BytesIO()
    sound = _noise(random.Random(codec), rate * seconds) >> 3
    soundfile.write(buffer, sound, rate, format="OGG", subtype=codec)
    return buffer.getvalue()


def _read_packets(data: bytes) -> list[bytes]:
    packets, begun, position = [], b"", 0
    while position < len(data):
        lacing = data[position + 27 : position + 27 + data[position + 26]]
        position += 27 + len(lacing)
        for size in lacing:
            begun += data[position : position + size]
            position += size
            if size < 255:
                packets.append(begun)
                begun = b""
    return packets


def _comment_list(tags: dict[str, str]) -> bytes:
    entries = [f"{name}={value}".encode() for name, value in tags.items()]
    vendor = b"generated"
    head = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(entries))
    return head + b"".join(struct.pack("<I", len(entry)) + entry for entry in entries)


def _write_ogg(kind: str, headers: list[bytes], packets: list[bytes], tags: dict[str, str], granule: int, serial: int) -> bytes:
    comment = _COMMENT_PREFIX[kind] + _comment_list(tags) + (b"\x01" if kind == "ogg" else b"")
    pages = [_page([headers[0]], 2, 0, serial, 0), _page([comment, *headers[2:]], 0, 0, serial, 1)]
    return b"".join([*pages, _page(packets, 4, granule, serial, 2)])


def _page(packets: list[bytes], flags: int, granule: int, serial: int, sequence: int) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, serial, sequence)
    page = head + b"\0\0\0\0" + bytes([len(lacing)]) + lacing + b"".join(packets)
    return page[:22] + ogg_checksum(page).to_bytes(4, "little") + page[26:]


def ogg_checksum(page: bytes) -> int:
    """CRC of an Ogg page whose checksum field is zero (RFC 3533): polynomial 0x04C11DB7, most significant bit first, from 0."""
    reflected = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)
