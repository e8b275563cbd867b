"""pool snapshot and pool prune, with the real sanoid on real OpenZFS; errors that need neither on the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fonoteca.cli.run import run
from fonoteca.ground.errors import AccessError, NotFoundError, ProgramError, SettingsError, UsageError
from fonoteca.ground.pool_settings import PoolSettings, ReplicaSettings, SnapshotSettings
from fonoteca.pools.holds import hold_tag, pin_base
from fonoteca.pools.sanoid import PRUNE_DROP_IN, SANOID_CONF, write_prune_drop_in
from fonoteca.pools.snapshots import read_bookmarks, read_snapshots
from fonoteca.pools.zfs import Zfs, translate_zfs_error
from fonoteca.workflows.pool.configuration import configure
from fonoteca.workflows.pool.prune import plan_pruning
from fonoteca.workflows.pool.sanoid_files import sanoid_files
from fonoteca.workflows.pool.sanoid_runs import run_sanoid
from fonoteca.workflows.pool.snapshot import Store, check_name, sanoid_conf_of
from zfs_lab import Guest

lab = pytest.mark.xdist_group("zfs-lab")
HOUR, DAY = 3600, 86400
JUST_AFTER_MIDNIGHT = 1_798_848_600  # 2027-01-02 00:10 UTC
ARCHIVE = "/tank/store/archive/a"
POLICY = """
[pool]
dataset = "tank/store"
[[pool.snapshots]]
hourly = 1
daily = 1
monthly = 0
yearly = 0
[[pool.replicas]]
name = "near"
target = "tank/copy"
hourly = 0
daily = 0
monthly = 0
yearly = 0
"""
SETTINGS = PoolSettings(
    dataset="tank/store", snapshots=(SnapshotSettings(hourly=1, daily=1, monthly=0, yearly=0),),
    replicas=(ReplicaSettings(name="near", target="tank/copy", hourly=0, daily=0, monthly=0, yearly=0),),
)  # fmt: skip
WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript("pragma journal_mode=wal; create table rows(n integer primary key, x blob)")
db.executescript("create table total(n int); insert into total values(0)")
while True:
    db.execute("insert into rows(x) values(randomblob(3000))")
    db.execute("update total set n = n + 1")
    db.commit()
"""
READER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for question in ("pragma integrity_check", "select count(*) from rows", "select n from total"):
    print(*db.execute(question).fetchone())
