"""`get`: one track as a file, its cover embedded, or as it came."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from fonoteca.audio import apply_patch, pictures_of_patch, retag_ogg
from fonoteca.catalogue import TrackRecord
from fonoteca.ground.errors import FonotecaError, FormatError, NotFoundError, UsageError
from fonoteca.ground.files import open_atomically, reflink_or_copy
from fonoteca.ground.things import OGG_FORMATS, Picture
from fonoteca.integrity import Member, Source
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_jobs import find_picture
from fonoteca.workflows.build_records import suffix_of
from fonoteca.workflows.lookup import find_track
from fonoteca.workflows.picture_shelf import PictureShelf, shelf_of

Content = tuple[bytes | memoryview, ...] | Path
"""What the file will be: bytes, or another file that was proved to be right."""


def get_track(
    archive: Archive, text: str, target: Path | None, *, original: bool, may_replace: bool = False, dry_run: bool = False
) -> Path:
    """Write one track as a file, cover embedded; with `original` the file as it came, byte for byte. Gives its path.

    A file that is there is replaced only with `may_replace`. `dry_run` does all but the writing, and fails where that would.
    """
    id = find_track(archive, text)
    track = archive.catalogue.get_track(id)
    member = archive.ledger.current_member(id)
    assert track is not None
    if track.status == "withdrawn":
        raise NotFoundError(f"{track.title or id} was withdrawn: {track.status_reason}", "fonoteca show tells more.")
    suffix, find_content = (_suffix_of_original, _find_original) if original else (_suffix_of_member, _find_held)
    path = _target(archive, target, track, suffix(archive, track, member), may_replace=may_replace)
    content = find_content(archive, track, member)
    if not dry_run:
        _write(path, content)
    return path


def _write(path: Path, content: Content) -> None:
    if isinstance(content, Path):
        reflink_or_copy(content, path, is_ours=False)
        return
    with open_atomically(path, is_ours=False) as file:
        file.writelines(content)


def _suffix_of_member(archive: Archive, track: TrackRecord, member: Member | None) -> str:
    return next((suffix_of(row.format) for row in archive.catalogue.files_of(track.id) if member and row.aacid == member.aacid), "")


def _suffix_of_original(archive: Archive, track: TrackRecord, member: Member | None) -> str:
    source = archive.ledger.source_of_track(track.id)
    return suffix_of((source and source.format) or "") or _suffix_of_member(archive, track, member)


def _find_held(archive: Archive, track: TrackRecord, member: Member | None) -> Content:
    """The member, with its covers where it can have them."""
    if member is None:
        why = f"{track.status}: {track.status_reason}" if track.status_reason else track.status
        hint = "Build it first with: fonoteca build" if track.status == "held" else "While its file is there, --original gives it."
        raise NotFoundError(f"{track.title or track.id} is not in a container ({why})", hint)
    row = next(row for row in archive.catalogue.files_of(track.id) if row.aacid == member.aacid)
    place = archive.containers / member.container / member.aacid
    pictures = _covers(archive, track, member)
    if row.format in OGG_FORMATS and pictures:
        try:
            return tuple(retag_ogg(_read_member(archive, member), (), pictures, path=str(place)).parts)
        except FormatError:
            pass
    return _proved(place, member.sha256)


def _read_member(archive: Archive, member: Member) -> bytes:
    content = (archive.containers / member.container / member.aacid).read_bytes()
    _check_digest(hashlib.sha256(content).hexdigest(), member.sha256, member.aacid)
    return content


def _proved(place: Path, sha256: str) -> Path:
    """Only what is what was written is copied: damage is never handed on as music."""
    with open(place, "rb") as file:
        _check_digest(hashlib.file_digest(file, "sha256").hexdigest(), sha256, str(place))
    return place


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


def _find_original(archive: Archive, track: TrackRecord, member: Member | None) -> Content:
    """The file as it came: the member itself, the member and its patch, a copy that was kept; what was not built yet, from its source."""
    if member is not None and member.action in ("copy", "restore"):
        return _proved(archive.containers / member.container / member.aacid, member.sha256)
    if member is not None and member.patch is not None:
        return (apply_patch(_read_member(archive, member), member.patch, _shelf(archive, member.patch).find),)
    source = archive.ledger.source_of_track(track.id)
    came_sha256 = member.source_sha256 if member and member.source_sha256 else (source.sha256 if source else "")
    others = [other for other in archive.ledger.sources_of_track(track.id) if other.sha256 == came_sha256]
    for other in others:
        if other.original:
            return _proved(archive.originals / other.original, other.sha256)
    if member is None:
        return _find_source(track, others)
    where = f" It came from {source.shown_path}." if source else ""
    raise FonotecaError(
        f"{track.title or track.id} was encoded, so its original cannot be restored.{where}", "Add with --keep-originals to keep what came."
    )


def _find_source(track: TrackRecord, sources: list[Source]) -> Path:
    """The first of the places a file came from that still has it."""
    for place in (Path(os.fsdecode(source.path)) for source in sources):
        try:
            with open(place, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == sources[0].sha256:
                    return place
        except OSError:
            continue
    if not sources:
        hint = "Add a folder that has one: fonoteca add FOLDER"
        raise NotFoundError(f"no file of {track.title or track.id} is here ({track.status})", hint)
    raise NotFoundError(
        f"{track.title or track.id} is in no container yet, and {sources[0].shown_path} is gone or no longer what was added",
        "Put the file back, or add its new place with: fonoteca add",
    )


def _target(archive: Archive, target: Path | None, track: TrackRecord, suffix: str, *, may_replace: bool) -> Path:
    """A path that was given, or a name made of artist and title in the folder that was given or in this one.

    Sources and what the archive holds are never written over, other files only where that was asked for.
    """
    path = target if target is not None and not target.is_dir() else (target or Path()) / safe_file_name(track, suffix)
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder", "Make it, or give another path with --output.")
    whole = path.resolve()
    if whole.exists() and (whole.is_relative_to(archive.path.resolve()) or archive.ledger.source_at(os.fsencode(whole)) is not None):
        raise UsageError(f"{path} is a source or belongs to the archive", "Give another path with --output.")
    if os.path.lexists(path) and not may_replace:
        raise UsageError(f"{path} is there already", "Give another path with --output, or replace it with --yes.")
    return path


def safe_file_name(track: TrackRecord, suffix: str) -> str:
    """Artist and title as a file name that every system takes."""
    name = " - ".join(part for part in (", ".join(track.artists), track.title) if part) or track.id
    safe = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", name).strip(". ").encode("utf-8", "replace")[:200].decode("utf-8", "ignore")
    safe = safe.rstrip(". ") or track.id
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", safe):
        safe = "_" + safe
    return safe + suffix
