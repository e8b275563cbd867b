"""Covers: each picture once, in a container of its own; kept files give theirs back byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from pathlib import Path

import mutagen
import mutagen.flac
import pytest
from backports import zstd
from commands import FREE_ART, copy_archive, make_archive, run_fonoteca, write_plays

from fonoteca.audio import apply_patch, make_picture, parse_comment_packet, read_ogg_structure, retag_ogg
from fonoteca.audio.ogg_pictures import find_pictures
from fonoteca.ground.things import Picture
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.get import get_track
from generated_music import write_small_files


def cover(kind: int, description: str, size: int) -> Picture:
    """Something that begins as a JPEG of 300 by 300 and goes on as noise, which no packing makes smaller."""
    head = b"\xff\xd8\xff\xc0\x00\x11\x08\x01\x2c\x01\x2c\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    return make_picture(head + random.Random(kind).randbytes(size), kind, description)


FRONT, BACK, OTHER = cover(3, "vooraan", 50_000), cover(4, "", 30_000), cover(5, "", 300)


@pytest.fixture(scope="session")
def covered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ogg Vorbis and Opus files 0 to 4: the first three share a front cover, the first has a back cover too, the last has none."""
    folder = tmp_path_factory.mktemp("covered")
    made = write_small_files(folder, 4, formats=("ogg", "opus"))
    for path, pictures in zip(made, ((FRONT, BACK), (FRONT,), (FRONT,), ()), strict=True):
        path.write_bytes(retag_ogg(path.read_bytes(), [], pictures, path=path.name).content)
    return folder


