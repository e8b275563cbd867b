"""An archive as healing needs it: what verify found, who has the bytes, and where they go."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from fonoteca.ground.downloads import is_web_address
from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.mirror_settings import split_address
from fonoteca.integrity import Container, Member
from fonoteca.torrents import read_torrent
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.heal_items import TOP_PLAYS, DamagedFile, Maker, TorrentSource
from fonoteca.workflows.heal_places import OriginalsIndex, places_in_copies, places_in_snapshots, sha256_of
from fonoteca.workflows.heal_rebuild import Rebuilder
from fonoteca.workflows.heal_release import ReleaseRemaker
from fonoteca.workflows.release_torrents import ReleaseTorrents
from fonoteca.workflows.schedule_books import CHECKSUMS, DATABASES, ArchiveBook, check_database, name_below

VERIFY, HEAL = "verify", "heal"


class ArchiveHealBook:
    """The HealBook of an archive; keys are paths below it. A file of the release that is a link goes with the one in containers/."""

    what = "archive"

    def __init__(self, archive: Archive, *, peers: Sequence[str] = (), dry_run: bool = False) -> None:
        self.archive, self.ledger, self.path = archive, archive.ledger, archive.path
        self.staging = archive.staging / "heal"
        settings = archive.settings.heal
        self._copies = [archive.path / folder for folder in settings.copies]
        self._peers = tuple(split_address(peer) for peer in (*settings.peers, *peers))
        self._originals = OriginalsIndex([archive.path / folder for folder in settings.originals])
        self._rebuilder = Rebuilder(archive, self._originals)
        self._remaker = ReleaseRemaker(archive, self.staging / "new" / "release")
        self._published = {row[0] for row in self.ledger.rows("SELECT name FROM published_torrents WHERE last_serial IS NULL")}
        self._are_lists_doubtful = False
        self._standing = self._read_findings()
        self._book = ArchiveBook(archive) if not dry_run else None
        if self._book is not None:
            self.ledger.connection.execute("PRAGMA synchronous = FULL")
            self._book.refresh()

    # ---- what is damaged

    def _found(self) -> Iterator[tuple[str, Finding]]:
        """Findings of verify about what is in this archive, under names below it."""
        for name, findings in list(self._standing.items()):
            for finding in findings:
                yield name, finding

    def _read_findings(self) -> dict[str, list[Finding]]:
        standing: dict[str, list[Finding]] = {}
        for finding in self.ledger.findings(VERIFY):
            name = name_below(self.path, finding.path)
            if not name.startswith("../") and counts_as_damage(finding):
                standing.setdefault(name, []).append(finding)
        return standing

    def _forget(self, name: str) -> None:
        for finding in self._standing.pop(name, ()):
            self.ledger.drop_findings(VERIFY, os.fsencode(finding.path))

    def damaged(self) -> Iterator[DamagedFile]:
        """Every file that was found damaged or missing; each once."""
        names = dict.fromkeys(self._names_to_heal())
        for name in names:
            file = self.file_named(name)
            if file is not None:
                yield file

    def _names_to_heal(self) -> Iterator[str]:
        """A file that a damaged list did not name counts too: it may be damaged itself."""
        for name, finding in self._found():
            if finding.code == "bad-signature" and name == "release":
                yield from (f"release/{one}" for one in self._remaker.signature_names())
            else:
                yield _one_name(name)
        if self._are_lists_doubtful:
            yield from [row[0] for row in self.ledger.rows("SELECT name FROM proofs WHERE name LIKE 'release/%'")]

    def file_named(self, name: str) -> DamagedFile | None:
        """A file of the archive by its name below it, as healing needs it; None for what the ledger does not know."""
        if name.startswith("containers/"):
            return self._in_container(name)
        if name.startswith("originals/"):
            return self._original(name)
        return self._other(name)

    def _in_container(self, name: str) -> DamagedFile | None:
        _, folder, *rest = name.split("/")
        if len(rest) > 1:
            return None  # it lies in a folder that took the place of a member
        if rest:
            member = self.ledger.member(rest[0])
            container = self.ledger.container(member.container) if member else None
            if member is None or container is None or container.data_folder != folder or container.state != "current":
                return None
            return self._member(name, member, container)
        row = next(iter(self.ledger.rows("SELECT name FROM containers WHERE metadata_file = ? AND state = 'current'", folder)), None)
        container = self.ledger.container(row[0]) if row else None
        if container is None:
            return None
        return DamagedFile(
            key=name, name=name, path=self.path / name, size=container.metadata_bytes, sha256=container.metadata_sha256,
            container=container.name, torrent=self._torrent(folder), plays=TOP_PLAYS,
        )  # fmt: skip

    def _member(self, name: str, member: Member, container: Container) -> DamagedFile:
        return DamagedFile(
            key=name, name=name, path=self.path / name, size=member.size, sha256=member.sha256, track=member.id, container=container.name,
            torrent=self._torrent(container.data_folder or ""), plays=self._plays(member),
        )  # fmt: skip

    def _torrent(self, name: str) -> str | None:
        return name if name in self._published else None

    def _plays(self, member: Member) -> int:
        if member.content != "audio":
            return 0
        track = self.archive.catalogue.get_track(member.id)
        if track is None:
            return 0
        return round((track.popularity or 0) * 10**9) + min(track.plays or 0, 10**9 - 1)

    def _original(self, name: str) -> DamagedFile | None:
        statement = "SELECT size, sha256, track_id FROM sources WHERE original = ? LIMIT 1"
        row = next(iter(self.ledger.rows(statement, name.removeprefix("originals/"))), None)
        if row is None:
            return None
        return DamagedFile(key=name, name=name, path=self.path / name, size=row[0], sha256=row[1], track=row[2])

    def _other(self, name: str) -> DamagedFile | None:
        if name in DATABASES:
            return DamagedFile(key=name, name=name, path=self.path / name, is_database=True, plays=TOP_PLAYS)
        proof = self.ledger.file_proof(name)
        sha256 = proof.sha256 if proof else ""
        if not sha256 and name.startswith("release/"):
            sha256 = self._remaker.sha256_of(name.removeprefix("release/"))
        if not sha256:
            return None
        is_signature = name.endswith((".sig", ".minisig"))
        # the list of all lists before the others, since it says what they are; signatures after what they sign
        plays = TOP_PLAYS + (2 if name == CHECKSUMS else 0 if is_signature else 1)
        return DamagedFile(key=name, name=name, path=self.path / name, sha256=sha256, is_list=True, plays=plays)

    def strangers(self) -> Iterator[tuple[Path, str]]:
        """Files that are on no list: their paths, and their names below the archive."""
        are_lists_whole = self._are_lists_whole()
        for name, finding in self._found():
            path = self.path / name
            if finding.code != "extra" or not (path.is_file() or path.is_symlink()) or self.file_named(_one_name(name)) is not None:
                continue
            if are_lists_whole or not name.startswith("release/"):
                yield path, name

    def _are_lists_whole(self) -> bool:
        """Whether SHA256SUMS is what was signed: else nobody can say what is a stranger in the release."""
        file = self._other(CHECKSUMS)
        return file is not None and self.is_good(file)

    # ---- proving

    def is_good(self, file: DamagedFile, path: Path | None = None) -> bool:
        """Whether the file, or what lies at `path` in its place, has every byte right."""
        path = path or file.path
        if file.is_database:
            try:
                return not check_database(path)
            except OSError:
                return False
        if path.is_symlink() or not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
            return False
        return sha256_of(path) == file.sha256

    def twins(self, file: DamagedFile) -> Sequence[Path]:
        """The link of the release."""
        if not file.name.startswith("containers/") or file.torrent is None:
            return ()
        return (self.archive.release / file.name,)

    # ---- the ladder

    def places(self, file: DamagedFile) -> Iterator[Path]:
        """Where the same bytes may lie on this machine, best first."""
        if file.is_database:
            return
        yield from self.twins(file)
        if file.sha256:
            yield from self._with_the_same_bytes(file.sha256)
        yield from places_in_copies(self._copies, file.name)
        yield from places_in_snapshots(file.path)

    def _with_the_same_bytes(self, sha256: str) -> Iterator[Path]:
        """Other members, originals and sources with this SHA-256, and pictures that wait."""
        for folder, aacid in list(
            self.ledger.rows(
                "SELECT c.data_folder, m.aacid FROM members m JOIN containers c ON c.name = m.container WHERE m.sha256 = ?", sha256
            )
            if self._has_index_on_hashes()
            else ()
        ):
            yield self.archive.containers / folder / aacid
        yield from self._rebuilder.sources(sha256)
        for _, path in _waiting(self.archive, sha256):
            yield Path(os.fsdecode(path))

    def _has_index_on_hashes(self) -> bool:
        """Without an index on SHA-256 a look through all members is for small archives only."""
        return int(next(self.ledger.rows("SELECT max(rowid) FROM members"))[0] or 0) < 1_000_000

    def makers(self, file: DamagedFile) -> Iterator[tuple[str, Maker]]:
        """Ways to make it again from other files, each in words."""
        if file.is_list:
            yield from self._remaker.makers(file.name.removeprefix("release/"))
        elif not file.is_database:
            yield from self._rebuilder.makers(file)

    def source_of(self, torrent: str) -> TorrentSource | None:
        """The torrent of a container, and who may serve it: its trackers and web seeds, and peers that are named."""
        content = self._read_torrent(torrent)
        if content is None:
            return None
        info = read_torrent(content)
        seeds = tuple(seed for seed in info.web_seeds if is_web_address(seed))
        return TorrentSource(torrent=content, peers=self._peers, trackers=info.trackers, web_seeds=seeds)

    def _read_torrent(self, name: str) -> bytes | None:
        """The one that was published, proved; else it is made again from the ledger."""
        row = next(
            iter(self.ledger.rows("SELECT sha256, container FROM published_torrents WHERE name = ? AND last_serial IS NULL", name)), None
        )
        if row is None:
            return None
        try:
            content = (self.archive.release / "torrents" / f"{name}.torrent").read_bytes()
            if hashlib.sha256(content).hexdigest() == row[0]:
                return content
        except OSError:
            pass
        container = self.ledger.container(row[1])
        if container is None:
            return None
        try:
            return ReleaseTorrents(self.archive, self.staging)._make(name, container, self.ledger.pieces_of(container.name))
        except FonotecaError:
            return None

    def offsite(self, file: DamagedFile) -> str | None:
        """Where rclone finds it."""
        remote = self.archive.settings.heal.offsite
        if not remote or file.is_database:
            return None
        return f"{remote.rstrip('/')}/{file.name}" if not remote.endswith(":") else f"{remote}{file.name}"

    # ---- words

    def describe(self, file: DamagedFile) -> str:
        """What would be lost, for people: the track, its album, how popular it is."""
        if file.is_database:
            return "a database of this archive"
        if file.is_list:
            return "a file of the release that is no music"
        if file.track is None:
            return f"the metadata of {file.container}" if file.container else "a waiting cover"
        track = self.archive.catalogue.get_track(file.track)
        if track is None:
            return f"the cover or track {file.track}"
        names = " – ".join(part for part in (", ".join(track.artists), track.title or track.id) if part)
        album = f", on {track.album}" if track.album else ""
        popularity = f"; popularity {track.popularity:g}" if track.popularity is not None else "; popularity unknown"
        return f"{names}{album}{popularity}"

    def might_have(self, file: DamagedFile) -> Sequence[str]:
        """Who may have it."""
        found = []
        if file.is_database:
            found += [f"a copy that is whole: {place}" for place in self._whole_databases(file)]
        source = self.source_of(file.torrent) if file.torrent else None
        if source is not None:
            found += [f"the seeders that {tracker} knows" for tracker in source.trackers] + list(source.web_seeds)
            found += [f"peer {host}:{port}" for host, port in source.peers]
        if file.track is not None:
            sources = self.ledger.rows("SELECT path FROM sources WHERE track_id = ? LIMIT 3", file.track)
            found += [f"the disk that it came from: {os.fsdecode(row[0])}" for row in sources]
        return list(dict.fromkeys(found))

    def _whole_databases(self, file: DamagedFile) -> Iterator[Path]:
        for place in (*(folder / file.name for folder in self._copies), *places_in_snapshots(file.path)):
            try:
                if place.is_file() and not check_database(place):
                    yield place
            except (OSError, sqlite3.Error):
                continue

    # ---- the ledger

    def begin_mend(self, file: DamagedFile, rung: str, place: str) -> int:
        """Record that a rung is tried."""
        with self.ledger.transaction():
            return self.ledger.put_mend(file.name, self.archive.now(), rung, place)

    def end_mend(self, number: int, result: str, fact: str) -> None:
        """Record what came of it."""
        with self.ledger.transaction():
            self.ledger.end_mend(number, self.archive.now(), result, fact)

    def mended(self, file: DamagedFile, mtime_ns: int, number: int | None = None, place: str = "") -> None:
        """Record that the file is good again, and in its place; what was found of it is forgotten. `number` is the mend that did it."""
        now = self.archive.now()
        with self.ledger.transaction():
            if number is not None:
                self.ledger.end_mend(number, now, "mended", place)
            if file.name == CHECKSUMS and self._book is not None:
                self._book.refresh()  # now it is known what the other lists should be: verify could not say
                self._are_lists_doubtful = True
            for name in (file.name, f"release/{file.name}"):
                self._forget(name)
            if file.is_list and "release" in self._standing and not self._other_signatures_bad(file):
                self._forget("release")
            self.ledger.drop_findings(HEAL, os.fsencode(str(file.path)))
            if file.name.count("/") == 1 and file.name.startswith("containers/"):
                self.ledger.set_metadata_proved(file.path.name, now)
            elif file.name.startswith("containers/"):
                self.ledger.set_proved([file.path.name], now)
            else:
                self.ledger.set_file_proved(file.name, now)

    def _other_signatures_bad(self, file: DamagedFile) -> bool:
        others = (f"release/{name}" for name in self._remaker.signature_names())
        return any(not self.is_good(one) for name in others if name != file.name and (one := self.file_named(name)) is not None)

    def lost(self, file: DamagedFile, fact: str) -> None:
        """Record that it could not be mended."""
        found = Finding("not-mended", str(file.path), f"{self.describe(file)}: {fact}"[:2000], file.track, file.container)
        with self.ledger.transaction():
            self.ledger.drop_findings(HEAL, os.fsencode(found.path))
            self.ledger.put_finding(HEAL, found, os.fsencode(found.path), self.archive.now())

    def moved_stranger(self, path: Path) -> None:
        """Record that a stranger is gone."""
        with self.ledger.transaction():
            self._forget(name_below(self.path, path))

    def finding_of(self, file: DamagedFile) -> Finding | None:
        """What was found about it."""
        found = self._standing.get(file.name) or self._standing.get(f"release/{file.name}")
        return found[0] if found else None


def _one_name(name: str) -> str:
    """A file of the release that is a link to one in containers/ goes under the name there."""
    return name.removeprefix("release/") if name.startswith("release/containers/") else name


def _waiting(archive: Archive, sha256: str) -> tuple[tuple[str, bytes], ...]:
    from fonoteca.workflows.picture_shelf import shelf_of

    return shelf_of(archive, [sha256]).places
