"""Loudness as tags: what a player adds to bring a track to the level that its format agrees on."""

from __future__ import annotations

from fonoteca.ground.things import AudioFormat

R128_LUFS, REPLAYGAIN_LUFS = -23.0, -18.0
"""The levels that R128 gains (RFC 7845, section 5.2.1) and ReplayGain 2.0 lead to."""


def r128_gain(loudness_lufs: float) -> int:
    """R128_TRACK_GAIN: what leads to −23 LUFS, in 1/256 dB, within 16 bits (RFC 7845, section 5.2.1)."""
    return max(-32768, min(32767, round(256 * (R128_LUFS - loudness_lufs))))


def track_gain_tags(
    format: AudioFormat | str, loudness_lufs: float | None, sample_peak: float | None = None
) -> tuple[tuple[str, str], ...]:
    """The comments that say how loud a track is: R128 in Opus, ReplayGain 2.0 elsewhere, whose peak is a positive linear number.

    Loudness that is not known gives none.
    """
    if loudness_lufs is None:
        return ()
    if format == "ogg-opus":
        return (("R128_TRACK_GAIN", str(r128_gain(loudness_lufs))),)
    peak = (("REPLAYGAIN_TRACK_PEAK", f"{sample_peak:.6f}"),) if sample_peak and sample_peak >= 0.000001 else ()
    return (("REPLAYGAIN_TRACK_GAIN", f"{REPLAYGAIN_LUFS - loudness_lufs:.2f} dB"), *peak)
