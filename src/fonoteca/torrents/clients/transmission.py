"""transmission-daemon over its RPC (versions 3 and 4)."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from transmission_rpc import Client, TransmissionError
from transmission_rpc.error import TransmissionAuthError, TransmissionConnectError

from fonoteca.ground.errors import ClientError, NotFoundError
from fonoteca.torrents.clients.added_trackers import add_trackers
from fonoteca.torrents.clients.client import ClientOptions, ClientSettings, Phase, TorrentState
from fonoteca.torrents.clients.piece_map import PieceMap
from fonoteca.torrents.clients.torrent_cache import TorrentCache
from fonoteca.torrents.clients.torrent_folders import holds_any_file, is_same_folder, listens, refuse_other_folder, require_http
from fonoteca.torrents.reading import read_torrent

DEFAULT_URL = "http://127.0.0.1:9091/transmission/rpc"
_FIELDS = (
    "hashString",
    "name",
    "status",
    "error",
    "errorString",
    "sizeWhenDone",
    "leftUntilDone",
    "rateDownload",
    "rateUpload",
    "peersConnected",
    "doneDate",
)
_STATUS: tuple[Phase, ...] = ("paused", "checking", "checking", "waiting", "fetching", "waiting", "seeding")
_LOCAL_ERROR = 3
_KILOBYTE = 1_000
_SETTLE_S = 2.0


class TransmissionClient:
    """A transmission-daemon that sees the same folders as we do. It reads all that it is given, and stops a torrent for one bad piece."""

    name = "transmission"

    def __init__(self, options: ClientOptions) -> None:
        url = urlsplit(require_http(options.url or DEFAULT_URL, self.name))
        self._url, self._trackers = url.geturl(), options.trackers
        self._cache = TorrentCache(options.cache)
        with self._asking():
            self._rpc = Client(
                protocol="https" if url.scheme == "https" else "http",
                host=url.hostname or "",
                port=url.port or (443 if url.scheme == "https" else 80),
                path=url.path if url.path not in ("", "/") else "/transmission/rpc",
                username=options.user or None,
                password=options.password or None,
                timeout=options.timeout_s,
            )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except TransmissionAuthError as error:
            raise ClientError(
                f"transmission at {self._shown_url} refuses this user, password or address",
                "Set user and password_file under [client] to its rpc-username and rpc-password; its rpc-whitelist must allow us.",
            ) from error
        except TransmissionConnectError as error:
            raise ClientError(
                f"transmission does not answer at {self._shown_url}",
                "Start transmission-daemon, or mend url under [client]; fonoteca doctor looks.",
            ) from error
        except TransmissionError as error:
            raise ClientError(f"transmission: {error.message}", "Its own log says more; fonoteca doctor looks at its settings.") from error

    @property
    def _shown_url(self) -> str:
        url = urlsplit(self._url)
        return f"{url.scheme}://{url.hostname}:{url.port or 80}"

    def add(self, torrent: bytes, folder: Path, *, files: Collection[str] | None = None, proved: bytes | None = None) -> str:
        """See TorrentClient. Transmission cannot be told what is proved: it reads what lies there."""
        pieces = PieceMap(read_torrent(torrent))
        infohash = pieces.info.infohash
        self._cache.keep_torrent(infohash, torrent)
        if known := self._ask(infohash, ("downloadDir", "name")):
            is_forgotten = self._has_forgotten(infohash, known["downloadDir"], folder)
            if not is_forgotten:
                refuse_other_folder(known["name"], known["downloadDir"], folder)
            self.choose(infohash, files)
            if is_forgotten:
                self._tell_again(infohash, folder)
            return infohash
        unwanted = [position for position, chosen in enumerate(pieces.choose(files)) if not chosen]
        self._cache.keep_folder(infohash, folder.absolute())
        with self._asking():
            added = add_trackers(torrent, pieces.info, self._trackers)
            self._rpc.add_torrent(added, download_dir=str(folder.absolute()), paused=True, files_unwanted=unwanted or None)
            if holds_any_file(pieces, folder):
                self._rpc.verify_torrent(infohash)
        self.resume(infohash)
        return infohash

    def _has_forgotten(self, infohash: str, known: str, folder: Path) -> bool:
        """Whether a power cut took what Transmission writes down only every six minutes: it has the torrent, in its default folder."""
        told = self._cache.folder(infohash)
        if told is None or not is_same_folder(told, folder) or is_same_folder(known, folder):
            return False
        with self._asking():
            return is_same_folder(known, self._rpc.get_session().download_dir)

    def _tell_again(self, infohash: str, folder: Path) -> None:
        with self._asking():
            self._rpc.stop_torrent(infohash)
            self._rpc.move_torrent_data(infohash, str(folder.absolute()), move=False)
            self._rpc.verify_torrent(infohash)
        self.resume(infohash)

    def choose(self, infohash: str, files: Collection[str] | None) -> None:
        """See TorrentClient."""
        chosen = PieceMap(read_torrent(self._cache.torrent(infohash))).choose(files)
        now = self._require(infohash, ("wanted",))["wanted"]
        wanted = [position for position, is_wanted in enumerate(chosen) if is_wanted and not now[position]]
        unwanted = [position for position, is_wanted in enumerate(chosen) if not is_wanted and now[position]]
        if wanted or unwanted:
            with self._asking():  # an empty list would mean all of them
                self._rpc.change_torrent(infohash, files_wanted=wanted or None, files_unwanted=unwanted or None)

    def state(self, infohash: str) -> TorrentState | None:
        """See TorrentClient."""
        fields = self._ask(infohash, _FIELDS)
        return _describe(fields) if fields else None

    def states(self) -> list[TorrentState]:
        """See TorrentClient."""
        with self._asking():
            return [_describe(torrent.fields) for torrent in self._rpc.get_torrents(arguments=_FIELDS)]

    def pieces(self, infohash: str) -> bytes:
        """See TorrentClient."""
        return base64.b64decode(self._require(infohash, ("pieces",))["pieces"])

    def withhold(self, infohash: str, pieces: Iterable[int]) -> None:
        """See TorrentClient: the torrent is stopped."""
        self._require(infohash, ())
        self._cache.withhold(infohash, pieces)
        self.pause(infohash)

    def trust(self, infohash: str, proved: bytes | None) -> None:
        """See TorrentClient: everything is read again."""
        self._cache.trust(infohash)
        self.check(infohash)
        self.resume(infohash)

    def connect(self, infohash: str, host: str, port: int) -> bool:
        """False: the RPC has no way to name a peer. Peers find it by trackers, or dial it."""
        return False

    def limit(self, download: int | None, upload: int | None) -> None:
        """See TorrentClient; it counts in kB/s."""
        with self._asking():
            self._rpc.set_session(
                speed_limit_down_enabled=download is not None,
                speed_limit_down=max((download or 0) // _KILOBYTE, 1),
                speed_limit_up_enabled=upload is not None,
                speed_limit_up=max((upload or 0) // _KILOBYTE, 1),
            )

    def pause(self, infohash: str) -> None:
        """See TorrentClient."""
        self._require(infohash, ())
        with self._asking():
            self._rpc.stop_torrent(infohash)

    def resume(self, infohash: str) -> None:
        """See TorrentClient; while it is checking, it starts when that is done."""
        self._require(infohash, ())
        if not self._cache.withheld(infohash):
            with self._asking():
                self._rpc.start_torrent(infohash)

    def check(self, infohash: str) -> None:
        """See TorrentClient."""
        self._require(infohash, ())
        with self._asking():
            self._rpc.verify_torrent(infohash)

    def remove(self, infohash: str) -> None:
        """See TorrentClient."""
        with self._asking():
            self._rpc.remove_torrent(infohash, delete_data=False)
        self._cache.forget(infohash)

    def settings(self) -> ClientSettings:
        """See TorrentClient; preallocation only stands in its settings.json, which is read where it can be."""
        with self._asking():
            session = self._rpc.get_session().fields
        port = session.get("peer-port")
        return ClientSettings(
            name=self.name,
            version=str(session.get("version", "")),
            listen_port=port,
            port_open=False if listens(self._url, port) is False else None,
            preallocation=_reads_preallocation(session.get("config-dir", "")),
            incomplete_folder=session.get("incomplete-dir", "") if session.get("incomplete-dir-enabled") else "",
            partial_suffix=".part" if session.get("rename-partial-files") else "",
            queueing=_tell_queues(session),
            stops_seeding=_tell_stops(session),
            download_limit=session["speed-limit-down"] * _KILOBYTE if session.get("speed-limit-down-enabled") else None,
            upload_limit=session["speed-limit-up"] * _KILOBYTE if session.get("speed-limit-up-enabled") else None,
        )

    def ask_outside(self) -> bool | None:
        """Whether the server of Transmission's makers can reach the port; None where it cannot be asked."""
        try:
            return self._rpc.port_test()
        except TransmissionError:
            return None

    def close(self) -> None:
        """Nothing to do: the daemon goes on."""

    def _ask(self, infohash: str, fields: tuple[str, ...]) -> dict[str, Any] | None:
        with self._asking():
            found = self._rpc.get_torrents(infohash, arguments=("hashString", *fields))
        return found[0].fields if found else None

    def _require(self, infohash: str, fields: tuple[str, ...]) -> dict[str, Any]:
        found = self._ask(infohash, fields)
        if found is None:
            raise NotFoundError(f"transmission has no torrent {infohash}", "Add it first.")
        return found


