"""The lists of a release, taken from a folder or the web into staging and proved there: signature, serial number, every SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from fonoteca.ground.errors import FormatError, SignatureError, translate_os_errors
from fonoteca.ground.files import write_atomically
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity import PublicKey, check_serial, follow_rotations, read_checksums, read_public_key, verify_file
from fonoteca.integrity.mirror_ledger_rows import MirrorSource
from fonoteca.workflows.mirror_origin import Origin
from fonoteca.workflows.roster_files import ROSTER_FILES

SIGNED = ("SHA256SUMS", "release.json")
SIGNATURES = tuple(f"{name}.{ending}" for name in SIGNED for ending in ("minisig", "sig"))
CATALOGUE = "catalogue.sqlite3"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIGNATURE_LIMIT = 64 * KIB
SMALL_LIMIT = 64 * MIB
TORRENT_LIMIT = 64 * MIB
MOST_LISTS = 1_000_000
"""Files outside containers/: three of each of 60,000 containers would be fewer."""

MOST_ROTATIONS = 300
"""A statement and its two signatures for each new key; they are fetched before anybody has signed for the list that names them."""

SPARE_BYTES = 64 * MIB
MOST_SUMS_BYTES = 32 * GIB
"""Lines of 200 million files."""

FIRST_SUMS_BYTES = GIB
"""However small the list of the release before was."""


class ReleaseTold(msgspec.Struct, frozen=True):
    """What a mirror reads of release.json."""

    serial: int
    institution: str = ""
    name: str = ""


class StagedRelease(msgspec.Struct, frozen=True):
    """A release whose lists are proved. `listed` gives the SHA-256 of every file outside containers/ by its path; those that are not
    below `folder` stand in the mirror already. `key` signed it, which `is_first` says was never seen before."""

    folder: Path
    told: ReleaseTold
    key: PublicKey
    is_first: bool
    checksums_sha256: str
    listed: dict[str, str]


HasList = Callable[[str, str], bool]
GetCatalogue = Callable[["ListFetcher", Path, dict[str, str]], bool]


class ListFetcher:
    """Fetches the lists of one release into `top`/DIGEST, where a stopped run goes on; DIGEST changes with the signed list."""

    def __init__(self, origin: Origin, top: Path, progress: Progress, *, known_sums_bytes: int = 0) -> None:
        self.origin, self.top, self.progress = origin, top, progress
        self._known_sums_bytes = known_sums_bytes  # of the SHA256SUMS before, 0 where there was none
        self.fetched_bytes = 0
        self.told: ReleaseTold | None = None  # once its signature is proved

    def stage(self, source: MirrorSource | None, trusted: PublicKey | None, has: HasList, get_catalogue: GetCatalogue) -> StagedRelease:
        """The whole release but its containers. `has(path, sha256)` says whether the mirror holds a list already; `get_catalogue(fetcher,
        folder, listed)` may make the edition by other means. SignatureError where it may not be trusted."""
        signature = self.origin.read("SHA256SUMS.minisig", SIGNATURE_LIMIT)
        folder = self.top / hashlib.sha256(signature).hexdigest()[:32]
        self._begin(folder)
        write_atomically(folder / "SHA256SUMS.minisig", signature)
        told, key = self._prove_signatures(folder, source, trusted)
        self.told = told
        checksums_sha256, listed = _read_listed(folder / "SHA256SUMS")
        if source and told.serial == source.serial and source.checksums_sha256 not in ("", checksums_sha256):
            raise SignatureError(
                f"release {told.serial} was seen before with other lists", "Two releases must not share a number: ask the publisher."
            )
        for name in ("release.json", "minisign.pub", "torrents.json"):
            if name not in listed:
                raise FormatError(f"SHA256SUMS does not name {name}, so this is no release", "Ask the publisher.")
        self._fetch_listed(folder, listed, has, get_catalogue)
        return StagedRelease(folder, told, key, trusted is None, checksums_sha256, listed)

    def _begin(self, folder: Path) -> None:
        """Earlier work on another release goes."""
        with translate_os_errors(self.top):
            self.top.mkdir(parents=True, exist_ok=True)
            for other in self.top.iterdir():
                if other != folder and other.name != ".lock":
                    shutil.rmtree(other) if other.is_dir() else other.unlink()
            folder.mkdir(exist_ok=True)

    def _prove_signatures(self, folder: Path, source: MirrorSource | None, trusted: PublicKey | None) -> tuple[ReleaseTold, PublicKey]:
        for name in (*SIGNATURES, "minisign.pub"):
            self.get(folder, name, SIGNATURE_LIMIT)
        self.get(folder, "release.json", SMALL_LIMIT)
        self.get(folder, "SHA256SUMS", self._room_of_sums(folder))
        key = trusted or read_public_key((folder / "minisign.pub").read_text("utf-8", "replace"))
        if trusted is not None:
            self._get_rotations(folder)
            key = follow_rotations(trusted, sorted(folder.glob("key-rotation-*.txt")))
        serials = {verify_file(key, folder / name) for name in SIGNED}
        told = _read_told(folder / "release.json")
        if serials != {told.serial}:
            raise SignatureError(
                f"the serial numbers do not agree: {sorted(serials)} signed, {told.serial} told", "Do not trust it; try again later."
            )
        check_serial(told.serial, source.serial if source else None)
        return told, key

    def _get_rotations(self, folder: Path) -> None:
        """Statements of new keys are signed one by one, so that they can be read before anything else is trusted."""
        count = 0
        with open(folder / "SHA256SUMS", "rb") as file:
            for line in read_checksums(file):
                if not isinstance(line, Finding) and line.path.startswith("key-rotation-") and "/" not in line.path:
                    count += 1
                    if count > MOST_ROTATIONS:
                        raise FormatError(f"the release has more than {MOST_ROTATIONS} files of new keys", "Do not trust this release.")
                    self.get(folder, line.path, SIGNATURE_LIMIT)

    def _fetch_listed(self, folder: Path, listed: dict[str, str], has: HasList, get_catalogue: GetCatalogue) -> None:
        wanted = {path: sha256 for path, sha256 in listed.items() if not has(path, sha256)}
        self.progress.start("fetching lists", None, "bytes")
        for path, sha256 in sorted(wanted.items(), key=lambda one: one[0] == CATALOGUE):
            if path != CATALOGUE or not get_catalogue(self, folder, listed):
                self.get(folder, path, self.room(folder / path) if path == CATALOGUE else _limit_of(path), sha256)
        self.progress.finish()

    def get(self, folder: Path, path: str, limit_bytes: int, sha256: str | None = None) -> Path:
        """A file of the release, whole in staging under its path; what an earlier run finished is taken where its digest fits."""
        target = folder / path
        if target.is_file() and (sha256 is None or _digest(target) == sha256):
            return target
        with translate_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = _partial_of(target)
            self.origin.fetch(path, partial, limit_bytes, sha256, self._count)
            os.replace(partial, target)
        return target

    def _count(self, amount: int) -> None:
        self.fetched_bytes += amount
        self.progress.advance(amount)

    def room(self, target: Path) -> int:
        """Bytes that a list of unknown size may take: no more than leaves the disk some. What came of it before stands there already."""
        partial = _partial_of(target)
        have = partial.stat().st_size if partial.is_file() else 0
        return max(0, shutil.disk_usage(self.top).free + have - SPARE_BYTES)

    def _room_of_sums(self, folder: Path) -> int:
        """SHA256SUMS is fetched before anybody has signed for it, so that it may not take what it likes."""
        grown = max(FIRST_SUMS_BYTES, 4 * self._known_sums_bytes) if self._known_sums_bytes else MOST_SUMS_BYTES
        return min(self.room(folder / "SHA256SUMS") // 2, grown, MOST_SUMS_BYTES)


def _partial_of(target: Path) -> Path:
    return target.with_name(target.name[:200] + ".partial")


def _limit_of(path: str) -> int:
    return TORRENT_LIMIT if path.endswith(".torrent") else 4 * GIB


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_told(path: Path) -> ReleaseTold:
    try:
        told = msgspec.json.decode(path.read_bytes(), type=ReleaseTold)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{path.name} cannot be read: {error}", "Ask the publisher.") from error
    if told.serial < 1:
        raise FormatError(f"{path.name} has serial number {told.serial}", "Ask the publisher.")
    return told


def _read_listed(path: Path) -> tuple[str, dict[str, str]]:
    """SHA-256 of the list, and what it gives for all files outside containers/. FormatError where a path could harm."""
    listed: dict[str, str] = {}
    with translate_os_errors(path), open(path, "rb") as file:
        checksums_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        for line in read_checksums(file):
            if isinstance(line, Finding):
                raise FormatError(f"SHA256SUMS of the release: {line.fact}", "Do not trust this release; ask the publisher.")
            if line.path.startswith("containers/"):
                continue
            listed[line.path] = line.sha256
            if len(listed) > MOST_LISTS:
                raise FormatError(f"the release has more than {MOST_LISTS} lists", "Do not trust this release.")
    for path_told in listed:
        _check_path(path_told, listed)
    return checksums_sha256, listed


def _check_path(path: str, listed: dict[str, str]) -> None:
    """What would stand where something of ours stands, or be a file and a folder at once."""
    parts = path.split("/")
    folders = {"/".join(parts[:count]) for count in range(1, len(parts))}
    is_ours = parts[0] == "containers" or path in SIGNATURES or path in ROSTER_FILES or path == "SHA256SUMS"
    if is_ours or path.endswith(".partial") or folders & listed.keys() or not path.isprintable():
        raise FormatError(f"SHA256SUMS names {path[:200]!r}, which no release holds", "Do not trust this release; ask the publisher.")


def iterate_staged(release: StagedRelease) -> Iterator[str]:
    """The paths that lie in staging, in the order of being put in place: the signed ones last."""
    last = {*SIGNATURES, *SIGNED}
    names = [name for name in (*release.listed, *SIGNATURES, "SHA256SUMS") if (release.folder / name).is_file()]
    return iter(sorted(names, key=lambda name: (name in last, name)))
