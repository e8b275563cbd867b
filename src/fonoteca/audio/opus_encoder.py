"""Frames of any shape in, Opus packets of 20 ms out: resampled to 48 kHz and cut so that not one sample is lost or added."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from fonoteca.audio.decode import LAYOUTS
from fonoteca.audio.loudness import FilterChain, FrameShape, LoudnessMeter, shape_of
from fonoteca.audio.opus_stream import (
    FRAME_SAMPLES,
    MOST_CHANNELS,
    OPUS_RATE,
    find_encoder_bits,
    read_pre_skip,
    set_input_rate,
)

_TIME_BASE = Fraction(1, OPUS_RATE)
_FRAMES_AT_ONCE = 50
_LEAST_RATE = 1000  # Hz: a header that lies would make a file thousands of times its source


@functools.cache
def libopus_version() -> str:
    """What the libopus that PyAV brings calls itself, say "libopus 1.6.1"."""
    for library in sorted((Path(av.__file__).parent.parent / "av.libs").glob("libopus*")):
        ask = ctypes.CDLL(str(library)).opus_get_version_string
        ask.restype = ctypes.c_char_p
        return str(ask().decode("ascii", "replace"))
    return f"libopus of PyAV {av.__version__}"


def round_to_opus_rate(samples_by_rate: Mapping[int, int]) -> int:
    """Samples at 48 kHz that last as long as so many at each rate, halves rounded up."""
    duration = sum((Fraction(samples, rate) for rate, samples in samples_by_rate.items()), Fraction(0))
    return math.floor(duration * OPUS_RATE + Fraction(1, 2))


class OpusEncoder:
    """Takes every frame of one recording, then `finish`; its attributes are then final: `samples` at 48 kHz without pre-skip.

    Loudness is measured where it is not given, and where channels are mixed, which changes it. Mono stays mono; up to 8
    channels keep channel mapping family 1; more are mixed down to stereo. The encoder is told the time of every frame, and
    the end is filled with silence until pre-skip and all samples have come out.
    Raises av.FFmpegError or ValueError where FFmpeg refuses.
    """

    def __init__(self, opus_kbits: float, loudness_lufs: float | None = None) -> None:
        self.packets: list[bytes] = []
        self.samples = 0
        self.opus_head = b""
        self.description = ""
        self.loudness_lufs = loudness_lufs
        self._meter: LoudnessMeter | None = None
        self._kbits = opus_kbits
        self._source_samples: dict[int, int] = {}
        self._shape: FrameShape | None = None
        self._chain: FilterChain | None = None
        self._waiting: list[NDArray[np.float32]] = []
        self._resampled = self._encoded = 0

    def add(self, frame: AudioFrame) -> None:
        """Encode one more frame of any rate, format and layout."""
        shape = shape_of(frame)
        if shape != self._shape:
            self._start(shape)
        self._source_samples[frame.sample_rate] = self._source_samples.get(frame.sample_rate, 0) + frame.samples
        self._push(frame)

    def finish(self) -> None:
        """Encode what is left; nothing happens where no frame came."""
        if not self._chain:
            return
        self._push(None)
        if self._meter:
            self.loudness_lufs = self._meter.finish()
        self.samples = round_to_opus_rate(self._source_samples)
        pre_skip = read_pre_skip(self.opus_head)
        block = self._take()[:, : (self.samples - self._encoded) * self._channels]
        frames = -(-(pre_skip + self.samples) // FRAME_SAMPLES) - self._encoded // FRAME_SAMPLES
        padded = np.zeros((1, frames * FRAME_SAMPLES * self._channels), np.float32)
        padded[:, : block.shape[1]] = block
        self._encode(padded)

    def _start(self, shape: FrameShape) -> None:
        if self._chain:
            self._push(None)
        else:
            self._open(shape)
        self._shape, self._chain = shape, self._build_resampler(shape)

    def _open(self, shape: FrameShape) -> None:
        if shape.sample_rate < _LEAST_RATE:
            raise ValueError(f"the source claims {shape.sample_rate} Hz, the least that is encoded is {_LEAST_RATE}")
        channels = av.AudioLayout(shape.layout).nb_channels
        self._channels = channels if channels <= MOST_CHANNELS else 2
        self._layout = LAYOUTS[self._channels]
        if self.loudness_lufs is None or shape.layout != self._layout:
            self._meter = LoudnessMeter()
        bits = find_encoder_bits(self._kbits, self._channels)
        self._codec = _open_libopus(self._layout, bits, self._channels)
        self.opus_head = set_input_rate(bytes(self._codec.extradata or b""), shape.sample_rate)
        self.description = _describe(bits, shape.layout, self._layout)

    def _build_resampler(self, shape: FrameShape) -> FilterChain:
        resample = [("aresample", f"{OPUS_RATE}")] if shape.sample_rate != OPUS_RATE else []
        target = f"sample_fmts=flt:sample_rates={OPUS_RATE}:channel_layouts={self._layout}"
        return FilterChain(shape, *resample, ("aformat", target))

    def _push(self, frame: AudioFrame | None) -> None:
        for block in self._chain.push(frame) if self._chain else ():
            if self._meter:
                self._meter.add(block)
            self._waiting.append(cast(NDArray[np.float32], block.to_ndarray()))
            self._resampled += block.samples
        ready = (self._resampled - OPUS_RATE // 10 - self._encoded) // FRAME_SAMPLES  # the end may yet be cut
        if ready >= _FRAMES_AT_ONCE:
            samples = self._take()
            cut = ready * FRAME_SAMPLES * self._channels
            self._waiting = [samples[:, cut:]]
            self._encode(samples[:, :cut])

    def _take(self) -> NDArray[np.float32]:
        return np.concatenate(self._waiting, axis=1) if self._waiting else np.zeros((1, 0), np.float32)

    def _encode(self, block: NDArray[np.float32]) -> None:
        width = FRAME_SAMPLES * self._channels
        for start in range(0, block.shape[1], width):
            frame = AudioFrame.from_ndarray(block[:, start : start + width], format="flt", layout=self._layout)
            frame.sample_rate, frame.time_base, frame.pts = OPUS_RATE, _TIME_BASE, self._encoded
            self.packets.extend(bytes(packet) for packet in self._codec.encode(frame))
            self._encoded += FRAME_SAMPLES


def _open_libopus(layout: str, bits: int, channels: int) -> AudioCodecContext:
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = OPUS_RATE, layout, "flt"
    codec.time_base, codec.bit_rate, codec.thread_count = _TIME_BASE, bits, 1
    codec.options = {
        "application": "audio", "vbr": "constrained", "frame_duration": "20", "compression_level": "10",
        "mapping_family": "1" if channels > 2 else "0", "flags": "+bitexact",
    }  # fmt: skip
    codec.open()
    return codec


def _describe(bits: int, given: str, layout: str) -> str:
    settings = f"constrained VBR {bits / 1000:g} kbit/s, 20 ms, complexity 10, audio"
    mixed = f", {given} mixed to {layout}" if given != layout else ""
    return f"{libopus_version()} (PyAV {av.__version__}), {settings}{mixed}"
