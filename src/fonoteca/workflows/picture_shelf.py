"""Covers that are kept apart from the files that show them: where each one is, found by its SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fonoteca.catalogue import is_public_id, picture_id_of
from fonoteca.ground.files import write_atomically
from fonoteca.integrity import PathSet

if TYPE_CHECKING:
    from fonoteca.ground.things import Picture
    from fonoteca.workflows.archive import Archive


class PictureShelf(msgspec.Struct, frozen=True):
    """Pairs of SHA-256 (hex) and path, best place first; can be handed to threads and other processes."""

    places: tuple[tuple[str, bytes], ...] = ()

    def find(self, sha256: str) -> bytes | None:
        """The bytes of a picture, None where they are not to be had whole."""
        for name, path in self.places:
            if name == sha256 and (content := _read_if_there(path)) and hashlib.sha256(content).hexdigest() == sha256:
                return content
        return None


def _read_if_there(path: bytes) -> bytes | None:
    try:
        return Path(os.fsdecode(path)).read_bytes()
    except OSError:
        return None


def shelf_of(archive: Archive, hashes: Iterable[str]) -> PictureShelf:
    """Where these covers are: in their container, or where they wait for one."""
    places = []
    for sha256 in hashes:
        id = picture_id_of(sha256)
        if held := archive.ledger.current_member(id, "cover"):
            places.append((sha256, os.fsencode(archive.containers / held.container / held.aacid)))
        places.append((sha256, os.fsencode(archive.picture_file(id))))
    return PictureShelf(tuple(places))


def keep_pictures(archive: Archive, pictures: Iterable[Picture]) -> None:
    """Let these covers wait for their container, unless they are in one."""
    for picture in pictures:
        id = picture_id_of(picture.sha256)
        file = archive.picture_file(id)
        if not file.exists() and archive.ledger.current_member(id, "cover") is None:
            file.parent.mkdir(exist_ok=True)
            write_atomically(file, picture.data)


def clear_waiting_pictures(archive: Archive) -> None:
    """Remove covers that wait for nothing: they are in a container, or no file that is kept shows them any more."""
    folders = [folder for folder in sorted(archive.pictures.iterdir()) if folder.is_dir()]
    if not any(next(folder.iterdir(), None) for folder in folders):
        return
    deleted = {stone.track_id for stone in archive.catalogue.tombstones() if stone.fate == "delete"}
    with PathSet() as shown:
        for track_id, listed in archive.ledger.rows("SELECT track_id, pictures FROM sources WHERE state = 'kept' AND pictures <> '[]'"):
            if track_id not in deleted:
                for sha256 in msgspec.json.decode(listed, type=list[str]):
                    shown.add(picture_id_of(sha256))
        for folder in folders:
            for path in folder.iterdir():
                if is_public_id(path.name) and (path.name not in shown or archive.ledger.current_member(path.name, "cover") is not None):
                    path.unlink(missing_ok=True)
