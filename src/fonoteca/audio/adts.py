"""AAC in ADTS frames."""

from __future__ import annotations

import hashlib

from fonoteca.audio.byte_source import ByteSource
from fonoteca.audio.formats import AudioStructure, adts_frame_length
from fonoteca.audio.tag_blocks import find_leading_tags, find_trailing_tags
from fonoteca.ground.findings import Finding

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
AAC_TOLERANCE_SAMPLES = 6144
"""Priming, the last frame's filling and the delay of spectral band replication, which decoders treat in different ways."""


class _Frames:
    """Access units found, and what did not fit."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.count = 0
        self.raw_blocks = 0
        self.payload_bytes = 0
        self.gaps: list[tuple[int, int]] = []
        self.missing_bytes = 0
        self.tail_is_near = False


def read_adts_structure(source: ByteSource, path: str, start: int) -> AudioStructure:
    """Frames and essence of an ADTS stream whose first frame is at `start`; never raises on bad content."""
    after_tags, leading = find_leading_tags(source)
    end, trailing = find_trailing_tags(source, start)
    head = source.read(start, 7)
    rate = AAC_RATES[head[2] >> 2 & 15]
    channels = (head[2] & 1) << 2 | head[3] >> 6
    frames = _walk_frames(source, start, end, head)
    findings = _judge(path, frames, end)
    if start > after_tags:
        findings.insert(0, Finding("leading-data", path, f"{start - after_tags} bytes before the first frame"))
    samples = frames.raw_blocks * 1024
    return AudioStructure(
        "aac", rate, {0: 0, 7: 8}.get(channels, channels), samples, AAC_TOLERANCE_SAMPLES,
        round(frames.payload_bytes * 8 * rate / samples) if samples else None,
        frames.digest.hexdigest() if frames.count else None, tag_blocks=leading + trailing, findings=tuple(findings),
    )  # fmt: skip


def _walk_frames(source: ByteSource, position: int, end: int, head: bytes) -> _Frames:
    frames = _Frames()
    window, base = source.window(position)
    while position + 7 <= end:
        if position + 8192 > base + len(window) < source.size:
            window, base = source.window(position)
        at = position - base
        seven = window[at : at + 7]
        length = adts_frame_length(seven) if _is_same_stream(seven, head) else None
        if length is None:
            following = _find_frame(source, position + 1, end, head)
            frames.gaps.append((position, end if following is None else following))
            if following is None:
                frames.tail_is_near = _is_near(seven, head)
                return frames
            position = following
            continue
        _take_frame(frames, window[at : at + min(length, end - position)], length)
        position += length
    if position < end:
        frames.gaps.append((position, end))
    return frames


def _take_frame(frames: _Frames, frame: bytes, length: int) -> None:
    payload = frame[7 if frame[1] & 1 else 9 :]
    frames.digest.update(payload)
    frames.count += 1
    frames.raw_blocks += (frame[6] & 3) + 1
    frames.payload_bytes += len(payload)
    frames.missing_bytes += length - len(frame)


def _is_same_stream(seven: bytes, head: bytes) -> bool:
    """Whether the fixed part of the header is that of the first frame."""
    return len(seven) == 7 and seven[:3] == head[:3] and (seven[3] ^ head[3]) & 0xC0 == 0


def _is_near(seven: bytes, head: bytes) -> bool:
    """Whether this could be a header of the same stream with a few bits flipped."""
    return (int.from_bytes(seven[:3], "big") ^ int.from_bytes(head[:3], "big")).bit_count() <= 2


def _find_frame(source: ByteSource, position: int, end: int, head: bytes) -> int | None:
    while position + 7 <= end:
        window, base = source.window(position)
        at = window.find(head[:3], position - base)
        while at >= 0 and base + at + 7 <= end:
            length = adts_frame_length(window[at : at + 7])
            after = base + at + (length or 0)
            if length and (after == end or _is_same_stream(source.read(after, 7), head)):
                return base + at
            at = window.find(head[:3], at + 1)
        position = max(position + 1, base + len(window) - 6)
    return None


def _judge(path: str, frames: _Frames, end: int) -> list[Finding]:
    findings: list[Finding] = []
    inner = [gap for gap in frames.gaps if gap[1] < end]
    if inner:
        skipped = sum(stop - begin for begin, stop in inner)
        findings.append(Finding("corrupt", path, f"{skipped} bytes in {len(inner)} places are no frame, first at byte {inner[0][0]}"))
    if frames.missing_bytes:
        findings.append(Finding("truncated", path, f"the last frame lacks {frames.missing_bytes} bytes"))
    if not frames.count or not frames.payload_bytes:
        return [*findings, Finding("no-sound", path, "no frame of sound")]
    tail = frames.gaps[-1] if frames.gaps and frames.gaps[-1][1] == end else None
    if tail is not None:
        code = "truncated" if tail[1] - tail[0] < 7 else "corrupt" if frames.tail_is_near else "trailing-data"
        findings.append(Finding(code, path, f"{tail[1] - tail[0]} bytes after the last frame, at byte {tail[0]}"))
    return findings
