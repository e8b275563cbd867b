"""The same archive always gives the same bytes and infohashes."""

from __future__ import annotations

import shutil
from pathlib import Path

from commands import FREE_ART, make_archive, run_fonoteca, tree_digest

from generated_music import write_small_files


def _publish(archive: Path, sources: list[Path], plays: Path, jobs: str) -> dict[str, str]:
    run_fonoteca("add", *sources, "--plays", plays, "--rights", FREE_ART, "--archive", archive, FONOTECA_JOBS=jobs)
    run_fonoteca("build", "--archive", archive, FONOTECA_JOBS=jobs)
    run_fonoteca("publish", "--archive", archive, FONOTECA_JOBS=jobs)
    return tree_digest(archive / "release")


def test_one_and_four_cores_and_another_order_give_the_same_release(music_minute: Path, plays: Path, tmp_path: Path) -> None:
    files = sorted(music_minute.iterdir())
    one = _publish(make_archive(tmp_path / "one", cut_off="0.0"), files, plays, "1")
    four = _publish(make_archive(tmp_path / "four", cut_off="0.0"), files[::-1], plays, "4")
    assert one == four
    assert sum(name.endswith(".torrent") for name in one) >= 4


def test_another_folder_on_another_machine_gives_the_same_release(music_minute: Path, plays: Path, tmp_path: Path) -> None:
    """Paths and times of the sources are no part of a release."""
    moved = tmp_path / "a" / "quite other" / "place"
    shutil.copytree(music_minute, moved, copy_function=shutil.copy)
    table = tmp_path / "plays.csv"
    table.write_text(plays.read_text().replace(str(music_minute), str(moved)))
    here = _publish(make_archive(tmp_path / "here", cut_off="0.0"), [music_minute], plays, "2")
    there = _publish(make_archive(tmp_path / "deeper" / "there", cut_off="0.0"), [moved], table, "2")
    assert here == there


def test_publishing_and_building_again_change_nothing(published: Path) -> None:
    before = tree_digest(published)
    for command in ("build", "publish", "build", "publish"):
        run_fonoteca(command, "--archive", published)
    after = tree_digest(published)
    for tree in (before, after):
        for name in [name for name in tree if name == ".lock" or ("sqlite3" in name and "/" not in name)]:
            del tree[name]
    assert after == before


def test_builds_that_find_nothing_to_do_change_nothing_of_the_next(tmp_path: Path) -> None:
    """A killed build that is finished ends with such a look."""
    write_small_files(tmp_path / "first", 4, seed=1)
    write_small_files(tmp_path / "second", 4, seed=2)
    releases = []
    for name, builds in (("once", 1), ("often", 3)):
        archive = make_archive(tmp_path / name)
        for folder in ("first", "second"):
            run_fonoteca("add", tmp_path / folder, "--rights", FREE_ART, "--archive", archive)
            for _ in range(builds):
                run_fonoteca("build", "--archive", archive)
        run_fonoteca("publish", "--archive", archive)
        releases.append(tree_digest(archive / "release"))
    assert releases[0] == releases[1]
