"""`pool replace` as a person meets it: what it says, on which stream, with which exit status; a zpool plays the statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from statuses_made import ID, RESILVER, disk, gone, play_statuses, status_text, ten

from fonoteca.cli.run import run

REPLACING = "\t    replacing-3  DEGRADED  0     0     0\n" + gone(4, 77, depth=3) + "\n" + disk(30, note="(resilvering)", depth=3)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder at the front of PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'fake'}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "fake"


def test_it_says_which_disk_whether_it_is_safe_and_every_step(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play_statuses(machine, status_text(*ten(d4=gone(4, 77), d9=disk(9, counts="0     0    17"))))
    assert run(["pool", "replace", "ZX200004"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("UNAVAIL, one of 10 of raidz3-0 in tank") and "ZX200004" in told[0]
    assert told[1] == "It is safe to pull it now."
    assert told[2].strip() == "raidz3-0: now 2 more disks may die."
    assert "ZX200009-part1 of the same group has errors too: 17 checksum." in told[3]
    assert "the label has the serial ZX200004" in "\n".join(told)
    assert told[-1].strip() == "fonoteca pool replace 77 /dev/disk/by-id/NEW --yes"


def test_a_disk_that_must_stay_is_said_to_stay(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play_statuses(machine, status_text(*ten(d4=gone(4, 77), d5=gone(5, 78), d6=gone(6, 79))))
    assert run(["pool", "replace", "ZX200007"]) == 0
    told = capsys.readouterr().out
    assert "Do NOT pull it now." in told and "zpool offline" not in told and "Leave" in told


def test_nothing_is_changed_without_yes_and_dry_run_says_the_same(
    machine: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    play_statuses(machine, status_text(*ten(d4=gone(4, 77))))
    (tmp_path / "new").write_bytes(b"")
    assert run(["pool", "replace", "77", str(tmp_path / "new"), "--allow", "files"]) == 2
    assert "nothing was changed yet" in capsys.readouterr().err
    assert run(["pool", "replace", "77", str(tmp_path / "new"), "--allow", "files", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "planned" and told["plan"]["steps"][0]["command"][:2] == ["zpool", "replace"]
    assert run(["pool", "replace", "77", str(tmp_path / "new"), "--allow", "everything"]) == 2
    assert "replace" not in (machine / "commands").read_text()


def test_run_again_it_watches_and_the_result_alone_is_on_stdout(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filling = status_text(*"\n".join(ten(d4=REPLACING)).split("\n"), scan=RESILVER)
    rows = [row.replace("DEGRADED", "ONLINE") for row in ten(d4=disk(30))]
    play_statuses(machine, filling, filling, filling, status_text(*rows, state="ONLINE"))
    assert run(["pool", "replace", "77"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("tank is healthy again after") and "fonoteca pool scrub tank" in told.out
    assert "It is being replaced now: pull nothing" in told.err and "resilver 21.4 % of 10.8 TB, time left unknown yet" in told.err


def test_names_from_strangers_cannot_write_on_the_terminal(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play_statuses(machine, status_text(*ten(d4=f"\t    /dev/\x1b[2Jevil  FAULTED  0     0     0  {ID}")))
    assert run(["pool", "replace", "evil"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_disk_of_no_pool_and_a_pool_without_disks_are_errors_with_a_way_out(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play_statuses(machine, "no pools available\n")
    assert run(["pool", "replace", "sda", "--json"]) == 1
    told = json.loads(capsys.readouterr().err)
    assert told["code"] == "not-found" and told["hint"]
