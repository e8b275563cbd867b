"""`status`, `show` and `get`: what the archive holds, one track in full, one track as a file."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.audio import apply_patch, pictures_of_patch, retag_ogg
from fonoteca.catalogue import NOT_PACKED, FileRow, TrackRecord
from fonoteca.ground.errors import FonotecaError, FormatError, NotFoundError, UsageError
from fonoteca.ground.files import open_atomically, reflink_or_copy, write_atomically
from fonoteca.ground.things import OGG_FORMATS, Picture
from fonoteca.integrity import Member
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_jobs import find_picture
from fonoteca.workflows.build_records import rights_facts, suffix_of
from fonoteca.workflows.picture_shelf import PictureShelf, shelf_of
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
        "rights": rights_facts(track, decision) | ({"may_be_published": False, "why": "withdrawn"} if stone else {"why": decision.why}),
        "files": [_file_facts(archive, row) for row in archive.catalogue.files_of(id)],
        "sources": sources,
        "tombstone": msgspec.to_builtins(stone) if stone else None,
        "findings": [msgspec.to_builtins(finding) for finding in archive.ledger.findings_about(id)],
    }


def _file_facts(archive: Archive, row: FileRow) -> dict[str, Any]:
    member = archive.ledger.member(row.aacid)
    told: dict[str, Any] = msgspec.to_builtins(row)
    return told | {"proved_at": member.proved_at if member else None, "has_patch": bool(member and member.patch)}


def get_track(archive: Archive, text: str, target: Path | None, *, original: bool) -> Path:
    """Write one track as a file, cover embedded; with `original` the file as it came, byte for byte. Gives its path."""
    id = find_track(archive, text)
    track = archive.catalogue.get_track(id)
    member = archive.ledger.current_member(id)
    assert track is not None
    if track.status == "withdrawn":
        raise NotFoundError(f"{track.title or id} was withdrawn: {track.status_reason}", "fonoteca show tells more.")
    if original:
        return _get_original(archive, track, member, target)
    if member is None:
        raise NotFoundError(f"{track.title or id} is not in a container ({track.status})", "Build it first with: fonoteca build")
    row = next(row for row in archive.catalogue.files_of(id) if row.aacid == member.aacid)
    path = _target(archive, target, track, suffix_of(row.format))
    place = archive.containers / member.container / member.aacid
    pictures = _covers(archive, track, member)
    if row.format in OGG_FORMATS and pictures:
        try:
            tagged = retag_ogg(_read_member(archive, member), (), pictures, path=str(place))
        except FormatError:
            pass
        else:
            with open_atomically(path) as file:
                file.writelines(tagged.parts)
            return path
    _copy_proved(place, path, member.sha256)
    return path


def _read_member(archive: Archive, member: Member) -> bytes:
    content = (archive.containers / member.container / member.aacid).read_bytes()
    _check_digest(hashlib.sha256(content).hexdigest(), member.sha256, member.aacid)
    return content


def _copy_proved(place: Path, path: Path, sha256: str) -> None:
    """Copy only what is what was written: damage is never handed on as music."""
    with open(place, "rb") as file:
        _check_digest(hashlib.file_digest(file, "sha256").hexdigest(), sha256, str(place))
    reflink_or_copy(place, path)


def _check_digest(found: str, expected: str, name: str) -> None:
    if found != expected:
        hint = "Take it again from the torrent or a mirror; fonoteca verify names every file that needs it."
        raise FonotecaError(f"{name} is damaged: its SHA-256 is {found[:16]}… and should be {expected[:16]}…", hint)


def _covers(archive: Archive, track: TrackRecord, member: Member) -> list[Picture]:
    """The covers to embed: those taken out of the file, with the kind and words that they had there; then what else the track shows."""
    taken = pictures_of_patch(member.patch) if member.patch else ()
    found = [find_picture(archive, one.sha256, one.kind, one.description) for one in taken]
    found += [find_picture(archive, sha256) for sha256 in track.pictures if sha256 not in {one.sha256 for one in taken}]
    return [picture for picture in found if picture]


def _shelf(archive: Archive, patch: bytes) -> PictureShelf:
    return shelf_of(archive, [picture.sha256 for picture in pictures_of_patch(patch)])


def _get_original(archive: Archive, track: TrackRecord, member: Member | None, target: Path | None) -> Path:
    source = archive.ledger.source_of_track(track.id)
    came_as = source.format if source else None
    came_sha256 = member.source_sha256 if member and member.source_sha256 else (source.sha256 if source else "")
    path = _target(archive, target, track, suffix_of(came_as or ""))
    if member is not None and member.action in ("copy", "restore"):
        _copy_proved(archive.containers / member.container / member.aacid, path, member.sha256)
        return path
    if member is not None and member.patch is not None:
        content = _read_member(archive, member)
        write_atomically(path, apply_patch(content, member.patch, _shelf(archive, member.patch).find))
        return path
    kept = next((other for other in archive.ledger.sources_of_track(track.id) if other.original and other.sha256 == came_sha256), None)
    if kept and kept.original:
        _copy_proved(archive.originals / kept.original, path, kept.sha256)
        return path
    if member is None:
        raise NotFoundError(f"{track.title or track.id} is not in a container ({track.status})", "Build it first with: fonoteca build")
    where = f" It came from {source.shown_path}." if source else ""
    raise FonotecaError(
        f"{track.title or track.id} was encoded, so its original cannot be restored.{where}", "Add with --keep-originals to keep what came."
    )


def _target(archive: Archive, target: Path | None, track: TrackRecord, suffix: str) -> Path:
    """A path that was given, or a name made of artist and title in the folder that was given or in this one.

    Sources and what the archive holds are never written over.
    """
    path = target if target is not None and not target.is_dir() else (target or Path()) / safe_file_name(track, suffix)
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder", "Make it, or give another path with --output.")
    whole = path.resolve()
    if whole.exists() and (whole.is_relative_to(archive.path.resolve()) or archive.ledger.source_at(os.fsencode(whole)) is not None):
        raise UsageError(f"{path} is a source or belongs to the archive", "Give another path with --output.")
    return path


def safe_file_name(track: TrackRecord, suffix: str) -> str:
    """Artist and title as a file name that every system takes."""
    name = " - ".join(part for part in (", ".join(track.artists), track.title) if part) or track.id
    safe = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", name).strip(". ").encode("utf-8", "replace")[:200].decode("utf-8", "ignore")
    safe = safe.rstrip(". ") or track.id
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", safe):
        safe = "_" + safe
    return safe + suffix
