"""The torrents of a release: written from the digests of the build, taken over from the release before, or marked obsolete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fonoteca.integrity import Container, Pieces, PublishedTorrent
from fonoteca.torrents import (
    TorrentEntry,
    TorrentOptions,
    describe_torrent,
    make_hybrid_torrent,
    make_torrent,
    read_torrent,
)
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.torrent_settings import torrent_options

WRITTEN_AS = 1  # raised where the same options would give other bytes than before


def options_digest(options: TorrentOptions) -> str:
    """SHA-256 of all that decides how a torrent is written but its container."""
    return hashlib.sha256(msgspec.json.encode((WRITTEN_AS, options))).hexdigest()


class ReleaseTorrents:
    """Puts the torrents of `containers` into staged/torrents; `listed` are those that the release holds."""

    def __init__(self, archive: Archive, staged: Path) -> None:
        self.archive, self.staged = archive, staged
        self.options = torrent_options(archive.settings)
        self.options_sha256 = options_digest(self.options)
        self.listed: list[PublishedTorrent] = []

    def add(self, container: Container) -> None:
        """One torrent for the metadata file, one for the data folder; a hybrid one beside the first by a setting."""
        names = [container.metadata_file]
        if self.archive.settings.publish.hybrid_metadata:
            names.append(f"{container.metadata_file}.hybrid")
        if container.data_folder:
            names.append(container.data_folder)
        pieces: Pieces | None = None
        for name in names:
            torrent = self._take_over(name)
            if torrent is None:
                pieces = pieces or self.archive.ledger.pieces_of(container.name)
                torrent = self._write(name, container, pieces)
            self.listed.append(torrent)

    def _take_over(self, name: str) -> PublishedTorrent | None:
        """The .torrent of the release before, where the same would be written and its bytes are still what they were."""
        place = self.archive.release / "torrents" / f"{name}.torrent"
        for torrent in self.archive.ledger.published_torrents(name):
            if torrent.options_sha256 != self.options_sha256:
                continue
            try:
                with open(place, "rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != torrent.sha256:
                        return None
                os.link(place, self.staged / "torrents" / place.name)
            except OSError:
                return None  # it is written anew
            return torrent
        return None

    def _write(self, name: str, container: Container, pieces: Pieces) -> PublishedTorrent:
        content = self._make(name, container, pieces)
        (self.staged / "torrents" / f"{name}.torrent").write_bytes(content)
        info = read_torrent(content)
        return PublishedTorrent(
            infohash=info.infohash, name=name, container=container.name, collection=container.collection,
            added_on=datetime.fromtimestamp(container.second, UTC).strftime("%Y-%m-%d"), is_metadata=name != container.data_folder,
            torrent_size=len(content), num_files=info.file_count, data_size=info.data_bytes,
            sha256=hashlib.sha256(content).hexdigest(), options_sha256=self.options_sha256,
        )  # fmt: skip

    def _make(self, name: str, container: Container, pieces: Pieces) -> bytes:
        if name == container.data_folder:
            assert container.data_piece_length and pieces.data_pieces is not None
            members = [(member.aacid, member.size) for member in self.archive.ledger.members_of(container.name)]
            return make_torrent(name, members, container.data_piece_length, pieces.data_pieces, self.options)
        if name == container.metadata_file:
            return make_torrent(name, container.metadata_bytes, container.metadata_piece_length, pieces.metadata_pieces, self.options)
        return make_hybrid_torrent(
            container.metadata_file, container.metadata_bytes, container.metadata_piece_length, pieces.metadata_pieces,
            pieces.metadata_pieces_root, pieces.metadata_piece_layer, self.options,
        )  # fmt: skip

    def entries(self) -> Iterator[TorrentEntry]:
        """What torrents.json says: all that the release holds, and all that earlier ones held and this one does not, as they were."""
        base = self.archive.settings.publish.url.rstrip("/")
        for torrent in self.listed:
            path = f"torrents/{torrent.name}.torrent"
            yield self._describe(torrent, self.options, url=f"{base}/{path}" if base else path)
        without_seeds = TorrentOptions(trackers=self.options.trackers)  # web seeds do not have it any more
        for torrent in self.replaced():
            yield self._describe(torrent, without_seeds, is_obsolete=True)

    def replaced(self) -> Iterator[PublishedTorrent]:
        """The torrents of earlier releases that this one does not hold."""
        current = {torrent.infohash for torrent in self.listed}
        return (torrent for torrent in self.archive.ledger.published_torrents() if torrent.infohash not in current)

    def _describe(self, torrent: PublishedTorrent, options: TorrentOptions, *, url: str = "", is_obsolete: bool = False) -> TorrentEntry:
        name = torrent.name.removesuffix(".hybrid") if torrent.is_metadata else torrent.name
        return describe_torrent(
            infohash=torrent.infohash, name=name, display_name=torrent.name, options=options, url=url,
            sizes=(torrent.torrent_size, torrent.num_files, torrent.data_size), added_on=torrent.added_on,
            group=(self.archive.settings.institution, torrent.collection), is_metadata=torrent.is_metadata, obsolete=is_obsolete,
        )  # fmt: skip
