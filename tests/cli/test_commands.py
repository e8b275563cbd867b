"""Every command: help, wrong words, wrong places, damaged archives, JSON that stays the same."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fonoteca.workflows.archive import init_archive
from generated_music import write_small_files

COMMANDS = ("init", "add", "plan", "build", "publish", "verify", "status", "show", "get", "withdraw")


def run(*arguments: str | Path, folder: Path, status: int = 0) -> tuple[str, str]:
    """stdout and stderr of one command; it must end with `status` and without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "fonoteca", *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )  # fmt: skip
    assert done.returncode == status, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An empty archive."""
    return init_archive(tmp_path / "archive", "Test")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with six tracks, one bad file and one release; read only."""
    folder = tmp_path_factory.mktemp("filled")
    write_small_files(folder / "music", 6)
    (folder / "music" / "bad.flac").write_bytes(b"fLaC")
    init_archive(folder / "archive", "Test")
    run("add", folder / "music", "--archive", folder / "archive", folder=folder, status=3)
    for command in ("build", "publish"):
        run(command, "--archive", folder / "archive", folder=folder)
    return folder / "archive"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_is_fine_and_names_its_options(command: str, tmp_path: Path) -> None:
    said, _ = run(command, "-h", folder=tmp_path)
    assert "Usage" in said and "--json" in said
    assert ("--dry-run" in said) == (command in ("init", "add", "build", "publish", "get", "withdraw"))
    assert command == "init" or "--archive" in said


def test_fonoteca_alone_says_what_it_is_and_what_to_type_first(tmp_path: Path) -> None:
    said, _ = run(folder=tmp_path)
    assert said.startswith("Fonoteca ") and said.index("fonoteca init") < said.index("fonoteca add") < said.index("fonoteca verify")


@pytest.mark.parametrize(
    "words", [("add",), ("add", "--fast", "x"), ("show",), ("get",), ("withdraw", "x"), ("add", "x", "--check", "half"),
              ("build", "--archive"), ("publish", "now"), ("add", "missing"),
              ("add", "--plays", "missing.csv"), ("status", "--archive", "missing"), ("init",)]
)  # fmt: skip
def test_wrong_usage_is_told_in_words_with_exit_status_2(words: tuple[str, ...], archive: Path) -> None:
    said, told = run(*words, folder=archive, status=2)
    assert said == "" and told.startswith("fonoteca: ") and len(told) < 2000


