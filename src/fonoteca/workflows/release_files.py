"""The lists of a release: torrents, torrents.json, feed, catalogue, pages, public keys; everything but containers and signatures."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fonoteca import __version__
from fonoteca.ground.progress import Progress
from fonoteca.integrity import RELEASE_NAMESPACE, Container, PublicKey
from fonoteca.torrents import write_feed, write_torrents_json
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.bulk_edition import write_release_edition
from fonoteca.workflows.published_settings import settings_to_tell
from fonoteca.workflows.release_docs import release_documents
from fonoteca.workflows.release_pages import ReleaseFacts, render_index, render_readme
from fonoteca.workflows.release_torrents import ReleaseTorrents
from fonoteca.workflows.stats import read_edition_statistics, report_files

CATALOGUE = "catalogue.sqlite3"


class ReleaseWriter:
    """Writes the lists of one release into a staging folder; gives the SHA-256 of each by its path in the release."""

    def __init__(
        self, archive: Archive, staged: Path, containers: list[Container], key: PublicKey, left_out: Counter[str], progress: Progress
    ) -> None:
        self.archive, self.staged, self.containers = archive, staged, containers
        self.key, self.left_out, self.progress = key, left_out, progress
        self.torrents = ReleaseTorrents(archive, staged)
        self.content: dict[str, str] = {}
        newest = max((one.second for one in containers), default=archive.ledger.first_build_second() or 0)
        self.date = datetime.fromtimestamp(newest, UTC)

    def write_lists(self) -> dict[str, str]:
        """Everything that says nothing of serial number and date, so that it tells whether there is anything new."""
        (self.staged / "torrents").mkdir()
        for container in self.containers:
            self.torrents.add(container)
            self.progress.advance()
        self.content |= {f"torrents/{torrent.name}.torrent": torrent.sha256 for torrent in self.torrents.listed}
        entries = list(self.torrents.entries())
        self._put("torrents.json", write_torrents_json(entries))
        title = self.archive.settings.name
        self._put("feed.xml", write_feed(title, self._address(), f"Torrents of {title}", entries, self.date))
        self._write_catalogue()
        for name, content in report_files(read_edition_statistics(self.staged / CATALOGUE)):
            self._put(f"statistics/{name}", content)
        for name, content in release_documents():
            self._put(name, content)
        self._put("minisign.pub", self.key.minisign_file.encode())
        self._put("allowed_signers", self.key.allowed_signers(self.archive.settings.institution, RELEASE_NAMESPACE).encode())
        for path in sorted((self.archive.path / "signing").glob("key-rotation-*")):
            self._put(path.name, path.read_bytes())
        return dict(self.content)

    def _address(self) -> str:
        """Where the release is on the network; without that, a name made from its key."""
        return self.archive.settings.publish.url or uuid.uuid5(uuid.NAMESPACE_URL, self.key.fingerprint).urn

    def write_release(self, serial: int, second: int, last_checksums: str | None) -> dict[str, str]:
        """release.json, README.txt and the index page, which carry the serial number."""
        facts = self._facts(serial, second)
        lists = {path: sha256 for path, sha256 in self.content.items() if not path.startswith(("torrents/", "docs/", "statistics/"))}
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
            "settings": settings_to_tell(self.archive.settings),
            "left_out": dict(sorted(self.left_out.items())),
            "replaced": [{"name": name, "reason": reason} for name, reason in self.replaced()],
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
            bytes=sum(one.data_bytes + one.metadata_bytes for one in self.containers), torrents=len(self.torrents.listed),
            containers=tuple((one.name, one.content, one.tier, one.member_count, one.data_bytes + one.metadata_bytes)
                             for one in self.containers),
            left_out=tuple(sorted(self.left_out.items())),
        )  # fmt: skip

    def _put(self, path: str, content: bytes) -> None:
        (self.staged / path).parent.mkdir(parents=True, exist_ok=True)
        (self.staged / path).write_bytes(content)
        self.content[path] = hashlib.sha256(content).hexdigest()

    def _write_catalogue(self) -> None:
        target = self.staged / CATALOGUE
        date = self.date.strftime("%Y-%m-%d")
        self.edition = write_release_edition(self.archive, target, date)
        with open(target, "rb") as file:
            self.content[CATALOGUE] = hashlib.file_digest(file, "sha256").hexdigest()
        self.progress.advance()

    def replaced(self) -> list[tuple[str, str]]:
        """Containers of earlier releases that this one does not hold any more, and why."""
        current = {container.name for container in self.containers}
        names = sorted({torrent.container for torrent in self.torrents.replaced()} - current)
        return [(name, self._why_replaced(name)) for name in names]

    def _why_replaced(self, name: str) -> str:
        container = self.archive.ledger.container(name)
        return (container and container.obsolete_reason) or "a member may not stay, and others cannot be issued again yet"
