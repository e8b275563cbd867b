"""Small releases made by hand: containers of random bytes, with lists and signatures as a publisher makes them, and as nobody should."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

from fonoteca.ground.progress import Silent
from fonoteca.integrity import Checksum, SigningKey, create_key, sign_file, write_checksums
from fonoteca.integrity.digests import PieceHasher
from fonoteca.torrents import TorrentOptions, describe_torrent, make_torrent, read_torrent, write_torrents_json
from fonoteca.torrents.clients.client import TorrentClient
from fonoteca.workflows.mirror import Mirror, make_mirror
from fonoteca.workflows.mirror_client import open_mirror_client
from fonoteca.workflows.mirror_run import MirrorRun, RunReport

PIECE = 16_384
DATA = "test_data__aacid__test_files__20260101T000000Z--20260101T000000Z"
MORE = "test_data__aacid__test_files__20260102T000000Z--20260102T000000Z"
META = "test_meta__aacid__test_files__20260101T000000Z--20260101T000000Z.jsonl.seekable.zst"
SIZES = {"aacid__a": 40_000, "aacid__b": 16_384, "aacid__c": 1, "aacid__d": 100_001, "aacid__e": 60_000}


def random_files(name: str, sizes: dict[str, int]) -> dict[str, bytes]:
    """Bytes that depend on the names alone."""
    return {file: random.Random(f"{name}/{file}").randbytes(size) for file, size in sizes.items()}


class Release:
    """A release folder that can be published again and again; `lies` are put into its lists before they are signed."""

    def __init__(self, folder: Path, key: SigningKey | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key = key or create_key(folder.parent / f"{folder.name}.key")
        self.containers: dict[str, dict[str, bytes] | bytes] = {
            META: random.Random(META).randbytes(20_000),
            DATA: random_files(DATA, SIZES),
        }
        self.obsolete: list[dict[str, Any]] = []
        self.serial = 0

    def publish(
        self, *, serial: int | None = None, more_sums: dict[str, str] | None = None, torrents_json: bytes | None = None,
        told: dict[str, Any] | None = None, torrent_lies: dict[str, bytes] | None = None,
    ) -> Path:  # fmt: skip
        """Write everything anew and sign it."""
        self.serial = serial or self.serial + 1
        (self.folder / "torrents").mkdir(exist_ok=True)
        for old in (self.folder / "torrents").iterdir():
            old.unlink()
        entries = []
        for name, content in self.containers.items():
            entries.append(self._put(name, content, (torrent_lies or {}).get(name)))
        listed = write_torrents_json(entries)
        if self.obsolete:
            listed = json.dumps(json.loads(listed) + self.obsolete).encode()
        self.write("torrents.json", torrents_json if torrents_json is not None else listed)
        self.write("minisign.pub", self.key.public.minisign_file.encode())
        release = {"format": 1, "serial": self.serial, "institution": "test", "name": "Test", "key": self.key.public.fingerprint}
        self.write("release.json", json.dumps(release | (told or {})).encode())
        self.sign(more_sums)
        return self.folder

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(content)

    def _put(self, name: str, content: dict[str, bytes] | bytes, lie: bytes | None) -> Any:
        hasher = PieceHasher(PIECE)
        parts = content if isinstance(content, dict) else {"": content}
        for file, data in parts.items():
            hasher.update(data)
            self.write(f"containers/{name}/{file}".rstrip("/"), data)
        sizes: Any = [(file, len(data)) for file, data in parts.items()] if isinstance(content, dict) else len(parts[""])
        torrent = make_torrent(name, sizes, PIECE, hasher.finish())
        self.write(f"torrents/{name}.torrent", lie if lie is not None else torrent)
        info = read_torrent(torrent)
        return describe_torrent(
            infohash=info.infohash, name=name, display_name=name, sizes=(len(torrent), info.file_count, info.data_bytes),
            options=TorrentOptions(), url=f"torrents/{name}.torrent", group=("test", "files"), added_on="2026-01-01",
            is_metadata=not isinstance(content, dict),
        )  # fmt: skip

    def sign(self, more_sums: dict[str, str] | None = None) -> None:
        """SHA256SUMS over what lies there, and the four signatures."""
        skipped = {"SHA256SUMS", *(f"{name}.{end}" for name in ("SHA256SUMS", "release.json") for end in ("sig", "minisig"))}
        sums = dict(more_sums or {})
        for path in self.folder.rglob("*"):
            name = str(path.relative_to(self.folder))
            if path.is_file() and name not in skipped:
                sums.setdefault(name, hashlib.sha256(path.read_bytes()).hexdigest())
        lines = [Checksum(sha256, name) for name, sha256 in sorted(sums.items(), key=lambda one: os.fsencode(one[0]))]
        with open(self.folder / "SHA256SUMS", "wb") as file:
            try:
                write_checksums(file, lines)
            except Exception:  # what a publisher would never write
                file.truncate(0)
                file.seek(0)
                file.write(b"".join(f"{line.sha256}  {line.path}\n".encode() for line in lines))
        for name in ("SHA256SUMS", "release.json"):
            sign_file(self.key, self.folder / name, serial=self.serial)

    def without_containers(self, target: Path) -> Path:
        """The lists alone, as another folder: what is in the containers can then only come from peers."""
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder)
            if path.is_file() and name.parts[0] != "containers":
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (target / name).write_bytes(path.read_bytes())
        return target

    def is_held_at(self, folder: Path, *names: str) -> bool:
        """Whether these containers (all, where none is named) lie there byte for byte."""
        for name in names or self.containers:
            content = self.containers[name]
            files = {f"{name}/{file}": data for file, data in content.items()} if isinstance(content, dict) else {name: content}
            if any(not (folder / path).is_file() or (folder / path).read_bytes() != data for path, data in files.items()):
                return False
        return True


def new_mirror(path: Path, *peers: str, budget: str = "", **settings: str) -> Path:
    """An empty mirror that speaks to nobody but `peers`; `settings` are lines of [client] or at the top."""
    make_mirror(path, budget=budget)
    text = (path / "mirror.toml").read_text()
    text = text.replace('listen = "0.0.0.0:6881"', 'listen = "127.0.0.1:0"').replace("dht = true", "dht = false")
    text = text.replace("peers = []", f"peers = {json.dumps(peers)}")
    for name, value in settings.items():
        text = text.replace(f'{name} = ""', f'{name} = "{value}"')
    (path / "mirror.toml").write_text(text)
    return path


def run_once(mirror: Mirror, patience_s: float = 8, client: TorrentClient | None = None) -> RunReport:
    """One `mirror run --once` in this process."""
    with mirror.hold("run"):
        used = client or open_mirror_client(mirror)
        try:
            return MirrorRun(mirror, used, Silent(), patience_s=patience_s).go(once=True)
        finally:
            if client is None:
                used.close()


def paths_outside(top: Path, *allowed: Path) -> list[Path]:
    """Files below `top` that lie in none of the allowed folders."""
    return [path for path in top.rglob("*") if path.is_file() and not any(path.is_relative_to(folder) for folder in allowed)]
