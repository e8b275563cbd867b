"""One read of one file: formats told by content, damage in every codec, essence that outlives retagging."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import mutagen.flac
import mutagen.id3
import mutagen.mp3
import mutagen.mp4
import mutagen.wave
import pytest
from codec_files import CODECS, PNG, copy_packets, encode, flip_bit, make_sound, sound_file
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca import audio
from fonoteca.audio import AUDIO_SUFFIXES, decode_audio, probe, probe_file
from fonoteca.ground.things import AudioFile

FORMATS = {"flac": "flac", "mp3": "mp3", "m4a": "m4a", "aac": "aac", "wav": "wav"}


def probe_bytes(folder: Path, data: bytes, name: str = "sound", *, decode: bool = False) -> AudioFile:
    path = folder / name
    path.write_bytes(data)
    return probe_file(path, decode=decode)


def codes(found: AudioFile) -> set[str]:
    return {finding.code for finding in found.findings}


@pytest.mark.parametrize("kind", CODECS)
def test_whole_file_of_every_codec_is_sound_and_decodes_to_what_it_declares(tmp_path: Path, kind: str) -> None:
    found = probe_bytes(tmp_path, sound_file(kind), decode=True)
    assert (found.format, found.is_sound, codes(found)) == (FORMATS[kind], True, set())
    assert (found.sample_rate, found.channels, found.is_decoded) == (44100, 2, True)
    assert found.samples is not None and abs(found.samples - 44100) <= {"aac": 2048}.get(
        kind, 0 if kind in ("flac", "wav", "mp3") else 1100
    )
    assert found.loudness_lufs is not None and -30 < found.loudness_lufs < -5


def test_real_music_is_sound_and_has_its_titles(music: Path) -> None:
    for path in sorted(music.rglob("*.ogg"))[::5]:
        found = probe_file(path, decode=False)
        assert found.format == "ogg-vorbis" and found.is_sound and found.tags["title"][0]


@pytest.mark.parametrize("kind", CODECS)
def test_format_is_told_by_content_not_by_name(tmp_path: Path, kind: str) -> None:
    assert probe_bytes(tmp_path, sound_file(kind), "misnamed.ogg").format == FORMATS[kind]


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.77, 0.999])
def test_truncated_file_of_every_codec_is_set_aside(tmp_path: Path, kind: str, share: float) -> None:
    data = sound_file(kind)
    found = probe_bytes(tmp_path, data[: int(len(data) * share)])
    assert not found.is_sound and codes(found) & {"truncated", "no-sound"}


@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_single_flipped_bit_in_the_sound_is_found_by_checksums(tmp_path: Path, kind: str) -> None:
    data = sound_file(kind)
    start = len(data) // 8  # behind metadata and the first frames
    for bit in random.Random(5).sample(range(start * 8, len(data) * 8), 60):
        found = probe_bytes(tmp_path, flip_bit(data, bit))
        assert not found.is_sound, f"bit {bit} of {len(data) * 8}"


@pytest.mark.parametrize("kind", ["m4a", "aac", "wav"])
def test_single_flipped_bit_changes_the_essence_or_is_no_part_of_the_sound(tmp_path: Path, kind: str) -> None:
    data = sound_file(kind)
    whole = probe_bytes(tmp_path, data)
    for bit in random.Random(6).sample(range(len(data) * 8), 40):
        found = probe_bytes(tmp_path, flip_bit(data, bit))
        assert found.sha256 != whole.sha256


def test_decoded_flac_samples_are_compared_with_the_md5_in_the_file(tmp_path: Path) -> None:
    data = bytearray(sound_file("flac"))
    data[8 + 18] ^= 1  # the first byte of the MD5 in STREAMINFO
    assert "corrupt" in codes(probe_bytes(tmp_path, bytes(data), decode=True))


@pytest.mark.parametrize("kind", CODECS)
def test_retagging_by_another_program_leaves_the_essence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"sound.{kind}"
    path.write_bytes(sound_file(kind))
    before = probe_file(path, decode=False)
    if kind == "m4a":
        retagged = mutagen.mp4.MP4(path)
        retagged["\xa9nam"], retagged["covr"] = ["New"], [mutagen.mp4.MP4Cover(PNG * 1000)]
        retagged.save()
    elif kind == "flac":
        flac = mutagen.flac.FLAC(path)
        flac["title"] = "New"
        flac.save(padding=lambda info: 70_000)
    else:
        tag = mutagen.wave.WAVE(path) if kind == "wav" else mutagen.id3.ID3()
        tag_frames = mutagen.id3.TIT2(encoding=3, text=["New"])
        if kind == "wav":
            tag.add_tags()
            tag.tags.add(tag_frames)
            tag.save()
        else:
            tag.add(tag_frames)
            tag.save(path, v1=2)
    after = probe_file(path, decode=False)
    assert after.sha256 != before.sha256
    assert (after.essence_sha256, after.tags["title"], codes(after)) == (before.essence_sha256, ("New",), set())


def test_adts_and_m4a_of_the_same_packets_have_the_same_essence(tmp_path: Path) -> None:
    adts = sound_file("aac")
    plain = copy_packets(adts, "aac", "ipod")
    fragmented = copy_packets(plain, "mov", "mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"})
    essences = {probe_bytes(tmp_path, data).essence_sha256 for data in (adts, plain, fragmented)}
    assert len(essences) == 1 and None not in essences
    assert probe_bytes(tmp_path, fragmented, decode=True).is_sound


def test_other_sound_has_another_essence(tmp_path: Path) -> None:
    for kind in CODECS:
        assert probe_bytes(tmp_path, sound_file(kind)).essence_sha256 != probe_bytes(tmp_path, sound_file(kind, seed=2)).essence_sha256


def test_silence_is_set_aside(tmp_path: Path) -> None:
    silent = encode(make_sound() * 0, "flac", "flac", 44100)
    assert codes(probe_bytes(tmp_path, silent, decode=True)) == {"silent"}


@pytest.mark.parametrize("data", [b"just words, no music at all " * 40, b"\0" * 5000, PNG * 50, b"%PDF-1.7\n" + bytes(range(256)) * 30])
def test_other_content_is_not_audio(tmp_path: Path, data: bytes) -> None:
    found = probe_bytes(tmp_path, data, "song.mp3")
    assert (found.format, codes(found)) == (None, {"not-audio"})


def wav_of_rate(rate: int, samples: int = 100_000) -> bytes:
    """A WAV of noise whose header claims `rate` Hz."""
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    sound = random.Random(rate).randbytes(samples * 2)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("rate", [10, 100, 999])
def test_a_header_that_claims_hours_of_sound_in_a_few_bytes_costs_nothing(tmp_path: Path, rate: int, decode: bool) -> None:
    began = time.process_time()
    found = probe_bytes(tmp_path, wav_of_rate(rate), decode=decode)
    assert codes(found) == {"not-audio"} and f"{rate} Hz" in found.findings[0].fact
    assert time.process_time() - began < 1
    assert not codes(probe_bytes(tmp_path, wav_of_rate(1000), decode=decode))


def test_no_decoder_goes_below_the_lowest_rate() -> None:
    decoded = decode_audio(wav_of_rate(10), path="x", format="wav")
    assert [found.code for found in decoded.findings] == ["decode-failed"] and decoded.samples == 0


def test_file_without_bytes_is_empty(tmp_path: Path) -> None:
    assert codes(probe_bytes(tmp_path, b"", "a.flac")) == {"empty-file"}


def test_missing_folder_pipe_and_device_are_unreadable_and_never_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    for path in (tmp_path / "none.mp3", tmp_path, tmp_path / "pipe.mp3", Path("/dev/zero"), tmp_path / "nul\0.mp3", tmp_path / ("x" * 300)):
        assert codes(probe_file(path)) == {"unreadable-file"}


@pytest.mark.parametrize("change", ["grown", "cut", "replaced", "deleted"])
def test_file_that_changes_while_it_is_read_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(sound_file("wav"))
    read_whole = probe.read_whole

    def read_and_change(descriptor: int, size: int) -> bytes:
        data = read_whole(descriptor, size)
        if change == "grown":
            path.write_bytes(data + b"more")
        elif change == "cut":
            os.truncate(path, 100)
        else:
            path.unlink()
            if change == "replaced":
                path.write_bytes(data)
        return data

    monkeypatch.setattr(probe, "read_whole", read_and_change)
    assert "changed-while-read" in codes(probe_file(path, decode=False))


@pytest.mark.parametrize("kind", CODECS)
def test_file_too_large_for_memory_gives_the_same_answer_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / "sound"
    path.write_bytes(sound_file(kind, 4.0))
    whole = probe_file(path)
    monkeypatch.setattr(probe, "WHOLE_BYTES_AT_MOST", 1000)
    monkeypatch.setattr("fonoteca.audio.byte_source.WINDOW_BYTES", 20_000)
    assert probe_file(path) == whole


@pytest.mark.parametrize("kind", CODECS)
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_mutated_file_never_raises(tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(sound_file(kind, 0.3))
    for _ in range(chance.randint(1, 12)):
        at, length = int(len(data) * chance.random() ** 2), chance.choice((1, 1, 2, 4, 4, 8, 300))
        match chance.randrange(4):
            case 0:
                data[at : at + length] = chance.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * length
            case 1:
                data[at : at + length] = chance.randbytes(length)
            case 2:
                del data[at : at + length]
            case _:
                data[at:at] = data[chance.randrange(len(data)) :][:length]
    found = probe_bytes(tmp_path_factory.getbasetemp(), bytes(data), decode=seed % 8 == 0)
    assert found.size == len(data) and all(finding.kind for finding in found.findings)


@given(
    st.sampled_from(
        [b"fLaC", b"ID3\4\0\0", b"RIFF\0\0\0\0WAVE", b"RF64\0\0\0\0WAVE", b"\0\0\0\x18ftyp", b"\xff\xfb\x90", b"\xff\xf1\x50", b"OggS"]
    ),
    st.binary(max_size=400),
)
def test_any_bytes_after_any_magic_never_raise(tmp_path_factory: pytest.TempPathFactory, magic: bytes, rest: bytes) -> None:
    found = probe_bytes(tmp_path_factory.getbasetemp(), magic + rest)
    assert not found.is_sound or found.essence_sha256


def test_suffixes_are_lower_case_and_name_every_kept_format() -> None:
    assert {".ogg", ".oga", ".opus", ".flac", ".mp3", ".m4a", ".aac", ".wav"} <= AUDIO_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in AUDIO_SUFFIXES)


def test_every_name_of_the_room_can_be_loaded() -> None:
    assert all(getattr(audio, name) is not None for name in audio.__all__)
    assert sorted(name for names in audio._HOMES.values() for name in names) == sorted(audio.__all__)


def test_naming_the_room_does_not_load_the_decoder() -> None:
    program = "import sys, fonoteca.audio; fonoteca.audio.AUDIO_SUFFIXES; sys.exit('av' in sys.modules or 'numpy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False).returncode
        == 0
    )


def test_a_peak_that_is_a_copy_of_the_gain_is_noted_and_the_file_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    path.write_bytes(sound_file("flac"))
    tags = mutagen.flac.FLAC(path)
    tags["replaygain_track_gain"] = tags["replaygain_track_peak"] = "-7.10 dB"
    tags.save()
    found = probe_file(path, decode=False)
    assert codes(found) == {"odd-gain"} and found.is_sound
