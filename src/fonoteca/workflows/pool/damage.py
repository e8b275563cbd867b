"""What ZFS cannot read, as what the archive knows: which album and track, how popular, who has it else; and into the queue of heal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.integrity import Ledger
from fonoteca.integrity.schedule import Provable
from fonoteca.pools.damaged_names import is_metadata
from fonoteca.pools.health import DamagedFile
from fonoteca.pools.listing import DatasetRow, is_below
from fonoteca.pools.pool_facts import DamageCounts
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.heal_archive import ArchiveHealBook
from fonoteca.workflows.heal_items import DamagedFile as FileToHeal
from fonoteca.workflows.schedule_books import DATABASES, ArchiveBook, name_below

Kind = Literal["archive", "outside", "snapshot", "stale", "metadata"]
"""archive: heal knows it. outside: a file that the ledger does not know. snapshot: only in a snapshot. stale: mended or removed since.
metadata: of ZFS itself."""

_CODES: dict[Kind, str] = {"stale": "pool-stale-error", "metadata": "pool-damaged-metadata", "snapshot": "pool-damaged-snapshot"}
_COPIES_TOLD = 5
_SNAPSHOTS = "/.zfs/snapshot/"


class DamagedThing(msgspec.Struct, frozen=True, omit_defaults=True):
    """One name of ZFS's list. `what` says what it is to people, `copies` where the same bytes lie whole, as far as is known."""

    text: str
    kind: Kind
    name: str = ""
    what: str = ""
    track: str | None = None
    title: str | None = None
    artists: tuple[str, ...] = ()
    album: str | None = None
    popularity: float | None = None
    container: str | None = None
    plays: int = 0
    copies: tuple[str, ...] = ()

    def finding(self) -> Finding:
        """It as a finding about a pool."""
        code = _CODES.get(self.kind, "pool-damaged-file")
        copies = f"; copies: {', '.join(self.copies)}" if self.copies else "; no other copy is known" if self.kind == "archive" else ""
        return Finding(code, self.text, f"{self.what}{copies}", self.track, self.container)


class ReplicaBase(msgspec.Struct, frozen=True):
    """What a replica is known to have: all that was there at `at`."""

    name: str
    at: int


def find_damage(
    damaged: Sequence[DamagedFile], datasets: Sequence[DatasetRow], archive: Archive | None, replicas: Sequence[ReplicaBase] = ()
) -> list[DamagedThing]:
    """Every name of the list, most popular first, what is no music last. Writes nothing."""
    book = ArchiveHealBook(archive, dry_run=True) if archive is not None else None
    finder = _Finder(datasets, book, replicas)
    found = [finder.thing(one) for one in damaged]
    order: dict[Kind, int] = {"metadata": 0, "archive": 1, "outside": 2, "snapshot": 3, "stale": 4}
    return sorted(found, key=lambda one: (order[one.kind], -one.plays, one.text))


def count_damage(things: Iterable[DamagedThing]) -> DamageCounts:
    """How many can be mended, and how."""
    kinds = [one.kind for one in things]
    return DamageCounts(kinds.count("archive"), kinds.count("outside"), kinds.count("snapshot"), kinds.count("stale"))


def record_damage(archive: Archive, things: Sequence[DamagedThing]) -> int:
    """Put the damaged files of the archive where verify puts them, so that heal mends them; how many are new there.

    It takes a connection of its own, as a run of verify --schedule does: a build may be at work in the archive.
    """
    wanted = {one.name: one for one in things if one.kind == "archive"}
    known = {name_below(archive.path, finding.path) for finding in archive.ledger.findings("verify")}
    if not wanted.keys() - known:
        return 0
    ledger = Ledger.open(archive.ledger.path)
    try:
        book = ArchiveBook(Archive(archive.path, archive.settings, archive.catalogue, ledger))
        book.refresh()
        return sum(_record(book, thing, archive.now()) for name, thing in wanted.items() if name not in known)
    finally:
        ledger.close()


def _record(book: ArchiveBook, thing: DamagedThing, second: int) -> bool:
    path = book.path / thing.name
    item = Provable(key=thing.name, path=path, size=None, proved_at=0, sha256="", track=thing.track, container=thing.container)
    finding = Finding("pool-damaged-file", str(path), f"ZFS cannot read it: {thing.what}", thing.track, thing.container)
    return book.bad(item, finding, second)


