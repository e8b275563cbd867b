"""What archive.toml says about torrents, as the torrents room takes it."""

from __future__ import annotations

from fonoteca.ground.settings import Settings
from fonoteca.torrents import TorrentOptions


def torrent_options(settings: Settings) -> TorrentOptions:
    """Trackers, web seeds and privacy of every torrent of this archive."""
    publish = settings.publish
    seeds = [*publish.web_seeds, *([publish.url.rstrip("/") + "/containers/"] if publish.url else [])]
    return TorrentOptions(trackers=publish.trackers, web_seeds=tuple(seeds), private=publish.private)