def build(archive: Path, covered: Path) -> Path:
    """Add with a free licence and build."""
    run_fonoteca("add", covered, "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    return archive


@pytest.fixture(scope="session")
def built(covered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of these files as the settings are at first; never changed."""
    return build(make_archive(tmp_path_factory.mktemp("covers") / "archive"), covered)


def names(covered: Path) -> list[Path]:
    """The files in order."""
    return sorted(path for path in covered.rglob("*") if path.is_file())


def get_originals(archive: Path, paths: list[Path], folder: Path) -> list[bytes]:
    """What `get --original` gives for each file that came."""
    with open_archive(archive, "get", read_only=True) as opened:
        return [get_track(opened, str(path), folder / f"{number}.came", original=True).read_bytes() for number, path in enumerate(paths)]


def members(archive: Path, collection: str) -> list[bytes]:
    """The content of every member of a collection."""
    return [path.read_bytes() for path in sorted((archive / "containers").glob(f"*data__*{collection}__*/*"))]


def records(archive: Path, collection: str) -> list[dict[str, object]]:
    """The metadata of every record of a collection."""
    found = []
    for path in sorted((archive / "containers").glob(f"*meta__*{collection}__*.jsonl.seekable.zst")):
        found += [json.loads(line)["metadata"] for line in zstd.decompress(path.read_bytes()).splitlines()]
    return found


def has_inside(content: bytes, picture: Picture) -> bool:
    """Whether an Ogg file of ours holds the picture in any comment."""
    comments = parse_comment_packet(read_ogg_structure(content, "kept").comment_packet or b"").comments
    return picture.sha256 in {found.sha256 for found in find_pictures(comments)}


def test_each_picture_is_kept_once_and_in_no_kept_file(built: Path, covered: Path) -> None:
    assert sorted(members(built, "covers_files")) == sorted([FRONT.data, BACK.data])
    kept = members(built, "original_files")
    assert len(kept) == 4
    assert all(len(content) < 30_000 for content in kept)
    assert waiting(built) == []


def test_records_say_which_pictures_were_taken_out(built: Path) -> None:
    told = [record["original"].get("pictures_taken_out") for record in records(built, "original_files")]  # type: ignore[attr-defined]
    assert sorted(told, key=str) == sorted([[FRONT.sha256, BACK.sha256], [FRONT.sha256], [FRONT.sha256], None], key=str)
    patches = records(built, "patches_records")
    assert sorted(len(record.get("pictures_taken_out", [])) for record in patches) == [0, 1, 1, 2]  # type: ignore[arg-type]


def test_patches_with_pictures_have_at_most_150_bytes(built: Path) -> None:
    sizes = sorted(len(base64.b64decode(str(record["patch"]))) for record in records(built, "patches_records"))
    assert sizes[len(sizes) // 2] <= 150


def test_stranger_restores_an_original_from_member_patch_and_cover(built: Path, covered: Path) -> None:
    pictures = {hashlib.sha256(content).hexdigest(): content for content in members(built, "covers_files")}
    kept = {hashlib.sha256(content).hexdigest(): content for content in members(built, "original_files")}
    restored = set()
    sha256s = {record["id"]: record["sha256"] for record in records(built, "original_files")}
    for record in records(built, "patches_records"):
        member = kept[str(sha256s[record["id"]])]
        restored.add(apply_patch(member, base64.b64decode(str(record["patch"])), pictures.get))
    assert restored == {path.read_bytes() for path in names(covered)}


def test_get_embeds_the_covers_with_their_kinds_and_original_gives_the_file_as_it_came(built: Path, covered: Path, tmp_path: Path) -> None:
    assert get_originals(built, names(covered), tmp_path) == [path.read_bytes() for path in names(covered)]
    for number, path in enumerate(names(covered)):
        run_fonoteca("get", path, "--archive", built, "-o", tmp_path / f"{number}.ogg")
    expected = [[(FRONT, 3, "vooraan"), (BACK, 4, "")], [(FRONT, 3, "vooraan")], [(FRONT, 3, "vooraan")], []]
    for number, pictures in enumerate(expected):
        blocks = [
            mutagen.flac.Picture(base64.b64decode(value))
            for value in mutagen.File(tmp_path / f"{number}.ogg").get("metadata_block_picture", [])
        ]
        assert [(block.data, block.type, block.desc) for block in blocks] == [(one.data, kind, words) for one, kind, words in pictures]


def test_verify_finds_nothing(built: Path) -> None:
    run_fonoteca("verify", built)


def test_setting_keeps_covers_in_the_files(covered: Path, tmp_path: Path) -> None:
    archive = build(make_archive(tmp_path / "archive", embed="true"), covered)
    kept = members(archive, "original_files")
    assert sum(has_inside(content, FRONT) for content in kept) == 3
    assert sum(has_inside(content, BACK) for content in kept) == 1
    assert sorted(members(archive, "covers_files")) == sorted([FRONT.data, BACK.data])
    assert get_originals(archive, names(covered), tmp_path) == [path.read_bytes() for path in names(covered)]


def test_picture_that_the_archive_lost_before_the_build_stays_in_its_files(covered: Path, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    run_fonoteca("add", covered, "--rights", FREE_ART, "--archive", archive)
    files = [path for path in (archive / "pictures").rglob("*") if path.is_file()]
    next(path for path in files if path.read_bytes() == FRONT.data).unlink()
    next(path for path in files if path.exists()).write_bytes(b"\x89PNG\r\n\x1a\nother")
    run_fonoteca("build", "--archive", archive, status=None)
    assert sum(has_inside(content, FRONT) for content in members(archive, "original_files")) == 3
    assert get_originals(archive, names(covered), tmp_path) == [path.read_bytes() for path in names(covered)]


def test_missing_cover_is_named_when_an_original_needs_it(built: Path, covered: Path, tmp_path: Path) -> None:
    archive = copy_archive(built, tmp_path / "archive")
    for path in (archive / "containers").glob("*data__*covers_files__*/*"):
        path.unlink()
    done = run_fonoteca("get", names(covered)[1], "--original", "--archive", archive, "-o", tmp_path / "original", status=1)
    assert FRONT.sha256 in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "original").exists()


@pytest.mark.parametrize("reason", ["court-order: case 1", "rights-holder: the artist asked for it"])
def test_cover_goes_with_the_only_track_that_showed_it(built: Path, covered: Path, tmp_path: Path, reason: str) -> None:
    archive = copy_archive(built, tmp_path / "archive")
    run_fonoteca("withdraw", names(covered)[0], "--reason", reason, "--yes", "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    public = [content for path in (archive / "release" / "containers").rglob("*") if path.is_file() for content in [path.read_bytes()]]
    assert FRONT.data in public
    assert BACK.data not in public
    held = [path.read_bytes() for path in archive.rglob("*") if path.is_file()]
    assert (BACK.data in held) == reason.startswith("rights-holder")
    came = [path.read_bytes() for path in names(covered)[1:]]
    assert get_originals(archive, names(covered)[1:], tmp_path) == came


def test_cover_that_a_patch_needs_stays_when_the_source_gets_another(covered: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    first = names(covered)[0]
    came = first.read_bytes()
    (music / "song.ogg").write_bytes(came)
    archive = build(make_archive(tmp_path / "archive"), music)
    bare = write_small_files(tmp_path / "bare", 1, formats=("ogg",))[0].read_bytes()
    (music / "song.ogg").write_bytes(retag_ogg(bare, [], [OTHER], path="x").content)
    build(archive, music)
    assert {FRONT.data, BACK.data} <= set(members(archive, "covers_files"))
    assert get_originals(archive, [music / "song.ogg"], tmp_path) == [came]


def test_file_that_may_no_longer_be_changed_is_issued_as_it_came_with_its_covers(built: Path, covered: Path, tmp_path: Path) -> None:
    archive = copy_archive(built, tmp_path / "archive")
    table = tmp_path / "rights.jsonl"
    table.write_text("".join(json.dumps({"path": str(path), "rights": "CC BY-ND 4.0"}) + "\n" for path in names(covered)))
    run_fonoteca("add", "--metadata", table, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    assert set(members(archive, "original_files")) == {path.read_bytes() for path in names(covered)}


def waiting(archive: Path) -> list[bytes]:
    """The pictures that wait for a container."""
    return [path.read_bytes() for path in (archive / "pictures").rglob("*") if path.is_file()]


def test_cover_in_a_container_does_not_wait_for_one_again(built: Path, covered: Path, tmp_path: Path) -> None:
    archive = copy_archive(built, tmp_path / "archive")
    more = write_small_files(tmp_path / "more", 9, formats=("ogg", "opus"))[-1]
    more.write_bytes(retag_ogg(more.read_bytes(), [], (FRONT, OTHER), path=more.name).content)
    run_fonoteca("add", more, "--rights", FREE_ART, "--archive", archive)
    assert waiting(archive) == [OTHER.data]
    run_fonoteca("build", "--archive", archive)
    assert waiting(archive) == []
    assert sorted(members(archive, "covers_files")) == sorted([FRONT.data, BACK.data, OTHER.data])
    assert get_originals(archive, [more], tmp_path) == [more.read_bytes()]


def test_cover_of_a_duplicate_is_not_kept(built: Path, covered: Path, tmp_path: Path) -> None:
    archive = copy_archive(built, tmp_path / "archive")
    again = tmp_path / "again.ogg"
    again.write_bytes(retag_ogg(names(covered)[3].read_bytes(), [], (OTHER,), path="again").content)
    run_fonoteca("add", again, "--rights", FREE_ART, "--archive", archive)
    assert waiting(archive) == []
    run_fonoteca("verify", archive)


def test_cover_of_a_track_deleted_before_the_build_goes_with_it(covered: Path, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    run_fonoteca("add", covered, "--rights", FREE_ART, "--archive", archive)
    assert sorted(waiting(archive)) == sorted([FRONT.data, BACK.data])
    run_fonoteca("withdraw", names(covered)[0], "--reason", "court-order: case 1", "--yes", "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    assert waiting(archive) == []
    assert members(archive, "covers_files") == [FRONT.data]


@pytest.mark.parametrize("embed", ["false", "true"])
def test_encoded_file_gets_its_cover_by_get_or_by_the_setting(embed: str, tmp_path: Path) -> None:
    song = write_small_files(tmp_path / "music", 1, formats=("flac",))[0]
    tagged = mutagen.flac.FLAC(song)
    block = mutagen.flac.Picture()
    block.data, block.type, block.mime = FRONT.data, 3, "image/jpeg"
    tagged.add_picture(block)
    tagged.save()
    plays = write_plays(tmp_path / "plays.csv", {song: 5})
    archive = make_archive(tmp_path / "archive", embed=embed, cut_off="0.0")
    run_fonoteca("add", song, "--plays", plays, "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    (kept,) = members(archive, "tail_files")
    assert has_inside(kept, FRONT) == (embed == "true")
    assert members(archive, "covers_files") == [FRONT.data]
    with open_archive(archive, "get", read_only=True) as opened:
        got = get_track(opened, str(song), tmp_path / "got.opus", original=False).read_bytes()
    assert has_inside(got, FRONT)
    assert read_ogg_structure(got, "got").essence_sha256 == read_ogg_structure(kept, "kept").essence_sha256
