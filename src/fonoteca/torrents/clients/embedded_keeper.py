"""The thread beside a libtorrent session: writes resume data down, dials the peers that are always dialled, knows what is on the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import libtorrent as lt

from fonoteca.ground.errors import ClientError, FonotecaError
from fonoteca.torrents.clients.session import find_addresses
from fonoteca.torrents.clients.torrent_cache import TorrentCache

SAVE_EVERY_S = 15.0
DIAL_EVERY_S = 5.0
_ANSWER_S = 20.0
_OF_A_HANDLE = (lt.torrent_finished_alert, lt.cache_flushed_alert, lt.file_prio_alert, lt.save_resume_data_failed_alert)


class Keeper:
    """Reads every alert of a session; nobody else may. `handles` gives the torrents by infohash as they are when it is called."""

    def __init__(
        self, session: lt.session, cache: TorrentCache, peers: list[tuple[str, int]], handles: Callable[[], dict[str, lt.torrent_handle]]
    ) -> None:
        self._session, self._cache, self._peers, self._handles = session, cache, peers, handles
        self._changed = threading.Condition()
        self._flushed: set[str] = set()
        self._asked: set[str] = set()
        self._prioritized: set[str] = set()
        self._released: set[str] = set()
        self._saving: set[str] = set()
        self._failure: FonotecaError | None = None
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="fonoteca-torrents", daemon=True)
        self._thread.start()

    def watch(self, infohash: str, handle: lt.torrent_handle) -> None:
        """A torrent is new, or new again."""
        with self._changed:
            self._flushed.discard(infohash)
            self._asked.discard(infohash)
        self._dial_all(handle)

    def release(self, infohash: str, handle: lt.torrent_handle) -> None:
        """Take a torrent out; returns when the session has let go of it."""
        with self._changed:
            self._released.discard(infohash)
            self._session.remove_torrent(handle)
            self._wait(lambda: infohash in self._released, f"letting go of {infohash}")

    def prioritize(self, infohash: str, handle: lt.torrent_handle, priorities: list[int]) -> None:
        """Change which files are wanted; returns when it holds."""
        with self._changed:
            self._prioritized.discard(infohash)
            handle.prioritize_files(priorities)
            self._wait(lambda: infohash in self._prioritized, f"choosing files of {infohash}")
            self._flushed.discard(infohash)
            self._asked.discard(infohash)

    def is_flushed(self, infohash: str) -> bool:
        """Whether everything that came in before now can be read from the files. Asks for it where it was not asked before."""
        with self._changed:
            if infohash not in self._flushed and infohash not in self._asked and (handle := self._handles().get(infohash)):
                self._asked.add(infohash)
                handle.flush_cache()
            return infohash in self._flushed

    def dial(self, handle: lt.torrent_handle, host: str, port: int) -> None:
        """Call one peer."""
        for address in find_addresses(host, port):
            handle.connect_peer(address)

    def raise_failure(self) -> None:
        """Raise what went wrong in the thread, once."""
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    def close(self) -> None:
        """Pause everything, write down what is known, end the thread."""
        self._session.pause()
        with self._changed:
            self._save(lt.save_resume_flags_t.flush_disk_cache)
            self._changed.wait_for(lambda: not self._saving, _ANSWER_S)
        self._is_closing = True
        self._thread.join(_ANSWER_S)

    def _wait(self, is_done: Callable[[], bool], doing: str) -> None:
        if not self._changed.wait_for(is_done, _ANSWER_S):
            raise ClientError(f"libtorrent did not answer within {_ANSWER_S:.0f} s, {doing}", "Is the disk busy? Run it again: it goes on.")

    def _run(self) -> None:
        saved = dialled = time.monotonic()
        while not self._is_closing:
            self._session.wait_for_alert(250)
            try:
                self._hear(self._session.pop_alerts())
                if time.monotonic() - saved > SAVE_EVERY_S:
                    saved = time.monotonic()
                    self._save(lt.save_resume_flags_t.only_if_modified)
                if time.monotonic() - dialled > DIAL_EVERY_S:
                    dialled = time.monotonic()
                    for handle in self._handles().values():
                        self._dial_all(handle)
            except FonotecaError as error:
                self._failure = error
            except RuntimeError:
                continue  # a torrent went while it was spoken of

    def _dial_all(self, handle: lt.torrent_handle) -> None:
        for host, port in self._peers:
            self.dial(handle, host, port)

    def _save(self, flags: int) -> None:
        handles = self._handles()
        with self._changed:
            self._saving |= set(handles)
        for infohash, handle in handles.items():
            try:
                handle.save_resume_data(flags)
            except RuntimeError:
                self._note(self._saving.discard, infohash)

    def _note(self, change: Callable[[str], None], infohash: str) -> None:
        with self._changed:
            change(infohash)
            self._changed.notify_all()

    def _hear(self, alerts: Iterable[lt.alert]) -> None:
        for alert in alerts:
            if isinstance(alert, lt.save_resume_data_alert):
                self._keep(str(alert.params.info_hashes.v1), alert.params)
            elif isinstance(alert, lt.torrent_removed_alert):
                self._note(self._released.add, str(alert.info_hashes.v1))
            elif isinstance(alert, _OF_A_HANDLE):
                self._hear_of_handle(alert)

    def _keep(self, infohash: str, parameters: lt.add_torrent_params) -> None:
        try:
            if infohash in self._handles():
                self._cache.keep_resume(infohash, lt.write_resume_data_buf(parameters))
        finally:
            self._note(self._saving.discard, infohash)

    def _hear_of_handle(self, alert: lt.torrent_alert) -> None:
        if not alert.handle.is_valid():
            return
        infohash = str(alert.handle.info_hashes().v1)
        if isinstance(alert, lt.cache_flushed_alert):
            self._note(self._flushed.add, infohash)
        elif isinstance(alert, lt.file_prio_alert):
            self._note(self._prioritized.add, infohash)
        elif isinstance(alert, lt.save_resume_data_failed_alert):
            self._note(self._saving.discard, infohash)
        else:
            self._note(self._flushed.discard, infohash)
            alert.handle.flush_cache()
