"""libtorrent inside this process: nothing to install, nothing to set up."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import libtorrent as lt

from fonoteca.ground.errors import ClientError, NotFoundError
from fonoteca.ground.files import lock_folder
from fonoteca.torrents.clients.bitfields import pack_pieces, unpack_pieces
from fonoteca.torrents.clients.client import ClientOptions, ClientSettings, Phase, TorrentState
from fonoteca.torrents.clients.embedded_keeper import Keeper
from fonoteca.torrents.clients.piece_map import PieceMap
from fonoteca.torrents.clients.session import limit_session, open_session, prepare_torrent, read_peer
from fonoteca.torrents.clients.torrent_cache import TorrentCache
from fonoteca.torrents.clients.torrent_folders import refuse_other_folder
from fonoteca.torrents.reading import read_torrent

_SKIP, _WANT = 0, 4
_CHECKING = (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)


@dataclass
class _Torrent:
    """One torrent of the session; `withheld_bytes` are those of pieces that are neither served nor fetched."""

    handle: lt.torrent_handle
    name: str
    folder: Path
    withheld_bytes: int


class EmbeddedClient:
    """A libtorrent session of this process. After kill -9 nothing is taken from its own notes: what is not `proved` is read again.

    One process at a time may use its `cache`; ArchiveBusyError otherwise.
    """

    name = "embedded"

    def __init__(self, options: ClientOptions) -> None:
        peers = [read_peer(peer) for peer in options.peers]
        self._trackers = options.trackers
        self._cache = TorrentCache(options.cache)
        self._held = ExitStack()
        self._held.enter_context(lock_folder(options.cache, "client"))
        self._session = open_session(options.listen_host, options.listen_port, dht=options.dht)
        self._torrents: dict[str, _Torrent] = {}
        self._limits: tuple[int | None, int | None] = (None, None)
        self._lock = threading.RLock()
        self._keeper = Keeper(self._session, self._cache, peers, self._handles)

    def add(self, torrent: bytes, folder: Path, *, files: Collection[str] | None = None, proved: bytes | None = None) -> str:
        """See TorrentClient. Pieces that resume data claims and `proved` does not are read before they are believed."""
        pieces = PieceMap(read_torrent(torrent))
        infohash = pieces.info.infohash
        with self._lock:
            if known := self._torrents.get(infohash):
                refuse_other_folder(known.name, str(known.folder), folder)
                self.choose(infohash, files)
                return infohash
            priorities = [_WANT if chosen else _SKIP for chosen in pieces.choose(files)]
            self._cache.keep_torrent(infohash, torrent)
            have = None if proved is None else self._complete(pieces, folder, unpack_pieces(proved, pieces.count))
            self._start(pieces, folder.absolute(), priorities, have)
        return infohash

    def _complete(self, pieces: PieceMap, folder: Path, have: list[bool]) -> list[bool]:
        """`have`, and what the resume data says beyond it where the bytes say so too."""
        resume = self._cache.resume(pieces.info.infohash)
        if resume is None:
            return have
        try:
            claimed = lt.read_resume_data(resume).have_pieces
        except RuntimeError:
            return have
        for index, claim in enumerate(claimed[: pieces.count]):
            if claim and not have[index]:
                have[index] = pieces.is_good(index, pieces.read(folder, index))
        return have

    def _start(self, pieces: PieceMap, folder: Path, priorities: list[int], have: list[bool] | None) -> None:
        """Hand it to the session; `have` None: everything is read first."""
        infohash = pieces.info.infohash
        parameters = prepare_torrent(self._cache.torrent(infohash), str(folder), self._trackers)
        parameters.file_priorities = priorities
        withheld = {index for index in self._cache.withheld(infohash) if index < pieces.count}
        if have is not None:
            parameters.have_pieces = [held and index not in withheld for index, held in enumerate(have)]
        if withheld:
            wanted = pieces.pieces_of([file.path for file, priority in zip(pieces.info.files, priorities, strict=True) if priority])
            parameters.piece_priorities = [_WANT if index in wanted - withheld else _SKIP for index in range(pieces.count)]
        try:
            handle = self._session.add_torrent(parameters)
        except RuntimeError as error:
            raise ClientError(f"the torrent of {pieces.info.name} was refused: {error}", "Ask its publisher for a clean one.") from error
        withheld_bytes = sum(pieces.piece_bytes(index) for index in withheld)
        self._torrents[infohash] = _Torrent(handle, pieces.info.name, folder, withheld_bytes)
        self._keeper.watch(infohash, handle)

    def _restart(self, infohash: str, have: list[bool] | None, priorities: list[int] | None = None) -> None:
        """Take it out and in again with other pieces: files are closed, so those that were replaced are opened anew."""
        known = self._torrent(infohash)
        is_paused = bool(known.handle.flags() & lt.torrent_flags.paused)
        priorities = known.handle.get_file_priorities() if priorities is None else priorities
        del self._torrents[infohash]
        self._keeper.release(infohash, known.handle)
        self._start(self._pieces(infohash), known.folder, priorities, have)
        if is_paused:
            self.pause(infohash)

    def choose(self, infohash: str, files: Collection[str] | None) -> None:
        """See TorrentClient."""
        with self._lock:
            known = self._torrent(infohash)
            priorities = [_WANT if chosen else _SKIP for chosen in self._pieces(infohash).choose(files)]
            if priorities == known.handle.get_file_priorities():
                return
            if known.withheld_bytes:  # else the session would forget which pieces are withheld
                self._restart(infohash, _have(known.handle), priorities)
            else:
                self._keeper.prioritize(infohash, known.handle, priorities)

    def state(self, infohash: str) -> TorrentState | None:
        """See TorrentClient."""
        with self._lock:
            self._keeper.raise_failure()
            known = self._torrents.get(infohash)
            return self._describe(infohash, known, known.handle.status(0)) if known else None

    def states(self) -> list[TorrentState]:
        """See TorrentClient."""
        with self._lock:
            self._keeper.raise_failure()
            return [self._describe(infohash, known, known.handle.status(0)) for infohash, known in self._torrents.items()]

    def _describe(self, infohash: str, known: _Torrent, status: lt.torrent_status) -> TorrentState:
        return TorrentState(
            infohash=infohash,
            name=known.name,
            phase=self._phase(infohash, status),
            wanted_bytes=status.total_wanted + known.withheld_bytes,
            have_bytes=status.total_wanted_done,
            download_rate=status.download_payload_rate,
            upload_rate=status.upload_payload_rate,
            peers=status.num_peers,
            error=self._tell_error(infohash, known, status) if status.errc.value() else "",
        )

    def _tell_error(self, infohash: str, known: _Torrent, status: lt.torrent_status) -> str:
        files, position = self._pieces(infohash).info.files, int(status.error_file)
        about = files[position].path if 0 <= position < len(files) else known.name
        return f"{status.errc.message()}: {about}"

    def _phase(self, infohash: str, status: lt.torrent_status) -> Phase:
        if status.errc.value():
            return "failed"
        if status.flags & lt.torrent_flags.paused:
            return "paused"
        if status.state in _CHECKING:
            return "checking"
        is_here = status.total_wanted_done >= status.total_wanted
        return "seeding" if is_here and self._keeper.is_flushed(infohash) else "fetching"

    def pieces(self, infohash: str) -> bytes:
        """See TorrentClient."""
        with self._lock:
            have = _have(self._torrent(infohash).handle)
            return pack_pieces(have or [False] * self._pieces(infohash).count)

    def withhold(self, infohash: str, pieces: Iterable[int]) -> None:
        """See TorrentClient: the other pieces are served on."""
        with self._lock:
            handle = self._torrent(infohash).handle
            have = _have(handle) if handle.status(0).state not in _CHECKING else None
            self._cache.withhold(infohash, pieces)
            self._restart(infohash, have or None)

    def trust(self, infohash: str, proved: bytes | None) -> None:
        """See TorrentClient: nothing is read where `proved` is given."""
        with self._lock:
            have = _have(self._torrent(infohash).handle)
            now = None if proved is None else unpack_pieces(proved, self._pieces(infohash).count)
            self._cache.trust(infohash)
            self._restart(infohash, now and [is_proved or is_here for is_proved, is_here in zip(now, have or now, strict=True)])

    def connect(self, infohash: str, host: str, port: int) -> bool:
        """See TorrentClient."""
        with self._lock:
            self._keeper.dial(self._torrent(infohash).handle, host, port)
        return True

    def limit(self, download: int | None, upload: int | None) -> None:
        """See TorrentClient."""
        limit_session(self._session, download, upload)
        self._limits = (download, upload)

    def pause(self, infohash: str) -> None:
        """See TorrentClient."""
        self._torrent(infohash).handle.pause()

    def resume(self, infohash: str) -> None:
        """See TorrentClient; a torrent that failed is tried again."""
        handle = self._torrent(infohash).handle
        handle.clear_error()
        handle.unset_flags(lt.torrent_flags.upload_mode)  # where it fell when it could not write
        handle.resume()

    def check(self, infohash: str) -> None:
        """See TorrentClient."""
        with self._lock:
            self._restart(infohash, None)

    def remove(self, infohash: str) -> None:
        """See TorrentClient."""
        with self._lock:
            if known := self._torrents.pop(infohash, None):
                self._keeper.release(infohash, known.handle)
            self._cache.forget(infohash)

    def settings(self) -> ClientSettings:
        """See TorrentClient."""
        came_in = any(handle.status(0).has_incoming for handle in self._handles().values())
        is_listening = self._session.is_listening()
        return ClientSettings(
            name=self.name,
            version=lt.__version__,
            listen_port=self._session.listen_port() or None,
            port_open=False if not is_listening else came_in or None,
            preallocation=False,
            download_limit=self._limits[0],
            upload_limit=self._limits[1],
        )

    def close(self) -> None:
        """See TorrentClient."""
        with self._lock:
            self._keeper.close()
            self._torrents.clear()
            del self._keeper, self._session  # ends it: files are closed, part files written
            self._held.close()

    def _handles(self) -> dict[str, lt.torrent_handle]:
        return {infohash: known.handle for infohash, known in list(self._torrents.items())}

    def _torrent(self, infohash: str) -> _Torrent:
        known = self._torrents.get(infohash)
        if known is None:
            raise NotFoundError(f"the client has no torrent {infohash}", "Add it first.")
        return known

    def _pieces(self, infohash: str) -> PieceMap:
        return PieceMap(read_torrent(self._cache.torrent(infohash)))


def _have(handle: lt.torrent_handle) -> list[bool]:
    """One flag a piece; none at all where nothing is known yet."""
    return list(handle.status(lt.torrent_handle.query_pieces).pieces)
