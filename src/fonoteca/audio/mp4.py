"""AAC in MP4 (M4A, ISO/IEC 14496-12): the box tree, plain and fragmented, and where each access unit lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from fonoteca.audio.adts import AAC_RATES, AAC_TOLERANCE_SAMPLES
from fonoteca.audio.byte_source import ByteSource
from fonoteca.audio.formats import AudioStructure
from fonoteca.audio.mp4_fragments import read_fragment_runs
from fonoteca.audio.tag_blocks import TagBlock
from fonoteca.ground.findings import Finding

_TABLE_BYTES_AT_MOST = 16 << 20
_BOXES_AT_MOST = 100_000
_UNITS_AT_MOST = 1 << 22
_AAC_OBJECT_TYPES = {0x40, 0x66, 0x67, 0x68}


class Box(NamedTuple):
    """One box: its name, where its body starts, where it ends (cut to its parent), and the end that it claims."""

    name: bytes
    start: int
    end: int
    claimed_end: int


class _Track(NamedTuple):
    codec: str
    sample_rate: int
    channels: int
    track_id: int
    timescale: int
    duration: int
    skipped: int
    unit_bytes: int
    runs: list[tuple[int, int]]
    """Start and end of each chunk of access units, by what the tables claim."""


def list_boxes(source: ByteSource, start: int, end: int) -> Iterator[Box]:
    """The boxes from `start` up to `end`, one level; stops at the first that cannot be."""
    for _ in range(_BOXES_AT_MOST):
        head = source.read(start, 16)
        if start + 8 > end or len(head) < 8:
            return
        size, body = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), 16
        claimed = end if size == 0 else start + size
        if claimed < start + body:
            return
        yield Box(head[4:8], start + body, min(claimed, end), claimed)
        start = claimed


def read_mp4_structure(source: ByteSource, path: str) -> AudioStructure:
    """Access units, declared length and essence of the first AAC track; never raises on bad content."""
    top = list(list_boxes(source, 0, source.size))
    findings = _judge_top(source, path, top)
    moov = next((box for box in top if box.name == b"moov"), None)
    if moov is None:
        is_cut = any(found.code == "truncated" for found in findings)
        missing = [] if is_cut else [Finding("corrupt", path, "no moov box, so no table of the sound")]
        return AudioStructure("m4a", findings=(*findings, *missing))
    tracks = [box for box in list_boxes(source, moov.start, moov.end) if box.name == b"trak"]
    sound = [box for box in tracks if _handler(source, box) == b"soun"]
    others = [_handler(source, box) for box in tracks if _handler(source, box) in (b"vide", b"soun")]
    tags = (TagBlock("mp4", 0, source.size),)
    track = _read_track(source, sound[0], moov) if sound else None
    if track is None or track.codec != "aac":
        fact = "MP4 without a track of sound" if track is None else f"MP4 with codec {track.codec}, which is not kept"
        code = "corrupt" if sound and track is None else "not-audio"
        return AudioStructure(None if code == "not-audio" else "m4a", tag_blocks=tags, findings=(*findings, Finding(code, path, fact)))
    if len(others) > 1:
        findings.append(Finding("multiplexed-stream", path, f"{len(others) - 1} more tracks of sound or pictures"))
    track = _add_fragments(source, top, moov, track)
    problems, essence = _read_units(source, path, track)
    findings += [found for found in problems if found.code not in {other.code for other in findings}]
    return _describe(track, essence, tags, findings)


def _describe(track: _Track, essence: str | None, tags: tuple[TagBlock, ...], findings: list[Finding]) -> AudioStructure:
    duration = max(0, track.duration - track.skipped)
    samples = round(duration * track.sample_rate / track.timescale) if track.timescale else None
    seconds = track.duration / track.timescale if track.timescale else 0
    return AudioStructure(
        "m4a", track.sample_rate, track.channels, samples, AAC_TOLERANCE_SAMPLES,
        round(track.unit_bytes * 8 / seconds) if seconds else None, essence, tag_blocks=tags, findings=tuple(findings),
    )  # fmt: skip


def _judge_top(source: ByteSource, path: str, top: list[Box]) -> list[Finding]:
    if not top:
        return [Finding("truncated", path, f"the file ends after {source.size} bytes, before any box")]
    last = top[-1]
    if last.claimed_end > source.size:
        name = last.name.decode("latin-1")
        return [Finding("truncated", path, f"the {name} box claims {last.claimed_end - source.size} bytes more than there are")]
    if last.end < source.size:
        return [Finding("trailing-data", path, f"{source.size - last.end} bytes after the last box")]
    return []


def _find(source: ByteSource, box: Box, *names: bytes) -> Box | None:
    """The box at the end of a path of names below `box`."""
    for name in names:
        found = next((inner for inner in list_boxes(source, box.start, box.end) if inner.name == name), None)
        if found is None:
            return None
        box = found
    return box


def _body(source: ByteSource, box: Box | None, at_most: int = 4096) -> bytes:
    return source.read(box.start, min(box.end - box.start, at_most)) if box else b""


def _number(data: bytes, start: int, length: int = 4) -> int:
    return int.from_bytes(data[start : start + length], "big")


def _handler(source: ByteSource, track: Box) -> bytes:
    return _body(source, _find(source, track, b"mdia", b"hdlr"))[8:12]


def _read_track(source: ByteSource, track: Box, moov: Box) -> _Track | None:
    table = _find(source, track, b"mdia", b"minf", b"stbl")
    header = _body(source, _find(source, track, b"mdia", b"mdhd"))
    if table is None or len(header) < 20:
        return None
    is_long = header[0] == 1
    timescale, duration = _number(header, 20 if is_long else 12), _number(header, 24 if is_long else 16, 8 if is_long else 4)
    codec, rate, channels = _read_description(_body(source, _find(source, table, b"stsd"), 1 << 16))
    identity = _body(source, _find(source, track, b"tkhd"))
    sizes = _read_sizes(source, table)
    spent = _table(source, _find(source, table, b"stts"), 2).astype(numpy.float64)  # the product of two lies overflows integers
    total = int((spent[:, 0] * spent[:, 1]).sum())
    runs = _chunk_runs(source, table, sizes)
    skipped = _skipped(source, track) if total else 0
    return _Track(
        codec,
        rate,
        channels,
        _number(identity, 20 if identity[:1] == b"\1" else 12),
        timescale,
        total or duration,
        skipped,
        int(sizes.sum()),
        runs,
    )


def _skipped(source: ByteSource, track: Box) -> int:
    """Media time that the edit list leaves out at the start, as encoders declare their priming."""
    edits = _body(source, _find(source, track, b"edts", b"elst"))
    if _number(edits, 4) < 1:
        return 0
    start = _number(edits, 16, 8) if edits[:1] == b"\1" else _number(edits, 12)
    return start if start < 1 << 20 else 0


def _read_description(stsd: bytes) -> tuple[str, int, int]:
    """Codec, sample rate and channels of the first sample description."""
    name = stsd[12:16]
    if name != b"mp4a":
        return name.decode("latin-1").strip() or "unknown", 0, 0
    channels, rate = _number(stsd, 32, 2), _number(stsd, 40, 2)
    place = stsd.find(b"esds")
    config = _decoder_config(stsd[place + 8 :]) if place > 0 else None
    if config is None:
        return "mp4a without a decoder configuration", rate, channels
    kind, specific = config
    if kind not in _AAC_OBJECT_TYPES:
        return f"object type {kind:#04x}", rate, channels
    bits, length = int.from_bytes(specific[:8].ljust(8, b"\0"), "big"), 64
    position = 5 if bits >> length - 5 != 31 else 11
    code = bits >> length - position - 4 & 15
    position += 4
    found = AAC_RATES[code] if code < len(AAC_RATES) else bits >> length - position - 24 & 0xFFFFFF if code == 15 else rate
    position += 24 if code == 15 else 0
    layout = bits >> length - position - 4 & 15
    return "aac", found or rate, {0: channels, 7: 8}.get(layout, layout)


def _decoder_config(data: bytes) -> tuple[int, bytes] | None:
    """Object type and AudioSpecificConfig out of an ES descriptor (ISO/IEC 14496-1)."""
    at, kind = 0, None
    while at + 2 <= len(data):
        tag, at, size = data[at], at + 1, 0
        for _ in range(4):
            if at >= len(data):
                return None
            size, more, at = size << 7 | data[at] & 127, data[at] & 128, at + 1
            if not more:
                break
        if tag == 3:
            flags = data[at + 2] if at + 2 < len(data) else 0
            at += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
        elif tag == 4 and at < len(data):
            kind, at = data[at], at + 13
        elif tag == 5 and kind is not None:
            return kind, data[at : at + size]
        else:
            at += size
    return (kind, b"") if kind is not None else None


def _table(source: ByteSource, box: Box | None, columns: int, skip: int = 4, dtype: str = ">u4") -> NDArray[numpy.int64]:
    """The rows of a full box with a count, as many as there is room for."""
    body = _body(source, box, _TABLE_BYTES_AT_MOST)
    width = columns * numpy.dtype(dtype).itemsize
    rows = min(_number(body, skip), max(0, len(body) - skip - 4) // width)
    if not rows:
        return numpy.zeros((0, columns), numpy.int64)
    return numpy.frombuffer(body, dtype, rows * columns, skip + 4).astype(numpy.int64).reshape(rows, columns)


def _read_sizes(source: ByteSource, table: Box) -> NDArray[numpy.int64]:
    box = _find(source, table, b"stsz")
    fixed, count = _number(_body(source, box, 12), 4), _number(_body(source, box, 12), 8)
    if fixed:
        return numpy.full(min(count, source.size // fixed + 1, _UNITS_AT_MOST), fixed, numpy.int64)
    return _table(source, box, 1, skip=8)[:, 0] if box else numpy.zeros(0, numpy.int64)


def _chunk_runs(source: ByteSource, table: Box, sizes: NDArray[numpy.int64]) -> list[tuple[int, int]]:
    """Start and end of each chunk, from stco or co64, stsc and the sizes; access units without a chunk lie past the end."""
    offsets = _table(source, _find(source, table, b"stco"), 1)[:, 0]
    if not len(offsets):
        offsets = _table(source, _find(source, table, b"co64"), 1, dtype=">i8")[:, 0]
    spread = _table(source, _find(source, table, b"stsc"), 3)
    if not len(offsets) or not len(spread) or not len(sizes):
        return [(source.size, source.size + int(sizes.sum()))] if len(sizes) else []
    chunks = numpy.arange(1, len(offsets) + 1)
    rows = numpy.maximum(numpy.searchsorted(spread[:, 0], chunks, side="right") - 1, 0)
    last = numpy.minimum(numpy.cumsum(spread[rows, 1]), len(sizes))
    ends = numpy.concatenate(([0], numpy.cumsum(sizes)))
    lengths = numpy.diff(numpy.concatenate(([0], ends[numpy.maximum.accumulate(last)])))
    runs = [(int(start), int(start + length)) for start, length in zip(offsets, lengths, strict=True) if length]
    left = int(ends[-1] - lengths.sum())
    return [*runs, (source.size, source.size + left)] if left else runs


def _add_fragments(source: ByteSource, top: list[Box], moov: Box, track: _Track) -> _Track:
    moofs = [box for box in top if box.name == b"moof"]
    if not moofs:
        return track
    defaults = _body(source, _find(source, moov, b"mvex", b"trex"))
    runs, duration = list(track.runs), track.duration
    for moof in moofs:
        for trajectory in (box for box in list_boxes(source, moof.start, moof.end) if box.name == b"traf"):
            inner = {box.name: _body(source, box) for box in list_boxes(source, trajectory.start, trajectory.end) if box.name == b"tfhd"}
            truns = [_body(source, box, 1 << 20) for box in list_boxes(source, trajectory.start, trajectory.end) if box.name == b"trun"]
            if _number(inner.get(b"tfhd", b""), 4) == track.track_id:
                found = read_fragment_runs(inner[b"tfhd"], truns, defaults, moof.start - 8)
                runs += found.runs
                duration += found.duration
    return track._replace(runs=runs, unit_bytes=sum(end - start for start, end in runs), duration=duration)


def _read_units(source: ByteSource, path: str, track: _Track) -> tuple[list[Finding], str | None]:
    """What is wrong with where the access units are said to lie, and the hash of those that are there."""
    total = track.unit_bytes
    if not total or not track.runs:
        return [Finding("no-sound", path, "the tables name no access unit")], None
    if min(start for start, _ in track.runs) < 0 or sum(end - start for start, end in track.runs) != total:
        return [Finding("corrupt", path, "the tables of access units do not fit one another")], None
    beyond = sum(max(0, end - max(start, source.size)) for start, end in track.runs)
    if total - beyond > source.size:
        return [Finding("corrupt", path, f"the tables claim {total} bytes of sound in a file of {source.size}")], None
    digest = hashlib.sha256()
    for start, end in track.runs:
        source.hash_into(digest, start, min(end, source.size))
    if beyond:
        return [Finding("truncated", path, f"{beyond} of {total} bytes of sound lie past the end of the file")], digest.hexdigest()
    return [], digest.hexdigest()
