"""One read of one file: what it is, whether it is whole, its hashes, its tags and, by a full decode, its sound."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

import msgspec

from fonoteca.audio.adts import read_adts_structure
from fonoteca.audio.byte_source import WHOLE_BYTES_AT_MOST, ByteSource, FileSource, MemorySource
from fonoteca.audio.decode import LOWEST_RATE_HZ, Decoded, decode_audio
from fonoteca.audio.flac import read_flac_structure
from fonoteca.audio.formats import AudioStructure, detect_format
from fonoteca.audio.gain_tags import check_gain_tags
from fonoteca.audio.mp3 import read_mp3_structure
from fonoteca.audio.mp4 import read_mp4_structure
from fonoteca.audio.ogg_structure import read_ogg_structure
from fonoteca.audio.short_packets import shorten_packet
from fonoteca.audio.tags import EmbeddedTags, read_packet_tags, read_tags
from fonoteca.audio.wav import read_wav_structure
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import AudioFile, AudioFormat

OGG_BYTES_AT_MOST = 1 << 30
"""Larger Ogg files are set aside: their reader needs them whole in memory."""

_OGG_CODECS: dict[str, AudioFormat] = {"vorbis": "ogg-vorbis", "opus": "ogg-opus"}
_UNCHANGED_SENSE = ("st_size", "st_mtime_ns", "st_ino", "st_dev")


class _Content(NamedTuple):
    """The structure with what belongs to it from the tags."""

    structure: AudioStructure
    embedded: EmbeddedTags
    comment_packet: bytes | None = None
    can_be_retagged: bool = False


def probe_file(path: Path, *, decode: bool = True) -> AudioFile:
    """Everything one read of `path` gives. Never raises on bad content or unreadable files: they are findings.

    Only regular files are read, links are followed. Up to 256 MiB are held in memory; larger files are read in pieces.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        return _unreadable(path, error)
    try:
        return _probe_open(descriptor, path, decode=decode)
    except OSError as error:
        return _unreadable(path, error)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError | ValueError) -> AudioFile:
    fact = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return AudioFile(0, 0, "", None, findings=(Finding("unreadable-file", str(path), fact),))


def _probe_open(descriptor: int, path: Path, *, decode: bool) -> AudioFile:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        fact = "a folder, not a file" if stat.S_ISDIR(before.st_mode) else "a pipe, socket or device, not a file"
        return AudioFile(0, before.st_mtime_ns, "", None, findings=(Finding("unreadable-file", str(path), fact),))
    source: ByteSource = FileSource(descriptor, before.st_size)
    if before.st_size <= WHOLE_BYTES_AT_MOST:
        source = MemorySource(read_whole(descriptor, before.st_size))
    digest = hashlib.sha256()
    source.hash_into(digest, 0, source.size)
    content = _examine(source, str(path))
    decoded = _decode(source, path, content.structure) if decode else None
    changes = _find_changes(descriptor, path, before, source)
    return _describe(before, digest.hexdigest(), content, decoded, str(path), changes)


def read_whole(descriptor: int, size: int) -> bytes:
    """All bytes, and one more than `size` where the file has grown, so that it shows."""
    parts, offset = [], 0
    while offset <= size and (part := os.pread(descriptor, size + 1 - offset, offset)):
        parts.append(part)
        offset += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _find_changes(descriptor: int, path: Path, before: os.stat_result, source: ByteSource) -> tuple[Finding, ...]:
    after, named = os.fstat(descriptor), before
    try:
        named = os.stat(path)
    except OSError:
        return (Finding("changed-while-read", str(path), "it was moved or deleted while it was read"),)
    for what in _UNCHANGED_SENSE:
        for now in (after, named):
            if getattr(now, what) != getattr(before, what):
                fact = f"{what[3:]} was {getattr(before, what)}, then {getattr(now, what)}"
                return (Finding("changed-while-read", str(path), fact),)
    if source.size != before.st_size:
        return (Finding("changed-while-read", str(path), f"{before.st_size} bytes were announced, {source.size} came"),)
    return ()


def _examine(source: ByteSource, path: str) -> _Content:
    """The structure and the tags; a reader that fails on content it should have judged is a finding like any other."""
    if not source.size:
        return _Content(AudioStructure(None, findings=(Finding("empty-file", path, "0 bytes"),)), EmbeddedTags())
    try:
        shape, start = detect_format(source)
        if shape == "ogg":
            return _examine_ogg(source, path)
        structure = _read_structure(source, path, shape, start)
    except (ArithmeticError, LookupError, ValueError, MemoryError) as error:
        fact = f"its structure cannot be read: {type(error).__name__}: {str(error)[:200]}"
        return _Content(AudioStructure(None, findings=(Finding("corrupt", path, fact),)), EmbeddedTags())
    return _Content(_refuse_low_rate(structure, path), read_tags(source, structure.tag_blocks, path))


def _refuse_low_rate(structure: AudioStructure, path: str) -> AudioStructure:
    """What no decoder here takes is set aside without one, whatever `--check` asks for."""
    if structure.format is None or not 0 < structure.sample_rate < LOWEST_RATE_HZ:
        return structure
    fact = f"its sample rate is {structure.sample_rate} Hz; at least {LOWEST_RATE_HZ} Hz can be kept"
    return msgspec.structs.replace(structure, findings=(*structure.findings, Finding("not-audio", path, fact)))


