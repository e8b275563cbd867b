"""WAV in its four containers, with sizes that lie."""

from __future__ import annotations

import struct

from codec_files import encode, make_sound, wav_bytes
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.audio.byte_source import MemorySource
from fonoteca.audio.formats import AudioStructure
from fonoteca.audio.wav import read_wav_structure


def read(data: bytes) -> AudioStructure:
    return read_wav_structure(MemorySource(data), "a.wav")


def codes(found: AudioStructure) -> set[str]:
    return {finding.code for finding in found.findings}


@given(st.binary(min_size=4, max_size=900).map(lambda data: data[: len(data) // 4 * 4]), st.integers(0, 3))
def test_samples_and_essence_follow_the_data_chunk_alone(frames: bytes, chunks: int) -> None:
    extra = (b"LIST" + struct.pack("<I", 5) + b"INFO\0\0") * chunks
    found = read(wav_bytes(frames, extra=extra))
    assert (found.samples, codes(found)) == (len(frames) // 4, set())
    assert found.essence_sha256 == read(wav_bytes(frames)).essence_sha256


def test_riff_rf64_and_wave64_of_one_sound_have_one_essence() -> None:
    sound = make_sound(0.2)
    files = [encode(sound, "wav", "pcm_s16le", 44100), encode(sound, "wav", "pcm_s16le", 44100, {"rf64": "always"})]
    found = [read(data) for data in (*files, encode(sound, "w64", "pcm_s16le", 44100))]
    assert [codes(one) for one in found] == [set()] * 3
    assert len({one.essence_sha256 for one in found}) == 1 and {one.samples for one in found} == {8820}


def test_other_rate_width_or_channels_are_another_essence() -> None:
    frames = bytes(range(240))
    layouts = [(2, 44100, 16), (1, 44100, 16), (2, 48000, 16), (2, 44100, 24)]
    assert len({read(wav_bytes(frames, channels=c, rate=r, bits=b)).essence_sha256 for c, r, b in layouts}) == 4


def test_data_chunk_that_claims_more_than_there_is_is_truncated() -> None:
    assert codes(read(wav_bytes(bytes(400), size=4000))) == {"truncated"}


def test_data_chunk_of_unknown_size_goes_on_to_the_end() -> None:
    for size in (0xFFFFFFFF, 0x7FFFFFFF):
        found = read(wav_bytes(bytes(range(200)), size=size))
        assert (found.samples, codes(found)) == (50, {"odd-stream"})


def test_empty_data_chunk_is_no_sound() -> None:
    assert codes(read(wav_bytes(b""))) == {"no-sound"}


def test_bytes_after_the_last_chunk_are_a_note() -> None:
    found = read(wav_bytes(bytes(400)) + b"\0\1\2" * 30)
    assert codes(found) == {"trailing-data"} and found.samples == 100


def test_compressed_wav_is_not_kept() -> None:
    found = read(encode(make_sound(0.3), "wav", "adpcm_ms", 44100))
    assert found.format is None and "not-audio" in codes(found)
