"""A small ZFS in memory: snapshots, bookmarks and holds, under our commands; it can be killed between any two of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fonoteca.ground.errors import NotFoundError, PoolBusyError, PoolError
from fonoteca.pools.snapshots import Bookmark, Snapshot
from fonoteca.pools.zfs import Zfs


class KilledError(Exception):
    """The machine lost power before this command."""


class ModelZfs(Zfs):
    """What is there is in `snapshots` and `bookmarks`, by full name; after `lives` changes the next one is not done any more."""

    def __init__(self, snapshots: Iterable[Snapshot], bookmarks: Iterable[Bookmark] = ()) -> None:
        super().__init__()
        self.snapshots = {one.full_name: one for one in snapshots}
        self.bookmarks = {one.full_name: one for one in bookmarks}
        self.holds = {name: set(one.holds) for name, one in self.snapshots.items()}
        self.lives: int | None = None
        self.changes = 0

    def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        program, verb, *rest = (str(part) for part in arguments)
        assert program == "zfs", arguments
        if verb == "list":
            return self._list(rest)
        if verb == "holds":
            return "".join(f"{name}\t{tag}\tMon Nov 23  1:00 2026\n" for name in rest[1:] for tag in sorted(self._tags(name)))
        if self.lives is not None and self.changes >= self.lives:
            raise KilledError
        self.changes += 1
        getattr(self, f"_{verb}")(*rest)
        return ""

    def held(self, tag: str) -> set[str]:
        """The snapshots that are held so."""
        return {name for name, tags in self.holds.items() if tag in tags}

    def _list(self, rest: list[str]) -> str:
        dataset, kind = rest[-1], rest[rest.index("-t") + 1]
        recursive = "-r" in rest
        lines = []
        for one in [*self.snapshots.values(), *self.bookmarks.values()]:
            if one.dataset != dataset and not (recursive and one.dataset.startswith(f"{dataset}/")):
                continue
            cells = [one.full_name, str(one.guid), str(one.createtxg), str(one.created_at)]
            if isinstance(one, Snapshot) and kind == "snapshot":
                lines.append("\t".join([*cells, str(one.used_bytes), str(one.referenced_bytes), str(len(self.holds[one.full_name]))]))
            if isinstance(one, Bookmark) and kind == "bookmark":
                lines.append("\t".join(cells))
        return "".join(f"{line}\n" for line in lines)

    def _tags(self, name: str) -> set[str]:
        if name not in self.snapshots:
            raise NotFoundError(f"could not find any snapshots: {name}")
        return self.holds[name]

    def _hold(self, tag: str, *names: str) -> None:
        for name in names:
            if tag in self._tags(name):
                raise PoolError("tag already exists on this dataset")
            self.holds[name].add(tag)

    def _release(self, tag: str, *names: str) -> None:
        for name in names:
            if tag not in self._tags(name):
                raise PoolError("no such tag on this dataset")
            self.holds[name].remove(tag)

    def _bookmark(self, snapshot: str, bookmark: str) -> None:
        one = self.snapshots[snapshot]
        if bookmark in self.bookmarks:
            raise PoolError("bookmark exists")
        self.bookmarks[bookmark] = Bookmark(one.dataset, bookmark.split("#")[1], one.guid, one.createtxg, one.created_at)

    def _destroy(self, name: str) -> None:
        if name in self.bookmarks:
            del self.bookmarks[name]
        elif self._tags(name):
            raise PoolBusyError("dataset is busy")
        else:
            del self.snapshots[name], self.holds[name]
