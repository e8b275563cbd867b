"""Sounds of known content for the tests of decoding and encoding."""

from __future__ import annotations

import io
import math

import av
import numpy as np
import soundfile
from numpy.typing import NDArray


def sine(samples: int, rate: int = 48000, *, channels: int = 2, hertz: float = 997.0, dbfs: float = -23.0) -> NDArray[np.float64]:
    """The same sine in every channel, peak at `dbfs`: shape (samples, channels)."""
    wave = 10 ** (dbfs / 20) * np.sin(2 * math.pi * hertz * np.arange(samples) / rate)
    return np.repeat(wave[:, None], channels, axis=1)


def noise(samples: int, *, channels: int = 2, dbfs: float = -12.0, seed: int = 1) -> NDArray[np.float64]:
    """White noise, other in every channel, never above `dbfs`."""
    return np.random.default_rng(seed).uniform(-1, 1, (samples, channels)) * 10 ** (dbfs / 20)


def as_file(sound: NDArray[np.float64], rate: int, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """The bytes of a sound file that libsndfile writes: WAV, FLAC, OGG with VORBIS or OPUS, MP3, RF64, W64."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, sound.shape[1], subtype, format=container) as writer:
        for start in range(0, len(sound), rate):  # libsndfile crashes on long Vorbis blocks
            writer.write(sound[start : start + rate])
    return buffer.getvalue()


def as_aac(sound: NDArray[np.float64], rate: int, container: str) -> bytes:
    """The bytes of an AAC file in `container` "adts" or "ipod" (M4A)."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream("aac", rate=rate, layout="stereo" if sound.shape[1] == 2 else "mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T.astype(np.float32)), format="fltp", layout=stream.layout.name)
        frame.sample_rate, frame.pts = rate, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()
