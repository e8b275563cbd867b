"""Writes what real OpenZFS says of pools in every state to tests/pools/output: PYTHONPATH=tests python -m zfs_lab_kit.capture [STATE…]

STATE.json is `zpool status -j --json-int`, STATE.txt `zpool status -vP`, STATE.other.txt the same as `-vLPs`; before them the version.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from zfs_lab import DISKS, PLAIN, Guest, opened
from zfs_lab_kit.parts import KIT

TARGET = KIT.parent / "pools" / "output"
HOLD = "echo 1 > /sys/module/zfs/parameters/zfs_scan_suspend_progress"
GO_ON = "echo 0 > /sys/module/zfs/parameters/zfs_scan_suspend_progress"
WRITE_FILES = """
import os, sys
odd = b"a song", b"two\\nlines", b"gone", "två".encode(), b"no utf-8 \\xff", b"tab\\there"
for path in (*(b"/p/with space/" + name for name in odd), b"/p/data/a", b"/p/data/b"):
    with open(path, "wb") as file:
        for block in range(256):
            file.write(b"MARKED " + os.urandom(4089))
"""
SPOIL_FILES = """
import os, sys
fd = os.open("/v/d1", os.O_RDWR)
at, size, count = 4 << 20, os.fstat(fd).st_size - (1 << 20), 0
while at < size:
    page = os.pread(fd, 1 << 20, at)
    for start in range(0, len(page), 4096):
        if page[start:start + 7] == b"MARKED ":
            count += os.pwrite(fd, b"spoiled", at + start)
    at += 1 << 20
