"""Peers for tests: music-less folders with their torrents, libtorrent seeders and leechers, honest and lying, on loopback addresses."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import libtorrent as lt

from fonoteca.integrity.digests import PieceHasher
from fonoteca.torrents import TorrentInfo, TorrentOptions, make_torrent, read_torrent

PIECE = 65_536
SIZES = {"aacid__a": 300_000, "aacid__b": 65_536, "aacid__c": 1, "aacid__d": 500_001, "aacid__e": 250_000}


def wait_until(is_so: Callable[[], object], seconds: float = 180) -> bool:
    """Whether it came to be so in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.03)
    return bool(is_so())


class Folder:
    """A folder of files with its torrent; the bytes depend on `name` alone."""

    def __init__(
        self, root: Path, name: str, sizes: dict[str, int] | None = None, piece: int = PIECE, options: TorrentOptions | None = None
    ) -> None:
        self.root, self.name, self.sizes, self.piece = root, name, sizes or SIZES, piece
        hasher = PieceHasher(piece)
        (root / name).mkdir(parents=True)
        for file, size in self.sizes.items():
            content = random.Random(f"{name}/{file}").randbytes(size)
            (root / name / file).write_bytes(content)
            hasher.update(content)
        self.torrent = make_torrent(name, list(self.sizes.items()), piece, hasher.finish(), options)
        self.info: TorrentInfo = read_torrent(self.torrent)
        self.infohash = self.info.infohash
        self.total = sum(self.sizes.values())
        self.count = -(-self.total // piece)

    def is_at(self, other: Path, *files: str) -> bool:
        """Whether `other` holds these files (all, where none is named) byte for byte."""
        with suppress(OSError):
            return all(
                (other / self.name / file).read_bytes() == (self.root / self.name / file).read_bytes() for file in files or self.sizes
            )
        return False

    def copy_to(self, other: Path) -> Path:
        """The same files in another place."""
        (other / self.name).mkdir(parents=True)
        for file in self.sizes:
            (other / self.name / file).write_bytes((self.root / self.name / file).read_bytes())
        return other

    def flip(self, piece: int, root: Path | None = None) -> tuple[Path, bytes]:
        """One byte in the middle of a piece is another one from now on; the file, and its bytes since then."""
        at = piece * self.piece + self.piece // 2
        for file, size in self.sizes.items():
            if at < size:
                path = (root or self.root) / self.name / file
                content = bytearray(path.read_bytes())
                content[at] ^= 1
                path.write_bytes(content)
                return path, bytes(content)
            at -= size
        raise IndexError(piece)


class Peer:
    """A libtorrent session that speaks to nobody unless told. Each has an address of its own, since clients tell peers by their address."""

    _addresses = itertools.count(2)  # next() is safe between threads

    def __init__(self, **settings: object) -> None:
        number = next(self._addresses)
        self.address = address = f"127.0.{number // 250}.{number % 250 + 2}"
        self.session = lt.session({
            "listen_interfaces": f"{address}:0", "outgoing_interfaces": address, "enable_dht": False, "enable_lsd": False,
            "enable_upnp": False, "enable_natpmp": False, "allow_multiple_connections_per_ip": True, "close_redundant_connections": False,
            "enable_outgoing_utp": False, "enable_incoming_utp": False, "min_reconnect_time": 1,
            "max_failcount": 100, "alert_mask": 0, **settings,
        })  # fmt: skip
        assert wait_until(self.session.listen_port)
        self.port = self.session.listen_port()

    def add(self, torrent: bytes, root: Path, *, is_all_here: bool = False) -> lt.torrent_handle:
        """Fetch into `root`, or serve what is there; `is_all_here` is believed without a look."""
        parameters = lt.load_torrent_buffer(torrent)
        parameters.save_path = str(root)
        parameters.trackers, parameters.url_seeds = [], []
        parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        parameters.flags |= lt.torrent_flags.override_trackers | lt.torrent_flags.override_web_seeds | lt.torrent_flags.disable_pex
        if is_all_here:
            parameters.have_pieces = [True] * (len(read_torrent(torrent).pieces) // 20)
        return self.session.add_torrent(parameters)

    def seed(self, folder: Folder, *, is_lying: bool = False) -> lt.torrent_handle:
        """Serve a folder, also one whose bytes are wrong."""
        handle = self.add(folder.torrent, folder.root, is_all_here=is_lying)
        assert wait_until(lambda: handle.status().is_seeding)
        return handle


def count_have(handle: lt.torrent_handle) -> int:
    """Pieces that a libtorrent peer has."""
    return sum(handle.status(lt.torrent_handle.query_pieces).pieces)
