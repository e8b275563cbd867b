"""Encoding to Opus: rate, exact duration, tags and gain, the same bytes again, and sources that cannot be used."""

from __future__ import annotations

import hashlib
import io
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.sounds import as_aac, as_file, noise, sine
from fonoteca.audio.comments import parse_comment_packet
from fonoteca.audio.decode import decode_audio
from fonoteca.audio.encode import EncodedOpus, OpusRequest, encode_opus
from fonoteca.audio.ogg import build_page, scan_pages
from fonoteca.audio.ogg_structure import read_ogg_structure
from fonoteca.ground.things import AudioFormat


def encode(folder: Path, content: bytes, format: AudioFormat = "wav", kbits: float = 75.0, **more: object) -> EncodedOpus:
    path = folder / "source"
    path.write_bytes(content)
    return encode_opus(path, OpusRequest(format=format, opus_kbits=kbits, serial=7, **more))  # type: ignore[arg-type]


def comments_of(made: EncodedOpus) -> list[bytes]:
    packet = read_ogg_structure(made.data, "x").comment_packet
    assert packet is not None
    return list(parse_comment_packet(packet).comments)


def prove_length(made: EncodedOpus, expected: int) -> None:
    """FFmpeg, libsndfile and the pages agree."""
    assert made.findings == ()
    assert made.samples == expected
    assert decode_audio(made.data, path="x", format="ogg-opus").samples == expected
    sound = soundfile.SoundFile(io.BytesIO(made.data))
    frames = len(sound.read())  # libsndfile decodes to 8, 12, 16 or 24 kHz where the source had no more
    assert frames == expected if sound.samplerate == 48_000 else abs(frames - expected * sound.samplerate / 48_000) < 1
    assert read_ogg_structure(made.data, "x").samples == expected
    assert read_ogg_structure(made.data, "x").findings == ()


@pytest.fixture(scope="session")
def encoded_music(music: Path) -> list[EncodedOpus]:
    """Every track at 75 kbit/s."""
    request = OpusRequest(format="ogg-vorbis", opus_kbits=75.0, loudness_lufs=-18.0, serial=1)
    paths = sorted(music.rglob("*.ogg"))
    with ProcessPoolExecutor(2) as workers:
        return list(workers.map(encode_opus, paths, [request] * len(paths)))


@pytest.mark.slow
def test_real_music_has_75_kbits_within_two_percent(encoded_music: list[EncodedOpus]) -> None:
    bits = sum(made.size for made in encoded_music) * 8
    seconds = sum(made.samples for made in encoded_music) / 48_000
    assert bits / seconds == pytest.approx(75_000, rel=0.02)


def test_excerpt_of_real_music_has_the_asked_rate(music: Path, tmp_path: Path) -> None:
    with soundfile.SoundFile(music / "amoebax-data" / "music" / "menu.ogg") as reader:
        excerpt = as_file(reader.read(20 * reader.samplerate, always_2d=True), reader.samplerate, "FLAC")
    for kbits in (32.0, 75.0, 192.0):
        made = encode(tmp_path, excerpt, "flac", kbits)
        assert made.size * 8 / (made.samples / 48_000) == pytest.approx(kbits * 1000, rel=0.06)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_second_at_any_rate_stays_a_second(rate: int, tmp_path: Path) -> None:
    prove_length(encode(tmp_path, as_file(sine(rate, rate), rate)), 48_000)


@pytest.mark.parametrize(("samples", "expected"), [(1, 1), (100, 109), (441, 480), (17_641, 19_201)])
def test_short_files_keep_every_sample(samples: int, expected: int, tmp_path: Path) -> None:
    prove_length(encode(tmp_path, as_file(noise(samples), 44_100)), expected)