class _Finder:
    def __init__(self, datasets: Sequence[DatasetRow], book: ArchiveHealBook | None, replicas: Sequence[ReplicaBase]) -> None:
        self._mounted = {one.name: one.mounted_at for one in datasets}
        self._book, self._replicas = book, replicas
        self._top = os.path.realpath(book.path) if book is not None else ""

    def thing(self, damaged: DamagedFile) -> DamagedThing:
        if is_metadata(damaged):
            return DamagedThing(damaged.text, "metadata", what="what ZFS itself needs")
        path, snapshot = self._place(damaged)
        if snapshot is not None:
            return self._in_snapshot(damaged, path, snapshot)
        if path is None:
            return DamagedThing(
                damaged.text, "stale", what="no file has this name any more: mended or removed since, or its folder is damaged too"
            )
        return self._file(damaged, path)

    def _place(self, damaged: DamagedFile) -> tuple[str | None, str | None]:
        """The path that it has, or had when the snapshot was made; and the snapshot."""
        if damaged.path is None:
            return None, damaged.snapshot
        if damaged.dataset is None:
            top, found, rest = damaged.path.partition(_SNAPSHOTS)
            if not found:
                return damaged.path, None
            snapshot, _, below = rest.partition("/")
            return f"{top}/{below}", snapshot
        mounted_at = self._mounted.get(damaged.dataset)
        return (mounted_at.rstrip("/") + damaged.path if mounted_at else None), damaged.snapshot

    def _in_snapshot(self, damaged: DamagedFile, path: str | None, snapshot: str) -> DamagedThing:
        file = self._known(path)
        what = f"{self._describe(file)}, " if file is not None else ""
        return DamagedThing(damaged.text, "snapshot", what=f"{what}as it was in the snapshot {snapshot}")

    def _file(self, damaged: DamagedFile, path: str) -> DamagedThing:
        file = self._known(path)
        if file is None or self._book is None:
            what = "a file of the archive that its ledger does not know" if self._is_inside(path) else "a file outside of the archive"
            return DamagedThing(damaged.text, "outside", what=what if self._book else "a file; no archive was looked at")
        track = self._book.archive.catalogue.get_track(file.track) if file.track else None
        return DamagedThing(
            damaged.text, "archive", name=file.name, what=self._describe(file), track=file.track, title=track.title if track else None,
            artists=tuple(track.artists) if track else (), album=track.album if track else None,
            popularity=track.popularity if track else None, container=file.container, plays=file.plays, copies=tuple(self._copies(file)),
        )  # fmt: skip

    def _is_inside(self, path: str) -> bool:
        return bool(self._top) and is_below(path, self._top)

    def _known(self, path: str | None) -> FileToHeal | None:
        if self._book is None or path is None:
            return None
        for name in DATABASES:  # they may lie in a dataset of their own, and be links here
            if path == os.path.realpath(self._book.path / name):
                return self._book.file_named(name)
        if not self._is_inside(path):
            return None
        name = os.path.relpath(path, self._top)
        return self._book.file_named(name.removeprefix("release/") if name.startswith("release/containers/") else name)

    def _describe(self, file: FileToHeal) -> str:
        assert self._book is not None
        return self._book.describe(file)

    def _copies(self, file: FileToHeal) -> list[str]:
        """Other files of the right size (a link, and the same file in a snapshot, have the same damaged blocks), and replicas."""
        assert self._book is not None
        try:
            known = os.stat(file.path)
        except OSError:
            known = None
        found: dict[tuple[int, int], str] = {}
        for place in self._book.places(file):
            if len(found) == _COPIES_TOLD:
                break
            other = _stat_of_copy(place, file.size, known)
            if other is not None:
                found.setdefault((other.st_dev, other.st_ino), str(place))
        return [*found.values()] + [f"the replica {one.name}" for one in self._replicas if known is not None and known.st_ctime <= one.at]


def _stat_of_copy(place: Path, size: int | None, damaged: os.stat_result | None) -> os.stat_result | None:
    """None for what cannot be a whole copy."""
    try:
        other = os.stat(place)
    except OSError:
        return None
    is_same = damaged is not None and (other.st_ino == damaged.st_ino and other.st_mtime_ns == damaged.st_mtime_ns)
    return other if not is_same and (size is None or other.st_size == size) else None
