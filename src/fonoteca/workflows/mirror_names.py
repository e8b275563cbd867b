"""What a source is called, and whether a new one is a known one at another place."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from fonoteca.ground.errors import FormatError, SignatureError
from fonoteca.integrity import follow_rotations, read_public_key
from fonoteca.integrity.mirror_ledger_rows import MirrorSource
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_lists import StagedRelease


def name_source(mirror: Mirror, source: MirrorSource, release: StagedRelease, notes: list[str]) -> MirrorSource:
    """The source with its key and number; a new one gets a name, or is found to be a known one that has moved."""
    if not source.source:
        moved = next((one for one in mirror.ledger.sources() if _has_moved(mirror, one, source, release)), None)
        if moved is not None:
            _check_moved(moved, release)
            notes.clear()  # its key is known
            notes.append(f"{moved.source} was at {moved.location}; from now on it is followed at {source.location}")
            source = msgspec.structs.replace(moved, location=source.location)
        else:
            source = msgspec.structs.replace(source, source=free_name(mirror, release.told.institution or release.told.name))
    return msgspec.structs.replace(
        source, key=release.key.minisign_text, serial=release.told.serial, checksums_sha256=release.checksums_sha256,
        followed_at=mirror.now(),
    )  # fmt: skip


def _has_moved(mirror: Mirror, known: MirrorSource, new: MirrorSource, release: StagedRelease) -> bool:
    """Whether a new source is a known one elsewhere: it calls itself the same, and is signed by its key or one that this key signed."""
    if known.kind != "release" or known.is_in_place != new.is_in_place or _institution(mirror, known) != release.told.institution:
        return False
    key = read_public_key(known.key)
    folder = Path(new.location) if new.is_in_place else release.folder
    try:
        return release.key.raw in (key.raw, follow_rotations(key, sorted(folder.glob("key-rotation-*.txt"))).raw)
    except FormatError:
        return False


def _check_moved(known: MirrorSource, release: StagedRelease) -> None:
    """Another place may not show what the known one could not."""
    if release.told.serial < known.serial:
        raise SignatureError(
            f"release {release.told.serial} is older than {known.serial}, which {known.source} held before", "Name a newer copy of it."
        )
    if release.told.serial == known.serial and release.checksums_sha256 != known.checksums_sha256:
        raise SignatureError(
            f"{known.source} had release {known.serial} with other lists", "Two releases must not share a number: ask the publisher."
        )


def _institution(mirror: Mirror, source: MirrorSource) -> str:
    try:
        told = msgspec.json.decode((mirror.release_of(source) / "release.json").read_bytes(), type=dict[str, msgspec.Raw])
        return msgspec.json.decode(told["institution"], type=str)
    except (OSError, KeyError, msgspec.DecodeError, RecursionError):
        return ""


def free_name(mirror: Mirror, wish: str) -> str:
    """A name for the folder of a new source, as close to the wish as can be."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "_", wish).strip("_")[:60] or "source"
    taken = {one.source for one in mirror.ledger.sources()}
    number = 1
    name = base
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name
