"""The lists of a release: torrents, torrents.json, feed, catalogue, pages, public keys; everything but containers and signatures."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fonoteca import __version__
from fonoteca.catalogue import write_edition
from fonoteca.ground.progress import Progress
from fonoteca.integrity import RELEASE_NAMESPACE, Container, PublicKey
from fonoteca.torrents import (
    TorrentEntry,
    TorrentOptions,
    describe_torrent,
    make_hybrid_torrent,
    make_torrent,
    read_torrent,
    write_feed,
    write_torrents_json,
)
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.release_pages import ReleaseFacts, render_index, render_readme
from fonoteca.workflows.torrent_settings import torrent_options

CATALOGUE = "catalogue.sqlite3"


class ReleaseWriter:
    """Writes the lists of one release into a staging folder; gives the SHA-256 of each by its path in the release."""

    def __init__(
        self, archive: Archive, staged: Path, containers: list[Container], key: PublicKey, left_out: Counter[str], progress: Progress
    ) -> None:
        self.archive, self.staged, self.containers = archive, staged, containers
        self.key, self.left_out, self.progress = key, left_out, progress
        self.options = torrent_options(archive.settings)
        self.torrents = 0
        self.content: dict[str, str] = {}
        newest = max((one.second for one in containers), default=archive.ledger.first_build_second() or 0)
        self.date = datetime.fromtimestamp(newest, UTC)

    def write_lists(self) -> dict[str, str]:
        """Everything that says nothing of serial number and date, so that it tells whether there is anything new."""
        (self.staged / "torrents").mkdir()
        entries = [entry for container in self.containers for entry in self._container_torrents(container)]
        self.torrents = len(entries)
        entries += self._replaced()
        self._put("torrents.json", write_torrents_json(entries))
        url = self.archive.settings.publish.url or "https://example.invalid/"
        name = self.archive.settings.name
        self._put("feed.xml", write_feed(name, url, f"Torrents of {name}", entries, self.date))
        self._write_catalogue()
        self._put("minisign.pub", self.key.minisign_file.encode())
        self._put("allowed_signers", self.key.allowed_signers(self.archive.settings.institution, RELEASE_NAMESPACE).encode())
        for path in sorted((self.archive.path / "signing").glob("key-rotation-*")):
            self._put(path.name, path.read_bytes())
        return dict(self.content)

    def write_release(self, serial: int, second: int, last_checksums: str | None) -> dict[str, str]:
        """release.json, README.txt and the index page, which carry the serial number."""
        facts = self._facts(serial, second)
        lists = {path: sha256 for path, sha256 in self.content.items() if not path.startswith("torrents/")}
        release = {
            "format": 1,
            "made_by": f"fonoteca {__version__}",
            "serial": serial,
            "date": facts.date,
            "name": facts.name,
            "institution": self.archive.settings.institution,
            "key": self.key.fingerprint,
            "checksums_of_release_before": last_checksums,
            "counts": {"tracks": facts.tracks, "files": facts.files, "bytes": facts.bytes, "torrents": facts.torrents},
            "left_out": dict(sorted(self.left_out.items())),
            "replaced": [{"name": one.name, "reason": one.obsolete_reason} for one in self._obsolete()],
            "lists": lists,
        }
        before = set(self.content)
        self._put("README.txt", render_readme(facts).encode())
        self._put("index.html", render_index(facts).encode())
        self._put("release.json", msgspec.json.format(msgspec.json.encode(release), indent=2) + b"\n")
        return {path: sha256 for path, sha256 in self.content.items() if path not in before}

    def _facts(self, serial: int, second: int) -> ReleaseFacts:
        files = [one for one in self.containers if one.data_folder]
        return ReleaseFacts(
            name=self.archive.settings.name, institution=self.archive.settings.institution, url=self.archive.settings.publish.url,
            serial=serial, date=datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d"), fingerprint=self.key.fingerprint,
            minisign_key=self.key.minisign_text, tracks=self.edition.tracks, files=sum(one.member_count for one in files),
            bytes=sum(one.data_bytes + one.metadata_bytes for one in self.containers), torrents=self.torrents,
            containers=tuple((one.name, one.content, one.tier, one.member_count, one.data_bytes + one.metadata_bytes)
                             for one in self.containers),
            left_out=tuple(sorted(self.left_out.items())),
        )  # fmt: skip

    def _put(self, path: str, content: bytes) -> None:
        (self.staged / path).write_bytes(content)
        self.content[path] = hashlib.sha256(content).hexdigest()

    def _write_catalogue(self) -> None:
        target = self.staged / CATALOGUE
        date = self.date.strftime("%Y-%m-%d")
        self.edition = write_edition(self.archive.catalogue, target, title=self.archive.settings.name, date=date)
        with open(target, "rb") as file:
            self.content[CATALOGUE] = hashlib.file_digest(file, "sha256").hexdigest()
        self.progress.advance()

    def _container_torrents(self, container: Container) -> Iterator[TorrentEntry]:
        """One for the metadata file, one for the data folder, from the digests that were taken while they were written."""
        yield self._torrent(container.metadata_file, container, _metadata_torrent(container, self.options), is_metadata=True)
        if self.archive.settings.publish.hybrid_metadata:
            yield self._torrent(f"{container.metadata_file}.hybrid", container, _hybrid_torrent(container, self.options), is_metadata=True)
        if container.data_folder:
            members = [(member.aacid, member.size) for member in self.archive.ledger.members_of(container.name)]
            data = _data_torrent(container, members, self.options)
            yield self._torrent(container.data_folder, container, data, is_metadata=False)
        self.progress.advance()

    def _torrent(self, name: str, container: Container, torrent: bytes, *, is_metadata: bool) -> TorrentEntry:
        path = f"torrents/{name}.torrent"
        self._put(path, torrent)
        base = self.archive.settings.publish.url
        return describe_torrent(
            read_torrent(torrent), url=f"{base.rstrip('/')}/{path}" if base else path, display_name=name,
            group=(self.archive.settings.institution, container.collection), added_on=_day(container), is_metadata=is_metadata,
        )  # fmt: skip

    def _obsolete(self) -> list[Container]:
        return [one for one in self.archive.ledger.containers(state="obsolete") if one.is_public]

    def _replaced(self) -> Iterator[TorrentEntry]:
        """What earlier releases held and this one does not, marked obsolete, so that mirrors know to let go of it."""
        for container in self._obsolete():
            torrents = [(container.metadata_file, _metadata_torrent(container, self.options), True)]
            if container.data_folder:
                members = [(member.aacid, member.size) for member in self.archive.ledger.members_of(container.name)]
                torrents.append((container.data_folder, _data_torrent(container, members, self.options), False))
            for name, torrent, is_metadata in torrents:
                yield describe_torrent(
                    read_torrent(torrent), url="", display_name=name, group=(self.archive.settings.institution, container.collection),
                    added_on=_day(container), is_metadata=is_metadata, obsolete=True,
                )  # fmt: skip


def _day(container: Container) -> str:
    return datetime.fromtimestamp(container.second, UTC).strftime("%Y-%m-%d")


def _metadata_torrent(container: Container, options: TorrentOptions) -> bytes:
    return make_torrent(
        container.metadata_file, container.metadata_bytes, container.metadata_piece_length, container.metadata_pieces, options
    )


def _hybrid_torrent(container: Container, options: TorrentOptions) -> bytes:
    return make_hybrid_torrent(
        container.metadata_file, container.metadata_bytes, container.metadata_piece_length, container.metadata_pieces,
        container.metadata_pieces_root, container.metadata_piece_layer, options,
    )  # fmt: skip


def _data_torrent(container: Container, members: list[tuple[str, int]], options: TorrentOptions) -> bytes:
    assert container.data_folder and container.data_piece_length and container.data_pieces is not None
    return make_torrent(container.data_folder, members, container.data_piece_length, container.data_pieces, options)
