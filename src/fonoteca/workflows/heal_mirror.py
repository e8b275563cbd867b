"""A mirror as healing needs it: damaged files of its torrents and lists, who has the bytes, and where they go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice, product
from pathlib import Path

import msgspec

from fonoteca.audio.graft import graft_header
from fonoteca.catalogue import TrackRecord
from fonoteca.catalogue.edition_reading import Edition
from fonoteca.containers import FolderStore, Record, open_container
from fonoteca.ground.downloads import is_web_address, join_url
from fonoteca.ground.errors import FonotecaError, NotFoundError
from fonoteca.ground.findings import Finding
from fonoteca.ground.mirror_settings import split_address
from fonoteca.integrity.mirror_ledger_rows import Mend, MirrorFile, MirrorList, MirrorTorrent
from fonoteca.integrity.paced_proving import check_piece, spans_of
from fonoteca.integrity.schedule import PieceCheck
from fonoteca.torrents.web_seeds import with_web_seeds
from fonoteca.workflows.census import take_census
from fonoteca.workflows.heal_fetch import read_plain, with_files_at
from fonoteca.workflows.heal_items import TOP_PLAYS, DamagedFile, Maker, TorrentSource
from fonoteca.workflows.heal_places import OriginalsIndex, places_in_copies, places_in_snapshots, sha256_of
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.read_catalogue import damage_told
from fonoteca.workflows.roster_files import rosters_of
from fonoteca.workflows.schedule_mirror_book import TorrentShelf, key_of_file, key_of_list, track_of

VERIFY, HEAL = "verify", "heal"
_MOST_TRIES = 64  # combinations of copies that one piece is tried with


class MirrorHealBook:
    """The HealBook of a mirror; keys are those of its MirrorBook."""

    what = "mirror"

    def __init__(self, mirror: Mirror, *, peers: Sequence[str] = ()) -> None:
        self.mirror, self.ledger, self.path = mirror, mirror.ledger, mirror.path
        self.staging = mirror.staging / "heal"
        settings = mirror.settings
        named = (*settings.heal.peers, *settings.client.peers, *peers)
        self._peers = tuple(dict.fromkeys(split_address(peer) for peer in named))
        self._copies = [mirror.path / folder for folder in settings.heal.copies]
        self._originals = OriginalsIndex([mirror.path / folder for folder in settings.heal.originals])
        self.shelf = TorrentShelf(mirror)
        self._census = take_census(mirror, mirror.now())
        self._editions: dict[str, Edition | None] = {}

    def close(self) -> None:
        """Close the catalogues."""
        for edition in self._editions.values():
            if edition is not None:
                edition.close()

    # ---- what is damaged

    def damaged(self) -> Iterator[DamagedFile]:
        """Every file and list in the states damaged and lost."""
        for one in list(self.ledger.lists()):
            if one.state != "held" and self._may_write(one.source):
                yield self._list(one)
        for file in list(self.ledger.files_in("damaged", "lost")):
            found = self.shelf.get(file.infohash)
            if found is not None and found[0].state not in ("dropping", "dropped") and self._may_write(found[0].source):
                yield self._file(file, found[0])

    def _may_write(self, source: str) -> bool:
        """Sources in place are somebody else's: they are never written to."""
        found = self.ledger.source(source)
        return found is not None and not found.is_in_place

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.path)

    def _list(self, one: MirrorList) -> DamagedFile:
        path = self.mirror.release_of(one.source) / one.path
        return DamagedFile(
            key=key_of_list(one), name=self._name(path), path=path, size=one.size, sha256=one.sha256, container=one.source, is_list=True,
            plays=TOP_PLAYS + 1,
        )  # fmt: skip

    def _file(self, file: MirrorFile, row: MirrorTorrent) -> DamagedFile:
        path = self.mirror.file_path(file, row)
        check = self.shelf.check_of(file) if not file.sha256 and file.size else None
        track = track_of(file.path)
        standing = self._census.of(file.infohash)
        copies = len(standing.proved_by(self.mirror.now())) * 1000 + (standing.seeders or 0)
        return DamagedFile(
            key=key_of_file(file), name=self._name(path), path=path, size=file.size, sha256=file.sha256 or "", pieces=check, track=track,
            container=row.container, torrent=file.infohash, position=file.position, copies=copies,
            plays=TOP_PLAYS if row.is_metadata else self._plays(row.source, track),
        )  # fmt: skip

    def _track(self, source: str, id: str | None) -> TrackRecord | None:
        """What the edition that a source brought along says; healing does without where it is not whole."""
        path = self.mirror.release_of(source) / "catalogue.sqlite3"
        try:
            with damage_told(path):
                if source not in self._editions:
                    self._editions[source] = Edition.open(path) if path.is_file() else None
                edition = self._editions[source]
                return edition.get_track(id) if edition is not None and id is not None else None
        except FonotecaError:
            self._editions[source] = None
            return None

    def _plays(self, source: str, id: str | None) -> int:
        track = self._track(source, id)
        return round((track.popularity or 0) * 10**9) + min(track.plays or 0, 10**9 - 1) if track else 0

    def strangers(self) -> Iterator[tuple[Path, str]]:
        """Files that belong to no torrent and are on no list: paths, and names below the mirror."""
        for finding in list(self.ledger.findings(VERIFY)):
            path = Path(finding.path)
            name = self._name(path)
            if finding.code == "extra" and name.startswith("held/") and (path.is_file() or path.is_symlink()):
                yield path, name

    # ---- proving

    def is_good(self, file: DamagedFile, path: Path | None = None) -> bool:
        """Whether the file, or what lies at `path` in its place, has every byte right."""
        path = path or file.path
        if path.is_symlink() or not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
            return False
        if file.sha256:
            return sha256_of(path) == file.sha256
        if file.pieces is None:
            return file.size == 0
        check = with_files_at(file.pieces, {file.path: path})
        return all(
            check_piece(check, number, read_plain)[1] or self._is_good_beside_copies(file, check, number)
            for number in range(len(check.pieces) // 20)
        )

    def _is_good_beside_copies(self, file: DamagedFile, check: PieceCheck, number: int) -> bool:
        """Whether the piece is right with copies of its other damaged files: SHA-1 then proves all of them together."""
        touched = {path for path, _, _ in spans_of(check, number)}
        others = {one.path: copies for one in self._damaged_beside(file, touched) if (copies := self._copies_of(one))}
        choices = product(*([(path, copy) for copy in (path, *copies)] for path, copies in others.items()))
        next(choices)  # all as they lie, which was tried
        return any(check_piece(with_files_at(check, dict(chosen)), number, read_plain)[1] for chosen in islice(choices, _MOST_TRIES))

    def _damaged_beside(self, file: DamagedFile, touched: set[Path]) -> Iterator[DamagedFile]:
        """Damaged files of the same torrent that lie in these places; they come one after the other."""
        row = self.shelf.get(file.torrent or "")
        if row is None or file.position is None:
            return
        for step in (-1, 1):
            position = file.position + step
            while (one := self.ledger.file(row[0].infohash, position)) is not None:
                path = self.mirror.file_path(one, row[0])
                if path in touched and one.state in ("damaged", "lost"):
                    yield self._file(one, row[0])
                elif path not in touched and one.size:
                    break
                position += step

    def _copies_of(self, file: DamagedFile) -> list[Path]:
        """Files of its size that may have its bytes."""
        return [place for place in self.places(file) if place.is_file() and not place.is_symlink() and place.stat().st_size == file.size]

    def twins(self, file: DamagedFile) -> Sequence[Path]:
        """None: a mirror holds each file once."""
        return ()

    # ---- the ladder

    def places(self, file: DamagedFile) -> Iterator[Path]:
        """Other sources of this mirror, the folder or release that it came from, named copies, snapshots."""
        inner = file.name.split("/", 2)[2]
        source = self._source_name(file)
        for other in self.ledger.sources():
            if other.source != source:
                yield self.mirror.release_of(other) / inner
            if not is_web_address(other.location) and Path(other.location).is_dir():
                yield Path(other.location) / inner
        yield from places_in_copies(self._copies, file.name)
        yield from places_in_snapshots(file.path)
        yield from self._originals.places(file.size, file.sha256)

    def _source_name(self, file: DamagedFile) -> str:
        return file.name.split("/", 2)[1]

    def makers(self, file: DamagedFile) -> Iterator[tuple[str, Maker]]:
        """A member whose header is whole, from the original that its record names; an edition that deltas lead to is fetched anew."""
        if file.track is None or file.is_list or not self.mirror.settings.heal.originals or not file.path.is_file():
            return
        original = self._original_of(file)
        if original is not None:
            yield f"its own header and the sound of {original}", partial(_graft, file.path, original)

    def _original_of(self, file: DamagedFile) -> Path | None:
        folder = self.mirror.containers_of(self._source_name(file))
        stem = (file.container or "").replace("_data__", "_meta__", 1)
        for metadata in sorted(folder.glob(f"{stem}*")):
            if metadata.is_file():
                for record in _records(folder, metadata.name):
                    if record.aacid == file.path.name:
                        told = msgspec.json.decode(record.metadata, type=dict[str, msgspec.Raw]).get("original")
                        facts = msgspec.json.decode(told, type=_Original) if told else _Original()
                        return next(self._originals.places(facts.size, facts.sha256 or ""), None)
        return None

    def source_of(self, torrent: str) -> TorrentSource | None:
        """The torrent by its infohash, and who may serve it: peers, trackers, web seeds, other mirrors."""
        found = self.shelf.get(torrent)
        if found is None:
            return None
        row, info, content = found
        if info is None:
            return None
        source = self.ledger.source(row.source)
        seeds = [join_url(source.location, "containers") + "/"] if source is not None and is_web_address(source.location) else []
        seeds += [join_url(url, "containers") + "/" for url in self._urls_of_mirrors(row.source)]
        trackers = tuple(dict.fromkeys((*info.trackers, *self.mirror.settings.client.trackers)))
        content = with_web_seeds(content, seeds) if seeds else content
        web_seeds = tuple(dict.fromkeys(seed for seed in (*info.web_seeds, *seeds) if is_web_address(seed)))
        dht = self.mirror.settings.client.dht and not info.private
        return TorrentSource(torrent=content, peers=self._peers, trackers=trackers, web_seeds=web_seeds, dht=dht)

    def _urls_of_mirrors(self, source: str) -> list[str]:
        """Web addresses that mirrors of the roster give: folders shaped like this release."""
        roster = rosters_of(self.mirror).get(source)
        return [one.url for one in roster.mirrors if is_web_address(one.url)] if roster is not None else []

    def offsite(self, file: DamagedFile) -> str | None:
        """Where rclone finds it."""
        remote = self.mirror.settings.heal.offsite
        if not remote:
            return None
        return f"{remote}{file.name}" if remote.endswith((":", "/")) else f"{remote}/{file.name}"

    # ---- words

    def describe(self, file: DamagedFile) -> str:
        """What would be lost, for people."""
        if file.is_list:
            return f"a file of the release {self._source_name(file)} that is no music"
        if file.track is None:
            return f"the metadata of {file.container}" if file.plays == TOP_PLAYS else f"a file of {file.container}"
        track = self._track(self._source_name(file), file.track)
        if track is None:
            return f"track or cover {file.track} of {file.container}"
        names = " – ".join(part for part in (", ".join(track.artists), track.title or track.id) if part)
        album = f", on {track.album}" if track.album else ""
        return f"{names}{album}; popularity {'unknown' if track.popularity is None else f'{track.popularity:g}'}"

    def might_have(self, file: DamagedFile) -> Sequence[str]:
        """Mirrors that announced it, the roster, trackers and web seeds."""
        found: list[str] = []
        if file.torrent is not None:
            standing = self._census.of(file.torrent)
            found += [f"{copy.who or copy.key}, who proved {copy.share:.0%} of its torrent" for copy in standing.copies]
            source = self.source_of(file.torrent)
            if source is not None:
                found += [f"the seeders that {tracker} knows" for tracker in source.trackers] + list(source.web_seeds)
                found += [f"peer {host}:{port}" for host, port in source.peers]
        location = self.ledger.source(self._source_name(file))
        if location is not None:
            found.append(f"its publisher: {location.location}")
        return list(dict.fromkeys(found))

    # ---- the ledger

    def _place_of(self, file: DamagedFile) -> tuple[str, int]:
        kind, first, second = file.key.split(":", 2)
        return (first, int(second)) if kind == "f" else ("", 0)

    def begin_mend(self, file: DamagedFile, rung: str, place: str) -> int:
        """Record that a rung is tried."""
        infohash, position = self._place_of(file)
        fact = place if infohash else f"{file.name}: {place}"
        mend = Mend(infohash=infohash, position=position, began_at=self.mirror.now(), rung=rung, result="tried", fact=fact)
        with self.ledger.transaction():
            return self.ledger.put_mend(mend)

    def end_mend(self, number: int, result: str, fact: str) -> None:
        """Record what came of it; a mend counts for a running mirror once the file is recorded as held."""
        with self.ledger.transaction():
            self.ledger.end_mend(number, self.mirror.now(), result, fact)

    def mended(self, file: DamagedFile, mtime_ns: int, number: int | None = None, place: str = "") -> None:
        """Record that the file is good again, and in its place; `number` is the mend that did it."""
        now = self.mirror.now()
        kind, first, second = file.key.split(":", 2)
        with self.ledger.transaction():
            if number is not None:
                self.ledger.end_mend(number, now, "mended", place)
            if kind == "f":
                self.ledger.set_held([(first, int(second), now, mtime_ns)])
            else:
                statement = "UPDATE lists SET state = 'held', proved_at = ?, mtime_ns = ? WHERE source = ? AND path = ?"
                self.ledger.connection.execute(statement, (now, mtime_ns, first, second))
                if second in ("SHA256SUMS", "release.json") or second.endswith((".sig", ".minisig")):
                    self.ledger.drop_findings(VERIFY, str(self.mirror.release_of(first)))
            for step in (VERIFY, HEAL):
                self.ledger.drop_findings(step, str(file.path))

    def lost(self, file: DamagedFile, fact: str) -> None:
        """Record that it could not be mended."""
        kind, first, second = file.key.split(":", 2)
        found = Finding("not-mended", str(file.path), f"{self.describe(file)}: {fact}"[:2000], file.track, file.container)
        with self.ledger.transaction():
            if kind == "f":
                self.ledger.set_condition(first, int(second), "lost")
            else:
                self.ledger.connection.execute("UPDATE lists SET state = 'lost' WHERE source = ? AND path = ?", (first, second))
            self.ledger.drop_findings(HEAL, str(file.path))
            self.ledger.put_finding(HEAL, found, self.mirror.now())

    def moved_stranger(self, path: Path) -> None:
        """Record that a stranger is gone."""
        with self.ledger.transaction():
            self.ledger.drop_findings(VERIFY, str(path))

    def finding_of(self, file: DamagedFile) -> Finding | None:
        """What was found about it."""
        return next((finding for finding in self.ledger.findings(VERIFY) if finding.path == str(file.path)), None)


class _Original(msgspec.Struct):
    sha256: str | None = None
    size: int | None = None


def _records(folder: Path, name: str) -> Iterator[Record]:
    try:
        for record in open_container(FolderStore(folder), name).records():
            if not isinstance(record, Finding):
                yield record
    except FonotecaError:
        return


def _graft(member: Path, original: Path) -> tuple[bytes, ...]:
    try:
        return (graft_header(member.read_bytes(), original.read_bytes()),)
    except OSError as error:
        raise NotFoundError(f"{original} cannot be read: {error.strerror}", "") from error


@contextmanager
def open_mirror_to_heal(path: Path, peers: Sequence[str] = (), *, dry_run: bool = False) -> Iterator[MirrorHealBook]:
    """The mirror at `path`; one process heals it at a time."""
    for peer in peers:
        split_address(peer)
    with open_mirror(path, read_only=dry_run) as mirror:
        if dry_run:
            yield MirrorHealBook(mirror, peers=peers)
            return
        with mirror.hold("heal"):
            book = MirrorHealBook(mirror, peers=peers)
            try:
                yield book
            finally:
                book.close()
