"""Integrated loudness (EBU R128) and sample peak of frames as they come out of a decoder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

SILENT_PEAK = 10 ** (-90 / 20)
"""Linear peak of −90 dBFS, just above the last bit of 16: what never passes it is silence."""

_GATE_LUFS = -70.0  # EBU R128: blocks below never count; FFmpeg answers with it or less when none did


class FrameShape(NamedTuple):
    """What has to stay the same for a filter graph to go on: rate in Hz, sample format, channel layout."""

    sample_rate: int
    format: str
    layout: str


def shape_of(frame: AudioFrame) -> FrameShape:
    """The rate, sample format and layout of a decoded frame."""
    return FrameShape(frame.sample_rate, frame.format.name, frame.layout.name)


class FilterChain:
    """FFmpeg filters in a row, for frames of one shape."""

    def __init__(self, shape: FrameShape, *filters: tuple[str, str]) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        self._entry = last = self._graph.add_abuffer(
            sample_rate=shape.sample_rate, format=shape.format, layout=shape.layout, time_base=Fraction(1, shape.sample_rate)
        )
        for name, arguments in filters:
            following = self._graph.add(name, arguments)
            last.link_to(following)
            last = following
        self._outlet = self._graph.add("abuffersink")
        last.link_to(self._outlet)
        self._graph.configure()

    def push(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """Put one frame in, or None at the end; gives all that is ready to come out."""
        self._entry.push(frame)
        while True:
            try:
                yield cast(AudioFrame, self._outlet.pull())
            except (av.BlockingIOError, av.EOFError):
                return


class LoudnessMeter:
    """Takes every frame of one recording; gives its loudness and peak.

    A stream that changes rate or layout midway (chained Ogg) has a peak but no loudness.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._lufs: float | None = None
        self._shape: FrameShape | None = None
        self._chain: FilterChain | None = None
        self._has_changed = False

    def add(self, frame: AudioFrame) -> None:
        """Measure one more frame; its pts must be in samples from the start, or None."""
        shape = shape_of(frame)
        if shape != self._shape:
            self._has_changed = self._chain is not None
            self._push(None)
            self._shape, self._chain = shape, FilterChain(shape, ("ebur128", "metadata=1:framelog=quiet"))
        self._push(frame)

    def finish(self) -> float | None:
        """Integrated LUFS; None where all is below the gate, shorter than one 400 ms block, or not of one shape."""
        self._push(None)
        if self._has_changed or self._lufs is None or not self._lufs > _GATE_LUFS or math.isinf(self._lufs):
            return None
        return self._lufs

    def _push(self, frame: AudioFrame | None) -> None:
        for block in self._chain.push(frame) if self._chain else ():
            self.peak = max(self.peak, float(np.abs(block.to_ndarray()).max(initial=0.0)))
            lufs = block.metadata.get("lavfi.r128.I")
            if lufs is not None:
                self._lufs = float(lufs)
