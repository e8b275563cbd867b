"""Where the comment packet lies in an Ogg file, and how other comments are laid in its place without moving anything else.

The header of a file is cut in three: the pages before the comments, the pages that carry them, and the rest. On the last
page that carries them other packets may follow (the codebooks of Vorbis, and in 2 % of real files audio); these stay on that
page, with its granule position and flags. Longer comments get more pages in front of it.
"""

from __future__ import annotations

from typing import NamedTuple

from fonoteca.audio.ogg import CONTINUED, NO_GRANULE, Page, build_page, lacing_of, lacing_values, scan_pages, shift_numbers
from fonoteca.audio.ogg_streams import HeaderPacket, read_packets
from fonoteca.ground.errors import AudioFormatError

MOST_VALUES = 255
"""Lacing values that one page can hold."""


class FrontPage(NamedTuple):
    """A page filled with the beginning of the comments: how many lacing values it has, and its granule position."""

    values: int
    granule: int


class CommentLayout(NamedTuple):
    """`packet` is the comment packet, on pages from byte `start` to byte `end`; `tail_*` is what follows it on its last page."""

    packet: bytes
    start: int
    end: int
    serial: int
    sequence: int
    fronts: tuple[FrontPage, ...]
    flags: int
    granule: int
    tail_lacing: bytes
    tail_body: bytes


def find_layout(data: bytes, pages: list[Page], comment: HeaderPacket) -> CommentLayout:
    """Describe the pages that carry the comments. Raises AudioFormatError where they could not be built again byte for byte."""
    first, last = pages[comment.first_page], pages[comment.last_page]
    values = lacing_values(data, last)
    fronts = tuple(FrontPage(page.body - page.offset - 27, page.granule) for page in pages[comment.first_page : comment.last_page])
    layout = CommentLayout(
        packet=comment.data,
        start=first.offset,
        end=last.end,
        serial=first.serial,
        sequence=first.sequence,
        fronts=fronts,
        flags=last.flags & ~CONTINUED,
        granule=last.granule,
        tail_lacing=values[comment.values_used :],
        tail_body=data[comment.end : last.end],
    )
    if b"".join(build_comment_pages(layout, comment.data, fronts)) != data[layout.start : layout.end]:
        raise AudioFormatError("the pages that carry the comments are odd and could not be built again")
    return layout


def read_layout(data: bytes) -> CommentLayout:
    """Find the layout in a file, or in its header up to the end of the comments, without checking the rest.

    Raises AudioFormatError where the file is no plain Ogg stream with comments as its second packet.
    """
    pages: list[Page] = []
    size = 65_536
    while True:
        piece = data[:size]
        pages = scan_pages(piece, checks_crc=False).pages
        if not pages or {page.serial for page in pages} != {pages[0].serial}:
            raise AudioFormatError("no single Ogg stream begins here")
        packets = list(read_packets(piece, pages, 2))
        if len(packets) == 2 and packets[1].first_page == 1 and pages[0].offset == 0:
            return find_layout(piece, pages, packets[1])
        if size >= len(data) or len(packets) == 2:
            raise AudioFormatError("no comment packet begins the second page")
        size *= 4


def choose_fronts(layout: CommentLayout, packet: bytes) -> tuple[FrontPage, ...]:
    """Choose the pages before the last one for other comments: as many as there were, if they fit, so that no page is renumbered."""
    values, room = len(packet) // 255 + 1, MOST_VALUES - len(layout.tail_lacing)
    fronts = len(layout.fronts)
    if not fronts < values <= MOST_VALUES * fronts + room:
        fronts = max(0, -(-(values - room) // MOST_VALUES))
    counts, left = [], values
    for after in range(fronts, 0, -1):
        counts.append(min(MOST_VALUES, left - after))
        left -= counts[-1]
    return tuple(FrontPage(count, NO_GRANULE) for count in counts)


def build_comment_pages(layout: CommentLayout, packet: bytes, fronts: tuple[FrontPage, ...]) -> list[bytes]:
    """Build the pages that carry `packet` in the place of the one that is there."""
    lacing = lacing_of(len(packet))
    pages, used, flags = [], 0, 0
    for number, front in enumerate(fronts):
        part = packet[used * 255 : (used + front.values) * 255]
        values = lacing[used : used + front.values]
        pages.append(build_page(flags, front.granule, layout.serial, layout.sequence + number, values, part))
        used, flags = used + front.values, CONTINUED
    values, body = lacing[used:] + layout.tail_lacing, packet[used * 255 :] + layout.tail_body
    if len(values) > MOST_VALUES or used >= len(lacing):
        raise AudioFormatError(f"the comments do not fit into {len(fronts) + 1} pages")
    return [*pages, build_page(layout.flags | flags, layout.granule, layout.serial, layout.sequence + len(fronts), values, body)]


def shift_pages(rest: bytes | memoryview, step: int) -> bytes | memoryview:
    """Add `step` to the number of every page in `rest`; without a step the same object comes back."""
    return shift_numbers(rest, step) if step else rest
