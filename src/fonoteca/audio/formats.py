"""Which format some bytes are, told by the content alone, and what a structural reader gives."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from fonoteca.audio.byte_source import ByteSource
from fonoteca.audio.tag_blocks import TagBlock, find_leading_tags
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import AudioFormat

Shape = Literal["ogg", "flac", "mp3", "aac", "m4a", "wav"]

AUDIO_SUFFIXES: frozenset[str] = frozenset({
    ".aac", ".adts", ".aif", ".aiff", ".alac", ".ape", ".bwf", ".f4a", ".flac", ".m4a", ".m4b", ".m4r", ".mp1", ".mp2", ".mp3", ".mp4",
    ".mpa", ".mpc", ".oga", ".ogg", ".ogx", ".opus", ".rf64", ".spx", ".tta", ".w64", ".wav", ".wave", ".wma", ".wv",
})  # fmt: skip
"""Suffixes, in lower case, of names that say audio, kept formats or not."""

W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_SEARCHED_BYTES = 1 << 16
_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof"}
_SYNC = re.compile(rb"\xff[\xe0-\xff]")
_MPEG1_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_RATES = (44100, 48000, 32000)


class AudioStructure(msgspec.Struct, frozen=True):
    """What the framing of a file tells without decoding it.

    `samples` per channel at `sample_rate`, as declared or counted; decoders may differ from it by `tolerance_samples`.
    `pcm_md5` is the MD5 of the decoded samples that FLAC carries, None where it carries none.
    """

    format: AudioFormat | None
    sample_rate: int = 0
    channels: int = 0
    samples: int | None = None
    tolerance_samples: int = 0
    bits_per_second: int | None = None
    essence_sha256: str | None = None
    pcm_md5: str | None = None
    tag_blocks: tuple[TagBlock, ...] = ()
    findings: tuple[Finding, ...] = ()


class MpegHeader(msgspec.Struct, frozen=True):
    """An MPEG audio Layer III frame header; `length` is None in free format."""

    length: int | None
    sample_rate: int
    channels: int
    samples: int
    side_info_bytes: int
    is_protected: bool


def parse_mpeg_header(four: bytes) -> MpegHeader | None:
    """The Layer III header in four bytes (ISO/IEC 11172-3, 13818-3 and MPEG 2.5); None where they are none."""
    if len(four) < 4 or four[0] != 0xFF or four[1] & 0xE6 != 0xE2 or four[1] & 0x18 == 0x08:
        return None
    kbits_code, rate_code = four[2] >> 4, four[2] >> 2 & 3
    if kbits_code == 15 or rate_code == 3:
        return None
    is_mpeg1 = four[1] & 0x18 == 0x18
    rate = _MPEG1_RATES[rate_code] >> (0 if is_mpeg1 else 1 if four[1] & 0x18 == 0x10 else 2)
    kbits = (_MPEG1_KBITS if is_mpeg1 else _MPEG2_KBITS)[kbits_code]
    length = (144000 if is_mpeg1 else 72000) * kbits // rate + (four[2] >> 1 & 1)
    channels = 1 if four[3] >> 6 == 3 else 2
    side = (32, 17) if is_mpeg1 else (17, 9)
    return MpegHeader(length if kbits else None, rate, channels, 1152 if is_mpeg1 else 576, side[channels == 1], not four[1] & 1)


def adts_frame_length(seven: bytes) -> int | None:
    """Bytes of the ADTS frame whose header starts here (ISO/IEC 13818-7, 6.2); None where there is none."""
    if len(seven) < 7 or seven[0] != 0xFF or seven[1] & 0xF6 != 0xF0 or (seven[2] >> 2 & 15) > 12:
        return None
    length = (seven[3] & 3) << 11 | seven[4] << 3 | seven[5] >> 5
    return length if length >= (7 if seven[1] & 1 else 9) else None


def detect_format(source: ByteSource) -> tuple[Shape | None, int]:
    """The shape and the offset where it begins, after leading ID3v2 tags and, for MP3 and ADTS, up to 64 KiB of other bytes."""
    start, _ = find_leading_tags(source)
    for offset in dict.fromkeys((0, start)):
        if (shape := _shape_by_magic(source.read(offset, 16))) is not None:
            return shape, offset
    for offset in (start, 0):
        if (shape := _shape_by_frames(source, offset, needed=1 if offset else 2)) is not None:
            return shape, offset
    return _search_frames(source, start)


def _shape_by_magic(head: bytes) -> Shape | None:
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] == b"fLaC":
        return "flac"
    if (head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE") or head == W64_RIFF:
        return "wav"
    return "m4a" if head[4:8] in _MP4_BOXES else None


def _search_frames(source: ByteSource, start: int) -> tuple[Shape | None, int]:
    for match in _SYNC.finditer(source.read(start, _SEARCHED_BYTES)):
        if (shape := _shape_by_frames(source, start + match.start(), needed=3)) is not None:
            return shape, start + match.start()
    return None, start


def _shape_by_frames(source: ByteSource, offset: int, needed: int) -> Shape | None:
    """MP3 or ADTS where `needed` frames of one kind follow one another, or fewer fill the file to its last byte or past it."""
    first = source.read(offset, 4)
    if adts_frame_length(source.read(offset, 7)) is not None:
        return "aac" if _frames_follow(source, offset, first, needed, is_adts=True) else None
    if (header := parse_mpeg_header(first)) is not None:
        if header.length is None:
            return "mp3" if _next_free_frame(source, offset) is not None else None
        return "mp3" if _frames_follow(source, offset, first, needed, is_adts=False) else None
    return None


def _frames_follow(source: ByteSource, offset: int, first: bytes, needed: int, *, is_adts: bool) -> bool:
    for count in range(needed):
        header = source.read(offset, 7)
        if count and (header[:1] != b"\xff" or len(header) < 3 or (header[1] ^ first[1]) & 0xFE or (header[2] ^ first[2]) & 0x0C):
            return False
        mpeg = None if is_adts else parse_mpeg_header(header[:4])
        length = adts_frame_length(header) if is_adts else mpeg.length if mpeg else None
        if length is None:
            return False
        offset += length
        if offset >= source.size:
            return count > 0 or needed < 3
    return True


def _next_free_frame(source: ByteSource, offset: int) -> int | None:
    head = source.read(offset, 8192)
    following = head.find(head[:2], 24)
    return offset + following if following > 0 and (head[following + 2] ^ head[2]) & 0xFC == 0 else None