assert count
"""
"""Pages of files overwritten where they lie, all else left as it is."""


class Capturing:
    """A guest, and where what it says is written."""

    def __init__(self, guest: Guest, version: str, folder: Path = TARGET) -> None:
        self.guest, self.version, self.folder = guest, version, folder

    def run(self, command: str, *, check: bool = True) -> str:
        """What a shell command prints."""
        return self.guest.run(f"set -e; {command}" if check else command, check=check, timeout_s=300).out

    def fresh(self, create: str, size: str = "1G", count: int = 8) -> None:
        """No pool but the new one, on sparse files /v/d1 … of ext4: tmpfs has no O_DIRECT, without which `zpool replace` takes no spare."""
        self.run("zinject -c all; zpool clear p; zpool destroy -f p; rm -rf /v; mkdir -p /v", check=False)
        self.run(f"for i in $(seq 1 {count}); do truncate -s {size} /v/d$i; done; zpool create -f p {create}")

    def write(self, megabytes: int = 8, where: str = "/p") -> None:
        """Files a, b and c with noise in them."""
        self.run(f"for f in a b c; do head -c {megabytes}M /dev/urandom > {where}/$f; done; zpool sync p")

    def damage(self, *disks: str) -> None:
        """Every used extent of these, seen by the pool: it goes and comes back."""
        self.run("zpool export p")
        self.guest.corrupt(*(f"/v/{disk}" for disk in disks))
        self.run("zpool import -d /v p")

    def keep(self, name: str) -> None:
        """Write what `zpool status` says now."""
        for form, suffix in (("-j --json-int", "json"), ("-vP", "txt"), ("-vLPs", "other.txt")):
            if suffix != "json" or self.version >= "2.3":
                ran = self.guest.run(f"timeout 60 zpool status {form}")
                (self.folder / f"{self.version}-{name}.{suffix}").write_bytes(ran.out_bytes)

    def keep_words(self, name: str, command: str) -> None:
        """Write what another command says now."""
        (self.folder / f"{self.version}-{name}").write_bytes(self.guest.run(command).out_bytes)

    def keep_events(self, name: str, most: int = 8) -> None:
        """Write the first events of each class."""
        kept, seen = b"", Counter[bytes]()
        for event in self.guest.run("zpool events -vH").out_bytes.split(b"\n\n"):
            seen[kind := event.partition(b"class = ")[2].split(b"\n")[0]] += 1
            kept += event + b"\n\n" if event.strip() and seen[kind] <= most else b""
        (self.folder / f"{self.version}-{name}").write_bytes(kept)


def capture_health(c: Capturing) -> None:
    """Healthy in all shapes, scrubbed and not."""
    c.fresh("raidz2 /v/d1 /v/d2 /v/d3 /v/d4 /v/d5 spare /v/d6")
    c.keep("never-scrubbed")
    c.write()
    c.run("zpool scrub -w p")
    c.keep("healthy")
    c.keep_words("list-v.txt", "zpool list -Hpv")
    c.keep_words("list-vP.txt", "zpool list -HpvP")
    c.keep_words("pool-get.txt", "zpool get -Hp all p")
    c.run("zfs create 'p/with space'; zfs create -o quota=100M p/made; zfs snapshot -r p@first")
    c.keep_words("zfs-list.txt", "zfs list -Hp -t all -o name,type,used,available,referenced,guid,createtxg,creation -r p")
    c.keep_words("zfs-get.txt", "zfs get -Hp all p/made")
    c.keep_events("events.txt")
    c.fresh("mirror /v/d1 /v/d2 log mirror /v/d3 /v/d4 cache /v/d5 special mirror /v/d6 /v/d7 dedup /v/d8")
    c.keep("all-roles")
    c.keep_words("list-v-all-roles.txt", "zpool list -Hpv")
    c.run("zpool remove p /v/d8; zpool wait -t remove p", check=False)
    c.keep("removed-vdev")
    c.fresh("/v/d1 /v/d2")
    c.keep("stripe")
    c.run("zpool create -f q mirror /v/d3 /v/d4")
    c.keep("two-pools")
    c.run("zpool destroy q")
    c.run("zpool create -f -d q /v/d5")
    c.keep("features-missing")
    c.run("zpool destroy q")
    c.run("zpool create -f -o ashift=9 q mirror /v/d6 /v/d7; zpool checkpoint q; zpool initialize q; zpool initialize -s q")
    c.run("zpool trim q", check=False)
    c.keep("initialize-trim-checkpoint")
    c.keep_words("status-it.txt", "zpool status -it")
    c.run("zpool destroy q; zpool destroy p")
    c.keep_words("no-pools.txt", "zpool status 2>&1")
    c.keep_words("no-pools.json", "zpool status -j --json-int 2>&1" if c.version >= "2.3" else "true")
    c.keep_words("no-such-pool.err.txt", "zpool status nopool 2>&1 || true")


def capture_losses(c: Capturing) -> None:
    """Disks offline, faulted, gone, replaced, rebuilt."""
    shape = "raidz2 /v/d1 /v/d2 /v/d3 /v/d4 /v/d5 spare /v/d6"
    c.fresh(shape)
    c.write()
    c.run("zpool offline p /v/d2")
    c.keep("offline")
    c.run("zpool offline p /v/d3")
    c.keep("offline-two")
    c.run("zpool online p /v/d2; zpool online p /v/d3; zpool wait -t resilver p")
    c.keep("resilvered")
    c.run("zinject -d /v/d4 -A fault p")
    c.keep("faulted")
    c.run("zpool replace p /v/d4 /v/d6; zpool wait -t resilver p")
    c.keep("spare-for-faulted")
    c.run("zpool detach p /v/d4")
    c.keep("spare-made-permanent")
    c.fresh(shape)
    c.write()
    c.run("zinject -d /v/d4 -A degrade p")
    c.keep("degraded-disk")
    c.fresh(shape)
    c.write()
    c.run("zpool export p; mv /v/d3 /gone; zpool import -d /v p")
    c.keep("unavail")
    c.run("mv /gone /v/d3; zpool online p /v/d3; zpool wait -t resilver p; zpool export p")
    c.run("truncate -s 0 /v/d5; truncate -s 1G /v/d5; zpool import -d /v p")
    c.keep("unavail-corrupt-label")
    c.run("zpool replace -w p /v/d5 /v/d7; zpool status -x")
    c.keep("replaced")
    _capture_resilvering(c, shape)


def _capture_resilvering(c: Capturing, shape: str) -> None:
    """In the middle of a replacement: resilvering is held back by delays at the new disk."""
    c.fresh(shape)
    c.write(24)
    c.run(f"{HOLD}; zpool replace p /v/d4 /v/d7; sleep 1")
    c.keep("replacing-online")
    c.run("zpool offline p /v/d2")
    c.keep("replacing-and-offline")
    c.run(f"{GO_ON}; zpool online p /v/d2; zpool wait -t resilver p; zpool wait -t replace p; zpool offline p /v/d1")
    c.write(24)
    c.run(f"{HOLD}; zpool online p /v/d1")
    c.guest.wait_until("zpool status p | grep -q 'resilver in progress'", timeout_s=20)
    c.keep("resilvering")
    c.run(f"{GO_ON}; zpool wait -t resilver p")


def capture_scrubs(c: Capturing) -> None:
    """Running, paused, canceled, with errors repaired."""
    c.fresh("raidz2 /v/d1 /v/d2 /v/d3 /v/d4 /v/d5")
    c.write(24)
    c.run(f"{HOLD}; zpool scrub p; sleep 1")
    c.keep("scrub-starting")
    c.run(f"zpool scrub -s p; {GO_ON}")
    c.keep("scrub-canceled")
    c.run("zpool export p; zpool import -d /v p")
    c.run("echo 0 > /sys/module/zfs/parameters/zfs_vdev_aggregation_limit")
    c.run(f"for d in 1 2 3 4 5; do zinject -d /v/d$d -D 30:1 p; done; zpool scrub p; sleep 3; {HOLD}")
    c.keep("scrubbing")
    c.run("zpool scrub -p p")
    c.keep("scrub-paused")
    c.run(f"zinject -c all; {GO_ON}; zpool scrub p; zpool wait -t scrub p")
    c.damage("d1", "d2")
    c.run("zpool scrub -w p")
    c.keep("scrub-repaired")
    c.keep_events("events-checksum.txt")
    c.run("zpool clear p")
    c.keep("cleared")


def capture_errors(c: Capturing) -> None:
    """Files that cannot be repaired, with names and without."""
    c.fresh("-O compression=off -O recordsize=128k -o ashift=12 /v/d1", size="256M")
    c.run("zfs create 'p/with space'; zfs create p/data")
    c.guest.run(["python3", "-SE", "-c", WRITE_FILES])
    c.run("zfs snapshot p/data@kept; rm /p/data/b; zpool export p")
    c.guest.run(["python3", "-SE", "-c", SPOIL_FILES])
    c.run("zpool import -d /v p; zpool scrub -w p")
    c.keep("damaged-files")
    c.keep_events("events-data.txt")
    c.run("rm '/p/with space/gone'; zpool sync p")
    c.keep("damaged-deleted-file")
    c.run("zfs umount p/data")
    c.keep("damaged-unmounted")
    c.run("zfs mount p/data; zfs destroy -r p/data; zpool sync p")
    c.keep("damaged-destroyed-dataset")
    c.run("rm /p/*/*; zpool scrub -w p")
    c.keep("damaged-files-removed")


def capture_rest(c: Capturing) -> None:
    """Logs gone, dRAID, expansion, a pool that is suspended."""
    c.fresh("mirror /v/d1 /v/d2 log /v/d3")
    c.write(2)
    c.run("dd if=/dev/urandom of=/p/y bs=8k count=10 oflag=sync; zpool export p; mv /v/d3 /gone")
    c.keep_words("import-missing-log.err.txt", "zpool import -d /v 2>&1; zpool import -d /v p 2>&1 || true")
    c.run("zpool import -m -d /v p")
    c.keep("missing-log")
    c.fresh("draid2:4d:8c:1s /v/d1 /v/d2 /v/d3 /v/d4 /v/d5 /v/d6 /v/d7 /v/d8", count=9)
    c.write()
    c.keep("draid")
    c.run("zpool offline p /v/d3; zpool replace p /v/d3 draid2-0-0; zpool wait -t resilver p")
    c.keep("draid-spare-in-use")
    c.run("zpool replace -s p /v/d3 /v/d9; zpool wait -t resilver p; zpool wait -t replace p")
    c.keep("draid-replaced")
    c.fresh("mirror /v/d1 /v/d2")
    c.write()
    c.run("zpool attach -s p /v/d1 /v/d3; zpool wait -t resilver p")
    c.keep("rebuilt-mirror")
    if c.version >= "2.3":
        _capture_expansion(c)


def _capture_expansion(c: Capturing) -> None:
    c.fresh("raidz2 /v/d1 /v/d2 /v/d3 /v/d4")
    c.write(16)
    c.run("echo 1000000 > /sys/module/zfs/parameters/raidz_expand_max_reflow_bytes; zpool attach p raidz2-0 /v/d5; sleep 2")
    c.keep("raidz-expanding")
    c.run("echo 0 > /sys/module/zfs/parameters/raidz_expand_max_reflow_bytes; zpool wait -t raidz_expand p")
    c.keep("raidz-expanded")


def capture_suspended(_: Capturing) -> None:
    """Two disks of a vdev that may lose one pulled under a running pool: nothing brings it back but their return."""
    for mode in ("wait", "continue"):
        with opened(DISKS) as guest:
            own = Capturing(guest, "2.3")
            names = " ".join(f"/dev/disk/by-id/wwn-0x5000c500a000000{number}" for number in range(1, 5))
            own.run(f"zpool create -o failmode={mode} p raidz1 {names}")
            own.write()
            guest.machine.pull_disk(1)
            guest.wait_until("! test -e /dev/disk/by-id/wwn-0x5000c500a0000001")
            guest.start("head -c 1M /dev/urandom > /p/degraded; zpool sync p").wait(60)
            own.keep(f"disk-pulled-{mode}")
            guest.machine.pull_disk(2)
            guest.start("head -c 1M /dev/urandom > /p/lost; zpool sync p")
            guest.wait_until("timeout 20 zpool status p | grep -q -i suspended", timeout_s=60)
            own.keep(f"suspended-{mode}")


def capture_zed(c: Capturing) -> None:
    """What ZED hands to a zedlet: one paragraph of its environment per event."""
    c.fresh("raidz2 /v/d1 /v/d2 /v/d3 /v/d4 /v/d5 spare /v/d6")
    c.write()
    c.guest.put("/etc/zfs/zed.d/all-told.sh", b"#!/bin/sh\n{ env | grep ^ZEVENT_ | sort; echo; } >> /tmp/told-$ZEVENT_SUBCLASS\n")
    c.run("chmod 755 /etc/zfs/zed.d/all-told.sh")
    c.guest.start_zed()
    c.run("zinject -d /v/d2 -A fault p")
    c.guest.wait_until("zpool status p | grep -q INUSE")  # ZED takes the spare
    c.run("zpool wait -t resilver p; zpool scrub -w p")
    c.guest.wait_until("grep -q FAULTED /tmp/told-statechange && test -e /tmp/told-scrub_finish")
    c.run("zpool clear p; zpool wait -t resilver p; zinject -d /v/d3 -e corrupt -T read -f 20 p; zpool scrub -w p; zinject -c all")
    c.guest.wait_until("test -e /tmp/told-checksum")
    for name in c.run("ls /tmp | grep ^told-").split():
        told = c.guest.get(f"/tmp/{name}").split(b"\n\n")
        (c.folder / f"{c.version}-zed-{name.removeprefix('told-')}.txt").write_bytes(b"\n\n".join(told[:3]) + b"\n")


CAPTURES = {
    "health": capture_health,
    "losses": capture_losses,
    "scrubs": capture_scrubs,
    "errors": capture_errors,
    "rest": capture_rest,
    "suspended": capture_suspended,
    "zed": capture_zed,
}


def main() -> None:
    """Capture the states named, or all."""
    for name in sys.argv[1:] or CAPTURES:
        with opened(PLAIN) as guest:
            version = ".".join(guest.run(["zfs", "version"]).out.split("-")[1].split(".")[:2])
            CAPTURES[name](Capturing(guest, version))


if __name__ == "__main__":
    main()
