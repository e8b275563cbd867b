"""Lost disks on real OpenZFS: nothing lost is told as such, lost files are named as tracks, queued, healed; a fault becomes a mail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zfs_lab import Guest

pytestmark = [pytest.mark.xdist_group("zfs-lab")]
ARCHIVE = "/tank/fonoteca/archive"
TITLES = {"training", "menu", "SpikeBackground", "AngusBackground"}
# Files of 6 MB between the tracks spread them over both vdevs; they are gone before anything is damaged. Databases are kept twice.
LAY_OUT = f"""set -e
zfs create tank/fonoteca; zfs create -o copies=2 {ARCHIVE[1:]}; cp -a /root/copy/. {ARCHIVE}/
zfs set copies=1 {ARCHIVE[1:]}
cd {ARCHIVE}; i=0
find containers -type f -links +1 -name 'aacid*' | while read -r file; do
    cp -p "$file" /root/one; cat /root/one > "$file"; sync
    i=$((i+1)); head -c 6M /dev/urandom > /tank/fonoteca/filler$i; sync
done
rm /tank/fonoteca/filler*; sync; cd /; zpool sync tank"""


def overwrite(guest: Guest, *numbers: int) -> None:
    """Every used extent of these disks, while the pool is away."""
    guest.run("zpool export tank")
    guest.corrupt(*(f"/tmp/v/d{number:02}" for number in numbers))
    guest.run("zpool import -d /tmp/v tank")


def status_of(guest: Guest, *options: str) -> tuple[int, dict[str, Any]]:
    ran = guest.fonoteca("pool", "status", "tank", "--archive", ARCHIVE, "--json", *options)
    return ran.status, json.loads(ran.out)["pools"][0]


def test_three_disks_of_a_vdev_cost_nothing_and_four_cost_tracks_that_heal_brings_back(blueprint: Guest, small_archive: Path) -> None:
    blueprint.put_tree(small_archive, "/root/copy")
    blueprint.run("printf '[heal]\\ncopies = [\"/root/copy\"]\\n' >> /root/copy/archive.toml")
    blueprint.run(LAY_OUT)

    overwrite(blueprint, 1, 2, 3)
    scrubbed = blueprint.fonoteca("pool", "scrub", "tank", "--wait")
    assert scrubbed.status == 0 and "all data is whole" in scrubbed.out
    status, told = status_of(blueprint)
    assert told["verdict"] == "watch" and "lost nothing" in told["headline"] and not told["damaged"]
    assert {disk["disk"] for disk in told["disks"]} == {"/tmp/v/d01", "/tmp/v/d02", "/tmp/v/d03"}
    blueprint.run("zpool clear tank")

    for numbers in ((2, 5, 6, 7), (12, 15, 16, 17)):  # in which of the vdevs the tracks lie is ZFS's choice
        overwrite(blueprint, *numbers)
        if lost := blueprint.fonoteca("pool", "scrub", "tank", "--wait").status:
            break
        blueprint.run("zpool clear tank")
    assert lost == 3
    unnamed = json.loads(blueprint.run("zpool status -j --json-int -Ps tank").out)["pools"]["tank"]
    assert unnamed["error_count"] > 0 and "errlist" not in unnamed, "what is asked where the names take too long"
    status, told = status_of(blueprint)
    assert status == 3 and told["verdict"] == "damaged" and told["recorded"] > 0
    titles = {thing["title"] for thing in told["damaged"] if thing.get("title")}
    assert titles and titles <= TITLES
    for thing in told["damaged"]:
        if thing.get("title"):
            assert thing["album"] in ("Amoebax", "Backgrounds") and any("/root/copy" in copy for copy in thing["copies"])
    words = blueprint.fonoteca("pool", "status", "tank", "--archive", ARCHIVE).out
    assert words.startswith("tank has lost data in ") and f"fonoteca heal {ARCHIVE}" in words and all(title in words for title in titles)

    healed = blueprint.fonoteca("heal", ARCHIVE)
    assert healed.status == 0, healed
    blueprint.run("zpool scrub -w tank; zpool scrub -w tank; zpool clear tank; zfs snapshot tank/fonoteca/archive@healed")
    status, told = status_of(blueprint)
    assert status == 0 and told["verdict"] == "well" and told["headline"] == "tank is well.", told


ZED_RC_FACTS = ("ZED_EMAIL_ADDR=root", "ZED_NOTIFY_VERBOSE=1", "ZED_NOTIFY_DATA=1")


def test_fault_of_a_disk_becomes_one_mail_in_plain_words(blueprint: Guest) -> None:
    blueprint.put("/usr/sbin/sendmail", b"#!/bin/sh\nexec cat >> /root/mail\n")
    blueprint.run("chmod 755 /usr/sbin/sendmail; ln -s /usr/lib/zfs-linux/zed.d/statechange-notify.sh /etc/zfs/zed.d/")
    shown = blueprint.fonoteca("pool", "configure")
    assert "Nothing was written" in shown.out and "ZED_EMAIL_PROG=/usr/sbin/sendmail" in shown.out
    assert blueprint.fonoteca("pool", "configure", "--yes").status == 0
    assert "as they should be" in blueprint.fonoteca("pool", "configure", "--yes").out
    rc = blueprint.get("/etc/zfs/zed.d/zed.rc").decode()
    assert all(fact in rc for fact in ZED_RC_FACTS) and "ZED_NOTIFY_INTERVAL_SECS" in rc
    assert blueprint.run("test -e /etc/zfs/zed.d/statechange-notify.sh", check=False).status != 0
    blueprint.start_zed()
    blueprint.run("zinject -d /tmp/v/d12 -A fault tank")
    blueprint.wait_until("grep -q 'pool replace' /root/mail", timeout_s=90)
    mail = blueprint.get("/root/mail").decode()
    assert "Subject: tank has lost " in mail and "no data" in mail
    assert "/tmp/v/d12" in mail and "vdev raidz3-1" in mail and "the spare /tmp/v/d21 stands in" in mail, "ZED put the spare in first"
    assert mail.count("Subject:") == 1


def test_timer_is_made_where_nobody_scrubs_and_systemd_accepts_it(blueprint: Guest) -> None:
    status = blueprint.fonoteca("pool", "scrub", "tank", "--status")
    assert "no cron is installed" in status.out
    shown = blueprint.fonoteca("pool", "scrub", "tank", "--schedule")
    assert shown.status == 0 and "Write them with --yes" in shown.out
    assert blueprint.fonoteca("pool", "scrub", "tank", "--schedule", "--yes").status == 0
    checked = blueprint.run("systemd-analyze --man=no verify /etc/systemd/system/fonoteca-scrub-tank.timer", check=False, timeout_s=120)
    assert checked.status == 0, checked
    blueprint.run(
        "mkdir -p /etc/systemd/system/timers.target.wants; ln -s ../fonoteca-scrub-tank.timer /etc/systemd/system/timers.target.wants/"
    )
    assert "fonoteca-scrub-tank.timer of Fonoteca" in blueprint.fonoteca("pool", "scrub", "tank", "--status").out
    blueprint.run("zfs set org.debian:periodic-scrub=enable tank; touch /usr/sbin/cron")
    refused = blueprint.fonoteca("pool", "scrub", "tank", "--schedule")
    assert refused.status == 2 and "second Sunday" in refused.err
    assert "more than once a month" in blueprint.fonoteca("pool", "scrub", "tank", "--status").out
