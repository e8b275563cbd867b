"""Which replica is meant, who its two sides are, and what a run for it comes to: replicated, proved, written down, judged."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.ground.errors import FonotecaError, NotFoundError, UsageError
from fonoteca.ground.files import lock_folder
from fonoteca.ground.findings import Finding
from fonoteca.ground.pool_settings import PoolSettings, ReplicaSettings
from fonoteca.ground.progress import Progress
from fonoteca.ground.quantities import parse_bytes
from fonoteca.ground.settings import read_settings
from fonoteca.pools.listing import choose_dataset_of, read_datasets
from fonoteca.pools.proving_replica import ReplicaState, SnapshotProof, judge_replicas
from fonoteca.pools.replica_sides import LocalSide, RemoteSide, Side
from fonoteca.pools.replication import Conflict
from fonoteca.pools.snapshots import Snapshot, read_snapshots
from fonoteca.pools.transport import Place, SshOptions, parse_place
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.prove_replica import prove_replica, read_snapshot
from fonoteca.workflows.pool.replica_book import book_folder, change_replica_state, read_replica_states, state_of, with_holds
from fonoteca.workflows.pool.replicate import ReplicationOptions, ReplicationReport, replicate


class Replica(msgspec.Struct, frozen=True):
    """One replication to be done. `folder` keeps its state and lock; `release` is dataset and folder of the release, where known."""

    settings: ReplicaSettings
    source: Place
    target: Place
    folder: Path
    ssh: SshOptions = SshOptions()
    release: tuple[str, str] | None = None


class Proving(msgspec.Struct, frozen=True):
    """How to prove: so many bytes are read back; all where None."""

    read_bytes: int | None = None


class ReplicaReport(msgspec.Struct):
    """What came of one replica; `failure` says why nothing did."""

    name: str
    replication: ReplicationReport
    proof: SnapshotProof | None = None
    mismatch: str = ""
    findings: list[Finding] = []
    failure: str = ""

    @property
    def conflicts(self) -> list[Conflict]:
        """What could not be sent."""
        return self.replication.conflicts


def replicas_of(
    archive: Path, zfs: Zfs, target: str | None, *, key: Path | None = None, is_first: bool = False, is_setup: bool = False
) -> list[Replica]:
    """The replicas that this machine sends to: the one that is named or addressed, or all of archive.toml.

    `is_setup`: nothing will be read, so ZFS is only asked where the settings do not name the store.
    """
    settings = read_settings(archive).pool
    chosen = _chosen(settings, target)
    release = _release_of(zfs, archive / "release") if not (is_setup and settings.dataset) else None
    source = Place(settings.dataset or (release[0] if release else ""))
    if not source.dataset:
        raise NotFoundError(f"{archive} does not lie on ZFS", "Name the dataset of the store: dataset under [pool] of archive.toml.")
    folder = book_folder(archive)
    return [
        Replica(one, source, parse_place(one.target), folder, SshOptions(_key_file(archive, one, key), is_first), release) for one in chosen
    ]


def _chosen(settings: PoolSettings, target: str | None) -> list[ReplicaSettings]:
    if target is None:
        chosen = [one for one in settings.replicas if one.mode == "push"]
        if not chosen:
            raise UsageError("archive.toml names no replica to send to", "Name a target, or write [[pool.replicas]]; docs/settings.md.")
        return chosen
    named = [one for one in settings.replicas if target in (one.name, one.target)]
    if not named and "/" not in target:
        names = ", ".join(one.name for one in settings.replicas) or "none"
        raise UsageError(f"there is no replica {target!r} in archive.toml", f"It has: {names}. Or give a dataset or ssh:// address.")
    if named and named[0].mode == "pull":
        raise UsageError(
            f'the replica {named[0].name} fetches by itself (mode = "pull")',
            "Run there: fonoteca pool replicate --from ssh://… --into …; --setup prints what it needs here.",
        )
    return named[:1] or [ReplicaSettings(name_of(parse_place(target)), target)]


def fetching(source: str, into: str, folder: Path, *, name: str = "", key: Path | None = None, is_first: bool = False) -> Replica:
    """The replica that this machine fetches from another dataset; its state is kept in `folder`."""
    places = parse_place(source), parse_place(into)
    if places[1].host:
        raise UsageError("--into names a dataset of this machine", "Send from there, or fetch from here.")
    settings = ReplicaSettings(name or name_of(places[1]), into, "pull")
    return Replica(settings, *places, folder, SshOptions(str(key.expanduser()) if key else "", is_first))


def name_of(place: Place) -> str:
    """A name for a place that the settings do not name; the same each time."""
    word = re.sub(r"[^a-z0-9]+", "-", (place.host or place.dataset).lower()).strip("-")[:24] or "replica"
    return f"{word}-{hashlib.blake2b(str(place).encode(), digest_size=3).hexdigest()}"


def sides_of(replica: Replica, zfs: Zfs) -> tuple[Side, Side]:
    """Source and target."""
    name = replica.settings.name

    def side(place: Place, *, sends: bool) -> Side:
        if place.host:
            return RemoteSide(place, "send" if sends else "receive", name, replica.ssh)
        return LocalSide(zfs, place, name, read_snapshot)

    if not replica.source.host and not replica.target.host:
        ours, theirs = (f"{place.dataset}/" for place in (replica.source, replica.target))
        if ours.startswith(theirs) or theirs.startswith(ours):
            raise UsageError(f"{replica.target} lies within {replica.source}, or the other way round", "Name a dataset of another pool.")
    return side(replica.source, sends=True), side(replica.target, sends=False)


def run_replica(
    replica: Replica, zfs: Zfs, options: ReplicationOptions, progress: Progress, now: int, proving: Proving | None = None
) -> ReplicaReport:
    """Replicate, prove where asked, keep what came of it, and judge; one run at a time for each target, and beside it one proof."""
    source, target = sides_of(replica, zfs)
    name = replica.settings.name
    if options.bytes_per_second is None and replica.settings.bandwidth:
        options = msgspec.structs.replace(options, bytes_per_second=parse_bytes(replica.settings.bandwidth))
    if options.is_dry_run:
        return ReplicaReport(name, replicate(source, target, options, progress))
    book = _Book(replica)
    with lock_folder(replica.folder, f"pool replicate {name}", f".replicate-{name}.lock"):
        first_at = state_of(read_replica_states(replica.folder), name, str(replica.target)).first_at or now
        book.begun = {"mode": replica.settings.mode, "tried_at": now, "first_at": first_at}
        with book.failures():
            report = ReplicaReport(name, replicate(source, target, options, progress))
            state = book.write(**_after(report.replication, source, now))
    if proving is not None:
        with lock_folder(replica.folder, f"pool replicate {name} --prove", f".prove-{name}.lock"), book.failures():
            bases = report.replication.up_to_date
            report.proof, report.mismatch = prove_replica(source, target, bases, replica.release, proving.read_bytes, now)
            state = book.write(proved_at=now, proof=report.proof, mismatch=report.mismatch)
    report.findings = [*report.replication.findings, *judge_replicas([replica.settings], [state], now, is_fetching=True)]
    return report


def run_replicas(
    replicas: Iterable[Replica], zfs: Zfs, options: ReplicationOptions, progress: Progress, now: int, proving: Proving | None = None
) -> tuple[list[ReplicaReport], list[FonotecaError]]:
    """One after the other; one that fails stops none of those after it."""
    reports, errors = [], list[FonotecaError]()
    for replica in replicas:
        try:
            reports.append(run_replica(replica, zfs, options, progress, now, proving))
        except FonotecaError as error:
            errors.append(error)
            done = ReplicationReport(str(replica.source), str(replica.target), options.is_dry_run)
            reports.append(ReplicaReport(replica.settings.name, done, failure=error.message))
    return reports, errors


class _Book:
    """What is written down of one replica; a proof goes on for days beside other runs, which write too."""

    def __init__(self, replica: Replica) -> None:
        self._folder, self._name, self._target = replica.folder, replica.settings.name, str(replica.target)
        self.begun: dict[str, Any] = {}

    def write(self, **changes: Any) -> ReplicaState:
        begun, self.begun = self.begun, {}
        return change_replica_state(self._folder, self._name, self._target, **begun, **changes)

    @contextmanager
    def failures(self) -> Iterator[None]:
        try:
            yield
        except FonotecaError as error:
            with suppress(FonotecaError):
                self.write(failure=error.message)
            raise


def _after(report: ReplicationReport, source: Side, now: int) -> dict[str, Any]:
    """The replica is as old as the oldest of the newest snapshots that both sides have."""
    if report.conflicts:
        return {"failure": report.conflicts[0].error().message}
    taken = {(one.dataset, one.guid): one for ours in source.states() for one in ours.snapshots}
    bases = [taken[key] for one in report.up_to_date if (key := (one.dataset, one.guid)) in taken]
    if not bases:
        return {"replicated_at": now, "failure": ""}
    oldest = min(bases, key=lambda one: one.created_at)
    return {"replicated_at": now, "failure": "", "snapshot": oldest.name, "snapshot_at": oldest.created_at}


def replica_states(archive: Path, zfs: Zfs | None = None) -> list[ReplicaState]:
    """What is known of the archive's replicas; with `zfs` also by the holds on the snapshots of the store."""
    settings = read_settings(archive).pool
    states = read_replica_states(archive)
    fetching_ones = [one.name for one in settings.replicas if one.mode == "pull"]
    if zfs is None or not fetching_ones:
        return states
    return with_holds(states, fetching_ones, _snapshots(archive, settings, zfs))


def _snapshots(archive: Path, settings: PoolSettings, zfs: Zfs) -> list[Snapshot]:
    release = _release_of(zfs, archive)
    dataset = settings.dataset or (release[0] if release else "")
    return read_snapshots(zfs, dataset, recursive=True) if dataset else []


def _release_of(zfs: Zfs, path: Path) -> tuple[str, str] | None:
    """The dataset that a folder lies in, and its path within; None where it lies on no ZFS."""
    try:
        row = choose_dataset_of(read_datasets(zfs), path)
    except NotFoundError:
        return None
    return row.name, os.path.relpath(os.path.realpath(path), row.mounted_at or "/")


def _key_file(archive: Path, settings: ReplicaSettings, key: Path | None) -> str:
    if key is not None:
        return str(key.expanduser())
    return str(archive / Path(settings.key_file).expanduser()) if settings.key_file else ""
