"""Single pieces of a torrent from whoever has them, for mending: from folders, from peers, from web seeds."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlsplit

import libtorrent as lt

from fonoteca.ground.errors import ClientError, UsageError, translate_os_errors
from fonoteca.torrents.clients.piece_map import PieceMap
from fonoteca.torrents.clients.session import find_addresses, limit_session, open_session, prepare_torrent
from fonoteca.torrents.reading import read_torrent

_SKIP, _WANT = 0, 4
_LOOK_EVERY_S = 0.1
_DIAL_EVERY_S = 5.0


class PieceFetcher:
    """A libtorrent session only for fetching. It listens on a free port and, without `dht`, speaks to nobody but who is named."""

    def __init__(self, listen_host: str = "0.0.0.0", listen_port: int = 0, *, dht: bool = False) -> None:
        self._session = open_session(listen_host, listen_port, dht=dht)

    def __enter__(self) -> PieceFetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def fetch_pieces(
        self,
        torrent: bytes,
        pieces: Collection[int],
        into: Path,
        *,
        peers: Sequence[tuple[str, int]] = (),
        web_seeds: Sequence[str] = (),
        trackers: Sequence[str] = (),
        timeout_s: float = 600.0,
        limit: int | None = None,
    ) -> set[int]:
        """The pieces that now stand in sparse files below `into`, which is made and should be empty; their hashes were read back.

        `web_seeds` are URLs of folders that hold the torrent's folder by its name, `file://` ones included; they come on top of those
        in the torrent, as do `trackers`, of which a private torrent takes none. `limit` in bytes a second. Ends when all are there
        or after `timeout_s`.
        """
        layout = PieceMap(read_torrent(torrent))
        wanted = set(pieces)
        if unknown := wanted - set(range(layout.count)):
            raise UsageError(f"{layout.info.name} has {layout.count} pieces, none of number {min(unknown)}", "Number them from 0.")
        with translate_os_errors(into):
            into.mkdir(parents=True, exist_ok=True)
        folders = [folder for seed in web_seeds if (folder := _local_folder(seed))]
        got = _copy_pieces(layout, wanted, folders, into)
        if wanted - got:
            limit_session(self._session, limit, None)
            remote = [seed for seed in web_seeds if _local_folder(seed) is None]
            self._fetch(layout, _prepare(layout, torrent, wanted, got, into, remote, trackers), peers, time.monotonic() + timeout_s)
        return {index for index in wanted if layout.is_good(index, layout.read(into, index))}

    def _fetch(self, layout: PieceMap, parameters: lt.add_torrent_params, peers: Sequence[tuple[str, int]], end: float) -> None:
        handle = self._session.add_torrent(parameters)
        try:
            self._wait(handle, peers, end)
            handle.flush_cache()
            self._hear(lt.cache_flushed_alert, 20.0)
        except RuntimeError as error:
            raise ClientError(f"libtorrent cannot fetch {layout.info.name}: {error}", "Run it again.") from error
        finally:
            self._session.remove_torrent(handle)
            self._hear(lt.torrent_removed_alert, 20.0)

    def _wait(self, handle: lt.torrent_handle, peers: Sequence[tuple[str, int]], end: float) -> None:
        dialled = 0.0
        while time.monotonic() < end:
            status = handle.status(0)
            if status.errc.value():
                raise ClientError(f"cannot write the pieces of {handle.name()}: {status.errc.message()}", "Is the disk full? See df -h.")
            is_checked = status.state not in (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)
            if is_checked and status.total_wanted_done >= status.total_wanted:
                return
            if time.monotonic() - dialled > _DIAL_EVERY_S:
                dialled = time.monotonic()
                for address in (address for peer in peers for address in find_addresses(*peer)):
                    handle.connect_peer(address)
            time.sleep(_LOOK_EVERY_S)

    def _hear(self, kind: type[lt.alert], seconds: float) -> None:
        """Wait for one alert."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._session.wait_for_alert(100)
            if any(isinstance(alert, kind) for alert in self._session.pop_alerts()):
                return

    def close(self) -> None:
        """End the session."""
        self._session.pause()
        del self._session


def _prepare(
    layout: PieceMap, torrent: bytes, wanted: set[int], got: set[int], into: Path, web_seeds: Sequence[str], trackers: Sequence[str]
) -> lt.add_torrent_params:
    """All files are wanted, of pieces only these: so there is no part file, and files are as long as their last piece needs."""
    parameters = prepare_torrent(torrent, str(into.absolute()), trackers)
    parameters.url_seeds = list(dict.fromkeys([*parameters.url_seeds, *web_seeds]))
    parameters.piece_priorities = [_WANT if index in wanted else _SKIP for index in range(layout.count)]
    parameters.have_pieces = [index in got for index in range(layout.count)]
    parameters.flags |= lt.torrent_flags.no_verify_files
    return parameters


def _copy_pieces(layout: PieceMap, wanted: set[int], folders: Sequence[Path], into: Path) -> set[int]:
    """What folders have, proved before it is written."""
    got: set[int] = set()
    for folder in folders:
        for index in sorted(wanted - got):
            content = layout.read(folder, index)
            if content is not None and layout.is_good(index, content):
                layout.write(into, index, content)
                got.add(index)
    return got


def _local_folder(seed: str) -> Path | None:
    """The folder that a file:// URL or a bare path names; None for URLs of other kinds."""
    url = urlsplit(seed)
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        return Path(unquote(url.path))
    return None if url.scheme else Path(seed)
