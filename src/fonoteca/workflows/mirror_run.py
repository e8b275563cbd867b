"""`mirror run`: follows the sources, chooses, fetches, proves, seeds; one loop in small steps, so that nothing waits for anything long.

Whatever is half done when it is killed is found again: lists in staging, files on disk without a word in the ledger. Only the ledger
says what is held, and it says so after the bytes were read, found good and brought to disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal

import apsw
import msgspec

from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.progress import Progress
from fonoteca.integrity.mirror_ledger_rows import MirrorTorrent
from fonoteca.torrents.clients import TorrentClient
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_admission import Admitted, OpenTorrents, admit
from fonoteca.workflows.mirror_aside import Aside, Room, Steps, Tasks, is_out_of_room
from fonoteca.workflows.mirror_budget import held_bytes_of
from fonoteca.workflows.mirror_client import may_fetch_now
from fonoteca.workflows.mirror_drop import carry_out_drop, forget_marked_sources
from fonoteca.workflows.mirror_heed import Heed
from fonoteca.workflows.mirror_round import Round
from fonoteca.workflows.mirror_sources import Followed
from fonoteca.workflows.mirror_watch import Watch

HEED_S = 2.0
"""How soon what other processes found, mended or dropped is acted upon."""

METADATA_PATIENCE_S = 30.0

MOST_ADMITTED = 2
"""Torrents that are brought into the client at the same time, of each kind: see `_kind_of`."""

ANNOUNCING_S = 600.0
"""What is held is announced no oftener, but for the end of a run: that reads the whole ledger."""


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
    """The loop. In threads of their own: `announce` is called after files were proved, when it is due, and `hear` asks others."""

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
        self.tasks = Tasks(self._set_aside)
        opened = OpenTorrents(mirror)
        self.watch = Watch(mirror, client, progress, self.admitted, self.tasks, self.find, opened, self._no_room)
        self.heed = Heed(mirror, client, self.admitted, opened)
        self._patience_s = patience_s
        self._announcing = Aside(announce or (lambda: None))
        self._announced_at = -ANNOUNCING_S
        self._has_news = False
        self._refused: set[str] = set()
        self._admitting: dict[str, str] = {}  # of what kind
        self._room = Room(mirror.path)
        self._moved_at = time.monotonic()
        self._is_paused = False
        self._paused: set[str] = set()
        self._asked_at = self._moved_at
        self.hear: Callable[[], None] = lambda: None
        self._round: Round | None = None
        self._rows_at: tuple[int, int] | None = None
        self._bare_lists: set[str] = set()
        self._known_rows: list[MirrorTorrent] = []

    def go(self, *, once: bool = False) -> RunReport:
        """Run until stopped, or with `once` until nothing more can be fetched."""
        follow_at = heed_at = 0.0
        while True:
            now = time.monotonic()
            if now >= follow_at and self._round is None:
                self._begin_round()
                follow_at = now + self.mirror.settings.follow_minutes * 60
            moved = False
            try:
                self._listen()
                if now >= heed_at:
                    self._heed()
                    heed_at = now + HEED_S
                self._admit_some()
                moved = self.watch.look()
            except (OSError, FonotecaError, apsw.FullError) as error:
                if not is_out_of_room(error):
                    raise
                self._no_room()
            if self._work() or moved:
                self._moved_at = time.monotonic()
            elif once and self._is_over():
                break
            else:
                time.sleep(0.1)
        self._announcing.wait()
        self._tell_others(is_last=True)
        return self._finish()

    def find(self, finding: Finding) -> None:
        """Tell a finding, once, and keep it in the ledger."""
        if finding not in self.report.findings:
            self.report.findings.append(finding)
            self.progress.note(f"{finding.code}: {finding.path}: {finding.fact}")
        try:
            with self.mirror.ledger.transaction():
                self.mirror.ledger.put_finding("run", finding, self.mirror.now())
        except apsw.FullError:
            self._room.fill()

    # ---- what others say and do

    def _begin_round(self) -> None:
        with self.mirror.ledger.transaction():
            self.mirror.ledger.drop_findings("run")
        self._round = Round(self.mirror.path, self.progress, self.hear)

    def _listen(self) -> None:
        """What the round brought so far; when it is over, what was refused gets another try."""
        if self._round is None:
            return
        is_over = self._round.is_over
        if self._round.is_choosing:
            self._asked_at = time.monotonic()
        while not self._round.told.empty():
            told = self._round.told.get()
            if isinstance(told, Finding):
                self.find(told)
                continue
            self.report.followed.append(told)
            self.report.findings += told.findings
        if is_over:
            self._round = None
            for infohash in self._refused:
                self._let_go(infohash)
            self._refused.clear()

    def _let_go(self, infohash: str) -> None:
        """It is not worked on any more; the client keeps what it has."""
        self.tasks.close(infohash)
        self._admitting.pop(infohash, None)
        self.admitted.pop(infohash, None)

    def _heed(self) -> None:
        for torrent in self.mirror.ledger.torrents(states=("dropping",)):
            self._let_go(torrent.infohash)
            self.client.remove(torrent.infohash)
            carry_out_drop(self.mirror, torrent)
            self.report.dropped.append(torrent.container)
        forget_marked_sources(self.mirror)
        self.heed.look()
        if self._room.look():
            for infohash in [infohash for infohash, work in self.admitted.items() if work.absent] + list(self._refused):
                self._let_go(infohash)
            self._refused.clear()
        elif not self._room.is_full and any(work.absent for work in self.admitted.values()) and self._room.is_used_up():
            self._no_room()  # clients wait in silence then
        self._pause(is_paused=self._room.is_full or not may_fetch_now(self.mirror))

    def _pause(self, *, is_paused: bool) -> None:
        if self._is_paused == is_paused:
            return
        self._is_paused = is_paused
        if is_paused:
            self._pause_each(infohash for infohash, work in self.admitted.items() if work.absent)
            return
        for infohash in self._paused:
            if self.client.state(infohash) is not None:
                self.client.resume(infohash)
        self._paused.clear()

    def _pause_each(self, infohashes: Iterable[str]) -> None:
        for infohash in infohashes:
            self.client.pause(infohash)
            self._paused.add(infohash)

    def _no_room(self) -> None:
        """The disk is full: nothing more is fetched until there is room; what is held is served on."""
        self._room.fill()
        (self.mirror.staging / "run" / "copy").unlink(missing_ok=True)
        fact = "there is no room on its disk: nothing more is fetched, what is held is served on"
        self.find(Finding("not-fetched", str(self.mirror.path), fact))
        self._pause(is_paused=True)

    # ---- torrents into the client

    def _admit_some(self) -> None:
        rows = self._rows()
        is_metadata_first = any(row.is_metadata and self._kind_of(row) == "new" for row in rows) and not self._is_metadata_stuck()
        for row in rows:
            if row.infohash in self._refused or row.infohash in self._admitting:
                continue
            if row.infohash in self.admitted and row.state != "wanted":
                continue
            kind = self._kind_of(row)
            if (kind == "held" or row.is_metadata or not is_metadata_first) and [*self._admitting.values()].count(kind) < MOST_ADMITTED:
                self._admitting[row.infohash] = kind
                self.tasks.add(row.infohash, self._admission(row))

    def _kind_of(self, row: MirrorTorrent) -> Literal["held", "new", "asked"]:
        """What an admission waits for: "asked" ones for the server that has the .torrent, which holds up no other."""
        if row.state == "held":
            return "held"
        return "asked" if not row.piece_length and row.source in self._bare_lists else "new"

    def _rows(self) -> list[MirrorTorrent]:
        """What is chosen, read anew where this or another process wrote since."""
        connection = self.mirror.ledger.connection
        stands_at = (connection.pragma("data_version"), connection.total_changes())
        if stands_at != self._rows_at:
            self._known_rows = self.mirror.ledger.torrents(states=("wanted", "fetching", "held"))
            self._bare_lists = {source.source for source in self.mirror.ledger.sources() if source.kind == "list"}
            self._rows_at = stands_at
        return self._known_rows

    def _is_metadata_stuck(self) -> bool:
        return time.monotonic() - self._moved_at > min(METADATA_PATIENCE_S, self._patience_s / 3)

    def _admission(self, row: MirrorTorrent) -> Steps:
        for step in admit(self.mirror, row, self.client, self._room, self._no_room):
            if step is not None:
                self.admitted[row.infohash] = step
                self.watch.finish_if_whole(step)
                if self._is_paused and step.absent:
                    self._pause_each([row.infohash])
            yield
        self._admitting.pop(row.infohash, None)

    def _set_aside(self, infohash: str, error: Exception) -> None:
        """One torrent that cannot be used waits for the next round; the others go on."""
        self._admitting.pop(infohash, None)
        self._refused.add(infohash)
        if is_out_of_room(error):
            self._no_room()
            return
        row = self.mirror.ledger.torrent(infohash)
        if row is not None:
            fact = error.message if isinstance(error, FonotecaError) else f"it cannot be used: {type(error).__name__}: {error}"
            self.find(Finding("bad-torrent", str(self.mirror.torrent_file(row)), fact, None, row.container))

    def _work(self) -> bool:
        """Some steps of what is to be done here; whether there was any."""
        did = self.tasks.work()
        self._has_news = self._has_news or did
        if not self.tasks:
            self._tell_others()
        return did

    def _tell_others(self, *, is_last: bool = False) -> None:
        """Announce what is held, where something changed."""
        if not self._has_news or self._announcing.is_busy or not (is_last or time.monotonic() - self._announced_at >= ANNOUNCING_S):
            return
        self._has_news = False
        self._announcing.start()
        if is_last:
            self._announcing.wait()
        self._announced_at = time.monotonic()

    # ---- the end

    def _is_over(self) -> bool:
        """Nothing is left to do, or nothing has come for so long that it will not come now."""
        if self.tasks or (self._round is not None and (self._round.is_choosing or not self._round.told.empty())):
            return False
        waiting = [row for row in self._rows() if row.state != "held" and row.infohash not in self._refused]
        return not waiting or time.monotonic() - max(self._moved_at, self._asked_at) > self._patience_s

    def _finish(self) -> RunReport:
        rows = self._rows()
        self.report.held = sum(row.state == "held" for row in rows)
        self.report.held_bytes = held_bytes_of(self.mirror, [row for row in rows if row.state == "held"])
        waiting = [row for row in rows if row.state != "held"]
        self.report.waiting = [row.container for row in waiting]
        for row in waiting:
            counts = self.mirror.ledger.counts_of_files(row.infohash)
            self.report.waiting_bytes += counts.get("absent", (0, 0))[1] if counts else row.bytes
        return self.report
