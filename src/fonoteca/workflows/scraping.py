"""How many seed each torrent: asked of the torrents' own trackers, and taken from lists that tell it; into the mirror's ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.findings import Finding
from fonoteca.integrity.mirror_ledger_rows import MirrorSource, ScrapeRow
from fonoteca.torrents import TorrentEntry, read_torrents_json, scrape_each
from fonoteca.workflows.mirror import Mirror

LIST = "torrents.json"
ASKED_EVERY_S = 3 * 3600
"""Trackers refuse those who ask more often."""

ASKED_AT_ONCE = 8
LARGEST_LIST_BYTES = 1 << 30


def scrape_trackers(mirror: Mirror, now: int, timeout_s: float = 15.0) -> list[Finding]:
    """Bring the ledger's scrapes up to date, unless they are; what trackers did not answer.

    Each torrent is asked of the trackers in its own magnet link alone, so that private ones stay with theirs.
    """
    last = max((row.at for row in mirror.ledger.scrapes() if row.tracker != LIST), default=0)
    if 0 <= now - last < ASKED_EVERY_S:
        return []
    by_tracker: dict[str, list[str]] = defaultdict(list)
    told: list[ScrapeRow] = []
    for source in mirror.ledger.sources():
        for entry in _entries(mirror, source):
            told += _told_by_list(entry)
            for tracker in _trackers(entry):
                by_tracker[tracker].append(entry.btih)
    findings: list[Finding] = []
    with ThreadPoolExecutor(ASKED_AT_ONCE) as askers:
        answers = askers.map(lambda one: _ask(one[0], one[1], timeout_s, findings), by_tracker.items())
        rows = [*told, *(row for found in answers for row in found)]
    with mirror.ledger.transaction():
        mirror.ledger.put_scrapes(rows)
    return findings


def _ask(tracker: str, infohashes: list[str], timeout_s: float, findings: list[Finding]) -> list[ScrapeRow]:
    answers = scrape_each([tracker], infohashes, timeout_s, tell=findings.append)
    return [ScrapeRow(infohash, tracker, one.seeders, one.leechers, one.completed, one.at) for infohash, one in answers]


def _entries(mirror: Mirror, source: MirrorSource) -> Iterable[TorrentEntry]:
    """The torrents of a source that the mirror knows, as its list tells them."""
    path = mirror.release_of(source) / LIST
    known = {torrent.infohash for torrent in mirror.ledger.torrents(source=source.source) if not torrent.is_obsolete}
    try:
        with open(path, "rb") as file:
            entries, _ = read_torrents_json(file.read(LARGEST_LIST_BYTES), str(path))
    except (OSError, FonotecaError):
        return []
    return [entry for entry in entries if entry.btih in known]


def _trackers(entry: TorrentEntry) -> list[str]:
    try:
        return parse_qs(urlsplit(entry.magnet_link).query).get("tr", [])[:20]
    except ValueError:
        return []


def _told_by_list(entry: TorrentEntry) -> list[ScrapeRow]:
    """Lists of others tell what they counted, and when."""
    try:
        at = datetime.fromisoformat(entry.stats_scraped_at or "")
    except ValueError:
        return []
    second = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    seeders, leechers, completed = (min(2**31, max(0, count)) for count in (entry.seeders, entry.leechers, entry.completed))
    return [ScrapeRow(entry.btih, LIST, seeders, leechers, completed, second)]
