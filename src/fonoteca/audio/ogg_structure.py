"""What an Ogg Vorbis or Ogg Opus file is and whether it is whole, from its pages alone, without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fonoteca.audio.comments import CommentPacket, find_odd_comments, parse_comment_packet
from fonoteca.audio.ogg import LAST, PageScan, scan_pages
from fonoteca.audio.ogg_audio import AudioStream, count_samples, find_first_audio_page, hash_essence, read_audio_stream, starts_negative
from fonoteca.audio.ogg_streams import LogicalStream, check_rules, check_sequence, group_streams, read_packets
from fonoteca.ground.errors import AudioFormatError
from fonoteca.ground.findings import Finding

_OTHER_CODECS = (
    (b"\x7fFLAC", "FLAC"),
    (b"Speex   ", "Speex"),
    (b"\x80theora", "Theora"),
    (b"fishead", "Skeleton"),
    (b"OVP80", "VP8"),
    (b"CELT", "CELT"),
)
MOST_OF_ONE_CODE = 20
"""Findings of one code told about one file: a broken file can have one at every byte."""

_BLOCKS_RETAGGING = frozenset({"chained-stream", "multiplexed-stream", "leading-data", "bad-tags"})


class OggStructure(msgspec.Struct, frozen=True):
    """What the pages say. `codec` is "vorbis", "opus" or None; `samples` counts per channel, without pre-skip, as declared.

    `essence_sha256` is as docs/formats/essence.md has it, None where the stream is damaged. `header_pages` counts the pages up
    to the end of the last header packet. `trailing_bytes` follow the last page.
    """

    codec: str | None = None
    sample_rate: int = 0
    channels: int = 0
    samples: int | None = None
    pre_skip: int = 0
    nominal_bits_per_second: int | None = None
    essence_sha256: str | None = None
    comment_packet: bytes | None = None
    is_chained: bool = False
    is_multiplexed: bool = False
    trailing_bytes: int = 0
    first_granule_negative: bool = False
    header_pages: int = 0
    pages: int = 0
    can_be_retagged: bool = False
    findings: tuple[Finding, ...] = ()


class Examination(NamedTuple):
    """The structure, and the pages and headers it was told from."""

    structure: OggStructure
    audio: tuple[AudioStream, ...]


def read_ogg_structure(data: bytes, path: str) -> OggStructure:
    """Tell what an Ogg file is and everything that is wrong with it; bad content never raises."""
    return examine_ogg(data, path).structure


def examine_ogg(data: bytes, path: str) -> Examination:
    """As `read_ogg_structure`, with the pages, for those who write them again."""
    told = _Told(path)
    if not data:
        told.add("empty-file", "0 bytes")
        return Examination(OggStructure(findings=told.findings), ())
    scan = scan_pages(data)
    streams, strays = group_streams(scan.pages)
    for damage in (*scan.damages, *strays):
        told.add(damage.code, damage.fact)
    trailing = _tell_gaps(scan, len(data), streams, told)
    audio = _find_audio(data, streams, told)
    for one in audio:
        _check_stream(data, one, told)
    is_chained, is_multiplexed = _tell_mixture(streams, told)
    return Examination(_summarise(data, scan, audio, trailing, (is_chained, is_multiplexed), told), tuple(audio))


class _Told:
    """Findings as they are made."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._findings: list[Finding] = []
        self.has_odd_header = False

    def add_odd_header(self, fact: str) -> None:
        self.has_odd_header = True
        self.add("odd-stream", fact)

    def add(self, code: str, fact: str) -> None:
        count = sum(1 for found in self._findings if found.code == code)
        if count < MOST_OF_ONE_CODE:
            self._findings.append(Finding(code, self._path, fact))

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._findings)

    @property
    def codes(self) -> set[str]:
        return {found.code for found in self._findings}

    @property
    def is_whole(self) -> bool:
        return all(found.kind.weight == "note" for found in self._findings)


def _tell_gaps(scan: PageScan, size: int, streams: Sequence[LogicalStream], told: _Told) -> int:
    """Tell bytes that are in no page by where they lie; give how many follow the last page."""
    trailing = 0
    all_ended = all(stream.pages[-1].flags & LAST for stream in streams)
    for start, end in scan.gaps:
        if not scan.pages:
            continue
        if start == 0:
            told.add("leading-data", f"{end} bytes come before the first page")
        elif end == size and all_ended and not scan.damages:
            trailing = end - start
            told.add("trailing-data", f"{trailing} bytes follow the last page")
        else:
            told.add("corrupt", f"the {end - start} bytes at byte {start} are no Ogg page")
    return trailing


