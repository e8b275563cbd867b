"""`publish`: the release folder, made from what the ledger knows; no container is read.

New containers are linked in first, then the lists that name them are put in place, the signed list last, then what is
no longer listed is removed: at no moment does a list name what is not there.
"""

from __future__ import annotations

import errno
import hashlib
import heapq
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fonoteca.ground.errors import NotFoundError, UsageError, translate_os_errors
from fonoteca.ground.files import sync_folder
from fonoteca.ground.progress import Progress
from fonoteca.integrity import Checksum, Container, checksum_line, load_key, sign_file, write_checksums
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.release_deltas import FOLDER as DELTAS
from fonoteca.workflows.release_deltas import stage_deltas
from fonoteca.workflows.release_files import ReleaseWriter
from fonoteca.workflows.rights_policy import refresh_rights_table
from fonoteca.workflows.roster import sign_roster_again
from fonoteca.workflows.roster_files import ROSTER_FILES

CHECKSUMS = "SHA256SUMS"
SIGNED = (CHECKSUMS, "release.json")
PAGES = ("README.txt", "index.html", "release.json")


class PublishReport(msgspec.Struct, kw_only=True):
    """What is published: counts, bytes, and how many held tracks were left out, by reason."""

    serial: int = 0
    is_new: bool = False
    folder: str = ""
    containers: int = 0
    torrents: int = 0
    files: int = 0
    bytes: int = 0
    replaced: int = 0
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    fingerprint: str = ""


def publish(archive: Archive, progress: Progress, *, dry_run: bool = False) -> PublishReport:
    """Make the next release, or say that the last one stands. Idempotent, and safe to kill at any moment."""
    if not dry_run:
        refresh_rights_table(archive)
    _check_built(archive)
    containers = [one for one in archive.ledger.containers(state="current") if one.is_public]
    report = PublishReport(folder=str(archive.release), containers=len(containers), left_out=count_left_out(archive))
    report.files = sum(one.member_count for one in containers if one.data_folder)
    report.bytes = sum(one.data_bytes + one.metadata_bytes for one in containers)
    key = load_key(archive.key_file)
    report.fingerprint = key.public.fingerprint
    if dry_run:
        return report
    with translate_os_errors(archive.release), _on_one_file_system(archive):
        report = _make(archive, containers, report, progress)
        sign_roster_again(archive)
        return report


