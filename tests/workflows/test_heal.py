"""`heal` over real archives: every rung of the ladder, byte for byte; nothing is written over before the good bytes are there."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from commands import FREE_ART, copy_archive, make_archive, run_fonoteca, run_json, set_settings, tree_digest, write_plays
from damaging import add_settings, cut, flip, forget_sources, members_of, swap

from fonoteca.workflows.heal_items import DamagedFile, DamagedQueue
from torrents.swarm import Peer

pytestmark = pytest.mark.xdist_group("heal")  # one worker builds the archive once


@pytest.fixture(scope="session")
def kept(music: Path, music_minute: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with kept originals and a cover, built and published: to be copied, never changed."""
    top = tmp_path_factory.mktemp("kept")
    shutil.copytree(music_minute, top / "Music")
    for name in ("SpikeBackground.ogg", "AngusBackground.ogg"):
        shutil.copy(music / "amoebax-data" / "music" / name, top / "Music")
    _embed_cover(top / "Music" / "AngusBackground.ogg")
    plays = write_plays(
        top / "plays.csv",
        {top / "Music" / name: count for name, count in (("training.flac", 20), ("menu.ogg", 10), ("Spike.wav", 2_000_000))},
    )
    path = make_archive(top / "archive", cut_off="0.0")
    run_fonoteca("add", top / "Music", "--plays", plays, "--rights", FREE_ART, "--keep-originals", "--archive", path)
    run_fonoteca("build", "--archive", path)
    run_fonoteca("publish", "--archive", path)
    return path


def _embed_cover(path: Path) -> None:
    from test_pages import embed_cover

    embed_cover(path)


@pytest.fixture
def archive(kept: Path, tmp_path: Path) -> Path:
    """A copy of `kept` that a test may change."""
    return copy_archive(kept, tmp_path / "archive")


def digest(archive: Path) -> dict[str, str]:
    """All that is to be the same again."""
    return {
        f"{folder}/{name}": sha256
        for folder in ("containers", "release", "originals")
        for name, sha256 in tree_digest(archive / folder).items()
    }


def heal(archive: Path, *more: str | Path, status: int = 0) -> Any:
    return run_json("heal", archive, *(more or ("--timeout", "3")), status=status)


def verify(archive: Path, status: int) -> Any:
    return run_json("verify", archive, status=status)


def mends(archive: Path) -> list[tuple[str, str, str]]:
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        return list(ledger.execute("SELECT name, rung, result FROM mends ORDER BY mend"))


def test_everything_that_can_happen_to_files_is_found_and_mended_byte_for_byte(archive: Path) -> None:
    before = digest(archive)
    members = members_of(archive / "containers", "original_files")
    flip(members[0])  # its sound
    flip(members[1], 150)  # its header
    cut(members[2], 1000)
    gone = members[3]
    gone.unlink()
    (archive / "release" / gone.relative_to(archive)).unlink()
    tail = members_of(archive / "containers", "tail_files")
    swap(*tail[:2])
    flip(next(path for path in (archive / "originals").rglob("*.ogg")))
    (members[0].parent / "stranger").write_text("I was not here before")
    (archive / "release" / "notes.txt").write_text("nor I")
    for name in ("torrents.json", "catalogue.sqlite3", "release.json"):
        flip(archive / "release" / name)
    cut(archive / "release" / "SHA256SUMS", 500)
    (archive / "release" / "feed.xml").unlink()
    flip(archive / "release" / "SHA256SUMS.sig", 60)
    assert verify(archive, 3)["counts"]["extra"] > 2, "the list of all lists was cut, so verify takes much for strangers"
    report = heal(archive)
    assert report["lost"] == 0 and report["strangers"] == 2
    assert not verify(archive, 0)["listed"]
    assert digest(archive) == before
    assert (archive / "staging" / "heal" / "strangers" / "release" / "notes.txt").read_text() == "nor I"
    assert {path.name for path in (archive / "staging" / "heal").iterdir()} == {"strangers"}
    for member in members_of(archive / "containers"):
        assert os.path.samefile(member, archive / "release" / member.relative_to(archive)), "the release is a link again"
        assert member.stat().st_mode & 0o777 == 0o444
    assert run_json("status", "--archive", archive)["findings"] == {}


