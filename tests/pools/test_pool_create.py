"""`pool create` and `pool disks`: on the command line, on a machine without ZFS, and on real OpenZFS in the lab."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import msgspec
import pytest

from fonoteca.cli.pool_create import _wrapped
from fonoteca.cli.run import run
from fonoteca.ground.errors import AccessError, DiskGoneError, DiskRefusedError, NoZfsError, PoolError, PoolPlanError
from fonoteca.ground.programs import run_program
from fonoteca.pools.disk_sources import DiskSources
from fonoteca.pools.layout import parse_layout
from fonoteca.pools.making import MakingStep, store_plan
from fonoteca.pools.plan_file import PlannedDataset, PlannedVdev, PoolPlan, write_plan
from fonoteca.pools.plan_words import write_plan_text
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.create import PoolMaker, mountpoints
from fonoteca.workflows.pool.disks import pick_disks, take_inventory
from machine_made import MadeMachine, storage_server
from zfs_lab import Guest, Ran

TB22 = 22_000_000_000_000
BLUEPRINT_SHOWN, BLUEPRINT_SIZE = 292_893_751_246_848, 439_976_449_802_240
NO_POOL = r"""case "$1" in list) printf 'tank\t4242\n';; *) echo "cannot open '$5': no such pool" >&2; exit 1;; esac"""
lab = pytest.mark.xdist_group("zfs-lab")


def on_files(folder: str, *, spares: int = 2) -> PoolPlan:
    """The blueprint's plan on sparse files."""
    plan = store_plan(parse_layout(f"2xraidz3x10+{spares}spares"), TB22, whole_disks=False)
    files = [f"{folder}/d{number:02}" for number in range(1, 23)]
    vdevs = [msgspec.structs.replace(vdev, disks=tuple(files[at : at + 10])) for vdev, at in zip(plan.vdevs, (0, 10), strict=True)]
    return msgspec.structs.replace(plan, vdevs=tuple(vdevs), spares=tuple(files[20:]))


