"""Replication on real OpenZFS: sent, cut, resumed, proved; in conflict nothing is lost; who is taken over destroys nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fonoteca.pools.streams import read_head
from zfs_lab import Guest, Ran

pytestmark = pytest.mark.xdist_group("zfs-lab")
STORE = "tank/fonoteca"
SETTINGS = """
[[pool.replicas]]
name = "attic"
target = "backup/fonoteca"
prove_days = 35
"""


def make_pools(guest: Guest, *names: str) -> None:
    for name in names:
        guest.run(f"truncate -s 512M /tmp/{name}.disk; zpool create -O compression=lz4 {name} /tmp/{name}.disk")


def make_store(guest: Guest, archive: Path, extra: str = SETTINGS) -> str:
    """The archive on tank/fonoteca/archive with a snapshot; where it lies."""
    guest.run(f"zfs create {STORE}; zfs create {STORE}/archive; zfs create '{STORE}/with a space'")
    guest.put_tree(archive, f"/{STORE}/archive")
    path = f"/{STORE}/archive/archive.toml"
    guest.put(path, guest.get(path) + f'\n[pool]\ndataset = "{STORE}"\n{extra}'.encode())
    guest.run(f"zfs snapshot -r {STORE}@one")
    return f"/{STORE}/archive"


def sent(ran: Ran) -> list[tuple[str, str]]:
    told = json.loads(ran.out)
    return [(one["step"]["kind"], f"{one['step']['dataset']}@{one['step']['snapshot']}") for one in told["replication"]["sent"]]


def guids(guest: Guest, dataset: str) -> dict[str, str]:
    """Guid of each snapshot below a dataset, by its name without that dataset's."""
    rows = [line.split("\t") for line in guest.run(f"zfs list -Hp -r -t snapshot -o name,guid {dataset}").out.splitlines()]
    return {name.removeprefix(dataset): guid for name, guid in rows}


def test_replica_of_a_store_follows_it_through_cuts_lost_snapshots_and_conflicts(guest: Guest, small_archive: Path) -> None:
    make_pools(guest, "tank", "backup")
    archive = make_store(guest, small_archive)
    words = ["pool", "replicate", "--archive", archive, "--json"]
    foreseen = guest.fonoteca(*words, "attic", "--dry-run", check=True)
    assert sent(foreseen) == [("full", f"{STORE}@one"), ("full", f"{STORE}/archive@one"), ("full", f"{STORE}/with a space@one")]
    assert guest.run("zfs list backup/fonoteca", check=False).status
    first = guest.fonoteca(*words, "attic", "--prove", "--check-stream", check=True)
    told = json.loads(first.out)
    assert sent(first) == sent(foreseen) and not told["mismatch"]
    assert told["proof"]["files_read"] == told["proof"]["files_listed"] > 5 and told["proof"]["bytes_read"] > 100_000
    assert "stream-not-checked" not in first.out

    head = read_head(guest.run(f"zfs send {STORE}/archive@one | head -c 312").out_bytes)
    assert (head.kind, head.from_guid, str(head.to_guid)) == (1, 0, guids(guest, STORE)["/archive@one"])

    # cut in the middle: what arrived stays, the next run sends the rest
    guest.run(f"head -c 40M /dev/urandom > /{STORE}/archive/more; zfs snapshot -r {STORE}@two")
    job = guest.start_fonoteca(*words, "--limit", "2MB")
    guest.wait_until("pgrep -f '[z]fs receive .*backup/fonoteca/archive$' && sleep 3")
    job.kill(9)
    job.wait(60)
    guest.wait_until("zfs get -Ho value receive_resume_token backup/fonoteca/archive | grep ^1-")
    resumed = guest.fonoteca(*words, check=True)
    assert ("resume", f"{STORE}/archive@two") in sent(resumed)
    assert guids(guest, "backup/fonoteca") == guids(guest, STORE)

    # the base is destroyed at the source: its bookmark serves
    guest.run(f"zfs snapshot -r {STORE}@three; zfs release -r fonoteca:attic {STORE}@two; zfs destroy -r {STORE}@two")
    third = guest.fonoteca(*words, check=True)
    assert {kind for kind, _ in sent(third)} == {"bookmark"} and "/archive@two" in guids(guest, "backup/fonoteca")
    assert guest.run(f"zfs holds -Hr {STORE}@three").out.count("fonoteca:attic") == 3

    # somebody writes to the replica: told, nothing is lost, the other datasets go on
    guest.run("zfs set readonly=off backup/fonoteca/archive; zfs mount backup/fonoteca; zfs mount backup/fonoteca/archive")
    guest.run(f"echo precious > /backup/fonoteca/archive/precious; sync; zfs snapshot -r {STORE}@four")
    conflict = guest.fonoteca(*words)
    assert conflict.status == 1 and '"code":"snapshot-conflict"' in conflict.err and "zfs rollback" in conflict.err
    assert guest.get("/backup/fonoteca/archive/precious") == b"precious\n"
    assert sent(conflict) == [("incremental", f"{STORE}@four"), ("incremental", f"{STORE}/with a space@four")]
    late = guest.fonoteca("pool", "replicate", "--status", "--archive", archive, "--json")
    assert "was written to" in late.out and late.status == 0, "it failed, and is not late yet"


