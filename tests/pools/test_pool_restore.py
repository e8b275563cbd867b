"""What was lost comes back from a snapshot of real OpenZFS: a file, an album, a dataset; nothing that is good is touched."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from zfs_lab import Guest, Ran

pytestmark = pytest.mark.xdist_group("zfs-lab")

ARCHIVE = "/tank/fonoteca/archive"


def restore(guest: Guest, *arguments: str, status: int = 0) -> dict[str, Any]:
    ran = guest.fonoteca("pool", "restore", *arguments, "--json")
    assert ran.status == status, (ran.out, ran.err)
    told: dict[str, Any] = json.loads(ran.out or ran.err)
    return told


PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "restore-to-new-hardware.md"


def follow(guest: Guest, wanted: str, cwd: str, *more: str) -> list[Ran]:
    """Commands of the page that change nothing, as they stand there."""
    lines = re.findall(rf"^fonoteca ({wanted}.*--dry-run)$", PAGE.read_text("utf-8"), re.M)
    return [guest.fonoteca(*shlex.split(line), *more, cwd=cwd) for line in lines]


PLAN = """\
name = "tank"
[[vdevs]]
kind = "mirror"
width = 2
disks = ["/tmp/new1", "/tmp/new2"]
[[datasets]]
name = "fonoteca"
[[datasets]]
name = "fonoteca/archive"
properties = { recordsize = "1M", compression = "zstd" }
[[datasets]]
name = "fonoteca/databases"
properties = { recordsize = "16K" }
"""


@pytest.fixture
def store(guest: Guest, small_archive: Path) -> Guest:
    """An archive on the pool tank, with the snapshot @monday."""
    guest.run("truncate -s 10G /tmp/disk; zpool create -O compression=zstd tank /tmp/disk; zfs create tank/fonoteca")
    guest.run("zfs create -o recordsize=1M tank/fonoteca/archive")
    guest.put_tree(small_archive, ARCHIVE)
    guest.run("zfs snapshot -r tank/fonoteca@monday")
    return guest


def members(guest: Guest) -> list[str]:
    return sorted(guest.run(f"cd {ARCHIVE}; find containers -type f -name 'aacid*' ! -name '*.zst'").out.split())


def test_an_album_and_a_file_come_back_proved_and_in_their_place(store: Guest) -> None:
    run = store.run
    sums = run(f"cd {ARCHIVE}; find containers release -type f | sort | xargs sha256sum").out
    first, *others = members(store)
    run(f"cd {ARCHIVE}; chmod u+w {first}; printf X | dd of={first} bs=1 seek=900 conv=notrunc; rm {' '.join(others)}")
    run("zfs snapshot tank/fonoteca/archive@tuesday")

    for album in ("Amoebax", "Backgrounds"):
        results = [file["result"] for file in restore(store, "@monday", album, "--archive", ARCHIVE)["files"]]
        assert results == ["restored", "restored"]
    assert run(f"cd {ARCHIVE}; find containers release -type f | sort | xargs sha256sum").out == sums
    assert restore(store, "@monday", first, "--archive", ARCHIVE)["files"][0]["result"] == "good"
    spoiled = restore(store, "@tuesday", first, "--archive", ARCHIVE, "--into", "/tmp/out", status=3)
    assert spoiled["files"][0]["result"] == "damaged"
    beside = restore(store, "tank/fonoteca/archive@monday", "archive.toml", "--archive", ARCHIVE, "--into", "/tmp/out")
    assert beside["files"][0]["result"] == "restored"
    assert restore(store, "@sunday", first, "--archive", ARCHIVE, status=1)["code"] == "not-found"


def test_a_dataset_comes_back_outside_of_the_store_and_is_swapped_by_the_printed_commands(store: Guest) -> None:
    run = store.run
    run("zfs snapshot -r tank/fonoteca@tuesday; truncate -s 10G /tmp/disk2; zpool create backup /tmp/disk2")
    replicate = ("pool", "replicate", "--from", "tank/fonoteca", "--into", "backup/fonoteca", "--json")
    store.fonoteca(*replicate, check=True)
    run(f"rm -r {ARCHIVE}/containers")
    told = restore(store, "tank/fonoteca/archive@monday")
    new = "tank/restored/archive_from_monday"
    assert told["dataset"] == new and run(f"zfs get -Ho value recordsize {new}").out.strip() == "1M"
    assert restore(store, "tank/fonoteca/archive@monday")["commands"] == []  # run again: nothing is left to do
    for step in told["next_steps"]:
        if step["command"] and step["command"][0] == "zfs":
            run(step["command"])
        elif step["words"].startswith("zfs "):
            run(step["words"].replace("REPLICA", "backup/fonoteca/archive"))
    assert members(store)
    assert store.fonoteca("verify", ARCHIVE).status == 0
    run("zfs snapshot -r tank/fonoteca@wednesday")
    sent = json.loads(store.fonoteca(*replicate, check=True).out)["replication"]["sent"]
    assert {(one["step"]["target"], one["step"]["kind"]) for one in sent} == {
        ("backup/fonoteca", "incremental"),
        ("backup/fonoteca/archive", "incremental"),
    }
    (held,) = [line.split("\t") for line in run("zfs holds -H tank/restored/archive_before@tuesday").out.splitlines()]
    run(["zfs", "release", held[1], held[0]])
    run("zfs destroy -r tank/restored/archive_before")  # the old one depends on nothing, nothing on it
    assert members(store)

    lost = restore(store, "backup/fonoteca/archive", "--into", "tank/back")
    for step in lost["next_steps"]:
        if step["command"] and step["command"][0] == "zfs":
            run(step["command"])
    assert members(store) and run("zfs get -Ho value recordsize,readonly,mounted tank/fonoteca/archive").out.split() == ["1M", "off", "yes"]


def test_the_whole_store_comes_back_on_new_disks_from_a_replica(store: Guest) -> None:
    run = store.run
    sums = run(f"cd {ARCHIVE}; find . -type f ! -name '.lock' | sort | xargs sha256sum").out
    run("truncate -s 10G /tmp/disk2 /tmp/new1 /tmp/new2; zpool create backup /tmp/disk2")
    run("zfs send -R tank/fonoteca@monday | zfs receive -u -o readonly=on backup/fonoteca")
    run("zfs snapshot -r tank/fonoteca@autosnap_2026-11-22_00:00:01_daily")
    single = follow(store, "pool restore (?!.*--plan)", ARCHIVE)
    assert [ran.status for ran in single] == [0, 0, 0], [ran.err for ran in single]
    run("zpool destroy tank; rm /tmp/disk")
    store.put("/tmp/plan.toml", PLAN.encode())
    (whole,) = follow(store, "pool restore backup.*--plan", "/tmp", "--allow", "files")
    assert whole.status == 0 and "zpool create" in whole.out, whole.err
    command = ("backup/fonoteca", "--plan", "/tmp/plan.toml", "--allow", "files")

    unsaid = store.fonoteca("pool", "restore", *command)
    assert unsaid.status == 2 and "zpool create" in unsaid.out and "nothing was done" in unsaid.err
    restored = restore(store, *command, "--yes")
    assert restored["proved"] == "same" and restored["proof"]["damaged_count"] == 0
    assert run(f"cd {ARCHIVE}; find . -type f ! -name '.lock' | sort | xargs sha256sum").out == sums
    assert run("zfs get -Ho value recordsize,readonly tank/fonoteca/archive").out.split() == ["1M", "off"]
    assert run("zfs get -Ho value recordsize tank/fonoteca/databases").out.split() == ["16K"]
    run(f"touch {ARCHIVE}/writable")
    again = restore(store, *command, "--yes")  # nothing is left to do, and nothing is said to be proved
    assert again["proved"] == "earlier" and again["restored_at"] and again["proof"] is None
    run("zfs destroy -r tank/fonoteca/archive")
    assert restore(store, *command, "--yes")["proved"] == "same"  # what was destroyed is received and proved again
    assert run(f"cd {ARCHIVE}; find . -type f ! -name '.lock' | sort | xargs sha256sum").out == sums
