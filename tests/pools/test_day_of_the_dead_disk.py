"""The day of the dead disk on 22 virtual SAS disks: real names, a disk that is pulled, ZED's spare, the guided replacement. Slow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zfs_lab import Guest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("zfs-lab")]


def told(guest: Guest, *arguments: str, status: int | None = 0) -> dict[str, Any]:
    ran = guest.fonoteca("pool", *arguments, "--json", timeout_s=600)
    assert status is None or ran.status == status, (arguments, ran.out, ran.err)
    answer: dict[str, Any] = json.loads(ran.out or ran.err.splitlines()[-1])
    return answer


def disks_of(guest: Guest) -> list[dict[str, Any]]:
    """The 22 disks, as `pool disks` tells them."""
    found: list[dict[str, Any]] = told(guest, "disks", status=None)["disks"]
    return sorted((disk for disk in found if disk["serial"].startswith("ZT")), key=lambda disk: disk["serial"])


def link(disk: dict[str, Any]) -> str:
    return str(disk["by_id"][0])


def make_pool(guest: Guest, disks: list[dict[str, Any]]) -> None:
    """tank: 2 × RAIDZ3 × 10 and a spare, by a plan of these disks."""
    lines = ['name = "tank"', "spare_count = 1", f'spares = ["{link(disks[20])}"]']
    for first in (0, 10):
        names = ", ".join(f'"{link(disk)}"' for disk in disks[first : first + 10])
        lines += ["[[vdevs]]", 'kind = "raidz3"', "width = 10", f"disks = [{names}]"]
    guest.put("/tmp/plan.toml", "\n".join(lines).encode())
    told(guest, "create", "/tmp/plan.toml", "--yes", status=None)


def spares(guest: Guest) -> str:
    return guest.run("zpool status -P tank | sed -n '/spares/,/^$/p'").out


def test_from_alarm_to_healthy_pool(guest_with_disks: Guest) -> None:
    guest = guest_with_disks
    disks = disks_of(guest)
    assert len(disks) == 22 and all(disk["wwn"] and disk["bytes"] == 22 * 10**12 and disk["bay"] for disk in disks)
    assert all(link(disk) == f"/dev/disk/by-id/wwn-{disk['wwn']}" for disk in disks)
    make_pool(guest, disks)
    guest.run("head -c 48M /dev/urandom > /tank/music; sync; sha256sum /tank/music > /tmp/sums")
    guest.start_zed("statechange-slot_off.sh")

    dead = disks[3]
    guest.machine.pull_disk(4)
    guest.wait_until("zpool status -P tank | grep -q REMOVED && zpool status tank | grep -q INUSE", timeout_s=300)
    guest.run("zpool wait -t resilver tank")

    guided = guest.fonoteca("pool", "replace", link(dead), check=True).out
    assert (
        f"WWN {dead['wwn'].removeprefix('0x').upper()}" in guided and "It is safe to pull it now" in guided and "stands in for it" in guided
    )
    assert link(disks[21]) in guided  # the one that is free

    guest.machine.plug_disk(4, serial="ZTNEW1")
    guest.wait_until("lsblk -ndo SERIAL | grep -q ZTNEW1 && udevadm settle", timeout_s=120)
    new = next(disk for disk in disks_of(guest) if disk["serial"] == "ZTNEW1")
    report = told(guest, "replace", link(dead), link(new), "--yes")
    assert report["outcome"] == "healthy"
    assert "AVAIL" in spares(guest) and "INUSE" not in spares(guest)
    guest.run("sha256sum -c /tmp/sums")
    status = guest.run("zpool status -P tank").out
    assert link(dead) not in status and link(new) in status

    # a healthy disk is pulled instead of the dead one: put it back first
    guest.run(["zpool", "remove", "tank", link(disks[20])])
    guest.run(["zpool", "offline", "-f", "tank", link(disks[11])])
    guest.machine.pull_disk(14)
    guest.wait_until(f"zpool status -P tank | grep {link(disks[13])} | grep -q REMOVED", timeout_s=120)
    error = told(guest, "replace", link(disks[11]), link(disks[21]), "--yes", status=1)
    assert link(disks[13]) in error["message"] and "was pulled" in error["message"] and "zpool online" in error["hint"]


def test_draid_and_a_growing_raidz_are_as_planned(guest_with_disks: Guest) -> None:
    guest = guest_with_disks
    disks = disks_of(guest)
    planned = told(guest, "plan", "--layout", "draid3:8d:21c:1s", "--disk", "22TB")["asked"][0]
    guest.run(["zpool", "create", "-o", "ashift=12", "tank", "draid3:8d:21c:1s", *map(link, disks[:21])])
    assert int(guest.run("zpool list -Hpo size tank").out) == planned["pool_bytes"]
    guest.run("zpool destroy tank")

    guest.run(["zpool", "create", "-o", "ashift=12", "tank", "raidz1", *map(link, disks[:3])])
    guest.run("head -c 48M /dev/urandom > /tank/music; sync; sha256sum /tank/music > /tmp/sums")
    guest.run(["zpool", "attach", "tank", "raidz1-0", link(disks[3])])
    guest.run("zpool wait -t raidz_expand tank", timeout_s=600)
    wider = told(guest, "plan", "--layout", "1xraidz1x4", "--disk", "22TB")["asked"][0]
    assert int(guest.run("zpool list -Hpo size tank").out) == wider["pool_bytes"]
    assert "expan" in guest.run("zpool status tank").out
    guest.run("sha256sum -c /tmp/sums")
    assert guest.fonoteca("pool", "status").status in (0, 3)
