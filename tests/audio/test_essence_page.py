"""A stranger who has only docs/formats/essence.md computes the same essences."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
from codec_files import copy_packets, sound_file
from ogg_builder import OPUS_HEAD, opus_file, real_file, vorbis_comments, vorbis_file

from fonoteca.audio import probe_file, retag_ogg


@cache
def recipes() -> dict[str, Any]:
    """What the Python on the page defines."""
    page = (Path(__file__).parents[2] / "docs" / "formats" / "essence.md").read_text()
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), names)
    return names


def wav(subtype: str, channels: int = 2, container: str = "WAV") -> bytes:
    """A short WAV file; an odd number of bytes for PCM_U8 with one channel."""
    target = io.BytesIO()
    sound = numpy.sin(numpy.arange(4001 * channels)).reshape(-1, channels)
    soundfile.write(target, sound, 22_050, format=container, subtype=subtype)
    return target.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "vorbis": ("ogg", real_file),
    "vorbis-tagged": ("ogg", lambda: retag_ogg(real_file(), [("LYRICS", "la " * 40_000)], path="x").content),
    "opus": ("ogg", lambda: real_file("OPUS")),
    "opus-gain": ("ogg", lambda: opus_file(head=OPUS_HEAD[:16] + b"\x12\x34" + OPUS_HEAD[18:])),
    "chained": ("ogg", lambda: vorbis_file(serial=1) + opus_file(serial=2) + vorbis_file(vorbis_comments([b"A=1"]), serial=3)),
    "flac": ("flac", lambda: sound_file("flac")),
    "flac-id3v1": ("flac", lambda: sound_file("flac") + b"TAG" + bytes(125)),
    "mp3": ("mp3", lambda: sound_file("mp3")),
    "mp3-id3v1": ("mp3", lambda: sound_file("mp3") + b"TAG" + bytes(125)),
    "adts": ("adts", lambda: sound_file("aac")),
    "m4a": ("m4a", lambda: sound_file("m4a")),
    "wav": ("wav", lambda: sound_file("wav")),
    "wav-odd": ("wav", lambda: wav("PCM_U8", 1)),
    "wav-float": ("wav", lambda: wav("FLOAT")),
    "wav-extensible": ("wav", lambda: wav("PCM_24", 6, "WAVEX")),
}


@pytest.mark.parametrize("name", FILES)
def test_recipe_of_the_page_gives_the_essence(name: str, tmp_path: Path) -> None:
    kind, make = FILES[name]
    file = tmp_path / "file"
    file.write_bytes(make())
    essence = probe_file(file, decode=False).essence_sha256
    assert essence is not None
    assert recipes()[f"essence_of_{kind}"](file.read_bytes()) == essence


def test_recipe_of_the_page_gives_the_essence_of_real_music(music: Path) -> None:
    for file in sorted(music.rglob("*.ogg"), key=lambda file: file.stat().st_size)[:5]:
        assert recipes()["essence_of_ogg"](file.read_bytes()) == probe_file(file, decode=False).essence_sha256


def test_same_aac_has_one_essence_in_both_containers() -> None:
    adts = sound_file("aac")
    assert recipes()["essence_of_m4a"](copy_packets(adts, "aac", "ipod")) == recipes()["essence_of_adts"](adts)
