"""A second of music in every codec, made when the tests run."""

from __future__ import annotations

import io
import struct
from functools import cache

import av
import numpy
from mutagen.id3 import ID3
from numpy.typing import NDArray

CODECS = {
    "flac": ("flac", "flac", 44100), "mp3": ("mp3", "libmp3lame", 44100), "m4a": ("ipod", "aac", 44100),
    "aac": ("adts", "aac", 44100), "wav": ("wav", "pcm_s16le", 44100),
}  # fmt: skip
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0\x12\x16\xf1M"
    b"\0\0\0\x0cIDATx\x9cc` \x12\0\0\0*\0\x01\x8e\xa1\xcd\xc4\0\0\0\0IEND\xaeB`\x82"
)


def make_sound(seconds: float = 1.0, rate: int = 44100, seed: int = 1) -> NDArray[numpy.int16]:
    """Two channels of a chord with some noise, so that every codec has work to do."""
    time = numpy.arange(int(seconds * rate)) / rate
    noise = numpy.random.default_rng(seed).normal(0, 0.03, (2, len(time)))
    chord = sum(numpy.sin(2 * numpy.pi * pitch * time) for pitch in (220, 277.2, 329.6)) * 0.2
    return numpy.asarray((chord + noise) * 32767, numpy.int16)


def encode(sound: NDArray[numpy.int16], container: str, codec: str, rate: int, options: dict[str, str] | None = None) -> bytes:
    """The whole file that FFmpeg makes of it."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate, layout="stereo" if len(sound) == 2 else "mono")
        frame = av.AudioFrame.from_ndarray(numpy.ascontiguousarray(sound.T.reshape(1, -1)), "s16", stream.layout)
        frame.sample_rate, frame.pts = rate, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    return file.getvalue()


@cache
def sound_file(kind: str, seconds: float = 1.0, seed: int = 1) -> bytes:
    """One of CODECS as a file."""
    container, codec, rate = CODECS[kind]
    return encode(make_sound(seconds, rate, seed), container, codec, rate)


def copy_packets(data: bytes, source: str, container: str, options: dict[str, str] | None = None) -> bytes:
    """The same packets in another container."""
    file = io.BytesIO()
    with av.open(io.BytesIO(data), format=source) as reader, av.open(file, "w", format=container, options=options or {}) as writer:
        stream = writer.add_stream_from_template(reader.streams.audio[0])
        for packet in reader.demux(reader.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                writer.mux(packet)
    return file.getvalue()


def flip_bit(data: bytes, bit: int) -> bytes:
    """One bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def id3_bytes(tag: ID3, version: int = 4) -> bytes:
    """An ID3v2 tag by itself."""
    file = io.BytesIO()
    tag.save(file, v2_version=version, v1=0, padding=lambda info: 0)
    return file.getvalue()


def wav_bytes(frames: bytes, *, channels: int = 2, rate: int = 44100, bits: int = 16, extra: bytes = b"", size: int | None = None) -> bytes:
    """A plain WAV file, with chunks of one's own after the data and a data size that may lie."""
    layout = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    data = b"data" + struct.pack("<I", len(frames) if size is None else size) + frames + bytes(len(frames) % 2)
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout + data + extra
    return b"RIFF" + struct.pack("<I", len(body)) + body
