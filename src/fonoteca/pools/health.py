"""How a pool is: what `zpool status` tells, whichever version and form it told it in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

VdevState = Literal["ONLINE", "DEGRADED", "FAULTED", "OFFLINE", "REMOVED", "UNAVAIL", "AVAIL", "INUSE", "SUSPENDED"]
VdevRole = Literal["data", "log", "cache", "spare", "special", "dedup"]
VdevKind = Literal["root", "raidz", "draid", "mirror", "replacing", "spare", "disk", "file", "missing", "hole", "indirect"]
ScanFunction = Literal["scrub", "resilver", "rebuild", "errorscrub"]
ScanState = Literal["scanning", "paused", "finished", "canceled"]


class Vdev(msgspec.Struct, frozen=True):
    """One node of the tree of a pool, with its errors since the last clear.

    `name` is as printed (raidz3-0, or a disk as it was named); `path` where its device is, on leaves; `former_path` where ZFS last saw
    a leaf that is gone ("was /dev/…"); `note` what stands behind the counts. `guid` is 0 where the output does not tell it.
    """

    name: str
    kind: VdevKind
    state: VdevState
    role: VdevRole = "data"
    parity: int = 0
    guid: int = 0
    path: str | None = None
    former_path: str | None = None
    read_errors: int = 0
    write_errors: int = 0
    checksum_errors: int = 0
    slow_ios: int | None = None
    note: str = ""
    children: tuple[Vdev, ...] = ()

    @property
    def is_leaf(self) -> bool:
        """Whether it is a disk or a file, not a group of them."""
        return not self.children and self.kind in ("disk", "file", "missing")

    def walk(self) -> Iterator[Vdev]:
        """Itself and all below, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def leaves(self) -> list[Vdev]:
        """The disks and files below, or itself."""
        return [vdev for vdev in self.walk() if vdev.is_leaf]


class Scan(msgspec.Struct, frozen=True):
    """The scrub or resilver that runs or ran last. Times are Unix seconds; None is what the output does not tell."""

    function: ScanFunction
    state: ScanState
    started_at: int | None = None
    ended_at: int | None = None
    paused_at: int | None = None
    total_bytes: int | None = None
    scanned_bytes: int | None = None
    issued_bytes: int | None = None
    repaired_bytes: int | None = None
    issued_rate: int | None = None
    seconds_left: int | None = None
    errors: int | None = None


class DamagedFile(msgspec.Struct, frozen=True):
    """A line of "Permanent errors": `path` where ZFS knows one, else only `dataset` and `object_id` (<0x1a2>), or metadata (<metadata>)."""

    text: str
    path: str | None = None
    dataset: str | None = None
    snapshot: str | None = None
    object_id: int | None = None


class PoolHealth(msgspec.Struct, frozen=True):
    """All that `zpool status` tells of one pool. `vdevs`: the root first, then one root each of logs, cache, spares, special, dedup."""

    name: str
    state: VdevState
    guid: int = 0
    message_id: str | None = None
    status: str | None = None
    action: str | None = None
    scan: Scan | None = None
    expansion: str | None = None
    removal: str | None = None
    error_count: int = 0
    damaged: tuple[DamagedFile, ...] = ()
    vdevs: tuple[Vdev, ...] = ()

    def leaves(self) -> list[Vdev]:
        """Every disk and file of the pool, spares too."""
        return [leaf for vdev in self.vdevs for leaf in vdev.leaves()]