def _read_structure(source: ByteSource, path: str, shape: str | None, start: int) -> AudioStructure:
    match shape:
        case "flac":
            return read_flac_structure(source, path, start)
        case "mp3":
            return read_mp3_structure(source, path, start)
        case "aac":
            return read_adts_structure(source, path, start)
        case "m4a":
            return read_mp4_structure(source, path)
        case "wav":
            return read_wav_structure(source, path)
    fact = f"its {source.size} bytes begin with {source.read(0, 8).hex()}, which is no format that is kept"
    return AudioStructure(None, findings=(Finding("not-audio", path, fact),))


def _examine_ogg(source: ByteSource, path: str) -> _Content:
    if source.size > OGG_BYTES_AT_MOST:
        fact = f"an Ogg file of {source.size:,} bytes; at most {OGG_BYTES_AT_MOST:,} can be taken apart: split it"
        return _Content(AudioStructure(None, findings=(Finding("not-audio", path, fact),)), EmbeddedTags())
    ogg = read_ogg_structure(source.read(0, source.size), path)
    embedded = read_packet_tags(ogg.comment_packet, path) if ogg.comment_packet else EmbeddedTags()
    structure = AudioStructure(
        _OGG_CODECS.get(ogg.codec or ""), ogg.sample_rate, ogg.channels, ogg.samples, bits_per_second=ogg.nominal_bits_per_second,
        essence_sha256=ogg.essence_sha256, findings=ogg.findings,
        # decoders differ in what they give of the sound before time zero
        tolerance_samples=ogg.sample_rate if ogg.first_granule_negative else 0,
    )  # fmt: skip
    if structure.format is None and not structure.findings:
        note = Finding("not-audio", path, "Ogg without a Vorbis or Opus stream")
        structure = AudioStructure(None, findings=(note,))
    short = shorten_packet(ogg.comment_packet) if ogg.comment_packet else None
    return _Content(_refuse_low_rate(structure, path), embedded, short, ogg.can_be_retagged and source.size <= WHOLE_BYTES_AT_MOST)


def _decode(source: ByteSource, path: Path, structure: AudioStructure) -> Decoded | None:
    """A full decode; what is set aside already is not given to the decoder."""
    if structure.format is None or any(found.kind.weight != "note" for found in structure.findings):
        return None
    whole = source.data if isinstance(source, MemorySource) else path
    return decode_audio(whole, path=str(path), format=structure.format, md5=structure.pcm_md5 is not None)


def _compare(structure: AudioStructure, decoded: Decoded, path: str) -> tuple[Finding, ...]:
    """What the decoder gave against what the file declares."""
    if any(found.kind.weight != "note" for found in decoded.findings):
        return ()
    if not decoded.samples:
        return (Finding("no-sound", path, "the decoder gave no sample"),)
    found: list[Finding] = []
    if structure.samples is not None and structure.sample_rate:
        scale = decoded.sample_rate / structure.sample_rate  # band replication doubles the rate of the core
        declared = round(structure.samples * scale)
        if abs(decoded.samples - declared) > structure.tolerance_samples * scale:
            found.append(Finding("duration-mismatch", path, f"{declared} samples are declared, {decoded.samples} were decoded"))
    if structure.pcm_md5 and decoded.md5 and decoded.md5 != structure.pcm_md5:
        found.append(Finding("corrupt", path, f"the samples have MD5 {decoded.md5}, the file declares {structure.pcm_md5}"))
    if decoded.is_silent:
        found.append(Finding("silent", path, f"no sample of {decoded.samples} rises above silence"))
    return tuple(found)


def _describe(
    before: os.stat_result, sha256: str, content: _Content, decoded: Decoded | None, path: str, changes: tuple[Finding, ...]
) -> AudioFile:
    structure, findings = content.structure, [*changes, *content.structure.findings, *content.embedded.findings]
    findings += check_gain_tags(content.embedded.tags, path=path)
    if decoded is not None:
        findings += [*decoded.findings, *_compare(structure, decoded, path)]
    has_decoded = decoded is not None and decoded.samples > 0
    return AudioFile(
        size=before.st_size, mtime_ns=before.st_mtime_ns, sha256=sha256, format=structure.format,
        essence_sha256=structure.essence_sha256,
        sample_rate=decoded.sample_rate if decoded and has_decoded else structure.sample_rate,
        channels=decoded.channels if decoded and has_decoded else structure.channels,
        samples=decoded.samples if decoded and has_decoded else structure.samples,
        bits_per_second=structure.bits_per_second, is_decoded=has_decoded,
        loudness_lufs=decoded.loudness_lufs if decoded else None,
        sample_peak=decoded.sample_peak if decoded else None,
        is_silent=decoded.is_silent if decoded and has_decoded else None,
        can_be_retagged=content.can_be_retagged and structure.format is not None,
        tags=content.embedded.tags, comment_packet=content.comment_packet, pictures=content.embedded.pictures,
        findings=tuple(_once(findings)),
    )  # fmt: skip


def _once(findings: list[Finding]) -> list[Finding]:
    """Each fact once; odd comments, told by two readers, in the words of the first."""
    kept: dict[tuple[str, str], Finding] = {}
    for found in findings:
        kept.setdefault((found.code, "" if found.code in ("odd-comment", "bad-tags") else found.fact), found)
    return list(kept.values())