@settings(max_examples=30)
@given(samples=st.integers(1, 6000), rate=st.sampled_from([8000, 11_025, 32_000, 44_100, 48_000, 88_200]), channels=st.integers(1, 2))
def test_duration_is_exact_at_any_length(samples: int, rate: int, channels: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = as_file(noise(samples, channels=channels), rate)
    prove_length(encode(tmp_path_factory.getbasetemp(), content), (2 * samples * 48_000 + rate) // (2 * rate))


def test_sound_comes_out_where_it_went_in(tmp_path: Path) -> None:
    sound = np.zeros((44_100, 2))
    sound[22_050:] = sine(22_050, 44_100, dbfs=-6)
    decoded = soundfile.SoundFile(io.BytesIO(encode(tmp_path, as_file(sound, 44_100), kbits=256.0).data)).read()
    assert abs(int(np.flatnonzero(np.abs(decoded[:, 0]) > 0.1)[0]) - 24_000) < 60
    expected = 0.5 * np.sin(2 * np.pi * 997 * np.arange(10_000) / 48_000)
    assert np.corrcoef(decoded[24_000:34_000, 0], expected)[0, 1] > 0.999


@pytest.mark.parametrize("channels", range(1, 9))
def test_up_to_eight_channels_stay(channels: int, tmp_path: Path) -> None:
    made = encode(tmp_path, as_file(noise(24_000, channels=channels), 48_000))
    assert made.findings == ()
    assert soundfile.SoundFile(io.BytesIO(made.data)).channels == channels
    assert decode_audio(made.data, path="x", format="ogg-opus").channels == channels
    assert "mixed" not in made.encoder


def test_more_than_eight_channels_become_stereo_and_say_so(tmp_path: Path) -> None:
    made = encode(tmp_path, as_file(noise(24_000, channels=12), 48_000))
    assert decode_audio(made.data, path="x", format="ogg-opus").channels == 2
    assert made.encoder.endswith("12 channels mixed to stereo")


SOURCES: list[tuple[AudioFormat, bytes]] = [
    ("ogg-vorbis", as_file(noise(24_000), 48_000, "OGG", "VORBIS")), ("ogg-opus", as_file(noise(24_000), 48_000, "OGG", "OPUS")),
    ("flac", as_file(noise(24_000), 48_000, "FLAC", "PCM_24")), ("mp3", as_file(noise(24_000), 48_000, "MP3", "MPEG_LAYER_III")),
    ("wav", as_file(noise(24_000), 48_000, "WAV", "FLOAT")), ("aac", as_aac(noise(24_000), 48_000, "adts")),
    ("m4a", as_aac(noise(24_000), 48_000, "ipod")),
]  # fmt: skip


@pytest.mark.parametrize(("format", "content"), SOURCES)
def test_every_format_is_a_source(format: AudioFormat, content: bytes, tmp_path: Path) -> None:
    made = encode(tmp_path, content, format)
    prove_length(made, decode_audio(content, path="x", format=format).samples)
    assert made.source_sha256 == hashlib.sha256(content).hexdigest()
    assert made.sha256 == hashlib.sha256(made.data).hexdigest()


def test_header_gain_of_a_foreign_opus_is_applied_once(tmp_path: Path) -> None:
    quiet = bytearray(as_file(noise(48_000), 48_000, "OGG", "OPUS"))
    plain = encode(tmp_path, bytes(quiet), "ogg-opus")
    place = quiet.index(b"OpusHead") + 16
    quiet[place : place + 2] = (-6 * 256).to_bytes(2, "little", signed=True)
    made = encode(tmp_path, fix_first_page(bytes(quiet)), "ogg-opus")
    assert plain.loudness_lufs is not None
    assert made.loudness_lufs == pytest.approx(plain.loudness_lufs - 6, abs=0.1)
    assert made.data[44:46] == b"\0\0"


def fix_first_page(data: bytes) -> bytes:
    """The same file with the checksum of its first page made right."""
    page = scan_pages(data, checks_crc=False).pages[0]
    return build_page(page.flags, 0, page.serial, 0, data[27 : page.body], data[page.body : page.end]) + data[page.end :]


def test_tags_are_carried_and_replaygain_is_not(tmp_path: Path) -> None:
    tags = (
        ("TITLE", "Ça va?"),
        ("ARTIST", "a"),
        ("ARTIST", "b"),
        ("REPLAYGAIN_TRACK_GAIN", "-3 dB"),
        ("R128_ALBUM_GAIN", "-5"),
        ("encoder", "LAME"),
    )
    made = encode(tmp_path, as_file(sine(48_000), 48_000), comments=tags)
    assert comments_of(made) == [
        "TITLE=Ça va?".encode(),
        b"ARTIST=a",
        b"ARTIST=b",
        b"R128_ALBUM_GAIN=-5",
        b"ENCODER=fonoteca",
        b"R128_TRACK_GAIN=2",
    ]


def test_gain_is_made_from_the_loudness_that_is_given(tmp_path: Path) -> None:
    assert comments_of(encode(tmp_path, as_file(sine(48_000), 48_000), loudness_lufs=-18.0)) == [
        b"ENCODER=fonoteca",
        b"R128_TRACK_GAIN=-1280",
    ]


def test_silence_has_no_gain(tmp_path: Path) -> None:
    assert comments_of(encode(tmp_path, as_file(np.zeros((48_000, 2)), 48_000))) == [b"ENCODER=fonoteca"]


def test_tags_of_many_pages_are_read_back(tmp_path: Path) -> None:
    made = encode(tmp_path, as_file(sine(4800), 48_000), comments=(("LYRICS", "la " * 100_000),))
    prove_length(made, 4800)
    assert comments_of(made)[0] == b"LYRICS=" + b"la " * 100_000


def test_same_bytes_again_in_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(as_file(noise(100_000), 44_100))
    request = OpusRequest(format="wav", opus_kbits=75.0, serial=9)
    with ProcessPoolExecutor(2) as workers:
        made = [*workers.map(encode_opus, [path] * 4, [request] * 4), encode_opus(path, request)]
    assert len({one.data for one in made}) == 1


def test_other_programs_read_it(tmp_path: Path) -> None:
    made = encode(tmp_path, as_file(noise(60_001), 44_100), comments=(("TITLE", "x"),))
    path = tmp_path / "made.opus"
    path.write_bytes(made.data)
    told = subprocess.run(["opusinfo", path], capture_output=True, text=True, check=True)
    assert "WARNING" not in told.stdout + told.stderr
    assert "TITLE=x" in told.stdout
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-"], capture_output=True, check=True).stdout
    assert len(raw) == made.samples * 4


def test_changed_source_is_refused(tmp_path: Path) -> None:
    made = encode(tmp_path, as_file(noise(4800), 48_000), expected_sha256="0" * 64)
    assert ([found.code for found in made.findings], made.data) == (["source-changed"], b"")


def test_large_source_is_streamed_to_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for format, content in SOURCES:
        whole = encode(tmp_path, content, format)
        with monkeypatch.context() as patch:
            patch.setattr("fonoteca.audio.encode.WHOLE_BYTES_AT_MOST", 10)
            patch.setattr("fonoteca.audio.decode_links.MOST_TO_CUT", 10)
            assert encode(tmp_path, content, format) == whole
            changed = encode(tmp_path, content, format, expected_sha256="0" * 64)
            assert [found.code for found in changed.findings] == ["source-changed"]


def test_damaged_and_missing_sources_are_findings(tmp_path: Path) -> None:
    flac = as_file(noise(48_000), 48_000, "FLAC")
    assert [found.code for found in encode(tmp_path, flac[:60_000], "flac").findings] == ["decode-failed"]
    assert [found.code for found in encode(tmp_path, b"", "mp3").findings] == ["decode-failed"]
    assert [found.code for found in encode(tmp_path, as_file(np.zeros((0, 1)), 8000)).findings] == ["no-sound"]
    gone = encode_opus(tmp_path / "gone", OpusRequest(format="wav", opus_kbits=75.0))
    assert ([found.code for found in gone.findings], gone.data) == (["unreadable-file"], b"")


def test_nine_channels_without_places_are_refused_with_ffmpegs_words(tmp_path: Path) -> None:
    made = encode(tmp_path, as_file(noise(4800, channels=9), 48_000))
    assert ([found.code for found in made.findings], made.data) == (["encode-failed"], b"")


def test_links_of_other_shapes_are_encoded_as_one(tmp_path: Path) -> None:
    chain = as_file(noise(22_051), 44_100, "OGG", "VORBIS") + as_file(noise(12_000, channels=1), 24_000, "OGG", "VORBIS")
    prove_length(encode(tmp_path, chain, "ogg-vorbis"), 24_001 + 24_000)