@contextmanager
def _on_one_file_system(archive: Archive) -> Iterator[None]:
    """Links and renames do not cross file systems."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise UsageError(
            f"{archive.release} is on another file system than {archive.containers}",
            "release/ must be on the file system of containers/ and staging/, since it is made of links: move it there.",
        ) from error


def _make(archive: Archive, containers: list[Container], report: PublishReport, progress: Progress) -> PublishReport:
    key = load_key(archive.key_file)
    staged = archive.staging / "release"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    progress.start("publishing", len(containers) * 2 + 1, "containers")
    writer = ReleaseWriter(archive, staged, containers, key.public, report.left_out, progress)
    content = writer.write_lists()
    report.torrents, report.replaced = len(writer.torrents.listed), len(writer.replaced())
    content_sha256 = content_digest(content, containers)
    last = archive.ledger.last_release()
    if (
        last
        and last.state == "done"
        and last.content_sha256 == content_sha256
        and _stands(archive, last.checksums_sha256, content, containers)
    ):
        shutil.rmtree(staged)
        report.serial = last.serial
        progress.finish()
        return report
    with archive.ledger.transaction():
        making = archive.ledger.start_release(content_sha256, archive.now())
        archive.ledger.put_published(writer.torrents.listed, making.serial)
    report.serial, report.is_new = making.serial, True
    content |= stage_deltas(archive, staged, making.serial, progress)
    content |= writer.write_release(making.serial, making.second, last_checksums=archive.ledger.checksums_before(making.serial))
    with open(staged / CHECKSUMS, "wb") as file:
        write_checksums(file, _checksums(archive, content, containers))
        file.flush()
        os.fsync(file.fileno())
    for name in SIGNED:
        sign_file(key, staged / name, serial=making.serial)
    with open(staged / CHECKSUMS, "rb") as file:
        checksums_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    _link_containers(archive, containers, progress)
    _put_in_place(archive, staged)
    _remove_unlisted(archive, set(content), containers)
    with archive.ledger.transaction():
        archive.ledger.finish_release(making.serial, checksums_sha256)
    shutil.rmtree(staged)
    progress.finish()
    return report


def _check_built(archive: Archive) -> None:
    if archive.ledger.running_build() is not None:
        raise UsageError("a build was begun and not finished", "Finish it with: fonoteca build")
    if archive.ledger.first_build_second() is None:
        raise UsageError("nothing was built yet", "Build first with: fonoteca build")
    for name, reason in archive.catalogue.containers_not_publishable():
        raise UsageError(f"{name} may not be published any more: {reason}", "Issue its other members again with: fonoteca build")


def count_left_out(archive: Archive) -> Counter[str]:
    """Held tracks of which no file is published, by reason."""
    return Counter(archive.catalogue.counts_left_out())


def content_digest(content: Mapping[str, str], containers: Iterable[Container]) -> str:
    """SHA-256 of all that a release holds but for its serial number: `content` gives hashes by path, containers come oldest first."""
    digest = hashlib.sha256()
    for path, sha256 in sorted(content.items()):
        digest.update(checksum_line(sha256, path))
    for container in containers:
        digest.update(checksum_line(container.metadata_sha256, container.metadata_file))
    return digest.hexdigest()


def _stands(archive: Archive, checksums_sha256: str, content: dict[str, str], containers: list[Container]) -> bool:
    """Whether the release folder still holds what it lists, by name and number; `verify` proves the bytes."""
    path = archive.release / CHECKSUMS
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != checksums_sha256:
            return False
    names = [*content, *PAGES, *(name + ending for name in SIGNED for ending in (".sig", ".minisig"))]
    names += [f"containers/{one.metadata_file}" for one in containers]
    if not all((archive.release / name).is_file() for name in names):
        return False
    return all(_is_linked(archive, one) for one in containers if one.data_folder)


def _is_linked(archive: Archive, container: Container) -> bool:
    folder = archive.release / "containers" / (container.data_folder or "")
    return folder.is_dir() and sum(1 for _ in os.scandir(folder)) == container.member_count


def _checksums(archive: Archive, content: dict[str, str], containers: list[Container]) -> Iterator[Checksum]:
    lists = (Checksum(sha256, path) for path, sha256 in content.items())
    in_order = sorted(lists, key=lambda one: os.fsencode(one.path))
    return heapq.merge(in_order, _container_checksums(archive, containers), key=lambda one: os.fsencode(one.path))


def _container_checksums(archive: Archive, containers: list[Container]) -> Iterator[Checksum]:
    parts = [(one.metadata_file, one) for one in containers] + [(one.data_folder, one) for one in containers if one.data_folder]
    for name, container in sorted(parts, key=lambda part: part[0]):
        if name == container.metadata_file:
            yield Checksum(container.metadata_sha256, f"containers/{name}")
            continue
        for member in archive.ledger.members_of(container.name):
            yield Checksum(member.sha256, f"containers/{name}/{member.aacid}")


def _link_containers(archive: Archive, containers: list[Container], progress: Progress) -> None:
    target = archive.release / "containers"
    target.mkdir(parents=True, exist_ok=True)
    for container in containers:
        if container.data_folder and not _is_linked(archive, container):
            _link_folder(archive, container, target / container.data_folder)
        if not (target / container.metadata_file).exists():
            _link(archive.containers / container.metadata_file, target / container.metadata_file)
        progress.advance()
    sync_folder(target)


def _link_folder(archive: Archive, container: Container, target: Path) -> None:
    """The members that the ledger knows, and no other; what is lost from the release comes back."""
    partial = target.with_name(target.name + ".partial")
    if target.is_dir():
        os.rename(target, partial)
    partial.mkdir(exist_ok=True)
    source = archive.containers / (container.data_folder or "")
    for member in archive.ledger.members_of(container.name):
        if not (partial / member.aacid).exists():
            _link(source / member.aacid, partial / member.aacid)
    sync_folder(partial)
    os.rename(partial, target)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError as error:
        hint = "fonoteca verify names everything that is missing; take it from an earlier release or a mirror."
        raise NotFoundError(f"{source} is missing, so it cannot be published", hint) from error


def _put_in_place(archive: Archive, staged: Path) -> None:
    """Every list by a rename; the signed ones last, deltas before the edition that they start from is replaced."""
    last = {name + ending for name in SIGNED for ending in ("", ".sig", ".minisig")}
    paths = [path for path in sorted(staged.rglob("*")) if path.is_file()]
    for path in sorted(paths, key=lambda path: (path.name in last, path.parent.name != DELTAS, path)):
        target = archive.release / path.relative_to(staged)
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        os.replace(path, target)
    for folder in sorted({archive.release / path.relative_to(staged).parent for path in paths}, reverse=True):
        sync_folder(folder)


def _remove_unlisted(archive: Archive, listed: set[str], containers: list[Container]) -> None:
    """What an earlier release held and this one does not."""
    names = {one.metadata_file for one in containers} | {one.data_folder for one in containers}
    for path in (archive.release / "containers").iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    kept = listed | {name + ending for name in SIGNED for ending in ("", ".sig", ".minisig")} | {*ROSTER_FILES}
    others = [path for path in archive.release.iterdir() if path.name != "containers"]
    for path in [*others, *(below for folder in others if folder.is_dir() for below in folder.rglob("*"))]:
        relative = str(path.relative_to(archive.release))
        if path.is_file() and relative not in kept:
            path.unlink()
