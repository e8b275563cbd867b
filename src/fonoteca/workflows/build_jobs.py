"""From a planned member to the job that makes it, or to the facts of one that is held already."""

from __future__ import annotations

import hashlib
import os

from fonoteca.audio import make_picture, picture_block, pictures_of_patch
from fonoteca.catalogue import TrackRecord
from fonoteca.ground.things import Picture
from fonoteca.integrity import Member, PlannedContainer, PlannedMember, Source
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_records import added_comments, carried_comments
from fonoteca.workflows.members import MadeMember, MemberJob
from fonoteca.workflows.picture_shelf import shelf_of


class JobMaker:
    """Looks up in catalogue and ledger what each member of one container needs."""

    def __init__(self, archive: Archive, planned: PlannedContainer) -> None:
        self.archive, self.planned = archive, planned
        self.rates = {tier.name: tier.opus_kbits for tier in archive.settings.tier_list}
        self._looked_up: dict[str, tuple[TrackRecord, Source]] = {}

    def look_up(self, id: str) -> tuple[TrackRecord | None, Source | None]:
        """Track and kept source; what a job was made from a moment ago is not asked for again."""
        return self._looked_up.pop(id, None) or (self.archive.catalogue.get_track(id), self.archive.ledger.source_of_track(id))

    def held_facts(self, member: PlannedMember) -> MadeMember:
        """The facts of the member that is issued again; of nothing for a patch that is new."""
        old = self.archive.ledger.member(member.replaces) if member.replaces else None
        if old is None:
            return MadeMember(id=member.id, action=member.action)
        return facts_of(old)

    def make(self, member: PlannedMember) -> MemberJob:
        """The job for a member that has to be made."""
        if member.action == "cover":
            return MemberJob(id=member.id, action="cover", paths=(os.fsencode(self.archive.picture_file(member.id)),), sha256="")
        if member.action == "restore":
            return self._restore(member)
        track, source = self.look_up(member.id)
        if source is None or track is None:
            return MemberJob(id=member.id, action="copy", paths=(), sha256="")
        self._looked_up[member.id] = track, source
        comments: tuple[tuple[str, str], ...] = ()
        if member.action == "encode":
            comments = carried_comments(track, source) + self._embedded(source)
        elif member.action == "retag":
            comments = added_comments(track, source)
        return MemberJob(
            id=member.id, action=member.action, paths=self._places(source), sha256=source.sha256, size=source.size, format=source.format,  # type: ignore[arg-type]
            additions=comments,
            opus_kbits=self.rates.get(self.planned.tier), serial=int.from_bytes(hashlib.sha256(member.id.encode()).digest()[:4], "big"),
            loudness_lufs=source.loudness_lufs, pictures=shelf_of(self.archive, source.pictures),
            strip_pictures=not self.archive.settings.covers.embed,
        )  # fmt: skip

    def _restore(self, member: PlannedMember) -> MemberJob:
        old = self.archive.ledger.member(member.replaces or "")
        assert old is not None and old.source_sha256
        place = os.fsencode(self.archive.containers / old.container / old.aacid)
        pictures = shelf_of(self.archive, [picture.sha256 for picture in pictures_of_patch(old.patch or b"")])
        return MemberJob(
            id=member.id, action="restore", paths=(place,), sha256=old.source_sha256, size=old.size, patch=old.patch, pictures=pictures
        )

    def _places(self, source: Source) -> tuple[bytes, ...]:
        """Where the bytes may be: the kept copy, the place they came from, other places with the same bytes."""
        places = [source.path]
        for other in self.archive.ledger.sources_of_track(source.track_id or ""):
            if other.sha256 == source.sha256:
                if other.original:
                    places.insert(0, os.fsencode(self.archive.originals / other.original))
                places.append(other.path)
        return tuple(dict.fromkeys(places))

    def _embedded(self, source: Source) -> tuple[tuple[str, str], ...]:
        """Covers as comments, where the settings ask for them in files that are kept."""
        if not self.archive.settings.covers.embed:
            return ()
        found = (find_picture(self.archive, sha256) for sha256 in source.pictures)
        return tuple(("METADATA_BLOCK_PICTURE", picture_block(picture).decode()) for picture in found if picture)


def facts_of(old: Member) -> MadeMember:
    """What the ledger knows of a member, as a build takes it."""
    return MadeMember(
        id=old.id, action=old.action, sha256=old.sha256, size=old.size, source_sha256=old.source_sha256 or "",
        essence_sha256=old.essence_sha256, patch=old.patch, encoder=old.encoder, samples=old.samples, loudness_lufs=old.loudness_lufs,
    )  # fmt: skip


def find_picture(archive: Archive, sha256: str, kind: int = 3, description: str = "") -> Picture | None:
    """A cover by its SHA-256, None where it is not to be had whole."""
    content = shelf_of(archive, [sha256]).find(sha256)
    return make_picture(content, kind, description) if content is not None else None
