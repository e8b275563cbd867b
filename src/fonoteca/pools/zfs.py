"""ZFS through its own commands, zpool and zfs; their failures become errors of ours. Nothing here reads what they print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fonoteca.ground.errors import (
    AccessError,
    DiskFullError,
    DiskGoneError,
    DiskRefusedError,
    FonotecaError,
    NotFoundError,
    NoZfsError,
    PoolBusyError,
    PoolError,
    PoolSuspendedError,
    ProgramError,
    StaleTokenError,
    StreamError,
    UsageError,
)
from fonoteca.ground.programs import run_program

_INSTALL = "On Debian: apt-get install zfsutils-linux zfs-dkms (component contrib), then modprobe zfs."

# What OpenZFS 2.1 to 2.3 say, in lib/libzfs/libzfs_util.c, libzfs_sendrecv.c and cmd/; the first that is found counts.
_WORDS: tuple[tuple[str, type[FonotecaError], str], ...] = (
    (r"is not installed|modules (are not loaded|cannot be auto-loaded)|initialize the libzfs|/dev/zfs.*No such file", NoZfsError, _INSTALL),
    (r"[Pp]ermission denied|must be run as root|[Oo]peration not permitted", AccessError, "Run it as root, or let this user: zfs allow."),
    (r"currently suspended", PoolSuspendedError, "Bring the missing disks back, then: zpool clear POOL."),
    (r"resume token|cannot resume send|used in the initial send no longer exists", StaleTokenError,
     "Run it again with --forget-partial: what arrived by halves is dropped and sent anew."),
    (r"invalid (stream|backup stream)|checksum mismatch|incomplete stream|stream .*(corrupt|truncated)", StreamError,
     "Nothing was taken over; run it again, and if it stays so, scrub the source."),
    (r"too small|different optimal sector size|is part of |in use and contains|hot spare|contains a filesystem", DiskRefusedError,
     "fonoteca pool disks tells what is on each disk, and its size and sectors; take one that is free and fits."),
    (r"no valid replicas", DiskRefusedError, "Data would be out of reach without it: leave it in, and replace it while it answers."),
    (r"already in replacing/spare config|device removal is in progress|already in progress", PoolBusyError,
     "Wait for what runs: zpool wait -t replace,resilver,remove POOL; or give the new disk up: zpool detach POOL NEW."),
    (r"it's being held", PoolBusyError, "zfs holds SNAPSHOT tells by whom, and zfs release TAG SNAPSHOT lets go of it."),
    (r"out of space|[Nn]o space left|exceeds.*quota|quota exceeded", DiskFullError, "Make room there, then run it again: it goes on."),
    (r"is busy|currently scrubbing|currently resilvering|currently importing|there is an active", PoolBusyError,
     "zpool status tells what ZFS does; fuser -vm MOUNTPOINT tells which programs use a dataset."),
    (r"may be in use from other system|in use from other system", PoolBusyError,
     "Export it there first: zpool export POOL. Only if that machine is gone for good: zpool import -f POOL."),
    (r"does not exist|no such (pool|dataset|snapshot|device in pool)|could not find any|couldn't find device|cannot resolve path|"
     r"no pools available to import", NotFoundError, "zpool status -v and zfs list -t all tell what is there; zpool import what could be."),
    (r"[Nn]o such (device|file)|currently unavailable|I/O error|device is not (online|available)", DiskGoneError,
     "fonoteca pool disks tells which disks are there; look at cables and power."),
    (r"invalid character|invalid (dataset|pool|snapshot)? ?name|name is reserved|missing dataset name|delimiter '.' is not expected here|"
     r"component.* too long|name (is )?too long|must begin with a letter|trailing slash|empty component", UsageError,
     "Names have letters, digits, '-', '_', '.' and ':'; no '@', and '/' only between datasets."),
)  # fmt: skip


def translate_zfs_error(error: ProgramError, what: str) -> FonotecaError:
    """The error of ours that says what zpool or zfs said; `what` is what was being done, such as "zfs send"."""
    told = error.stderr or error.message
    fact = " / ".join(line.strip() for line in told.splitlines()[-3:])
    for pattern, kind, way_out in _WORDS:
        if re.search(pattern, told):
            return kind(f"{what}: {fact}", way_out)
    return PoolError(f"{what}: {fact}", error.hint)


class Zfs:
    """Runs zpool, zfs and zstream of this machine; `prefix` stands before each command (such as sudo -n)."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self.prefix = tuple(prefix)

    def zpool(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        """What `zpool …` prints."""
        return self.run("zpool", *arguments, timeout_s=timeout_s)

    def zfs(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        """What `zfs …` prints."""
        return self.run("zfs", *arguments, timeout_s=timeout_s)

    def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        """What a command prints, bytes that are no UTF-8 as surrogates; its failure as an error of ours."""
        try:
            return run_program([*self.prefix, *arguments], timeout_s=timeout_s).decode("utf-8", "surrogateescape")
        except ProgramError as error:
            raise translate_zfs_error(error, " ".join(str(part) for part in arguments[:2])) from error
