"""Ogg Opus files (RFC 7845) from finished packets: two header packets, then pages of one second with exact granule positions."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from fonoteca.audio.ogg import FIRST, LAST, build_page, lacing_of

OPUS_RATE = 48_000
"""Hz: the clock of granule positions, pre-skip and sample counts, whatever the source had."""

FRAME_SAMPLES = 960
"""20 ms at 48 kHz: what every packet we write holds."""

MOST_CHANNELS = 8
"""The largest layout of channel mapping family 1."""

_PACKETS_PER_PAGE = 50
_MOST_LACING = 255
_NOTHING_ENDS = -1
_QUIET_PASSAGES = 1.005  # what music leaves unused of a constrained rate: 0.0 to 1.2 % over 17 and 57 tracks (2026-11)


def set_input_rate(opus_head: bytes, sample_rate: int) -> bytes:
    """The same OpusHead with the rate of the source in its informational field and an output gain of 0."""
    return opus_head[:12] + struct.pack("<IH", sample_rate, 0) + opus_head[18:]


def read_pre_skip(opus_head: bytes) -> int:
    """Samples at 48 kHz that a player drops at the start."""
    return int(struct.unpack_from("<H", opus_head, 10)[0])


def build_opus_file(opus_head: bytes, opus_tags: bytes, packets: Sequence[bytes], *, samples: int, serial: int) -> Iterator[bytes]:
    """The pages of a file that plays exactly `samples` at 48 kHz; every packet holds 20 ms."""
    pre_skip = read_pre_skip(opus_head)
    yield build_page(FIRST, 0, serial, 0, lacing_of(len(opus_head)), opus_head)
    sequence = 1
    for lacing, body, is_end in _cut_lacing(opus_tags):
        yield build_page(0 if sequence == 1 else 1, 0 if is_end else _NOTHING_ENDS, serial, sequence, lacing, body)
        sequence += 1
    done = 0
    for group in _group_packets(packets):
        done += len(group)
        is_last = done == len(packets)
        granule = pre_skip + samples if is_last else done * FRAME_SAMPLES
        lacing = b"".join(lacing_of(len(packet)) for packet in group)
        yield build_page(LAST if is_last else 0, granule, serial, sequence, lacing, group)
        sequence += 1


def _cut_lacing(packet: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """One packet over as many pages as it needs: lacing, body, and whether it ends there."""
    lacing = lacing_of(len(packet))
    for start in range(0, len(lacing), _MOST_LACING):
        part = lacing[start : start + _MOST_LACING]
        yield part, packet[start * 255 : start * 255 + sum(part)], start + _MOST_LACING >= len(lacing)


def _group_packets(packets: Sequence[bytes]) -> Iterator[list[bytes]]:
    """At most a second, and at most what one segment table holds."""
    group: list[bytes] = []
    segments = 0
    for packet in packets:
        needed = len(packet) // 255 + 1
        if group and (len(group) == _PACKETS_PER_PAGE or segments + needed > _MOST_LACING):
            yield group
            group, segments = [], 0
        group.append(packet)
        segments += needed
    if group:
        yield group


def find_encoder_bits(opus_kbits: float, channels: int) -> int:
    """The bits per second to ask of libopus (constrained VBR) so that the file, pages included, has `opus_kbits`.

    Mono and stereo share a rate; more channels get half of it each. A page a second costs 27 bytes, a packet one lacing
    value per 255 bytes begun.
    """
    wanted = opus_kbits * 1000 * _QUIET_PASSAGES * max(2, channels) / 2
    lacing_values = 50 * (1 + int(wanted / 50 / 8) // 255)
    return round(min(wanted - 8 * (27 + lacing_values), 256_000 * channels))
