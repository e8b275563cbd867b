"""Proving a replica: the same snapshot by its guid, the same SHA256SUMS of the release, its files read back, its pool scrubbed."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

import msgspec

from fonoteca.ground.errors import FonotecaError, NotFoundError, SnapshotConflictError, translate_os_errors
from fonoteca.ground.findings import Finding
from fonoteca.ground.workers import count_cores
from fonoteca.integrity import Expected, prove_files, read_checksums
from fonoteca.pools.dataset_states import read_state
from fonoteca.pools.holds import PROVING_TAG, release_hold, set_hold
from fonoteca.pools.listing import read_dataset_properties
from fonoteca.pools.proving_replica import ReadRequest, SnapshotProof, compare_proofs
from fonoteca.pools.replica_sides import Side
from fonoteca.pools.replication import UpToDate
from fonoteca.pools.snapshots import read_snapshots
from fonoteca.pools.status import read_health
from fonoteca.pools.zfs import Zfs

LIST = "SHA256SUMS"
_MOST_TOLD = 100
_PREFIX = "fonoteca-replica-"


def read_snapshot(zfs: Zfs, request: ReadRequest) -> SnapshotProof:
    """What a snapshot of this machine holds: its list, and as many of the listed files as were asked for, read and hashed."""
    state = read_state(zfs, request.dataset)
    found = next((one for one in state.snapshots if one.name == request.snapshot), None) if state is not None else None
    if found is None:
        raise NotFoundError(
            f"there is no snapshot {request.dataset}@{request.snapshot}", "Replicate first; zfs list -t snapshot shows them."
        )
    if found.guid != request.guid:
        raise SnapshotConflictError(
            f"{found.full_name} has the guid {found.guid}, not {request.guid}", "It is another snapshot of that name."
        )
    with _held(zfs, request.dataset, request.snapshot), _folder_of(zfs, request.dataset, request.snapshot) as folder:
        proof = read_release(folder, request)
    return _with_scrub(zfs, proof)


@contextmanager
def _folder_of(zfs: Zfs, dataset: str, snapshot: str) -> Iterator[Path]:
    """Where the files of a snapshot are: in .zfs of a dataset that is mounted, else mounted for as long as this lasts."""
    told = read_dataset_properties(zfs, dataset, ["mounted", "mountpoint"])
    if told.get("mounted") == "yes" and told["mountpoint"].startswith("/"):  # else it says "legacy", wherever that is
        yield Path(told["mountpoint"], ".zfs", "snapshot", snapshot)
        return
    _clear_stale(zfs)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        zfs.run("mount", "-t", "zfs", "-o", "ro,nosuid,nodev,noexec", f"{dataset}@{snapshot}", folder)
        try:
            yield folder
        finally:
            zfs.run("umount", folder)
    finally:
        folder.rmdir()


def _clear_stale(zfs: Zfs) -> None:
    """Take away the mounts of those that were killed while they read."""
    with suppress(OSError):
        for folder in stale_mounts(Path("/proc/self/mounts").read_text(errors="surrogateescape"), tempfile.gettempdir()):
            with suppress(OSError, FonotecaError):
                zfs.run("umount", folder)
                folder.rmdir()


def stale_mounts(mounts: str, below: str) -> list[Path]:
    """Those of the table of mounts that a program made which runs no more; its number is in their names."""
    pattern = rf"^\S+ ({re.escape(below)}/{_PREFIX}([0-9]+)-[A-Za-z0-9_]+) zfs "
    return [Path(folder) for folder, number in re.findall(pattern, mounts, re.M) if not Path("/proc", number).exists()]


@contextmanager
def _held(zfs: Zfs, dataset: str, snapshot: str) -> Iterator[None]:
    """Nothing prunes a snapshot that is read for days. Who may not hold reads all the same; what a killed one left is let go here."""
    name = f"{dataset}@{snapshot}"
    with suppress(FonotecaError):
        left = [one.full_name for one in read_snapshots(zfs, dataset) if PROVING_TAG in one.holds]
        release_hold(zfs, PROVING_TAG, left)
    try:
        set_hold(zfs, PROVING_TAG, [name])
    except FonotecaError:
        yield
        return
    try:
        yield
    finally:
        with suppress(FonotecaError):
            release_hold(zfs, PROVING_TAG, [name])


def read_release(folder: Path, request: ReadRequest) -> SnapshotProof:
    """The proof of the release below `folder`; NotFoundError where it has no list. Follows no links out of it."""
    release = folder / request.release
    if not _is_plain(folder, release / LIST):
        raise NotFoundError(
            f"{request.dataset}@{request.snapshot} has no {request.release}/{LIST}",
            "Publish first: fonoteca publish. Or name the folder: --release.",
        )
    with translate_os_errors(release / LIST), open(release / LIST, "rb") as file:
        list_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        listed = sum(1 for _ in read_checksums(file))
    odd: list[str] = []
    damaged, files, size = [], 0, 0
    for answer in prove_files(_chosen(release, request, listed, odd), threads=min(4, count_cores())):
        files += 1
        if isinstance(answer, Finding):
            damaged.append(f"{os.path.relpath(answer.path, release)}: {answer.code}, {answer.fact}")
        else:
            size += answer.size
    damaged += [f"{path}: no file, or behind a link" for path in odd]
    told = tuple(text.encode("utf-8", "backslashreplace").decode() for text in damaged[:_MOST_TOLD])
    return SnapshotProof(request.dataset, request.snapshot, request.guid, list_sha256, listed, files + len(odd), size, told, len(damaged))


def _chosen(release: Path, request: ReadRequest, listed: int, odd: list[str]) -> Iterator[Expected]:
    """The files to read: all, or from a place in the list that the seed tells, round about, until there are bytes enough.

    What is no plain file, or lies behind a link, goes into `odd`.
    """
    start = request.seed % listed if listed and request.read_bytes is not None else 0
    room = request.read_bytes
    with open(release / LIST, "rb") as head, open(release / LIST, "rb") as tail:
        for line in chain(islice(read_checksums(tail), start, None), islice(read_checksums(head), start)):
            if room is not None and room <= 0:
                return
            if isinstance(line, Finding):
                continue
            path = release / line.path
            if not _is_plain(release, path):
                odd.append(line.path)
                continue
            if room is not None:
                room -= path.stat().st_size
            yield Expected(path, None, line.sha256)


def _is_plain(folder: Path, path: Path) -> bool:
    """Whether a file can be read without a link leading anywhere on the way; snapshots do not change meanwhile."""
    at = folder
    parts = path.relative_to(folder).parts
    for part in parts:
        at = at / part
        try:
            mode = at.lstat().st_mode
        except OSError:
            return False
        if not (stat.S_ISREG(mode) if part is parts[-1] and at == path else stat.S_ISDIR(mode)):
            return False
    return True


def _with_scrub(zfs: Zfs, proof: SnapshotProof) -> SnapshotProof:
    """When the pool was last scrubbed, and what it could not repair."""
    health = next(iter(read_health(zfs, proof.dataset.partition("/")[0])), None)
    if health is None:
        return proof
    scan = health.scan if health.scan is not None and health.scan.function == "scrub" and health.scan.state == "finished" else None
    return msgspec.structs.replace(
        proof, scrubbed_at=scan.ended_at if scan else None, scrub_errors=scan.errors if scan else None, pool_errors=health.error_count
    )


def prove_replica(
    source: Side, target: Side, bases: list[UpToDate], release: tuple[str, str] | None, read_bytes: int | None, seed: int
) -> tuple[SnapshotProof, str]:
    """The proof of the replica's snapshot, and how it is not what its source is (empty: the same).

    `release` is the dataset of the source that holds the release, and the folder within it; None: looked for in each dataset.
    """
    for base in bases:
        if not base.snapshot or (release is not None and release[0] != base.dataset):
            continue
        folder = release[1] if release is not None else "release"
        asked = ReadRequest(base.dataset, base.snapshot, base.guid, folder, 0)
        try:
            ours = source.read(asked)
        except NotFoundError:
            if release is not None:
                raise
            continue
        there = msgspec.structs.replace(asked, dataset=base.target, read_bytes=read_bytes, seed=seed)
        try:
            theirs = target.read(there)
        except SnapshotConflictError as error:
            return SnapshotProof(base.target, base.snapshot, base.guid, ""), error.message
        except NotFoundError as error:  # the same guid has the same files: they could not be come by, which proves nothing
            raise NotFoundError(f"the replica could not be proved: {error.message}", "Look there: is it mounted elsewhere?") from error
        return theirs, compare_proofs(ours, theirs)
    raise NotFoundError(
        "no snapshot that both sides have holds a release", "Publish, take a snapshot and replicate it; or name the folder with --release."
    )
