"""What has come: files of which the client has every piece are read, proved and recorded; what does not fit is fetched again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping

from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity.mirror_ledger_rows import MirrorFile
from fonoteca.torrents.clients import TorrentClient, TorrentState
from fonoteca.torrents.clients.bitfields import unpack_pieces
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_admission import STEP_S, Admitted, HeldBatch
from fonoteca.workflows.mirror_proofs import FileProof, bad_pieces, make_empty_file, prove_file
from fonoteca.workflows.mirror_torrents import pieces_of_files

MOST_RECHECKS = 3


class Watch:
    """Looks at the client's torrents and proves what is complete."""

    def __init__(
        self,
        mirror: Mirror,
        client: TorrentClient,
        progress: Progress,
        admitted: MutableMapping[str, Admitted],
        tasks: deque[Iterator[None]],
        find: Callable[[Finding], None],
    ) -> None:
        self._mirror, self._client, self._progress = mirror, client, progress
        self._admitted, self._tasks, self._find = admitted, tasks, find

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
        infohash, container = work.chosen.row.infohash, work.chosen.row.container
        if state.phase == "failed":
            self._find(Finding("not-fetched", str(work.chosen.folder / container), f"the client says: {state.error}", None, container))
            return False
        is_whole = state.phase == "seeding"
        moved = state.have_bytes != work.have_bytes or state.phase == "checking"
        if state.phase == "checking" or (not moved and not is_whole):
            return moved
        if state.have_bytes > work.have_bytes >= 0:
            self._progress.advance(state.have_bytes - work.have_bytes)
        work.have_bytes = state.have_bytes
        has = unpack_pieces(self._client.pieces(infohash), work.chosen.pieces.count)
        ready = list(_complete_files(work, has))
        if is_whole and not ready and time.monotonic() - work.chosen_at > 10:  # it was told to fetch less than the ledger wants
            work.chosen_at = time.monotonic()
            self._client.choose(infohash, work.chosen.row.selection)
        if ready:
            work.is_proving = True
            self._tasks.append(self._prove(work, ready, has, is_whole=is_whole))
        return moved

    def _prove(self, work: Admitted, files: list[MirrorFile], has: list[bool], *, is_whole: bool) -> Iterator[None]:
        """Read what is complete. A file whose bytes are still on their way to the disk is looked at again later."""
        batch = HeldBatch(self._mirror, work.chosen)
        pieces = {index for index, is_here in enumerate(has) if is_here}
        bad: list[tuple[MirrorFile, FileProof]] = []
        good: set[int] = set()
        since = time.monotonic()
        for file in files:
            make_empty_file(work.chosen.folder, file)
            proof = prove_file(work.chosen, file, pieces)
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
        work.absent = [file for file in work.absent if file.position not in good]
        if not good:
            work.have_bytes = -1 if not is_whole else work.have_bytes  # looked at again
        if bad and is_whole:
            self._handle_bad(work, bad)
        work.is_proving = False
        self.finish_if_whole(work)

    def _handle_bad(self, work: Admitted, bad: list[tuple[MirrorFile, FileProof]]) -> None:
        """Never held, so what lies there may be fetched over; where the torrent itself tells other bytes, it is no use."""
        lies = [(file, proof) for file, proof in bad if proof.outcome == "bad" and file.sha256 and not bad_pieces(work.chosen, file)]
        for file, proof in lies:
            fact = f"its pieces are those of the torrent, but {proof.fact}: torrent and SHA256SUMS tell different bytes"
            self._lose(work, file, Finding("bad-torrent", str(work.chosen.folder / file.path), fact, None, work.chosen.row.container))
        others = [one for one in bad if one not in lies]
        if not others:
            return
        work.rechecks += 1
        if work.rechecks <= MOST_RECHECKS:
            work.have_bytes = -1
            self._client.check(work.chosen.row.infohash)
            return
        for file, proof in others:
            fact = f"{proof.fact}, after it was fetched {work.rechecks} times"
            self._lose(work, file, Finding("changed", str(work.chosen.folder / file.path), fact, None, work.chosen.row.container))

    def _lose(self, work: Admitted, file: MirrorFile, finding: Finding) -> None:
        with self._mirror.ledger.transaction():
            self._mirror.ledger.set_condition(file.infohash, file.position, "damaged")
        self._find(finding)
        self._client.withhold(file.infohash, pieces_of_files(work.chosen, [file]))
        work.withheld.add(file.position)
        work.absent = [other for other in work.absent if other.position != file.position]

    def finish_if_whole(self, work: Admitted) -> None:
        """A torrent of which every wanted file was proved is held."""
        if work.absent:
            return
        row = self._mirror.ledger.torrent(work.chosen.row.infohash)
        if row is not None and row.state == "fetching":
            with self._mirror.ledger.transaction():
                self._mirror.ledger.set_work(row.infohash, "held", second=self._mirror.now())
            self._progress.note(f"held: {row.container}")


def _complete_files(work: Admitted, has: list[bool]) -> Iterator[MirrorFile]:
    length = work.chosen.info.piece_length
    for file in work.absent:
        pieces = range(file.first_byte // length, -(-(file.first_byte + file.size) // length)) if file.size else range(0)
        if all(has[index] for index in pieces):
            yield file
