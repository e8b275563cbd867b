"""What has come: files of which the client has every piece are read, proved and recorded; what does not fit is fetched again."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, MutableMapping

from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity.mirror_ledger_rows import MirrorFile
from fonoteca.torrents.clients import TorrentClient, TorrentState
from fonoteca.torrents.clients.bitfields import unpack_pieces
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_admission import Admitted, HeldBatch, OpenTorrents
from fonoteca.workflows.mirror_aside import STEP_S, Steps, Tasks
from fonoteca.workflows.mirror_proofs import FileProof, bad_pieces, make_empty_file, prove_file
from fonoteca.workflows.mirror_torrents import Chosen

MOST_RECHECKS = 3

LOOKING_SHARE = 20
"""After a look at what came of a torrent, so many times as long passes before the next: many files take long to look through."""


class Watch:
    """Looks at the client's torrents and proves what is complete."""

    def __init__(
        self,
        mirror: Mirror,
        client: TorrentClient,
        progress: Progress,
        admitted: MutableMapping[str, Admitted],
        tasks: Tasks,
        find: Callable[[Finding], None],
        opened: OpenTorrents,
        no_room: Callable[[], None],
    ) -> None:
        self._mirror, self._client, self._progress = mirror, client, progress
        self._admitted, self._tasks, self._find = admitted, tasks, find
        self._opened, self._no_room = opened, no_room

    def look(self) -> bool:
        """Begin to prove what has come; whether any byte has come since the last look."""
        expected = ((infohash, work) for infohash, work in self._admitted.items() if not work.is_in_place)
        waiting = {infohash: work for infohash, work in expected if work.absent and not work.is_proving}
        if not waiting:
            return False
        moved = False
        for state in self._client.states():
            work = waiting.get(state.infohash)
            if work is not None:
                moved = self._look_at(work, state) or moved
        return moved

    def _look_at(self, work: Admitted, state: TorrentState) -> bool:
        infohash, container = work.infohash, work.container
        if state.phase == "failed":
            self._find(Finding("not-fetched", str(work.folder / container), f"the client says: {state.error}", None, container))
            if os.strerror(errno.ENOSPC).lower() in state.error.lower():
                self._no_room()
            return False
        if time.monotonic() < work.look_at:
            return state.have_bytes != work.have_bytes
        is_whole = state.phase == "seeding"
        moved = state.have_bytes != work.have_bytes or state.phase == "checking"
        if state.phase == "checking" or (not moved and not is_whole):
            return moved
        if state.have_bytes > work.have_bytes >= 0:
            self._progress.advance(state.have_bytes - work.have_bytes)
        work.have_bytes = state.have_bytes
        since = time.monotonic()
        has = unpack_pieces(self._client.pieces(infohash), work.piece_count)
        ready = self._complete_files(work, has)
        work.look_at = time.monotonic() + LOOKING_SHARE * (time.monotonic() - since)
        if is_whole and not ready and time.monotonic() - work.chosen_at > 10:  # it was told to fetch less than the ledger wants
            work.chosen_at = time.monotonic()
            self._client.choose(infohash, work.selection)
        if ready:
            work.is_proving = True
            self._tasks.add(infohash, self._prove(work, ready, has, is_whole=is_whole))
        return moved

    def _complete_files(self, work: Admitted, has: list[bool]) -> list[int]:
        """Positions of the files of which every piece has come."""
        statement = "SELECT position, first_byte, size FROM files WHERE infohash = ? AND state = 'absent' ORDER BY position"
        length = work.piece_length
        return [
            position
            for position, first, size in self._mirror.ledger.rows(statement, work.infohash)
            if not size or all(has[first // length : -(-(first + size) // length)])
        ]

    def _prove(self, work: Admitted, positions: list[int], has: list[bool], *, is_whole: bool) -> Steps:
        """Read what is complete. A file whose bytes are still on their way to the disk is looked at again later."""
        chosen = self._opened.get(work.infohash)
        batch = HeldBatch(self._mirror, chosen)
        pieces = {index for index, is_here in enumerate(has) if is_here}
        bad: list[tuple[MirrorFile, FileProof]] = []
        good: set[int] = set()
        since = time.monotonic()
        for position in positions:
            file = self._mirror.ledger.file(work.infohash, position)
            if file is None or file.state != "absent":
                continue
            make_empty_file(work.folder, file)
            proof = prove_file(chosen, file, pieces)
            if proof.outcome == "good":
                batch.add(file, proof.mtime_ns)
                good.add(file.position)
            elif proof.outcome != "busy":
                bad.append((file, proof))
            if time.monotonic() - since > STEP_S:
                batch.settle()
                yield
                since = time.monotonic()
        batch.settle()
        if not good:
            work.have_bytes = -1 if not is_whole else work.have_bytes  # looked at again
        if bad and is_whole:
            self._handle_bad(work, chosen, bad)
        work.absent = self._mirror.ledger.counts_of_files(work.infohash).get("absent", (0, 0))[0]
        work.is_proving = False
        self.finish_if_whole(work)

    def _handle_bad(self, work: Admitted, chosen: Chosen, bad: list[tuple[MirrorFile, FileProof]]) -> None:
        """Never held, so what lies there may be fetched over; where the torrent itself tells other bytes, it is no use."""
        lies = [(file, proof) for file, proof in bad if proof.outcome == "bad" and file.sha256 and not bad_pieces(chosen, file)]
        for file, proof in lies:
            fact = f"its pieces are those of the torrent, but {proof.fact}: torrent and SHA256SUMS tell different bytes"
            self._lose(work, file, Finding("bad-torrent", str(work.folder / file.path), fact, None, work.container))
        others = [one for one in bad if one not in lies]
        if not others:
            return
        work.rechecks += 1
        if work.rechecks <= MOST_RECHECKS:
            work.have_bytes = -1
            self._client.check(work.infohash)
            return
        for file, proof in others:
            fact = f"{proof.fact}, after it was fetched {work.rechecks} times"
            self._lose(work, file, Finding("changed", str(work.folder / file.path), fact, None, work.container))

    def _lose(self, work: Admitted, file: MirrorFile, finding: Finding) -> None:
        with self._mirror.ledger.transaction():
            self._mirror.ledger.set_condition(file.infohash, file.position, "damaged")
        self._find(finding)
        self._client.withhold(file.infohash, work.pieces_of([file]))
        work.withheld.add(file.position)

    def finish_if_whole(self, work: Admitted) -> None:
        """A torrent of which every wanted file was proved is held."""
        if work.absent:
            return
        row = self._mirror.ledger.torrent(work.infohash)
        if row is not None and row.state == "fetching":
            with self._mirror.ledger.transaction():
                self._mirror.ledger.set_work(row.infohash, "held", second=self._mirror.now())
            self._progress.note(f"held: {row.container}")