def _find_audio(data: bytes, streams: Sequence[LogicalStream], told: _Told) -> list[AudioStream]:
    audio, others = [], []
    for stream in streams:
        first = next(read_packets(data, stream.pages, 1), None)
        packet = first.data if first else b""
        try:
            one = read_audio_stream(data, stream, packet)
        except AudioFormatError as error:
            told.add("corrupt", error.message)
            continue
        if one:
            audio.append(one)
        else:
            others.append(next((name for magic, name in _OTHER_CODECS if packet.startswith(magic)), "an unknown codec"))
    if not audio and told.is_whole:
        told.add("not-audio", f"an Ogg file of {', '.join(others)}" if others else "no Ogg stream begins here")
    return audio


def _check_stream(data: bytes, one: AudioStream, told: _Told) -> None:
    pages = one.stream.pages
    for damage in check_sequence(one.stream):
        told.add(damage.code, damage.fact)
    for fact in check_rules(data, one.stream):
        told.add("odd-stream", fact)
    if not pages[-1].flags & LAST:
        told.add("truncated", f"the stream has no end: its last page, at byte {pages[-1].offset}, is not marked as the last")
    elif one.last_header is None:
        told.add("corrupt", "the stream ends before its headers are complete")
    elif find_first_audio_page(data, one) is None:
        told.add("no-sound", "no audio packet follows the headers")
    if one.comment is not None:
        _check_comments(one, one.comment.data, told)


def _check_comments(one: AudioStream, packet: bytes, told: _Told) -> None:
    try:
        parsed: CommentPacket = parse_comment_packet(packet)
    except AudioFormatError as error:
        told.add("bad-tags", error.message)
        return
    if parsed.codec != one.head.codec:
        told.add("bad-tags", f"the comments are those of {parsed.codec} in a stream of {one.head.codec}")
    if parsed.codec == "vorbis" and parsed.trailing[:1] != b"\x01":
        told.add_odd_header("the comment packet has no framing bit")
    if one.comment and one.comment.first_page != 1:
        told.add_odd_header("the comment packet does not begin the second page")
    for fact in find_odd_comments(parsed.comments):
        told.add("odd-comment", fact)


def _tell_mixture(streams: Sequence[LogicalStream], told: _Told) -> tuple[bool, bool]:
    links = {stream.link for stream in streams}
    if len(links) > 1:
        told.add("chained-stream", f"{len(links)} streams follow one another")
    is_multiplexed = len(streams) > len(links)
    if is_multiplexed:
        told.add("multiplexed-stream", f"{len(streams)} streams, {len(links)} of them one after the other")
    return len(links) > 1, is_multiplexed


def _summarise(
    data: bytes, scan: PageScan, audio: Sequence[AudioStream], trailing: int, mixture: tuple[bool, bool], told: _Told
) -> OggStructure:
    if not audio:
        return OggStructure(findings=told.findings, pages=len(scan.pages), trailing_bytes=trailing)
    first = audio[0]
    is_negative = any(starts_negative(data, one) for one in audio)
    if is_negative:
        told.add("negative-granule", "the first audio page has a negative granule position")
    counted = [count_samples(data, one) for one in audio if not mixture[1] or one is first]
    is_whole = told.is_whole
    return OggStructure(
        codec=first.head.codec,
        sample_rate=first.head.sample_rate,
        channels=first.head.channels,
        samples=sum(count for count in counted if count) if any(count is not None for count in counted) else None,
        pre_skip=first.head.pre_skip,
        nominal_bits_per_second=first.head.nominal,
        essence_sha256=hash_essence(data, audio) if is_whole else None,
        comment_packet=first.comment.data if first.comment else None,
        is_chained=mixture[0],
        is_multiplexed=mixture[1],
        trailing_bytes=trailing,
        first_granule_negative=is_negative,
        header_pages=first.last_header.last_page + 1 if first.last_header else 0,
        pages=len(scan.pages),
        can_be_retagged=is_whole and first.comment is not None and not told.has_odd_header and not told.codes & _BLOCKS_RETAGGING,
        findings=told.findings,
    )
