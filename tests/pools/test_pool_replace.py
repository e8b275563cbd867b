"""Disks that die in real OpenZFS: the guided replacement, to the healthy pool and the spare back where it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zfs_lab import Guest

pytestmark = pytest.mark.xdist_group("zfs-lab")

DISK = 22_000_000_000_000


def spare_states(guest: Guest) -> dict[str, str]:
    rows = guest.run("zpool status -P tank | sed -n '/spares/,$p'").out.splitlines()
    return {row.split()[0]: row.split()[1] for row in rows if "/v/" in row}


def replace(guest: Guest, *arguments: str, status: int = 0) -> dict[str, Any]:
    ran = guest.fonoteca("pool", "replace", *arguments, "--json")
    assert ran.status == status, (ran.out, ran.err)
    told: dict[str, Any] = json.loads(ran.out or ran.err)
    return told


def test_a_dead_disk_is_replaced_with_only_what_the_program_prints(blueprint: Guest) -> None:
    run = blueprint.run
    run("head -c 24M /dev/urandom > /tank/music; sync; sha256sum /tank/music > /tmp/sums; zpool offline -f tank /tmp/v/d05")

    told = blueprint.fonoteca("pool", "replace", "d05", check=True).out
    assert "FAULTED, one of 10 of raidz3-0 in tank" in told and "It is safe to pull it now." in told
    assert "2 more disks may die" in told and "--yes" in told.splitlines()[-1]

    run(f"truncate -s {DISK} /tmp/v/new; truncate -s 20000000000000 /tmp/v/small")
    assert replace(blueprint, "d05", "/tmp/v/small", "--yes", status=1)["code"] == "disk-refused"
    assert replace(blueprint, "d05", "/tmp/v/d05", "--yes", status=1)["code"] == "disk-refused"
    assert replace(blueprint, "d05", "/tmp/v/d07", "--yes", status=1)["code"] == "disk-refused"
    unsaid = blueprint.fonoteca("pool", "replace", "d05", "/tmp/v/new")
    assert unsaid.status == 2 and "zpool replace tank" in unsaid.out and "nothing was changed yet" in unsaid.err

    report = replace(blueprint, "d05", "/tmp/v/new", "--yes")
    assert report["outcome"] == "healthy"
    assert "/tmp/v/new" in run("zpool status -P tank").out and "/tmp/v/d05" not in run("zpool status -P tank").out
    run("sha256sum -c /tmp/sums")
    assert spare_states(blueprint) == {"/tmp/v/d21": "AVAIL", "/tmp/v/d22": "AVAIL"}


def test_a_spare_goes_back_when_the_real_successor_is_in(guest: Guest) -> None:
    """Not in /tmp, where zpool cannot see that a file is a spare of the pool."""
    disks = guest.sparse_disks(12, 1 << 30, "/v")
    guest.run(["zpool", "create", "tank", "raidz3", *disks[:10], "spare", *disks[10:]])
    guest.run("head -c 24M /dev/urandom > /tank/music; sync; zpool offline -f tank /v/d05; truncate -s 1G /v/new")
    assert replace(guest, "/v/d05", "/v/d11", "--yes", status=3)["outcome"] == "not-healthy"
    assert spare_states(guest)["/v/d11"] == "INUSE"
    told = replace(guest, "d05")
    assert any("stands in for it and holds its data" in fact for fact in told["plan"]["judgement"]["facts"])
    assert replace(guest, "d05", "/v/new", "--yes")["outcome"] == "healthy"
    assert spare_states(guest) == {"/v/d11": "AVAIL", "/v/d12": "AVAIL"}


def test_a_good_disk_beside_three_dead_ones_is_kept(blueprint: Guest) -> None:
    blueprint.run("for d in 01 02 03; do zpool offline tank /tmp/v/d$d; done")
    told = replace(blueprint, "/tmp/v/d04")
    assert told["plan"]["judgement"]["verdict"] == "keep" and not [step for step in told["plan"]["steps"] if step["is_ours"]]
