"""Sources of a mirror: added once, held to their key, followed from release to release."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from fonoteca.ground.downloads import is_web_address
from fonoteca.ground.errors import (
    FonotecaError,
    FormatError,
    NotFoundError,
    TorrentFormatError,
    UsageError,
    translate_os_errors,
)
from fonoteca.ground.files import sync_folder, write_atomically
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity import PublicKey, read_public_key
from fonoteca.integrity.mirror_ledger_rows import MirrorList, MirrorSource
from fonoteca.torrents import read_torrents_json
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_editions import make_by_delta
from fonoteca.workflows.mirror_listing import Listing, record_listing
from fonoteca.workflows.mirror_lists import SIGNATURE_LIMIT, SIGNATURES, ListFetcher, StagedRelease, iterate_staged
from fonoteca.workflows.mirror_names import free_name, name_source
from fonoteca.workflows.mirror_origin import FolderOrigin, WebOrigin, locate, open_origin
from fonoteca.workflows.mirror_rosters import take_roster
from fonoteca.workflows.roster_files import ROSTER_FILES

LIST_LIMIT = 256 * 1024 * 1024


class Followed(msgspec.Struct, kw_only=True):
    """What came of following a source. `fetched` counts bytes of lists; `is_new`: its lists are not those of before."""

    source: str
    location: str
    serial: int = 0
    is_new: bool = False
    fetched: int = 0
    torrents: int = 0
    bytes: int = 0
    obsolete: int = 0
    fingerprint: str = ""
    notes: list[str] = msgspec.field(default_factory=list)
    findings: list[Finding] = msgspec.field(default_factory=list)


def add_source(mirror: Mirror, told: str, progress: Progress, *, key: PublicKey | None = None, in_place: bool = False) -> Followed:
    """Take a source into the mirror: its lists are fetched and proved, nothing else. The same source again only follows it."""
    kind, location = locate(told)
    refuse_inside(mirror.path, kind, location)
    if kind == "list" and (key is not None or in_place):
        raise UsageError(f"{location} is a list alone: it is neither signed nor a release", "Give the release itself, or leave --key out.")
    if in_place and is_web_address(location):
        raise UsageError(f"{location} does not lie on this machine", "Give a folder, or leave --in-place out.")
    _refuse_own_folder(mirror, location)
    with mirror.hold("lists"):
        known = next((one for one in mirror.ledger.sources() if one.location == location), None)
        if known is not None:
            return _follow(mirror, known, progress, key)
        new = MirrorSource(source="", location=location, kind=kind, is_in_place=in_place)
        return _follow(mirror, new, progress, key)


def follow_source(mirror: Mirror, name: str, progress: Progress) -> Followed:
    """Take the newest release of a source; nothing is fetched where it is the one that is known. FonotecaError leaves all as it was."""
    with mirror.hold("lists"):
        source = mirror.ledger.source(name)
        if source is None:
            raise UsageError(f"the mirror has no source {name!r}", "fonoteca mirror status names them.")
        return _follow(mirror, source, progress, None)


def refuse_inside(mirror: Path, kind: str, location: str) -> None:
    """UsageError where a mirror would lie in the release that it is to be a mirror of: what is published is never written to."""
    if kind == "release" and not is_web_address(location) and mirror.resolve().is_relative_to(Path(location).resolve()):
        raise UsageError(f"the mirror {mirror} lies in {location}, the release that it would take from", "Name a folder outside of it.")


def _refuse_own_folder(mirror: Mirror, location: str) -> None:
    if not is_web_address(location) and Path(location).resolve().is_relative_to(mirror.path.resolve()):
        raise UsageError(f"{location} lies in the mirror itself", "Name what it is to be a mirror of.")


def _follow(mirror: Mirror, source: MirrorSource, progress: Progress, key: PublicKey | None) -> Followed:
    if source.kind == "list":
        return _follow_list(mirror, source)
    trusted = key or (read_public_key(source.key) if source.key else None)
    if source.source and key is None and (stands := _standing(mirror, source)) is not None:
        return stands
    sums = mirror.release_of(source) / "SHA256SUMS"
    known_bytes = sums.stat().st_size if source.source and sums.is_file() else 0
    fetcher = ListFetcher(open_origin(source.location), mirror.staging / "lists" / "release", progress, known_sums_bytes=known_bytes)
    release = _stage(mirror, source, fetcher, trusted)
    report = Followed(source=source.source, location=source.location, serial=release.told.serial, is_new=True)
    report.fetched, report.fingerprint = fetcher.fetched_bytes, release.key.fingerprint
    if release.is_first:
        report.notes.append(
            f"signed by {release.key.fingerprint}, the key that the release brings: from now on it is held to it."
            " Compare it with what the publisher tells elsewhere"
        )
    elif trusted is not None and trusted.raw != release.key.raw:
        report.notes.append(f"the publisher signs with another key from now on, which the one before signed: {release.key.fingerprint}")
    source = name_source(mirror, source, release, report.notes)
    report.source = source.source
    listing = read_listing(_read_torrents_list(mirror, source, release), source, report)
    _tell_shared(report, _take(mirror, source, release, listing))
    _record(mirror, source, report)
    _tell(mirror, report, source)
    shutil.rmtree(fetcher.top, ignore_errors=True)
    return report


def _stage(mirror: Mirror, source: MirrorSource, fetcher: ListFetcher, trusted: PublicKey | None) -> StagedRelease:
    """A source that is being published just now gets a second look."""
    known = source if source.source else None

    def has(path: str, sha256: str) -> bool:
        return _has(mirror, source, path, sha256)

    def by_delta(fetcher: ListFetcher, folder: Path, listed: dict[str, str]) -> bool:
        return known is not None and not known.is_in_place and make_by_delta(mirror, known, fetcher, folder, listed)

    try:
        return fetcher.stage(known, trusted, has, by_delta)
    except (FormatError, NotFoundError):
        shutil.rmtree(fetcher.top, ignore_errors=True)
        time.sleep(1)
    try:
        return fetcher.stage(known, trusted, has, by_delta)
    except FormatError:
        shutil.rmtree(fetcher.top, ignore_errors=True)
        raise


def _standing(mirror: Mirror, source: MirrorSource) -> Followed | None:
    """A report where the source still signs the very list that the mirror took."""
    held = mirror.release_of(source) / "SHA256SUMS.minisig"
    if source.is_in_place or not source.checksums_sha256 or not held.is_file():
        return None
    if open_origin(source.location).read("SHA256SUMS.minisig", SIGNATURE_LIMIT) != held.read_bytes():
        return None
    if not all(_is_as_recorded(mirror, source, one) for one in mirror.ledger.lists(source.source)):
        return None
    report = Followed(source=source.source, location=source.location, serial=source.serial)
    if mirror.ledger.is_to_list_again(source.source):
        listing = read_listing((mirror.release_of(source) / "torrents.json").read_bytes(), source, report)
        with mirror.ledger.transaction():
            _tell_shared(report, record_listing(mirror, source, listing))
    _record(mirror, source, report)
    _tell(mirror, report, source)
    return report


def _record(mirror: Mirror, source: MirrorSource, report: Followed) -> None:
    """The source was asked just now; a roster that does not fit is told and not taken."""
    try:
        source = take_roster(mirror, source, open_origin(source.location))
    except FormatError as error:
        report.findings.append(Finding("bad-signature", f"{source.location}/{ROSTER_FILES[0]}", error.message))
    except FonotecaError as error:
        report.findings.append(Finding("not-followed", f"{source.location}/{ROSTER_FILES[0]}", error.message))
    folder = mirror.release_of(source)
    rows = [_list_row(mirror, source, name, str(_digest_of(folder / name))) for name in ROSTER_FILES if (folder / name).is_file()]
    with mirror.ledger.transaction():
        mirror.ledger.put_source(msgspec.structs.replace(source, followed_at=mirror.now()))
        for row in rows:
            mirror.ledger.put_list(row)


def _is_as_recorded(mirror: Mirror, source: MirrorSource, one: MirrorList) -> bool:
    try:
        status = os.stat(mirror.release_of(source) / one.path)
    except OSError:
        return False
    return status.st_size == one.size and status.st_mtime_ns == one.mtime_ns


def _has(mirror: Mirror, source: MirrorSource, path: str, sha256: str) -> bool:
    """Whether the mirror's own release folder holds a list with these bytes: as the ledger says, else by reading it."""
    if source.is_in_place:
        return _digest_of(Path(source.location) / path) == sha256
    if not source.source:
        return False
    row = next((one for one in mirror.ledger.lists(source.source) if one.path == path), None) if path == "catalogue.sqlite3" else None
    if row is not None and row.sha256 == sha256 and row.state == "held" and _is_as_recorded(mirror, source, row):
        return True
    return _digest_of(mirror.release_of(source) / path) == sha256


