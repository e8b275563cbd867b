"""`add` again and again: what is known, moved, mended, retagged, doubled, kept twice or never."""

from __future__ import annotations

import hashlib
import os
import shutil
import unicodedata
from pathlib import Path

import pytest
from adding import add, build_all, show, statuses, write_rows, write_sound
from commands import make_archive, run_fonoteca, run_json, set_settings, tree_digest
from hostile_files import good_file, with_comments

from fonoteca.ground.errors import UsageError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Silent
from fonoteca.workflows import ingest
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.get import get_track
from fonoteca.workflows.ingest import AddOptions, AddReport, add_files
from fonoteca.workflows.lookup import read_status
from fonoteca.workflows.verify_archive import verify_archive
from fonoteca.workflows.withdraw import withdraw_track

FREE_NAME = "CC0-1.0"


def test_real_music_is_held_with_its_titles_and_is_not_read_twice(archive: Path, music_minute: Path) -> None:
    first = add(archive, music_minute, decode=True)
    assert (first.counts["read"], first.counts["kept"], first.finding_counts.total()) == (4, 4, 0)
    again = add(archive, music_minute, decode=True)
    assert again.counts == {"unchanged": 4} and again.bytes_read == 0
    assert show(archive, "training")["artists"] == ["Amoebax"]


