"""What a client of ours keeps from run to run: the torrents it was given, the pieces it must not serve, resume data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fonoteca.ground.errors import AccessError, translate_os_errors
from fonoteca.ground.files import sync_folder, write_atomically

_TORRENT, _WITHHELD, _RESUME, _FOLDER = ".torrent", ".withheld.json", ".resume", ".folder"


class TorrentCache:
    """A folder with files named by infohash; each is whole or not there, whenever the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def keep_torrent(self, infohash: str, torrent: bytes) -> None:
        """The .torrent, for when only its infohash is given."""
        path = self._folder / (infohash + _TORRENT)
        if not path.exists():
            write_atomically(path, torrent)

    def torrent(self, infohash: str) -> bytes:
        """The .torrent that was given; AccessError where it never was."""
        path = self._folder / (infohash + _TORRENT)
        if not path.exists():
            raise AccessError(f"the torrent {infohash} was not added by this mirror", "Add it first.")
        with translate_os_errors(path):
            return path.read_bytes()

    def keep_folder(self, infohash: str, folder: Path) -> None:
        """Where a daemon was told to put it."""
        write_atomically(self._folder / (infohash + _FOLDER), os.fsencode(folder))

    def folder(self, infohash: str) -> Path | None:
        """The same, where it was kept."""
        path = self._folder / (infohash + _FOLDER)
        return Path(os.fsdecode(path.read_bytes())) if path.exists() else None

    def withhold(self, infohash: str, pieces: Iterable[int]) -> set[int]:
        """Note more pieces that must not be served; gives all of them."""
        noted = self.withheld(infohash) | set(pieces)
        write_atomically(self._folder / (infohash + _WITHHELD), msgspec.json.encode(sorted(noted)))
        return noted

    def withheld(self, infohash: str) -> set[int]:
        """The pieces that must not be served."""
        path = self._folder / (infohash + _WITHHELD)
        try:
            return set(msgspec.json.decode(path.read_bytes(), type=list[int]))
        except FileNotFoundError:
            return set()

    def trust(self, infohash: str) -> None:
        """Nothing is withheld any more."""
        self._drop(infohash + _WITHHELD)

    def keep_resume(self, infohash: str, resume: bytes) -> None:
        """What the embedded client knows of a torrent."""
        write_atomically(self._folder / (infohash + _RESUME), resume)

    def resume(self, infohash: str) -> bytes | None:
        """The same, as last kept."""
        path = self._folder / (infohash + _RESUME)
        return path.read_bytes() if path.exists() else None

    def forget(self, infohash: str) -> None:
        """Keep nothing of this torrent."""
        for ending in (_WITHHELD, _RESUME, _FOLDER, _TORRENT):
            self._drop(infohash + ending)

    def _drop(self, name: str) -> None:
        path = self._folder / name
        if path.exists():
            path.unlink(missing_ok=True)
            sync_folder(self._folder)
