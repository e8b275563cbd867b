"""Covers that are kept apart from the files that show them: where each one is, found by its SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fonoteca.catalogue import picture_id_of

if TYPE_CHECKING:
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