def test_healing_finds_nothing_to_do_where_verify_found_nothing(archive: Path) -> None:
    verify(archive, 0)
    report = heal(archive)
    assert (report["damaged"], report["mended"], report["listed"]) == (0, 0, [])


def test_what_somebody_put_right_meanwhile_is_good_again(archive: Path) -> None:
    member = members_of(archive / "containers")[0]
    whole = member.read_bytes()
    flip(member)
    verify(archive, 3)
    os.chmod(member, 0o644)
    member.write_bytes(whole)
    report = heal(archive)
    assert (report["good"], report["mended"]) == (1, 0)
    assert run_json("status", "--archive", archive)["findings"] == {}


def only_attempt(report: Any) -> tuple[str, str]:
    """Result and rung of the last attempt for the only file."""
    (file,) = report["listed"]
    return file["result"], file["attempts"][-1]["rung"]


def test_a_named_copy_mends(archive: Path, kept: Path) -> None:
    forget_sources(archive)
    add_settings(archive, f'[heal]\ncopies = ["/nowhere", "{kept / "release"}"]\n')
    shutil.rmtree(archive / "originals")
    member, before = members_of(archive / "containers", "original_files")[0], digest(archive)
    flip(member)
    verify(archive, 3)
    report = run_json("heal", archive, "--timeout", "3", status=3)  # the originals are lost
    assert next(file for file in report["listed"] if file["name"].endswith(member.name))["attempts"][-1]["rung"] == "local"
    assert digest(archive)[str(member.relative_to(archive))] == before[str(member.relative_to(archive))]


def test_a_snapshot_of_the_pool_mends(archive: Path, kept: Path, tmp_path: Path) -> None:
    forget_sources(archive)
    member = members_of(archive / "containers", "tail_files")[0]
    for snapshot, is_good in (("daily-1", True), ("daily-2", False)):
        place = tmp_path / ".zfs" / "snapshot" / snapshot / "archive" / member.relative_to(archive)
        place.parent.mkdir(parents=True)
        shutil.copyfile(member, place)
        if not is_good:
            flip(place)  # the newest one was taken after the damage
    flip(member)
    verify(archive, 3)
    report = heal(archive)
    attempts = report["listed"][0]["attempts"]
    assert [attempt["result"] for attempt in attempts] == ["failed", "mended"] and "daily-1" in attempts[-1]["place"]


def test_a_member_comes_from_its_original_and_one_that_was_encoded_is_encoded_again(archive: Path) -> None:
    before = digest(archive)
    retagged, encoded = (
        next(path for path in members_of(archive / "containers") if path.name in names)
        for names in (_names(archive, "retag"), _names(archive, "encode"))
    )
    flip(retagged)
    encoded.unlink()
    (archive / "release" / encoded.relative_to(archive)).unlink()
    verify(archive, 3)
    assert heal(archive)["by_rung"] == {"patch": 2}
    assert digest(archive) == before


def _names(archive: Path, action: str) -> set[str]:
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        return {row[0] for row in ledger.execute("SELECT aacid FROM members WHERE action = ?", (action,))}


def test_a_member_keeps_the_tags_of_its_time_where_the_catalogue_says_otherwise_today(archive: Path, tmp_path: Path) -> None:
    before = digest(archive)
    first, second = [path for path in members_of(archive / "containers", "original_files") if path.name in _names(archive, "retag")][:2]
    ids = [path.name.split("__")[3] for path in (first, second)]
    lines = "".join(json.dumps({"id": id, "title": "Another title", "label": "New"}) + "\n" for id in ids)
    (tmp_path / "more.jsonl").write_text(lines)
    run_fonoteca("add", "--metadata", tmp_path / "more.jsonl", "--archive", archive)
    flip(first)
    flip(second, 120)
    verify(archive, 3)
    report = heal(archive)
    assert report["by_rung"] == {"patch": 2}
    told = [attempt["place"] for file in report["listed"] for attempt in file["attempts"] if attempt["result"] == "mended"]
    assert all("record" in place or "header" in place for place in told), told
    assert digest(archive) == before