# Without ZFS


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeMachine:
    made = storage_server(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    good = {"smart_status": {"passed": True}}
    made.write_programs({f"/dev/{one['name']}": good for one in made.devices})
    made.program("zpool", NO_POOL)
    made.program("wipefs", "true")
    return made


def maker(server: MadeMachine, plan: PoolPlan, *allow: str) -> PoolMaker:
    return PoolMaker(plan, Zfs(), DiskSources(root=server.root), allow=allow)


def mirror_of(*disks: str) -> PoolPlan:
    return PoolPlan(name="music", vdevs=(PlannedVdev("mirror", len(disks), disks=tuple(disks)),))


SDA, SDB = "/dev/disk/by-id/scsi-SSEAGATE_ST22000NM004E_ZX200001", "/dev/disk/by-id/scsi-SSEAGATE_ST22000NM004E_ZX200002"


def test_a_plan_on_free_disks_becomes_one_command(server: MadeMachine) -> None:
    prepared = maker(server, mirror_of(SDA, SDB)).prepare()
    assert [step.line.split()[:2] for step in prepared.steps] == [["zpool", "create"]]
    assert prepared.steps[0].line.endswith(f"music mirror {SDA} {SDB}")
    assert prepared.notes == (
        "vdev 1 (mirror): all disks at enclosure 0x500605b0000272bf; without it the pool stops, and goes on when it is back",
    )


@pytest.mark.parametrize(
    ("disk", "told", "word"),
    [
        ("/dev/disk/by-id/ata-SAMSUNG_SSD_S1", "mounted at /", None),
        ("/dev/disk/by-id/ata-SAMSUNG_SSD_S1", "swap space in use", None),
        ("/dev/disk/by-id/ata-WDC_WUH722222ALE6L4_D5", "in the pool tank, which is imported", None),
        ("/dev/disk/by-id/ata-WDC_WUH722222ALE6L4_D4", "label of the pool oldtank, which is not imported here", "labelled"),
        ("/dev/sdf", "LVM", None),
        ("/dev/sdg", "LUKS", "formatted"),
        ("/dev/sdb", f"use {SDB}", "names"),
        ("/dev/disk/by-id/wwn-0x5000c500e0000001", "one and the same disk", None),
        ("/dev/disk/by-id/ata-none", "there is no such disk here", None),
    ],
)  # fmt: skip
def test_disks_that_hold_something_are_refused_with_their_names(server: MadeMachine, disk: str, told: str, word: str | None) -> None:
    with pytest.raises(DiskRefusedError) as caught:
        maker(server, mirror_of(SDA, disk), "too-small", "mixed-sizes").prepare()
    assert told in caught.value.message
    if word:
        assert f"--allow {word}" in str(caught.value)


def test_what_is_allowed_is_cleared_and_what_is_active_never(server: MadeMachine) -> None:
    prepared = maker(server, mirror_of(SDA, "/dev/disk/by-id/ata-WDC_WUH722222ALE6L4_D4"), "labelled", "partitioned").prepare()
    assert [step.command[:2] for step in prepared.steps] == [("zpool", "labelclear"), ("wipefs", "--all"), ("zpool", "create")]
    every = ("labelled", "partitioned", "formatted", "names", "too-small", "mixed-sizes", "mixed-sectors", "ashift", "failing")
    with pytest.raises(DiskRefusedError, match="which is imported"):
        maker(server, mirror_of(SDA, "/dev/disk/by-id/ata-WDC_WUH722222ALE6L4_D5"), *every).prepare()


def test_a_disk_is_looked_at_itself_before_it_is_overwritten(server: MadeMachine) -> None:
    server.program("wipefs", """[ "$3" = /dev/sdb ] && echo '{"signatures": [{"type": "xfs"}]}'""")
    with pytest.raises(DiskRefusedError, match=r"/dev/sdb: a signature of xfs \[--allow formatted\]"):
        maker(server, mirror_of(SDA, SDB)).prepare()


def test_a_folder_with_something_in_it_is_not_hidden_by_a_mount(server: MadeMachine) -> None:
    (server.root / "music/old").mkdir(parents=True)
    with pytest.raises(DiskRefusedError, match=r"/music, where it will be mounted, is not empty"):
        maker(server, mirror_of(SDA, SDB)).prepare()


def test_where_datasets_will_be_mounted_is_known() -> None:
    plan = on_files("/tmp/v")
    assert list(mountpoints(plan).values()) == ["/tank", "/tank/fonoteca", "/tank/fonoteca/archive", "/tank/fonoteca/databases"]
    elsewhere = msgspec.structs.replace(plan, properties={"mountpoint": "none"})
    assert mountpoints(elsewhere) == {}


@pytest.mark.parametrize(("value", "told"), [("-", "no plan of fonoteca"), ("0123", "another plan")])
def test_a_pool_of_that_name_that_was_not_made_from_the_plan_is_left_alone(server: MadeMachine, value: str, told: str) -> None:
    server.program("zpool", r"printf 'size\t1000\n'")
    server.program("zfs", rf"printf 'fonoteca:plan\t{value}\nused\t1\navailable\t2\n'")
    with pytest.raises(PoolError, match=f"there is a pool music already, which was made from {told}"):
        maker(server, mirror_of(SDA, SDB)).prepare()


def test_a_disk_that_was_pulled_since_is_a_difference_and_no_crash(
    server: MadeMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = mirror_of("/dev/sda", "/dev/disk/by-id/wwn-0xgone")
    write_plan(tmp_path / "plan.toml", plan)
    write_plan(tmp_path / "more.toml", msgspec.structs.replace(plan, datasets=(PlannedDataset("more"),)))
    server.program("zpool", r"""case "$1" in list) ;; *) printf 'size\t1000\n';; esac""")
    answer = rf"printf 'fonoteca:plan\t{plan.digest}\nused\t1\navailable\t2\n'"
    server.program("zfs", f'case "$1 $6" in version*) echo zfs-2.3.1;; *music/more) echo does not exist >&2; exit 1;; *) {answer};; esac')
    assert run(["pool", "create", str(tmp_path / "plan.toml"), "--yes"]) == 3
    assert "wwn-0xgone  there    not on this machine" in capsys.readouterr().out
    assert run(["pool", "create", str(tmp_path / "more.toml"), "--dry-run"]) == 0
    assert "not here" in capsys.readouterr().out


def test_a_plan_with_free_places_is_refused(server: MadeMachine) -> None:
    with pytest.raises(PoolPlanError, match="places without a disk"):
        maker(server, mirror_of(SDA, SDB).__class__(name="music", vdevs=(PlannedVdev("mirror", 2),)))


@pytest.mark.parametrize(
    ("said", "error", "way_out"),
    [
        ("cannot create 'music': permission denied", AccessError, "as root"),
        (f"cannot open '{SDB}': No such device or address", DiskGoneError, "pool disks"),
        ("cannot create 'music': one or more devices is currently unavailable", DiskGoneError, "pool disks"),
        (f"{SDB} is part of active pool 'tank'", PoolError, ""),
    ],
)
def test_what_zpool_create_says_is_an_error_with_a_way_out(server: MadeMachine, said: str, error: type[PoolError], way_out: str) -> None:
    one = maker(server, mirror_of(SDA, SDB))
    prepared = one.prepare()
    server.program("zpool", f'echo "{said}" >&2; exit 1')
    with pytest.raises(error) as caught:
        one.carry_out(prepared)
    assert said in caught.value.message
    assert way_out in caught.value.hint


def test_disks_are_picked_by_any_name_or_all_that_are_free(server: MadeMachine) -> None:
    plan = store_plan(parse_layout("mirrorx2"), TB22)
    picked = pick_disks(plan, ["ZX200001", "sdb"], sources=DiskSources(root=server.root)).plan
    assert set(picked.disks) == {SDA, SDB}
    assert pick_disks(plan, sources=DiskSources(root=server.root)).plan.has_disks


def test_without_zfs_the_inventory_is_whole_and_create_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = storage_server(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    made.write_programs({f"/dev/{one['name']}": {"smart_status": {"passed": True}} for one in made.devices})
    made.program("zpool", "echo 'The ZFS modules cannot be auto-loaded.' >&2; exit 1")
    assert len(take_inventory(sources=DiskSources(root=made.root)).disks) == 12
    with pytest.raises(NoZfsError) as caught:
        maker(made, mirror_of(SDA, SDB)).prepare()
    assert "apt-get install zfsutils-linux" in caught.value.hint


def test_the_inventory_is_told_in_words_and_as_json(server: MadeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pool", "disks"]) == 0
    words = capsys.readouterr().out
    assert "ZX200001" in words
    assert "sdd1: label of the pool oldtank" in words
    assert run(["pool", "disks", "--json", "--no-smart"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in told["disks"]} >= {"sda", "nvme0n1"}
    assert told["disks"][0]["smart"]["grade"] == "unknown"


def test_nothing_is_done_without_yes(server: MadeMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.program("zdb", "exit 1")
    for number in range(1, 23):
        (tmp_path / f"d{number:02}").touch()
        os.truncate(tmp_path / f"d{number:02}", 10**9)
    plan = msgspec.structs.replace(on_files(str(tmp_path)), disk_bytes=10**9)
    write_plan(tmp_path / "plan.toml", plan)
    arguments = ["pool", "create", str(tmp_path / "plan.toml")]
    assert run(arguments) == 1
    assert "it is a file [--allow files]" in capsys.readouterr().err
    assert run([*arguments, "--allow", "files", "--dry-run"]) == 0
    words = capsys.readouterr().out
    assert "zfs create -o canmount=on -o compression=zstd" in words
    assert run([*arguments, "--allow", "files"]) == 2
    assert "nothing was done" in capsys.readouterr().err
    assert run([*arguments, "--allow", "everything"]) == 2
    assert "It takes: files, names" in capsys.readouterr().err
    assert run([*arguments, "--allow", "files", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"][0]["command"][:2] == ["zpool", "create"]


def test_an_archive_works_with_its_databases_on_another_dataset(tmp_path: Path, music_minute: Path) -> None:
    archive, databases = tmp_path / "archive", tmp_path / "databases"
    databases.mkdir()
    assert run(["init", str(archive)]) == 0
    for name in ("catalogue.sqlite3", "ledger.sqlite3"):  # as docs/tasks/make-a-pool.md says
        (archive / name).rename(databases / name)
        (archive / name).symlink_to(databases / name)
    for words in (["add", str(music_minute), "--rights", "http://artlibre.org/licence/lal/en/"], ["build"], ["publish"], ["verify"]):
        assert run([*words, "--archive", str(archive)]) == 0
    assert {path.name for path in databases.iterdir()} >= {"catalogue.sqlite3", "ledger.sqlite3"}
    assert (archive / "ledger.sqlite3").is_symlink()


def test_commands_that_are_shown_on_several_lines_are_one_command_in_a_shell() -> None:
    step = MakingStep(("printf", r"%s\n", "two words", "it's", *(f"/dev/disk/by-id/ata-{number:030}" for number in range(9))))
    pasted = _wrapped(step)
    assert pasted.count("\n") > 2
    assert run_program(["sh", "-c", pasted], timeout_s=10).decode().splitlines() == list(step.command[2:])


# In the lab


@lab
def test_the_blueprint_is_made_from_its_plan_and_is_as_large_as_planned_to_the_byte(guest: Guest) -> None:
    guest.sparse_disks()
    plan = on_files("/tmp/v")
    assert (plan.reckoned_pool_bytes, plan.reckoned_shown_bytes) == (BLUEPRINT_SIZE, BLUEPRINT_SHOWN)
    guest.put("/root/plan.toml", write_plan_text(plan).encode())
    create = ["pool", "create", "/root/plan.toml", "--allow", "files"]

    # killed between the pool and its datasets
    guest.put("/shim/zfs", b'#!/bin/sh\n[ "$1" = create ] && { touch /tmp/reached; exec sleep 1000; }\nexec /usr/sbin/zfs "$@"\n')
    guest.run("chmod 755 /shim/zfs")
    job = guest.start_fonoteca(*create, "--yes", env={"PATH": "/shim:/usr/sbin:/usr/bin:/sbin:/bin"})
    guest.wait_until("test -e /tmp/reached", timeout_s=120)
    job.kill(signal.SIGKILL)
    job.wait(60)
    assert guest.run("zfs list -Ho name").out.split() == ["tank"]

    # goes on with what is missing, and what comes of it is as planned
    shown = guest.fonoteca(*create, "--dry-run")
    assert "what is missing" in shown.out
    assert "zpool create" not in shown.out
    made = guest.fonoteca(*create, "--yes", "--json")
    assert made.status == 0, made.out + made.err
    report = json.loads(made.out)
    assert (report["pool_bytes"], report["shown_bytes"], report["differences"]) == (BLUEPRINT_SIZE, BLUEPRINT_SHOWN, [])
    used, available = map(int, guest.run("zfs list -Hpo used,available tank").out.split())
    assert used + available == BLUEPRINT_SHOWN
    assert int(guest.run("zpool list -Hpo size tank").out) == BLUEPRINT_SIZE
    told = guest.run("zfs get -Ho value recordsize,compression,atime,xattr,mounted tank/fonoteca/archive").out.split()
    assert told == ["1M", "zstd", "off", "on", "yes"]  # on is sa since 2.3

    # again: nothing to do; a plan of others, files in use or of an exported pool: refused
    again = guest.fonoteca(*create, "--yes")
    assert (again.status, "is there already; it is as planned" in again.out) == (0, True), again.out + again.err
    other = msgspec.structs.replace(plan, name="other", datasets=())
    guest.put("/root/other.toml", write_plan_text(other).encode())
    refused = guest.fonoteca("pool", "create", "/root/other.toml", "--allow", "files", "--allow", "labelled", "--yes")
    assert refused.status == 1
    assert all(f"/tmp/v/{name}: in the pool tank, which is imported" in refused.err for name in ("d01", "d21"))  # d21 is a spare
    guest.run("zpool export tank")
    refused = guest.fonoteca("pool", "create", "/root/other.toml", "--allow", "files", "--yes")
    assert "label of the pool tank, which is not imported here [--allow labelled]" in refused.err
    assert "/tmp/v/d21: label of ZFS that names no pool" in refused.err


@lab
def test_draid_with_special_and_log_vdevs_is_made_as_planned(guest: Guest) -> None:
    files = iter(guest.sparse_disks(18))
    plan = store_plan(
        parse_layout("draid2:3d:8c:1s+1spare+special:mirrorx3+log:mirrorx2"), TB22, special_disk_bytes=TB22, whole_disks=False
    )
    planned = (*plan.vdevs, PlannedVdev("mirror", 2, "special"), PlannedVdev("mirror", 2, "dedup"))
    vdevs = [msgspec.structs.replace(vdev, disks=tuple(next(files) for _ in range(vdev.width))) for vdev in planned]
    plan = msgspec.structs.replace(plan, vdevs=tuple(vdevs), spares=(next(files),))
    guest.put("/root/plan.toml", write_plan_text(plan).encode())
    made = guest.fonoteca("pool", "create", "/root/plan.toml", "--allow", "files", "--yes", "--json")
    assert made.status == 0, made.out + made.err
    report = json.loads(made.out)
    assert report["differences"] == []  # sizes to the byte, with two special vdevs and one for dedup
    assert 0 <= report["shown_bytes"] - plan.reckoned_shown_bytes < 1 << 21  # used counts the metadata on the special vdev
    status = guest.run("zpool status tank").out
    assert all(word in status for word in ("draid2:3d:8c:1s-0", "special", "logs", "draid2-0-0"))


@lab
@pytest.mark.slow
def test_real_disks_are_told_with_all_their_names_and_refused_where_they_hold_something(guest_with_disks: Guest) -> None:
    guest = guest_with_disks
    listed = json.loads(guest.fonoteca("pool", "disks", "--json", check=True).out)["disks"]
    disks = [one for one in listed if one["name"].startswith("sd")]
    assert len(disks) == 22
    assert all(one["is_file"] is False and one["uses"] == [] and one["bytes"] == TB22 for one in disks), disks
    assert len({one["serial"] for one in disks}) == len({one["wwn"] for one in disks}) == 22
    assert all(one["by_id"][0] == f"/dev/disk/by-id/wwn-{one['wwn']}" for one in disks)
    assert {one["smart"]["facts"][0] for one in disks} == {"it has no SMART"}
    assert all(one["controller"] == "virtio_scsi" and one["bay_source"] == "port" for one in disks)
    system = next(one for one in listed if one["name"] == "vda")
    assert "mounted" in [use["kind"] for use in system["uses"]]

    # bays by vdev_id.conf; disks with swap, a label, a pool, a table
    path = next(name for name in disks[0]["names"] if name.startswith("pci-"))
    guest.put("/etc/zfs/vdev_id.conf", f"alias shelf1-bay07 /dev/disk/by-path/{path}\n".encode())
    names = [one["by_id"][0] for one in disks]
    guest.run(f"mkswap {names[0]} 65536 && swapon {names[0]}")
    guest.run(f"zpool create old {names[1]} && zpool export old && zpool create busy {names[2]} spare {names[4]} cache {names[5]}")
    guest.run(["python3", "-c", _WRITE_TABLE, disks[3]["path"]])
    guest.run("udevadm trigger --settle --subsystem-match=block; udevadm settle")
    told = {one["by_id"][0]: one for one in json.loads(guest.fonoteca("pool", "disks", "--json", check=True).out)["disks"] if one["by_id"]}
    assert told[names[0]]["bay"] == "shelf1-bay07"
    kinds = [[use["kind"] for use in told[name]["uses"]] for name in names[:6]]
    assert kinds == [
        ["swap", "formatted"],
        ["partitioned", "zfs-exported"],
        ["zfs-active"],
        ["partitioned"],
        ["zfs-active"],
        ["zfs-active"],
    ]

    plan = store_plan(parse_layout("raidz1x3"), TB22)
    for number, reason in (
        (0, "swap space in use"),
        (1, "label of the pool old"),
        (2, "in the pool busy"),
        (3, "partition"),
        (4, "in the pool busy"),
    ):
        refused = _create(guest, plan, [names[number], *names[10:12]])
        assert (refused.status, reason in refused.err, names[number] in refused.err) == (1, True, True), refused.err
    assert "mounted at /" in _create(guest, plan, ["/dev/vda", *names[10:12]], "--allow", "names").err
    made = _create(guest, plan, [names[1], names[3], names[10]], "--allow", "labelled", "--allow", "partitioned")
    assert made.status == 0, made.out + made.err
    assert json.loads(made.out)["differences"] == []
    assert guest.run("zpool get -Ho value autoreplace tank").out.strip() == "on"
    assert names[1].rsplit("/", 1)[-1] in guest.run("zpool status tank").out


# one partition of 1 MiB from the first MiB on, in a table of 1983
_WRITE_TABLE = """
import struct, sys
with open(sys.argv[1], "r+b") as disk:
    disk.seek(446)
    disk.write(struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0x83, 0, 2, 0, 2048, 2048) + bytes(48) + b"\\x55\\xaa")
"""


def _create(guest: Guest, plan: PoolPlan, disks: list[str], *arguments: str) -> Ran:
    chosen = msgspec.structs.replace(plan, vdevs=(msgspec.structs.replace(plan.vdevs[0], disks=tuple(disks)),))
    guest.put("/root/real.toml", write_plan_text(chosen).encode())
    return guest.fonoteca("pool", "create", "/root/real.toml", "--yes", "--json", *arguments)
