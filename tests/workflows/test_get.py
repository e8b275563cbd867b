"""`show` finds a track by everything it is known by; `get` writes it whole, or as it came, or says why not."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from commands import FREE_ART, copy_archive, make_archive, run_fonoteca, run_json
from hypothesis import given
from hypothesis import strategies as st
from mutagen.oggvorbis import OggVorbis
from test_withdraw import PNG

from fonoteca.audio import make_picture, picture_block
from fonoteca.catalogue import TrackRecord
from fonoteca.workflows.get import safe_file_name


@pytest.fixture(scope="module")
def covered(music_minute: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An archive of three files; one has a cover and an ISRC, in Ogg. And its sources."""
    root = tmp_path_factory.mktemp("covered")
    source = Path(shutil.copytree(music_minute, root / "source"))
    tags = OggVorbis(source / "Congratulations.ogg")
    tags.update({"title": "AC/DC: what?", "artist": "One & Two", "isrc": "QZ5AB2600001"})
    tags["metadata_block_picture"] = picture_block(make_picture(PNG)).decode()
    tags.save()
    archive = make_archive(root / "archive", cut_off="0.0")
    plays = root / "plays.csv"
    plays.write_text(f"path,plays\n{source / 'menu.ogg'},10\n")
    run_fonoteca("add", source, "--plays", plays, "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    return archive, source


def test_a_track_is_found_by_everything_that_it_is_known_by(covered: tuple[Path, Path]) -> None:
    archive, source = covered
    told = run_json("show", "ac/dc: WHAT?", "--archive", archive)
    (file,), (came,) = told["files"], told["sources"]
    names = [told["id"], "QZ-5AB-26-00001", file["aacid"], file["sha256"], came["sha256"], came["essence_sha256"],
             str(source / "Congratulations.ogg")]  # fmt: skip
    for name in names:
        assert run_json("show", name, "--archive", archive)["id"] == told["id"], name
    done = run_fonoteca("show", "Congratulations.ogg", "--archive", archive, cwd=source)
    assert told["id"] in done.stdout


def test_what_nothing_answers_to_is_said(covered: tuple[Path, Path]) -> None:
    for name in ("nothing like this", "0" * 64, "../../etc/passwd", "%", "a\u202eb"):
        assert "nothing answers to" in run_fonoteca("show", name, "--archive", covered[0], status=1).stderr


def test_get_embeds_the_cover_and_names_the_file_safely(covered: tuple[Path, Path], tmp_path: Path) -> None:
    run_fonoteca("get", "QZ5AB2600001", "--archive", covered[0], cwd=tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name == "One & Two - AC_DC_ what_.ogg"
    (block,) = OggVorbis(file)["metadata_block_picture"]
    assert picture_block(make_picture(PNG)).decode()[-40:] == block[-40:]
    assert OggVorbis(file)["title"] == ["AC/DC: what?"]


def test_get_writes_to_a_file_or_into_a_folder(covered: tuple[Path, Path], tmp_path: Path) -> None:
    run_fonoteca("get", "training", "-o", tmp_path / "mine.flac", "--archive", covered[0])
    (tmp_path / "folder").mkdir()
    run_fonoteca("get", "training", "-o", tmp_path / "folder", "--archive", covered[0])
    (file,) = (tmp_path / "folder").iterdir()
    assert file.suffix == ".flac"
    assert file.read_bytes() == (tmp_path / "mine.flac").read_bytes() == (covered[1] / "training.flac").read_bytes()
    assert "no folder" in run_fonoteca("get", "training", "-o", tmp_path / "no" / "x", "--archive", covered[0], status=2).stderr


@pytest.mark.parametrize(
    ("title", "name"), [("QZ5AB2600001", "Congratulations.ogg"), ("training", "training.flac"), ("Spike", "Spike.wav")]
)
def test_the_original_comes_back_byte_for_byte(covered: tuple[Path, Path], tmp_path: Path, title: str, name: str) -> None:
    run_fonoteca("get", title, "--original", "-o", tmp_path / name, "--archive", covered[0])
    assert (tmp_path / name).read_bytes() == (covered[1] / name).read_bytes()


def test_what_was_encoded_says_that_it_cannot_be_restored(covered: tuple[Path, Path], tmp_path: Path) -> None:
    said = run_fonoteca("get", "menu", "--original", "--archive", covered[0], cwd=tmp_path, status=1).stderr
    assert "was encoded" in said and "--keep-originals" in said and str(covered[1] / "menu.ogg") in said
    assert not list(tmp_path.iterdir())


def test_neither_sources_nor_the_archive_are_written_over(covered: tuple[Path, Path]) -> None:
    archive, source = covered
    for target in (source / "Spike.wav", archive / "archive.toml"):
        before = target.read_bytes()
        run_fonoteca("get", "training", "-o", target, "--archive", archive, status=2)
        assert target.read_bytes() == before


@pytest.mark.parametrize("arguments", [["QZ5AB2600001"], ["training"], ["training", "--original"], ["QZ5AB2600001", "--original"]])
def test_damage_is_never_handed_on_as_music(covered: tuple[Path, Path], tmp_path: Path, arguments: list[str]) -> None:
    archive = copy_archive(covered[0], tmp_path / "archive")
    (file,) = run_json("show", arguments[0], "--archive", archive)["files"]
    place = archive / "containers" / file["container"] / file["aacid"]
    content = bytearray(place.read_bytes())
    content[-1000] ^= 1
    place.write_bytes(content)
    for more in (["--dry-run"], []):
        assert "damaged" in run_fonoteca("get", *arguments, *more, "-o", tmp_path / "out", "--archive", archive, status=1).stderr
    assert not (tmp_path / "out").exists()
    place.unlink()
    said = run_fonoteca("get", *arguments, "-o", tmp_path / "out", "--archive", archive, status=1).stderr
    assert file["aacid"] in said and "Traceback" not in said


def test_what_was_not_built_yet_says_so(music_minute: Path, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    run_fonoteca("add", music_minute / "Spike.wav", "--archive", archive)
    for more in ([], ["--dry-run"]):
        assert "fonoteca build" in run_fonoteca("get", "Spike", *more, "--archive", archive, cwd=tmp_path, status=1).stderr


def test_the_original_of_what_was_not_built_yet_comes_from_its_source_while_that_fits(music_minute: Path, tmp_path: Path) -> None:
    archive, source = make_archive(tmp_path / "archive"), tmp_path / "music" / "Spike.wav"
    source.parent.mkdir()
    content = (music_minute / "Spike.wav").read_bytes()
    source.write_bytes(content)
    run_fonoteca("add", source, "--archive", archive)
    run_fonoteca("get", "Spike", "--original", "-o", tmp_path / "out.wav", "--archive", archive)
    assert (tmp_path / "out.wav").read_bytes() == content
    source.write_bytes(content[:-2] + b"\1\1")
    for more in ([], ["--dry-run"]):
        said = run_fonoteca("get", "Spike", "--original", *more, "--archive", archive, cwd=tmp_path, status=1).stderr
        assert str(source) in said and "no longer what was added" in said
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "music", "out.wav"}


def test_no_file_is_replaced_unasked_and_a_dry_run_fails_where_get_would(covered: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("Amoebax - training.flac", "mine"):
        (tmp_path / name).write_bytes(b"mine")
    for place in ([], ["-o", tmp_path / "mine"], ["-o", tmp_path]):
        for more in ([], ["--original"], ["--dry-run"]):
            said = run_fonoteca("get", "training", *place, *more, "--archive", covered[0], cwd=tmp_path, status=2).stderr
            assert "--yes" in said
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"mine"}
    told = run_json("get", "training", "--yes", "--dry-run", "-o", tmp_path / "mine", "--archive", covered[0])
    assert told == {"path": str(tmp_path / "mine"), "is_done": False} and (tmp_path / "mine").read_bytes() == b"mine"
    run_fonoteca("get", "training", "--yes", "-o", tmp_path / "mine", "--archive", covered[0])
    assert (tmp_path / "mine").read_bytes() == (covered[1] / "training.flac").read_bytes()
    said = run_fonoteca("get", "menu", "--original", "--dry-run", "-o", tmp_path / "new", "--archive", covered[0], status=1).stderr
    assert "was encoded" in said


@given(title=st.text(), artist=st.text())
def test_every_title_gives_a_name_that_every_system_takes(title: str, artist: str) -> None:
    name = safe_file_name(TrackRecord(id="2" * 22, title=title, artists=(artist,)), ".ogg")
    assert 4 < len(name.encode("utf-8", "replace")) <= 255
    assert not set(name) & set('\\/:*?"<>|\0\n')
    assert name.strip(" ") == name and not name.startswith(".")
    assert name.split(".")[0].lower() not in ("con", "nul", "com1")


def test_a_picture_is_no_part_of_the_hash_by_which_its_track_is_found(covered: tuple[Path, Path]) -> None:
    content = (covered[1] / "Congratulations.ogg").read_bytes()
    told = run_json("show", hashlib.sha256(content).hexdigest(), "--archive", covered[0])
    assert told["title"] == "AC/DC: what?"