def test_a_retagged_file_is_the_same_track_with_the_new_tags(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.ogg", title="Old")
    add(archive, path)
    before = show(archive, path)
    write_sound(path, title="New")
    os.utime(path, ns=(1, 1))
    assert add(archive, path).counts["kept"] == 1
    after = show(archive, path)
    assert (after["id"], after["title"], statuses(archive)) == (before["id"], "New", {"held": 1})
    assert after["sources"][0]["essence_sha256"] == before["sources"][0]["essence_sha256"]
    assert after["sources"][0]["sha256"] != before["sources"][0]["sha256"]


def test_another_recording_at_the_same_path_is_another_track_and_the_first_is_wanted(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.ogg", "first", title="First")
    add(archive, path)
    write_sound(path, "second", title="Second")
    add(archive, path)
    assert statuses(archive) == {"held": 1, "wanted": 1}
    assert show(archive, "First")["status"] == "wanted" and show(archive, path)["title"] == "Second"


def test_a_mended_file_takes_its_unreadable_row_away(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac", title="Mended")
    whole = path.read_bytes()
    path.write_bytes(whole[:-400])
    assert add(archive, path).finding_counts == {"truncated": 1} and statuses(archive) == {"unreadable": 1}
    path.write_bytes(whole)
    assert add(archive, path).finding_counts == {} and statuses(archive) == {"held": 1}
    with open_archive(archive, "test", read_only=True) as opened:
        assert read_status(opened).findings == {}


def test_a_file_that_went_bad_is_unreadable_and_its_twin_takes_its_place(archive: Path, tmp_path: Path) -> None:
    one, two = write_sound(tmp_path / "1.flac", title="Twin"), write_sound(tmp_path / "2.flac", title="Twin")
    assert add(archive, one, two).counts["duplicate"] == 1
    one.write_bytes(one.read_bytes()[:-300])
    add(archive, one, two)
    assert statuses(archive) == {"held": 1, "unreadable": 1}
    assert build_all(archive).findings == []


def test_the_same_bytes_and_the_same_sound_are_noted_and_kept_once(archive: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / "1.ogg", title="One")
    shutil.copy(tmp_path / "1.ogg", tmp_path / "2.ogg")
    write_sound(tmp_path / "3.ogg", title="Other tags")
    report = add(archive, tmp_path)
    assert report.finding_counts == {"duplicate-file": 1, "duplicate-sound": 1} and not report.has_damage
    assert statuses(archive) == {"held": 1}
    assert dict(build_all(archive).members) == {"retag": 1, "patch": 1}
    assert [source["state"] for source in show(archive, "One")["sources"]] == ["kept", "duplicate", "duplicate"]


def test_a_file_that_was_moved_and_retagged_is_found_at_its_new_place(archive: Path, tmp_path: Path) -> None:
    old = write_sound(tmp_path / "old.ogg", title="Old name")
    add(archive, old)
    old.unlink()
    write_sound(tmp_path / "new.ogg", title="New name")
    add(archive, tmp_path / "new.ogg")
    assert build_all(archive).findings == [] and statuses(archive) == {"held": 1}


def test_a_source_that_changed_or_went_before_build_is_a_finding_until_it_is_added_again(archive: Path, tmp_path: Path) -> None:
    changed, gone = write_sound(tmp_path / "changed.ogg", "1", title="Changed"), write_sound(tmp_path / "gone.flac", "2", title="Gone")
    write_sound(tmp_path / "stays.wav", "3")
    add(archive, tmp_path)
    write_sound(changed, "1", title="Changed later")
    data = gone.read_bytes()
    gone.unlink()
    report = run_json("build", "--archive", archive, status=3)
    assert sorted((one["code"], os.path.basename(one["path"])) for one in report["findings"]) == [
        ("source-changed", "changed.ogg"), ("source-missing", "gone.flac")
    ]  # fmt: skip
    assert {"source-changed", "source-missing"} == set(run_json("status", "--archive", archive)["findings"])
    gone.write_bytes(data)
    assert add(archive, tmp_path).findings == []
    assert build_all(archive).findings == [] and not verify_all(archive)
    assert show(archive, "Changed later")["files"] and show(archive, "Gone")["files"]


def verify_all(archive: Path) -> list[object]:
    with open_archive(archive, "test") as opened:
        return list(verify_archive(opened, Silent()).listed)


def test_structure_first_then_full_and_the_ledger_says_when(archive: Path, music_minute: Path) -> None:
    run_fonoteca("add", music_minute, "--check", "structure", "--archive", archive)
    assert run_json("status", "--archive", archive)["not_decoded"] == 4
    assert show(archive, "training")["sources"][0]["decoded_at"] is None
    full = run_json("add", music_minute, "--archive", archive)
    assert full["counts"]["read"] == 4 and run_json("status", "--archive", archive)["not_decoded"] == 0
    source = show(archive, "training")["sources"][0]
    assert source["decoded_at"] == 1_700_000_000 and -60 < source["loudness_lufs"] < 0
    assert add(archive, music_minute).counts == {"unchanged": 4}, "structure asks for less than is known"


def test_originals_are_kept_once_and_serve_when_the_source_is_gone(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    one, two = write_sound(folder / "1.ogg", "1", title="One"), write_sound(folder / "2.flac", "2", title="Two")
    shutil.copy(one, folder / "3.ogg")
    add(archive, folder)
    assert not list(archive.glob("originals/*/*"))
    add(archive, folder, keep_originals=True)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, two)}
    kept = list(archive.glob("originals/*/*"))
    assert {path.stem for path in kept} == digests == {hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}
    assert add(archive, folder, keep_originals=True).counts == {"unchanged": 3}
    original = two.read_bytes()
    shutil.rmtree(folder)
    assert build_all(archive).findings == []
    with open_archive(archive, "test", read_only=True) as opened:
        assert get_track(opened, "Two", tmp_path / "out.flac", original=True).read_bytes() == original


def test_an_original_that_changed_after_it_was_read_is_not_kept_under_a_false_name(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sound(tmp_path / "1.ogg", "1")
    copy = ingest.reflink_or_copy

    def change_and_copy(source: Path, target: Path) -> None:
        write_sound(source, "other", title="Changed in between")
        copy(source, target)

    monkeypatch.setattr(ingest, "reflink_or_copy", change_and_copy)
    report = add(archive, path, keep_originals=True)
    assert report.finding_counts == {"changed-while-read": 1} and not list(archive.glob("originals/*/*"))


def test_adding_the_archive_itself_and_what_it_made_adds_nothing(archive: Path, tmp_path: Path) -> None:
    set_settings(archive, cut_off="0.0")
    write_sound(tmp_path / "music" / "1.flac", "1", title="One", license=FREE_NAME)
    write_sound(tmp_path / "music" / "2.ogg", "2", title="Two", license=FREE_NAME)
    plays = tmp_path / "plays.csv"
    plays.write_text("path,plays\nmusic/1.flac,3\n")
    add(archive, tmp_path / "music", plays=plays, decode=True)
    assert build_all(archive).members["encode"] == 1
    run_fonoteca("publish", "--archive", archive)
    assert add(archive, archive).counts == {} and add(archive, tmp_path).counts["kept"] == 0
    own = [path for place in ("containers", "release") for path in (archive / place).rglob("*") if path.name.startswith("aacid__")]
    report = add(archive, *own, archive / "release")
    assert len(own) >= 4 and report.counts["kept"] == 0 and report.counts["duplicate"] == len(own)
    assert statuses(archive) == {"held": 2}


def test_own_opus_of_another_archive_is_kept_as_it_came_and_never_encoded(archive: Path, tmp_path: Path) -> None:
    first, second = archive, make_archive(tmp_path / "second", cut_off="0.0")
    set_settings(first, cut_off="0.0")
    write_sound(tmp_path / "1.flac", "1", title="One", license=FREE_NAME)
    plays = tmp_path / "plays.csv"
    plays.write_text("path,plays\n1.flac,3\ngot.opus,3\n")
    add(first, tmp_path / "1.flac", plays=plays, decode=True)
    build_all(first)
    with open_archive(first, "test", read_only=True) as opened:
        get_track(opened, "One", tmp_path / "got.opus", original=False)
    add(second, tmp_path / "got.opus", plays=plays, decode=True)
    assert "encode" not in build_all(second).members
    assert show(second, "One")["files"][0]["tier"] == "tail"


def test_names_are_kept_as_given_and_found_in_either_form(archive: Path, tmp_path: Path) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "Café Ñandú"), unicodedata.normalize("NFD", "Café Ñandú")
    assert composed != decomposed
    write_sound(tmp_path / "1.ogg", "1", title=decomposed, artist="Zoë")
    add(archive, tmp_path)
    assert show(archive, composed)["title"] == decomposed == show(archive, decomposed)["title"]
    write_sound(tmp_path / "2.ogg", "2", title=composed, artist=unicodedata.normalize("NFD", "Zoë"))
    add(archive, tmp_path)
    assert show(archive, tmp_path / "2.ogg")["title"] == composed
    assert show(archive, tmp_path / "2.ogg")["artists"] == [unicodedata.normalize("NFD", "Zoë")]


def test_several_artists_stay_several_and_isrcs_are_normalised(archive: Path, tmp_path: Path) -> None:
    comments = [b"TITLE=Duet", b"ARTIST=A; not two", b"ARTIST=B & also one", b"ISRC=us-rc1-76-07839", b"ISRC=nonsense"]
    (tmp_path / "1.ogg").write_bytes(with_comments(good_file("vorbis"), comments))
    report = add(archive, tmp_path)
    assert report.finding_counts == {"bad-isrc": 1} and not report.has_damage
    told = show(archive, "Duet")
    assert (told["artists"], told["isrcs"]) == (["A; not two", "B & also one"], ["USRC17607839"])
    assert show(archive, "ISRC US-RC1-76-07839")["title"] == "Duet"


def test_a_wanted_track_is_joined_by_mbid_when_its_file_arrives_and_never_by_isrc(archive: Path, tmp_path: Path) -> None:
    mbid = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"
    rows = [
        {"mbid": mbid, "label": "Known before", "popularity": 55.0, "title": "Name of elsewhere"},
        {"isrc": "QZ5AB0000002", "title": "By ISRC", "label": "L"},
    ]  # fmt: skip
    assert add(archive, metadata=write_rows(tmp_path / "rows.jsonl", rows)).counts["wanted"] == 2
    assert statuses(archive) == {"wanted": 2}
    write_sound(tmp_path / "1.ogg", "1", title="In the file", musicbrainz_trackid=mbid)
    write_sound(tmp_path / "2.ogg", "2", title="Other", isrc="QZ5AB0000002")
    add(archive, tmp_path / "1.ogg", tmp_path / "2.ogg")
    assert statuses(archive) == {"duplicate": 1, "held": 2, "wanted": 1}
    held = show(archive, tmp_path / "1.ogg")
    assert (held["label"], held["popularity"]) == ("Known before", 55.0)
    assert held["title"] == "In the file" and show(archive, "Name of elsewhere")["duplicate_of"] == held["id"]
    assert show(archive, "By ISRC")["status"] == "wanted"


def test_every_status_can_be_reached(archive: Path, tmp_path: Path) -> None:
    mbid = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"
    rows = write_rows(tmp_path / "rows.jsonl", [
        {"mbid": mbid}, {"title": "Wanted"},
        {"path": "music/4.ogg", "popularity": 0, "artist_popularity": 0, "album_popularity": 0, "followers": 0},
    ])  # fmt: skip
    add(archive, metadata=write_rows(tmp_path / "first.jsonl", [{"mbid": mbid, "title": "Same"}]))
    for number, tags in enumerate(({"title": "Held"}, {"title": "Same", "musicbrainz_trackid": mbid}, {"title": "Withdrawn"}), 1):
        write_sound(tmp_path / "music" / f"{number}.ogg", str(number), **tags)
    write_sound(tmp_path / "music" / "4.ogg", "4", title="Nobody", artist="Nobody", album="Nothing")
    (tmp_path / "music" / "5.ogg").write_bytes(b"OggS")
    add(archive, tmp_path / "music", metadata=rows)
    with open_archive(archive, "test") as opened:
        withdraw_track(opened, "Withdrawn", "error")
    assert build_all(archive).refusals["below the cut-off"] == 1
    assert statuses(archive) == {"duplicate": 1, "held": 2, "not-kept": 1, "unreadable": 1, "wanted": 1, "withdrawn": 1}


def test_a_withdrawn_track_stays_withdrawn_whatever_is_added(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1", title="Gone for good")
    add(archive, path)
    with open_archive(archive, "test") as opened:
        withdraw_track(opened, "Gone for good", "rights-holder")
    write_sound(path, "1", title="Gone for good", artist="Under new tags")
    add(archive, path)
    write_sound(tmp_path / "2.ogg", "1", title="Elsewhere")
    add(archive, tmp_path / "2.ogg")
    assert statuses(archive) == {"withdrawn": 1}
    write_sound(path, "another sound", title="Something else")
    add(archive, path)
    assert statuses(archive)["withdrawn"] == 1


def test_a_path_that_is_not_there_is_told_before_anything_is_read(archive: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / "1.ogg")
    with open_archive(archive, "test") as opened, pytest.raises(UsageError, match="does not exist"):
        add_files(opened, [tmp_path / "1.ogg", tmp_path / "missing"], AddOptions(), Silent())
    assert statuses(archive) == {}
    assert "does not exist" in run_fonoteca("add", tmp_path / "missing", "--archive", archive, status=2).stderr


def test_dry_run_changes_no_byte_of_the_archive(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    write_sound(folder / "1.ogg", "1", title="One", license=FREE_NAME)
    write_sound(folder / "2.flac", "2", title="Two", license=FREE_NAME)
    add(archive, folder / "1.ogg")
    (folder / "bad.ogg").write_bytes(b"")
    plays = tmp_path / "plays.csv"
    plays.write_text("path,plays\nmusic/1.ogg,3\n")
    build_all(archive)
    run_fonoteca("publish", "--archive", archive)
    before = tree_digest(archive)
    report = run_json("add", folder, "--plays", plays, "--keep-originals", "--dry-run", "--archive", archive)
    assert report["counts"] == {"would read": 3, "rows to use": 1}, "1.ogg lacks a decode and a kept original"
    for command in (("build",), ("publish",), ("withdraw", "One", "--reason", "error"), ("get", "One")):
        run_fonoteca(*command, "--dry-run", "--archive", archive)
    for command in (("plan",), ("status",), ("show", "One")):
        run_fonoteca(*command, "--archive", archive)
    assert tree_digest(archive) == before


def test_reports_hold_at_most_a_thousand_findings_and_count_all() -> None:
    report = AddReport()
    for number in range(1500):
        report.take(Finding("truncated", str(number), ""))
    assert (len(report.findings), report.finding_counts["truncated"], report.has_damage) == (1000, 1500, True)
