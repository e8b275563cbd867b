"""Archives that the tests of the workflows share."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import FREE_ART, copy_archive, make_archive, run_fonoteca, write_plays


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An empty archive."""
    return make_archive(tmp_path / "archive")


@pytest.fixture(scope="session")
def plays(music_minute: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table for --plays that puts training.flac and menu.ogg into the tail, where they are encoded."""
    table = tmp_path_factory.mktemp("plays") / "plays.csv"
    return write_plays(table, {music_minute / "training.flac": 20, music_minute / "menu.ogg": 10, music_minute / "Spike.wav": 2_000_000})


@pytest.fixture(scope="session")
def built_minute(music_minute: Path, plays: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of `music_minute`, added, built and published: to be copied, never changed."""
    path = make_archive(tmp_path_factory.mktemp("built") / "archive", cut_off="0.0")
    run_fonoteca("add", music_minute, "--plays", plays, "--rights", FREE_ART, "--archive", path)
    run_fonoteca("build", "--archive", path)
    run_fonoteca("publish", "--archive", path)
    return path


@pytest.fixture
def published(built_minute: Path, tmp_path: Path) -> Path:
    """A copy of `built_minute` that a test may change."""
    return copy_archive(built_minute, tmp_path / "published")
