"""`init --from`: an archive made again from a release, as any mirror holds it, where the archive itself is lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.catalogue import restore_catalogue
from fonoteca.ground.errors import FormatError, NotFoundError, UsageError, translate_os_errors
from fonoteca.ground.files import lock_folder, reflink_or_copy, sync_folder, write_atomically
from fonoteca.ground.progress import Progress
from fonoteca.ground.settings import SETTINGS_FILE, read_settings, render_template
from fonoteca.integrity import Ledger, PublicKey, create_key, load_key
from fonoteca.torrents import read_torrents_json
from fonoteca.workflows.archive import CATALOGUE, FOLDERS, LEDGER
from fonoteca.workflows.published_settings import render_settings
from fonoteca.workflows.release_torrents import options_digest
from fonoteca.workflows.restored_ledger import LedgerRestorer, RestoredContainer, find_containers, read_good_checksums, restore_releases
from fonoteca.workflows.torrent_settings import torrent_options
from fonoteca.workflows.verify import VerifyReport
from fonoteca.workflows.verify_archive import verify_archive_at
from fonoteca.workflows.verify_release import container_of, verify_release

_MARK = ".restoring"
_LISTS = frozenset({"SHA256SUMS", "release.json"})


class RestoreReport(msgspec.Struct, kw_only=True):
    """What was made again: counts, and how the whole archive verified afterwards."""

    path: str = ""
    serial: int = 0
    tracks: int = 0
    containers: int = 0
    members: int = 0
    has_key: bool = False
    has_settings: bool = False
    verified: VerifyReport


def restore_archive(
    release: Path, target: Path, progress: Progress, *, trusted: PublicKey | None = None, signing_key: Path | None = None
) -> RestoreReport:
    """Make an archive at `target` out of the release folder `release`, and prove every byte of it.

    Containers are linked where both are on one file system, else copied. A run that was stopped goes on. `signing_key`: the saved
    secret key of the archive; with a new one no release can follow those that were published. What a release never held is lost:
    files that may not be published, hidden names, kept originals.
    """
    with translate_os_errors(target):
        _check_target(target, release)
    progress.note("reading the lists of the release")
    containers = _check_lists(release, trusted, progress)
    told = msgspec.json.decode((release / "release.json").read_bytes(), type=dict[str, Any])
    with translate_os_errors(target):
        for folder in ("", *FOLDERS):
            (target / folder).mkdir(parents=True, exist_ok=True)
        (target / "signing").chmod(0o700)
        (target / _MARK).write_text(str(release.absolute()), "utf-8", "surrogateescape")
        with lock_folder(target, "init"):
            tracks, members = _make(release, target, told, containers, signing_key, progress)
            (target / _MARK).unlink()
    return RestoreReport(path=str(target), serial=told["serial"], tracks=tracks, containers=len(containers), members=members,
                           has_key=_is_same_key(target, release), has_settings="settings" in told,
                           verified=verify_archive_at(target, progress))  # fmt: skip


def _check_target(target: Path, release: Path) -> None:
    if (target / SETTINGS_FILE).exists() and not (target / _MARK).exists():
        raise UsageError(f"{target} is an archive already", "Name a folder that is new or empty.")
    if target.is_dir() and any(target.iterdir()) and not (target / _MARK).exists():
        raise UsageError(f"{target} is not empty", "Name a folder that is new or empty.")
    if target.resolve().is_relative_to(release.resolve()):
        raise UsageError(f"{target} lies in the release", "Name a folder outside of it.")
    if not (release / "SHA256SUMS").is_file():
        raise NotFoundError(f"there is no release at {release}", "Name a folder with SHA256SUMS, such as held/NAME of a mirror.")


def _check_lists(release: Path, trusted: PublicKey | None, progress: Progress) -> list[RestoredContainer]:
    """Prove all but the containers, which are proved in their new place; FormatError where a list is damaged or a container missing."""
    containers = find_containers(read_good_checksums(release / "SHA256SUMS"))
    parts = frozenset(part for one in containers for part in (one.metadata_file, one.data_folder) if part)
    report = verify_release(release, progress, trusted=trusted, already=parts)
    for finding in report.listed:
        if container_of(os.path.relpath(finding.path, release)) is None and finding.kind.weight == "damage" and finding.code != "extra":
            raise FormatError(f"{finding.path}: {finding.fact}", finding.way_out)
    missing = [part for part in sorted(parts) if not (release / "containers" / part).exists()]
    if missing:
        raise NotFoundError(
            f"{release} holds {len(parts) - len(missing)} of {len(parts)} parts of the release; {missing[0]} is missing",
            "Mirror all of it first: fonoteca mirror run, with a budget that is large enough.",
        )
    return containers


def _make(
    release: Path, target: Path, told: dict[str, Any], containers: list[RestoredContainer], signing_key: Path | None, progress: Progress
) -> tuple[int, int]:
    _write_settings(target, told)
    _put_key(target, signing_key)
    is_own = _is_same_key(target, release)  # what another key signed is no release of this archive
    progress.start("taking over containers", len(containers), "containers")
    for one in containers:
        for part in (one.metadata_file, one.data_folder):
            if part is not None:
                _take_over(release / "containers" / part, target / "containers" / part)
                if is_own:
                    _take_over(target / "containers" / part, target / "release" / "containers" / part)
        progress.advance()
    progress.finish()
    for path in _lists_of(release) if is_own else ():
        _take_over(release / path, target / "release" / path, may_link=False)
    tracks = restore_catalogue(release / CATALOGUE, target / CATALOGUE)
    members = _restore_ledger(release, target, told, containers, progress)
    return tracks, members


def _write_settings(target: Path, told: dict[str, Any]) -> None:
    name, institution = str(told["name"]), str(told["institution"])
    try:
        text = render_settings(name, institution, told["settings"]) if "settings" in told else render_template(name, institution)
    except msgspec.ValidationError as error:
        raise FormatError(f"release.json tells settings that cannot be used: {error}", "Update fonoteca.") from error
    write_atomically(target / SETTINGS_FILE, text)
    read_settings(target)


def _put_key(target: Path, signing_key: Path | None) -> None:
    place = target / read_settings(target).signing.key_file
    if signing_key is not None:
        load_key(signing_key)
        write_atomically(place, signing_key.read_bytes(), mode=0o600)
    elif not place.exists():
        create_key(place)


def _is_same_key(target: Path, release: Path) -> bool:
    key = load_key(target / read_settings(target).signing.key_file)
    return key.public.minisign_file.split() == (release / "minisign.pub").read_text().split()


def _lists_of(release: Path) -> Iterator[str]:
    """Every file of a release that is in no container, the signed lists last."""
    for line in read_good_checksums(release / "SHA256SUMS"):
        if container_of(line.path) is None and line.path not in _LISTS:
            yield line.path
    for name in sorted(_LISTS):
        yield from (name, *(f"{name}{ending}" for ending in (".minisig", ".sig")))


def _take_over(source: Path, target: Path, *, may_link: bool = True) -> None:
    """A file or a folder of files under a second name: linked where that can be, else copied; what is there already stays."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for name in sorted(os.listdir(source)):
            _take_over(source / name, target / name)
        sync_folder(target)
        return
    if source.is_symlink() or not source.is_file():
        raise FormatError(f"{source} is no regular file", "Verify the release: fonoteca verify.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        if may_link:
            os.link(source, target)
            return
    except OSError:
        pass  # another file system, or one without links
    reflink_or_copy(source, target)
    shutil.copystat(source, target)


def _restore_ledger(release: Path, target: Path, told: dict[str, Any], containers: list[RestoredContainer], progress: Progress) -> int:
    partial = target / f"{LEDGER}.partial"
    for ending in ("", "-wal", "-shm"):
        partial.with_name(partial.name + ending).unlink(missing_ok=True)
    ledger = Ledger.open(partial)
    try:
        progress.start("reading records", len(containers), "containers")
        restorer, members = LedgerRestorer(ledger, release, target / "containers"), 0
        for one in sorted(containers, key=lambda one: one.content == "patch"):  # a patch is noted with its member
            members += restorer.add(one)
            progress.advance()
        progress.finish()
        entries, _ = read_torrents_json((release / "torrents.json").read_bytes())
        restore_releases(ledger, release, told, entries, options_digest(torrent_options(read_settings(target))))
        ledger.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        ledger.close()
    os.replace(partial, target / LEDGER)
    sync_folder(target)
    return members
