"""`mirror run`: follows the sources, chooses, fetches, proves, seeds; one loop in small steps, so that nothing waits for anything long.

Whatever is half done when it is killed is found again: lists in staging, files on disk without a word in the ledger. Only the ledger
says what is held, and it says so after the bytes were read, found good and brought to disk.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from fonoteca.ground.errors import FonotecaError, SignatureError
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.progress import Progress
from fonoteca.integrity.mirror_ledger_rows import MirrorTorrent
from fonoteca.torrents.clients import TorrentClient, TorrentState
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_admission import STEP_S, Admitted, admit
from fonoteca.workflows.mirror_choice import choose_again
from fonoteca.workflows.mirror_client import may_fetch_now
from fonoteca.workflows.mirror_drop import carry_out_drop
from fonoteca.workflows.mirror_heed import Heed
from fonoteca.workflows.mirror_sources import Followed, follow_source
from fonoteca.workflows.mirror_watch import Watch

HEED_S = 2.0
"""How soon what other processes found, mended or dropped is acted upon."""

METADATA_PATIENCE_S = 30.0

HEARING_S = 3.0
"""So long a choice waits for what other mirrors and trackers say; where they take longer it is made again."""


class RunReport(msgspec.Struct, kw_only=True):
    """What a run did and what stands at its end. Bytes of containers; `waiting`: torrents of which something is still to come."""

    followed: list[Followed] = msgspec.field(default_factory=list)
    held: int = 0
    held_bytes: int = 0
    waiting: list[str] = msgspec.field(default_factory=list)
    waiting_bytes: int = 0
    dropped: list[str] = msgspec.field(default_factory=list)
    findings: list[Finding] = msgspec.field(default_factory=list)

    @property
    def has_damage(self) -> bool:
        """Whether the exit status is to be 3: something is damaged, or is still to come."""
        return bool(self.waiting) or any(map(counts_as_damage, self.findings))


class MirrorRun:
    """The loop. `announce` is called after files were proved, when it is due; `hear` asks others what they hold, in a thread."""

    def __init__(
        self,
        mirror: Mirror,
        client: TorrentClient,
        progress: Progress,
        *,
        patience_s: float = 30.0,
        announce: Callable[[], None] | None = None,
    ) -> None:
        self.mirror, self.client, self.progress = mirror, client, progress
        self.report = RunReport()
        self.admitted: dict[str, Admitted] = {}
        self.tasks: deque[Iterator[None]] = deque()
        self.watch = Watch(mirror, client, progress, self.admitted, self.tasks, self.find)
        self.heed = Heed(mirror, client, self.admitted)
        self._patience_s, self._announce = patience_s, announce
        self._refused: set[str] = set()
        self._admitting: set[str] = set()
        self._moved_at = time.monotonic()
        self._is_paused = False
        self.hear: Callable[[], None] = lambda: None
        self._hearing: threading.Thread | None = None

    def go(self, *, once: bool = False) -> RunReport:
        """Run until stopped, or with `once` until nothing more can be fetched."""
        follow_at = heed_at = 0.0
        while True:
            now = time.monotonic()
            if now >= follow_at:
                self._follow()
                follow_at = now + self.mirror.settings.follow_minutes * 60
            if now >= heed_at:
                self._heed()
                heed_at = now + HEED_S
            self._admit_some()
            if self.watch.look() or self._work():
                self._moved_at = time.monotonic()
            elif once and self._is_over():
                break
            else:
                time.sleep(0.1)
        return self._finish()

    def find(self, finding: Finding) -> None:
        """Tell a finding, once, and keep it in the ledger."""
        if finding not in self.report.findings:
            self.report.findings.append(finding)
            self.progress.note(f"{finding.code}: {finding.path}: {finding.fact}")
            with self.mirror.ledger.transaction():
                self.mirror.ledger.put_finding("run", finding, self.mirror.now())

    def _follow(self) -> None:
        """Ask every source for a newer release; one that cannot be had, or may not be trusted, leaves what is held as it is."""
        with self.mirror.ledger.transaction():
            self.mirror.ledger.drop_findings("run")
        for source in self.mirror.ledger.sources():
            try:
                followed = follow_source(self.mirror, source.source, self.progress)
            except FonotecaError as error:
                code = "bad-signature" if isinstance(error, SignatureError) else "not-followed"
                self.find(Finding(code, source.location, error.message))
                continue
            self.report.followed.append(followed)
            self.report.findings += followed.findings
        if self._hearing is None:
            self._hearing = threading.Thread(target=self.hear, name="hear", daemon=True)
            self._hearing.start()
        self._hearing.join(HEARING_S)
        choose_again(self.mirror)
        self._refused.clear()

    def _heed(self) -> None:
        self.heed.look()
        if self._hearing is not None and not self._hearing.is_alive():
            self._hearing = None
            choose_again(self.mirror)
        for torrent in self.mirror.ledger.torrents(states=("dropping",)):
            self._admitting.discard(torrent.infohash)
            self.admitted.pop(torrent.infohash, None)
            self.client.remove(torrent.infohash)
            carry_out_drop(self.mirror, torrent)
            self.report.dropped.append(torrent.container)
        is_open = may_fetch_now(self.mirror)
        if self._is_paused == is_open:
            self._is_paused = not is_open
            for infohash, work in self.admitted.items():
                if work.absent:
                    (self.client.resume if is_open else self.client.pause)(infohash)

    # ---- torrents into the client

    def _admit_some(self) -> None:
        rows = [row for row in self._rows() if row.infohash not in self._refused and row.infohash not in self._admitting]
        metadata_first = any(row.is_metadata and row.state != "held" for row in self._rows()) and not self._is_metadata_stuck()
        for row in rows:
            known = self.admitted.get(row.infohash)
            if known is not None and row.state != "wanted":
                continue
            if row.state == "held" or row.is_metadata or not metadata_first:
                self._admitting.add(row.infohash)
                self.tasks.append(self._admission(row))

    def _rows(self) -> list[MirrorTorrent]:
        return self.mirror.ledger.torrents(states=("wanted", "fetching", "held"))

    def _is_metadata_stuck(self) -> bool:
        return time.monotonic() - self._moved_at > min(METADATA_PATIENCE_S, self._patience_s / 3)

    def _admission(self, row: MirrorTorrent) -> Iterator[None]:
        try:
            for step in admit(self.mirror, row, self.client):
                if step is not None:
                    self.admitted[row.infohash] = step
                    self.watch.finish_if_whole(step)
                    if self._is_paused and step.absent:
                        self.client.pause(row.infohash)
                yield
        except FonotecaError as error:
            self._refused.add(row.infohash)
            self.find(Finding("bad-torrent", str(self.mirror.torrent_file(row)), error.message, None, row.container))
        finally:
            self._admitting.discard(row.infohash)

    def _work(self) -> bool:
        """Some steps of what is to be done here; whether there was any."""
        since = time.monotonic()
        did = False
        while self.tasks and time.monotonic() - since < STEP_S:
            task = self.tasks.popleft()
            did = True
            try:
                next(task)
            except StopIteration:
                continue
            self.tasks.append(task)
        if did and not self.tasks and self._announce is not None:
            self._announce()
        return did

    # ---- the end

    def _is_over(self) -> bool:
        """Nothing is left to do, or nothing has come for so long that it will not come now."""
        if self.tasks:
            return False
        waiting = [row for row in self._rows() if row.state != "held" and row.infohash not in self._refused]
        return not waiting or time.monotonic() - self._moved_at > self._patience_s

    def _finish(self) -> RunReport:
        rows = self._rows()
        held = [row for row in rows if row.state == "held"]
        self.report.held, self.report.held_bytes = len(held), sum(row.bytes for row in held)
        waiting = [row for row in rows if row.state != "held"]
        self.report.waiting = [row.container for row in waiting]
        for row in waiting:
            counts = self.mirror.ledger.counts_of_files(row.infohash)
            self.report.waiting_bytes += counts.get("absent", (0, 0))[1] if counts else row.bytes
        return self.report


def states_by_infohash(client: TorrentClient) -> dict[str, TorrentState]:
    """Everything that the client knows now."""
    return {state.infohash: state for state in client.states()}
