"""Withdrawals and changes of rights: what becomes of the bytes, of their neighbours, and of every trace."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import FREE_ART, copy_archive, make_archive, run_fonoteca, run_json, write_plays
from mutagen.oggvorbis import OggVorbis

from fonoteca.audio import make_picture, picture_block
from fonoteca.rights import WITHDRAWAL_REASONS
from generated_music import write_small_files

BY, BY_ND = "https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/licenses/by-nd/4.0/"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
OTHER_PNG = PNG[:-12] + b"\x00\x00\x00\x00tEXt" + b"\x00\x00\x00\x00" + PNG[-12:]


@pytest.fixture(scope="module")
def whole(music: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An archive of 12 small files, three real ones with a cover of their own or a shared one, one encoded; and its sources."""
    root = tmp_path_factory.mktemp("whole")
    source = root / "source"
    write_small_files(source, 12, seed=9)
    pictures = {"Congratulations": PNG, "training": PNG, "menu": OTHER_PNG}
    for name, picture in pictures.items():
        file = source / f"{name}.ogg"
        file.write_bytes((music / "amoebax-data" / "music" / f"{name}.ogg").read_bytes())
        tags = OggVorbis(file)
        tags.update({"title": f"Secret {name}", "artist": f"Player of {name}", "album": f"Album of {name}"})
        tags["metadata_block_picture"] = picture_block(make_picture(picture)).decode()
        tags.save()
    archive = make_archive(root / "archive", cut_off="0.0")
    plays = write_plays(root / "plays.csv", {source / "training.ogg": 5})
    run_fonoteca("add", source, "--plays", plays, "--rights", FREE_ART, "--keep-originals", "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    return archive, source


@pytest.fixture
def archive(whole: tuple[Path, Path], tmp_path: Path) -> Path:
    return copy_archive(whole[0], tmp_path / "archive")


def show(archive: Path, track: str) -> dict[str, Any]:
    told: dict[str, Any] = run_json("show", track, "--archive", archive)
    return told


def member_of(archive: Path, track: str) -> Path:
    (file,) = show(archive, track)["files"]
    return archive / "containers" / file["container"] / file["aacid"]


def build_and_publish(archive: Path) -> dict[str, Any]:
    run_fonoteca("build", "--archive", archive)
    told: dict[str, Any] = run_json("publish", "--archive", archive)
    assert run_json("verify", archive)["counts"] == {}
    return told


def contents(folder: Path) -> bytes:
    """Every byte of every file below a folder, and every name; records unpacked."""
    parts = []
    for path in sorted(folder.rglob("*")):
        parts.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            parts.append(path.read_bytes())
        if path.suffix == ".zst":
            parts.append(subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout)
    return b"\n".join(parts)


def test_what_is_withdrawn_goes_dark_and_its_neighbours_are_issued_again(archive: Path) -> None:
    victim = member_of(archive, "Secret Congratulations")
    old = {path.name.split("__")[3]: path.stat().st_ino for path in victim.parent.iterdir()}
    content, id = victim.read_bytes(), show(archive, "Secret Congratulations")["id"]
    said = run_fonoteca("withdraw", "Secret Congratulations", "--reason", "rights-holder: the label asked", "--archive", archive).stdout
    assert victim.parent.name in said
    assert "fonoteca build" in run_fonoteca("publish", "--archive", archive, status=2).stderr
    told = build_and_publish(archive)
    assert told["serial"] == 2
    release = archive / "release"
    assert content[-5000:] not in contents(release)
    again = next(path for path in (release / "containers").glob("*_original_files*") if path.is_dir())
    new = {path.name.split("__")[3]: path.stat().st_ino for path in again.iterdir()}
    assert again.name != victim.parent.name
    assert new == {track: inode for track, inode in old.items() if track != id}
    lines = subprocess.run(["zstd", "-dc", next((release / "containers").glob("*_original_files*.zst"))], capture_output=True).stdout
    for line in lines.splitlines():
        record = json.loads(line)
        (replaced,) = record["metadata"]["replaces"]
        assert replaced != record["aacid"] and replaced.split("__")[3] == record["aacid"].split("__")[3]
        assert victim.parent.name.endswith(replaced.split("__")[2])
    obsolete = {entry["display_name"] for entry in json.loads((release / "torrents.json").read_text()) if entry["obsolete"]}
    assert victim.parent.name in obsolete
    replaced = {one["name"]: one["reason"] for one in json.loads((release / "release.json").read_text())["replaced"]}
    assert "withdrawn" in replaced[victim.parent.name]
    stone = show(archive, id)
    assert (stone["status"], stone["tombstone"]["reason"], stone["tombstone"]["date"]) == ("withdrawn", "the label asked", "2023-11-14")
    dark = member_of(archive, id)
    assert "_dark_" in dark.parent.name and dark.read_bytes() == content
    assert "withdrawn" in run_fonoteca("get", id, "--archive", archive, status=1).stderr
    assert run_json("status", "--archive", archive)["tracks"]["withdrawn"] == 1


def test_the_tombstone_stands_in_the_published_catalogue(archive: Path) -> None:
    run_fonoteca("withdraw", "Secret menu", "--reason", "licence-error: it was never free", "--archive", archive)
    build_and_publish(archive)
    query = "SELECT code, reason, date FROM what_was_withdrawn"
    told = subprocess.run(["sqlite3", archive / "release" / "catalogue.sqlite3", query], capture_output=True, text=True).stdout
    assert told.strip() == "licence-error|it was never free|2023-11-14"


@pytest.mark.parametrize("code", ["privacy", "illegal"])
def test_no_word_of_a_withdrawal_that_hides_names_is_published(archive: Path, code: str) -> None:
    run_fonoteca("withdraw", "Secret menu", "--reason", f"{code}: Jane Roe asked, 12 High Street", "--yes", "--archive", archive)
    build_and_publish(archive)
    release = contents(archive / "release")
    assert b"Jane Roe" not in release and b"High Street" not in release
    query = "SELECT code, reason, date FROM what_was_withdrawn"
    told = subprocess.run(["sqlite3", archive / "release" / "catalogue.sqlite3", query], capture_output=True, text=True).stdout
    assert told.strip() == f"{code}|{WITHDRAWAL_REASONS[code].meaning}|2023-11-14"


def test_withdrawing_again_changes_neither_date_nor_reason(archive: Path) -> None:
    run_fonoteca("withdraw", "Secret menu", "--reason", "error: wrong piece", "--archive", archive)
    build_and_publish(archive)
    run_fonoteca("withdraw", "Secret menu", "--reason", "other thoughts", "--archive", archive, SOURCE_DATE_EPOCH="1800000000")
    assert show(archive, "Secret menu")["tombstone"]["reason"] == "wrong piece"
    assert run_json("publish", "--archive", archive)["is_new"] is False


@pytest.mark.parametrize("code", ["court-order", "privacy"])
def test_a_stronger_withdrawal_deletes_what_a_weaker_one_left_in_the_dark(archive: Path, whole: tuple[Path, Path], code: str) -> None:
    member, id = member_of(archive, "Secret menu").read_bytes(), show(archive, "Secret menu")["id"]
    run_fonoteca("withdraw", id, "--reason", "rights-holder: asked", "--archive", archive)
    build_and_publish(archive)
    assert member[-5000:-2000] in contents(archive / "containers")
    later = {"SOURCE_DATE_EPOCH": "1800000000"}
    assert "--yes" in run_fonoteca("withdraw", id, "--reason", f"{code}: case 17", "--archive", archive, status=2).stderr
    told = run_json("withdraw", id, "--reason", f"{code}: case 17", "--yes", "--archive", archive, **later)
    assert (told["fate"], told["code"], told["reason"]) == ("delete", code, "case 17") and len(told["containers"]) == 1
    told = run_json("withdraw", id, "--reason", "rights-holder: asked again", "--archive", archive)
    assert (told["fate"], told["code"], told["reason"]) == ("delete", code, "case 17"), "what is told is what stands"
    build_and_publish(archive)
    everything = contents(archive)
    for content in ((whole[1] / "menu.ogg").read_bytes(), member):
        assert content[-5000:-2000] not in everything and content[20_000:22_000] not in everything
    assert (b"Secret menu" in everything) == (code == "court-order")
    stone = show(archive, id)["tombstone"]
    assert (stone["code"], stone["date"], stone["fate"]) == (code, "2027-01-15", "delete")


def originals_like(archive: Path, source: Path) -> list[Path]:
    return [path for path in (archive / "originals").rglob("*") if path.is_file() and path.read_bytes() == source.read_bytes()]


def test_originals_of_what_was_deleted_go_and_do_not_come_back(archive: Path, whole: tuple[Path, Path]) -> None:
    source = whole[1] / "menu.ogg"
    assert len(originals_like(archive, source)) == 1
    run_fonoteca("withdraw", "Secret menu", "--reason", "court-order", "--yes", "--archive", archive)
    assert not originals_like(archive, source)
    for folder in (whole[1], Path(shutil.copytree(whole[1], archive.parent / "elsewhere"))):
        run_fonoteca("add", folder, "--rights", FREE_ART, "--keep-originals", "--archive", archive)
        assert not originals_like(archive, source)
    assert len(originals_like(archive, whole[1] / "training.ogg")) == 1


def test_originals_of_what_went_dark_stay_and_are_never_published(archive: Path, whole: tuple[Path, Path]) -> None:
    source = whole[1] / "menu.ogg"
    run_fonoteca("withdraw", "Secret menu", "--reason", "rights-holder", "--archive", archive)
    run_fonoteca("add", whole[1], "--rights", FREE_ART, "--keep-originals", "--archive", archive)
    build_and_publish(archive)
    assert len(originals_like(archive, source)) == 1
    assert source.read_bytes()[-5000:-2000] not in contents(archive / "release")


def test_a_dry_run_and_a_missing_yes_change_nothing(archive: Path) -> None:
    run_fonoteca("withdraw", "Secret menu", "--reason", "error", "--dry-run", "--archive", archive)
    done = run_fonoteca("withdraw", "Secret menu", "--reason", "court-order", "--archive", archive, status=2)
    assert "--yes" in done.stderr
    assert show(archive, "Secret menu")["status"] == "held"
    assert run_json("plan", "--archive", archive)["build"]["containers"] == []


@pytest.mark.parametrize(
    ("code", "title"),
    [("court-order", "Secret training"), ("privacy", "Secret training"), ("illegal", "Secret Congratulations")],
)
def test_what_must_be_deleted_leaves_no_byte_anywhere(archive: Path, whole: tuple[Path, Path], code: str, title: str) -> None:
    name = title.split()[1]
    source = (whole[1] / f"{name}.ogg").read_bytes()
    member, id = member_of(archive, title).read_bytes(), show(archive, title)["id"]
    run_fonoteca("withdraw", title, "--reason", f"{code}: case 17", "--yes", "--archive", archive)
    build_and_publish(archive)
    everything = contents(archive)
    for content in (source, member):
        assert content[-5000:-2000] not in everything
        assert content[20_000:22_000] not in everything
    assert (title.encode() in everything) == (code == "court-order")
    if code != "court-order":
        for trace in (f"Player of {name}", f"Album of {name}", f"{name}.ogg", f"player of {name}".casefold()):
            assert trace.encode() not in everything, trace
    stone = show(archive, id)
    assert (stone["status"], stone["tombstone"]["code"]) == ("withdrawn", code)
    assert not stone["files"]


def test_what_was_deleted_does_not_come_back_with_the_next_add(archive: Path, whole: tuple[Path, Path]) -> None:
    id = show(archive, "Secret menu")["id"]
    run_fonoteca("withdraw", "Secret menu", "--reason", "privacy", "--yes", "--archive", archive)
    build_and_publish(archive)
    told = run_json("add", whole[1], "--rights", FREE_ART, "--keep-originals", "--archive", archive)
    assert told["counts"]["withdrawn"] == 1
    assert run_json("plan", "--archive", archive)["build"]["containers"] == []
    assert run_json("publish", "--archive", archive)["is_new"] is False
    everything = contents(archive)
    assert b"Player of menu" not in everything and OTHER_PNG not in everything
    assert show(archive, id)["status"] == "withdrawn"


def test_what_went_dark_does_not_come_back_with_the_next_add(archive: Path, whole: tuple[Path, Path], tmp_path: Path) -> None:
    run_fonoteca("withdraw", "Secret menu", "--reason", "rights-holder", "--archive", archive)
    moved = shutil.copytree(whole[1], tmp_path / "moved")
    run_fonoteca("add", moved, whole[1], "--rights", BY, "--archive", archive)
    build_and_publish(archive)
    assert show(archive, "Secret menu")["status"] == "withdrawn"
    assert OTHER_PNG not in contents(archive / "release")


def test_covers_follow_their_tracks(archive: Path) -> None:
    """The shared cover stays while one public track shows it; the other goes with its track."""
    assert PNG in contents(archive / "release") and OTHER_PNG in contents(archive / "release")
    run_fonoteca("withdraw", "Secret menu", "--reason", "rights-holder", "--archive", archive)
    run_fonoteca("withdraw", "Secret Congratulations", "--reason", "court-order", "--yes", "--archive", archive)
    build_and_publish(archive)
    release = contents(archive / "release")
    assert PNG in release and OTHER_PNG not in release
    assert OTHER_PNG in contents(archive / "containers")
    run_fonoteca("withdraw", "Secret training", "--reason", "court-order", "--yes", "--archive", archive)
    build_and_publish(archive)
    assert PNG not in contents(archive)


def test_a_track_that_was_never_built_is_withdrawn_too(whole: tuple[Path, Path], tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "new")
    run_fonoteca("add", whole[1], "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("withdraw", "Secret menu", "--reason", "privacy", "--yes", "--archive", archive)
    build_and_publish(archive)
    everything = contents(archive)
    assert b"Secret menu" not in everything and OTHER_PNG not in everything


def set_rights(archive: Path, folder: Path, title: str, uri: str | None) -> str:
    """Say what holds for one track, by --metadata; gives its id."""
    id = str(show(archive, title)["id"])
    table = folder / "rights.jsonl"
    table.write_text(json.dumps({"id": id, "rights": uri}) + "\n")
    run_fonoteca("add", "--metadata", table, "--archive", archive)
    return id


def test_rights_that_end_take_a_track_out_and_rights_that_come_back_bring_it_again(archive: Path, tmp_path: Path) -> None:
    content = member_of(archive, "Secret menu").read_bytes()
    set_rights(archive, tmp_path, "Secret menu", "http://rightsstatements.org/vocab/InC/1.0/")
    assert "fonoteca build" in run_fonoteca("publish", "--archive", archive, status=2).stderr
    told = build_and_publish(archive)
    assert sum(told["left_out"].values()) == 1
    assert content[-5000:] not in contents(archive / "release")
    assert show(archive, "Secret menu")["status"] == "held"
    set_rights(archive, tmp_path, "Secret menu", BY)
    assert build_and_publish(archive)["left_out"] == {}
    assert content[-5000:] in contents(archive / "release")
    assert member_of(archive, "Secret menu").read_bytes() == content


def test_what_may_not_be_changed_is_published_as_it_came(archive: Path, whole: tuple[Path, Path], tmp_path: Path) -> None:
    """A retagged file by its patch, without its source; an encoded one from the kept original."""
    for name in ("menu", "training"):
        set_rights(archive, tmp_path, f"Secret {name}", BY_ND)
        if name == "menu":
            for path in (archive / "originals").rglob("*"):
                if path.is_file() and path.read_bytes() == (whole[1] / "menu.ogg").read_bytes():
                    path.unlink()
                    path.write_bytes(b"lost")
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    for name in ("menu", "training"):
        member = member_of(archive, f"Secret {name}")
        assert member.read_bytes() == (whole[1] / f"{name}.ogg").read_bytes()
        assert (archive / "release" / "containers" / member.parent.name / member.name).exists()
    for record in _patch_records(archive / "release"):
        assert record["metadata"]["id"] not in {show(archive, f"Secret {name}")["id"] for name in ("menu", "training")}


def _patch_records(release: Path) -> list[dict[str, Any]]:
    lines = [subprocess.run(["zstd", "-dc", path], capture_output=True).stdout for path in (release / "containers").glob("*patches*.zst")]
    return [json.loads(line) for part in lines for line in part.splitlines()]


def test_an_encoded_file_whose_source_is_gone_goes_dark_and_is_not_lost(music_minute: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(music_minute, tmp_path / "source"))
    archive = make_archive(tmp_path / "archive", cut_off="0.0")
    plays = write_plays(tmp_path / "plays.csv", {source / "menu.ogg": 5})
    run_fonoteca("add", source, "--plays", plays, "--rights", FREE_ART, "--archive", archive)
    build_and_publish(archive)
    content = member_of(archive, "menu").read_bytes()
    shutil.rmtree(source)
    set_rights(archive, tmp_path, "menu", BY_ND)
    told = build_and_publish(archive)
    assert told["left_out"] == {"may be published only as it came, and the file as it came is gone": 1}
    assert run_json("status", "--archive", archive)["left_out"] == told["left_out"]
    assert member_of(archive, "menu").read_bytes() == content
    assert content[-5000:] not in contents(archive / "release")
    set_rights(archive, tmp_path, "menu", BY)
    build_and_publish(archive)
    assert content[-5000:] in contents(archive / "release")
