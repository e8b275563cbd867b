"""Kill -9 at a random moment: the same commands, run to their end, give the release of an undisturbed run, byte for byte."""

from __future__ import annotations

import os
import random
import shutil
import struct
import zlib
from pathlib import Path

import mutagen.flac
import mutagen.oggvorbis
import pytest
from commands import FREE_ART, make_archive, write_plays
from killing import Step, Story

from fonoteca.audio import make_picture, picture_block
from generated_music import write_small_files

KILLS = {"add": 5, "build": 5, "publish": 3, "withdraw": 1, "add-more": 1, "build-again": 3, "publish-again": 2}
"""Twenty in every run; ten times as many in the slow one."""


def _png(shade: int) -> bytes:
    """A picture of one pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes([0, shade]))) + chunk(b"IEND", b"")


def _embed(path: Path, shade: int) -> None:
    block = picture_block(make_picture(_png(shade)))
    if path.suffix == ".flac":
        flac = mutagen.flac.FLAC(path)
        picture = mutagen.flac.Picture()
        picture.data, picture.mime, picture.type = _png(shade), "image/png", 3
        flac.add_picture(picture)
        flac.save()
    else:
        ogg = mutagen.oggvorbis.OggVorbis(path)
        ogg["metadata_block_picture"] = block.decode()
        ogg.save()


def _gather_music(music_minute: Path, folder: Path) -> tuple[Path, Path]:
    """A minute of music with covers, small files, a duplicate and a damaged file; and a second folder for later."""
    first, second = folder / "first", folder / "second"
    shutil.copytree(music_minute, first)
    _embed(first / "training.flac", 10)
    _embed(first / "menu.ogg", 20)
    _embed(first / "Congratulations.ogg", 10)
    (first / "again.ogg").write_bytes((first / "menu.ogg").read_bytes())
    (first / "cut.ogg").write_bytes((first / "menu.ogg").read_bytes()[:50_000])
    write_small_files(first / "small", 16, seed=1)
    write_small_files(second / "small", 8, seed=2)
    (second / "Spike.wav").write_bytes((first / "Spike.wav").read_bytes())
    return first, second


@pytest.fixture(scope="session")
def story(music_minute: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two releases: encodings, kept files, covers, patches; then withdrawals, containers issued again, and new files."""
    folder = tmp_path_factory.mktemp("story")
    first, second = _gather_music(music_minute, folder)
    small = sorted((first / "small").rglob("*.*"))
    table = write_plays(folder / "plays.csv", {first / "training.flac": 20, first / "menu.ogg": 10} | dict.fromkeys(small[::2], 3))
    steps = [
        Step("add", ("add", first, "--plays", table, "--rights", FREE_ART), (3,)),
        Step("build", ("build",)),
        Step("publish", ("publish",)),
        Step("withdraw", ("withdraw", first / "menu.ogg", "--reason", "rights-holder: asked for it")),
        Step("withdraw-more", ("withdraw", small[1], "--reason", "court-order", "--yes")),
        Step("add-more", ("add", second, "--rights", FREE_ART)),
        Step("build-again", ("build",)),
        Step("publish-again", ("publish",)),
    ]
    archive = make_archive(folder / "archive", torrent_size='"2 kB"')
    story = Story(steps, folder)
    story.run_undisturbed(archive)
    return story


def _tell_killed(story: Story, folder: Path, step: str, kills: int) -> None:
    seed = int(os.environ.get("FONOTECA_TEST_SEED") or random.randrange(1 << 32))
    try:
        story.run_killed(folder / "archive", step, kills, random.Random(seed))
    except Exception as error:
        error.add_note(f"FONOTECA_TEST_SEED={seed} kills after the same delays again")
        raise


def test_the_story_has_all_that_a_kill_could_spoil(story: Story) -> None:
    first, second = story.releases["publish"], story.releases["publish-again"]
    for word in ("_original_files", "_tail_files", "_covers_files", "_patches_records"):
        assert any(word in name for name in first), word
    folders = [{name for name in tree if name.startswith("containers/") and name.endswith("/")} for tree in (first, second)]
    assert folders[0] - folders[1], "the second release replaces no container"
    assert len(folders[0]) > 5
    assert not any("_dark_" in name for name in first | second)


@pytest.mark.parametrize("step", KILLS)
def test_a_killed_command_goes_on_to_the_release_of_an_undisturbed_one(story: Story, tmp_path: Path, step: str) -> None:
    _tell_killed(story, tmp_path, step, KILLS[step])


@pytest.mark.slow
@pytest.mark.parametrize("step", KILLS)
def test_two_hundred_kills_change_no_byte(story: Story, tmp_path: Path, step: str) -> None:
    for part in range(5):
        _tell_killed(story, tmp_path / str(part), step, 2 * KILLS[step])
