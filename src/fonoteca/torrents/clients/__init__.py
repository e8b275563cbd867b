"""BitTorrent clients behind one interface. libtorrent and the packages that speak to daemons are imported when a client is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fonoteca.torrents.clients.client import ClientKind, ClientOptions, ClientSettings, Phase, TorrentClient, TorrentState
from fonoteca.torrents.clients.opening import open_client

if TYPE_CHECKING:
    from fonoteca.torrents.clients.piece_fetcher import PieceFetcher

__all__ = ["ClientKind", "ClientOptions", "ClientSettings", "Phase", "PieceFetcher", "TorrentClient", "TorrentState", "open_client"]


def __getattr__(name: str) -> Any:
    """PieceFetcher brings libtorrent, so it is imported when it is asked for."""
    if name == "PieceFetcher":
        from fonoteca.torrents.clients.piece_fetcher import PieceFetcher

        return PieceFetcher
    raise AttributeError(name)
