"""The project's own scripts: the demo can do without a Debian archive, and CI lets nothing be skipped."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import mutagen
import pytest
import soundfile

import demo
from music import NoMusicError, fetch_music

ROOT = Path(__file__).resolve().parent.parent


def test_the_demo_makes_music_itself_where_none_can_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FONOTECA_MUSIC", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    batches = demo.find_batches(tmp_path)
    assert "makes a short piece of music itself" in capsys.readouterr().out
    files = sorted(batches[0].folder.iterdir())
    assert len(files) == 4
    assert all(soundfile.info(str(path)).duration == 6 and mutagen.File(path)["title"] for path in files)
    assert batches[0].rights


def test_without_a_package_manager_fetching_music_says_so_and_leaves_no_half_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoMusicError, match="apt-get"):
        fetch_music("tests", tmp_path)
    assert not (tmp_path / "tests").exists()


@pytest.mark.parametrize("count", [4, 12, 17])
def test_the_plays_of_the_demo_reach_both_tiers(count: int, tmp_path: Path) -> None:
    for number in range(count):
        (tmp_path / f"{number}.ogg").touch()
    path = demo.write_plays([demo.Batch(tmp_path, None)], tmp_path / "plays.csv")
    plays = [int(row["plays"]) for row in csv.DictReader(path.open(encoding="utf-8"))]
    assert sum(one >= 1_000 for one in plays) >= count // 2 and sum(one < 1_000 for one in plays) >= count // 2


@pytest.mark.parametrize(("where", "status"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_in_ci_and_only_there(where: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("import pytest\n\n\ndef test_it():\n    pytest.skip('no such program')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT, "-p", "conftest", tmp_path]
    done = subprocess.run(command, env={**os.environ, "CI": where}, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout
    assert "no such program" in done.stdout
