"""Only the pieces that are asked for come, from folders, web servers and peers, and only good ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from swarm import Folder, Peer
from web_server import serve

from fonoteca.ground.errors import UsageError
from fonoteca.torrents import TorrentOptions
from fonoteca.torrents.clients import PieceFetcher
from fonoteca.torrents.clients.piece_map import PieceMap

BIG = {f"aacid__{number}": 700_000 + number for number in range(6)}


@pytest.fixture
def fetcher() -> Iterator[PieceFetcher]:
    with PieceFetcher("127.0.0.1") as opened:
        yield opened


def assert_holds(folder: Folder, into: Path, pieces: set[int]) -> None:
    layout = PieceMap(folder.info)
    for index in range(folder.count):
        is_good = layout.is_good(index, layout.read(into, index))
        assert is_good if index in pieces else not is_good, index


def test_pieces_come_from_a_peer_and_nothing_else_is_written(fetcher: PieceFetcher, tmp_path: Path) -> None:
    folder, peer = Folder(tmp_path / "seed", "pieces", BIG), Peer()
    peer.seed(folder)
    wanted = {3, 10, 11, folder.count - 1}
    got = fetcher.fetch_pieces(folder.torrent, wanted, tmp_path / "into", peers=[(peer.address, peer.port)], timeout_s=20)
    assert got == wanted
    assert_holds(folder, tmp_path / "into", wanted)
    blocks = sum(path.stat().st_blocks * 512 for path in (tmp_path / "into").rglob("*") if path.is_file())
    assert blocks <= len(wanted) * (folder.piece + 2 * 4_096)


def test_pieces_come_from_a_web_server(fetcher: PieceFetcher, tmp_path: Path) -> None:
    with serve(tmp_path / "seed") as web:
        folder = Folder(tmp_path / "seed", "pieces", BIG)
        assert fetcher.fetch_pieces(folder.torrent, {0, 21}, tmp_path / "into", web_seeds=[web.url], timeout_s=20) == {0, 21}
        in_torrent = Folder(tmp_path / "seed", "named", options=TorrentOptions(web_seeds=(web.url,)))
        assert fetcher.fetch_pieces(in_torrent.torrent, {2}, tmp_path / "more", timeout_s=20) == {2}
    assert_holds(folder, tmp_path / "into", {0, 21})


def test_pieces_come_from_a_folder_where_it_has_them_and_from_a_peer_where_not(fetcher: PieceFetcher, tmp_path: Path) -> None:
    folder, local, peer = Folder(tmp_path / "seed", "pieces"), Folder(tmp_path / "local", "pieces"), Peer()
    peer.seed(folder)
    local.flip(4)
    seeds = [f"file://{tmp_path / 'nowhere'}", (tmp_path / "local").as_uri() + "/"]
    got = fetcher.fetch_pieces(folder.torrent, {4, 5}, tmp_path / "alone", web_seeds=seeds, timeout_s=0.5)
    assert got == {5}
    got = fetcher.fetch_pieces(folder.torrent, {4, 5}, tmp_path / "into", web_seeds=seeds, peers=[(peer.address, peer.port)], timeout_s=20)
    assert got == {4, 5}
    assert_holds(folder, tmp_path / "into", got)


def test_wrong_pieces_are_not_got(fetcher: PieceFetcher, tmp_path: Path) -> None:
    folder, peer = Folder(tmp_path / "seed", "pieces"), Peer()
    folder.flip(6)
    peer.seed(folder, is_lying=True)
    assert fetcher.fetch_pieces(folder.torrent, {6}, tmp_path / "into", peers=[(peer.address, peer.port)], timeout_s=2) == set()


def test_piece_that_the_torrent_has_not_is_refused(fetcher: PieceFetcher, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "pieces")
    with pytest.raises(UsageError, match="number 999"):
        fetcher.fetch_pieces(folder.torrent, {1, 999}, tmp_path / "into")


def test_single_file_is_fetched_by_its_own_name(fetcher: PieceFetcher, tmp_path: Path) -> None:
    from fonoteca.integrity.digests import PieceHasher
    from fonoteca.torrents import make_torrent

    content = bytes(range(256)) * 1_000
    (tmp_path / "meta.zst").write_bytes(content)
    hasher = PieceHasher(65_536)
    hasher.update(content)
    torrent = make_torrent("meta.zst", len(content), 65_536, hasher.finish())
    assert fetcher.fetch_pieces(torrent, {0, 1, 2, 3}, tmp_path / "into", web_seeds=[str(tmp_path)]) == {0, 1, 2, 3}
    assert (tmp_path / "into" / "meta.zst").read_bytes() == content
