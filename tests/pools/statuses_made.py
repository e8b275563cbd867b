"""Statuses of a pool of large disks in the words of `zpool status`, and a zpool that plays them."""

from __future__ import annotations

from pathlib import Path

from fonoteca.pools.health import PoolHealth
from fonoteca.pools.status_text import parse_status_text

ID = "/dev/disk/by-id/ata-ST22000NM001E-3HM103_"
RESILVER = """resilver in progress since Mon Nov 23 01:00:00 2026
	3.20T scanned at 1.10G/s, 2.10T issued at 740M/s, 9.80T total
	210G resilvered, 21.43% done, 03:01:12 to go"""


def disk(number: int, state: str = "ONLINE", note: str = "", counts: str = "0     0     0", depth: int = 2) -> str:
    return f"\t{'  ' * depth}{ID}ZX20{number:04}-part1  {state}  {counts}  {note}".rstrip()


def gone(number: int, guid: int, state: str = "UNAVAIL", depth: int = 2) -> str:
    return f"\t{'  ' * depth}{guid}  {state}  0     0     0  was {ID}ZX20{number:04}-part1"


def status_text(*rows: str, state: str = "DEGRADED", scan: str = "none requested", spares: tuple[str, ...] = (), see: str = "") -> str:
    """What `zpool status -vPps` prints of the pool tank with these vdevs."""
    lines = ["  pool: tank", f" state: {state}"]
    lines += [f"   see: https://openzfs.github.io/openzfs-docs/msg/{see}"] if see else []
    lines += [f"  scan: {scan}", "config:", "", "\tNAME  STATE  READ WRITE CKSUM", f"\ttank  {state}  0     0     0", *rows]
    lines += ["\tspares", *spares] if spares else []
    return "\n".join([*lines, "", "errors: No known data errors", ""])


def pool(*rows: str, state: str = "DEGRADED", scan: str = "none requested", spares: tuple[str, ...] = (), see: str = "") -> PoolHealth:
    return parse_status_text(status_text(*rows, state=state, scan=scan, spares=spares, see=see))[0]


def raidz3(*rows: str, state: str = "DEGRADED") -> list[str]:
    return [f"\t  raidz3-0  {state}  0     0     0", *rows]


def ten(**changed: str) -> list[str]:
    """Ten disks, some of them (d4=…) in another form."""
    return raidz3(*(changed.get(f"d{number}", disk(number)) for number in range(1, 11)))


FAKE = """#!/bin/sh
# plays one status after the other, the last one for ever; every other command is noted and succeeds
here=$(dirname "$0")
case "$1 $2" in
"status -j") echo "invalid option 'j'" >&2; exit 2 ;;
"status -gps") exit 1 ;;
status*) number=$(cat "$here/number"); [ -e "$here/$((number + 1))" ] && echo $((number + 1)) > "$here/number"; cat "$here/$number" ;;
"get -Hp") printf 'autoreplace\\ton\\n' ;;
*) echo "$@" >> "$here/commands" ;;
esac
"""


def play_statuses(folder: Path, *statuses: str) -> list[str]:
    """A `zpool` in this folder that prints each of the statuses once, and the last one from then on; the command to start it with."""
    folder.mkdir(exist_ok=True)
    (folder / "zpool").write_text(FAKE)
    (folder / "zpool").chmod(0o755)
    (folder / "number").write_text("1\n")
    (folder / "commands").write_text("")
    for number, status in enumerate(statuses, 1):
        (folder / str(number)).write_text(status)
    return ["env", f"PATH={folder}:/usr/bin:/bin"]
