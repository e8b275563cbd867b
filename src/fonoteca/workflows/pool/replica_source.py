"""A replica as the source that everything is brought back from: it is read, and nothing of it is held, marked or changed."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from fonoteca.pools.replica_sides import LocalSide, RemoteSide, Side
from fonoteca.pools.replication import DatasetState
from fonoteca.pools.restoring import Origin
from fonoteca.pools.transport import SshOptions, parse_place
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.prove_replica import read_snapshot


class _ReadLocal(LocalSide):
    wanted: frozenset[str] | None = None

    def states(self) -> list[DatasetState]:
        """Those that are wanted."""
        return [state for state in super().states() if self.wanted is None or state.name in self.wanted]

    def keep(self, dataset: str, snapshot: str, *, has_arrived: bool) -> None:
        """Nothing: it is no base of a replication to come."""


class _ReadRemote(RemoteSide):
    wanted: frozenset[str] | None = None

    def states(self) -> list[DatasetState]:
        """Those that are wanted."""
        return [state for state in super().states() if self.wanted is None or state.name in self.wanted]

    def keep(self, dataset: str, snapshot: str, *, has_arrived: bool) -> None:
        """Nothing: it is no base of a replication to come."""


ReadSide = _ReadLocal | _ReadRemote


def only(side: ReadSide, names: Iterable[str]) -> ReadSide:
    """The same side with no other datasets in view."""
    narrowed = copy(side)
    narrowed.wanted = frozenset(names)
    return narrowed


def source_of(zfs: Zfs, origin: Origin, options: SshOptions) -> ReadSide:
    """The side to read from: a dataset of this machine, or of one that lets us have it sent."""
    place = parse_place(f"{origin.remote}/{origin.dataset}" if origin.remote else origin.dataset)
    if place.host:
        return _ReadRemote(place, "send", "restore", options)
    return _ReadLocal(zfs, place, "restore", read_snapshot)


def target_of(zfs: Zfs, dataset: str) -> Side:
    """The side to bring it to: a dataset of this machine."""
    return LocalSide(zfs, parse_place(dataset), "restore", read_snapshot)
