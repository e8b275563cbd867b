"""Bringing one torrent into the client: what lies here is proved or copied first, so that the client fetches only what nobody here has."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from fonoteca.ground.errors import NotFoundError
from fonoteca.ground.files import sync_file_system
from fonoteca.ground.findings import Finding
from fonoteca.integrity.mirror_ledger_rows import MirrorFile, MirrorTorrent
from fonoteca.torrents.clients import TorrentClient
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.mirror_aside import STEP_S, Aside, Room, is_out_of_room
from fonoteca.workflows.mirror_choice import choose_again
from fonoteca.workflows.mirror_plan import CHOSEN
from fonoteca.workflows.mirror_proofs import FileProof, make_empty_file, prove_file
from fonoteca.workflows.mirror_reuse import Reuse, is_whole_on_disk
from fonoteca.workflows.mirror_torrents import (
    Chosen,
    correct_size,
    is_as_proved,
    is_fresh,
    open_chosen,
    pieces_between,
    pieces_of_files,
    proved_bitfield,
    record_files,
)

STARTING_S = 2.0
"""So long a client is waited for that takes in a torrent of which the pieces are told."""

MOST_OPEN = 3
"""Torrents whose lists of files are kept in memory: 60,000 files take some 16 MB."""


class Admitted:
    """A torrent that the client has. `absent` counts the files that are still to come, `withheld` are the positions of damaged ones.

    Nothing comes to what is `is_in_place`: it is served as it lies. What grows with the number of files stays on disk.
    """

    def __init__(self, chosen: Chosen, absent: int, withheld: set[int], *, is_in_place: bool) -> None:
        self.infohash, self.container, self.selection = chosen.row.infohash, chosen.row.container, chosen.row.selection
        self.folder = chosen.folder
        self.piece_length, self.piece_count = chosen.info.piece_length, chosen.pieces.count
        self.is_in_place = is_in_place
        self.absent = absent
        self.withheld = withheld
        self.is_proving = False
        self.have_bytes = -1
        self.rechecks = 0
        self.chosen_at = 0.0
        self.look_at = 0.0

    def pieces_of(self, files: Iterable[MirrorFile]) -> set[int]:
        """Every piece that holds a byte of one of these files."""
        return pieces_between(self.piece_length, files)


class OpenTorrents:
    """What .torrents say, read again when it is needed; the last ones are kept."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._kept: OrderedDict[str, Chosen] = OrderedDict()

    def get(self, infohash: str) -> Chosen:
        """One torrent of the ledger; its `row` is as it stood then. FonotecaError where it cannot be read any more."""
        chosen = self._kept.pop(infohash, None)
        if chosen is None:
            row = self._mirror.ledger.torrent(infohash)
            if row is None:
                raise NotFoundError(f"the mirror does not know {infohash} any more", "It was dropped.")
            chosen = msgspec.structs.replace(open_chosen(self._mirror, row), content=b"")
        self._kept[infohash] = chosen
        while len(self._kept) > MOST_OPEN:
            self._kept.popitem(last=False)
        return chosen


class HeldBatch:
    """Files that were found good, told to the ledger together: they are brought to disk before that."""

    def __init__(self, mirror: Mirror, chosen: Chosen) -> None:
        self._mirror, self._infohash, self._folder = mirror, chosen.row.infohash, chosen.folder
        self._rows: list[tuple[str, int, int, int]] = []

    def add(self, file: MirrorFile, mtime_ns: int) -> None:
        """One more."""
        self._rows.append((self._infohash, file.position, self._mirror.now(), mtime_ns))

    def settle(self) -> None:
        """Tell the ledger."""
        if self._rows:
            sync_file_system(self._folder)
            with self._mirror.ledger.transaction():
                self._mirror.ledger.set_held(self._rows)
            self._rows.clear()


def admit(mirror: Mirror, row: MirrorTorrent, client: TorrentClient, room: Room, no_room: Callable[[], None]) -> Iterator[Admitted | None]:
    """Steps of about half a second; the last one gives the torrent as the client has it. FonotecaError where it cannot be used.

    Nothing is given where another process let go of it meanwhile. `no_room` is told that a copy did not fit on the disk.
    """
    yield from _fetch_torrent(mirror, row)
    chosen = open_chosen(mirror, row)
    if row.state == "wanted" and correct_size(mirror, chosen):
        choose_again(mirror)
    with mirror.ledger.transaction():
        now = mirror.ledger.torrent(row.infohash)
        if now is None or now.state not in CHOSEN:
            return
        chosen = msgspec.structs.replace(chosen, row=now)
        if now.state == "wanted":
            record_files(mirror, chosen)
            mirror.ledger.set_work(row.infohash, "fetching")
    yield None
    yield from _look_here(mirror, chosen, room, no_room)
    now = mirror.ledger.torrent(row.infohash)
    if now is not None and now.state in CHOSEN:
        yield _hand_over(mirror, chosen, client)


