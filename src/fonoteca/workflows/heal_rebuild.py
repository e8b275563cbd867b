"""Making damaged files of an archive again: members from their originals, originals from their members, covers from what shows them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.audio import apply_patch, pictures_of_patch, probe_file, retag_ogg
from fonoteca.audio.graft import graft_header
from fonoteca.catalogue import TrackRecord
from fonoteca.containers import FolderStore, Record, open_container
from fonoteca.ground.errors import FonotecaError, NotFoundError, PatchError
from fonoteca.ground.findings import Finding
from fonoteca.ground.workers import Processes
from fonoteca.integrity import Member, PlannedContainer, PlannedMember, Source
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_jobs import JobMaker
from fonoteca.workflows.build_records import added_comments
from fonoteca.workflows.heal_items import DamagedFile, Maker
from fonoteca.workflows.heal_places import OriginalsIndex, sha256_of
from fonoteca.workflows.members import MadeMember, MemberJob, make_member
from fonoteca.workflows.picture_shelf import shelf_of

Parts = Iterable[bytes | memoryview]


class Rebuilder:
    """Ways to make the files of one archive again; what comes out is proved by the caller."""

    def __init__(self, archive: Archive, originals: OriginalsIndex) -> None:
        self.archive, self.originals = archive, originals

    def makers(self, file: DamagedFile) -> Iterator[tuple[str, Maker]]:
        """Each way in words, most promising first."""
        if file.name.startswith("originals/"):
            yield from self._from_members(file)
            return
        member = self.archive.ledger.member(file.path.name) if file.track else None
        if member is None:
            return
        if member.content == "cover":
            yield from self._cover(member)
        elif member.action == "retag":
            yield from self._retag(member, file)
        elif member.action == "encode":
            yield from self._encode(member)
        if member.content == "audio":
            yield from self._original_by_patch(member.sha256)

    # ---- where the source of a member is

    def sources(self, sha256: str) -> Iterator[Path]:
        """Files that may have these bytes: kept copies, the places they came from, folders of originals."""
        rows = self.archive.ledger.rows("SELECT path, original, size FROM sources WHERE sha256 = ?", sha256)
        found = [(Path(os.fsdecode(row[0])), row[1], row[2]) for row in rows]
        yield from (self.archive.originals / original for _, original, _ in found if original)
        yield from (path for path, _, _ in found)
        for size in {size for _, _, size in found}:
            yield from self.originals.places(size, sha256)

    def _good_source(self, sha256: str) -> Path:
        for path in self.sources(sha256):
            if sha256_of(path) == sha256:
                return path
        raise NotFoundError("the file that it was made from is not here", "Name its folder under [heal] originals.")

    def _has_source(self, sha256: str | None) -> bool:
        return bool(sha256) and any(path.is_file() for path in self.sources(sha256 or ""))

    # ---- members

    def _retag(self, member: Member, file: DamagedFile) -> Iterator[tuple[str, Maker]]:
        if not self._has_source(member.source_sha256):
            return
        yield "its original, with the tags that the catalogue gives", partial(self._by_job, member, "retag")
        yield "its original, with the tags that its record gives", partial(self._by_record, member, file)
        if file.path.is_file():
            yield "its own header and the sound of its original", partial(self._by_header, member, file)

    def _job(self, member: Member, action: str) -> MemberJob:
        container = self.archive.ledger.container(member.container)
        assert container is not None
        planned = PlannedContainer(
            build=0, number=0, collection=container.collection, content=container.content, tier=container.tier,
            is_public=container.is_public, predicted_bytes=0, piece_length=1,
        )  # fmt: skip
        job = JobMaker(self.archive, planned).make(PlannedMember(member.id, action))
        source = self._good_source(member.source_sha256 or "")
        return msgspec.structs.replace(job, paths=(os.fsencode(source),), sha256=member.source_sha256 or "")

    def _by_job(self, member: Member, action: str) -> Parts:
        return _chunks(make_member(self._job(member, action)), member)

    def _encode(self, member: Member) -> Iterator[tuple[str, Maker]]:
        if self._has_source(member.source_sha256):
            yield f"its original, encoded again (it was {member.encoder})", partial(self._by_encoding, member)

    def _by_encoding(self, member: Member) -> Parts:
        """In a process of its own: decoders may crash."""
        job = self._job(member, "encode")
        with Processes(1) as processes:
            made = processes.result_of(processes.submit(make_member, job), make_member, job)
        if made.encoder and member.encoder and made.encoder != member.encoder:
            raise NotFoundError(f"it was encoded by {member.encoder}, here is {made.encoder}", "The same encoder gives the same bytes.")
        return _chunks(made, member)

    def _by_record(self, member: Member, file: DamagedFile) -> Parts:
        """The record in the metadata file tells the tags as they were when the member was made."""
        source_row = next(iter(self.archive.ledger.rows("SELECT path FROM sources WHERE sha256 = ? LIMIT 1", member.source_sha256)), None)
        source = self.archive.ledger.source_at(source_row[0]) if source_row else None
        if source is None:
            raise NotFoundError("the ledger does not know its source any more", "")
        track, source = self._told_by_record(member, source)
        content = self._good_source(member.source_sha256 or "").read_bytes()
        shelf = shelf_of(self.archive, source.pictures)
        strips = bool(member.patch and pictures_of_patch(member.patch))
        find = shelf.find if strips else None
        return retag_ogg(content, added_comments(track, source), path=str(file.path), strip_pictures=strips, find_picture=find).parts

    def _told_by_record(self, member: Member, source: Source) -> tuple[TrackRecord, Source]:
        container = self.archive.ledger.container(member.container)
        assert container is not None
        for record in open_container(FolderStore(self.archive.containers), container.metadata_file).records():
            if not isinstance(record, Finding) and record.aacid == member.aacid:
                return _track_of(record), msgspec.structs.replace(source, **_source_facts(record))
        raise NotFoundError("its record cannot be read", "")

    def _by_header(self, member: Member, file: DamagedFile) -> Parts:
        original = self._good_source(member.source_sha256 or "").read_bytes()
        return (graft_header(file.path.read_bytes(), original),)

    def _cover(self, member: Member) -> Iterator[tuple[str, Maker]]:
        statement = "SELECT path, original FROM sources WHERE instr(pictures, ?) LIMIT 20"
        for path, original in list(self.archive.ledger.rows(statement, member.sha256)):
            for place in (*([self.archive.originals / original] if original else []), Path(os.fsdecode(path))):
                if place.is_file():
                    yield f"the picture in {place}", partial(self._picture_of, place, member.sha256)

    def _picture_of(self, place: Path, sha256: str) -> Parts:
        for picture in probe_file(place, decode=False).pictures:
            if picture.sha256 == sha256:
                return (picture.data,)
        raise NotFoundError(f"{place} does not show the picture any more", "")

    # ---- originals

    def _from_members(self, file: DamagedFile) -> Iterator[tuple[str, Maker]]:
        yield from self._original_by_patch(file.sha256)

    def _original_by_patch(self, sha256: str) -> Iterator[tuple[str, Maker]]:
        """What came is a member and its patch."""
        statement = "SELECT aacid FROM members WHERE id IN (SELECT track_id FROM sources WHERE sha256 = ?1) AND source_sha256 = ?1"
        for (aacid,) in list(self.archive.ledger.rows(statement, sha256)):
            member = self.archive.ledger.member(aacid)
            if member is not None and member.patch is not None and member.sha256 != sha256:
                yield f"{aacid} and the patch back to its original", partial(self._apply, member)

    def _apply(self, member: Member) -> Parts:
        assert member.patch is not None
        place = self.archive.containers / member.container / member.aacid
        if sha256_of(place) != member.sha256:
            raise PatchError(f"{place} is damaged itself", "Mend it first.")
        shelf = shelf_of(self.archive, [picture.sha256 for picture in pictures_of_patch(member.patch)])
        return (apply_patch(place.read_bytes(), member.patch, shelf.find),)


def _chunks(made: MadeMember, member: Member) -> Parts:
    if not made.is_made:
        raise NotFoundError(made.findings[0].fact if made.findings else "it could not be made", "")
    if made.sha256 != member.sha256:
        raise FonotecaError(f"it comes out otherwise today: as {made.action} with SHA-256 {made.sha256[:16]}…")
    return made.chunks()


def _track_of(record: Record) -> TrackRecord:
    told: dict[str, Any] = msgspec.json.decode(record.metadata)
    rights = told.get("rights") or {}
    facts = {name: told[name] for name in TrackRecord.__struct_fields__ if name in told}
    return msgspec.convert(facts | {"rights_uri": rights.get("uri")}, TrackRecord, strict=False)


def _source_facts(record: Record) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(record.metadata)
    found: dict[str, Any] = {"tags": {name: tuple(values) for name, values in (told.get("tags") or {}).items()}}
    if told.get("loudness_lufs") is not None:
        found["loudness_lufs"] = told["loudness_lufs"]
    return found
