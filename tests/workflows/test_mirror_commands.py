"""The commands of a mirror on a real release: what they print, how they end, and what a new release costs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands import environment, fonoteca_command, run_fonoteca, run_json
from releases_made import new_mirror

from fonoteca.workflows.mirror_editions import chain_of_deltas
from fonoteca.workflows.mirror_sums import checksums_below


@pytest.fixture
def mirror(published: Path, tmp_path: Path) -> Path:
    """A mirror of `published` that holds all of it."""
    path = new_mirror(tmp_path / "mirror")
    run_fonoteca("mirror", "add", published / "release", "--mirror", path)
    run_fonoteca("mirror", "run", "--once", "--wait", "1", "--mirror", path)
    return path


def publish_plays(archive: Path, music: Path, plays: int) -> None:
    table = archive.parent / "more-plays.csv"
    table.write_text(f"path,plays\n{music / 'menu.ogg'},{plays}\n")
    run_fonoteca("add", "--plays", table, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)


def test_a_mirror_is_made_filled_shown_and_emptied(published: Path, tmp_path: Path) -> None:
    path = new_mirror(tmp_path / "mirror")
    added = run_json("mirror", "add", published / "release", "--mirror", path, "--key", published / "release" / "minisign.pub")
    assert added["is_new"] and added["notes"] == []
    report = run_json("mirror", "run", "--once", "--wait", "1", "--mirror", path)
    assert report["waiting"] == [] and report["held"] == added["torrents"]
    status = run_json("mirror", "status", "--mirror", path)
    assert status["held_bytes"] == added["bytes"] and not status["is_running"] and status["damaged"] == 0
    run_fonoteca("verify", path / "held" / "test")  # shaped like a release, and whole
    source = status["sources"][0]["source"]
    assert "nobody else" in run_fonoteca("mirror", "drop", source, "--mirror", path, status=2).stderr
    run_fonoteca("mirror", "drop", source, "--mirror", path, "--force")
    assert not list((path / "held").iterdir()) and run_json("mirror", "status", "--mirror", path)["containers"] == []
    assert run_fonoteca("mirror", "run", "--mirror", tmp_path, status=2).stderr.count("\n") == 2


def test_a_run_that_is_stopped_closes_and_says_that_nothing_is_lost(mirror: Path) -> None:
    for stop in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            fonoteca_command("mirror", "run", "--mirror", mirror), stderr=subprocess.PIPE, text=True, env=environment()
        )
        for _ in range(400):
            if run_state(mirror):
                break
            time.sleep(0.1)
        process.send_signal(stop)
        assert "Nothing is lost" in process.communicate(timeout=60)[1] and process.returncode == 130


def run_state(mirror: Path) -> bool:
    return bool(run_json("mirror", "status", "--mirror", mirror)["is_running"])


def test_a_new_edition_comes_as_a_delta_and_is_the_same_file(mirror: Path, published: Path, music_minute: Path) -> None:
    old = json.loads((published / "release" / "release.json").read_bytes())["serial"]
    publish_plays(published, music_minute, 12)
    release = published / "release"
    delta = release / "deltas" / f"catalogue-{old}-{old + 1}.jsonl.zst"
    good = (release / "catalogue.sqlite3").read_bytes()
    run_fonoteca("verify", release)
    (release / "catalogue.sqlite3").write_bytes(b"not to be fetched")
    report = run_json("mirror", "run", "--once", "--wait", "1", "--mirror", mirror)
    assert report["followed"][0]["serial"] == old + 1
    held = mirror / "held" / "test"
    assert (held / "catalogue.sqlite3").read_bytes() == good
    assert (held / "deltas" / delta.name).read_bytes() == delta.read_bytes()
    (release / "catalogue.sqlite3").write_bytes(good)
    publish_plays(published, music_minute, 14)
    assert len(list((release / "deltas").iterdir())) == 2
    (mirror / "held" / "test" / "catalogue.sqlite3").write_bytes(b"lost")  # nothing to start from: the whole is fetched
    run_fonoteca("mirror", "run", "--once", "--wait", "1", "--mirror", mirror)
    assert (held / "catalogue.sqlite3").read_bytes() == (release / "catalogue.sqlite3").read_bytes()


def test_deltas_that_tell_names_which_were_withdrawn_are_not_published_any_more(published: Path, music_minute: Path) -> None:
    publish_plays(published, music_minute, 12)
    publish_plays(published, music_minute, 14)
    folder = published / "release" / "deltas"
    assert len(list(folder.iterdir())) == 2
    run_fonoteca("withdraw", "menu", "--reason", "privacy", "--yes", "--archive", published)
    run_fonoteca("build", "--archive", published)
    run_fonoteca("publish", "--archive", published)
    left = list(folder.iterdir())
    assert len(left) == 1 and b"menu" not in run_zstd(left[0])
    run_fonoteca("verify", published / "release")


def run_zstd(path: Path) -> bytes:
    return subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout


def test_deltas_are_followed_one_after_the_other_and_never_in_circles() -> None:
    deltas = {"1-2": ("a", "b"), "2-3": ("b", "c"), "3-1": ("c", "a")}
    assert chain_of_deltas(deltas, "a", "c") == ["1-2", "2-3"]
    assert chain_of_deltas(deltas, "a", "z") == [] and chain_of_deltas({}, "a", "b") == [] and chain_of_deltas(deltas, "a", "a") == []


def test_one_track_is_fetched_by_its_title(published: Path, tmp_path: Path) -> None:
    path = new_mirror(tmp_path / "mirror", budget="1 kB")
    run_fonoteca("mirror", "add", published / "release", "--mirror", path)
    assert run_json("mirror", "fetch", "menu", "--mirror", path, "--dry-run")["files"][0]["is_new"]
    report = run_json("mirror", "fetch", "menu", "--mirror", path)
    (file,) = report["files"]
    run_fonoteca("mirror", "run", "--once", "--wait", "1", "--mirror", path)
    held = [one for one in (path / "held" / "test" / "containers").rglob("*") if one.is_file()]
    assert [one.name for one in held if one.parent.name == file["container"]] == [file["name"]]
    assert held[0].stat().st_size == file["bytes"] or len(held) > 1
    assert not run_json("mirror", "fetch", "menu", "--mirror", path)["files"][0]["is_new"]
    assert "knows" in run_fonoteca("mirror", "fetch", "no such thing", "--mirror", path, status=1).stderr


def test_single_lines_are_found_in_a_long_list_of_checksums(tmp_path: Path) -> None:
    members = sorted(f"containers/c{folder:03}/m{file:03}" for folder in range(60) for file in range(100))
    names = [*members, "containers/d", "torrents.json"]
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("".join(f"{number:064x}  {name}\n" for number, name in enumerate(names)))
    for folder in ("c000", "c031", "c059"):
        assert checksums_below(sums, f"containers/{folder}", 100) == {
            name: f"{number:064x}" for number, name in enumerate(names) if name.startswith(f"containers/{folder}/")
        }
    assert checksums_below(sums, "containers/d", 1).keys() == {"containers/d"} and checksums_below(sums, "containers/e", 1) == {}
    sums.write_text("".join(f"{number:064x}  {name}\n" for number, name in reversed(list(enumerate(names)))))  # nobody sorted it
    assert len(checksums_below(sums, "containers/c031", 100)) == 100