def test_a_cover_comes_from_the_file_that_shows_it(archive: Path) -> None:
    before = digest(archive)
    cover = members_of(archive / "containers", "covers_files")[0]
    flip(cover)
    verify(archive, 3)
    assert only_attempt(heal(archive)) == ("mended", "patch")
    assert digest(archive) == before


def test_an_original_comes_from_the_member_and_its_patch_with_the_cover_put_back(archive: Path, kept: Path) -> None:
    forget_sources(archive)
    before = digest(archive)
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        (name,) = ledger.execute("SELECT original FROM sources WHERE pictures <> '[]'").fetchone()
    flip(archive / "originals" / name)
    verify(archive, 3)
    assert only_attempt(heal(archive)) == ("mended", "patch")
    assert digest(archive) == before


def test_folders_of_originals_mend_without_the_disk_that_they_came_from(archive: Path, kept: Path, tmp_path: Path) -> None:
    forget_sources(archive)
    (tmp_path / "attic" / "deep").mkdir(parents=True)
    for number, path in enumerate(sorted((kept.parent / "Music").iterdir())):
        shutil.copyfile(path, tmp_path / "attic" / "deep" / f"{number}")
    shutil.rmtree(archive / "originals")
    add_settings(archive, f'[heal]\noriginals = ["{tmp_path / "attic"}"]\n')
    before = digest(archive)
    for member in members_of(archive / "containers", "original_files"):
        flip(member)
    verify(archive, 3)
    report = heal(archive)
    assert report["lost"] == 0 and {name: sha256 for name, sha256 in digest(archive).items() if name in before} == before


@pytest.mark.skipif(shutil.which("rclone") is None, reason="rclone is not installed")
def test_the_off_site_copy_is_the_last_rung(archive: Path, kept: Path, tmp_path: Path) -> None:
    forget_sources(archive)
    shutil.rmtree(archive / "originals")
    copy_archive(kept, tmp_path / "far-away")
    add_settings(archive, f'[heal]\noffsite = "{tmp_path / "far-away"}"\n')
    members = members_of(archive / "containers")
    for member in members:
        flip(member)
    flip(members_of(tmp_path / "far-away" / "containers")[0])
    verify(archive, 3)
    report = heal(archive, status=3)
    assert (report["by_rung"], report["lost"]) == ({"off-site": len(members) - 1 + len(list((kept / "originals").rglob("*.*")))}, 1)
    (lost,) = (file for file in report["listed"] if file["result"] == "lost")
    assert [attempt["rung"] for attempt in lost["attempts"]] == ["local", "patch", "pieces", "off-site"]


def test_what_cannot_be_mended_says_what_is_lost_and_who_might_have_it(archive: Path) -> None:
    set_settings(archive, trackers='["http://tracker.example/announce"]')
    run_fonoteca("publish", "--archive", archive)
    set_settings(archive, trackers='["http://127.0.0.1:9/announce"]')
    forget_sources(archive)
    shutil.rmtree(archive / "originals")
    member = next(path for path in members_of(archive / "containers", "original_files") if path.name in _names(archive, "retag"))
    flip(member)
    bad = member.read_bytes()
    verify(archive, 3)
    report = heal(archive, status=3)
    lost = next(file for file in report["listed"] if file["name"].endswith(member.name))
    assert [attempt["rung"] for attempt in lost["attempts"]] == ["local", "patch", "pieces", "off-site"]
    assert "popularity" in lost["what"] and "Amoebax" in lost["what"]
    assert "the seeders that http://tracker.example/announce knows" in lost["might_have"]
    assert member.read_bytes() == bad, "the bad bytes are still there"
    assert {(rung, result) for name, rung, result in mends(archive) if name.endswith(member.name)} == {
        ("local", "failed"), ("patch", "failed"), ("pieces", "failed"), ("off-site", "failed"),
    }  # fmt: skip
    assert run_json("status", "--archive", archive)["findings"]["not-mended"] >= 1


