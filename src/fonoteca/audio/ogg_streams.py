"""Logical streams of an Ogg file: which pages belong together, whether they follow one another, and the packets they carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from fonoteca.audio.ogg import CONTINUED, FIRST, LAST, Damage, Page, lacing_values

MOST_FACTS = 10
"""Facts of one kind told about one stream; the rest is left out."""


class LogicalStream(NamedTuple):
    """One stream from its first page on. `link` counts the groups of streams that follow one another in a chained file."""

    serial: int
    link: int
    pages: list[Page]


class HeaderPacket(NamedTuple):
    """A packet and where it ends: page by index, lacing values used on that page, offset of the byte behind it."""

    data: bytes
    first_page: int
    last_page: int
    values_used: int
    end: int


def group_streams(pages: Sequence[Page]) -> tuple[list[LogicalStream], list[Damage]]:
    """Sort pages into logical streams; pages of a stream that never began are told as damage."""
    damages: list[Damage] = []
    if pages and _is_single(pages):
        return [LogicalStream(pages[0].serial, 0, list(pages))], damages
    streams: list[LogicalStream] = []
    running: dict[int, LogicalStream] = {}
    link, is_beginning = -1, False
    for page in pages:
        if page.flags & FIRST:
            if not is_beginning:
                link, running = link + 1, {}
            is_beginning = True
            running[page.serial] = LogicalStream(page.serial, link, [page])
            streams.append(running[page.serial])
        elif page.serial in running:
            is_beginning = False
            running[page.serial].pages.append(page)
        elif len(damages) < MOST_FACTS:
            damages.append(
                Damage(page.offset, "corrupt", f"the page at byte {page.offset} belongs to stream {page.serial:#x}, which never began")
            )
    return streams, damages


def _is_single(pages: Sequence[Page]) -> bool:
    if not pages[0].flags & FIRST or len({page[5] for page in pages}) > 1:  # by place: names cost twice the time, page after page
        return False
    return sum([page[3] & FIRST for page in pages]) == FIRST


def check_sequence(stream: LogicalStream) -> list[Damage]:
    """Find pages that are missing, repeated or out of order, by their numbers."""
    pages = stream.pages
    first = pages[0].sequence
    if [page[6] for page in pages] == list(range(first, first + len(pages))):
        return []
    jumps = [(before, page) for before, page in pairwise(pages) if page.sequence != (before.sequence + 1) & 0xFFFFFFFF]
    return [
        Damage(page.offset, "corrupt", f"the page at byte {page.offset} has number {page.sequence}, expected {before.sequence + 1}")
        for before, page in jumps[:MOST_FACTS]
    ]


def check_rules(data: bytes, stream: LogicalStream) -> list[str]:
    """Find what decoders forgive: pages after the last one, wrong continuation flags, granule positions that fall."""
    pages = stream.pages
    facts: list[str] = []
    flags = [page[3] for page in pages]
    if any(one & LAST for one in set(flags[:-1])):
        facts.append("pages follow the one that is marked as the last")
    if any(one & ~7 for one in set(flags)):
        facts.append("a page has flags that no version defines")
    wrong = _count_wrong_continuations(data, pages)
    if wrong:
        facts.append(f"{wrong} pages are wrongly marked as beginning inside a packet, or not marked")
    positive = [granule for _, _, _, one, granule, _, _ in pages if granule > 0 and not one & FIRST]
    if positive != sorted(positive):
        facts.append("granule positions fall")
    return facts


def _count_wrong_continuations(data: bytes, pages: Sequence[Page]) -> int:
    marked = [bool(page[3] & CONTINUED) for page in pages]
    expected = [False, *[data[page[1] - 1] == 255 for page in pages]]
    del expected[-1]
    if marked == expected and 27 not in [page[1] - page[0] for page in pages]:
        return 0
    is_open, expected = False, []
    for offset, body, _, _, _, _, _ in pages:
        expected.append(is_open)
        if body > offset + 27:  # a page without lacing values leaves open what was open
            is_open = data[body - 1] == 255
    return sum(1 for one, other in zip(marked, expected, strict=True) if one != other)


def read_packets(data: bytes, pages: Sequence[Page], most: int, start: tuple[int, int] = (0, 0)) -> Iterator[HeaderPacket]:
    """Give up to `most` packets of a stream in order, from lacing value `start[1]` of page `start[0]` on.

    A packet without an end is not given.
    """
    parts: list[bytes] = []
    first_page = start[0]
    for index in range(start[0], len(pages)):
        page = pages[index]
        values = lacing_values(data, page)
        used = start[1] if index == start[0] else 0
        position = at = page.body + sum(values[:used])
        for number in range(used, len(values)):
            at += values[number]
            if values[number] < 255:
                if most <= 0:
                    return
                most -= 1
                first_page = first_page if parts else index
                yield HeaderPacket(b"".join((*parts, data[position:at])), first_page, index, number + 1, at)
                parts, position = [], at
        if values[used:] and values[-1] == 255:
            first_page = first_page if parts else index
            parts.append(data[position:at])


def has_packet_end(data: bytes, page: Page, used: int = 0) -> bool:
    """Whether a packet ends on the page, behind its first `used` lacing values."""
    values = lacing_values(data, page)[used:]
    return values.count(255) < len(values)
