"""Verifying an archive: databases, containers, originals, waiting covers and the release, all against the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw

from fonoteca.ground.errors import DatabaseError, FonotecaError, NotFoundError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity import Container, Expected, PathSet, PublicKey, find_extra, load_key
from fonoteca.workflows.archive import Archive, open_archive
from fonoteca.workflows.verify import VerifyReport, prove_all
from fonoteca.workflows.verify_container import verify_containers
from fonoteca.workflows.verify_release import verify_release

PROVED_A_TRANSACTION = 1_000


def verify_archive_at(path: Path, progress: Progress) -> VerifyReport:
    """Prove the archive at `path`, also where it lies on a medium that cannot be written to, or its databases are damaged."""
    path = Path(os.path.abspath(path))  # what stands in the ledger is found again from anywhere
    is_recorded = os.access(path, os.W_OK)
    try:
        with open_archive(path, "verify", read_only=not is_recorded) as archive:
            return verify_archive(archive, progress, is_recorded=is_recorded)
    except (apsw.Error, DatabaseError, NotFoundError) as error:
        return _verify_without_databases(path, str(error), progress)


def verify_archive(archive: Archive, progress: Progress, *, is_recorded: bool = True) -> VerifyReport:
    """Prove every byte that the archive holds; the ledger then knows when each was last found good, unless not `is_recorded`."""
    report = VerifyReport(what="archive", path=str(archive.path))
    now = archive.now()
    _check_databases(archive, report)
    containers = list(archive.ledger.containers(state="current"))
    progress.start("verifying", sum(one.data_bytes + one.metadata_bytes for one in containers), "bytes")
    with PathSet() as known:
        good: list[str] = []
        for proved in prove_all(_expected(archive, containers, known), report, progress):
            if proved.expected.container:
                good.append(proved.expected.path.name)
            if is_recorded and len(good) >= PROVED_A_TRANSACTION:
                _remember(archive, good, now)
        if is_recorded:
            _remember(archive, good, now)
        for folder in (archive.containers, archive.originals, archive.pictures):
            for finding in find_extra(folder, _Below(known, folder.name)):
                report.take(finding)
    progress.finish()
    if (archive.release / "SHA256SUMS").exists():
        _verify_own_release(archive, containers, report, progress)
    if is_recorded:
        with archive.ledger.transaction():
            archive.ledger.drop_findings("verify")
            for finding in report.listed:
                archive.ledger.put_finding("verify", finding, os.fsencode(finding.path), now)
    return report


def _verify_without_databases(path: Path, fact: str, progress: Progress) -> VerifyReport:
    """Nothing can be held to the ledger: containers are proved by their own records, the release by its list."""
    report = VerifyReport(what="archive", path=str(path))
    for name in ("catalogue.sqlite3", "ledger.sqlite3"):
        for finding in _check_database(path / name):
            report.take(finding)
    if not report.counts:
        report.take(Finding("bad-database", str(path), fact))
    if (path / "containers").is_dir():
        report.include(verify_containers(path / "containers", progress))
    if (path / "release" / "SHA256SUMS").exists():
        report.include(verify_release(path / "release", progress))
    return report


def _check_database(path: Path) -> Iterator[Finding]:
    if not path.is_file():
        yield Finding("missing", str(path), "there is no such database")
        return
    if not path.stat().st_size:
        yield Finding("bad-database", str(path), "it is empty")
        return
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            for row in connection.execute("PRAGMA integrity_check(20)"):
                if row[0] != "ok":
                    yield Finding("bad-database", str(path), str(row[0]))
        finally:
            connection.close()
    except apsw.Error as error:
        yield Finding("bad-database", str(path), str(error))


class _Below:
    def __init__(self, paths: PathSet, folder: str) -> None:
        self._paths, self._folder = paths, folder

    def __contains__(self, name: object) -> bool:
        return f"{self._folder}/{name}" in self._paths


def _remember(archive: Archive, good: list[str], now: int) -> None:
    with archive.ledger.transaction():
        archive.ledger.set_proved(good, now)
    good.clear()


def _check_databases(archive: Archive, report: VerifyReport) -> None:
    for path, faults in ((archive.catalogue.path, archive.catalogue.check()), (archive.ledger.path, archive.ledger.check())):
        for fault in faults[:20]:
            report.take(Finding("bad-database", str(path), fault))
        report.files += 1
        report.bytes += path.stat().st_size


def _expected(archive: Archive, containers: list[Container], known: PathSet) -> Iterator[Expected]:
    for container in containers:
        known.add(f"containers/{container.metadata_file}")
        yield Expected(
            archive.containers / container.metadata_file, container.metadata_bytes, container.metadata_sha256, None, container.name
        )
        if container.data_folder:
            for member in archive.ledger.members_of(container.name):
                known.add(f"containers/{container.data_folder}/{member.aacid}")
                path = archive.containers / container.data_folder / member.aacid
                yield Expected(path, member.size, member.sha256, member.id, container.name)
    for original, size, sha256, track in archive.ledger.originals():
        known.add(f"originals/{original}")
        yield Expected(archive.originals / original, size, sha256, track)
    for sha256, id in archive.waiting_pictures():
        known.add(f"pictures/{id[:2]}/{id}")
        yield Expected(archive.picture_file(id), None, sha256)


def _verify_own_release(archive: Archive, containers: list[Container], report: VerifyReport, progress: Progress) -> None:
    """Its containers are links to what was just proved; only what has bytes of its own is read."""
    proved: set[str] = set()
    for container in containers:
        for name in (container.metadata_file, container.data_folder):
            if name and _is_linked(archive, name):
                proved.add(name)
    last = archive.ledger.last_release()
    serial = last.serial if last and last.state == "done" else None
    trusted = own_key(archive, report)
    report.include(verify_release(archive.release, progress, trusted=trusted, last_serial=serial, already=frozenset(proved)))


def own_key(archive: Archive, report: VerifyReport) -> PublicKey | None:
    """The archive's own key; None where it lies in a safe: the release is then held to the public key that it brings."""
    if not archive.key_file.exists():
        return None
    try:
        return load_key(archive.key_file).public
    except FonotecaError as error:
        report.take(Finding("bad-signature", str(archive.key_file), error.message))
        return None


def _is_linked(archive: Archive, name: str) -> bool:
    """Whether every file under this name is the same inode in containers/ and in the release."""
    ours, theirs = archive.containers / name, archive.release / "containers" / name
    try:
        if ours.is_file():
            return os.path.samefile(ours, theirs)
        with os.scandir(theirs) as entries:
            inodes = {entry.name: entry.inode() for entry in entries}
        with os.scandir(ours) as entries:
            return all(inodes.get(entry.name) == entry.inode() for entry in entries)
    except OSError:
        return False
