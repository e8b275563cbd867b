"""Decoding: exact lengths, silence, FLAC digests, chained and damaged streams."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.sounds import as_aac, as_file, noise, sine
from fonoteca.audio.decode import decode_audio
from fonoteca.audio.encode import HashingReader, OpusRequest, encode_opus
from fonoteca.audio.ogg_structure import read_ogg_structure
from fonoteca.ground.things import AudioFormat

KINDS: list[tuple[AudioFormat, str, str]] = [
    ("ogg-vorbis", "OGG", "VORBIS"), ("ogg-opus", "OGG", "OPUS"), ("flac", "FLAC", "PCM_24"), ("mp3", "MP3", "MPEG_LAYER_III"),
    ("wav", "WAV", "PCM_16"), ("wav", "RF64", "PCM_16"), ("wav", "W64", "FLOAT"), ("wav", "WAV", "DOUBLE"), ("wav", "WAV", "ULAW"),
]  # fmt: skip


def codes(data: bytes, format: AudioFormat) -> list[str]:
    return [found.code for found in decode_audio(data, path="x", format=format).findings]


@pytest.mark.parametrize(("format", "container", "subtype"), KINDS)
def test_every_format_decodes_to_the_length_that_went_in(format: AudioFormat, container: str, subtype: str) -> None:
    decoded = decode_audio(as_file(noise(48_000), 48_000, container, subtype), path="x", format=format)
    assert (decoded.samples, decoded.sample_rate, decoded.channels, decoded.findings) == (48_000, 48_000, 2, ())
    assert not decoded.is_silent


@pytest.mark.parametrize(("format", "container"), [("aac", "adts"), ("m4a", "ipod")])
def test_aac_decodes_with_at_most_its_priming_and_padding_more(format: AudioFormat, container: str) -> None:
    decoded = decode_audio(as_aac(noise(44_100), 44_100, container), path="x", format=format)
    assert 44_100 <= decoded.samples <= 44_100 + 2 * 1024
    assert decoded.findings == ()


@settings(max_examples=25)
@given(samples=st.integers(1, 6000), rate=st.sampled_from([8000, 22_050, 44_100]), channels=st.integers(1, 2))
def test_vorbis_has_every_sample_at_any_length(samples: int, rate: int, channels: int) -> None:
    data = as_file(noise(samples, channels=channels), rate, "OGG", "VORBIS")
    assert decode_audio(data, path="x", format="ogg-vorbis").samples == samples


def test_real_music_has_the_length_that_its_pages_declare(music: Path) -> None:
    for path in sorted(music.rglob("*.ogg"), key=lambda one: one.stat().st_size)[:4]:
        data = path.read_bytes()
        decoded = decode_audio(path, path=path.name, format="ogg-vorbis")
        assert decoded.samples == read_ogg_structure(data, path.name).samples == soundfile.info(path).frames
        assert decoded.findings == ()


@pytest.mark.parametrize(("subtype", "width"), [("PCM_S8", 1), ("PCM_16", 2), ("PCM_24", 3)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_flac_digest_is_the_one_in_streaminfo(subtype: str, width: int, channels: int) -> None:
    data = as_file(noise(20_000, channels=channels), 44_100, "FLAC", subtype)
    assert decode_audio(data, path="x", format="flac", md5=True).md5 == data[26:42].hex()


def test_flac_digest_behind_an_id3_tag() -> None:
    data = as_file(noise(5000), 44_100, "FLAC", "PCM_24")
    tagged = b"ID3\x04\0\0\0\0\0\x14" + bytes(20) + data
    assert decode_audio(tagged, path="x", format="flac", md5=True).md5 == data[26:42].hex()


def test_silence_is_silent_and_the_quietest_tone_is_not() -> None:
    assert decode_audio(as_file(np.zeros((48_000, 2)), 48_000), path="x", format="wav").is_silent
    tone = decode_audio(as_file(sine(48_000, dbfs=-84), 48_000), path="x", format="wav")
    assert not tone.is_silent


def test_one_click_in_an_hour_long_silence_is_sound() -> None:
    sound = np.zeros((8000 * 600, 1))
    sound[-1] = 0.1
    assert not decode_audio(as_file(sound, 8000, "FLAC"), path="x", format="flac").is_silent


def test_file_without_samples_has_no_sound() -> None:
    assert codes(as_file(np.zeros((0, 2)), 44_100), "wav") == ["no-sound"]


def test_links_of_a_chain_add_up_whatever_their_shape() -> None:
    one = as_file(noise(48_000), 48_000, "OGG", "VORBIS")
    other = as_file(noise(12_000, channels=1), 24_000, "OGG", "VORBIS")
    same = decode_audio(one + one, path="x", format="ogg-vorbis")
    mixed = decode_audio(one + other, path="x", format="ogg-vorbis")
    assert (same.samples, same.findings, mixed.samples, mixed.findings) == (96_000, (), 72_000, ())
    assert same.loudness_lufs is not None
    assert mixed.loudness_lufs is None


@pytest.mark.parametrize("format", ["ogg-vorbis", "ogg-opus", "flac", "mp3", "aac", "m4a", "wav"])
@pytest.mark.parametrize("content", [b"", b"\0" * 5000, bytes(np.random.default_rng(3).integers(0, 256, 9000, dtype="u1"))])
def test_what_is_no_audio_is_a_finding(format: AudioFormat, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert codes(content, format) in (["decode-failed"], ["no-sound"])
    assert capfd.readouterr().err == ""


def test_flipped_bit_in_a_flac_frame_is_found() -> None:
    data = bytearray(as_file(noise(48_000), 48_000, "FLAC"))
    for position in range(9000, len(data) - 20, len(data) // 9):
        data[position] ^= 1
        assert codes(bytes(data), "flac") == ["decode-failed"], position
        data[position] ^= 1


@settings(max_examples=40)
@given(data=st.data())
def test_damage_never_raises_nor_prints(data: st.DataObject) -> None:
    format, container, subtype = data.draw(st.sampled_from(KINDS))
    content = bytearray(as_file(noise(9000), 48_000, container, subtype))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=20)):
        content[position] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(content)))
    decode_audio(bytes(content[:cut]), path="x", format=format, md5=True)


def test_missing_file_is_a_finding(tmp_path: Path) -> None:
    decoded = decode_audio(tmp_path / "gone.wav", path="gone.wav", format="wav")
    assert [found.code for found in decoded.findings] == ["unreadable-file"]


def test_name_that_means_something_to_ffmpeg_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "concat:a|b.wav"
    path.write_bytes(as_file(sine(4800), 48_000))
    assert decode_audio(path, path=path.name, format="wav").samples == 4800


@given(reads=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 900)), max_size=12))
def test_hash_is_that_of_the_file_in_whatever_order_it_is_read(reads: list[tuple[int, int]]) -> None:
    content = bytes(range(256)) * 10
    reader = HashingReader(io.BytesIO(content))
    for offset, size in reads:
        reader.seek(offset)
        assert reader.read(size) == content[offset : offset + size]
    assert reader.finish() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("rate", "channels"), [(0, 1), (1, 2), (50, 1), (999_999, 2), (4_000_000_000, 1), (44_100, 0), (44_100, 40), (44_100, 300)]
)
def test_header_that_lies_is_no_error(rate: int, channels: int, tmp_path: Path) -> None:
    data = bytearray(as_file(noise(4800), 48_000))
    data[22:28] = struct.pack("<HI", channels, rate)
    data[32:34] = struct.pack("<H", max(1, channels * 2))
    decode_audio(bytes(data), path="x", format="wav")
    (tmp_path / "lie.wav").write_bytes(data)
    made = encode_opus(tmp_path / "lie.wav", OpusRequest(format="wav", opus_kbits=75.0))
    assert bool(made.findings) == (rate != 999_999)
