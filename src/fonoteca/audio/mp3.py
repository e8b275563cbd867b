"""MP3: a walk over the frames, checked by their own CRCs and by the Xing, Info and LAME tag where there is one."""

from __future__ import annotations

import hashlib
from array import array
from typing import NamedTuple

from fonoteca.audio.byte_source import ByteSource
from fonoteca.audio.crc16 import crc16_reflected, remainders
from fonoteca.audio.formats import AudioStructure, MpegHeader, parse_mpeg_header
from fonoteca.audio.tag_blocks import TagBlock, find_leading_tags, find_trailing_tags
from fonoteca.ground.findings import Finding

_CRC_PIECE_BYTES = 1 << 22
_CHECKED_AT_ONCE = 8192


class _XingTag(NamedTuple):
    frames: int | None
    music_bytes: int | None
    delay: int | None
    padding: int | None
    music_crc: int | None


class _Walk:
    """Frames found so far: stretches of them without a gap, and what did not fit."""

    def __init__(self) -> None:
        self.count = 0
        self.runs: list[tuple[int, int]] = []
        self.gaps: list[tuple[int, int]] = []
        self.missing_bytes = 0
        self.guarded = 0
        self.wrong = 0
        self._unchecked: list[bytes] = []

    def add_guarded(self, header_and_crc: bytes) -> None:
        """Take what the CRC-16 of one frame covers, with the CRC behind it; checked many at a time."""
        self._unchecked.append(header_and_crc)
        if len(self._unchecked) >= _CHECKED_AT_ONCE:
            self.check_guarded()

    def check_guarded(self) -> None:
        self.guarded += len(self._unchecked)
        self.wrong += sum(1 for remainder in remainders(self._unchecked) if remainder)
        self._unchecked.clear()

    def add_run(self, start: int, end: int) -> None:
        if start < end:
            if self.runs and self.runs[-1][1] == start:
                self.runs[-1] = (self.runs[-1][0], end)
            else:
                self.runs.append((start, end))


def read_mp3_structure(source: ByteSource, path: str, start: int) -> AudioStructure:
    """Frames, declared length and essence of an MP3 stream whose first frame is at `start`; never raises on bad content."""
    after_tags, leading = find_leading_tags(source)
    end, trailing = find_trailing_tags(source, start)
    header = parse_mpeg_header(source.read(start, 4))
    findings: list[Finding] = []
    if start > after_tags:
        findings.append(Finding("leading-data", path, f"{start - after_tags} bytes before the first frame"))
    if header is None:
        return AudioStructure("mp3", tag_blocks=leading + trailing, findings=(*findings, Finding("no-sound", path, "no frame")))
    if header.length is None:
        return _free_format(source, path, header, start, end, leading + trailing)
    tag, first = _read_xing(source, start, header)
    walk = _walk_frames(source, first, end, header)
    findings += _judge(source, path, walk, tag, start, end, has_gain_undo=_has_gain_undo(source, trailing))
    samples = (walk.count * header.samples) if walk.count else 0
    tolerance = 2 * header.samples
    if tag is not None and tag.delay is not None and tag.padding is not None:
        samples, tolerance = max(0, samples - tag.delay - tag.padding), header.samples
    return AudioStructure(
        "mp3", header.sample_rate, header.channels, samples, tolerance, _mean_rate(walk, header),
        _hash_runs(source, walk) if walk.count else None, tag_blocks=leading + trailing, findings=tuple(findings),
    )  # fmt: skip


def _mean_rate(walk: _Walk, header: MpegHeader) -> int | None:
    seconds = walk.count * header.samples / header.sample_rate
    return round(sum(end - start for start, end in walk.runs) * 8 / seconds) if seconds else None


def _hash_runs(source: ByteSource, walk: _Walk) -> str:
    digest = hashlib.sha256()
    for start, end in walk.runs:
        source.hash_into(digest, start, end)
    return digest.hexdigest()


def _free_format(source: ByteSource, path: str, header: MpegHeader, start: int, end: int, blocks: tuple[TagBlock, ...]) -> AudioStructure:
    digest = hashlib.sha256()
    source.hash_into(digest, start, end)
    note = Finding("odd-stream", path, "free format: frame lengths are not declared, so frames are not checked")
    return AudioStructure(
        "mp3", header.sample_rate, header.channels, None, essence_sha256=digest.hexdigest(), tag_blocks=blocks, findings=(note,)
    )