def test_plain_user_with_delegated_permissions_adds_and_cannot_destroy(guest: Guest) -> None:
    make_pools(guest, "tank", "backup")
    guest.run("chmod 666 /dev/zfs; useradd -m sender; zfs create tank/f; head -c 1M /dev/urandom > /tank/f/a; zfs snapshot tank/f@1")
    guest.run(
        "zfs create -o readonly=on -o canmount=off -o mountpoint=none backup/kept; zfs allow -u sender receive,create,mount backup/kept"
    )
    guest.run(
        "echo >> /tank/f/a; zfs snapshot tank/f@2; zfs allow -u sender send,hold,release,bookmark tank/f; zfs allow -c destroy tank/f"
    )

    def as_sender(words: str, *, check: bool = False) -> Ran:
        return guest.run(
            ["su", "sender", "-s", "/bin/sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin; export HOME=/home/sender; {words}"], check=check
        )

    as_sender("fonoteca pool replicate --from tank/f --into backup/kept/f", check=True)
    before = guids(guest, "backup/kept")
    assert set(before) == {"/f@1", "/f@2"} and guest.run("zfs get -Ho value readonly backup/kept/f").out == "on\n"
    for words in (
        "destroy backup/kept/f@1", "destroy -r backup/kept/f", "rollback -r backup/kept/f@1", "rename backup/kept/f backup/kept/g",
        "set readonly=off backup/kept/f", "promote backup/kept/f", "destroy -r backup",
    ):  # fmt: skip
        assert as_sender(f"zfs {words}").status, words
    # permissions alone do not keep a shell from `receive -F`, which rolls back; a hold on the newest snapshot does: both are documented
    guest.run("zfs hold kept backup/kept/f@2; zfs snapshot tank/f@3; zfs send -i @1 tank/f@3 > /tmp/forced; chmod 644 /tmp/forced")
    assert as_sender("zfs receive -F backup/kept/f < /tmp/forced").status
    assert guids(guest, "backup/kept") == before


def test_two_machines_replicate_to_each_other_and_neither_can_harm_the_other(two_guests: tuple[Guest, Guest], small_archive: Path) -> None:
    first, second = two_guests
    for guest in two_guests:
        make_pools(guest, "tank")
        guest.run("zfs create -o readonly=on -o canmount=off -o mountpoint=none tank/of-others")
    archive = make_store(first, small_archive, "")
    second.run("zfs create tank/own; head -c 30M /dev/urandom > /tank/own/a; zfs snapshot tank/own@1")
    key = second.get("/root/.ssh/authorized_keys").decode().strip()
    second.put(
        "/root/.ssh/authorized_keys",
        f'command="fonoteca pool answer --dataset tank/of-others/first --may receive",restrict {key}\n'.encode(),
    )
    push = ["pool", "replicate", "ssh://root@guest2/tank/of-others/first", "--archive", archive, "--json"]
    pushed = first.fonoteca(*push, "--prove", check=True)
    assert len(sent(pushed)) == 3 and json.loads(pushed.out)["proof"]["files_read"] > 5
    assert guids(second, "tank/of-others/first") == guids(first, STORE)

    # what the first machine holds is what it may do, even in the hands of a thief
    for words in ("zfs destroy -r tank/of-others/first", "x -- receive tank/own 1 0 filesystem"):
        tried = first.run(["ssh", "-o", "BatchMode=yes", "root@guest2", words], check=False)
        assert tried.status and "refused" in tried.err and not tried.out, words
    package = first.run(f"zfs send -R {STORE}@one | ssh root@guest2 'x -- receive tank/of-others/first/x 1 0 filesystem'", check=False)
    assert "package" in package.err
    assert guids(second, "tank/of-others/first") == guids(first, STORE)

    # and back: the first machine fetches what the second one has, under a key that may only send
    second_key = first.run("cat /root/.ssh/id_ed25519.pub").out.strip()
    second.put(
        "/root/.ssh/authorized_keys",
        f'command="fonoteca pool answer --dataset tank/own --may send --replica first",restrict {second_key}\n'.encode(),
    )
    pull = ["pool", "replicate", "--from", "ssh://root@guest2/tank/own", "--into", "tank/of-others/second", "--json"]
    first.run("zfs set quota=10M tank/of-others")
    full = first.fonoteca(*pull)
    assert full.status == 1 and '"code":"disk-full"' in full.err

    # no room left was said, and with room it goes on where it stopped, under the same guards
    first.run("zfs set quota=none tank/of-others")
    token = first.run("zfs get -Ho value receive_resume_token tank/of-others/second").out
    gone_on = first.fonoteca(*pull, check=True)
    assert [kind for kind, _ in sent(gone_on)] == (["resume"] if token.startswith("1-") else ["full"])
    assert guids(first, "tank/of-others/second") == guids(second, "tank/own")
    assert first.run("zfs get -Ho value readonly,canmount tank/of-others/second").out == "on\nnoauto\n"
    assert "fonoteca:first" in second.run("zfs holds -H tank/own@1").out
