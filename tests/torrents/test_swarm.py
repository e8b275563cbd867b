"""libtorrent checks, seeds and fetches what our torrents describe; only over 127.0.0.1."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import libtorrent as lt
import pytest

from fonoteca.integrity.digests import MerkleHasher, PieceHasher
from fonoteca.torrents import make_hybrid_torrent, make_torrent

PIECE = 65_536
SIZES = {"aacid__a": 300_000, "aacid__b": 65_536, "aacid__c": 1, "aacid__d": 500_001}


@pytest.fixture
def sessions() -> Iterator[list[lt.session]]:
    """Two sessions that speak to nobody but each other."""
    settings = {
        "listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True, "close_redundant_connections": False,
        "enable_outgoing_utp": False, "enable_incoming_utp": False,
    }  # fmt: skip
    pair = [lt.session(settings) for _ in range(2)]
    yield pair
    for session in pair:
        session.pause()


def add(session: lt.session, torrent: bytes, folder: Path) -> lt.torrent_handle:
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = str(folder)
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return session.add_torrent(parameters)


def wait_until_seeding(handle: lt.torrent_handle, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = handle.status()
        if status.is_seeding:
            return True
        if status.errc.value():
            return False
        time.sleep(0.02)
    return False


def are_equal(left: Path, right: Path, seconds: float = 20) -> bool:
    """Whether two folders get to hold the same; a torrent may be told complete while its last blocks are on their way to the disk."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all((right / name).exists() and (right / name).read_bytes() == (left / name).read_bytes() for name in SIZES):
            return True
        time.sleep(0.02)
    return False


def make_folder(root: Path) -> bytes:
    hasher = PieceHasher(PIECE)
    (root / "container").mkdir(parents=True)
    for name, size in SIZES.items():
        content = random.Random(name).randbytes(size)
        (root / "container" / name).write_bytes(content)
        hasher.update(content)
    return make_torrent("container", list(SIZES.items()), PIECE, hasher.finish())


def test_folder_is_checked_as_complete_and_fetched_by_another(sessions: list[lt.session], tmp_path: Path) -> None:
    torrent = make_folder(tmp_path / "seed")
    seed = add(sessions[0], torrent, tmp_path / "seed")
    assert wait_until_seeding(seed)
    fetching = add(sessions[1], torrent, tmp_path / "fetched")
    fetching.connect_peer(("127.0.0.1", sessions[0].listen_port()))
    assert wait_until_seeding(fetching)
    assert are_equal(tmp_path / "seed/container", tmp_path / "fetched/container")


def test_one_flipped_byte_is_found_by_the_pieces(sessions: list[lt.session], tmp_path: Path) -> None:
    torrent = make_folder(tmp_path)
    path = tmp_path / "container/aacid__d"
    content = bytearray(path.read_bytes())
    content[250_000] ^= 1
    path.write_bytes(content)
    handle = add(sessions[0], torrent, tmp_path)
    end = time.monotonic() + 20
    while handle.status().state in (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data) and time.monotonic() < end:
        time.sleep(0.02)
    have = handle.status().pieces
    assert have.count(False) == 1 and len(have) == -(-sum(SIZES.values()) // PIECE)


def test_hybrid_of_one_file_is_checked_as_complete(sessions: list[lt.session], tmp_path: Path) -> None:
    content = random.Random(5).randbytes(400_000)
    (tmp_path / "meta.zst").write_bytes(content)
    pieces, tree = PieceHasher(PIECE), MerkleHasher()
    pieces.update(content)
    tree.update(content)
    torrent = make_hybrid_torrent("meta.zst", len(content), PIECE, pieces.finish(), *tree.finish(PIECE))
    assert wait_until_seeding(add(sessions[0], torrent, tmp_path))