def _read_xing(source: ByteSource, start: int, header: MpegHeader) -> tuple[_XingTag | None, int]:
    """The Xing, Info or VBRI tag in the first frame, and the offset of the first frame of sound."""
    frame = source.read(start, header.length or 0)
    if frame[36:40] == b"VBRI":
        return _XingTag(int.from_bytes(frame[50:54], "big") or None, None, None, None, None), start + (header.length or 0)
    place = 4 + header.side_info_bytes
    if frame[place : place + 4] not in (b"Xing", b"Info"):
        place += 2  # a few encoders leave room for the CRC
        if not header.is_protected or frame[place : place + 4] not in (b"Xing", b"Info"):
            return None, start
    flags, at = int.from_bytes(frame[place + 4 : place + 8], "big"), place + 8
    frames = int.from_bytes(frame[at : at + 4], "big") if flags & 1 else None
    at += 4 * (flags & 1)
    at += 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    return _read_lame(frame, at, frames), start + (header.length or 0)


def _read_lame(frame: bytes, at: int, frames: int | None) -> _XingTag:
    if len(frame) < at + 36 or frame[at : at + 4] not in (b"LAME", b"Lavc", b"Lavf", b"L3.9"):
        return _XingTag(frames, None, None, None, None)
    both = int.from_bytes(frame[at + 21 : at + 24], "big")
    music_bytes, music_crc = int.from_bytes(frame[at + 28 : at + 32], "big"), int.from_bytes(frame[at + 32 : at + 34], "big")
    if crc16_reflected(frame[: at + 34]) != int.from_bytes(frame[at + 34 : at + 36], "big"):
        return _XingTag(frames, None, both >> 12, both & 0xFFF, None)
    return _XingTag(frames, music_bytes or None, both >> 12, both & 0xFFF, music_crc or None)


def _frame_lengths(header: MpegHeader, first: bytes) -> array[int]:
    """Frame length by the second and third byte of a header; 0 where the header is not one of this stream."""
    lengths = array("H", bytes(2 * 65536))
    for second in {first[1] | 1, first[1] & 0xFE}:
        for third in range(256):
            if (third ^ first[2]) & 0x0C == 0 and (found := parse_mpeg_header(bytes((255, second, third, 0)))) is not None:
                lengths[second << 8 | third] = found.length or 0
    return lengths


def _walk_frames(source: ByteSource, position: int, end: int, header: MpegHeader) -> _Walk:
    walk, lengths = _Walk(), _frame_lengths(header, source.read(position, 4) if position + 4 <= end else b"\xff\xfb\x90\0")
    while position + 4 <= end:
        window, base = source.window(position)
        limit = min(end, base + len(window))
        reached = _walk_window(walk, window, base, position, limit, lengths, header.side_info_bytes)
        if reached + 4 > limit and limit == end:
            break
        if reached == position or reached + 4 <= limit:  # something that is no frame of this stream
            following = _find_frame(source, reached + 1, end, lengths)
            walk.gaps.append((reached, end if following is None else following))
            if following is None:
                return walk
            reached = following
        position = reached
    if walk.runs and walk.runs[-1][1] > end:
        walk.missing_bytes = walk.runs[-1][1] - end
        walk.runs[-1] = (walk.runs[-1][0], end)
    elif walk.runs and walk.runs[-1][1] < end and not walk.gaps:
        walk.gaps.append((walk.runs[-1][1], end))
    return walk


def _walk_window(walk: _Walk, window: bytes, base: int, position: int, limit: int, lengths: array[int], side_info_bytes: int) -> int:
    """Step over frames while their headers are valid and lie inside the window; the offset where that ends."""
    at, stop, count = position - base, limit - base - 3, 0
    while at < stop and window[at] == 255 and (length := lengths[window[at + 1] << 8 | window[at + 2]]):
        if not window[at + 1] & 1:
            body = window[at + 6 : at + 6 + side_info_bytes]
            walk.add_guarded(bytes((window[at + 2] ^ 255, window[at + 3] ^ 255)) + body + window[at + 4 : at + 6])
        at += length
        count += 1
    walk.count += count
    walk.add_run(position, base + at)
    return base + at


