"""The ledger of an archive that is made again from a release: what its torrents, lists and records say of containers and members."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.containers import ContainerName, FolderStore, Record, open_container, parse_container_name, parse_timestamp
from fonoteca.ground.errors import ContainerFormatError, FormatError
from fonoteca.integrity import (
    Checksum,
    Container,
    FileDigest,
    Ledger,
    Member,
    MerkleHasher,
    Pieces,
    PublishedTorrent,
    Source,
    read_checksums,
)
from fonoteca.torrents import TorrentEntry, TorrentInfo, read_torrent
from fonoteca.workflows.publish import PAGES, content_digest


class _Original(msgspec.Struct, frozen=True):
    sha256: str | None = None
    size: int | None = None
    format: str | None = None
    essence_sha256: str | None = None


class _Rights(msgspec.Struct, frozen=True):
    statement: str | None = None


class _Told(msgspec.Struct, frozen=True):
    """What a record says that the ledger keeps (docs/formats/records.md)."""

    id: str
    sha256: str = ""
    size: int = 0
    made_by: str = ""
    format: str | None = None
    tier: str = ""
    encoder: str | None = None
    samples: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    loudness_lufs: float | None = None
    original: _Original = _Original()
    rights: _Rights = _Rights()
    tags: dict[str, tuple[str, ...]] = {}
    pictures: tuple[str, ...] = ()
    member: str | None = None
    patch: str | None = None


class RestoredContainer(msgspec.Struct, frozen=True):
    """One container of a release, by the names of its parts."""

    metadata_file: str
    data_folder: str | None
    name: ContainerName

    @property
    def key(self) -> str:
        """What the ledger calls it."""
        return self.data_folder or self.metadata_file

    @property
    def content(self) -> str:
        """audio, cover or patch, by the name of its collection."""
        words = self.name.collection.removeprefix(self.name.institution + "_")
        return {"covers_files": "cover", "patches_records": "patch"}.get(words, "audio")

    @property
    def tier(self) -> str:
        """The tier that the name of its collection tells."""
        words = self.name.collection.removeprefix(self.name.institution + "_")
        return words.rpartition("_")[0]


def find_containers(checksums: Iterator[Checksum]) -> list[RestoredContainer]:
    """The containers that SHA256SUMS lists, oldest first; ContainerFormatError where a name is none."""
    parts = {line.path.split("/")[1] for line in checksums if line.path.startswith("containers/")}
    named = {part: parse_container_name(part) for part in parts}
    folders = {(one.collection, one.first, one.last): part for part, one in named.items() if one.kind == "data"}
    found = [
        RestoredContainer(part, folders.pop((one.collection, one.first, one.last), None), one)
        for part, one in named.items()
        if one.kind == "metadata"
    ]
    if folders:
        raise ContainerFormatError(f"{min(folders.values())} has no metadata file beside it", "Fetch the whole release.")
    return sorted(found, key=lambda one: (one.name.first, one.metadata_file))


def read_good_checksums(path: Path) -> Iterator[Checksum]:
    """The lines of SHA256SUMS; FormatError for one that is none."""
    with open(path, "rb") as file:
        for line in read_checksums(file):
            if not isinstance(line, Checksum):
                raise FormatError(f"{path}: {line.fact}", "Fetch the release again.")
            yield line


class LedgerRestorer:
    """Fills an empty ledger from `release`, whose lists were proved; containers lie in `containers`. One transaction a container."""

    def __init__(self, ledger: Ledger, release: Path, containers: Path) -> None:
        self._ledger, self._release, self._containers = ledger, release, containers

    def add(self, container: RestoredContainer) -> int:
        """Record a container and its members; gives their number."""
        path = self._containers / container.metadata_file
        digest, tree = FileDigest(), MerkleHasher()
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                tree.update(chunk)
        told, pieces = self._read_torrents(container, tree)
        count = data_bytes = 0
        with self._ledger.transaction():
            self._ledger.put_container(self._container(container, told, digest, 0, 0), pieces)  # members refer to it
            for record in self._records(container):
                facts = msgspec.json.decode(record.metadata, type=_Told)
                count += 1
                data_bytes += facts.size if container.data_folder else 0
                self._put_member(container, record, facts)
            self._ledger.put_container(self._container(container, told, digest, count, data_bytes), pieces)
        return count

    def _records(self, container: RestoredContainer) -> Iterator[Record]:
        store = FolderStore(self._containers)
        for record in open_container(store, container.metadata_file).records():
            if isinstance(record, Record):
                yield record
            elif record.kind.weight == "damage":
                raise FormatError(f"{container.metadata_file}: {record.fact}", "Fetch it again: fonoteca mirror run.")

    def _read_torrents(self, container: RestoredContainer, tree: MerkleHasher) -> tuple[tuple[TorrentInfo, TorrentInfo | None], Pieces]:
        metadata = self._torrent(container.metadata_file)
        data = self._torrent(container.data_folder) if container.data_folder else None
        root, layer = tree.finish(metadata.piece_length)
        return (metadata, data), Pieces(
            data_pieces=data.pieces if data else None,
            metadata_pieces=metadata.pieces,
            metadata_pieces_root=root,
            metadata_piece_layer=layer,
        )

    def _torrent(self, name: str) -> TorrentInfo:
        return read_torrent((self._release / "torrents" / f"{name}.torrent").read_bytes())

    def _container(
        self, container: RestoredContainer, told: tuple[TorrentInfo, TorrentInfo | None], digest: FileDigest, count: int, data_bytes: int
    ) -> Container:
        metadata, data = told
        return Container(
            name=container.key, collection=container.name.collection, content=container.content, tier=container.tier, is_public=True,
            second=parse_timestamp(container.name.first), data_folder=container.data_folder, metadata_file=container.metadata_file,
            member_count=count, data_bytes=data_bytes, metadata_bytes=digest.size, metadata_sha256=digest.sha256,
            data_piece_length=data.piece_length if data else None, metadata_piece_length=metadata.piece_length,
        )  # fmt: skip

    def _put_member(self, container: RestoredContainer, record: Record, facts: _Told) -> None:
        if container.content == "patch":
            self._put_patch(container, record, facts)
            return
        is_audio = container.content == "audio"
        member = Member(
            aacid=record.aacid, container=container.key, content=container.content, id=facts.id, size=facts.size, sha256=facts.sha256,
            action=facts.made_by if is_audio else "cover", source_sha256=facts.original.sha256 if is_audio else facts.sha256,
            essence_sha256=None if facts.made_by == "copy" else facts.original.essence_sha256, encoder=facts.encoder,
            samples=facts.samples if facts.encoder else None, loudness_lufs=facts.loudness_lufs if facts.encoder else None,
        )  # fmt: skip
        self._ledger.put_member(member)
        if is_audio and facts.original.sha256:
            self._ledger.put_source(self._source(container, record, facts))

    def _put_patch(self, container: RestoredContainer, record: Record, facts: _Told) -> None:
        member = Member(aacid=record.aacid, container=container.key, content="patch", id=facts.id, size=0, sha256="", action="patch")
        self._ledger.put_member(member)
        if facts.patch and facts.member:
            self._ledger.connection.execute(
                "UPDATE members SET patch = ? WHERE aacid = ?", (base64.b64decode(facts.patch, validate=True), facts.member)
            )

    def _source(self, container: RestoredContainer, record: Record, facts: _Told) -> Source:
        """The file that came is gone; where it was kept as it came, the member is the same bytes."""
        path = self._containers / (container.data_folder or "") / record.aacid
        is_same = facts.sha256 == facts.original.sha256
        second = parse_timestamp(container.name.first)
        return Source(
            path=os.fsencode(path), size=facts.original.size or 0, mtime_ns=path.stat().st_mtime_ns if is_same else 0,
            sha256=facts.original.sha256 or "", state="kept", essence_sha256=facts.original.essence_sha256, track_id=facts.id,
            format=facts.original.format, sample_rate=facts.sample_rate or 0, channels=facts.channels or 0,
            samples=facts.samples, loudness_lufs=facts.loudness_lufs, can_be_retagged=facts.made_by == "retag", tags=facts.tags,
            pictures=facts.pictures, added_at=second, decoded_at=second,
            rights_values=(facts.rights.statement,) if facts.rights.statement else (),
        )  # fmt: skip


def restore_releases(ledger: Ledger, release: Path, told: dict[str, Any], entries: list[TorrentEntry], options_sha256: str) -> None:
    """The release that it was restored from, and every torrent that this one and those before held."""
    serial = int(told["serial"])
    with open(release / "SHA256SUMS", "rb") as file:
        checksums = hashlib.file_digest(file, "sha256").hexdigest()
    with ledger.transaction():
        for is_listed in (False, True):  # those of earlier releases end when the newest takes its place
            held = [_published(release, entry, options_sha256) for entry in entries if entry.obsolete != is_listed]
            ledger.put_published(held, serial if is_listed else max(1, serial - 1))
        statement = "INSERT OR REPLACE INTO releases (serial, second, content_sha256, checksums_sha256, state) VALUES (?, ?, ?, ?, 'done')"
        second = parse_timestamp(str(told["date"]).replace("-", "") + "T000000Z")
        ledger.connection.execute(statement, (serial, second, _content_of(ledger, release), checksums))
        build = "INSERT INTO builds (started_second, settings_sha256, state) VALUES (?, '', 'done')"
        first = next(ledger.rows("SELECT coalesce(min(second), ?) FROM containers", second))[0]
        ledger.connection.execute(build, (first,))
        for gone in told.get("replaced", []):
            ledger.connection.execute(_GONE, _gone_container(gone))


def _content_of(ledger: Ledger, release: Path) -> str:
    """What `publish` compares, so that the release stands where nothing changes."""
    lines = read_good_checksums(release / "SHA256SUMS")
    content = {line.path: line.sha256 for line in lines if not line.path.startswith(("containers/", "deltas/")) and line.path not in PAGES}
    return content_digest(content, ledger.containers(state="current"))


_GONE = """INSERT OR IGNORE INTO containers (name, collection, content, tier, is_public, second, data_folder, metadata_file, member_count,
    data_bytes, metadata_bytes, metadata_sha256, metadata_piece_length, state, obsolete_reason, metadata_proved_at)
    VALUES (?, ?, 'audio', '', 0, ?, NULL, ?, 0, 0, 0, '', 16384, 'obsolete', ?, 0)"""


def _gone_container(gone: dict[str, str]) -> tuple[Any, ...]:
    name = parse_container_name(gone["name"])
    return gone["name"], name.collection, parse_timestamp(name.first), gone["name"], gone["reason"]


def _published(release: Path, entry: TorrentEntry, options_sha256: str) -> PublishedTorrent:
    sha256 = ""
    path = release / "torrents" / f"{entry.display_name}.torrent"
    if not entry.obsolete:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    name = entry.display_name.removesuffix(".hybrid")
    parsed = parse_container_name(name)
    container = name if parsed.kind == "data" else _data_folder_of(release, name) or name
    return PublishedTorrent(
        infohash=entry.btih, name=entry.display_name, container=container, collection=parsed.collection,
        added_on=entry.added_to_torrents_list_at, is_metadata=entry.is_metadata, torrent_size=entry.torrent_size,
        num_files=entry.num_files, data_size=entry.data_size, sha256=sha256, options_sha256=options_sha256 if sha256 else "",
    )  # fmt: skip


def _data_folder_of(release: Path, metadata_file: str) -> str | None:
    parsed = parse_container_name(metadata_file)
    folder = metadata_file.removesuffix(parsed.suffix).replace("_meta__aacid__", "_data__aacid__", 1)
    return folder if (release / "torrents" / f"{folder}.torrent").exists() else None
