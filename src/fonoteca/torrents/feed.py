"""An RSS 2.0 feed with one enclosure a torrent, which BitTorrent clients can follow by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from fonoteca.torrents.listing import TorrentEntry

# Everything that XML 1.0 (section 2.2) cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# RFC 822 names, whatever the locale.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def write_feed(title: str, link: str, description: str, entries: Iterable[TorrentEntry], published: datetime) -> bytes:
    """The feed as UTF-8; `published` dates the channel, and the items that have no date of their own. Always valid XML.

    Obsolete torrents are left out: who follows a feed fetches what it lists. An entry whose `url` is no address on the network is
    reached by its magnet link. `link` and the addresses must begin with a scheme, as RSS 2.0 asks.
    """
    items = "".join(_item(entry, published) for entry in entries if not entry.obsolete)
    channel = _element("title", title) + _element("link", link) + _element("description", description)
    channel += _element("pubDate", _rfc822(published))
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0">\n<channel>\n{channel}{items}</channel>\n</rss>\n').encode()


def _item(entry: TorrentEntry, published: datetime) -> str:
    kind = "metadata" if entry.is_metadata else "data"
    fact = f"{kind}, {entry.num_files} files, {entry.data_size} bytes, infohash {entry.btih}"
    address = entry.url if entry.url.startswith(("https://", "http://")) else entry.magnet_link
    url = escape(_clean(address))
    return (
        f"<item>\n{_element('title', entry.display_name)}{_element('link', address)}{_element('description', fact)}"
        f"{_element('category', entry.group_name)}"
        f'<guid isPermaLink="false">urn:btih:{escape(_clean(entry.btih))}</guid>\n'
        f"{_element('pubDate', _rfc822(_entry_date(entry, published)))}"
        f'<enclosure url="{url}" length="{entry.torrent_size}" type="application/x-bittorrent"/>\n</item>\n'
    )


def _entry_date(entry: TorrentEntry, published: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(entry.added_to_torrents_list_at)
    except ValueError:
        return published
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _rfc822(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    return f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d} {at:%H:%M:%S} GMT"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(_clean(text))}</{name}>\n"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
