"""The torrents room: .torrent files written and read, torrents.json, the feed, scrapes; clients are a face of their own."""

from fonoteca.torrents.feed import write_feed
from fonoteca.torrents.listing import TorrentEntry, describe_torrent, read_torrents_json, write_torrents_json
from fonoteca.torrents.metainfo import TorrentMeasure, TorrentOptions, magnet_link, make_hybrid_torrent, make_torrent, path_order
from fonoteca.torrents.pieces import TORRENT_LIMIT_BYTES, check_piece_length, choose_piece_length
from fonoteca.torrents.reading import MOST_BYTES, TorrentFile, TorrentInfo, read_torrent
from fonoteca.torrents.scrape import Scrape, scrape, scrape_each

__all__ = [
    "MOST_BYTES",
    "TORRENT_LIMIT_BYTES",
    "Scrape",
    "TorrentEntry",
    "TorrentFile",
    "TorrentInfo",
    "TorrentMeasure",
    "TorrentOptions",
    "check_piece_length",
    "choose_piece_length",
    "describe_torrent",
    "magnet_link",
    "make_hybrid_torrent",
    "make_torrent",
    "path_order",
    "read_torrent",
    "read_torrents_json",
    "scrape",
    "scrape_each",
    "write_feed",
    "write_torrents_json",
]
