"""The rungs that need others: only the pieces that cover what is damaged, from peers and web seeds; a file from an rclone remote."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.ground.errors import ClientError, FonotecaError, ProgramError
from fonoteca.ground.programs import has_program, run_program
from fonoteca.integrity.paced_proving import PADDING, check_piece, open_neighbour
from fonoteca.integrity.schedule import PieceCheck
from fonoteca.torrents import TorrentInfo, read_torrent
from fonoteca.workflows.heal_items import DamagedFile, TorrentSource
from fonoteca.workflows.heal_placing import ends_the_run

CHUNK_BYTES = 256 << 20
FEW_PIECES = 3
"""Files of no more pieces are fetched whole; of larger ones only the pieces that are bad."""

Fetched = tuple[DamagedFile, Path | None, str | None]


class _Wanted:
    """A damaged file within its torrent."""

    def __init__(self, file: DamagedFile, info: TorrentInfo, position: int, first_byte: int) -> None:
        self.file, self.info, self.position = file, info, position
        self.first_byte, self.size = first_byte, info.files[position].size
        length = info.piece_length
        self.pieces = set(range(first_byte // length, -(-(first_byte + self.size) // length))) if self.size else set[int]()
        self.needed = self._bad_pieces() if len(self.pieces) > FEW_PIECES else self.pieces

    @property
    def place(self) -> Path:
        """The file, or the folder of the torrent."""
        depth = self.info.files[self.position].path.count("/")
        return self.file.path if self.info.is_single else self.file.path.parents[depth]

    def _bad_pieces(self) -> set[int]:
        """Those that are not good as they lie on this disk."""
        check = piece_check(self.info, self.place, self.position)
        first = min(self.pieces)
        return {first + number for number in range(len(self.pieces)) if not check_piece(check, number, read_plain)[1]}

    def is_proved(self, target: Path, fetched: Path) -> bool:
        """Whether every piece is right, its neighbours' bytes taken from what was fetched: those on disk may be damaged themselves."""
        for place, pieces in ((fetched / self.info.name, self.needed), (self.place, self.pieces - self.needed)):
            own = place if self.info.is_single else place / self.info.files[self.position].path
            check = with_files_at(piece_check(self.info, place, self.position), {own: target})
            if not all(check_piece(check, piece - check.first_piece, read_plain)[1] for piece in pieces):
                return False
        return True

    def put_together(self, fetched: Path, target: Path) -> None:
        """The whole file: good bytes as they lie here, the others from what was fetched."""
        path = fetched / self.info.name if self.info.is_single else fetched / self.info.name / self.info.files[self.position].path
        if self.needed == self.pieces:
            shutil.copyfile(path, target)  # what was fetched also proves the neighbours
            return
        shutil.copyfile(self.file.path, target)
        length = self.info.piece_length
        with open(path, "rb") as source, open(target, "r+b") as into:
            into.truncate(self.size)
            for piece in sorted(self.needed):
                start = max(0, piece * length - self.first_byte)
                end = min(self.size, (piece + 1) * length - self.first_byte)
                source.seek(start)
                into.seek(start)
                into.write(source.read(end - start))


def fetch_pieces_of(files: Iterable[DamagedFile], source: TorrentSource, folder: Path, options: Any) -> Iterator[Fetched]:
    """Each damaged file of one torrent with the place of its bytes, put together and not yet proved, or the fact why there are none.

    A chunk of them is fetched at a time, so that what came is put in place before more comes.
    """
    try:
        info = read_torrent(source.torrent)
    except FonotecaError as error:
        yield from ((file, None, error.message) for file in files)
        return
    offsets, at = [], 0
    for one in info.files:
        offsets.append(at)
        at += one.size
    by_path = {one.path: number for number, one in enumerate(info.files) if not one.is_padding}
    chunk: list[_Wanted] = []
    room = CHUNK_BYTES
    for file in files:
        position = _position_of(file, info, by_path)
        if position is None:
            yield file, None, "its torrent does not list it"
            continue
        chunk.append(_Wanted(file, info, position, offsets[position]))
        room -= len(chunk[-1].needed) * info.piece_length
        if room <= 0:
            yield from _fetch_chunk(chunk, source, folder, options)
            chunk, room = [], CHUNK_BYTES
    yield from _fetch_chunk(chunk, source, folder, options)


