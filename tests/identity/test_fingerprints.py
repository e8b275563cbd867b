"""Fingerprints compared: made ones, and those of real music encoded again, trimmed and padded."""

from __future__ import annotations

import random
import struct
from itertools import combinations
from pathlib import Path

import msgspec
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.audio import OpusRequest, encode_opus, find_fingerprinter, fingerprint_file
from fonoteca.audio.fingerprint import _by_fpcalc, read_fpcalc
from fonoteca.ground.errors import AudioFormatError, ProgramError
from fonoteca.ground.programs import has_program
from fonoteca.identity import compare_fingerprints
from recordings_made import fingerprint_of

SECONDS = 20


@pytest.fixture(scope="module")
def excerpts(music: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Of every track of real music: fingerprints of 20 s, of the same as Opus, trimmed by 3.77 s, padded by 5.33 s."""
    if find_fingerprinter() is None:
        pytest.skip("no program makes fingerprints")
    folder = tmp_path_factory.mktemp("excerpts")
    return [_variants(track, folder / str(number)) for number, track in enumerate(sorted(music.rglob("*.ogg")))]


def _variants(track: Path, stem: Path) -> dict[str, bytes]:
    sound, rate = soundfile.read(track, frames=SECONDS * 48_000, always_2d=True)
    sound = sound[: SECONDS * rate]
    silence = sound[: int(5.33 * rate)] * 0
    places = {name: stem.with_suffix(f".{name}.flac") for name in ("original", "padded", "trimmed")}
    soundfile.write(places["original"], sound, rate)
    soundfile.write(places["trimmed"], sound[int(3.77 * rate) :], rate)
    with soundfile.SoundFile(places["padded"], "w", rate, sound.shape[1]) as writer:
        writer.write(silence)
        writer.write(sound)
    opus = stem.with_suffix(".opus")
    opus.write_bytes(encode_opus(places["original"], OpusRequest(format="flac", opus_kbits=75.0, serial=1)).data)
    return {name: fingerprint_file(place).items for name, place in (places | {"opus": opus}).items()}


def test_copies_are_near_and_other_music_is_far(excerpts: list[dict[str, bytes]]) -> None:
    for variants in excerpts:
        for name in ("opus", "trimmed", "padded"):
            match = compare_fingerprints(variants["original"], variants[name])
            assert match is not None
            assert match.rate < 0.13, name
            assert match.overlap > 0.5, name
    for one, other in combinations(excerpts, 2):
        match = compare_fingerprints(one["original"], other["trimmed"])
        assert match is not None
        assert match.rate > 0.35


def test_offset_tells_what_was_put_in_front(excerpts: list[dict[str, bytes]]) -> None:
    offsets = [compare_fingerprints(one["original"], one["padded"]) for one in excerpts]
    assert all(match and abs(match.offset_s - 5.33) < 0.2 for match in offsets)


@given(st.integers(0, 99), st.integers(-100, 100), st.integers(0, 2))
def test_exchanged_fingerprints_differ_in_sign_of_offset_only(seed: int, shift: int, flips: int) -> None:
    sound = fingerprint_of(seed, 400)
    other = bytearray(sound[4 * shift :] if shift >= 0 else random.Random(-shift).randbytes(-4 * shift) + sound)
    for place in range(0, len(other), 50):
        other[place] ^= (1 << flips) - 1
    one_way, back = compare_fingerprints(sound, bytes(other)), compare_fingerprints(bytes(other), sound)
    assert one_way is not None
    assert back is not None
    assert one_way == msgspec.structs.replace(back, offset_s=-back.offset_s)
    assert one_way.bit_error_rate < 0.02


@given(st.binary(max_size=2_000), st.binary(max_size=2_000))
def test_any_bytes_can_be_compared(one: bytes, other: bytes) -> None:
    match = compare_fingerprints(one, other)
    assert match is None or 0 <= match.bit_error_rate <= 1


def test_quiet_pieces_are_not_alike_because_both_are_quiet() -> None:
    """Most bits stand still in both; those that move do so by chance."""
    chance = random.Random(1)

    def still() -> int:
        return 0x0F0F0F0F ^ (chance.getrandbits(32) & chance.getrandbits(32) & chance.getrandbits(32))

    one, other = (struct.pack("<400I", *(still() for _ in range(400))) for _ in range(2))
    match = compare_fingerprints(one, other)
    assert match is not None
    assert match.bit_error_rate < 0.25
    assert match.rate > 0.4


def test_short_and_silent_fingerprints_say_nothing() -> None:
    assert compare_fingerprints(fingerprint_of(1, 20), fingerprint_of(1, 20)) is None
    assert compare_fingerprints(b"\1\2\3\4" * 500, b"\1\2\3\4" * 500) is None


def test_sound_too_short_and_no_sound_are_errors(tmp_path: Path) -> None:
    if find_fingerprinter() is None:
        pytest.skip("no program makes fingerprints")
    soundfile.write(tmp_path / "blip.wav", [0.5, -0.5] * 1_000, 44_100)
    with pytest.raises(AudioFormatError):
        fingerprint_file(tmp_path / "blip.wav")
    (tmp_path / "-no sound.ogg").write_bytes(b"no sound")
    with pytest.raises(ProgramError):
        fingerprint_file(tmp_path / "-no sound.ogg")


def test_fpcalc_prints_numbers_with_and_without_sign() -> None:
    assert read_fpcalc(b"DURATION=12\nFINGERPRINT=1,-1,4294967295\n") == struct.pack("<3I", 1, 2**32 - 1, 2**32 - 1)
    assert read_fpcalc(b"DURATION=0\nFINGERPRINT=\n") == b""
    assert read_fpcalc(b"garbage") == b""


def test_fpcalc_and_ffmpeg_say_the_same(music: Path) -> None:
    if not has_program("fpcalc"):
        pytest.skip("fpcalc is not installed")
    track = next(iter(sorted(music.rglob("*.ogg"))))
    match = compare_fingerprints(_by_fpcalc("fpcalc", track), fingerprint_file(track).items)
    assert match is not None
    assert match.bit_error_rate < 0.02
