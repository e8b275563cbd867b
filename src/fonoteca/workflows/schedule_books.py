"""An archive as a book of what was read when: members, metadata files, originals, waiting covers, lists of the release, databases."""

from __future__ import annotations

import hashlib
import heapq
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import apsw

from fonoteca.ground.errors import DatabaseError, FonotecaError
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.integrity import Checksum, find_extra, read_checksums
from fonoteca.integrity.ledger_proofs import MemberProof
from fonoteca.integrity.proving import printable_path
from fonoteca.integrity.schedule import AgeGroup, Good, Provable
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.roster_files import ROSTER_FILES
from fonoteca.workflows.verify_release import SIGNATURES

Result = TypeVar("Result")
BUSY_S = 600.0
CHECKSUMS = "release/SHA256SUMS"
DATABASES = ("catalogue.sqlite3", "ledger.sqlite3")
_STEP = "verify"


def persistently(work: Callable[[], Result]) -> Result:
    """Do it again while another process holds the database: a build that records a container may take a while."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            return work()
        except apsw.BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class ArchiveBook:
    """The book of an archive. Its keys are paths below the archive. Other commands may work in the archive meanwhile.

    What it records survives kill -9 at once; a power cut may take the last seconds, which are then read again.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive, self.ledger, self.path = archive, archive.ledger, archive.path
        self.ledger.connection.execute("PRAGMA synchronous = NORMAL")
        self._had_findings: dict[str, set[str]] = {}
        for finding in self.ledger.findings(_STEP):
            self._had_findings.setdefault(self._name_of(finding.path), set()).add(finding.path)
        self._touched: set[str] = set()
        self._published = {row[0] for row in self.ledger.rows("SELECT name FROM published_torrents WHERE last_serial IS NULL")}

    @property
    def what(self) -> str:
        """What this is the book of."""
        return "archive"

    def _name_of(self, path: str | Path) -> str:
        return name_below(self.path, path)

    # ---- what there is

    def refresh(self) -> None:
        """Take note of files that are in no container: the ledger learns of new ones, and forgets those that are no longer to be here."""
        with self.ledger.transaction():
            for finding in list(self.ledger.findings(_STEP)):
                if finding.code == "extra" and not os.path.lexists(finding.path):  # somebody took the stranger away
                    self.ledger.drop_findings(_STEP, os.fsencode(finding.path))
            self.ledger.put_proofs(
                "originals/", ((f"originals/{name}", size, sha256, track) for name, size, sha256, track in self.ledger.originals())
            )
            self.ledger.put_proofs("pictures/", self._pictures())
            for name in DATABASES:
                self.ledger.put_proofs(name, [(name, _size_of(self.path / name), "", None)])
        last = self.ledger.last_release()
        if last is None or last.state != "done":
            return
        known = self.ledger.file_proof(CHECKSUMS)
        if known is None or known.sha256 != last.checksums_sha256 or not known.size:
            self._take_lists(last.checksums_sha256)

    def _pictures(self) -> Iterator[tuple[str, int, str, None]]:
        try:
            for sha256, id in self.archive.waiting_pictures():
                yield f"pictures/{id[:2]}/{id}", _size_of(self.archive.picture_file(id)), sha256, None
        except (apsw.Error, FonotecaError):
            return  # the catalogue is damaged, which its own proof tells

    def _take_lists(self, checksums_sha256: str) -> None:
        """The lists of the release, as its SHA256SUMS names them: only while that is what was signed."""
        lists, is_whole = [], False
        try:
            with open(self.path / CHECKSUMS, "rb") as file:
                is_whole = hashlib.file_digest(file, "sha256").hexdigest() == checksums_sha256
                file.seek(0)
                for line in read_checksums(file) if is_whole else ():
                    if isinstance(line, Checksum) and not line.path.startswith("containers/"):
                        lists.append((f"release/{line.path}", _size_of(self.archive.release / line.path), line.sha256, None))
        except OSError:
            is_whole = False
        with self.ledger.transaction():
            if is_whole:
                self.ledger.put_proofs("release/", [(CHECKSUMS, _size_of(self.path / CHECKSUMS), checksums_sha256, None), *lists])
            else:
                self.ledger.put_proofs(CHECKSUMS, [(CHECKSUMS, 0, checksums_sha256, None)])

    def groups(self) -> Sequence[AgeGroup]:
        """All that can be read, by age; damaged files are left out."""
        groups = [AgeGroup(*row) for row in self.ledger.proof_groups() if row[1]]
        for name in self._damaged_names():
            proved_at, size = self._standing_of(name)
            at = next(
                (at for at, group in enumerate(groups) if proved_at is not None and group.proved_at // 86400 == proved_at // 86400), None
            )
            if at is not None:
                group = groups[at]
                groups[at] = AgeGroup(group.proved_at, group.files - 1, group.bytes - size, group.newest)
        return self._without_damaged_oldest(groups)

    def _without_damaged_oldest(self, groups: list[AgeGroup]) -> list[AgeGroup]:
        """The oldest group's age is that of its oldest file that is not damaged."""
        damaged = self._damaged_names()
        kept = sorted((group for group in groups if group.files > 0), key=lambda group: group.proved_at)
        if kept and damaged:
            first = next((item.proved_at for item in self.oldest(1 << 62) if item.key not in damaged), None)
            if first is not None and first > kept[0].proved_at:
                kept[0] = AgeGroup(first, kept[0].files, kept[0].bytes, kept[0].newest)
        return kept

    def _standing_of(self, name: str) -> tuple[int | None, int]:
        """When a file was last found good, and its size."""
        folder, _, last = name.rpartition("/")
        if not name.startswith("containers/"):
            proof = self.ledger.file_proof(name)
            return (proof.proved_at, proof.size) if proof else (None, 0)
        if folder != "containers":
            member = self.ledger.member(last)
            return (member.proved_at, member.size) if member else (None, 0)
        statement = "SELECT metadata_proved_at, metadata_bytes FROM containers WHERE metadata_file = ? AND state = 'current'"
        return next(((row[0], row[1]) for row in self.ledger.rows(statement, last)), (None, 0))

    def _damaged_names(self) -> set[str]:
        return {
            self._name_of(finding.path) for finding in self.ledger.findings(_STEP) if counts_as_damage(finding) and finding.code != "extra"
        }

    def damaged(self) -> tuple[int, int]:
        """How many files are damaged, and how many of them could not be mended."""
        names = self._damaged_names()
        lost = sum(1 for name in names if any(result == "failed" for _, result, _ in self.ledger.mends_of(name)[-1:]))
        return len(names), lost

    # ---- what is to be read

    def oldest(self, before: int) -> Iterator[Provable]:
        """What was last read before `before`, oldest first."""
        members = (item for proof in self.ledger.members_by_age(before) for item in self._members(proof))
        yield from heapq.merge(members, self._metadata_files(before), self._others(before), key=lambda item: item.proved_at)

    def _members(self, proof: MemberProof) -> Iterator[Provable]:
        name = f"containers/{proof.data_folder}/{proof.aacid}"
        yield from self._with_twin(name, proof.data_folder, proof.size, proof.sha256, proof.proved_at, proof.id, proof.container)

    def _metadata_files(self, before: int) -> Iterator[Provable]:
        statement = """SELECT metadata_file, metadata_bytes, metadata_sha256, metadata_proved_at, name FROM containers
            WHERE state = 'current' AND metadata_proved_at < ? ORDER BY metadata_proved_at, name"""
        for file, size, sha256, proved_at, container in list(self.ledger.rows(statement, before)):
            yield from self._with_twin(f"containers/{file}", file, size, sha256, proved_at, None, container)

    def _with_twin(
        self, name: str, torrent: str, size: int, sha256: str, proved_at: int, track: str | None, container: str
    ) -> Iterator[Provable]:
        """The file, and that of the release where it is not the same one by link."""
        yield Provable(key=name, path=self.path / name, size=size, proved_at=proved_at, sha256=sha256, track=track, container=container)
        self._touched.add(torrent)
        if torrent in self._published:
            twin = self.archive.release / name
            if not _is_same(self.path / name, twin):
                yield Provable(
                    key=f"release/{name}", path=twin, size=size, proved_at=proved_at, sha256=sha256, track=track, container=container
                )

    def _others(self, before: int) -> Iterator[Provable]:
        for proof in self.ledger.proofs_by_age(before):
            size = proof.size if proof.name.startswith("originals/") else None
            yield Provable(
                key=proof.name, path=self.path / proof.name, size=size, proved_at=proof.proved_at, sha256=proof.sha256,
                is_database=proof.name in DATABASES, track=proof.track,
            )  # fmt: skip

    # ---- what came of it

    def good(self, proved: Sequence[Good]) -> None:
        """Record that these are good."""
        persistently(lambda: self._record_good(proved))

    def _record_good(self, proved: Sequence[Good]) -> None:
        with self.ledger.transaction():
            for one in proved:
                folder, _, last = one.key.rpartition("/")
                if folder == "containers":
                    self.ledger.set_metadata_proved(last, one.second)
                elif one.key.startswith("containers/"):
                    self.ledger.set_proved([last], one.second)
                else:
                    self.ledger.set_file_proved(one.key, one.second)
                if one.key in self._had_findings:
                    self._forget(one.key)

    def _forget(self, name: str) -> None:
        for path in self._had_findings.pop(name, ()):
            self.ledger.drop_findings(_STEP, os.fsencode(path))

    def bad(self, item: Provable, finding: Finding, second: int) -> bool:
        """Record damage; False where another command has just taken the file away, or put a new one there."""
        if not self._is_expected(item):
            return False

        def record() -> None:
            with self.ledger.transaction():
                self._forget(item.key)
                self.ledger.put_finding(_STEP, finding, os.fsencode(finding.path), second)

        persistently(record)
        self._had_findings.setdefault(item.key, set()).add(finding.path)
        return True

    def _is_expected(self, item: Provable) -> bool:
        name = item.key.removeprefix("release/") if item.key.startswith("release/containers/") else item.key
        if name.startswith("containers/"):
            container = self.ledger.container(item.container or "")
            return container is not None and container.state == "current" and self._standing_of(name)[0] is not None
        if name.startswith("release/"):
            last, known = self.ledger.last_release(), self.ledger.file_proof(CHECKSUMS)
            return last is not None and last.state == "done" and known is not None and known.sha256 == last.checksums_sha256
        return self.ledger.file_proof(name) is not None

    def check_database(self, path: Path) -> list[str]:
        """What an integrity check of a database finds."""
        return check_database(path)

    def strangers(self) -> Iterator[Finding]:
        """What lies beside the members that were read in this run, and is on no list."""
        for torrent in sorted(self._touched):
            for top in (self.archive.containers, self.archive.release / "containers"):
                if (top / torrent).is_dir():
                    container = self.ledger.container(torrent)
                    if container is not None and container.state == "current":
                        known = {row[0] for row in self.ledger.rows("SELECT aacid FROM members WHERE container = ?", torrent)}
                        yield from find_extra(top / torrent, known)
        yield from self._strangers_at_the_top()

    def _strangers_at_the_top(self) -> Iterator[Finding]:
        known = {name for one in self.ledger.containers() for name in (one.metadata_file, one.data_folder)}
        for name in _names_in(self.archive.containers) - known:
            if not name.endswith(".partial") and self.ledger.running_build() is None:
                yield Finding("extra", str(self.archive.containers / name), "it is on no list")
        if self.ledger.file_proof(CHECKSUMS) is None:
            return
        yield from strangers_of_release(self.archive.release, lambda name: self.ledger.file_proof(f"release/{name}") is not None)

    def not_to_be_read(self) -> Iterator[Finding]:
        """Nothing: the ledger says of every byte of an archive what it should be."""
        return iter(())

    def put_stranger(self, finding: Finding, second: int) -> None:
        """Record one of them."""
        persistently(lambda: self.ledger.put_finding(_STEP, finding, os.fsencode(finding.path), second))

    def note_signatures(self, findings: Sequence[Finding], second: int) -> None:
        """Record what is wrong with the signatures of the release, or that nothing is."""

        def record() -> None:
            with self.ledger.transaction():
                self._forget("release")
                for finding in findings:
                    self.ledger.put_finding(_STEP, finding, os.fsencode(finding.path), second)
                    self._had_findings.setdefault("release", set()).add(finding.path)

        persistently(record)


def strangers_of_release(release: Path, is_listed: Callable[[str], bool]) -> Iterator[Finding]:
    """Files of a release, containers/ apart, that are on no list; `is_listed` is asked for names below it.

    What is just being written (.partial) and the files that no list names (signatures, the roster) are none.
    """
    for top, folders, names in os.walk(release):
        folders[:] = sorted(name for name in folders if top != str(release) or name != "containers")
        links = [name for name in folders if os.path.islink(os.path.join(top, name))]
        for file in sorted([*names, *links]):
            name = os.path.relpath(os.path.join(top, file), release)
            is_known = name in SIGNATURES or name in ROSTER_FILES or name.endswith(".partial") or is_listed(name)
            if not is_known:
                yield Finding("extra", printable_path(release / name), "it is on no list")


def name_below(archive: Path, path: str | Path) -> str:
    """The name of a file below the archive, also where its path was told while the archive had another place or name."""
    whole, top = os.path.abspath(path), os.path.abspath(archive)
    name = os.path.relpath(whole, top)
    if not name.startswith("../"):
        return name
    parts = whole.split("/")
    if parts[-1] in DATABASES and parts[-2] != "release":
        return parts[-1]
    starts = [at for at, part in enumerate(parts) if part in ("containers", "release", "originals", "pictures")]
    # the first from which on there is such a place here: what lies above it is where the archive was
    found = ("/".join(parts[at:]) for at in starts)
    return next((one for one in found if os.path.isdir(os.path.join(top, os.path.dirname(one) or one))), name)


def check_database(path: Path) -> list[str]:
    """What SQLite's own check finds, at most twenty lines; empty where the file is whole."""
    if not path.is_file():
        raise FileNotFoundError(path)
    if not path.stat().st_size:
        return ["it is empty"]
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(10_000)
            return [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
        finally:
            connection.close()
    except (apsw.Error, DatabaseError) as error:
        return [str(error)]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_same(ours: Path, theirs: Path) -> bool:
    try:
        return os.path.samefile(ours, theirs)
    except OSError:
        return False


def _names_in(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
