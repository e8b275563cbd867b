"""BitTorrent clients behind one interface. libtorrent and the packages that speak to daemons are imported when a client is opened."""

from fonoteca.torrents.clients.client import ClientKind, ClientOptions, ClientSettings, Phase, TorrentClient, TorrentState
from fonoteca.torrents.clients.opening import open_client

__all__ = ["ClientKind", "ClientOptions", "ClientSettings", "Phase", "TorrentClient", "TorrentState", "open_client"]
