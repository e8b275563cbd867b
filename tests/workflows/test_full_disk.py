"""A disk that is full is a clear error, loses nothing, and the same command goes on once there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import FREE_ART, make_archive, run_fonoteca, tree_digest
from small_disk import resize, small_disk, used_bytes

ROOMY = 256 << 20
SHARES = (0.0, 0.02, 0.2, 0.5, 0.8, 0.97)
"""Room that a command is given, of what it will need at least."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", ROOMY) as folder:
        yield folder


Steps = dict[str, tuple[str | Path, ...]]


@pytest.fixture(scope="session")
def steps(music_minute: Path, plays: Path) -> Steps:
    return {
        "add": ("add", music_minute, "--plays", plays, "--rights", FREE_ART, "--keep-originals"),
        "build": ("build",),
        "publish": ("publish",),
    }


@pytest.fixture(scope="session")
def needs(steps: Steps, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """Bytes in use before and after each step, on a disk with room."""
    found = {}
    with small_disk(tmp_path_factory.mktemp("roomy") / "disk", ROOMY) as folder:
        archive = make_archive(folder / "archive")
        for name, arguments in steps.items():
            before = used_bytes(folder)
            run_fonoteca(*arguments, "--archive", archive)
            found[name] = before, used_bytes(folder)
    return found


@pytest.fixture(scope="session")
def undisturbed(steps: Steps, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The release as it comes out on a disk with room."""
    archive = make_archive(tmp_path_factory.mktemp("undisturbed") / "archive")
    for arguments in steps.values():
        run_fonoteca(*arguments, "--archive", archive)
    return tree_digest(archive / "release")


@pytest.mark.parametrize("full", ["add", "build", "publish"])
def test_a_full_disk_stops_a_command_which_goes_on_when_there_is_room(
    full: str, disk: Path, steps: Steps, needs: dict[str, tuple[int, int]], undisturbed: dict[str, str]
) -> None:
    archive = make_archive(disk / "archive")
    for name, arguments in steps.items():
        if name == full:
            _fill_again_and_again(disk, archive, arguments, needs[name][1] - needs[name][0])
            resize(disk, ROOMY)
        run_fonoteca(*arguments, "--archive", archive)
    assert tree_digest(archive / "release") == undisturbed
    assert not [path for path in archive.rglob("*") if path.name.endswith(".partial")]
    run_fonoteca("verify", archive)


def _fill_again_and_again(disk: Path, archive: Path, arguments: tuple[str | Path, ...], need: int) -> None:
    before = used_bytes(disk)
    for share in SHARES:
        page = os.sysconf("SC_PAGE_SIZE")
        resize(disk, max(before + int(share * need), used_bytes(disk)) // page * page)
        done = run_fonoteca(*arguments, "--archive", archive, status=None)
        told = f"with {share:.0%} of the room: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 1, told
        assert done.stderr.startswith(f"fonoteca: no room left to write {disk}"), told
        assert "run the same command again" in done.stderr, told
        assert done.stderr.count("\n") <= 2, told
        assert done.stdout == "", told


def test_a_full_disk_spoils_no_archive_that_is_being_made(disk: Path) -> None:
    resize(disk, 16 << 10)
    done = run_fonoteca("init", disk / "archive", status=1)
    assert done.stderr.startswith(f"fonoteca: no room left to write {disk}"), done.stderr
    resize(disk, ROOMY)
    run_fonoteca("init", disk / "archive")
    run_fonoteca("status", "--archive", disk / "archive")


def test_with_no_room_at_all_reading_commands_work(disk: Path, steps: Steps) -> None:
    archive = make_archive(disk / "archive")
    for arguments in steps.values():
        run_fonoteca(*arguments, "--archive", archive)
    resize(disk, used_bytes(disk))
    run_fonoteca("status", "--archive", archive)
    run_fonoteca("plan", "--archive", archive)
    run_fonoteca("show", "training", "--archive", archive)
    run_fonoteca("verify", archive / "release")
