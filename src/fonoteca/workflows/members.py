"""One member made from one source: retagged, copied, encoded or restored. Runs in threads and worker processes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fonoteca.audio import OpusRequest, apply_patch, encode_and_check, read_ogg_structure, retag_ogg
from fonoteca.ground.errors import FormatError, PatchError
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import AudioFormat
from fonoteca.integrity import show_path
from fonoteca.workflows.picture_shelf import PictureShelf

MOST_IN_MEMORY = 128 << 20  # bytes; larger files are proved in a first read and copied in a second
CHUNK = 1 << 20


class MemberJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to make. `paths` are places where the source may be, best first; `additions` are comments to add or carry.

    `pictures` are covers that are kept apart: with `strip_pictures` they are taken out of the file, and a patch puts them back.
    """

    id: str
    action: str
    paths: tuple[bytes, ...]
    sha256: str
    size: int = 0
    format: AudioFormat | None = None
    additions: tuple[tuple[str, str], ...] = ()
    opus_kbits: float | None = None
    serial: int = 0
    loudness_lufs: float | None = None
    patch: bytes | None = None
    pictures: PictureShelf = PictureShelf()
    strip_pictures: bool = False


class MemberFacts(msgspec.Struct, kw_only=True):
    """What is true of a member. `action` is what was really done: a file that cannot be retagged or encoded is copied."""

    id: str
    action: str
    sha256: str = ""
    size: int = 0
    source_sha256: str = ""
    essence_sha256: str | None = None
    patch: bytes | None = None
    encoder: str | None = None
    samples: int | None = None
    loudness_lufs: float | None = None

    @property
    def is_made(self) -> bool:
        """Whether there is a member."""
        return bool(self.sha256)


class MadeMember(MemberFacts, kw_only=True):
    """A member's bytes in `parts` (or, for a large copy, in the file `stream_from`), and what is true of them.

    Where there is none, findings say why.
    """

    parts: tuple[bytes | memoryview, ...] = ()
    stream_from: bytes | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def facts(self) -> MemberFacts:
        """All but the bytes and the findings."""
        return MemberFacts(**{name: getattr(self, name) for name in MemberFacts.__struct_fields__})

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The member's bytes in order."""
        yield from self.parts
        if self.stream_from is not None:
            with open(self.stream_from, "rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk


def make_member(job: MemberJob) -> MadeMember:
    """The member, or the finding why there is none; never raises for what is wrong with a source."""
    found: tuple[Finding, ...] = ()
    for path in job.paths:
        try:
            made = _MAKERS[job.action](job, path)
        except FileNotFoundError:
            made = _set_aside(job, "source-missing", path, "the file is not there any more")
        except OSError as error:
            made = _set_aside(job, "unreadable-file", path, f"reading failed: {error.strerror or error}")
        if made.is_made:
            return made
        found = found or made.findings
    return MadeMember(id=job.id, action=job.action, findings=found or _set_aside(job, "source-missing", b"", "no file is known").findings)


def _set_aside(job: MemberJob, code: str, path: bytes, fact: str) -> MadeMember:
    return MadeMember(id=job.id, action=job.action, findings=(Finding(code, show_path(path), fact, job.id),))


def _changed(job: MemberJob, path: bytes, sha256: str) -> MadeMember:
    return _set_aside(job, "source-changed", path, f"its SHA-256 was {job.sha256[:16]}… when it was added and is {sha256[:16]}… now")


def _copy(job: MemberJob, path: bytes) -> MadeMember:
    if os.stat(path).st_size > MOST_IN_MEMORY:
        with open(path, "rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        if digest != job.sha256:
            return _changed(job, path, digest)
        return MadeMember(id=job.id, action="copy", sha256=digest, size=size, source_sha256=digest, stream_from=path)
    content = Path(os.fsdecode(path)).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return _as_it_came(job, path, content, digest)


def _cover(job: MemberJob, path: bytes) -> MadeMember:
    """A picture that waits; `job.sha256` is empty, since its name says which it is: the builder compares."""
    content = Path(os.fsdecode(path)).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return MadeMember(id=job.id, action="cover", sha256=digest, size=len(content), source_sha256=digest, parts=(content,))


def _as_it_came(job: MemberJob, path: bytes, content: bytes, digest: str) -> MadeMember:
    if digest != job.sha256:
        return _changed(job, path, digest)
    return MadeMember(id=job.id, action="copy", sha256=digest, size=len(content), source_sha256=digest, parts=(content,))


def _retag(job: MemberJob, path: bytes) -> MadeMember:
    content = Path(os.fsdecode(path)).read_bytes()
    try:
        tagged = retag_ogg(content, job.additions, path=show_path(path), strip_pictures=job.strip_pictures, find_picture=job.pictures.find)
    except FormatError:
        return _as_it_came(job, path, content, hashlib.sha256(content).hexdigest())
    if tagged.source_sha256 != job.sha256:
        return _changed(job, path, tagged.source_sha256)
    return MadeMember(
        id=job.id, action="retag", sha256=tagged.sha256, size=tagged.size, source_sha256=tagged.source_sha256,
        essence_sha256=tagged.essence_sha256, patch=tagged.patch, parts=tuple(tagged.parts), findings=(),
    )  # fmt: skip


def _encode(job: MemberJob, path: bytes) -> MadeMember:
    assert job.opus_kbits is not None and job.format is not None
    os.stat(path)
    request = OpusRequest(
        format=job.format, opus_kbits=job.opus_kbits, comments=job.additions, serial=job.serial, expected_sha256=job.sha256,
        loudness_lufs=job.loudness_lufs,
    )  # fmt: skip
    done = encode_and_check(Path(os.fsdecode(path)), request)
    findings = tuple(msgspec.structs.replace(finding, track=job.id) for finding in done.findings)
    if any(finding.code in ("encode-failed", "encode-check-failed") for finding in findings):
        kept = _copy(job, path)
        kept.findings = findings
        return kept
    if any(finding.kind.weight != "note" for finding in findings):
        return MadeMember(id=job.id, action="encode", findings=findings)
    return MadeMember(
        id=job.id, action="encode", sha256=done.sha256, size=done.size, source_sha256=done.source_sha256, encoder=done.encoder,
        samples=done.samples, loudness_lufs=done.loudness_lufs, parts=(done.data,), findings=findings,
        essence_sha256=read_ogg_structure(done.data, show_path(path)).essence_sha256,
    )  # fmt: skip


def _restore(job: MemberJob, path: bytes) -> MadeMember:
    """The file as it came, from a retagged member and its patch; `job.sha256` is the original's."""
    assert job.patch is not None
    try:
        content = apply_patch(Path(os.fsdecode(path)).read_bytes(), job.patch, job.pictures.find)
    except PatchError as error:
        return _set_aside(job, "patch-failed", path, error.message)
    made = _as_it_came(job, path, content, hashlib.sha256(content).hexdigest())
    made.action = "restore"
    return made


_MAKERS = {"copy": _copy, "cover": _cover, "retag": _retag, "encode": _encode, "restore": _restore}
