"""`status`, `show` and `get`: what the archive holds, one track in full, one track as a file."""

from __future__ import annotations

import os
import re
from typing import Any

import msgspec

from fonoteca.catalogue import NOT_PACKED, FileRow
from fonoteca.catalogue.same_recordings import what_is_the_same
from fonoteca.ground.errors import NotFoundError
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_records import rights_facts
from fonoteca.workflows.publish import count_left_out
from fonoteca.workflows.rights_policy import decide_rights


class ArchiveStatus(msgspec.Struct, kw_only=True):
    """Counts of an archive: tracks by status and by rights, files waiting and packed, findings that stand, the last release."""

    name: str
    path: str
    tracks: dict[str, int]
    rights: list[dict[str, Any]]
    sources: dict[str, int]
    not_decoded: int
    containers: list[dict[str, Any]]
    bytes: int
    publishable: int
    left_out: dict[str, int]
    findings: dict[str, int]
    release: dict[str, Any] | None
    has_unfinished_build: bool


def read_status(archive: Archive) -> ArchiveStatus:
    """What there is, counted."""
    containers = list(archive.ledger.containers(state="current"))
    last = archive.ledger.last_release()
    left_out = count_left_out(archive)
    left_out.pop(NOT_PACKED, None)  # the next build makes them, and then they may be published
    held = archive.catalogue.counts_by_status().get("held", 0)
    return ArchiveStatus(
        name=archive.settings.name, path=str(archive.path), tracks=archive.catalogue.counts_by_status(),
        rights=[msgspec.structs.asdict(count) for count in archive.catalogue.counts_by_rights()],
        sources=archive.ledger.counts_of_sources(), not_decoded=archive.ledger.count_not_decoded(),
        containers=[{"name": one.name, "content": one.content, "tier": one.tier, "is_public": one.is_public, "members": one.member_count,
                     "bytes": one.data_bytes + one.metadata_bytes} for one in containers],
        bytes=sum(one.data_bytes + one.metadata_bytes for one in containers), publishable=held - sum(left_out.values()),
        left_out=dict(left_out), findings=archive.ledger.counts_of_findings(),
        release={"serial": last.serial, "state": last.state} if last else None,
        has_unfinished_build=archive.ledger.running_build() is not None,
    )  # fmt: skip


def find_track(archive: Archive, text: str) -> str:
    """The one track that `text` names: id, ISRC, MBID, AACID, hash, title, or the path it came from. NotFoundError otherwise."""
    source = archive.ledger.source_at(os.path.abspath(os.fsencode(text)))
    ids = [source.track_id] if source and source.track_id else archive.catalogue.find_tracks(text)
    if not ids and (member := archive.ledger.member(text)):
        ids = [member.id]
    if not ids:
        ids = archive.ledger.tracks_of_hash(text.lower()) if re.fullmatch(r"[0-9a-fA-F]{64}", text) else []
    if not ids:
        raise NotFoundError(f"no track answers to {text!r}", "Give a title, an id, an ISRC, an AACID, a SHA-256 or the path it came from.")
    if len(ids) > 1:
        listed = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        raise NotFoundError(f"{len(ids)} tracks answer to {text!r}: {listed}", "Give the id of one of them.")
    return str(ids[0])


def show_track(archive: Archive, text: str) -> dict[str, Any]:
    """Everything that is known of one track, as one JSON object."""
    id = find_track(archive, text)
    track = archive.catalogue.get_track(id)
    assert track is not None
    decision = decide_rights(archive, track.rights_uri)
    sources = [{"path": source.shown_path, "state": source.state, "size": source.size, "sha256": source.sha256, "format": source.format,
                "essence_sha256": source.essence_sha256, "loudness_lufs": source.loudness_lufs, "decoded_at": source.decoded_at}
               for source in archive.ledger.sources_of_track(id)]  # fmt: skip
    told: dict[str, Any] = msgspec.to_builtins(track)
    stone = next((stone for stone in archive.catalogue.tombstones() if stone.track_id == id), None)
    return told | {
        "status": track.status,
        "rights": rights_facts(track, decision) | ({"may_be_published": False, "why": "withdrawn"} if stone else {"why": decision.why}),
        "files": [_file_facts(archive, row) for row in archive.catalogue.files_of(id)],
        "sources": sources,
        "same_recordings": [msgspec.to_builtins(one) for one in what_is_the_same(archive.catalogue.statements, id)],
        "tombstone": msgspec.to_builtins(stone) if stone else None,
        "findings": [msgspec.to_builtins(finding) for finding in archive.ledger.findings_about(id)],
    }


def _file_facts(archive: Archive, row: FileRow) -> dict[str, Any]:
    member = archive.ledger.member(row.aacid)
    told: dict[str, Any] = msgspec.to_builtins(row)
    return told | {"proved_at": member.proved_at if member else None, "has_patch": bool(member and member.patch)}
