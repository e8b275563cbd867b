"""The census out of its sources: announcements of mirrors that count, and what trackers counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from fonoteca.placement.announcements import Announcement
from fonoteca.placement.census import Announced, Census, Copy, Standing
from fonoteca.placement.facts import DAY, Party
from fonoteca.placement.roster import Roster

SCRAPES_TOGETHER = DAY
"""Trackers are asked one after the other; what was counted within a day of the newest count belongs to it."""


class Scraped(msgspec.Struct, frozen=True):
    """What one tracker counted for one torrent; `at` in Unix seconds."""

    infohash: str
    seeders: int
    leechers: int
    at: int


def merge_census(
    announcements: Iterable[Announcement], scrapes: Iterable[Scraped], rosters: Iterable[Roster], told: Mapping[str, str], now: int
) -> Census:
    """Who holds what. Announcements must have been proved to be by their keys already.

    Only keys of the rosters count, and those that a person told (`told`: operator by key, empty for the key's own); who runs a mirror is
    what the roster says, not what the mirror says. Announcements that expired are left out.
    """
    parties = {key: Party(key, operator) for key, operator in told.items()}
    for roster in rosters:
        parties |= {one.key: one.party for one in roster.present()}
    copies: dict[str, list[Copy]] = defaultdict(list)
    announced: dict[str, Announced] = {}
    for one in _newest(announcements, now):
        party = parties.get(one.key)
        if party is None:
            continue
        announced[one.key] = Announced(one.key, party.who, one.pledge, one.at, one.is_selective)
        for receipt in one.held:
            copies[receipt.infohash].append(Copy(one.key, party.who, receipt.share, receipt.proved_at, receipt.chosen_at))
    counted = _count_seeders(scrapes)
    nothing = Standing()
    standings = {
        infohash: msgspec.structs.replace(counted.get(infohash, nothing), copies=tuple(copies.get(infohash, ())))
        for infohash in {*copies, *counted}
    }
    return Census(standings, announced)


def _newest(announcements: Iterable[Announcement], now: int) -> list[Announcement]:
    """The newest good one of each key, by key."""
    newest: dict[str, Announcement] = {}
    for one in announcements:
        if one.is_good_at(now) and (one.key not in newest or one.at > newest[one.key].at):
            newest[one.key] = one
    return [newest[key] for key in sorted(newest)]


def _count_seeders(scrapes: Iterable[Scraped]) -> dict[str, Standing]:
    """The most that any tracker counted, of the freshest counts: trackers of one swarm see the same peers."""
    by_torrent: dict[str, list[Scraped]] = defaultdict(list)
    for one in scrapes:
        by_torrent[one.infohash].append(one)
    found = {}
    for infohash, counts in by_torrent.items():
        newest = max(one.at for one in counts)
        fresh = [one for one in counts if one.at >= newest - SCRAPES_TOGETHER]
        found[infohash] = Standing((), max(one.seeders for one in fresh), max(one.leechers for one in fresh), newest)
    return found
