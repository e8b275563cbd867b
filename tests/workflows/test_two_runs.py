"""Two runs at once, and runs that are stopped with Ctrl-C."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import FREE_ART, copy_archive, make_archive, run_fonoteca, run_json, tree_digest
from killing import Running

from fonoteca.ground.files import lock_folder
from generated_music import write_small_files

WRITERS = {
    "add": ("add", "{music}"),
    "build": ("build",),
    "publish": ("publish",),
    "withdraw": ("withdraw", "training", "--reason", "error"),
    "verify": ("verify",),
}
READERS = {
    "status": ("status",), "plan": ("plan",), "build --dry-run": ("build", "--dry-run"), "show": ("show", "training"),
    "get": ("get", "training", "--output", "{folder}/got.flac"), "add --dry-run": ("add", "{music}", "--dry-run"),
}  # fmt: skip


@pytest.fixture
def held(published: Path) -> Iterator[Path]:
    """An archive that this process holds for writing, with a transaction under way in both databases."""
    from fonoteca.workflows.archive import open_archive

    with open_archive(published, "build") as archive:
        with archive.ledger.transaction(), archive.catalogue.transaction():
            archive.ledger.set_proved(["nothing"], 1)
            archive.catalogue.statements.run("UPDATE tracks SET title = title")
            yield published


def _filled(arguments: tuple[str, ...], **places: Path) -> list[str]:
    return [argument.format(**places) for argument in arguments]


@pytest.mark.parametrize("command", WRITERS)
def test_a_second_run_says_who_holds_the_archive_and_stops(command: str, published: Path, music_minute: Path) -> None:
    before = tree_digest(published / "release")
    with lock_folder(published, "build"):
        started = time.monotonic()
        done = run_fonoteca(*_filled(WRITERS[command], music=music_minute), "--archive", published, status=1)
        assert time.monotonic() - started < 30
    assert done.stderr.startswith(f"fonoteca: {published} is in use by fonoteca build (process ")
    assert "Wait until it has finished" in done.stderr
    assert done.stderr.count("\n") == 2
    assert done.stdout == ""
    assert tree_digest(published / "release") == before


@pytest.mark.parametrize("command", READERS)
def test_readers_work_while_another_run_writes(command: str, held: Path, music_minute: Path, tmp_path: Path) -> None:
    done = run_fonoteca(*_filled(READERS[command], music=music_minute, folder=tmp_path), "--archive", held)
    assert done.stdout


def test_a_release_can_be_verified_while_another_run_writes(held: Path) -> None:
    assert run_json("verify", held / "release")["listed"] == []


def test_the_archive_is_free_again_when_its_holder_was_killed(published: Path, music_minute: Path) -> None:
    running = Running("add", music_minute, "--archive", published)
    running.wait_for_lock(published)
    running.kill()
    run_fonoteca("build", "--archive", published)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Path:
    """A folder that takes some seconds to add and to build: real music and small files."""
    folder = tmp_path_factory.mktemp("many")
    for name in ("AngusBackground", "Mr.BonesBackground", "PenBackground", "menu"):
        shutil.copy(music / "amoebax-data" / "music" / f"{name}.ogg", folder)
    write_small_files(folder / "small", 200)
    return folder


@pytest.fixture(scope="module")
def added(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, added: a third of it is encoded by a build."""
    archive = make_archive(tmp_path_factory.mktemp("added") / "archive")
    table = archive.parent / "plays.csv"
    chosen = sorted((many / "small").rglob("*.flac"))
    table.write_text("path,plays\n" + "".join(f"{path},5\n" for path in chosen))
    run_fonoteca("add", many, "--rights", FREE_ART, "--check", "structure", "--plays", table, "--archive", archive)
    return archive


@pytest.mark.parametrize("delay", [0.0, 0.3])
@pytest.mark.parametrize("command", ["add", "build", "verify"])
def test_ctrl_c_is_one_line_and_the_next_run_goes_on(command: str, delay: float, many: Path, added: Path, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive") if command == "add" else copy_archive(added, tmp_path / "archive")
    if command == "verify":
        run_fonoteca("build", "--archive", archive)
    arguments = {"add": ("add", many, "--rights", FREE_ART), "build": ("build",), "verify": ("verify",)}[command]
    running = Running(*arguments, "--archive", archive)
    running.wait_for_lock(archive)
    time.sleep(delay)
    running.interrupt()
    started = time.monotonic()
    status, out, err = running.finish()
    assert time.monotonic() - started < 10, "it took long to stop"
    if status != 0:  # 0: it had just finished
        assert (status, out) == (130, ""), err
        assert len(err.splitlines()) == 2, err
        assert err.splitlines() == ["fonoteca: stopped", "  Nothing is lost: the same command goes on."]
    assert status == 130 or (command == "verify" and delay)
    assert not running.wait_until_alone()
    run_fonoteca(*arguments, "--archive", archive)


def test_ctrl_c_while_the_program_starts_is_no_traceback(published: Path) -> None:
    for delay in (0.1, 0.2, 0.3):
        running = Running("verify", published / "release")
        time.sleep(delay)
        running.interrupt()
        status, _, err = running.finish()
        assert status in (0, 130, -2), err
        assert "fonoteca/" not in err, err