def _describe(fields: dict[str, Any]) -> TorrentState:
    has_failed = fields["error"] == _LOCAL_ERROR
    phase = _STATUS[fields["status"]]
    if phase == "seeding" and fields["doneDate"] > 0 and time.time() - fields["doneDate"] < _SETTLE_S:
        phase = "fetching"  # its last blocks may be in its cache
    return TorrentState(
        infohash=fields["hashString"],
        name=fields["name"],
        phase="failed" if has_failed else phase,
        wanted_bytes=fields["sizeWhenDone"],
        have_bytes=fields["sizeWhenDone"] - fields["leftUntilDone"],
        download_rate=fields["rateDownload"],
        upload_rate=fields["rateUpload"],
        peers=fields["peersConnected"],
        error=fields["errorString"] if has_failed else "",
    )


def _reads_preallocation(config_folder: str) -> bool | None:
    """Whether files are written out in full before they are fetched (1 does on most systems, 2 always)."""
    try:
        value = json.loads(Path(config_folder, "settings.json").read_bytes()).get("preallocation")
    except (OSError, ValueError, AttributeError):
        return None
    return value != 0 if isinstance(value, int) else None


def _tell_queues(session: dict[str, Any]) -> str:
    told = [
        f"at most {session.get(f'{kind}-queue-size')} torrents {verb} at a time"
        for kind, verb in (("download", "are fetched"), ("seed", "are served"))
        if session.get(f"{kind}-queue-enabled")
    ]
    return ", ".join(told)


def _tell_stops(session: dict[str, Any]) -> str:
    told = [f"at a ratio of {session.get('seedRatioLimit')}"] if session.get("seedRatioLimited") else []
    if session.get("idle-seeding-limit-enabled"):
        told.append(f"after {session.get('idle-seeding-limit')} idle minutes")
    return ", ".join(told)
