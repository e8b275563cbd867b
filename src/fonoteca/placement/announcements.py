"""announcement.json: what a mirror says of itself, signed with its own key: a receipt for every container that it proved.

A silent mirror is not counted: an announcement ends at `expires`, and never lives longer than LONGEST_DAYS.
"""

from __future__ import annotations

import re

import msgspec

from fonoteca.ground.errors import FormatError
from fonoteca.placement.facts import DAY

ANNOUNCEMENT_FILE = "announcement.json"
ANNOUNCEMENT_NAMESPACE = "fonoteca-announcement"
ANNOUNCEMENT_FORMAT = 1

LARGEST_ANNOUNCEMENT_BYTES = 32 << 20
MOST_HELD = 200_000
LONGEST_DAYS = 60
EXPIRES_AFTER_ROUNDS = 3
"""An announcement that is made again every N days is good for three times N: two may be missed."""

_INFOHASH = re.compile(r"[0-9a-f]{40}")
_KEY = re.compile(r"[A-Za-z0-9+/]{56}")
_LATEST = 253_402_300_800
"""The year 10,000: later times are none."""


class Receipt(msgspec.Struct, frozen=True):
    """One torrent that was chosen. `share`: of its bytes that were read and good; `proved_at`: the oldest of these proofs, 0 where
    `share` is 0; `chosen_at`: since when it is wanted. Times in Unix seconds."""

    infohash: str
    share: float
    proved_at: int
    chosen_at: int


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What a mirror says. `pledge`: the bytes it gives; `is_selective`: its filters leave something out; `url`: where held/ is reached."""

    format: int = ANNOUNCEMENT_FORMAT
    name: str = ""
    key: str
    operator: str = ""
    url: str = ""
    at: int
    expires: int
    pledge: int = 0
    is_selective: bool = False
    held: tuple[Receipt, ...] = ()

    def is_good_at(self, now: int) -> bool:
        """Whether it has neither expired nor comes from the future."""
        return self.at <= now + DAY and now < min(self.expires, self.at + LONGEST_DAYS * DAY)


def expires_at(at: int, every_days: float) -> int:
    """When an announcement that is made again every so many days ends."""
    return at + round(min(LONGEST_DAYS, max(1.0, EXPIRES_AFTER_ROUNDS * every_days)) * DAY)


def write_announcement(announcement: Announcement) -> bytes:
    """The bytes of announcement.json, one receipt a line, sorted by infohash."""
    head = msgspec.structs.replace(announcement, held=())
    lines = [msgspec.json.encode(one) for one in sorted(announcement.held, key=lambda one: one.infohash)]
    told = msgspec.json.encode(head)
    return told.removesuffix(b"[]}") + b"[\n" + b",\n".join(lines) + b"\n]}\n"


def read_announcement(data: bytes, path: str = ANNOUNCEMENT_FILE) -> Announcement:
    """An announcement from the bytes of its file, every value checked; FormatError otherwise. The signature is checked by the caller."""
    if len(data) > LARGEST_ANNOUNCEMENT_BYTES:
        raise FormatError(f"{path} has {len(data):,} bytes, more than {LARGEST_ANNOUNCEMENT_BYTES:,}", "It is not counted.")
    try:
        found = msgspec.json.decode(data, type=Announcement)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{path} is no announcement: {error}", "It is not counted; the mirror's operator can make it again.") from error
    fault = _fault_of(found)
    if fault is not None:
        raise FormatError(f"{path}: {fault}", "It is not counted; the mirror's operator can make it again.")
    return found


def _fault_of(found: Announcement) -> str | None:
    if found.format != ANNOUNCEMENT_FORMAT:
        return f"format {found.format}, this program reads {ANNOUNCEMENT_FORMAT}"
    if not _KEY.fullmatch(found.key):
        return "its key is no public key as minisign shows it"
    if not 0 < found.at < found.expires < _LATEST or not 0 <= found.pledge < 10**18:
        return f"impossible times or pledge: {found.at}, {found.expires}, {found.pledge}"
    if max(len(found.name), len(found.operator), len(found.url)) > 2000:
        return "a name, operator or url of more than 2,000 characters"
    if len(found.held) > MOST_HELD or len({one.infohash for one in found.held}) < len(found.held):
        return f"{len(found.held):,} receipts, too many or one twice"
    odd = next((one for one in found.held if not _is_possible(one, found.at)), None)
    return None if odd is None else f"impossible receipt: {odd.infohash!r:.60}, share {odd.share}, proved at {odd.proved_at}"


def _is_possible(one: Receipt, at: int) -> bool:
    is_share = 0 <= one.share <= 1  # false for a NaN, too
    return bool(_INFOHASH.fullmatch(one.infohash)) and is_share and 0 <= one.proved_at <= at + DAY and 0 <= one.chosen_at <= at + DAY
