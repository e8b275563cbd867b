"""Torrents: making that of 60,000 files beside libtorrent, torf and mktorrent; moving bytes over loopback with each client."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import libtorrent as lt
import torf

from archives import pinned, working_folder
from fonoteca.integrity import PieceHasher
from fonoteca.torrents import choose_piece_length, make_torrent, read_torrent
from fonoteca.torrents.clients import ClientKind, ClientOptions, TorrentClient, open_client
from harness import Alternative, compare

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "torrents"))
from daemons import Daemon, start_qbittorrent, start_transmission

FILES, FILE_BYTES = 60_000, 16_384
MOVED_BYTES = 400_000_000
_BUFFER = bytearray(1 << 20)


def write_files(folder: Path) -> list[tuple[str, int]]:
    """60,000 files of noise, named as members are."""
    folder.mkdir()
    source = random.Random(4)
    sizes = [(f"aacid__bench_files__20261101T000000Z__{number:022}", FILE_BYTES) for number in range(FILES)]
    for name, size in sizes:
        (folder / name).write_bytes(source.randbytes(size))
    return sizes


def make_ours(folder: Path, sizes: list[tuple[str, int]], piece: int) -> bytes:
    """Read every file once, hash, write the torrent."""
    hasher, buffer = PieceHasher(piece), memoryview(_BUFFER)
    for name, _ in sizes:
        with open(folder / name, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                hasher.update(buffer[:count])
    return make_torrent(folder.name, sizes, piece, hasher.finish())


def make_by_libtorrent(folder: Path, sizes: list[tuple[str, int]], piece: int) -> bytes:
    """`set_piece_hashes`; files in our order, since its own is that of the disk."""
    files = lt.file_storage()
    for name, size in sizes:
        files.add_file(f"{folder.name}/{name}", size)
    made = lt.create_torrent(files, piece, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, str(folder.parent))
    encoded: bytes = lt.bencode(made.generate())
    return encoded


def make_by_torf(folder: Path, piece: int) -> bytes:
    """torf on one thread."""
    made = torf.Torrent(path=folder, piece_size=piece)
    made.generate(threads=1)
    encoded: bytes = made.dump()
    return encoded


def make_by_mktorrent(folder: Path, piece: int) -> bytes:
    """mktorrent on one thread."""
    out = folder.parent / "by-mktorrent.torrent"
    out.unlink(missing_ok=True)
    power = str(piece.bit_length() - 1)
    subprocess.run(["mktorrent", "-l", power, "-t", "1", "-d", "-o", out, folder], check=True, stdout=subprocess.DEVNULL)
    return out.read_bytes()


def compare_makers(top: Path) -> None:
    """All of them make the same torrent; one core, files in the page cache. torf, whose time grows with the square of the number of
    files, only of the first tenth."""
    folder, tenth = top / "container", top / "tenth"
    sizes, piece = write_files(folder), choose_piece_length(FILES * FILE_BYTES)
    tenth.mkdir()
    for name, _ in sizes[: FILES // 10]:
        os.link(folder / name, tenth / name)
    _compare(f"v1 torrent of {FILES:,} files", _makers(folder, sizes, piece), len(sizes), rounds=5)
    few = {**_makers(tenth, sizes[: FILES // 10], piece), "torf": lambda: make_by_torf(tenth, piece)}
    _compare(f"v1 torrent of {FILES // 10:,} files", few, FILES // 10, rounds=3)
    pieces = PieceHasher(piece)
    pieces.update(bytes(FILES * FILE_BYTES))
    hashes = pieces.finish()
    written = Alternative("make_torrent, hashes taken while members are written", lambda: make_torrent("container", sizes, piece, hashes))
    compare("The same, when the members are written by us", [written], amount=FILES, unit="files", rounds=5)


def _makers(folder: Path, sizes: list[tuple[str, int]], piece: int) -> dict[str, Callable[[], bytes]]:
    return {
        "libtorrent set_piece_hashes": lambda: make_by_libtorrent(folder, sizes, piece),
        "fonoteca": lambda: make_ours(folder, sizes, piece),
        "mktorrent": lambda: make_by_mktorrent(folder, piece),
    }


def _compare(title: str, makers: dict[str, Callable[[], bytes]], files: int, rounds: int) -> None:
    infohashes = {name: read_torrent(make()).infohash for name, make in makers.items()}
    if len(set(infohashes.values())) != 1:
        raise SystemExit(f"the torrents differ: {infohashes}")
    with pinned(1):
        alternatives = [Alternative(name, make) for name, make in makers.items()]
        compare(title, alternatives, amount=files * FILE_BYTES / 1e6, unit="MB", rounds=rounds, warm_up=False)


class Side:
    """One client of a transfer, with a folder of its own."""

    def __init__(self, kind: ClientKind, top: Path) -> None:
        (top / "daemon").mkdir(parents=True)
        (top / "held").mkdir()
        starts = {"transmission": start_transmission, "qbittorrent": start_qbittorrent}
        self.daemon: Daemon | None = starts[kind](top / "daemon") if kind in starts else None
        options = ClientOptions(top / "cache", kind=kind, listen_host="127.0.0.1", listen_port=0, dht=False)
        if self.daemon:
            options = ClientOptions(top / "cache", kind=kind, url=self.daemon.url, user=self.daemon.user, password=self.daemon.password)
        self.client: TorrentClient = open_client(options)
        self.held = top / "held"

    @property
    def port(self) -> int:
        """Where its peers call it."""
        return self.client.settings().listen_port or 0

    def end(self) -> None:
        """Leave nothing running."""
        self.client.close()
        if self.daemon:
            self.daemon.stop(kill=True)


def move(torrent: bytes, content: Path, top: Path, giving: ClientKind, taking: ClientKind) -> tuple[float, float]:
    """Seconds until the last byte: since the two were told of each other, and since the first byte."""
    giver, taker = Side(giving, top / "giver"), Side(taking, top / "taker")
    try:
        infohash = giver.client.add(torrent, content.parent)
        while not ((state := giver.client.state(infohash)) and state.phase == "seeding"):
            time.sleep(0.05)
        taker.client.add(torrent, taker.held)
        begun = time.perf_counter()
        if not taker.client.connect(infohash, "127.0.0.1", giver.port):
            giver.client.connect(infohash, "127.0.0.1", taker.port)
        first = 0.0
        while True:
            state = taker.client.state(infohash)
            if state and state.have_bytes and not first:
                first = time.perf_counter()
            if state and state.have_bytes >= state.wanted_bytes:
                return time.perf_counter() - begun, time.perf_counter() - first
            time.sleep(0.02)
    finally:
        taker.end()
        giver.end()


def compare_clients(top: Path) -> None:
    """One file from one client to another, in turn, three rounds."""
    content = top / "moved.bin"
    with open(content, "wb") as file:
        for _ in range(MOVED_BYTES // 1_000_000):
            file.write(os.urandom(1_000_000))
    piece = choose_piece_length(MOVED_BYTES)
    hasher = PieceHasher(piece)
    with open(content, "rb") as file:
        while part := file.read(1 << 20):
            hasher.update(part)
    torrent = make_torrent(content.name, MOVED_BYTES, piece, hasher.finish())
    pairs: list[tuple[ClientKind, ClientKind]] = [("embedded", "embedded"), ("qbittorrent", "qbittorrent"), ("embedded", "transmission")]
    print(f"\nLoopback, one file of {MOVED_BYTES / 1e6:.0f} MB, three rounds in turn: median seconds until the last byte")
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {pair: [] for pair in pairs}
    for round in range(3):
        for pair in pairs:
            with working_folder() as folder:
                taken[pair].append(move(torrent, content, folder / f"{round}", *pair))
    for (giving, taking), seconds in taken.items():
        whole, moving = (sorted(column)[1] for column in zip(*seconds, strict=True))
        rate = MOVED_BYTES / 1e6 / moving
        print(f"  {giving} to {taking}: {whole:.1f} s, {moving:.1f} s since the first byte ({rate:.0f} MB/s)")


def main() -> None:
    """Making, then moving."""
    with working_folder() as folder:
        compare_makers(folder)
    with working_folder() as folder:
        compare_clients(folder)


if __name__ == "__main__":
    main()
