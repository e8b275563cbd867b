"""`add`: every file is read once, in parallel; what it is goes into ledger and catalogue; what cannot be used is set aside."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from fonoteca.audio import probe_file
from fonoteca.ground.errors import FormatError
from fonoteca.ground.files import reflink_or_copy
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.progress import Progress
from fonoteca.ground.things import AudioFile
from fonoteca.ground.workers import JobTimeoutError, Processes, count_cores, map_in_order
from fonoteca.integrity import Source, show_path
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.ingest_rights import RIGHTS_FINDINGS, refresh_rights
from fonoteca.workflows.ingest_tracks import is_deleted, record_deleted_file, record_sound_file, record_unreadable_file
from fonoteca.workflows.picture_shelf import keep_pictures
from fonoteca.workflows.rights_policy import RightsFinder
from fonoteca.workflows.source_files import FoundFile, check_sources, find_source_files

FILES_A_TRANSACTION = 200
LIMIT_S, LIMIT_S_PER_MB = 60.0, 10.0
"""How long reading one file may take: many times what the slowest, ten hours of speech at 8 kbit/s, takes on a busy core."""


class AddOptions(msgspec.Struct, frozen=True):
    """How files are added."""

    rights: str | None = None
    decode: bool = True
    keep_originals: bool = False
    dry_run: bool = False


class AddReport(msgspec.Struct):
    """What came of it: counts by outcome (read, unchanged, rights changed, kept, duplicate, set-aside, ignored) and the findings."""

    counts: Counter[str] = msgspec.field(default_factory=Counter)
    finding_counts: Counter[str] = msgspec.field(default_factory=Counter)
    findings: list[Finding] = msgspec.field(default_factory=list)
    bytes_read: int = 0

    @property
    def has_damage(self) -> bool:
        """Whether anything was set aside."""
        return any(counts_as_damage(Finding(code, "", "")) for code in self.finding_counts)

    def take(self, finding: Finding) -> None:
        """Count a finding; the first thousand are listed here, all are in the ledger."""
        self.finding_counts[finding.code] += 1
        if len(self.findings) < 1_000:
            self.findings.append(finding)


class Work(msgspec.Struct, frozen=True):
    """One file for a worker, or a finding that stands already."""

    file: FoundFile
    decode: bool


def add_files(archive: Archive, sources: Sequence[Path], options: AddOptions, progress: Progress) -> AddReport:
    """Read every file below `sources` once and record it. Idempotent: what is known and unchanged is not read again."""
    report = AddReport()
    check_sources(sources)
    rights = RightsFinder(options.rights, sources, [Path(os.fsdecode(top)) for top in archive.ledger.tops()])
    if not options.dry_run:
        _remember_tops(archive, sources)
    progress.start("reading", None, "files")
    with Processes(count_cores(), ("fonoteca.audio.probe", "fonoteca.audio.decode")) as pool:
        jobs = _choose_work(archive, sources, options, rights, report, progress)
        _Recorder(archive, options, rights, report, progress, pool).record_all(jobs)
    progress.finish()
    return report


def _remember_tops(archive: Archive, sources: Sequence[Path]) -> None:
    """So that what RIGHTS says in a folder above counts also where a folder below is added by itself later."""
    with archive.ledger.transaction():
        for source in sources:
            if source.is_dir():
                archive.ledger.put_top(os.fsencode(os.path.abspath(source)))


def _original_name(path: bytes, audio: AudioFile) -> str:
    """The name of a kept source below originals/."""
    suffix = os.path.splitext(os.fsdecode(path))[1].encode("ascii", "ignore").decode()[:10].lower()
    return f"{audio.sha256[:2]}/{audio.sha256}{suffix}"


def _probe(work: Work) -> AudioFile:
    return probe_file(Path(os.fsdecode(work.file.path)), decode=work.decode)


def _unread(work: Work, code: str, fact: str) -> AudioFile:
    found = Finding(code, show_path(work.file.path), fact)
    return AudioFile(work.file.size, work.file.mtime_ns, "", None, findings=(found,))


def _choose_work(
    archive: Archive, sources: Sequence[Path], options: AddOptions, rights: RightsFinder, report: AddReport, progress: Progress
) -> Iterator[Work | tuple[bytes, Finding] | Source]:
    def ignore(_path: bytes) -> None:
        report.counts["ignored"] += 1

    for found in find_source_files(sources, leave_out=archive.path, on_other=ignore):
        if not isinstance(found, FoundFile):
            yield found
            continue
        known = archive.ledger.source_at(found.path)
        if known and (known.size, known.mtime_ns) == (found.size, found.mtime_ns) and not _lacks_something(known, options):
            yield known
        elif options.dry_run:
            report.counts["would read"] += 1
            if known and (known.size, known.mtime_ns) == (found.size, found.mtime_ns):
                for finding in archive.ledger.findings_of("add", found.path):
                    report.take(finding)
            report.bytes_read += found.size
            progress.advance()
        else:
            yield Work(found, options.decode)


def _lacks_something(known: Source, options: AddOptions) -> bool:
    """Whether this run is asked for more than an earlier one did for this file."""
    if known.state == "set-aside":
        return options.decode  # a newer version, or a machine that was mended, may read it
    return (options.decode and not known.decoded_at) or (options.keep_originals and known.state == "kept" and not known.original)


class _Recorder:
    """Takes results in the order of the walk, so that a run that was killed ends as an undisturbed one."""

    def __init__(
        self, archive: Archive, options: AddOptions, rights: RightsFinder, report: AddReport, progress: Progress, pool: Processes
    ) -> None:
        self.archive, self.options, self.rights = archive, options, rights
        self.report, self.progress, self.pool = report, progress, pool

    def record_all(self, jobs: Iterator[Work | tuple[bytes, Finding] | Source]) -> None:
        """One transaction for every few hundred files, catalogue before ledger: what the ledger knows is in the catalogue."""

        def submit(job: Work | tuple[bytes, Finding] | Source) -> Future[AudioFile]:
            if isinstance(job, Work):
                return self.pool.submit(_probe, job)
            nothing: Future[AudioFile] = Future()
            nothing.set_result(AudioFile(0, 0, "", None))
            return nothing

        results = map_in_order(submit, jobs, 4 * count_cores() + 4)
        more = True
        while more:
            with self.archive.ledger.transaction(), self.archive.catalogue.transaction():
                more = self._record_some(results)

    def _record_some(self, results: Iterator[tuple[Work | tuple[bytes, Finding] | Source, Future[AudioFile]]]) -> bool:
        for number, (job, future) in enumerate(results, 1):
            if isinstance(job, Source):
                self._unchanged(job)
            elif isinstance(job, Work):
                self._record(job, future)
            else:
                self._note(job[1], job[0])
            self.progress.advance()
            if number >= FILES_A_TRANSACTION:
                return True
        return False

    def _unchanged(self, source: Source) -> None:
        self.report.counts["unchanged"] += 1
        known = list(self.archive.ledger.findings_of("add", source.path))
        if source.state != "set-aside" and not self.options.dry_run:
            known = self._refresh_rights(source, known)
        for finding in known:
            self.report.take(finding)

    def _refresh_rights(self, source: Source, known: list[Finding]) -> list[Finding]:
        """Decide again whose statement counts; gives the findings that stand."""
        settled = refresh_rights(self.archive, source, self.rights)
        if settled.has_changed:
            self.report.counts["rights changed"] += 1
        stand = [finding for finding in known if finding.code not in RIGHTS_FINDINGS] + settled.notes
        if stand != known:
            self.archive.ledger.drop_findings("add", source.path)
            for finding in stand:
                self.archive.ledger.put_finding("add", finding, source.path, self.archive.now())
        return stand

    def _record(self, work: Work, future: Future[AudioFile]) -> None:
        path = work.file.path
        try:
            audio = self.pool.result_of(future, _probe, work, LIMIT_S + LIMIT_S_PER_MB * work.file.size / 1e6)
        except BrokenProcessPool:
            audio = _unread(work, "corrupt", "the decoder crashed on it")
        except JobTimeoutError as error:
            audio = _unread(work, "decode-failed", str(error))
        self.report.counts["read"] += 1
        self.report.bytes_read += audio.size
        self.archive.ledger.drop_findings("add", path)
        if audio.is_sound and (deleted := is_deleted(self.archive, audio)):
            self.report.counts["withdrawn"] += 1
            record_deleted_file(self.archive, path, audio, deleted)
            return
        if audio.is_sound and self.options.keep_originals:
            audio = self._keep_original(path, audio)
        if audio.is_sound:
            outcome, more, audio = self._keep_with_tags(path, audio)
        else:
            outcome, more = "set-aside", record_unreadable_file(self.archive, path, audio)
        self.report.counts[outcome] += 1
        for finding in (*audio.findings, *more):
            self._note(msgspec.structs.replace(finding, path=show_path(path)), path)

    def _keep_with_tags(self, path: bytes, audio: AudioFile) -> tuple[str, tuple[Finding, ...], AudioFile]:
        try:
            return *self._keep(path, audio), audio
        except FormatError as error:
            note = Finding("bad-tags", show_path(path), error.message)
            audio = msgspec.structs.replace(audio, tags={}, findings=(*audio.findings, note))
            return *self._keep(path, audio), audio

    def _keep(self, path: bytes, audio: AudioFile) -> tuple[str, tuple[Finding, ...]]:
        original = _original_name(path, audio) if self.options.keep_originals else None
        outcome, notes = record_sound_file(self.archive, path, audio, self.rights, original)
        if outcome == "kept":
            keep_pictures(self.archive, audio.pictures)
        return outcome, notes

    def _keep_original(self, path: bytes, audio: AudioFile) -> AudioFile:
        """Copy the source into originals/; where it is no longer what was read, that is a finding."""
        target, source = self.archive.originals / _original_name(path, audio), Path(os.fsdecode(path))
        if target.exists():
            return audio
        target.parent.mkdir(exist_ok=True)
        fact, fresh = "", target.with_name(target.name + ".new")
        try:
            source.open("rb").close()
            reflink_or_copy(source, fresh)
            now = source.stat()
            if (now.st_size, now.st_mtime_ns) == (audio.size, audio.mtime_ns) == (fresh.stat().st_size, now.st_mtime_ns):
                os.replace(fresh, target)
            else:
                fact = "it changed before it could be copied"
        except (FileNotFoundError, PermissionError) as error:
            fact = f"it could not be copied: {error.strerror}"
        if not fact:
            return audio
        fresh.unlink(missing_ok=True)
        return msgspec.structs.replace(audio, findings=(*audio.findings, Finding("changed-while-read", show_path(path), fact)))

    def _note(self, finding: Finding, path: bytes) -> None:
        self.report.take(finding)
        if not self.options.dry_run:
            self.archive.ledger.put_finding("add", finding, path, self.archive.now())
