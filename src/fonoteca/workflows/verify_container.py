"""Verifying a container by itself: the metadata file's frames and lines, and every member against its record."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fonoteca.containers import ContainerName, FolderStore, Record, check_name, parse_aacid, parse_container_name, read_records
from fonoteca.ground.errors import AccessError, ContainerFormatError, NotFoundError
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.progress import Progress
from fonoteca.integrity import Expected, PathSet, find_extra
from fonoteca.workflows.verify import VerifyReport, prove_all


class _Facts(msgspec.Struct):
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None


def verify_container(path: Path, progress: Progress) -> VerifyReport:
    """Prove one container, given by its metadata file or its data folder; the other half is looked for beside it."""
    report = VerifyReport(what="container", path=str(path))
    parts = {path, *_other_half(path)}
    progress.start("verifying", sum(map(_bytes_at, parts)), "bytes")
    verify_into(report, path, progress)
    progress.finish()
    return report


def verify_containers(folder: Path, progress: Progress) -> VerifyReport:
    """Prove every container in a folder of them; what belongs to none is extra."""
    report = VerifyReport(what="containers", path=str(folder))
    children = sorted(folder.iterdir())
    progress.start("verifying", sum(map(_bytes_at, children)), "bytes")
    proved = {name for child in children if is_metadata_file(child) for name in verify_into(report, child, progress)}
    for child in children:
        if child.is_dir() and child.name not in proved:
            fact = "there is no metadata file that names this data folder, so nothing in it can be proved"
            report.take(Finding("missing", str(child), fact, None, child.name))
        elif not child.is_dir() and not is_metadata_file(child):
            report.take(Finding("extra", str(child), "it is no metadata file"))
    progress.finish()
    return report


def is_metadata_file(path: Path) -> bool:
    """Whether the name is that of a metadata file, ours or other people's."""
    try:
        return parse_container_name(path.name).kind == "metadata" and not path.is_dir()
    except ContainerFormatError:
        return False


def verify_into(report: VerifyReport, path: Path, progress: Progress) -> set[str]:
    """The same, added to a report; gives the names of the data folders that were proved."""
    name = parse_container_name(path.name)
    metadata = path if name.kind == "metadata" else _find_metadata(path, name)
    for finding in name.findings:
        report.take(finding)
    if metadata is None:
        report.take(Finding("missing", str(path), "there is no metadata file beside the data folder, so nothing can be proved"))
        return set()
    folders: set[str] = {path.name} if name.kind == "data" else set()
    with PathSet() as known:
        for _ in prove_all(_expected(metadata, report, known, folders, progress), report, progress):
            pass
        for folder in sorted(folders):
            if (metadata.parent / folder).is_dir():
                for finding in find_extra(metadata.parent / folder, _Below(known, folder)):
                    report.take(msgspec.structs.replace(finding, container=folder))
    return folders


def _bytes_at(path: Path) -> int:
    """Bytes of a file, or of the files in a data folder; what cannot be read is told later."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        with os.scandir(path) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def _other_half(path: Path) -> Iterator[Path]:
    """The data folder that belongs to a metadata file, or the other way round, where names alone tell it."""
    name = parse_container_name(path.name)
    if name.kind != "metadata":
        if metadata := _find_metadata(path, name):
            yield metadata
        return
    folder = path.with_name(path.name.replace("_meta__", "_data__", 1).partition(".")[0])
    if folder != path and folder.is_dir():
        yield folder


def _find_metadata(folder: Path, name: ContainerName) -> Path | None:
    for child in sorted(folder.parent.iterdir()):
        if child.name.startswith(folder.name.replace("_data__", "_meta__", 1)) and child.is_file():
            return child
    return None


class _Below:
    """The members of one folder within a set of paths."""

    def __init__(self, paths: PathSet, folder: str) -> None:
        self._paths, self._folder = paths, folder

    def __contains__(self, name: object) -> bool:
        return f"{self._folder}/{name}" in self._paths


def _expected(metadata: Path, report: VerifyReport, known: PathSet, folders: set[str], progress: Progress) -> Iterator[Expected]:
    store = FolderStore(metadata.parent)
    is_sound = True
    try:
        with store.open(metadata.name) as file:
            for record in read_records(file, metadata.name):
                if isinstance(record, Finding):
                    report.take(msgspec.structs.replace(record, container=metadata.name))
                    is_sound = is_sound and not counts_as_damage(record)
                elif record.data_folder is not None:
                    yield from _member(metadata.parent, record, report, known, folders, progress)
        size = metadata.stat().st_size
        progress.advance(size)
    except (OSError, AccessError, NotFoundError) as error:
        report.take(Finding("unreadable", str(metadata), f"it cannot be read: {error}", None, metadata.name))
        return
    if not size:
        report.take(Finding("aac-frame", str(metadata), "the metadata file has no bytes", None, metadata.name))
    elif is_sound:
        report.files += 1
        report.bytes += size


def _member(
    parent: Path, record: Record, report: VerifyReport, known: PathSet, folders: set[str], progress: Progress
) -> Iterator[Expected]:
    assert record.data_folder is not None
    try:
        check_name(record.data_folder)
        check_name(record.aacid)
    except ContainerFormatError as error:
        report.take(Finding("aac-line", f"{record.data_folder}/{record.aacid}", error.message))
        return
    folders.add(record.data_folder)
    relative = f"{record.data_folder}/{record.aacid}"
    known.add(relative)
    path = parent / relative
    try:
        facts = msgspec.json.decode(record.metadata, type=_Facts)
    except msgspec.DecodeError:
        facts = _Facts()
    if facts.sha256:
        yield Expected(path, facts.size, facts.sha256.lower(), _id_of(record), record.data_folder)
    else:
        _prove_without_sha256(path, facts, record, report, progress)


def _prove_without_sha256(path: Path, facts: _Facts, record: Record, report: VerifyReport, progress: Progress) -> None:
    """Other people's records have an MD5, or nothing: then only that there is something."""
    code = fact = ""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() if facts.md5 else ""
        size = path.stat().st_size
        progress.advance(size)
    except FileNotFoundError:
        code, fact = "missing", "there is no such member"
    except OSError as error:
        code, fact = "unreadable", f"it cannot be read: {error.strerror}"
    else:
        if not size:
            code, fact = "aac-member", "the member has no bytes"
        elif facts.md5 and digest != facts.md5.lower():
            code, fact = "changed", f"its MD5 is {digest}, its record says {facts.md5}"
    if code:
        report.take(Finding(code, str(path), fact, _id_of(record), record.data_folder))
    else:
        report.files += 1
        report.bytes += size


def _id_of(record: Record) -> str | None:
    try:
        return parse_aacid(record.aacid).id or None
    except ContainerFormatError:
        return None
