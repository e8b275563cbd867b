"""What only the embedded client can do or must bear: kill -9, its own notes that lie, files that shrink under it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_client import Running
from swarm import Folder, Peer, count_have, wait_until

from fonoteca.ground.errors import ArchiveBusyError, UsageError
from fonoteca.torrents.clients import TorrentClient
from fonoteca.torrents.clients.bitfields import full_bitfield, pack_indexes, unpack_pieces
from fonoteca.torrents.clients.session import read_peer

ROOT = Path(__file__).resolve().parents[2]
FETCH = """
import sys, time
from pathlib import Path
from fonoteca.torrents.clients import ClientOptions, open_client
torrent, cache, held, peer = sys.argv[1:]
client = open_client(ClientOptions(Path(cache), listen_host="127.0.0.1", listen_port=0, dht=False, peers=(peer,)))
client.add(Path(torrent).read_bytes(), Path(held))
while True:
    print(client.states()[0].have_bytes, flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    running = Running("embedded", tmp_path / "cache", None)
    yield running
    running.forget()


def has_all(client: TorrentClient, folder: Folder) -> bool:
    state = client.state(folder.infohash)
    return state is not None and state.phase == "seeding" and state.is_complete


def test_killed_process_leaves_what_the_next_one_goes_on_with(own: Running, tmp_path: Path) -> None:
    folder, peer, held = Folder(tmp_path / "seed", "killed", {"aacid__a": 3_000_000}), Peer(upload_rate_limit=1_000_000), tmp_path / "held"
    seed = peer.seed(folder)
    held.mkdir()
    (tmp_path / "t").write_bytes(folder.torrent)
    command = [sys.executable, "-c", FETCH, tmp_path / "t", tmp_path / "cache", held, f"{peer.address}:{peer.port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}) as process:
        assert process.stdout and any(int(line) > 1_200_000 for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    served = seed.status().total_payload_upload
    client = own.open(peers=(f"{peer.address}:{peer.port}",))
    client.add(folder.torrent, held)
    assert wait_until(lambda: has_all(client, folder))
    assert folder.is_at(held)
    assert seed.status().total_payload_upload < served + folder.total - 800_000  # what was there was not fetched again


def test_own_notes_are_believed_only_where_the_bytes_say_so(own: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "notes")
    client = own.open()
    client.add(folder.torrent, folder.root)
    assert wait_until(lambda: has_all(client, folder))
    own.leave()
    folder.flip(4)
    folder.flip(9)
    client = own.open()
    client.add(folder.torrent, folder.root, proved=pack_indexes([0, 1, 9], folder.count))  # 9 is believed, the rest is looked at
    all_but_4 = pack_indexes([index for index in range(folder.count) if index != 4], folder.count)
    assert wait_until(lambda: client.pieces(folder.infohash) == all_but_4, 60), unpack_pieces(client.pieces(folder.infohash), folder.count)
    client.check(folder.infohash)
    assert wait_until(lambda: (state := client.state(folder.infohash)) and state.phase == "fetching")
    have = unpack_pieces(client.pieces(folder.infohash), folder.count)
    assert [index for index, is_here in enumerate(have) if not is_here] == [4, 9]


def test_without_notes_only_what_is_proved_is_had(own: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "proved")
    proved = pack_indexes([2, 3], folder.count)
    client = own.open()
    client.add(folder.torrent, folder.root, proved=proved, files=())
    assert wait_until(lambda: client.pieces(folder.infohash) == proved)


def test_pieces_at_the_border_of_an_album_are_known_again(own: Running, tmp_path: Path) -> None:
    folder, peer, held = Folder(tmp_path / "seed", "border"), Peer(), tmp_path / "held"
    seed = peer.seed(folder)
    held.mkdir()
    client = own.open()
    client.add(folder.torrent, held, files=["aacid__d"])
    own.meet(folder.infohash, peer, seed)
    assert wait_until(lambda: has_all(client, folder))
    had = client.pieces(folder.infohash)
    own.leave()
    assert (held / f".{folder.infohash}.parts").exists()
    del seed, peer  # nobody to fetch from
    client = own.open()
    inner = [index for index, is_here in enumerate(unpack_pieces(had, folder.count)) if is_here][1:-1]
    client.add(folder.torrent, held, files=["aacid__d"], proved=pack_indexes(inner, folder.count))
    assert wait_until(lambda: client.pieces(folder.infohash) == had)
    assert wait_until(lambda: has_all(client, folder))


def test_withheld_pieces_stay_so_when_more_files_are_chosen(own: Running, tmp_path: Path) -> None:
    folder, good, peer = Folder(tmp_path / "seed", "both"), Folder(tmp_path / "good", "both"), Peer()
    seed = peer.seed(good)
    client = own.open()
    client.add(folder.torrent, folder.root, files=["aacid__a"], proved=full_bitfield(folder.count))
    path, damaged = folder.flip(1)
    client.withhold(folder.infohash, [1])
    client.choose(folder.infohash, None)
    own.meet(folder.infohash, peer, seed)
    assert not wait_until(lambda: unpack_pieces(client.pieces(folder.infohash), folder.count)[1], 1)
    assert path.read_bytes() == damaged
    state = client.state(folder.infohash)
    assert state and not state.is_complete and state.wanted_bytes == folder.total


def test_peers_of_the_settings_are_dialled_until_they_answer(own: Running, tmp_path: Path) -> None:
    folder, held, first = Folder(tmp_path / "seed", "dialled"), tmp_path / "held", Peer()
    held.mkdir()
    client = own.open(peers=("127.0.0.1:9", f"{first.address}:{first.port}"))
    client.add(folder.torrent, held)
    assert not wait_until(lambda: has_all(client, folder), 1)
    first.seed(folder)  # it comes later
    assert wait_until(lambda: has_all(client, folder), 60), client.state(folder.infohash)


def test_files_that_shrink_or_go_while_they_are_served_harm_nobody(own: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "shrunk", {"aacid__a": 6_000_000, "aacid__b": 6_000_000})
    client, peer = own.open(), Peer()
    client.add(folder.torrent, folder.root)
    assert wait_until(lambda: has_all(client, folder))
    os.truncate(folder.root / folder.name / "aacid__a", 100_000)
    (folder.root / folder.name / "aacid__b").unlink()
    (tmp_path / "leech").mkdir()
    leecher = peer.add(folder.torrent, tmp_path / "leech")
    leecher.connect_peer(own.address)
    wait_until(lambda: (state := client.state(folder.infohash)) and state.phase == "failed", 3)
    assert count_have(leecher) < folder.count
    assert client.states()  # still alive


def test_folder_that_cannot_be_written_is_told_as_a_failure(own: Running, tmp_path: Path) -> None:
    folder, peer = Folder(tmp_path / "seed", "unwritable"), Peer()
    seed = peer.seed(folder)
    (tmp_path / "held").write_text("a file")
    client = own.open()
    client.add(folder.torrent, tmp_path / "held")
    own.meet(folder.infohash, peer, seed)
    assert wait_until(lambda: (state := client.state(folder.infohash)) and state.phase == "failed"), client.states()
    state = client.state(folder.infohash)
    assert state and state.error


def test_cache_is_for_one_process_at_a_time(own: Running) -> None:
    own.open()
    other = Running("embedded", own.cache, None)
    with pytest.raises(ArchiveBusyError):
        other.open()


@pytest.mark.parametrize("peer", ["", "host", "host:", ":80", "host:0", "host:99999", "host:x"])
def test_peer_that_is_none_is_refused(peer: str) -> None:
    with pytest.raises(UsageError):
        read_peer(peer)
    assert read_peer("[::1]:6881") == ("::1", 6881)
