"""The client that the settings ask for; what it needs is imported only then."""

from __future__ import annotations

from fonoteca.ground.errors import ClientError, UsageError
from fonoteca.torrents.clients.client import ClientOptions, TorrentClient


def open_client(options: ClientOptions) -> TorrentClient:
    """A client that answers; ClientError where a daemon does not, or where the package that speaks to it is not installed."""
    try:
        return _open(options)
    except ImportError as error:
        raise ClientError(
            f"the package {error.name} is not installed, which speaks to {options.kind}", 'Install it with: pip install "fonoteca[daemons]"'
        ) from error


def _open(options: ClientOptions) -> TorrentClient:
    if options.kind == "embedded":
        from fonoteca.torrents.clients.embedded import EmbeddedClient

        return EmbeddedClient(options)
    if options.kind == "transmission":
        from fonoteca.torrents.clients.transmission import TransmissionClient

        return TransmissionClient(options)
    if options.kind == "qbittorrent":
        from fonoteca.torrents.clients.qbittorrent import QBittorrentClient

        return QBittorrentClient(options)
    raise UsageError(f"there is no client {options.kind!r}", "Take embedded, transmission or qbittorrent.")
