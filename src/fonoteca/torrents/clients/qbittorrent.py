"""qbittorrent-nox over its Web API (4.3 and later)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qbittorrentapi import Client
from qbittorrentapi.exceptions import APIConnectionError, APIError, Forbidden403Error, HTTPError, LoginFailed

from fonoteca.ground.errors import ClientError, NotFoundError
from fonoteca.torrents.clients.added_trackers import add_trackers
from fonoteca.torrents.clients.bitfields import full_bitfield, pack_pieces
from fonoteca.torrents.clients.client import ClientOptions, ClientSettings, Phase, TorrentState
from fonoteca.torrents.clients.piece_map import PieceMap
from fonoteca.torrents.clients.qbittorrent_words import describe_settings, read_phase
from fonoteca.torrents.clients.torrent_cache import TorrentCache
from fonoteca.torrents.clients.torrent_folders import refuse_other_folder, require_http
from fonoteca.torrents.reading import read_torrent

DEFAULT_URL = "http://127.0.0.1:8080"
_SKIP, _WANT = 0, 1
_HAVE = 2
_DIAL_EVERY_S = 15.0
_SETTLE_S = 2
_ANSWER_S = 15.0


class QBittorrentClient:
    """A qbittorrent-nox that sees the same folders as we do. It stops a torrent for one bad piece."""

    name = "qbittorrent"

    def __init__(self, options: ClientOptions) -> None:
        self._url = require_http(options.url or DEFAULT_URL, self.name)
        self._trackers, self._peers = options.trackers, options.peers
        self._cache = TorrentCache(options.cache)
        self._dialled = 0.0
        self._api = Client(
            host=self._url, username=options.user, password=options.password, FORCE_SCHEME_FROM_HOST=True, SIMPLE_RESPONSES=True,
            REQUESTS_ARGS={"timeout": options.timeout_s},
        )  # fmt: skip
        with self._asking():
            self._api.auth_log_in()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (LoginFailed, Forbidden403Error) as error:
            raise ClientError(
                f"qbittorrent at {self._url} refuses this user or password",
                "Set user and password_file under [client] to those of its Web UI; after several wrong ones it refuses for an hour.",
            ) from error
        except HTTPError as error:
            raise ClientError(f"qbittorrent: {error or type(error).__name__}", "Its own log says more.") from error
        except (APIConnectionError, APIError) as error:
            raise ClientError(
                f"qbittorrent does not answer at {self._url}", "Start qbittorrent-nox, or mend url under [client]; fonoteca doctor looks."
            ) from error

    def add(self, torrent: bytes, folder: Path, *, files: Collection[str] | None = None, proved: bytes | None = None) -> str:
        """See TorrentClient. Only where every piece is proved can it do without reading."""
        pieces = PieceMap(read_torrent(torrent))
        infohash = pieces.info.infohash
        self._cache.keep_torrent(infohash, torrent)
        if known := self._ask(infohash):
            refuse_other_folder(known["name"], known["save_path"], folder)
            self.choose(infohash, files)
            return infohash
        priorities = [_WANT if chosen else _SKIP for chosen in pieces.choose(files)]
        self._start(pieces, folder, priorities, proved == full_bitfield(pieces.count))
        self.resume(infohash)
        return infohash

    def _start(self, pieces: PieceMap, folder: Path, priorities: list[int], is_proved: bool) -> None:
        """Add it at rest, choose its files before the first byte is written."""
        infohash = pieces.info.infohash
        torrent = add_trackers(self._cache.torrent(infohash), pieces.info, self._trackers)
        with self._asking():
            answer = self._api.torrents_add(
                torrent_files=torrent, save_path=str(folder.absolute()), is_paused=True, is_skip_checking=is_proved,
                use_auto_torrent_management=False, content_layout="Original", ratio_limit=-1, seeding_time_limit=-1,
            )  # fmt: skip
        if answer == "Fails.":
            raise ClientError(f"qbittorrent refuses the torrent of {pieces.info.name}", "Its own log says why.")
        self._wait(lambda: self._ask(infohash) is not None, f"adding {pieces.info.name}")
        self._prioritize(infohash, [position for position, priority in enumerate(priorities) if priority == _SKIP], _SKIP)
        self._dial(infohash)

    def choose(self, infohash: str, files: Collection[str] | None) -> None:
        """See TorrentClient."""
        chosen = PieceMap(read_torrent(self._cache.torrent(infohash))).choose(files)
        now = self._priorities(infohash)
        wanted = [position for position, is_wanted in enumerate(chosen) if is_wanted and not now[position]]
        unwanted = [position for position, is_wanted in enumerate(chosen) if not is_wanted and now[position]]
        if wanted or unwanted:
            size = self._require(infohash)["size"]
            self._prioritize(infohash, wanted, _WANT)
            self._prioritize(infohash, unwanted, _SKIP)
            self._settle(lambda: self._require(infohash)["size"] != size)
        if wanted:
            self._find_peers_again(infohash)

    def _settle(self, is_seen: Callable[[], bool]) -> None:
        """Give it time to show what it was told; until then it shows the last state."""
        end = time.monotonic() + _SETTLE_S
        while time.monotonic() < end and not is_seen():
            time.sleep(0.05)

    def _priorities(self, infohash: str) -> list[int]:
        self._require(infohash)
        with self._asking():
            files: list[Any] = list(self._api.torrents_files(infohash))
        return [int(file["priority"]) for file in files]

    def _prioritize(self, infohash: str, positions: list[int], priority: int) -> None:
        if positions:
            with self._asking():
                self._api.torrents_file_priority(infohash, file_ids=positions, priority=priority)

    def _find_peers_again(self, infohash: str) -> None:
        """A torrent that had all it wanted has let go of those who have it all."""
        with self._asking():
            self._api.torrents_reannounce(torrent_hashes=infohash)
        self._dial(infohash)

    def state(self, infohash: str) -> TorrentState | None:
        """See TorrentClient."""
        found = self._ask(infohash)
        if found is None:
            return None
        self._dial_again([infohash])
        return _describe(found)

    def states(self) -> list[TorrentState]:
        """See TorrentClient."""
        with self._asking():
            found = [_describe(fields) for fields in self._api.torrents_info()]
        self._dial_again([state.infohash for state in found if state.phase in ("fetching", "seeding")])
        return found

    def pieces(self, infohash: str) -> bytes:
        """See TorrentClient."""
        self._require(infohash)
        with self._asking():
            states: list[Any] = list(self._api.torrents_piece_states(infohash))
        return pack_pieces([state == _HAVE for state in states])

    def withhold(self, infohash: str, pieces: Iterable[int]) -> None:
        """See TorrentClient: the torrent is stopped."""
        self._require(infohash)
        self._cache.withhold(infohash, pieces)
        self.pause(infohash)

    def trust(self, infohash: str, proved: bytes | None) -> None:
        """See TorrentClient: where every piece is proved it is taken out and in again, which reads nothing."""
        known = self._require(infohash)
        pieces = PieceMap(read_torrent(self._cache.torrent(infohash)))
        if proved == full_bitfield(pieces.count):
            priorities = self._priorities(infohash)
            self._delete(infohash)
            self._start(pieces, Path(known["save_path"]), priorities, is_proved=True)
            self._cache.trust(infohash)
        else:
            self._cache.trust(infohash)
            self.check(infohash)
        self.resume(infohash)

    def connect(self, infohash: str, host: str, port: int) -> bool:
        """See TorrentClient."""
        self._require(infohash)
        with self._asking():
            self._api.torrents_add_peers(peers=[f"[{host}]:{port}" if ":" in host else f"{host}:{port}"], torrent_hashes=infohash)
        return True

    def limit(self, download: int | None, upload: int | None) -> None:
        """See TorrentClient."""
        with self._asking():
            self._api.transfer_set_download_limit(limit=0 if download is None else max(download, 1))
            self._api.transfer_set_upload_limit(limit=0 if upload is None else max(upload, 1))

    def pause(self, infohash: str) -> None:
        """See TorrentClient."""
        self._require(infohash)
        with self._asking():
            self._api.torrents_stop(torrent_hashes=infohash)
        self._wait(lambda: _describe(self._require(infohash)).phase in ("paused", "failed"), f"stopping {infohash}")

    def resume(self, infohash: str) -> None:
        """See TorrentClient."""
        self._require(infohash)
        if not self._cache.withheld(infohash):
            with self._asking():
                self._api.torrents_start(torrent_hashes=infohash)

    def check(self, infohash: str) -> None:
        """See TorrentClient; returns when the checking was seen, since until then the last state is shown."""
        self._require(infohash)
        with self._asking():
            self._api.torrents_recheck(torrent_hashes=infohash)
        self._settle(lambda: _describe(self._require(infohash)).phase == "checking")

    def remove(self, infohash: str) -> None:
        """See TorrentClient."""
        self._delete(infohash)
        self._cache.forget(infohash)

    def settings(self) -> ClientSettings:
        """See TorrentClient."""
        with self._asking():
            return describe_settings(self._url, self._api.app_version(), dict(self._api.app_preferences()), dict(self._api.transfer_info()))

    def close(self) -> None:
        """See TorrentClient."""
        with self._asking():
            self._api.auth_log_out()

    def _delete(self, infohash: str) -> None:
        with self._asking():
            self._api.torrents_delete(delete_files=False, torrent_hashes=infohash)
        self._wait(lambda: self._ask(infohash) is None, f"letting go of {infohash}")

    def _ask(self, infohash: str) -> dict[str, Any] | None:
        with self._asking():
            found: list[dict[str, Any]] = list(self._api.torrents_info(torrent_hashes=infohash))
        return found[0] if found else None

    def _require(self, infohash: str) -> dict[str, Any]:
        found = self._ask(infohash)
        if found is None:
            raise NotFoundError(f"qbittorrent has no torrent {infohash}", "Add it first.")
        return found

    def _wait(self, is_done: Callable[[], bool], doing: str) -> None:
        end = time.monotonic() + _ANSWER_S
        while not is_done():
            if time.monotonic() > end:
                raise ClientError(
                    f"qbittorrent did not finish {doing} within {_ANSWER_S:.0f} s", "Is its disk busy? Run it again: it goes on."
                )
            time.sleep(0.05)

    def _dial(self, *infohashes: str) -> None:
        if self._peers and infohashes:
            with self._asking():
                self._api.torrents_add_peers(peers=list(self._peers), torrent_hashes=list(infohashes))

    def _dial_again(self, infohashes: list[str]) -> None:
        if time.monotonic() - self._dialled > _DIAL_EVERY_S:
            self._dialled = time.monotonic()
            self._dial(*infohashes)


def _describe(fields: dict[str, Any]) -> TorrentState:
    phase: Phase = read_phase(fields["state"])
    just_done = fields["completion_on"] > 0 and time.time() - fields["completion_on"] < _SETTLE_S
    return TorrentState(
        infohash=fields["hash"],
        name=fields["name"],
        phase="fetching" if phase == "seeding" and just_done else phase,  # its last blocks may be on their way to the disk
        wanted_bytes=fields["size"],
        have_bytes=fields["size"] - fields["amount_left"],
        download_rate=fields["dlspeed"],
        upload_rate=fields["upspeed"],
        peers=fields["num_leechs"] + fields["num_seeds"],
        error={"missingFiles": "files are missing", "error": "it stopped with an error; its log says which"}.get(fields["state"], ""),
    )
