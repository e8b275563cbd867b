"""What every BitTorrent client can do for a mirror, whichever program does it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal, Protocol

import msgspec

ClientKind = Literal["embedded", "transmission", "qbittorrent"]
Phase = Literal["waiting", "checking", "fetching", "seeding", "paused", "failed"]


class ClientOptions(msgspec.Struct, frozen=True):
    """Which client is opened, and how. `cache` is a folder of the client's own, kept from run to run.

    `url`, `user`, `password` reach a daemon; `listen_host`, `listen_port` (0: any), `dht` are for the embedded client, daemons have
    settings of their own. `peers` ("host:port") are always dialled, `trackers` added to every torrent that is not private.
    """

    cache: Path
    kind: ClientKind = "embedded"
    url: str = ""
    user: str = ""
    password: str = ""
    listen_host: str = "0.0.0.0"
    listen_port: int = 6881
    dht: bool = True
    peers: tuple[str, ...] = ()
    trackers: tuple[str, ...] = ()
    timeout_s: float = 30.0

    def __repr__(self) -> str:
        return f"ClientOptions(kind={self.kind!r}, url={self.url!r}, user={self.user!r})"  # never the password


class TorrentState(msgspec.Struct, frozen=True):
    """One torrent as its client sees it now. `wanted_bytes` are those of the chosen files, `have_bytes` how many of them are here;
    rates in bytes a second; `error` is empty unless the phase is "failed".

    "seeding" means that everything wanted is here and served; "waiting" that the client has it in a queue.
    """

    infohash: str
    name: str
    phase: Phase
    wanted_bytes: int
    have_bytes: int
    download_rate: int = 0
    upload_rate: int = 0
    peers: int = 0
    error: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every wanted byte is here, as far as the client knows; not while it is checking or has failed."""
        return self.have_bytes >= self.wanted_bytes and self.phase not in ("checking", "failed")


class ClientSettings(msgspec.Struct, frozen=True):
    """What of a client's own settings can harm a mirror; None and "" where it cannot be known or does not apply.

    `port_open`: False where nothing answers on the listening port or the client says that it is shut off; True where somebody came
    in. `incomplete_folder` is another place for what is not complete. `partial_suffix` is what unfinished files end in. `queueing`
    and `stops_seeding` tell in words what keeps torrents from being served. Limits in bytes a second.
    """

    name: str
    version: str = ""
    listen_port: int | None = None
    port_open: bool | None = None
    preallocation: bool | None = None
    incomplete_folder: str = ""
    partial_suffix: str = ""
    queueing: str = ""
    stops_seeding: str = ""
    download_limit: int | None = None
    upload_limit: int | None = None


class TorrentClient(Protocol):
    """A BitTorrent client. Infohashes are v1, lower-case hex; every method may raise ClientError (it does not answer, it refuses).

    Bitfields are those of BEP 3: the first piece is the highest bit of the first byte. Files are named as in TorrentInfo.files.
    """

    name: str

    def add(self, torrent: bytes, folder: Path, *, files: Collection[str] | None = None, proved: bytes | None = None) -> str:
        """The infohash of a torrent that is now fetched into `folder` and served; idempotent: again, it only chooses `files`.

        `files` are those wanted (None: all; empty: none, then what lies there is served and nothing written). `proved` is a bitfield
        of pieces that were just proved, which are not read again; None: the client checks all that lies there.
        """
        ...

    def choose(self, infohash: str, files: Collection[str] | None) -> None:
        """From now on these files are wanted; what was fetched of others stays. UsageError names a file that is not in the torrent."""
        ...

    def state(self, infohash: str) -> TorrentState | None:
        """One torrent; None where the client does not know it."""
        ...

    def states(self) -> list[TorrentState]:
        """Every torrent that the client knows."""
        ...

    def pieces(self, infohash: str) -> bytes:
        """Bitfield of the pieces that the client has, and serves unless it is paused."""
        ...

    def withhold(self, infohash: str, pieces: Iterable[int]) -> None:
        """These pieces are not served any more, nor fetched over what lies there, until `trust`; neither resume nor a restart lifts it.

        The embedded client goes on to serve the others; a daemon stops the torrent.
        """
        ...

    def trust(self, infohash: str, proved: bytes | None) -> None:
        """What was withheld is mended: served again, read again only where `proved` is None or the client cannot do without."""
        ...

    def connect(self, infohash: str, host: str, port: int) -> bool:
        """Dial a peer; False where the client has no way to be told."""
        ...

    def limit(self, download: int | None, upload: int | None) -> None:
        """Bytes a second for everything together; None: as fast as it goes."""
        ...

    def pause(self, infohash: str) -> None:
        """Neither fetch nor serve it."""
        ...

    def resume(self, infohash: str) -> None:
        """Go on; nothing happens where pieces are withheld by a client that had to stop for it."""
        ...

    def check(self, infohash: str) -> None:
        """Read everything again."""
        ...

    def remove(self, infohash: str) -> None:
        """Forget it; files stay. Nothing happens where it is not known."""
        ...

    def settings(self) -> ClientSettings:
        """Its settings as they are now."""
        ...

    def close(self) -> None:
        """Leave it: the embedded client writes down what it has and ends; daemons go on."""
        ...
