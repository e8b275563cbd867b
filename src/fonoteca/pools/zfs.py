"""ZFS through its own commands, zpool and zfs; their failures become errors of ours. Nothing here reads what they print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fonoteca.ground.errors import (
    AccessError,
    DiskFullError,
    DiskGoneError,
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
    (r"is not installed|modules (are not loaded|cannot be auto-loaded)|initialize the libzfs|open /dev/zfs: No such", NoZfsError, _INSTALL),
    (r"permission denied|must be run as root|[Oo]peration not permitted", AccessError, "Run it as root, or let this user: zfs allow."),
    (r"pool I/O is currently suspended", PoolSuspendedError, "Bring the missing disks back, then: zpool clear POOL."),
    (r"resume token|cannot resume send|used in the initial send no longer exists", StaleTokenError,
     "Run it again with --forget-partial: what arrived by halves is dropped and sent anew."),
    (r"invalid (stream|backup stream)|checksum mismatch|incomplete stream|stream .*(corrupt|truncated)", StreamError,
     "Nothing was taken over; run it again, and if it stays so, scrub the source."),
    (r"out of space|[Nn]o space left|exceeds.*quota|quota exceeded", DiskFullError, "Make room there, then run it again: it goes on."),
    (r"is busy|currently scrubbing|currently resilvering|there is an active", PoolBusyError, "zpool status tells what goes on."),
    (r"(does not exist|no such (pool|dataset|snapshot)|could not find any)", NotFoundError, "zfs list -t all tells what is there."),
    (r"no such device|cannot open .*No such (file|device)|currently unavailable|I/O error", DiskGoneError,
     "fonoteca pool disks tells which disks are there; look at cables and power."),
    (r"invalid character|invalid (dataset|pool|snapshot)? ?name|name is reserved|missing dataset name", UsageError,
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