"""


class GuestZfs(Zfs):
    """The zfs of a guest."""

    def __init__(self, guest: Guest) -> None:
        super().__init__()
        self.guest = guest

    def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        ran = self.guest.run([str(part) for part in arguments], check=False, timeout_s=timeout_s)
        if ran.status:
            raise translate_zfs_error(ProgramError("failed", stderr=ran.err), str(arguments))
        return ran.out


def make_store(guest: Guest, store: str, policy: str) -> str:
    """A pool of one small file with a store of two datasets, and an archive in it; its folder."""
    guest.run(["sh", "-ec", f"""truncate -s 2G /tmp/p; zpool list tank 2> /dev/null || zpool create tank /tmp/p
        for name in '' /archive /databases; do zfs create "{store}$name"; done"""])  # fmt: skip
    folder = f"/{store}/archive/a"
    guest.fonoteca("init", folder, check=True)
    guest.put(f"{folder}/archive.toml", guest.get(f"{folder}/archive.toml") + policy.encode())
    return folder


def told(guest: Guest, *words: str, archive: str = ARCHIVE) -> Any:
    return json.loads(guest.fonoteca("pool", *words, "--json", "--archive", archive, check=True).out)


def names_of(zfs: Zfs, dataset: str) -> set[str]:
    return {one.full_name for one in read_snapshots(zfs, dataset, recursive=True)}


@lab
def test_sanoid_takes_and_prunes_by_our_policy_and_what_is_held_stays(guest: Guest) -> None:
    zfs = GuestZfs(guest)
    make_store(guest, "tank/store", POLICY)
    guest.set_clock(JUST_AFTER_MIDNIGHT)
    would = told(guest, "snapshot", "--dry-run")
    assert not would["is_done"]
    assert not names_of(zfs, "tank")
    assert len(told(guest, "snapshot")["snapshots"]) == 2, "hourly and daily, each of all datasets at one moment"
    assert told(guest, "snapshot")["snapshots"] == [], "nothing more is due"
    for kind in ("hourly", "daily"):
        taken = [one for one in read_snapshots(zfs, "tank/store", recursive=True) if one.name.endswith(kind)]
        assert (len(taken), len({one.createtxg for one in taken})) == (3, 1)

    base = next(one for one in read_snapshots(zfs, "tank/store/archive") if one.name.endswith("hourly"))
    guest.run(["sh", "-ec", 'zfs create tank/copy; zfs send "$0" | zfs receive -u tank/copy/archive', base.full_name])
    pin_base(zfs, "tank/store/archive", base.name, "near")
    guest.set_clock(JUST_AFTER_MIDNIGHT + HOUR)
    told(guest, "snapshot")
    guest.set_clock(JUST_AFTER_MIDNIGHT + HOUR + 300)

    refused = guest.fonoteca("pool", "prune", "--archive", ARCHIVE)
    assert (refused.status, "--yes" in refused.err) == (2, True), refused
    before = names_of(zfs, "tank")
    report = told(guest, "prune", "--yes")
    assert before - names_of(zfs, "tank") == set(report["destroyed"])
    assert report["left"] == []
    hourly = [one for one in names_of(zfs, "tank/store/databases") if one.endswith("hourly")]
    assert len(hourly) == 1
    assert base.full_name not in report["destroyed"]
    assert f"tank/copy/archive@{base.name}" in names_of(zfs, "tank/copy"), "kept by nothing but being the base"
    again = told(guest, "prune", "--yes")
    assert (again["destroyed"], again["left"]) == ([], [])

    # by sanoid's own timer, long after: the same configuration where it looks for it, holds set just before
    guest.put(f"/{SANOID_CONF}", sanoid_conf_of(zfs, Store("tank/store", SETTINGS)).encode())
    command = ["/usr/local/bin/fonoteca", "pool", "prune", "--holds-only", "--archive", '/a b/100%/"$x']
    guest.put(f"/{PRUNE_DROP_IN}", write_prune_drop_in(command).encode())
    assert guest.run("systemd-analyze verify --man=no sanoid-prune.service")[:3] == (0, "", "")
    guest.set_clock(JUST_AFTER_MIDNIGHT + 100 * DAY)
    guest.fonoteca("pool", "prune", "--holds-only", "--archive", ARCHIVE, check=True)
    ran = guest.run("TZ=UTC sanoid --take-snapshots --verbose && TZ=UTC sanoid --prune-snapshots --verbose", check=False)
    assert (ran.status, "CRITICAL" in ran.err, "ignored" in ran.err) == (0, False, False), ran
    after = names_of(zfs, "tank")
    assert {base.full_name, f"tank/copy/archive@{base.name}"} <= after
    assert sum(name.startswith("tank/store/databases@") for name in after) == 2

    guest.set_clock(JUST_AFTER_MIDNIGHT + 50 * DAY)
    wrong = guest.fonoteca("pool", "prune", "--yes", "--archive", ARCHIVE)
    assert (wrong.status, "the clock is wrong" in wrong.err, names_of(zfs, "tank") == after) == (1, True, True), wrong

    assert guest.fonoteca("pool", "prune", "--forget", "near", "--archive", ARCHIVE).status == 2
    assert hold_tag("near") in {tag for one in read_snapshots(zfs, "tank/store/archive") for tag in one.holds}
    assert told(guest, "prune", "--forget", "near", "--yes")["is_done"]
    assert not [tag for one in read_snapshots(zfs, "tank/store", recursive=True) for tag in one.holds]
    assert not read_bookmarks(zfs, "tank/store", recursive=True)
    unknown = guest.fonoteca("pool", "prune", "--forget", "near", "--archive", ARCHIVE)
    assert (unknown.status, "Known by holds and bookmarks: none" in unknown.err) == (1, True), unknown


@lab
def test_snapshots_by_hand_hold_databases_that_are_written_and_serve_after_they_are_gone(guest: Guest) -> None:
    zfs = GuestZfs(guest)
    guest.run("truncate -s 2G /tmp/p; zpool create tank /tmp/p; zfs create tank/my; zfs create tank/my/other")
    archive = make_store(
        guest, "tank/my music", '[pool]\ndataset = "tank/my music"\nsnapshots = [{hourly = 1, daily = 0, monthly = 0, yearly = 0}]\n'
    )
    told(guest, "snapshot", archive=archive)
    assert {name.split("@")[0] for name in names_of(zfs, "tank")} == {"tank/my music", "tank/my music/archive", "tank/my music/databases"}

    writing = guest.start(["python3", "-c", WRITER, "/tank/my music/databases/db"])
    guest.wait_until("test $(stat -c %s '/tank/my music/databases/db-wal') -gt 1000000")
    taken = told(guest, "snapshot", "in-the-middle", "--hold", "law-suit", archive=archive)
    assert len(taken["snapshots"]) == 3
    writing.kill(9)
    guest.run("mkdir /tmp/copy; cp '/tank/my music/databases/.zfs/snapshot/in-the-middle/'db* /tmp/copy")
    verdict, rows, total = guest.run(["python3", "-c", READER, "/tmp/copy/db"]).out.split()
    assert (verdict, rows) == ("ok", total)
    assert int(rows) > 100

    assert guest.run("zfs destroy -r 'tank/my music@in-the-middle'", check=False).status == 1
    listed = told(guest, "snapshot", "--list", archive=archive)
    held = {one["snapshot"]["dataset"] for one in listed["snapshots"] if "law-suit" in one["snapshot"]["holds"]}
    assert len(held) == 3
    assert guest.fonoteca("pool", "snapshot", "in-the-middle", "--archive", archive).status == 2

    dataset = "tank/my music/archive"
    guest.run(f"zfs release -r law-suit 'tank/my music@in-the-middle'; zfs send '{dataset}@in-the-middle' | zfs receive -u tank/copy")
    pin_base(zfs, dataset, "in-the-middle", "near")
    later = told(guest, "snapshot", "--now", "--dataset", "archive", archive=archive)["snapshots"]
    pin_base(zfs, dataset, later[0].split("@")[1], "near")
    guest.run(f"zfs destroy '{dataset}@in-the-middle'")
    mark = read_bookmarks(zfs, dataset)[0]
    guest.run(["sh", "-ec", 'zfs send -i "$0" "$1" | zfs receive -u tank/copy', mark.full_name, later[0]])
    assert [one.guid for one in read_snapshots(zfs, "tank/copy")][-1] == [one.guid for one in read_snapshots(zfs, dataset)][-1]
    assert not plan_pruning(zfs, Store("tank/my music", PoolSettings()), JUST_AFTER_MIDNIGHT).doomed


def write_archive(folder: Path, text: str) -> Path:
    assert run(["init", str(folder)]) == 0
    (folder / "archive.toml").write_text((folder / "archive.toml").read_text() + text)
    return folder


class ListedZfs(Zfs):
    """A machine with these datasets and nothing in them."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        return "".join(f"{name}\tfilesystem\t1\t2\t3\tyes\t/{name}\n" for name in self.names)


