"""`pool status` as a person meets it where something else is broken too: what cannot be asked never hides how the pool is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from statuses_made import disk, gone, play_statuses, status_text, ten

from fonoteca.cli.run import run
from fonoteca.workflows.pool import status


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder at the front of PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'fake'}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "fake"


def opening(work: Callable[[], object]) -> Callable[..., object]:
    return lambda *_, **__: work()


def fail(error: Exception) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), apsw.IOError("disk I/O error")])
def test_an_archive_that_cannot_be_read_is_a_fact_beside_the_pool(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    play_statuses(machine, status_text(*ten(d4=gone(4, 77))))
    monkeypatch.setattr(status, "open_archive", opening(fail(error)))
    assert run(["pool", "status", "--archive", "/tank/archive"]) == 3
    told = capsys.readouterr().out
    assert told.startswith("tank has lost 1 disk and no data.") and "the archive could not be opened: " in told


def test_an_archive_that_does_not_answer_is_given_up(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_statuses(machine, status_text(*ten(d4=gone(4, 77))))
    monkeypatch.setattr(status, "open_archive", opening(lambda: time.sleep(20)))
    monkeypatch.setattr(status, "_ASK_S", 0.5)
    assert run(["pool", "status", "--archive", "/tank/archive"]) == 3
    assert "could not be opened within" in capsys.readouterr().out


def test_an_archive_is_not_touched_while_a_pool_is_suspended(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = {f"d{number}": gone(number, 70 + number, "REMOVED") for number in range(1, 5)}
    play_statuses(machine, status_text(*ten(**dead), state="SUSPENDED", see="ZFS-8000-HC"))
    opened: list[int] = []
    monkeypatch.setattr(status, "open_archive", opening(lambda: opened.append(1)))
    assert run(["pool", "status", "--archive", "/tank/archive"]) == 3
    told = capsys.readouterr().out
    assert told.startswith("tank has stopped") and "was not looked at, since tank has stopped" in told and not opened


def test_a_disk_that_is_degraded_is_told_with_its_vdev(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play_statuses(machine, status_text(*ten(d4=disk(4, "DEGRADED", "too many errors"))))
    assert run(["pool", "status"]) == 3
    told = capsys.readouterr().out
    assert told.startswith("tank has lost no data, but 1 disk is failing.") and "  degraded: /dev/disk/by-id/" in told