def test_init_refuses_what_is_an_archive_or_a_file(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is an archive already" in run("init", archive, folder=tmp_path, status=2)[1]
    assert "is a file" in run("init", tmp_path / "file", folder=tmp_path, status=2)[1]


def test_the_archive_is_found_from_below_as_git_does(archive: Path) -> None:
    below = archive / "containers" / "deeper"
    below.mkdir(parents=True)
    assert json.loads(run("status", "--json", folder=below)[0])["path"] == str(archive)


def test_an_unknown_key_is_told_with_the_one_that_was_meant(archive: Path) -> None:
    settings = archive / "archive.toml"
    settings.write_text(settings.read_text().replace("torrent_size", "torent_size"))
    for command in (("status",), ("build",), ("plan",)):
        assert "Did you mean torrent_size?" in run(*command, folder=archive, status=2)[1]


@pytest.mark.parametrize(
    ("old", "new"), [("cut_off = 0.351", 'cut_off = "much"'), ("format = 1", "format = 2"), ("[covers]", "[covers"),
                     ('"210 GB"', '"210 elephants"'), ("from_popularity = 1", "from_popularity = 0"),
                     ('institution = "test"', 'institution = "../x"')]
)  # fmt: skip
def test_impossible_settings_are_told_with_the_file(old: str, new: str, archive: Path) -> None:
    settings = archive / "archive.toml"
    assert old in settings.read_text()
    settings.write_text(settings.read_text().replace(old, new))
    assert str(settings) in run("status", folder=archive, status=2)[1]


@pytest.mark.parametrize("name", ["catalogue.sqlite3", "ledger.sqlite3"])
def test_a_newer_schema_is_refused_and_not_touched(name: str, archive: Path) -> None:
    database = sqlite3.connect(archive / name)
    database.execute("PRAGMA user_version = 9999")
    database.close()
    before = (archive / name).read_bytes()
    for command in (("status",), ("plan",), ("build",)):
        told = run(*command, folder=archive, status=1)[1]
        assert name in told and "9999" in told and "Update fonoteca" in told
    assert (archive / name).read_bytes() == before


@pytest.mark.parametrize("damage", ["garbage", "cut", "missing", "a folder"])
@pytest.mark.parametrize("name", ["catalogue.sqlite3", "ledger.sqlite3"])
def test_a_damaged_database_is_one_clear_error(damage: str, name: str, archive: Path) -> None:
    path = archive / name
    content = path.read_bytes()
    path.unlink()
    if damage == "garbage":
        path.write_bytes(b"no database" * 1000)
    elif damage == "cut":
        path.write_bytes(content[:5000])
    elif damage == "a folder":
        path.mkdir()
    told = run("status", folder=archive, status=1)[1]
    assert name in told and len(told.splitlines()) <= 3, told


@pytest.mark.parametrize(
    "words", [("status",), ("plan",), ("show", "Piece 3"), ("verify",), ("build", "--dry-run"), ("publish", "--dry-run"),
              ("withdraw", "Piece 3", "--reason", "error", "--dry-run"), ("get", "Piece 3", "--dry-run"), ("init", "new", "--dry-run"),
              ("add", "../music", "--dry-run")]
)  # fmt: skip
def test_json_of_every_command_parses_and_is_the_same_again(words: tuple[str, ...], filled: Path) -> None:
    status = 3 if words[0] == "add" else 0
    first, second = (json.loads(run(*words, "--json", folder=filled, status=status)[0]) for _ in range(2))
    assert isinstance(first, dict) and first
    assert _without_times(first) == _without_times(second)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(inner) for name, inner in value.items() if not name.endswith(("_at", "seconds"))}
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value


def test_an_error_is_json_too(filled: Path) -> None:
    said, error = run("show", "nobody has this title", "--json", folder=filled, status=1)
    told = json.loads(error)
    assert said == "" and told["code"] == "not-found" and told["message"] and told["hint"]


def test_a_track_is_found_by_every_name_it_has(filled: Path) -> None:
    told = json.loads(run("show", "piece  2", "--json", folder=filled)[0])
    file, source = told["files"][0], told["sources"][0]
    names = (told["id"], told["isrcs"][0], file["aacid"], file["sha256"], source["sha256"], source["essence_sha256"], source["path"])
    for name in names:
        assert json.loads(run("show", name, "--json", folder=filled)[0])["id"] == told["id"], name


def test_several_answers_are_told_apart_by_their_ids(archive: Path, tmp_path: Path) -> None:
    write_small_files(tmp_path / "a", 1, seed=1)
    write_small_files(tmp_path / "b", 1, seed=2)
    run("add", tmp_path / "a", tmp_path / "b", folder=archive)
    assert "2 things answer to 'Piece 0'" in run("show", "Piece 0", folder=archive, status=1)[1]


def test_names_that_are_no_utf_8_can_be_told_in_words_and_in_json(archive: Path, tmp_path: Path) -> None:
    write_small_files(tmp_path / "a", 1)
    odd = os.path.join(os.fsencode(tmp_path), b"\xff\xe9.csv")
    with open(odd, "wb") as table:
        table.write(b"path,plays\nmissing,1\n")
    for more in ((), ("--json",)):
        said, _ = run("add", "--plays", os.fsdecode(odd), *more, folder=archive, status=3)
        assert ".csv" in said and "unknown-track" in said
        run("add", "--plays", os.fsdecode(odd + b"x"), *more, folder=archive, status=2)
        assert "no UTF-8" in run("init", os.fsdecode(odd + b"-new"), *more, folder=archive, status=2)[1]
    run("add", tmp_path / "a", folder=archive)
    run("build", folder=archive)
    assert json.loads(run("get", "Piece 0", "-o", os.fsdecode(odd + b".ogg"), "--json", folder=archive)[0])["path"].endswith(".csv.ogg")
