"""A build that was stopped, and what happened to its archive before the next: withdrawals, rights, settings, lost folders, power cuts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import EPOCH, FREE_ART, make_archive, run_fonoteca, run_json, set_settings, tree_digest, write_plays
from sounds import as_file, sine

from fonoteca.ground.progress import Silent
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.build import build

TRACKS = 6


class Stopped(Exception):
    """The program was stopped here."""


class StopAfter(Silent):
    """Stops a build when so many members are done."""

    def __init__(self, members: int) -> None:
        self.left = members

    def advance(self, amount: int = 1) -> None:
        self.left -= amount
        if self.left < 0:
            raise Stopped


@pytest.fixture
def tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with FLACs that nobody plays, so that all are encoded: added, not built."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    music = tmp_path / "music"
    music.mkdir()
    files = [music / f"{number}.flac" for number in range(TRACKS)]
    for number, file in enumerate(files):
        file.write_bytes(as_file(sine(96_000, hertz=300 + 100 * number), 48_000, "FLAC"))
    archive = make_archive(tmp_path / "archive", opus_kbits="40")
    plays = write_plays(tmp_path / "plays.csv", dict.fromkeys(files, 0))
    run_fonoteca("add", music, "--plays", plays, "--rights", FREE_ART, "--archive", archive)
    return archive


def stop_build(path: Path, members: int) -> None:
    """Build until so many members are done."""
    with open_archive(path, "build") as archive, pytest.raises(Stopped):
        build(archive, StopAfter(members))


def encoded_ids(path: Path) -> list[str]:
    """Tracks that the stopped build has encoded, as its journal says."""
    with open_archive(path, "test", read_only=True) as archive:
        from fonoteca.workflows.build_journal import Journal

        return [id for journal in archive.staging.glob("*.journal") for id in Journal(journal).entries]


def tracks(path: Path) -> dict[str, str]:
    """Status by track id."""
    with open_archive(path, "test", read_only=True) as archive:
        return {track.id: track.status for track in archive.catalogue.iter_tracks()}


def test_what_was_encoded_before_the_stop_is_not_encoded_again(tail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = tail.with_name("undisturbed")
    shutil.copytree(tail, undisturbed)
    run_fonoteca("build", "--archive", undisturbed)
    stop_build(tail, 3)
    before = encoded_ids(tail)
    assert len(before) >= 3
    made: list[str] = []
    from fonoteca.workflows import build_jobs

    make = build_jobs.JobMaker.make
    monkeypatch.setattr(build_jobs.JobMaker, "make", lambda self, member: made.append(member.id) or make(self, member))
    with open_archive(tail, "build") as archive:
        build(archive, Silent())
    assert not set(before) & set(made)
    assert tree_digest(tail / "containers") == tree_digest(undisturbed / "containers")


@pytest.mark.parametrize("reason", ["rights-holder", "court-order"])
def test_a_track_withdrawn_after_the_stop_is_not_published(tail: Path, reason: str) -> None:
    stop_build(tail, 3)
    gone = encoded_ids(tail)[0]
    run_fonoteca("withdraw", gone, "--reason", reason, "--yes", "--archive", tail)
    run_fonoteca("build", "--archive", tail)
    run_fonoteca("publish", "--archive", tail)
    assert not list((tail / "release").rglob(f"*{gone}*"))
    assert tracks(tail)[gone] == "withdrawn"
    assert sum(status == "held" for status in tracks(tail).values()) == TRACKS - 1
    run_fonoteca("verify", tail)


def test_rights_taken_back_after_the_stop_are_heeded(tail: Path) -> None:
    stop_build(tail, 3)
    changed = encoded_ids(tail)[0]
    table = tail.with_name("rights.jsonl")
    table.write_text(json.dumps({"id": changed, "rights": "All rights reserved"}) + "\n")
    run_fonoteca("add", "--metadata", table, "--archive", tail)
    run_fonoteca("build", "--archive", tail)
    public = [path.name for path in (tail / "containers").rglob(f"*{changed}*") if "_dark_" not in path.name]
    assert not public
    run_fonoteca("publish", "--archive", tail)
    assert not list((tail / "release").rglob(f"*{changed}*"))


def test_settings_edited_after_the_stop_count_for_every_member(tail: Path) -> None:
    stop_build(tail, 3)
    set_settings(tail, opus_kbits="48")
    run_fonoteca("build", "--archive", tail)
    fresh = make_archive(tail.with_name("fresh"), opus_kbits="48")
    run_fonoteca(
        "add", tail.with_name("music"), "--plays", tail.with_name("plays.csv"), "--rights", FREE_ART, "--archive", fresh
    )  # fmt: skip
    run_fonoteca("build", "--archive", fresh)

    def held(path: Path) -> set[str]:
        with open_archive(path, "test", read_only=True) as archive:
            return {member.sha256 for one in archive.ledger.containers() for member in archive.ledger.members_of(one.name)}

    assert held(tail) == held(fresh)
    run_fonoteca("verify", tail)


def test_a_folder_that_is_not_mounted_is_no_reason_to_give_up_what_it_holds(tail: Path) -> None:
    run_fonoteca("build", "--archive", tail)
    shutil.rmtree(tail.with_name("music"))
    gone = min(tracks(tail))
    run_fonoteca("withdraw", gone, "--reason", "rights-holder", "--archive", tail)
    (tail / "containers").rename(tail / "elsewhere")
    (tail / "containers").mkdir()
    told = run_fonoteca("build", "--archive", tail, status=1).stderr
    assert "is not there" in told
    (tail / "containers").rmdir()
    (tail / "elsewhere").rename(tail / "containers")
    run_fonoteca("build", "--archive", tail)
    run_fonoteca("publish", "--archive", tail)
    assert sum(status == "held" for status in tracks(tail).values()) == TRACKS - 1
    run_fonoteca("verify", tail)


def test_a_damaged_member_that_cannot_be_issued_again_is_never_deleted(tail: Path) -> None:
    run_fonoteca("build", "--archive", tail)
    run_fonoteca("publish", "--archive", tail)
    shutil.rmtree(tail.with_name("music"))
    gone, damaged = sorted(tracks(tail))[:2]
    member = next((tail / "containers").rglob(f"*{damaged}*"))
    content = bytearray(member.read_bytes())
    content[-1] ^= 1
    member.chmod(0o644)
    member.write_bytes(content)
    run_fonoteca("withdraw", gone, "--reason", "rights-holder", "--archive", tail)
    told = run_json("build", "--archive", tail, status=3)
    assert [finding["code"] for finding in told["findings"]] == ["changed"]
    run_fonoteca("publish", "--archive", tail, status=None)
    assert bytes(content) in [path.read_bytes() for path in (tail / "containers").rglob("*") if path.is_file()]
    content[-1] ^= 1
    left = next(path for path in (tail / "containers").rglob(f"*{damaged}*"))
    left.chmod(0o644)
    left.write_bytes(content)
    run_fonoteca("build", "--archive", tail)
    run_fonoteca("publish", "--archive", tail)
    assert list((tail / "release").rglob(f"*{damaged}*"))
    assert not list((tail / "release").rglob(f"*{gone}*"))
    run_fonoteca("verify", tail)


def test_databases_as_they_were_before_a_power_cut_lose_no_member(tail: Path) -> None:
    run_fonoteca("build", "--archive", tail)
    shutil.rmtree(tail.with_name("music"))
    gone = min(tracks(tail))
    run_fonoteca("withdraw", gone, "--reason", "rights-holder", "--archive", tail)
    with open_archive(tail, "build") as archive, pytest.raises(Stopped):
        build(archive, StopAfter(0))  # the plan is recorded
    saved = {path: path.read_bytes() for path in tail.glob("*.sqlite3")}
    assert not list(tail.glob("*-wal"))
    with open_archive(tail, "build") as archive:
        # everything is made and in its place; then the power goes before the databases know
        import fonoteca.workflows.build as workflow

        replace, workflow._replace = workflow._replace, lambda *_: (_ for _ in ()).throw(Stopped)
        try:
            with pytest.raises(Stopped):
                build(archive, Silent())
        finally:
            workflow._replace = replace
    for path, content in saved.items():
        path.write_bytes(content)
    run_fonoteca("build", "--archive", tail)
    run_fonoteca("publish", "--archive", tail)
    assert sum(status == "held" for status in tracks(tail).values()) == TRACKS - 1
    assert len(list((tail / "release" / "containers").glob("*_data_*tail*/*"))) == TRACKS - 1
    run_fonoteca("verify", tail)
