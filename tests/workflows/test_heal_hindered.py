"""`heal` where something stands in its way: places that cannot be written, folders of others, a full disk, read-only media."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import copy_archive, run_fonoteca, run_json, tree_digest
from damaging import flip, forget_sources, members_of
from small_disk import small_disk, used_bytes

from fonoteca.workflows.doctor import examine
from fonoteca.workflows.heal_fetch import fetch_offsite, read_plain


def separate(archive: Path) -> list[Path]:
    """The release's files are no links any more, so that they are good copies of members that get damaged; gives the members."""
    for path in (archive / "release" / "containers").rglob("*"):
        if path.is_file():
            content, path_beside = path.read_bytes(), path.with_name("beside")
            path_beside.write_bytes(content)
            os.replace(path_beside, path)
    return members_of(archive / "containers")


@pytest.fixture
def immutable(published: Path) -> Iterator[Path]:
    """A damaged member that nobody can replace."""
    member = separate(published)[0]
    flip(member)
    if subprocess.run(["chattr", "+i", member], capture_output=True).returncode:
        pytest.skip("files cannot be made immutable here")
    yield member
    subprocess.run(["chattr", "-i", member], check=True)


def test_a_file_that_cannot_be_replaced_stops_no_other(published: Path, immutable: Path) -> None:
    others = [path for path in members_of(published / "containers") if path != immutable][:3]
    for path in others:
        flip(path)
    run_json("verify", published, status=3)
    report = run_json("heal", published, status=3)
    assert (report["mended"], report["lost"], report["stuck"]) == (3, 0, 1)
    (stuck,) = (file for file in report["listed"] if file["result"] == "stuck")
    assert stuck["name"].endswith(immutable.name) and "cannot be put in place" in stuck["attempts"][-1]["fact"]
    assert "1 could not be put in place" in run_fonoteca("heal", published, status=3).stdout
    subprocess.run(["chattr", "-i", immutable], check=True)
    assert run_json("heal", published)["mended"] == 1
    assert not run_json("verify", published)["listed"]


def test_a_file_in_the_place_of_a_folder_stops_no_other(published: Path) -> None:
    members = members_of(published / "containers")
    folder = members[-1].parent
    inside = [path for path in members if path.parent == folder]
    other = next(path for path in members if path.parent != folder)
    shutil.rmtree(folder)
    folder.write_text("?")
    other.unlink()
    run_json("verify", published, status=3)
    report = run_json("heal", published, status=3)
    assert (report["mended"], report["stuck"], report["lost"]) == (1, len(inside), 0)
    assert other.is_file()


def test_a_folder_in_the_place_of_a_member_goes_to_the_strangers_with_all_that_is_in_it(published: Path) -> None:
    before = tree_digest(published / "containers")
    member, whole_twin = members_of(published / "containers")[:2]
    twin = published / "release" / whole_twin.relative_to(published)
    for place in (member, twin):
        place.unlink()
        place.mkdir()
        (place / "precious").write_text("mine")
    run_json("verify", published, status=3)
    report = run_json("heal", published)
    assert report["lost"] == report["stuck"] == 0
    assert tree_digest(published / "containers") == before
    strangers = published / "staging" / "heal" / "strangers"
    for place in (member, twin):
        assert (strangers / place.relative_to(published) / "precious").read_text() == "mine"
    assert any("a folder lay in the place of a file" in fact for fact in report["facts"])
    assert not run_json("verify", published)["listed"]
    assert run_json("heal", published)["damaged"] == 0
    assert os.path.samefile(twin, whole_twin)


def test_what_could_not_be_written_on_a_full_disk_is_never_called_lost(published: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 100_000_000) as disk:
        archive = copy_archive(published, disk / "archive")
        member = max(members_of(archive / "containers"), key=lambda path: path.stat().st_size)
        size = member.stat().st_size
        member.unlink()
        run_json("verify", archive, status=3)
        room = 100_000_000 - used_bytes(disk)
        (disk / "filler").write_bytes(bytes(room - size // 2))
        done = run_fonoteca("heal", archive, status=1)
        assert "room" in done.stderr and "Free some space" in done.stderr and "Traceback" not in done.stderr
        assert "not-mended" not in run_json("status", "--archive", archive)["findings"]
        (disk / "filler").unlink()
        assert run_json("heal", archive)["mended"] == 1
        assert member.is_file()


def test_nobody_has_it_and_the_disk_is_full_so_nobody_can_say_that_it_is_lost(published: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 100_000_000) as disk:
        archive = copy_archive(published, disk / "archive")
        member = members_of(archive / "containers")[0]
        for path in (member, archive / "release" / member.relative_to(archive)):
            path.unlink()
        forget_sources(archive)
        run_json("verify", archive, status=3)
        room = 100_000_000 - used_bytes(disk)
        (disk / "filler").write_bytes(bytes(room - 900_000))
        assert "room" in run_fonoteca("heal", archive, "--timeout", "1", status=1).stderr
        assert "not-mended" not in run_json("status", "--archive", archive)["findings"]


@pytest.mark.skipif(shutil.which("rclone") is None, reason="rclone is not installed")
def test_a_full_disk_is_heard_from_rclone(tmp_path: Path) -> None:
    from fonoteca.ground.errors import ProgramError
    from fonoteca.workflows.heal_placing import ends_the_run

    (tmp_path / "remote").write_bytes(bytes(3_000_000))
    with small_disk(tmp_path / "disk", 4_000_000) as disk, pytest.raises(ProgramError) as told:
        (disk / "filler").write_bytes(bytes(2_000_000))
        fetch_offsite(str(tmp_path / "remote"), disk / "target")
    assert ends_the_run(told.value)


def test_a_pipe_beside_a_damaged_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        list(read_plain(tmp_path / "pipe", 0, 1))


def test_on_read_only_media_the_way_out_is_a_plain_verify(published: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 200_000_000) as disk:
        archive = copy_archive(published, disk / "archive")
        flip(members_of(archive / "containers")[0])
        run_json("verify", archive, status=3)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for command in (("verify", "--schedule", "--archive", archive), ("heal", archive)):
            told = run_fonoteca(*command, status=1).stderr
            assert "read-only" in told and "fonoteca verify" in told and "Traceback" not in told
        assert run_json("heal", archive, "--dry-run", status=3)["damaged"] == 1
        run_json("verify", archive, status=3)


def test_a_ledger_that_is_not_there_is_missing_and_not_only_not_writable(published: Path) -> None:
    (published / "ledger.sqlite3").unlink()
    found = {(finding.code, Path(finding.path).name) for finding in examine(published).findings}
    assert ("missing", "ledger.sqlite3") in found and not any(code == "not-writable" for code, _ in found)
