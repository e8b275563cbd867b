"""How many samples the packets of Vorbis and Opus give, from their first bytes alone.

Needed once a stream: only the packets of its first audio page are looked at, to learn where the stream starts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from fonoteca.ground.errors import AudioFormatError

_VORBIS = struct.Struct("<7sIBIiiiBB")
_OPUS = struct.Struct("<8sBBHIhB")


class StreamHead(NamedTuple):
    """What the first packet says. `nominal` is bits per second or None; block sizes are those of Vorbis, in samples."""

    codec: str
    sample_rate: int
    channels: int
    pre_skip: int = 0
    nominal: int | None = None
    block_sizes: tuple[int, int] = (0, 0)


def read_vorbis_head(packet: bytes) -> StreamHead:
    """Read the identification packet (Vorbis I, section 4.2.2)."""
    if len(packet) < _VORBIS.size:
        raise AudioFormatError(f"the Vorbis identification packet needs {_VORBIS.size} bytes, has {len(packet)}")
    _, version, channels, rate, _, nominal, _, blocks, framing = _VORBIS.unpack_from(packet)
    short, long = blocks & 15, blocks >> 4
    if version or not channels or not rate or not framing & 1 or not 6 <= short <= long <= 13:
        raise AudioFormatError(f"the Vorbis identification packet makes no sense: version {version}, {channels} channels, {rate} Hz")
    return StreamHead("vorbis", rate, channels, 0, nominal if nominal > 0 else None, (1 << short, 1 << long))


def read_opus_head(packet: bytes) -> StreamHead:
    """Read OpusHead (RFC 7845, section 5.1); the sample rate is always 48,000."""
    if len(packet) < _OPUS.size:
        raise AudioFormatError(f"the OpusHead packet needs {_OPUS.size} bytes, has {len(packet)}")
    _, version, channels, pre_skip, _, _, family = _OPUS.unpack_from(packet)
    if version > 15 or not channels:
        raise AudioFormatError(f"the OpusHead packet makes no sense: version {version}, {channels} channels")
    if family and len(packet) < 21 + channels:
        raise AudioFormatError(f"the channel table of OpusHead needs {21 + channels} bytes, has {len(packet)}")
    return StreamHead("opus", 48_000, channels, pre_skip)


def count_opus_samples(packets: Sequence[bytes]) -> int:
    """Count the 48 kHz samples of Opus packets by their first bytes (RFC 6716, section 3.1)."""
    return sum(_opus_duration(packet) for packet in packets)


def _opus_duration(packet: bytes) -> int:
    if not packet:
        return 0
    configuration, code = packet[0] >> 3, packet[0] & 3
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:
        frame = (480, 960)[configuration & 1]
    else:
        frame = (120, 240, 480, 960)[configuration & 3]
    count = 1 if code == 0 else 2 if code < 3 else packet[1] & 63 if len(packet) > 1 else 0
    return frame * count


def count_vorbis_samples(packets: Sequence[bytes], setup: bytes, block_sizes: tuple[int, int]) -> int | None:
    """Count the samples that the first audio packets of a stream give; None where the modes cannot be told."""
    flags = _read_mode_flags(setup)
    if not flags:
        return None
    bits = (len(flags) - 1).bit_length()
    samples, before = 0, 0
    for packet in packets:
        mode = (packet[0] >> 1) & ((1 << bits) - 1) if packet else len(flags)
        if not packet or packet[0] & 1 or mode >= len(flags):
            continue  # decoders skip it
        block = block_sizes[flags[mode]]
        samples += (before + block) // 4 if before else 0
        before = block
    return samples


def _read_mode_flags(setup: bytes) -> list[bool]:
    """Read which modes use long blocks, backwards from the end of the setup packet (Vorbis I, section 4.2.4).

    The modes are its last part: 6 bits with their count, then 41 bits each: block flag, 16 zeros, 16 zeros, mapping.
    """
    bits = int.from_bytes(setup.rstrip(b"\0")[-400:], "little")
    end = bits.bit_length() - 1  # the framing bit is the last one set
    flags: list[bool] = []
    found: list[bool] = []
    while end - 41 >= 6 and len(flags) < 64:
        mode = bits >> (end - 41) & ((1 << 41) - 1)
        if mode >> 1 & 0xFFFFFFFF or mode >> 33 > 63:
            break
        flags.insert(0, bool(mode & 1))
        end -= 41
        if (bits >> (end - 6) & 63) + 1 == len(flags):
            found = list(flags)
    return found