def _fetch_torrent(mirror: Mirror, row: MirrorTorrent) -> Iterator[None]:
    """The .torrent of a bare list comes from a server that may be slow: in a thread."""
    source = mirror.ledger.source(row.source)
    if source is None or source.kind != "list" or mirror.torrent_file(row).is_file():
        return
    fetching = Aside(lambda: _fetch_apart(mirror.path, row))
    fetching.start()
    while fetching.is_busy:
        yield None
        fetching.wait(0.05)
    fetching.wait()


def _fetch_apart(path: Path, row: MirrorTorrent) -> None:
    with open_mirror(path) as mirror:
        open_chosen(mirror, row)


def _look_here(mirror: Mirror, chosen: Chosen, room: Room, no_room: Callable[[], None]) -> Iterator[None]:
    """Prove what is doubtful, take what lies whole, copy what others on this machine hold."""
    source = mirror.ledger.source(chosen.row.source)
    is_in_place = source is not None and source.is_in_place
    reuse = Reuse(mirror, chosen)
    batch = HeldBatch(mirror, chosen)
    since = time.monotonic()
    for file in list(mirror.ledger.files_of(chosen.row.infohash, states=("held", "absent"))):
        if file.state == "held":
            _prove_again(mirror, chosen, file, batch)
        elif not is_in_place:
            if not room.is_full:
                _take_if_it_fits(chosen, file, reuse, batch, no_room)
        elif (proof := prove_file(chosen, file)).outcome == "good":
            batch.add(file, proof.mtime_ns)
        if time.monotonic() - since > STEP_S:
            batch.settle()
            yield None
            since = time.monotonic()
    batch.settle()


def _prove_again(mirror: Mirror, chosen: Chosen, file: MirrorFile, batch: HeldBatch) -> None:
    """What was touched since it was proved, or not proved for long, is read before it is served again."""
    if is_as_proved(chosen.folder / file.path, file) and is_fresh(mirror, file):
        return
    proof = prove_file(chosen, file)
    if proof.outcome == "good":
        batch.add(file, proof.mtime_ns)
    else:
        record_damage(mirror, chosen, file, proof)


def record_damage(mirror: Mirror, chosen: Chosen, file: MirrorFile, proof: FileProof) -> None:
    """A file that was held is not what it was: it waits for healing."""
    code = {"missing": "missing", "short": "wrong-size"}.get(proof.outcome, "changed")
    finding = Finding(code, str(chosen.folder / file.path), proof.fact, None, chosen.row.container)
    with mirror.ledger.transaction():
        mirror.ledger.set_condition(file.infohash, file.position, "damaged")
        mirror.ledger.put_finding("run", finding, mirror.now())


def _take_if_it_fits(chosen: Chosen, file: MirrorFile, reuse: Reuse, batch: HeldBatch, no_room: Callable[[], None]) -> None:
    try:
        _take(chosen, file, reuse, batch)
    except OSError as error:
        if not is_out_of_room(error):
            raise
        no_room()


def _take(chosen: Chosen, file: MirrorFile, reuse: Reuse, batch: HeldBatch) -> None:
    make_empty_file(chosen.folder, file)
    if is_whole_on_disk(chosen.folder / file.path, file) and (proof := prove_file(chosen, file)).outcome == "good":
        batch.add(file, proof.mtime_ns)
    elif (copied := reuse.take(file)) is not None:
        batch.add(file, copied)


def _hand_over(mirror: Mirror, chosen: Chosen, client: TorrentClient) -> Admitted:
    infohash = chosen.row.infohash
    files = list(mirror.ledger.files_of(infohash))
    held = [file for file in files if file.state == "held"]
    damaged = [file for file in files if file.state in ("damaged", "lost")]
    source = mirror.ledger.source(chosen.row.source)
    is_in_place = source is not None and source.is_in_place
    wanted: tuple[str, ...] | None = () if is_in_place else chosen.row.selection
    chosen.folder.mkdir(parents=True, exist_ok=True)
    proved = proved_bitfield(chosen, held)
    was_known = client.state(infohash) is not None
    client.add(chosen.content, chosen.folder, files=wanted, proved=proved)
    if was_known and not _has(client.pieces(infohash), proved):
        client.trust(infohash, proved)  # more lies here by now than it knows, or what it withheld is mended
    if damaged:
        _await_start(client, infohash)
        client.withhold(infohash, pieces_of_files(chosen, damaged))
    absent = sum(file.state == "absent" for file in files)
    return Admitted(chosen, absent, {file.position for file in damaged}, is_in_place=is_in_place)


def _await_start(client: TorrentClient, infohash: str) -> None:
    """A client that has just been given a torrent does not know yet what it has of it, and could not tell that from what is withheld."""
    until = time.monotonic() + STARTING_S
    while time.monotonic() < until and (state := client.state(infohash)) is not None and state.phase == "checking":
        time.sleep(0.02)


def _has(pieces: bytes, proved: bytes) -> bool:
    return all(one & other == other for one, other in zip(pieces, proved, strict=True))