def _digest_of(path: Path) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _read_torrents_list(mirror: Mirror, source: MirrorSource, release: StagedRelease) -> bytes:
    staged = release.folder / "torrents.json"
    path = staged if staged.is_file() else mirror.release_of(source) / "torrents.json"
    with translate_os_errors(path):
        if path.stat().st_size > LIST_LIMIT:
            raise TorrentFormatError(f"torrents.json has {path.stat().st_size} bytes, more than {LIST_LIMIT}", "Do not trust it.")
        return path.read_bytes()


def read_listing(data: bytes, source: MirrorSource, report: Followed) -> Listing:
    """The torrents of a list that a mirror can use; what it cannot is among the report's findings."""
    entries, findings = read_torrents_json(data)
    listing = Listing.of(entries, source)
    report.findings += [*findings, *listing.findings]
    return listing


def _tell_shared(report: Followed, shared: int) -> None:
    if shared:
        report.notes.append(f"{shared} of its torrents came from another source first, and are held there, once")


def _take(mirror: Mirror, source: MirrorSource, release: StagedRelease, listing: Listing) -> int:
    """Put the proved lists in place in the order of publishing, then let the ledger say so; killed on the way, it is done again.
    Gives how many torrents another source has already."""
    folder = mirror.release_of(source)
    if not source.is_in_place:
        with translate_os_errors(folder):
            (folder / "containers").mkdir(parents=True, exist_ok=True)
            _keep_obsolete_torrents(mirror, source, listing)
            touched = {folder}
            for name in iterate_staged(release):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(release.folder / name, target)
                touched.add(target.parent)
            for changed in touched:
                sync_folder(changed)
    lists = list(_lists_of(mirror, source, folder, release))
    with mirror.ledger.transaction():
        mirror.ledger.put_source(source)
        mirror.ledger.put_lists(source.source, lists)
        shared = record_listing(mirror, source, listing)
    if not source.is_in_place:
        _remove_unlisted(folder, {one.path for one in lists} | {*ROSTER_FILES})
    return shared


