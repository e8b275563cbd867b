"""Loudness against the definitions of EBU R128 and ITU-R BS.1770."""

from __future__ import annotations

import numpy as np
import pytest

from audio.sounds import as_file, noise, sine
from fonoteca.audio.decode import Decoded, decode_audio
from fonoteca.audio.gain_tags import r128_gain, track_gain_tags


def measure(sound: np.ndarray, rate: int = 48_000) -> Decoded:
    return decode_audio(as_file(sound, rate, "WAV", "PCM_24"), path="x", format="wav")


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("dbfs", [-23.0, -33.0, -6.0])
def test_stereo_sine_has_its_level_as_its_loudness(rate: int, dbfs: float) -> None:
    assert measure(sine(3 * rate, rate, dbfs=dbfs), rate).loudness_lufs == pytest.approx(dbfs, abs=0.1)


def test_mono_is_three_decibels_below_stereo() -> None:
    assert measure(sine(96_000, channels=1)).loudness_lufs == pytest.approx(-26.0, abs=0.1)


def test_quiet_half_is_gated_out() -> None:
    half_silent = np.concatenate([sine(240_000), np.zeros((240_000, 2))])
    assert measure(half_silent).loudness_lufs == pytest.approx(-23.0, abs=0.2)


def test_peak_is_the_largest_sample() -> None:
    sound = noise(48_000)
    sound[31_337, 1] = -0.75
    assert measure(sound).sample_peak == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize("sound", [sine(19_199), sine(96_000, dbfs=-80), np.zeros((96_000, 2))])
def test_too_short_or_too_quiet_has_no_loudness(sound: np.ndarray) -> None:
    assert measure(sound).loudness_lufs is None


def test_four_hundred_milliseconds_are_enough() -> None:
    assert measure(sine(19_200)).loudness_lufs == pytest.approx(-23.0, abs=0.1)


def test_gain_leads_to_minus_twenty_three_and_fits_sixteen_bits() -> None:
    assert [r128_gain(lufs) for lufs in (-23.0, -18.0, -28.5, -200.0, 200.0)] == [0, -1280, 1408, 32767, -32768]


def test_gain_tags_are_in_the_unit_of_their_format_and_a_peak_is_positive() -> None:
    assert track_gain_tags("ogg-opus", -20.0, 0.5) == (("R128_TRACK_GAIN", "-768"),)
    assert track_gain_tags("ogg-vorbis", -20.0, 0.5) == (("REPLAYGAIN_TRACK_GAIN", "2.00 dB"), ("REPLAYGAIN_TRACK_PEAK", "0.500000"))
    for peak in (None, 0.0, -1.0, 1e-9):
        assert track_gain_tags("ogg-vorbis", -10.5, peak) == (("REPLAYGAIN_TRACK_GAIN", "-7.50 dB"),)
    assert track_gain_tags("ogg-vorbis", None, 0.5) == ()
