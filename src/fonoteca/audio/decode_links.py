"""Chained Ogg (RFC 3533 section 4): several streams one after the other in a file, each of which is decoded by itself."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from fonoteca.audio.ogg import FIRST, scan_pages

MOST_TO_CUT = 256 * 2**20
"""Bytes of the largest file that is cut into its links; FFmpeg goes through the links of a larger one by itself."""

AnyFile = BinaryIO | io.RawIOBase
"""What can be read and sought."""

_MOST_PAGE_BYTES = 65_307
_STARTS = (b"OggS\0\2", b"OggS\0\6")


def open_links(file: AnyFile) -> Sequence[AnyFile]:
    """The links of an Ogg file as files of their own; the file itself where there is only one."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MOST_TO_CUT:
        return (file,)
    data = file.read() or b""
    file.seek(0)
    if sum(data.count(start) for start in _STARTS) < 2:
        return (file,)
    starts = list(_find_starts(data))
    if len(starts) < 2:
        return (file,)
    return [io.BytesIO(data[start:end]) for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def _find_starts(data: bytes) -> Iterator[int]:
    """Where first pages follow other pages; the first pages of multiplexed streams stand together."""
    was_first = False
    for page in scan_pages(data, checks_crc=False).pages:
        is_first = bool(page.flags & FIRST)
        if is_first and not was_first:
            yield page.offset
        was_first = is_first


def has_one_audio_page(file: AnyFile) -> bool:
    """Whether one page, the last, finishes every audio packet of an Ogg stream. Leaves the file at its start."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - 2 * _MOST_PAGE_BYTES))
    granules = [page.granule for page in scan_pages(file.read() or b"", checks_crc=False).pages]
    file.seek(0)
    return bool(granules) and granules[-1] > 0 and all(granule in (0, -1) for granule in granules[:-1])
