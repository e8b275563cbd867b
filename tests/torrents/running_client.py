"""A kind of client that tests open, leave and open again."""

from __future__ import annotations

from pathlib import Path

import libtorrent as lt
from daemons import Daemon
from swarm import Peer

from fonoteca.torrents.clients import ClientKind, ClientOptions, TorrentClient, open_client


class Running:
    """A kind of client that can be opened, left and opened again; `cache` is what it keeps."""

    def __init__(self, kind: ClientKind, cache: Path, daemon: Daemon | None) -> None:
        self.kind, self.cache, self.daemon = kind, cache, daemon
        self._client: TorrentClient | None = None

    def options(self, **changes: object) -> ClientOptions:
        values: dict[str, object] = {"cache": self.cache, "kind": self.kind, "listen_host": "127.0.0.1", "listen_port": 0, "dht": False}
        if self.daemon:
            values |= {"url": self.daemon.url, "user": self.daemon.user, "password": self.daemon.password}
        return ClientOptions(**{**values, **changes})  # type: ignore[arg-type]

    def open(self, **changes: object) -> TorrentClient:
        self.leave()
        self._client = open_client(self.options(**changes))
        return self._client

    def leave(self) -> None:
        client, self._client = self._client, None
        if client:
            client.close()

    def restart(self) -> TorrentClient:
        """As after a power cut, as far as the daemon goes."""
        self.leave()
        if self.daemon:
            self.daemon.stop(kill=True)
            self.daemon.start()
        return self.open()

    def meet(self, infohash: str, peer: Peer, handle: lt.torrent_handle) -> None:
        """The client and a peer get to know each other, whoever can dial."""
        assert self._client
        if not self._client.connect(infohash, peer.address, peer.port):
            assert self.daemon
            handle.connect_peer(("127.0.0.1", self.daemon.port))

    @property
    def address(self) -> tuple[str, int]:
        """Where its peers reach it."""
        assert self._client
        return "127.0.0.1", self._client.settings().listen_port or 0

    def forget(self) -> None:
        """Leave no torrent behind."""
        if self.daemon and not self._client:
            self.open()
        if self._client:
            for state in self._client.states():
                self._client.remove(state.infohash)
            self._client.limit(None, None)
        self.leave()
