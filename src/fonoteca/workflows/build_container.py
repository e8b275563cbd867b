"""One planned container: its members made in parallel, written in the order of their names, recorded when it stands."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import msgspec

from fonoteca.catalogue import FileRow, picture_id_of
from fonoteca.containers import ContainerWriter, data_folder_name, format_timestamp, make_aacid, metadata_file_name
from fonoteca.ground.errors import ContainerFormatError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import Processes, count_cores, map_in_order, open_threads
from fonoteca.integrity import (
    Container,
    FileDigest,
    Member,
    MerkleHasher,
    PieceHasher,
    Pieces,
    PlannedContainer,
    PlannedMember,
    show_path,
)
from fonoteca.torrents import choose_piece_length
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_jobs import JobMaker
from fonoteca.workflows.build_journal import Journal
from fonoteca.workflows.build_records import audio_metadata, patch_metadata
from fonoteca.workflows.build_report import BuildReport
from fonoteca.workflows.made_members import MadeMembers
from fonoteca.workflows.members import MadeMember, MemberJob, make_member
from fonoteca.workflows.rights_policy import decide_rights

RECORD_BYTES = 1_000  # a record takes about this much, compressed; decides only how long the metadata file's pieces are

MOST_HELD_BYTES = 256 << 20  # of sources that are worked on at once; one that is larger is worked on alone


Planned = tuple[PlannedMember, MemberJob | MadeMember]
"""A member of the plan, with the job that makes it or the facts of one whose bytes are there."""


def _bytes_held(planned: Planned) -> int:
    return planned[1].size if isinstance(planned[1], MemberJob) else 0


class ContainerBuilder:
    """Makes one container of a plan, or goes on with it where a killed run stopped."""

    def __init__(
        self, archive: Archive, planned: PlannedContainer, second: int, processes: Processes, progress: Progress, report: BuildReport
    ) -> None:
        self.archive, self.planned, self.second = archive, planned, second
        self.processes, self.progress, self.report = processes, progress, report
        stamp, institution = format_timestamp(second), archive.settings.institution
        self.metadata_file = metadata_file_name(institution, planned.collection, stamp, stamp)
        self.data_folder = None if planned.content == "patch" else data_folder_name(institution, planned.collection, stamp, stamp)
        self.name = self.data_folder or self.metadata_file
        self.made = MadeMembers()
        self.jobs = JobMaker(archive, planned)
        self._open_hashers()

    def _open_hashers(self) -> None:
        count = self.archive.ledger.count_planned_members(self.planned.build, self.planned.number)
        self.data_pieces = PieceHasher(self.planned.piece_length)
        self.metadata_pieces = PieceHasher(choose_piece_length(max(1, count) * RECORD_BYTES))
        self.metadata_tree, self.metadata_digest = MerkleHasher(), FileDigest()

    def _observe_metadata(self, packed: bytes) -> None:
        for digest in (self.metadata_pieces, self.metadata_tree, self.metadata_digest):
            digest.update(packed)

    def build(self) -> None:
        """Make it, put it into containers/, record it."""
        if self.archive.ledger.container(self.name) is None:
            # a file under this name that the ledger does not know is left from a run that was killed just before it told the ledger
            (self.archive.containers / self.metadata_file).unlink(missing_ok=True)
            settings = self.archive.settings
            self.journal = Journal(self.archive.staging / f"{self.name}.journal")
            with ContainerWriter(
                self.archive.staging, data_folder=self.data_folder, metadata_file=self.metadata_file, frame_bytes=settings.frame_bytes,
                level=settings.containers.compression_level, observe_data=self.data_pieces.update,
                observe_metadata=self._observe_metadata, store_folder=self.archive.containers,
            ) as self.writer:  # fmt: skip
                self._fill()
                if self.made.count:
                    self.writer.finish()
                    self.writer.publish_into(self.archive.containers)
            self._record()
            self.journal.remove()
        self.made.close()
        self._clear_staging()

    def _clear_staging(self) -> None:
        for leftover in self.archive.staging.glob(f"{self.metadata_file}*"):
            leftover.unlink()
        if self.data_folder and (folder := self.archive.staging / f"{self.data_folder}.partial").is_dir():
            for name in folder.iterdir():
                name.unlink()
            folder.rmdir()

    def _fill(self) -> None:
        with open_threads(count_cores()) as threads:

            def submit(planned: Planned) -> Future[MadeMember]:
                job = planned[1]
                if isinstance(job, MemberJob):
                    return self.processes.submit(make_member, job) if job.action == "encode" else threads.submit(make_member, job)
                done: Future[MadeMember] = Future()
                done.set_result(job)
                return done

            results = map_in_order(submit, self._jobs(), 2 * count_cores() + 2, weigh=_bytes_held, room=MOST_HELD_BYTES)
            for (member, job), future in results:
                self._add(member, self._result(job, future))
                self.progress.advance()

    def _jobs(self) -> Iterator[Planned]:
        """A job for each member; facts instead where its bytes are there already (linked, or left by a killed run)."""
        left = self._left = self.writer.recover() if self.data_folder else {}
        for member in self.archive.ledger.planned_members(self.planned.build, self.planned.number):
            earlier = self.journal.entries.get(member.id)
            if earlier is not None and self._aacid(member.id, earlier.sha256) in left:
                yield member, MadeMember(**msgspec.structs.asdict(earlier))
            elif member.action in ("link", "patch"):
                yield member, self.jobs.held_facts(member)
            else:
                yield member, self.jobs.make(member)

    def _result(self, job: MemberJob | MadeMember, future: Future[MadeMember]) -> MadeMember:
        if not isinstance(job, MemberJob):
            return job
        try:
            return self.processes.result_of(future, make_member, job)
        except BrokenProcessPool:
            kept = make_member(msgspec.structs.replace(job, action="copy"))
            kept.findings = (Finding("encode-failed", show_path(job.paths[0]), "the encoder crashed on it", job.id), *kept.findings)
            return kept

    def _aacid(self, id: str, content: str) -> str:
        return make_aacid(self.planned.collection, self.second, id, f"{id} {content}")

    def _add(self, member: PlannedMember, made: MadeMember) -> None:
        self._note(made)
        if self.planned.content == "patch":
            self._add_patch(member, made)
        elif self.planned.content == "cover":
            self._add_cover(member, made)
        elif made.is_made:
            track, source = self.jobs.look_up(member.id)
            assert track is not None, member.id
            tier = self.planned.tier
            rights = decide_rights(self.archive, track.rights_uri)
            metadata = audio_metadata(track, source, made, rights, tier=tier, replaces=member.replaces)
            self._write(member, made, metadata)

    def _write(self, member: PlannedMember, made: MadeMember, metadata: dict[str, Any]) -> None:
        """The member's bytes and record."""
        aacid = self._aacid(member.id, made.sha256)
        if member.action == "link":
            old = self.archive.ledger.member(member.replaces or "")
            assert old is not None
            if not self._issue_again(aacid, old, made, metadata):
                return
        elif member.id in self.journal.entries and not made.parts:
            if self.writer.reuse_member(aacid, made.sha256, metadata) is None:
                self._add(member, make_member(self.jobs.make(member)))
                return
        else:
            self.writer.add_member(aacid, made.chunks(), metadata, sha256=made.sha256)
            if made.action == "encode":
                self.journal.append(made)
            self.report.bytes_written += made.size
        self._remember(aacid, member, made, self._file_row(aacid, made, metadata) if self.planned.content == "audio" else None)

    def _issue_again(self, aacid: str, old: Member, made: MadeMember, metadata: dict[str, Any]) -> bool:
        """Link a member that is held, or take over the link that a killed run made; a finding where its bytes are damaged."""
        if aacid in self._left and self.writer.reuse_member(aacid, made.sha256, metadata):
            return True
        place = self.archive.containers / old.container / old.aacid
        try:
            self.writer.link_member(aacid, place, made.sha256, metadata)
        except ContainerFormatError as error:
            code = "changed" if place.exists() else "missing"
            finding = Finding(code, str(place), f"it cannot be issued again: {error.message}", old.id, old.container)
            self._note(MadeMember(id=old.id, action="link", findings=(finding,)))
            return False
        return True

    def _remember(self, aacid: str, member: PlannedMember, made: MadeMember, file: FileRow | None) -> None:
        self.report.members[member.action if member.action == "link" else made.action] += 1
        row = Member(
            aacid=aacid, container=self.name, content=self.planned.content, id=member.id, size=made.size, sha256=made.sha256,
            action=made.action, source_sha256=made.source_sha256 or None, essence_sha256=made.essence_sha256, patch=made.patch,
            encoder=made.encoder, samples=made.samples, loudness_lufs=made.loudness_lufs, proved_at=self.archive.now(),
        )  # fmt: skip
        self.made.add(row, file)

    def _add_patch(self, member: PlannedMember, made: MadeMember) -> None:
        """`made` are the facts of the audio member that the patch belongs to."""
        held = self.archive.ledger.current_member(member.id)
        if held is None or held.patch is None or not held.source_sha256:
            return
        metadata = patch_metadata(member.id, held.aacid, held.patch, held.source_sha256, member.replaces)
        aacid = self._aacid(member.id, hashlib.sha256(msgspec.json.encode(metadata)).hexdigest())
        self.writer.add_record(aacid, metadata)
        self._remember(aacid, member, MadeMember(id=member.id, action="patch"), None)

    def _add_cover(self, member: PlannedMember, made: MadeMember) -> None:
        if made.is_made and picture_id_of(made.sha256) != member.id:
            finding = Finding("source-changed", str(self.archive.picture_file(member.id)), "the picture is not the one that was added")
            self._note(MadeMember(id=member.id, action="cover", findings=(finding,)))
        elif made.is_made:
            metadata = {"id": member.id, "sha256": made.sha256, "size": made.size, "mime": self.archive.catalogue.picture_mime(made.sha256)}
            self._write(member, made, metadata | ({"replaces": [member.replaces]} if member.replaces else {}))

    def _file_row(self, aacid: str, made: MadeMember, metadata: dict[str, Any]) -> FileRow:
        return FileRow(
            aacid=aacid, container=self.name, collection=self.planned.collection, sha256=made.sha256, size=made.size,
            format=metadata.get("format", ""), tier=self.planned.tier, is_derived=metadata.get("is_derived", False),
            source_sha256=made.source_sha256 or None, essence_sha256=made.essence_sha256,
            is_original_restorable=made.action != "encode", is_public=self.planned.is_public,
        )  # fmt: skip

    def _note(self, made: MadeMember) -> None:
        if not made.findings:
            return
        with self.archive.ledger.transaction():
            for finding in made.findings:
                self.archive.ledger.put_finding("build", finding, os.fsencode(finding.path), self.archive.now())
        if not made.is_made and self.planned.content == "audio" and not self.archive.catalogue.is_withdrawn(made.id):
            self.archive.catalogue.set_status(made.id, "unreadable", made.findings[0].fact)

    def _record(self) -> None:
        """Catalogue first, ledger last: what the ledger does not know is made again, to the same bytes."""
        with self.archive.catalogue.transaction():
            for member, file in self.made:
                if file is not None:
                    self.archive.catalogue.put_file(member.id, file)
                    if not self.archive.catalogue.is_withdrawn(member.id):
                        self.archive.catalogue.set_status(member.id, "held", only_if_changed=True)
        with self.archive.ledger.transaction():
            if self.made.count:
                self.archive.ledger.put_container(*self._container())
            for member, _ in self.made:
                self.archive.ledger.put_member(member)
            self.archive.ledger.put_planned_container(msgspec.structs.replace(self.planned, is_done=True))
        if self.made.count:
            self.report.containers.append(self.name)
        if self.planned.content == "cover":
            for member, _ in self.made:
                self.archive.picture_file(member.id).unlink(missing_ok=True)

    def _container(self) -> tuple[Container, Pieces]:
        root, layer = self.metadata_tree.finish(self.metadata_pieces.piece_length)
        container = Container(
            name=self.name, collection=self.planned.collection, content=self.planned.content, tier=self.planned.tier,
            is_public=self.planned.is_public, second=self.second, data_folder=self.data_folder, metadata_file=self.metadata_file,
            member_count=self.made.count, data_bytes=self.data_pieces.size, metadata_bytes=self.metadata_digest.size,
            metadata_sha256=self.metadata_digest.sha256,
            data_piece_length=self.planned.piece_length if self.data_folder else None,
            metadata_piece_length=self.metadata_pieces.piece_length, metadata_proved_at=self.archive.now(),
        )  # fmt: skip
        return container, Pieces(
            data_pieces=self.data_pieces.finish() if self.data_folder else None, metadata_pieces=self.metadata_pieces.finish(),
            metadata_pieces_root=root, metadata_piece_layer=layer,
        )  # fmt: skip
