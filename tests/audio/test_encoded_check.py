"""The check after encoding: it passes what is right and names everything that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.sounds import as_file, noise
from fonoteca.audio.decode import decode_audio
from fonoteca.audio.encode import EncodedOpus, OpusRequest, encode_opus
from fonoteca.audio.encoded_check import check_encoded, encode_and_check
from fonoteca.audio.gain_tags import check_gain_tags, track_gain_tags

TAGS = (("TITLE", "One"), ("ARTIST", "A"), ("ARTIST", "B"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "noise.wav"
    path.write_bytes(as_file(noise(66_150), 44_100))
    return path


@pytest.fixture(scope="module")
def made(source: Path) -> EncodedOpus:
    return encode_and_check(source, OpusRequest(format="wav", opus_kbits=75.0, serial=3, comments=TAGS))


def facts(made: EncodedOpus, **other: object) -> str:
    """All facts found, with `other` in place of what is true of the file."""
    told: dict[str, object] = {
        "data": made.data, "expected_samples": made.samples, "source_loudness_lufs": made.loudness_lufs, "comments": TAGS, **other
    }  # fmt: skip
    found = check_encoded(path="x", **told)  # type: ignore[arg-type]
    assert {one.code for one in found} <= {"encode-check-failed"}
    return "\n".join(one.fact for one in found)


def test_whole_file_passes(made: EncodedOpus) -> None:
    assert made.data
    assert made.findings == ()


def test_wrong_length_is_named(made: EncodedOpus) -> None:
    assert "the source has 72001" in facts(made, expected_samples=made.samples + 1)


def test_loudness_may_differ_by_one_unit(made: EncodedOpus) -> None:
    encoded = decode_audio(made.data, path="x", format="ogg-opus").loudness_lufs
    assert encoded is not None
    assert facts(made, source_loudness_lufs=encoded + 0.9) == ""
    assert "loudness" in facts(made, source_loudness_lufs=encoded + 1.2)


def test_lost_tag_is_named(made: EncodedOpus) -> None:
    assert "ALBUM" in facts(made, comments=(*TAGS, ("ALBUM", "x")))


def test_replaygain_in_the_file_is_named(made: EncodedOpus) -> None:
    assert "does not belong" in facts(made, data=made.data.replace(b"R128_TRACK_GAIN", b"REPLAYGAIN_GAIN"))


def test_gain_that_is_no_integer_is_named(made: EncodedOpus) -> None:
    place = made.data.index(b"R128_TRACK_GAIN=") + 16
    assert "no integer" in facts(made, data=made.data[:place] + b"x" + made.data[place + 1 :])


def test_missing_gain_is_named(source: Path) -> None:
    made = encode_opus(source, OpusRequest(format="wav", opus_kbits=75.0, comments=TAGS, loudness_lufs=-20.0))
    assert "0 times" in facts(made, data=made.data.replace(b"R128_TRACK_GAIN", b"X128_TRACK_GAIN"))


@given(chance=st.randoms(use_true_random=False))
def test_any_flipped_bit_is_found(made: EncodedOpus, chance: object) -> None:
    data = bytearray(made.data)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)  # type: ignore[attr-defined]
    assert facts(made, data=bytes(data))


@given(cut=st.integers(0, 10_000))
def test_any_truncation_is_found(made: EncodedOpus, cut: int) -> None:
    assert facts(made, data=made.data[: min(cut, len(made.data) - 1)])


def test_failed_check_gives_no_data(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fonoteca.audio.encoded_check.MOST_LOUDNESS_CHANGE_LU", 0.0)
    made = encode_and_check(source, OpusRequest(format="wav", opus_kbits=75.0, loudness_lufs=-60.0))
    assert ([found.code for found in made.findings], made.data) == (["encode-check-failed"], b"")


def test_unusable_source_is_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert [found.code for found in encode_and_check(path, OpusRequest(format="flac", opus_kbits=75.0)).findings] == ["no-sound"]


@pytest.mark.parametrize(
    "tags",
    [
        {"replaygain_track_peak": ("0.988",), "replaygain_track_gain": ("-7.1 dB",)},
        {"REPLAYGAIN_ALBUM_PEAK": ("1.2e0",), "REPLAYGAIN_ALBUM_GAIN": ("+0.50 dB",)},
        {"r128_track_gain": ("-1280",)},
        {},
    ],
)
def test_true_gain_tags_pass(tags: dict[str, tuple[str, ...]]) -> None:
    assert check_gain_tags(tags, path="x") == ()


@pytest.mark.parametrize(
    ("tags", "fact"),
    [
        ({"replaygain_album_peak": ("-7.10 dB",), "replaygain_album_gain": ("-7.10 dB",)}, "copy of the gain"),
        ({"replaygain_album_peak": ("3.2",), "replaygain_album_gain": ("3.2",)}, "copy of the gain"),
        ({"replaygain_track_peak": ("-0.9",)}, "no positive number"),
        ({"replaygain_track_peak": ("0",)}, "no positive number"),
        ({"replaygain_track_peak": ("nan",)}, "no positive number"),
        ({"replaygain_track_peak": ("1e999",)}, "no positive number"),
        ({"replaygain_track_gain": ("loud",)}, "no number"),
        ({"r128_track_gain": ("-7.10 dB",)}, "no integer"),
        ({"r128_album_gain": ("40000",)}, "no integer"),
    ],
)
def test_impossible_gain_tag_is_named(tags: dict[str, tuple[str, ...]], fact: str) -> None:
    assert [(found.code, fact in found.fact) for found in check_gain_tags(tags, path="x")] == [("odd-gain", True)]


@pytest.mark.parametrize("peak", [None, 0.0, -1.0, 1e-9, 1e-6, 0.5, 2.0, float("inf"), float("nan")])
@pytest.mark.parametrize("lufs", [None, -14.0, -70.0, 0.0, float("inf"), float("nan")])
@pytest.mark.parametrize("format", ["ogg-vorbis", "ogg-opus"])
def test_what_retagging_writes_can_always_be_true(format: str, lufs: float | None, peak: float | None) -> None:
    written = {name: (value,) for name, value in track_gain_tags(format, lufs, peak)}
    assert check_gain_tags(written, path="x") == ()