def _keep_obsolete_torrents(mirror: Mirror, source: MirrorSource, listing: Listing) -> None:
    """What is held and not listed any more is served on, so its .torrent is kept aside."""
    listed = {entry.infohash for entry in listing.current}
    for torrent in mirror.ledger.torrents(source=source.source, states=("wanted", "fetching", "held", "dropping")):
        kept = mirror.path / "obsolete" / f"{torrent.infohash}.torrent"
        if torrent.infohash not in listed and not kept.exists() and mirror.torrent_file(torrent).is_file():
            write_atomically(kept, mirror.torrent_file(torrent).read_bytes())


def _lists_of(mirror: Mirror, source: MirrorSource, folder: Path, release: StagedRelease) -> Iterator[MirrorList]:
    own = {name: _digest_of(folder / name) for name in (*SIGNATURES, "SHA256SUMS")}
    for path, sha256 in sorted((own | release.listed).items()):
        yield _list_row(mirror, source, path, str(sha256))


def _list_row(mirror: Mirror, source: MirrorSource, path: str, sha256: str) -> MirrorList:
    status = os.stat(mirror.release_of(source) / path)
    return MirrorList(
        source=source.source, path=path, size=status.st_size, sha256=sha256, proved_at=mirror.now(), mtime_ns=status.st_mtime_ns
    )


def _remove_unlisted(folder: Path, listed: set[str]) -> None:
    """What an earlier release had and this one does not; containers go by the rules of dropping."""
    for top in folder.iterdir():
        if top.name == "containers":
            continue
        for path in sorted(top.rglob("*"), reverse=True) if top.is_dir() and not top.is_symlink() else [top]:
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif str(path.relative_to(folder)) not in listed:
                path.unlink()


def _follow_list(mirror: Mirror, source: MirrorSource) -> Followed:
    """A list without a release around it: its torrents are all that is known, and are fetched when they are chosen."""
    report = Followed(source=source.source, location=source.location)
    folder, _, name = source.location.rpartition("/")
    origin = WebOrigin(folder) if is_web_address(source.location) else FolderOrigin(Path(folder))
    data = origin.read(name, LIST_LIMIT)
    listing = read_listing(data, source, report)
    if not listing.current:
        raise TorrentFormatError(f"{source.location} names no torrent that can be used", "Check that it is a torrents.json.")
    if not source.source:
        host = urlsplit(source.location).hostname if is_web_address(source.location) else Path(name).stem
        source = msgspec.structs.replace(source, source=free_name(mirror, host or "list"))
        report.notes.append("a list alone is not signed: its torrents are checked by their infohashes, their files by pieces")
    digest = hashlib.sha256(data).hexdigest()
    report.source, report.is_new, report.fetched = source.source, digest != source.checksums_sha256, len(data)
    target = mirror.release_of(source) / "torrents.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    (target.parent / "containers").mkdir(exist_ok=True)
    _keep_obsolete_torrents(mirror, source, listing)
    write_atomically(target, data)
    source = msgspec.structs.replace(source, checksums_sha256=digest, followed_at=mirror.now())
    with mirror.ledger.transaction():
        mirror.ledger.put_source(source)
        _tell_shared(report, record_listing(mirror, source, listing))
    _tell(mirror, report, source)
    return report


def _tell(mirror: Mirror, report: Followed, source: MirrorSource) -> None:
    torrents = mirror.ledger.torrents(source=source.source)
    report.torrents = sum(not torrent.is_obsolete for torrent in torrents)
    report.bytes = sum(torrent.bytes for torrent in torrents if not torrent.is_obsolete)
    report.obsolete = sum(torrent.is_obsolete and torrent.state in ("held", "fetching", "wanted") for torrent in torrents)
    if source.key and not report.fingerprint:
        report.fingerprint = read_public_key(source.key).fingerprint
    with mirror.ledger.transaction():
        mirror.ledger.drop_findings("run", source.location)
        for finding in report.findings:
            mirror.ledger.put_finding("run", finding, mirror.now())