def test_files_for_sanoid_are_written_once_and_what_was_there_is_kept_aside(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a b", "[pool]\ndataset = 'tank/store'\n")
    source = sanoid_files(ListedZfs("tank", "tank/store", "tank/store/archive"), archive, ["/usr/bin/fonoteca"])
    theirs = tmp_path / "root" / SANOID_CONF
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[other]\n\thourly = 3\n")
    configure([source], tmp_path / "root", present=tmp_path / "root", write=True)
    assert "[tank/store]" in theirs.read_text()
    assert theirs.with_name("sanoid.conf.before-fonoteca").read_text() == "[other]\n\thourly = 3\n"
    assert f'"--archive" "{archive}"' in (tmp_path / "root" / PRUNE_DROP_IN).read_text()
    again = configure([source], tmp_path / "root", present=tmp_path / "root", write=False)
    assert again.files == []


def test_policy_for_a_dataset_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a", "[pool]\ndataset = 'tank/store'\nsnapshots = [{dataset = 'databses'}]\n")
    with pytest.raises(NotFoundError, match="tank/store/databses"):
        sanoid_files(ListedZfs("tank", "tank/store"), archive, ["fonoteca"])(tmp_path)
    elsewhere = write_archive(tmp_path / "b", "")
    assert sanoid_files(ListedZfs("tank"), elsewhere, ["fonoteca"])(tmp_path) == []


def test_without_zfs_each_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    archive = write_archive(tmp_path / "a", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    for words in (["snapshot"], ["snapshot", "x"], ["snapshot", "--list"], ["prune"], ["prune", "--forget", "attic"]):
        capsys.readouterr()
        assert run(["pool", *words, "--archive", str(archive)]) == 1
        assert "zfs is not installed" in capsys.readouterr().err


def test_without_sanoid_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zfs").write_text("#!/bin/sh\n")
    (tmp_path / "zfs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="apt-get install sanoid"):
        run_sanoid(Zfs(), "")


def test_sanoid_that_may_not_write_is_an_error_of_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zfs", "sanoid"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'mkdir /var/run/sanoid: Permission denied at sanoid line 56.' >&2\nexit 13\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(AccessError, match="Run it as root"):
        run_sanoid(Zfs(), "")


def test_options_that_do_not_fit_together_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = write_archive(tmp_path / "a", "")
    for words in (
        ["snapshot", "x", "--now"],
        ["snapshot", "--list", "--now"],
        ["snapshot", "--hold", "x"],
        ["prune", "--forget", "x", "--holds-only"],
    ):
        assert run(["pool", *words, "--archive", str(archive)]) == 2, words
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a b", "a@b", "a/b", "autosnap_1", "syncoid_1", "é", "x\n", "x" * 121])
def test_names_that_cannot_be_or_that_others_prune_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_settings_of_the_pool_are_checked_with_the_key_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = write_archive(tmp_path / "a", "[pool]\ndataset = 'tank/a'\nsnapshots = [{hourli = 3}]\n")
    assert run(["pool", "prune", "--archive", str(archive)]) == SettingsError.exit_status
    assert "Did you mean hourly?" in capsys.readouterr().err
