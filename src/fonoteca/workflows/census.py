"""The census of copies as one mirror knows it: announcements that it heard, held to their keys, and what trackers counted."""

from __future__ import annotations

import msgspec

from fonoteca.ground.errors import FormatError
from fonoteca.integrity import load_key
from fonoteca.placement import Announcement, Census, Party, Scraped, merge_census, read_announcement
from fonoteca.workflows.announce import told_mirrors
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.roster_files import rosters_of


def take_census(mirror: Mirror, now: int) -> Census:
    """Who holds what, from the mirror's ledger alone; `hear_announcements` and scrapes bring it up to date."""
    known = {torrent.infohash for torrent in mirror.ledger.torrents()}
    heard = (_of_known(one, known) for one in _heard(mirror))
    scrapes = (Scraped(row.infohash, row.seeders, row.leechers, row.at) for row in mirror.ledger.scrapes() if row.infohash in known)
    told = {key: operator for key, (operator, _) in told_mirrors(mirror).items()}
    return merge_census(heard, scrapes, rosters_of(mirror).values(), told, now)


def party_of(mirror: Mirror) -> Party:
    """Whose copies this mirror's are: its key, and who runs it by the publisher's roster, else by its own settings."""
    key = load_key(mirror.key_file).public.minisign_text
    on_roster = (roster.find(key) for roster in rosters_of(mirror).values())
    operator = next((one.operator for one in on_roster if one is not None), mirror.settings.announce.operator)
    return Party(key, operator)


def _heard(mirror: Mirror) -> list[Announcement]:
    found = []
    for row in mirror.ledger.announcements():
        try:
            found.append(read_announcement(row.body))
        except FormatError:  # of an older program; it is heard again
            continue
    return found


def _of_known(announcement: Announcement, known: set[str]) -> Announcement:
    """Without receipts for what this mirror never heard of."""
    held = tuple(one for one in announcement.held if one.infohash in known)
    return msgspec.structs.replace(announcement, held=held)
