"""Loudness as tags: what a player adds to bring a track to the level that its format agrees on, and whether tags can be true."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from fonoteca.ground.findings import Finding
from fonoteca.ground.things import AudioFormat

R128_LUFS, REPLAYGAIN_LUFS = -23.0, -18.0
"""The levels that R128 gains (RFC 7845, section 5.2.1) and ReplayGain 2.0 lead to."""

_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")
_PEAKS = {"replaygain_track_peak": "replaygain_track_gain", "replaygain_album_peak": "replaygain_album_gain"}
_R128_TAGS = ("R128_TRACK_GAIN", "R128_ALBUM_GAIN")


def r128_gain(loudness_lufs: float) -> int:
    """R128_TRACK_GAIN: what leads to −23 LUFS, in 1/256 dB, within 16 bits (RFC 7845, section 5.2.1)."""
    return max(-32768, min(32767, round(256 * (R128_LUFS - loudness_lufs))))


def track_gain_tags(
    format: AudioFormat | str, loudness_lufs: float | None, sample_peak: float | None = None
) -> tuple[tuple[str, str], ...]:
    """The comments that say how loud a track is: R128 in Opus, ReplayGain 2.0 elsewhere, whose peak is a positive linear number.

    Loudness that is not known gives none.
    """
    if loudness_lufs is None or not math.isfinite(loudness_lufs):
        return ()
    if format == "ogg-opus":
        return (("R128_TRACK_GAIN", str(r128_gain(loudness_lufs))),)
    peak = (("REPLAYGAIN_TRACK_PEAK", f"{sample_peak:.6f}"),) if sample_peak and 0.000001 <= sample_peak < math.inf else ()
    return (("REPLAYGAIN_TRACK_GAIN", f"{REPLAYGAIN_LUFS - loudness_lufs:.2f} dB"), *peak)


def check_gain_tags(tags: Mapping[str, Sequence[str]], *, path: str) -> tuple[Finding, ...]:
    """The note `odd-gain` for each gain tag that cannot be true; see judge_gain_tags."""
    return tuple(Finding("odd-gain", path, fact) for fact in judge_gain_tags(tags))


def judge_gain_tags(tags: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What cannot be true of gain tags, names in any case: a peak is a positive number and no copy of the gain, an R128 gain
    an integer of 16 bits."""
    values = {name.lower(): [value.strip() for value in given] for name, given in tags.items()}
    yield from _judge_peaks(values)
    yield from _judge_r128(values)


def _judge_peaks(values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for peak_name, gain_name in _PEAKS.items():
        for peak in values.get(peak_name, ()):
            if peak in values.get(gain_name, ()) or peak.lower().endswith("db"):
                yield f"{peak_name} is a copy of the gain: {peak[:40]!r}"
            elif not _is_positive(peak):
                yield f"{peak_name} is no positive number: {peak[:40]!r}"
        yield from (f"{gain_name} is no number: {gain[:40]!r}" for gain in values.get(gain_name, ()) if not _NUMBER.match(gain))


def _is_positive(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and 0 < float(text) < math.inf


def _judge_r128(values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name in _R128_TAGS:
        for gain in values.get(name.lower(), ()):
            if not re.fullmatch(r"[-+]?[0-9]{1,5}", gain) or not -32768 <= int(gain) <= 32767:
                yield f"{name} is no integer of 16 bits: {gain[:40]!r}"
