"""`show`: everything that is known of one track, album, artist or container, in an archive or in an edition alone."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.catalogue import Catalogue, Edition, Found
from fonoteca.catalogue.same_recordings import what_is_the_same
from fonoteca.ground.errors import NotFoundError
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.lookup import show_track
from fonoteca.workflows.read_catalogue import opened_edition

_KEYS = "Give a title, an artist, an id, an ISRC, a UPC, an MBID, an AACID, a SHA-256, a container or the path it came from."


def show_in_archive(archive: Archive, text: str) -> dict[str, Any]:
    """What `text` names, as one JSON object with its `kind`; NotFoundError where it is nothing, or more than one thing."""
    found = _one_of(_from_ledger(archive, text) or archive.catalogue.find(text), text)
    if found.kind == "track":
        return {"kind": "track", **show_track(archive, found.id)}
    return _facts(archive.catalogue, found)


def show_in_edition(path: Path, text: str) -> dict[str, Any]:
    """As show_in_archive, from a published edition alone."""
    with opened_edition(path) as edition:
        found = _one_of(edition.find(text), text)
        return _track_facts(edition, found.id) if found.kind == "track" else _facts(edition, found)


def _from_ledger(archive: Archive, text: str) -> list[Found]:
    """Paths and AACIDs of everything, and hashes of files that no container holds yet."""
    source = archive.ledger.source_at(os.path.abspath(os.fsencode(text)))
    if source and source.track_id:
        return [Found("track", source.track_id)]
    if member := archive.ledger.member(text):
        ids = [member.id]
    else:
        ids = archive.ledger.tracks_of_hash(text.lower()) if re.fullmatch(r"[0-9a-fA-F]{64}", text) else []
    return [Found("track", track_id) for track_id in ids if archive.catalogue.get_track(track_id) is not None]


def _one_of(found: list[Found], text: str) -> Found:
    if not found:
        raise NotFoundError(f"nothing answers to {text[:200]!r}", _KEYS)
    if len(found) > 1:
        listed = ", ".join(f"{thing.kind} {thing.id}" for thing in found[:5]) + (" …" if len(found) > 5 else "")
        raise NotFoundError(f"{len(found)} things answer to {text[:200]!r}: {listed}", "Give the id of one of them.")
    return found[0]


def _facts(catalogue: Catalogue | Edition, found: Found) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(catalogue.facts_of(found))
    record: dict[str, Any] = facts.pop("record", {})
    return {"kind": found.kind, **record, **facts}


def _track_facts(edition: Edition, track_id: str) -> dict[str, Any]:
    track = edition.get_track(track_id)
    assert track is not None
    told: dict[str, Any] = msgspec.to_builtins(track)
    stone = edition.tombstone_of(track_id)
    facts = {
        "status": track.status,
        "rights": edition.rights_of(track_id),
        "provenance": edition.provenance(track_id),
        "files": [msgspec.to_builtins(row) for row in edition.files_of(track_id)],
        "same_recordings": [msgspec.to_builtins(one) for one in what_is_the_same(edition.statements, track_id)],
        "tombstone": msgspec.to_builtins(stone) if stone else None,
    }
    return {"kind": "track", **told, **facts}
