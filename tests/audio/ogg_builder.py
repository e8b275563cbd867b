"""Builds small Ogg files, whole and hostile, from packets."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from functools import cache

import numpy
import soundfile

from fonoteca.audio.comments import build_comment_packet
from fonoteca.audio.ogg import CONTINUED, FIRST, LAST, NO_GRANULE, build_page, lacing_of, scan_pages
from fonoteca.audio.ogg_streams import read_packets

COMMENTS = (b"TITLE=A song", b"ARTIST=Somebody")
VORBIS_HEAD = b"\x01vorbis" + bytes.fromhex("00000000 02 44ac0000 00000000 00710200 00000000 b8 01")
OPUS_HEAD = b"OpusHead" + bytes.fromhex("01 02 3801 80bb0000 0000 00")
SETUP = b"\x05vorbis" + bytes(range(7, 250)) * 3
SOUND = [bytes([2 * number]) * (40 + 7 * number) for number in range(1, 21)]

Group = tuple[Sequence[bytes], int]
"""Packets that share pages, and the granule position of the page on which the last of them ends."""


def lay_pages(groups: Sequence[Group], serial: int = 77, first_number: int = 0, has_end: bool = True) -> bytes:
    """Build one stream; a group with more than 255 lacing values goes on over as many pages as it needs."""
    pages: list[tuple[int, bytes, bytes]] = []
    for packets, granule in groups:
        lacing, body = b"".join(lacing_of(len(packet)) for packet in packets), b"".join(packets)
        for start in range(0, max(1, len(lacing)), 255):
            values = lacing[start : start + 255]
            has_packet_end = values.count(255) < len(values)
            pages.append((granule if has_packet_end or not values else NO_GRANULE, values, body[: sum(values)]))
            body = body[sum(values) :]
    return _number_pages(pages, serial, first_number, has_end)


def _number_pages(pages: list[tuple[int, bytes, bytes]], serial: int, first_number: int, has_end: bool) -> bytes:
    built, is_open = [], False
    for number, (granule, values, body) in enumerate(pages):
        flags = (CONTINUED if is_open else 0) | (FIRST if number == 0 else 0) | (LAST if has_end and number == len(pages) - 1 else 0)
        built.append(build_page(flags, granule, serial, first_number + number, values, body))
        is_open = values[-1] == 255 if values else is_open
    return b"".join(built)


def vorbis_comments(comments: Sequence[bytes] = COMMENTS) -> bytes:
    """A comment packet of Vorbis."""
    return build_comment_packet("vorbis", b"Xiph.Org libVorbis I 20200704 (Reducing Environment)", comments)


def opus_comments(comments: Sequence[bytes] = COMMENTS, suffix: bytes = b"") -> bytes:
    """An OpusTags packet."""
    return build_comment_packet("opus", b"libopus 1.6.1", comments, suffix)


def vorbis_file(comments: bytes | None = None, sound: Sequence[bytes] = SOUND, serial: int = 77, has_end: bool = True) -> bytes:
    """A stream that is right as far as pages go; the sound is made up."""
    header = [([VORBIS_HEAD], 0), ([comments or vorbis_comments(), SETUP], 0)]
    return lay_pages([*header, *(([packet], 1024 * number) for number, packet in enumerate(sound, 1))], serial, has_end=has_end)


def opus_file(comments: bytes | None = None, sound: Sequence[bytes] = SOUND, serial: int = 78, head: bytes = OPUS_HEAD) -> bytes:
    """As `vorbis_file`, for Opus."""
    header = [([head], 0), ([comments or opus_comments()], 0)]
    return lay_pages([*header, *(([packet], 960 * number) for number, packet in enumerate(sound, 1))], serial)


@cache
def real_file(subtype: str = "VORBIS", seconds: float = 1.0, rate: int = 48_000) -> bytes:
    """A second of two tones, encoded by libsndfile."""
    times = numpy.arange(int(seconds * rate)) / rate
    sound = numpy.stack([numpy.sin(2750 * times), numpy.sin(3300 * times) * times], axis=1) * 0.4
    target = io.BytesIO()
    soundfile.write(target, sound, rate, format="OGG", subtype=subtype)
    return target.getvalue()


def audio_on_header_page(data: bytes, shared: int = 3) -> bytes:
    """Cut a Vorbis file into pages anew, with its first audio packets on the page where the headers end."""
    pages = scan_pages(data).pages
    packets = [packet.data for packet in read_packets(data, pages, 100_000)]
    last = max(page.granule for page in pages)
    groups: list[Group] = [(packets[:1], 0), (packets[1 : 3 + shared], 128 * shared)]
    rest = packets[3 + shared :]
    groups += [(rest[start : start + 10], 0) for start in range(0, len(rest), 10)]
    step = (last - 128 * shared) // (len(groups) - 2)
    return lay_pages(
        [(group, granule if index < 2 else last - step * (len(groups) - 1 - index)) for index, (group, granule) in enumerate(groups)]
    )


def png(width: int, height: int, padding: int = 0) -> bytes:
    """A PNG of one colour, with a text chunk of `padding` bytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    rows = zlib.compress((b"\0" + bytes(3 * width)) * height)
    text = chunk(b"tEXt", b"Comment\0" + b"x" * padding) if padding else b""
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + text + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def decode(data: bytes) -> numpy.ndarray:
    """Decode with libsndfile."""
    return soundfile.read(io.BytesIO(data), dtype="int16")[0]