def _position_of(file: DamagedFile, info: TorrentInfo, by_path: dict[str, int]) -> int | None:
    if file.position is not None:
        return file.position
    return 0 if info.is_single else by_path.get(file.path.name)


def _fetch_chunk(chunk: list[_Wanted], source: TorrentSource, folder: Path, options: Any) -> Iterator[Fetched]:
    if not chunk:
        return
    into = folder / "pieces"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    wanted = set[int]().union(*(one.needed for one in chunk))
    fact, got = None, set[int]()
    try:
        got = _fetch(source, wanted, into, options)
    except (ClientError, FonotecaError) as error:
        if ends_the_run(error):
            raise
        fact = error.message
    for number, one in enumerate(chunk):
        lacking = one.needed - got
        if lacking:
            words = f"{len(lacking)} of the {len(one.needed)} pieces that cover it came from nobody"
            yield one.file, None, fact or words
            continue
        target = folder / f"fetched-{number}"
        yield one.file, target, _put_together(one, into, target)
        target.unlink(missing_ok=True)
    shutil.rmtree(into, ignore_errors=True)


def _put_together(one: _Wanted, fetched: Path, target: Path) -> str | None:
    """None where the whole file is at `target`; with a SHA-256 the caller proves it."""
    try:
        if one.size:
            one.put_together(fetched, target)
        else:
            target.touch()
    except OSError as error:
        if ends_the_run(error):
            raise
        return f"its pieces cannot be put together: {error.strerror or error}"
    return None if one.file.sha256 or one.is_proved(target, fetched) else "the pieces that came do not make the file"


def _fetch(source: TorrentSource, wanted: set[int], into: Path, options: Any) -> set[int]:
    if not wanted:
        return set()
    from fonoteca.torrents.clients import PieceFetcher

    got: set[int] = set()
    with PieceFetcher(dht=source.dht) as fetcher:
        while lacking := wanted - got:
            came = fetcher.fetch_pieces(
                source.torrent, lacking, into, peers=source.peers, web_seeds=source.web_seeds, trackers=source.trackers,
                timeout_s=options.timeout_s, limit=options.limit,
            )  # fmt: skip
            if not came:
                break
            got |= came
    return got


def piece_check(info: TorrentInfo, place: Path, position: int) -> PieceCheck:
    """How to prove one file of a torrent by its pieces; `place` is the file, or the folder of the torrent."""
    files, at = [], 0
    offsets = []
    for one in info.files:
        offsets.append(at)
        at += one.size
    first, size, length = offsets[position], info.files[position].size, info.piece_length
    low, high = first // length, -(-(first + size) // length)
    for number, one in enumerate(info.files):
        touches = offsets[number] < high * length and offsets[number] + one.size > low * length
        if touches and one.size:
            path = PADDING if one.is_padding else place if info.is_single else place / one.path
            files.append((path, offsets[number], one.size))
    pieces = info.pieces[low * 20 : high * 20] if size else b""
    return PieceCheck(files=tuple(files), first_byte=first, piece_length=length, pieces=pieces, first_piece=low)


def with_files_at(check: PieceCheck, places: Mapping[Path, Path]) -> PieceCheck:
    """The same check with some of its files read from other places."""
    files = tuple((places.get(path, path), first, size) for path, first, size in check.files)
    return msgspec.structs.replace(check, files=files)


def read_plain(path: Path, start: int, length: int) -> Iterator[memoryview]:
    """Bytes of a file as they lie."""
    with open_neighbour(path) as file:
        file.seek(start)
        while length > 0 and (content := file.read(min(length, 1 << 20))):
            yield memoryview(content)
            length -= len(content)


def fetch_offsite(place: str, target: Path) -> None:
    """One file from an rclone remote. ProgramError where rclone is not there or the remote has no such file."""
    if not has_program("rclone"):
        raise ProgramError("rclone is not installed", "On Debian: apt-get install rclone.")
    run_program(["rclone", "copyto", "--no-traverse", "--retries", "2", place, target], timeout_s=24 * 3600)
    if not target.is_file():
        raise ProgramError(f"the remote has no {place}", "rclone lsf shows what it has.")
