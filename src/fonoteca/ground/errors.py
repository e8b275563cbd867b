"""What can go wrong, as one tree; every error says the fact and the way out.

FonotecaError                    failed                       exit 1
├── UsageError                   usage                        exit 2
│   ├── SettingsError            settings                     exit 2
│   ├── NotAnArchiveError        not-an-archive               exit 2
│   └── NotAMirrorError          not-a-mirror                 exit 2
├── ArchiveBusyError             archive-busy                 exit 1
├── DiskFullError                disk-full                    exit 1
├── AccessError                  no-access                    exit 1
├── ProgramError                 program                      exit 1
├── PoolError                    pool                         exit 1
│   ├── NoZfsError               no-zfs                       exit 1
│   ├── PoolBusyError            pool-busy                    exit 1
│   ├── PoolSuspendedError       pool-suspended               exit 1
│   ├── DiskGoneError            disk-gone                    exit 1
│   ├── DiskRefusedError         disk-refused                 exit 1
│   ├── SnapshotConflictError    snapshot-conflict            exit 1
│   ├── StaleTokenError          stale-token                  exit 1
│   ├── StreamError              stream                       exit 1
│   └── TargetError              target                       exit 1
│       └── HostKeyError         host-key                     exit 1
├── ClientError                  client                       exit 1
├── DatabaseError                database                     exit 1
├── NotFoundError                not-found                    exit 1
├── DownloadError                download                     exit 1
├── StoppedError                 stopped                      exit 130
└── FormatError                  format                       exit 1
    ├── AudioFormatError         audio-format                 exit 1
    ├── ContainerFormatError     container-format             exit 1
    ├── TorrentFormatError       torrent-format               exit 1
    ├── PatchError               patch                        exit 1
    ├── SignatureError           signature                    exit 1
    ├── PoolOutputError          pool-output                  exit 1
    └── PoolPlanError            pool-plan                    exit 1

Every class is documented in docs/errors.md, which a test compares with this tree.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class FonotecaError(Exception):
    """A failure a person can act on: what is wrong, with the fact, and what to do next."""

    code: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(FonotecaError):
    """The command line asks for something that cannot be."""

    code = "usage"
    exit_status = 2


class SettingsError(UsageError):
    """archive.toml has an unknown key, a wrong type or an impossible value."""

    code = "settings"


class NotAnArchiveError(UsageError):
    """No archive.toml here or above."""

    code = "not-an-archive"


class NotAMirrorError(UsageError):
    """No mirror.toml here or above."""

    code = "not-a-mirror"


class ArchiveBusyError(FonotecaError):
    """Another run is working on the same archive."""

    code = "archive-busy"


class DiskFullError(FonotecaError):
    """The file system has no room; nothing that was written before is lost."""

    code = "disk-full"


class AccessError(FonotecaError):
    """A file or folder cannot be read or written as this user."""

    code = "no-access"


class ProgramError(FonotecaError):
    """An external program is missing, failed or took too long."""

    code = "program"

    def __init__(self, message: str, hint: str = "", *, status: int | None = None, stderr: str = "") -> None:
        super().__init__(message, hint)
        self.status, self.stderr = status, stderr


class PoolError(FonotecaError):
    """ZFS refuses or fails."""

    code = "pool"


class NoZfsError(PoolError):
    """This machine has no ZFS, or its module is not loaded."""

    code = "no-zfs"


class PoolBusyError(PoolError):
    """Something else uses the pool, dataset or snapshot."""

    code = "pool-busy"


class PoolSuspendedError(PoolError):
    """ZFS has stopped all writing to the pool, since too many disks are gone."""

    code = "pool-suspended"


class DiskGoneError(PoolError):
    """A disk that is needed cannot be opened."""

    code = "disk-gone"


class DiskRefusedError(PoolError):
    """A disk must not be used as asked: it holds data, is too small, or does not fit the others."""

    code = "disk-refused"


class SnapshotConflictError(PoolError):
    """Source and target have no way from one to the other without losing what the target keeps."""

    code = "snapshot-conflict"


class StaleTokenError(PoolError):
    """A send that was cut cannot be resumed: what its token names is gone."""

    code = "stale-token"


class StreamError(PoolError):
    """A send stream is cut short or damaged."""

    code = "stream"


class TargetError(PoolError):
    """The other side of a replication cannot be reached, or does not answer as it should."""

    code = "target"


class HostKeyError(TargetError):
    """The target shows another SSH host key than before."""

    code = "host-key"


class ClientError(FonotecaError):
    """A BitTorrent client does not answer, or refuses what it is asked."""

    code = "client"


class DatabaseError(FonotecaError):
    """A catalogue or ledger cannot be read: damaged, or made by a newer version."""

    code = "database"


class NotFoundError(FonotecaError):
    """Nothing in the archive answers to that name."""

    code = "not-found"


class DownloadError(FonotecaError):
    """A web server cannot be reached, or its answer cannot be used."""

    code = "download"


class StoppedError(FonotecaError):
    """The person stopped the run; the same command goes on."""

    code = "stopped"
    exit_status = 130


class FormatError(FonotecaError):
    """Bytes that do not follow their format."""

    code = "format"


class AudioFormatError(FormatError):
    """An audio stream that cannot be parsed."""

    code = "audio-format"


class ContainerFormatError(FormatError):
    """A metadata file, AACID or data folder that breaks the container convention."""

    code = "container-format"


class TorrentFormatError(FormatError):
    """A .torrent or torrents.json that cannot be read."""

    code = "torrent-format"


class PatchError(FormatError):
    """A patch that does not restore its original."""

    code = "patch"


class SignatureError(FormatError):
    """A key or signature that cannot be read or does not fit."""

    code = "signature"


class PoolOutputError(FormatError):
    """What zpool, zfs or a disk tool printed cannot be understood."""

    code = "pool-output"


class PoolPlanError(FormatError):
    """A plan of a pool that cannot be read, or does not hold together."""

    code = "pool-plan"


@contextmanager
def translate_os_errors(path: Path | str) -> Iterator[None]:
    """Turn OSError about `path` into DiskFullError or AccessError, with the way out."""
    try:
        yield
    except OSError as error:
        named = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no room left to write {named} ({error.strerror})",
                "Free some space (df -h shows where) and run the same command again: it goes on.",
            ) from error
        raise AccessError(
            f"cannot use {named}: {error.strerror or error}",
            "Check that it exists and that this user may read and write it.",
        ) from error
