"""One Vorbis or Opus stream in an Ogg file: its headers, where its sound begins, its length and its essence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from fonoteca.audio.ogg import FIRST, LAST, NO_GRANULE, Page
from fonoteca.audio.ogg_samples import StreamHead, count_opus_samples, count_vorbis_samples, read_opus_head, read_vorbis_head
from fonoteca.audio.ogg_streams import HeaderPacket, LogicalStream, has_packet_end, read_packets
from fonoteca.ground.errors import AudioFormatError


class AudioStream(NamedTuple):
    """One audio stream with its headers; `comment` and `last_header` are None where it ends before them."""

    stream: LogicalStream
    head: StreamHead
    comment: HeaderPacket | None
    last_header: HeaderPacket | None


def read_audio_stream(data: bytes, stream: LogicalStream, first: bytes) -> AudioStream | None:
    """Read the headers of a stream by its first packet; None where it is neither Vorbis nor Opus. Raises AudioFormatError."""
    if first.startswith(b"\x01vorbis"):
        head, count = read_vorbis_head(first), 3
    elif first.startswith(b"OpusHead"):
        head, count = read_opus_head(first), 2
    else:
        return None
    packets = list(read_packets(data, stream.pages, count))
    if count == 3 and len(packets) == 3 and not packets[2].data.startswith(b"\x05vorbis"):
        raise AudioFormatError("the third packet of the Vorbis stream holds no codebooks")
    return AudioStream(stream, head, packets[1] if len(packets) > 1 else None, packets[-1] if len(packets) == count else None)


def find_first_audio_page(data: bytes, one: AudioStream) -> Page | None:
    """Give the first page on which an audio packet ends."""
    header, pages = one.last_header, one.stream.pages
    if header is None:
        return None
    if has_packet_end(data, pages[header.last_page], header.values_used):
        return pages[header.last_page]
    return next((page for page in pages[header.last_page + 1 :] if has_packet_end(data, page)), None)


def count_samples(data: bytes, one: AudioStream) -> int | None:
    """Give the samples per channel as declared: last granule position minus where the stream starts.

    A start that is trimmed away counts as zero, as decoders do.
    """
    first, pages, header = find_first_audio_page(data, one), one.stream.pages, one.last_header
    positions = [granule for _, _, _, _, granule, _, _ in pages if granule != NO_GRANULE]
    if first is None or header is None or not positions:
        return None
    start = 0
    if not first.flags & LAST and first.granule > 0:
        index = pages.index(first, header.last_page)
        packets = read_packets(data, pages[: index + 1], 1_000_000, (header.last_page, header.values_used))
        start = max(0, first.granule - _page_samples(one, [packet.data for packet in packets]))
    return max(0, positions[-1] - start - one.head.pre_skip)


def _page_samples(one: AudioStream, packets: list[bytes]) -> int:
    if one.head.codec == "opus":
        return count_opus_samples(packets)
    setup = one.last_header.data if one.last_header else b""
    samples = count_vorbis_samples(packets, setup, one.head.block_sizes)
    return 1 << 62 if samples is None else samples


def hash_essence(data: bytes, audio: Sequence[AudioStream]) -> str | None:
    """Give the SHA-256 over all packets but the comments, Opus output gain as zero; None where headers are missing."""
    digest = hashlib.sha256()
    view = memoryview(data)
    for one in audio:
        comment = one.comment
        if comment is None or one.last_header is None:
            return None
        pages = one.stream.pages
        for page in pages[: comment.first_page]:
            body = view[page.body : page.end]
            digest.update(_without_gain(body) if one.head.codec == "opus" and page.flags & FIRST else body)
        digest.update(view[comment.end : pages[comment.last_page].end])
        _hash_bodies(digest, view, pages[comment.last_page + 1 :])
    return digest.hexdigest() if audio else None


def _hash_bodies(digest: hashlib._Hash, view: memoryview, pages: Sequence[Page]) -> None:
    update = digest.update
    for _, body, end, _, _, _, _ in pages:
        update(view[body:end])


def _without_gain(head: memoryview) -> bytes:
    return bytes(head[:16]) + b"\0\0" + bytes(head[18:])


def starts_negative(data: bytes, one: AudioStream) -> bool:
    """Whether the first audio page has a negative granule position, which FFmpeg refuses."""
    page = find_first_audio_page(data, one)
    return page is not None and page.granule < 0
