"""Integrated loudness (EBU R128) and sample peak of frames as they come out of a decoder."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext

REFERENCE_LUFS = -23.0
"""The level that R128 gains lead to (RFC 7845 section 5.2.1)."""

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


def build_chain(shape: FrameShape, *filters: tuple[str, str]) -> tuple[Graph, FilterContext, FilterContext]:
    """A graph of the filters in a row: itself, where frames of `shape` go in, and where they come out."""
    graph = Graph()
    graph.threads = 1
    entry = graph.add_abuffer(
        sample_rate=shape.sample_rate, format=shape.format, layout=shape.layout, time_base=Fraction(1, shape.sample_rate)
    )
    last = entry
    for name, arguments in filters:
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    outlet = graph.add("abuffersink")
    last.link_to(outlet)
    graph.configure()
    return graph, entry, outlet


class LoudnessMeter:
    """Takes every frame of one recording; gives its loudness and peak.

    A stream that changes rate or layout midway (chained Ogg) has a peak but no loudness.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._lufs: float | None = None
        self._shape: FrameShape | None = None
        self._has_changed = False

    def add(self, frame: AudioFrame) -> None:
        """Measure one more frame; its pts must be in samples from the start, or None."""
        shape = shape_of(frame)
        if shape != self._shape:
            self._start(shape)
        self._entry.push(frame)
        self._drain()

    def finish(self) -> float | None:
        """Integrated LUFS; None where all is below the gate, shorter than one 400 ms block, or not of one shape."""
        if self._shape:
            self._entry.push(None)
            self._drain()
        if self._has_changed or self._lufs is None or self._lufs <= _GATE_LUFS:
            return None
        return self._lufs

    def _start(self, shape: FrameShape) -> None:
        if self._shape:
            self._entry.push(None)
            self._drain()
            self._has_changed = True
        self._shape = shape
        self._graph, self._entry, self._outlet = build_chain(shape, ("ebur128", "metadata=1:framelog=quiet"))

    def _drain(self) -> None:
        while True:
            try:
                block = self._outlet.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            self.peak = max(self.peak, float(np.abs(block.to_ndarray()).max(initial=0.0)))  # type: ignore[union-attr]
            lufs = block.metadata.get("lavfi.r128.I")
            if lufs is not None:
                self._lufs = float(lufs)