def test_bytes_that_only_look_like_it_never_take_its_place(archive: Path, kept: Path, tmp_path: Path) -> None:
    forget_sources(archive)
    shutil.rmtree(archive / "originals")
    member = members_of(archive / "containers", "tail_files")[0]
    flip(member)
    bad = member.read_bytes()
    place = tmp_path / "copy" / member.relative_to(archive)
    place.parent.mkdir(parents=True)
    place.write_bytes(os.urandom(len(bad)))
    add_settings(archive, f'[heal]\ncopies = ["{tmp_path / "copy"}"]\n')
    verify(archive, 3)
    report = heal(archive, status=3)
    attempts = next(file for file in report["listed"] if file["name"].endswith(member.name))["attempts"]
    assert ("local", "these are not the bytes") in {(attempt["rung"], attempt["fact"]) for attempt in attempts}
    assert member.read_bytes() == bad


def test_a_dry_run_says_what_would_be_tried_and_changes_nothing(archive: Path) -> None:
    members = members_of(archive / "containers")
    flip(members[0])
    (archive / "release" / "feed.xml").unlink()
    verify(archive, 3)
    before = tree_digest(archive)
    told = run_fonoteca("heal", archive, "--dry-run", status=3).stdout
    assert "2 damaged files; nothing was changed" in told and "would try" in told
    assert run_json("heal", archive, "--dry-run", status=3)["is_done"] is False
    assert tree_digest(archive) == before


def test_a_damaged_database_is_told_with_the_copies_that_are_whole(archive: Path, kept: Path) -> None:
    add_settings(archive, f'[heal]\ncopies = ["{kept}"]\n')
    verify(archive, 0)
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        ledger.execute(
            "INSERT INTO findings VALUES ('verify', ?, 'bad-database', 'made up', NULL, NULL, 1)",
            (os.fsencode(archive / "catalogue.sqlite3"),),
        )
    with open(archive / "catalogue.sqlite3", "r+b") as file:
        file.seek(20 * 4096)
        file.write(bytes(4096))
    report = heal(archive, status=3)
    (file,) = report["listed"]
    assert file["might_have"] == [f"a copy that is whole: {kept / 'catalogue.sqlite3'}"]


def test_the_most_played_come_first_and_among_equals_the_rarest() -> None:
    files = [(5, 3, "a"), (9, 9, "b"), (5, 1, "c"), (0, 0, "d"), (9, 2, "e")]
    queue = DamagedQueue(
        DamagedFile(key=name, name=name, path=Path(name), torrent="t" if name in "ad" else None, plays=plays, copies=copies)
        for plays, copies, name in files
    )
    assert "".join(file.name for file in queue) == "ebcad"
    assert queue.torrents() == ["t"]
    queue.remove(next(iter(queue)))
    assert len(queue) == 4
    queue.close()


def test_only_the_pieces_that_cover_the_damage_come_from_a_peer(archive: Path, kept: Path) -> None:
    forget_sources(archive)
    before = digest(archive)
    peer = Peer()
    handles = [peer.add(path.read_bytes(), kept / "release" / "containers") for path in (kept / "release" / "torrents").iterdir()]
    shutil.rmtree(archive / "originals")
    (archive / "originals").mkdir()
    members = members_of(archive / "containers", "original_files")
    flip(max(members, key=lambda path: path.stat().st_size))
    members_of(archive / "containers", "tail_files")[0].unlink()
    for metadata in (archive / "containers").glob("*patches*"):
        flip(metadata)
    verify(archive, 3)
    report = heal(archive, "--peer", f"{peer.address}:{peer.port}", "--timeout", "20", status=3)
    assert report["by_rung"]["pieces"] >= 2 and all(
        file["name"].startswith("originals/") for file in report["listed"] if file["result"] == "lost"
    )
    assert {name: sha256 for name, sha256 in digest(archive).items() if not name.startswith("originals")} == {
        name: sha256 for name, sha256 in before.items() if not name.startswith("originals")
    }
    given = sum(handle.status().total_payload_upload for handle in handles)
    assert given < 300_000, f"{given} bytes were fetched for one bad byte in a large member and two small files"
