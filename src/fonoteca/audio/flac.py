"""FLAC (RFC 9639): metadata blocks, and a walk over the frames by their headers, numbers and checksums."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import NamedTuple

from fonoteca.audio.byte_source import ByteSource
from fonoteca.audio.crc16 import remainders
from fonoteca.audio.formats import AudioStructure
from fonoteca.audio.tag_blocks import TagBlock, find_leading_tags, find_trailing_tags
from fonoteca.ground.findings import Finding

_HEADER_BYTES_AT_MOST = 16
_FRAME_BYTES_AT_MOST = 1 << 21
_BLOCKS_AT_MOST = 4096
_CHECKED_AT_ONCE = 256
_SYNC = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\x00-\xae]")
_PICTURE_KIND, _COMMENT_KIND = 6, 4


class _StreamInfo(NamedTuple):
    body: bytes
    sample_rate: int
    channels: int
    bits: int
    samples: int
    md5: str | None


class _Frame(NamedTuple):
    offset: int
    number: int
    samples: int
    is_variable: bool

    @property
    def next_number(self) -> int:
        """The number that the following frame must have."""
        return self.number + (self.samples if self.is_variable else 1)


def read_flac_structure(source: ByteSource, path: str, start: int) -> AudioStructure:
    """Blocks, frames and essence of a native FLAC stream whose "fLaC" is at `start`; never raises on bad content."""
    after_tags, leading = find_leading_tags(source)
    findings: list[Finding] = []
    if start:
        what = "an ID3v2 tag" if start == after_tags else "bytes"
        findings.append(Finding("leading-data", path, f"{start} bytes ({what}) before the FLAC marker"))
    info, audio_start, inner, problems = _read_blocks(source, path, start + 4)
    findings += problems
    end, trailing = find_trailing_tags(source, audio_start)
    blocks = leading + inner + trailing
    if info is None:
        return AudioStructure("flac", tag_blocks=blocks, findings=tuple(findings))
    frames = _find_frames(source, audio_start, end)
    findings += _judge(source, path, info, frames, audio_start, end)
    counted = sum(frame.samples for frame in frames)
    samples = info.samples or counted
    seconds = counted / info.sample_rate
    return AudioStructure(
        "flac", info.sample_rate, info.channels, samples,
        bits_per_second=round((end - audio_start) * 8 / seconds) if seconds else None,
        essence_sha256=_hash_essence(source, info, audio_start, end) if frames else None,
        pcm_md5=info.md5, tag_blocks=blocks, findings=tuple(findings),
    )  # fmt: skip


def _hash_essence(source: ByteSource, info: _StreamInfo, start: int, end: int) -> str:
    digest = hashlib.sha256(info.body)
    source.hash_into(digest, start, end)
    return digest.hexdigest()


def _read_blocks(source: ByteSource, path: str, position: int) -> tuple[_StreamInfo | None, int, tuple[TagBlock, ...], list[Finding]]:
    """STREAMINFO, the offset after the last metadata block, the blocks with tags, and what is wrong."""
    info: _StreamInfo | None = None
    blocks: list[TagBlock] = []
    findings: list[Finding] = []
    for _ in range(_BLOCKS_AT_MOST):
        head = source.read(position, 4)
        if len(head) < 4:
            return info, source.size, tuple(blocks), [*findings, Finding("truncated", path, "the file ends inside its metadata")]
        kind, size = head[0] & 127, _block_size(source, position, head)
        if position + 4 + size > source.size:
            fact = f"metadata block {kind} claims {size} bytes, {source.size - position - 4} are there"
            return info, source.size, tuple(blocks), [*findings, Finding("truncated", path, fact)]
        if kind == 0 and info is None:
            info = _read_stream_info(source.read(position + 4, size))
        elif kind in (_COMMENT_KIND, _PICTURE_KIND):
            blocks.append(TagBlock("vorbis-comments" if kind == _COMMENT_KIND else "picture", position + 4, size))
        position += 4 + size
        if head[0] & 128:
            break
    if info is None:
        findings.append(Finding("corrupt", path, "no usable STREAMINFO block"))
    return info, position, tuple(blocks), findings


def _block_size(source: ByteSource, position: int, head: bytes) -> int:
    """The size as declared; for a picture beyond the 16 MiB that fit into the field, the size its own fields add up to."""
    declared = int.from_bytes(head[1:4], "big")
    if head[0] & 127 != _PICTURE_KIND:
        return declared
    at = position + 8
    for field in range(3):
        length = int.from_bytes(source.read(at, 4), "big")
        at += 4 + length + (16 if field == 1 else 0)
    real = at - position - 4
    return real if declared < real and real & 0xFFFFFF == declared and position + 4 + real <= source.size else declared


def _read_stream_info(body: bytes) -> _StreamInfo | None:
    packed = int.from_bytes(body[10:18], "big")
    rate = packed >> 44
    if len(body) != 34 or not rate:
        return None
    md5 = body[18:34].hex()
    return _StreamInfo(body, rate, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1, md5 if int(md5, 16) else None)


def _find_frames(source: ByteSource, start: int, end: int) -> list[_Frame]:
    """The frames whose headers are whole and whose numbers follow one another; a gap where some are damaged."""
    frames: list[_Frame] = []
    passed: list[_Frame] = []
    position = start
    while position + 6 <= end:
        window, base = source.window(position)
        limit = min(len(window), end - base)
        is_last = base + limit >= end
        for match in _SYNC.finditer(window, position - base, limit if is_last else max(0, limit - _HEADER_BYTES_AT_MOST)):
            frame = _parse_header(window[match.start() : match.start() + _HEADER_BYTES_AT_MOST], base + match.start())
            if frame is not None:
                _follow(frames, passed, frame, start)
        position = end if is_last or not window else base + limit - _HEADER_BYTES_AT_MOST
    return frames


def _follow(frames: list[_Frame], passed: list[_Frame], frame: _Frame, start: int) -> None:
    """Take a frame that has the expected number; after damage, one that a passed-over frame leads to."""
    if (not frames and frame.offset == start) or (frames and _fits(frames[-1], frame)):
        frames.append(frame)
        passed.clear()
        return
    if frames and frame.number < frames[-1].next_number:
        return
    leader = next((other for other in passed if _fits(other, frame)), None)
    if leader is not None:
        frames += (leader, frame)
        passed.clear()
    elif len(passed) < 64:
        passed.append(frame)
    else:
        passed[:] = [*passed[1:], frame]


def _fits(earlier: _Frame, later: _Frame) -> bool:
    return later.is_variable == earlier.is_variable and later.number == earlier.next_number


def _parse_header(head: bytes, offset: int) -> _Frame | None:
    size_code, rate_code = head[2] >> 4, head[2] & 15
    lead = head[4] if len(head) > 4 else 255
    extra = 0 if lead < 0x80 else 8 - (lead ^ 0xFF).bit_length() - 1
    if rate_code == 15 or extra < 0 or extra > 6 or (lead >= 0x80 and extra == 0):
        return None
    at = 5 + extra
    number = lead if not extra else lead & (0x3F >> extra)
    for byte in head[5:at]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    size_bytes = {6: 1, 7: 2}.get(size_code, 0)
    samples = int.from_bytes(head[at : at + size_bytes], "big") + 1 if size_bytes else _BLOCK_SIZES[size_code]
    at += size_bytes + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if at >= len(head) or _crc8(head[:at]) != head[at]:
        return None
    return _Frame(offset, number, samples, bool(head[1] & 1))


_BLOCK_SIZES = (0, 192, 576, 1152, 2304, 4608, 0, 0, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)


def _crc8_of_byte(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ 0x107) if value & 0x80 else value << 1
    return value


_CRC8 = bytes(_crc8_of_byte(value) for value in range(256))


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def _judge(source: ByteSource, path: str, info: _StreamInfo, frames: list[_Frame], start: int, end: int) -> list[Finding]:
    if start >= end:
        code = "truncated" if info.samples else "no-sound"
        return [Finding(code, path, f"{info.samples} samples are declared, no frame is there")]
    if not frames:
        return [Finding("corrupt", path, f"no frame begins at byte {start}")]
    findings: list[Finding] = []
    gaps = sum(1 for earlier, later in pairwise(frames) if not _fits(earlier, later))
    late = int(frames[0].offset != start)
    damaged = _damaged_frames(source, frames, end)
    counted, last_is_damaged = sum(frame.samples for frame in frames), bool(damaged) and damaged[-1] == len(frames) - 1
    is_short = bool(info.samples) and counted < info.samples
    inner = damaged[:-1] if last_is_damaged else damaged
    if gaps or late or inner:
        first = frames[inner[0]].offset if inner else start
        fact = f"{len(inner)} of {len(frames)} frames do not fit their CRC-16, {gaps + late} gaps between frames; from byte {first}"
        findings.append(Finding("corrupt", path, fact))
    if last_is_damaged:
        fact = f"the last frame, at byte {frames[-1].offset}, does not fit its CRC-16: it is cut, or foreign bytes follow it"
        findings.append(Finding("truncated" if not findings else "corrupt", path, fact))
    elif is_short and not findings:
        findings.append(Finding("truncated", path, f"{info.samples} samples are declared, the frames have {counted}"))
    elif info.samples and counted > info.samples:
        findings.append(Finding("corrupt", path, f"{info.samples} samples are declared, the frames have {counted}"))
    if frames[0].number and not findings:
        findings.append(Finding("odd-stream", path, f"the first frame has number {frames[0].number}: cut from a longer stream"))
    return findings


def _damaged_frames(source: ByteSource, frames: list[_Frame], end: int) -> list[int]:
    """Places in `frames` of those that do not fit their CRC-16."""
    damaged: list[int] = []
    ends = [frame.offset for frame in frames[1:]] + [end]
    for at in range(0, len(frames), _CHECKED_AT_ONCE):
        spans = list(zip(frames[at : at + _CHECKED_AT_ONCE], ends[at : at + _CHECKED_AT_ONCE], strict=True))
        bodies = [source.read(frame.offset, min(stop - frame.offset, _FRAME_BYTES_AT_MOST)) for frame, stop in spans]
        damaged += [at + place for place, remainder in enumerate(remainders(bodies)) if remainder]
    return damaged
