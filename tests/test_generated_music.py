"""The generator of small files makes files that independent programs accept, fast, and each with a sound of its own."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import mutagen
import pytest
import soundfile

from fonoteca.ground.programs import run_program
from generated_music import FORMATS, write_small_files

PROGRAMS = {"ogg": ["ogginfo"], "opus": ["opusinfo"], "flac": ["flac", "--silent", "--test"]}


@pytest.mark.parametrize("name", FORMATS)
def test_every_generated_file_decodes_to_its_own_sound(name: str, tmp_path: Path) -> None:
    sounds = [soundfile.read(str(path))[0] for path in write_small_files(tmp_path, 200, formats=(name,))]
    assert all(0.4 < len(sound) / (48_000 if name == "opus" else 8_000) < 0.6 for sound in sounds)
    assert len({hashlib.sha256(sound.tobytes()).digest() for sound in sounds}) == 200


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_of_each_format_accept_generated_files(name: str, tmp_path: Path) -> None:
    for path in write_small_files(tmp_path, 5, formats=(name,)):
        said = run_program([*PROGRAMS[name], path], timeout_s=20).decode("utf-8", "replace")
        assert "WARNING" not in said and "ERROR" not in said


def test_generated_files_carry_title_and_licence(tmp_path: Path) -> None:
    tags = mutagen.File(write_small_files(tmp_path, 4)[1])
    assert tags["title"] == ["Piece 1"] and tags["license"][0].startswith("https://creativecommons.org/")


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first, again = (write_small_files(tmp_path / name, 40, seed=7) for name in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    other = write_small_files(tmp_path / "other", 40, seed=8)
    assert all(one.read_bytes() != two.read_bytes() for one, two in zip(first, other, strict=True))


def test_thousands_of_files_take_seconds(tmp_path: Path) -> None:
    write_small_files(tmp_path / "templates", 4)
    started = time.process_time()
    write_small_files(tmp_path / "many", 2_000)
    assert time.process_time() - started < 2