def _find_frame(source: ByteSource, position: int, end: int, lengths: array[int]) -> int | None:
    """The next offset where two frames of this stream follow one another, or one ends exactly at the end."""
    while position + 4 <= end:
        window, base = source.window(position)
        at = window.find(b"\xff", position - base)
        while at >= 0 and base + at + 4 <= end and at + 3 <= len(window):
            length = lengths[window[at + 1] << 8 | window[at + 2]]
            after = base + at + length
            if length and (after == end or _is_header(source.read(after, 3), lengths)):
                return base + at
            at = window.find(b"\xff", at + 1)
        position = max(position + 1, base + len(window) - 3)
    return None


def _is_header(three: bytes, lengths: array[int]) -> bool:
    return len(three) == 3 and three[0] == 255 and lengths[three[1] << 8 | three[2]] > 0


def _has_gain_undo(source: ByteSource, trailing: tuple[TagBlock, ...]) -> bool:
    return any(b"MP3GAIN_UNDO" in source.read(block.offset, min(block.size, 1 << 20)).upper() for block in trailing)


def _judge(source: ByteSource, path: str, walk: _Walk, tag: _XingTag | None, start: int, end: int, *, has_gain_undo: bool) -> list[Finding]:
    findings: list[Finding] = []
    inner = [gap for gap in walk.gaps if gap[1] < end]
    if inner:
        skipped = sum(stop - begin for begin, stop in inner)
        findings.append(Finding("corrupt", path, f"{skipped} bytes in {len(inner)} places are no frame, first at byte {inner[0][0]}"))
    if not walk.count:
        return [*findings, Finding("no-sound", path, "no frame of sound")]
    if walk.missing_bytes:
        findings.append(Finding("truncated", path, f"the last frame lacks {walk.missing_bytes} bytes"))
    findings += _judge_end(source, path, walk, tag, end)
    walk.check_guarded()
    if walk.wrong:
        code = "odd-stream" if walk.wrong == walk.guarded > 2 else "corrupt"  # some encoders never got it right
        findings.append(Finding(code, path, f"{walk.wrong} of {walk.guarded} frames do not fit their CRC-16"))
    if not any(found.code in ("corrupt", "truncated") for found in findings) and tag is not None:
        findings += _judge_music(source, path, tag, start, end, has_gain_undo=has_gain_undo)
    return findings


def _judge_end(source: ByteSource, path: str, walk: _Walk, tag: _XingTag | None, end: int) -> list[Finding]:
    declared = tag.frames if tag else None
    lacking = max(0, declared - walk.count) if declared else 0
    tail = walk.gaps[-1] if walk.gaps and walk.gaps[-1][1] == end else None
    findings: list[Finding] = []
    if tail is not None:
        was_frame = lacking or _nearly_same(source.read(tail[0], 2), source.read(walk.runs[-1][0], 2))
        code = "corrupt" if was_frame else "trailing-data"
        findings.append(Finding(code, path, f"{tail[1] - tail[0]} bytes after the last frame, at byte {tail[0]}"))
    if lacking and not walk.gaps and not walk.missing_bytes:
        findings.append(Finding("truncated", path, f"{declared} frames are declared, {walk.count} are there"))
    elif declared and walk.count > declared + 1:
        findings.append(Finding("odd-stream", path, f"{declared} frames are declared, {walk.count} are there"))
    return findings


def _nearly_same(one: bytes, other: bytes) -> bool:
    """Whether these two header bytes could be those with a few bits flipped; what is cut shorter cannot tell."""
    return len(one) == 2 and (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count() <= 2


def _judge_music(source: ByteSource, path: str, tag: _XingTag, start: int, end: int, *, has_gain_undo: bool) -> list[Finding]:
    """Compare with the music CRC of the LAME tag; only where the length fits too, since cut and joined files keep an old tag."""
    header = parse_mpeg_header(source.read(start, 4))
    if tag.music_crc is None or tag.music_bytes is None or header is None or header.length is None:
        return []
    if start + tag.music_bytes != end:
        return [Finding("odd-stream", path, f"the LAME tag declares {tag.music_bytes} bytes of music, {end - start} are there")]
    crc, position = 0, start + header.length
    while position < end:
        piece = source.read(position, min(_CRC_PIECE_BYTES, end - position))
        if len(piece) < 2:
            return []
        crc, position = crc16_reflected(piece, crc), position + len(piece)
    if crc == tag.music_crc:
        return []
    code = "odd-stream" if has_gain_undo else "corrupt"
    return [Finding(code, path, f"the music has CRC {crc:04x}, its LAME tag says {tag.music_crc:04x}")]
