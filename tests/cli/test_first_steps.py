"""What somebody meets who does not know the program yet: help, slips of the pen, an archive without music."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from generated_music import write_small_files

FONOTECA = [sys.executable, "-m", "fonoteca"]


def run(*arguments: str | Path, folder: Path, status: int = 0) -> str:
    """What a command says, stdout and stderr; it must end with `status` and without a traceback."""
    done = subprocess.run([*FONOTECA, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said
    return said


def test_help_loads_no_decoder_no_database_and_no_torrents() -> None:
    program = "import sys; from fonoteca.cli.run import run; run(['add', '-h']); print(*sorted(sys.modules), sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True).stdout.split("\n")
    assert "fonoteca.cli.commands" in loaded
    assert not {"numpy", "av", "soundfile", "libtorrent", "cryptography", "mutagen", "fonoteca.workflows.ingest"} & set(loaded)


def test_help_lists_the_commands_in_the_order_of_the_work(tmp_path: Path) -> None:
    said = run("-h", folder=tmp_path)
    places = [
        said.index(f"│ {name} ") for name in ("init", "add", "plan", "build", "publish", "verify", "status", "show", "get", "withdraw")
    ]
    assert places == sorted(places)


def test_a_misspelt_command_is_told_with_the_one_that_is_close(tmp_path: Path) -> None:
    assert "there is no command 'pubish'; did you mean 'publish'?" in run("pubish", folder=tmp_path, status=2)
    assert "status does not take 'extra'" in run("status", "extra", folder=tmp_path, status=2)


def test_a_folder_of_music_is_not_made_an_archive(tmp_path: Path) -> None:
    (tmp_path / "Music").mkdir()
    (tmp_path / "Music" / "a.ogg").touch()
    for more in ((), ("--dry-run",)):
        assert "is not empty: it holds 'a.ogg'" in run("init", "Music", *more, folder=tmp_path, status=2)
    assert [path.name for path in (tmp_path / "Music").iterdir()] == ["a.ogg"]
    run("init", "archive", "--name", "", folder=tmp_path, status=2)
    assert not (tmp_path / "archive").exists()


def test_an_init_that_was_killed_can_be_run_again(tmp_path: Path) -> None:
    run("init", "archive", folder=tmp_path)
    (tmp_path / "archive" / "archive.toml").rename(tmp_path / "archive" / "archive.toml.partial")
    key = (tmp_path / "archive" / "signing" / "release.key").read_bytes()
    run("init", "archive", folder=tmp_path)
    run("status", "--archive", "archive", folder=tmp_path)
    assert (tmp_path / "archive" / "signing" / "release.key").read_bytes() == key


def test_outside_an_archive_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "Music").mkdir()
    for words in (("add", "Music"), ("plan",), ("build",), ("publish",), ("verify",), ("status",), ("show", "x"), ("get", "x")):
        assert "fonoteca init DIR" in run(*words, folder=tmp_path, status=2)


def test_a_folder_without_music_is_told_and_the_archive_still_works(tmp_path: Path) -> None:
    (tmp_path / "Texts").mkdir()
    (tmp_path / "Texts" / "a.txt").write_text("no music")
    run("init", "archive", folder=tmp_path)
    assert "no music was found" in run("add", "../Texts", folder=tmp_path / "archive")
    for verb in ("plan", "build", "publish", "verify", "status"):
        run(verb, folder=tmp_path / "archive")
    assert "release 1 is published" in run("status", folder=tmp_path / "archive")


@pytest.mark.parametrize("arguments", [["status"], ["bogus"], ["get", "--json"]])
def test_with_json_an_error_is_an_object_with_code_message_and_hint(arguments: list[str], tmp_path: Path) -> None:
    told = json.loads(run(*arguments, "--json", folder=tmp_path, status=2))
    assert told.keys() == {"code", "message", "hint"} and all(told.values())
    assert told["code"] == ("not-an-archive" if arguments == ["status"] else "usage")


def test_a_reader_that_has_had_enough_ends_the_command_without_a_word(tmp_path: Path) -> None:
    run("init", "archive", folder=tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-u", "-m", "fonoteca", "status", "--archive", "archive"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("verb", ["add", "build"])
def test_ctrl_c_says_in_one_line_that_the_same_command_goes_on_and_it_does(verb: str, tmp_path: Path) -> None:
    music = tmp_path / "Music"
    music.mkdir()
    write_small_files(music, 800)
    run("init", "archive", folder=tmp_path)
    archive = tmp_path / "archive"
    words = ["add", str(music), "--rights", "CC0-1.0"] if verb == "add" else ["build"]
    if verb == "build":
        run("add", music, "--rights", "CC0-1.0", folder=archive)
    stopped = subprocess.Popen([*FONOTECA, *words], cwd=archive, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: has_begun(archive, verb) or stopped.poll() is not None)
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does it: the worker processes get it too
    said = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130, f"it ended before it was stopped, or wrongly: {stopped.returncode}\n{said}"
    assert said.splitlines() == ["fonoteca: stopped", "  Nothing is lost: the same command goes on."]
    run(*words, folder=archive)
    run("build", folder=archive)
    run("publish", folder=archive)
    assert "800 files" in run("publish", "--dry-run", folder=archive)


def has_begun(archive: Path, verb: str) -> bool:
    """Whether the command is in the middle of its work."""
    if verb == "build":
        return any(archive.glob("staging/*.partial"))
    log = archive / "ledger.sqlite3-wal"
    return log.exists() and log.stat().st_size > 200_000


def wait_for(is_so, seconds: float = 60) -> None:
    """Until it is so."""
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.005)
