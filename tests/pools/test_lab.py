"""The lab itself: guests with real OpenZFS start fresh, run what they are told, and end with their test."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from zfs_lab import Guest, LabError
from zfs_lab_kit.parts import keep_part, run_step
from zfs_lab_kit.slots import SLOTS, taken_slots

lab = pytest.mark.xdist_group("zfs-lab")


@lab
def test_guest_runs_openzfs_and_this_checkout(guest: Guest) -> None:
    assert guest.run(["zfs", "version"]).out.count("2.3.") == 2  # programs and module
    ran = guest.fonoteca("--version")
    assert ran.status == 0 and "." in ran.out, ran
    unknown = guest.fonoteca("no-such-command")
    assert (unknown.status, "there is no command 'no-such-command'" in unknown.err) == (2, True), unknown
    assert guest.run("fonoteca --version").out == ran.out  # as a hook or a forced command starts it
    assert abs(float(guest.run(["date", "+%s"]).out) - time.time()) < 60


@lab
def test_programs_run_at_once_and_end_by_signals(guest: Guest) -> None:
    noise = bytes(range(256)) * 12_000
    sleeping, copying = guest.start("echo begun; sleep 100"), guest.start(["sh", "-c", "cat; echo done >&2; exit 3"], stdin=noise)
    copied = copying.wait(60)
    assert (copied.status, copied.out_bytes == noise, copied.err) == (3, True, "done\n")
    sleeping.kill(9)
    assert sleeping.wait(60)[:2] == (-9, "begun\n")
    guest.put("/tmp/new/folder/noise", noise)
    assert guest.get("/tmp/new/folder/noise") == noise
    with pytest.raises(LabError, match=r"ended with status 1:\nsaid\ntold"):
        guest.run("echo said; echo told >&2; false")
    assert guest.run(["no-such-program"], check=False).status == 127
    with pytest.raises(LabError, match=r"did not end within 0\.2 s"):
        guest.run(["sleep", "60"], timeout_s=0.2)


@lab
def test_every_guest_is_fresh_and_its_pool_can_be_damaged(blueprint: Guest) -> None:
    assert blueprint.run(["zpool", "list", "-Hpo", "name,size"]).out == "tank\t439976449802240\n"
    assert not blueprint.run(["zfs", "list", "-H", "tank/made"], check=False).out
    blueprint.run("zfs create tank/made; head -c 3M /dev/urandom > /tank/made/f; zpool sync; zpool export tank")
    assert blueprint.corrupt("/tmp/v/d03") > 300_000
    blueprint.run("zpool import -d /tmp/v tank; zpool scrub -w tank")
    assert "scrub repaired 0B" not in blueprint.run("zpool status tank").out


@lab
def test_two_guests_reach_each_other_by_ssh(two_guests: tuple[Guest, Guest]) -> None:
    first, second = two_guests
    assert first.run(["ssh", "guest2", "hostname; fonoteca --version"]).out.splitlines()[0] == "guest2"
    assert second.run(["ssh", "root@10.77.0.1", "hostname"]).out == "guest1\n"


@lab
@pytest.mark.slow
def test_virtual_disks_have_names_and_can_be_pulled(guest_with_disks: Guest) -> None:
    names = guest_with_disks.run("ls /dev/disk/by-id").out.split()
    assert {f"wwn-0x5000c500a00000{number:02x}" for number in range(1, 23)} <= set(names)
    guest_with_disks.machine.pull_disk(5)
    guest_with_disks.wait_until("! test -e /dev/disk/by-id/wwn-0x5000c500a0000005")
    new = guest_with_disks.machine.plug_disk(5, "ZNEW0001")
    guest_with_disks.wait_until(f"test -b /dev/disk/by-id/{new}")
    guest_with_disks.machine.pull_disk(5)
    guest_with_disks.wait_until(f"! test -e /dev/disk/by-id/{new}")
    assert guest_with_disks.machine.plug_disk(5) == "wwn-0x5000c500a0000005"
    guest_with_disks.wait_until("test -b /dev/disk/by-id/wwn-0x5000c500a0000005")


def test_slots_are_taken_all_or_none(tmp_path: Path) -> None:
    with taken_slots(SLOTS - 1, cache=tmp_path), taken_slots(cache=tmp_path):  # a guest takes no more than it asked for
        with pytest.raises(LabError, match="no slot"), taken_slots(cache=tmp_path, timeout_s=0.2):
            pass
    order: list[str] = []
    with taken_slots(SLOTS - 1, cache=tmp_path):
        waiting = threading.Thread(target=lambda: _note(order, tmp_path))
        waiting.start()
        time.sleep(0.2)
        assert order == []
    waiting.join(10)
    assert order == ["both"]


def _note(order: list[str], cache: Path) -> None:
    with taken_slots(2, cache=cache):
        order.append("both")


def test_part_that_fails_is_not_kept_and_shows_what_was_said(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        run_step(["sh", "-c", "echo the reason; exit 4"], folder / "log")

    with pytest.raises(LabError, match=r"status 4;.*\nthe reason"):
        keep_part(tmp_path, "part", "0" * 12, fail)
    assert not (tmp_path / f"part-{'0' * 12}").exists()
    made = keep_part(tmp_path, "part", "0" * 12, lambda folder: (folder / "whole").touch())
    assert keep_part(tmp_path, "part", "0" * 12, fail) == made
    keep_part(tmp_path, "part", "1" * 12, lambda folder: (folder / "whole").touch(), others=0)
    assert not made.exists()
