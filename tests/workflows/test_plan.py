"""`plan` tells what `build` then does, changes nothing, and shows a table that people can read."""

from __future__ import annotations

import re
from pathlib import Path

from commands import FREE_ART, make_archive, run_fonoteca, run_json, set_settings, tree_digest, write_plays

from fonoteca.catalogue import PlanRow
from fonoteca.cli.show import plan_table
from generated_music import write_small_files


def _filled(tmp_path: Path) -> Path:
    files = write_small_files(tmp_path / "source", 40, seed=11)
    archive = make_archive(tmp_path / "archive", data_size='"60 kB"', cut_off="0.0")
    plays = write_plays(tmp_path / "plays.csv", {path: 100 if number % 4 == 2 else 5000 for number, path in enumerate(files)})
    run_fonoteca("add", tmp_path / "source", "--plays", plays, "--archive", archive)
    return archive


def test_plan_is_the_dry_run_of_build_and_build_does_what_it_said(tmp_path: Path) -> None:
    archive = _filled(tmp_path)
    before = tree_digest(archive)
    plan = run_json("plan", "--archive", archive)
    assert run_json("build", "--dry-run", "--archive", archive) == plan
    words = run_fonoteca("plan", "--archive", archive).stdout
    assert run_fonoteca("build", "--dry-run", "--archive", archive).stdout == words
    after = tree_digest(archive)
    assert {name: sha256 for name, sha256 in after.items() if ".lock" not in name} == {
        name: sha256 for name, sha256 in before.items() if ".lock" not in name
    }
    built = run_json("build", "--archive", archive)
    assert built["members"] == plan["build"]["members"]
    assert {"encode", "copy", "retag", "patch"} <= set(plan["build"]["members"])
    assert len(built["containers"]) == len(plan["build"]["containers"])
    assert built["refusals"] == plan["build"]["refusals"]
    assert built["bytes_written"] <= sum(size for action, size in plan["build"]["bytes_by_action"].items() if action != "patch")
    assert re.search(rf"makes {len(built['containers'])} containers", words)
    again = run_json("plan", "--archive", archive)["build"]
    assert not again["containers"] and not again["members"]
    assert "nothing to build" in run_fonoteca("plan", "--archive", archive).stdout


def test_withdrawals_are_planned_as_they_are_built(tmp_path: Path) -> None:
    archive = _filled(tmp_path)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("withdraw", "Piece 8", "--reason", "rights-holder", "--archive", archive)
    plan = run_json("plan", "--archive", archive)["build"]
    built = run_json("build", "--archive", archive)
    assert set(plan["members"]) <= {"link", "patch"} and plan["members"]["link"] >= 2
    assert built["replaced"] == [name for name, _ in plan["replaced"]]
    assert len(built["containers"]) == len(plan["containers"])
    assert built["members"].get("link") == plan["members"]["link"]


def test_nothing_that_is_held_moves_when_popularity_or_settings_change(tmp_path: Path) -> None:
    archive = _filled(tmp_path)
    run_fonoteca("build", "--archive", archive)
    plays = tmp_path / "later.csv"
    plays.write_text("path,plays\n" + "".join(f"{path},1\n" for path in sorted((tmp_path / "source").rglob("*.*"))))
    run_fonoteca("add", "--plays", plays, "--archive", archive)
    set_settings(archive, cut_off="2.9", opus_kbits="48")
    plan = run_json("plan", "--archive", archive)["build"]
    assert not plan["containers"] and not plan["replaced"]


def _row(name: str, size: int, hours: float) -> PlanRow:
    return PlanRow(name=name, files=3, bytes=size, encoded_files=1, core_hours=hours, hours=hours, share_of_plays=0.5)


def test_the_table_of_a_small_archive_has_times_and_no_column_of_zero_terabytes() -> None:
    words = plan_table([_row("original", 6_310_000, 0.0), _row("tail", 900_000, 0.0125)])
    assert "TB" not in words and "45 s" in words and "6.31 MB" in words


def test_the_table_of_a_large_archive_has_terabytes_and_hours() -> None:
    words = plan_table([_row("original", 3 * 10**14, 5000.25), _row("tail", 10**12, 12.0)])
    assert "300.000" in words and "5,000.2" in words and "TB" in words


def test_the_plan_names_what_is_left_out(tmp_path: Path, music_minute: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    plays = write_plays(tmp_path / "plays.csv", {music_minute / "Spike.wav": 1})
    metadata = tmp_path / "artist.jsonl"
    metadata.write_text(f'{{"path": "{music_minute / "Spike.wav"}", "artist_popularity": 1, "album_popularity": 1, "followers": 1}}\n')
    run_fonoteca("add", music_minute, "--metadata", metadata, "--plays", plays, "--rights", FREE_ART, "--archive", archive)
    assert "below the cut-off" in run_fonoteca("plan", "--archive", archive).stdout
