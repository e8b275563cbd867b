"""What every client does for a mirror; each test runs on all three: libtorrent, transmission-daemon, qbittorrent-nox. Only on loopback."""

from __future__ import annotations

from pathlib import Path

import libtorrent as lt
import pytest
from running_client import Running
from swarm import Folder, Peer, count_have, wait_until
from web_server import serve

from fonoteca.ground.errors import ClientError, NotFoundError, TorrentFormatError, UsageError
from fonoteca.torrents import TorrentOptions
from fonoteca.torrents.bencode import encode
from fonoteca.torrents.clients import TorrentClient
from fonoteca.torrents.clients.bitfields import full_bitfield, unpack_pieces

pytestmark = pytest.mark.xdist_group("torrent-clients")  # one worker starts the daemons once

MIB = 1 << 20


def is_complete(client: TorrentClient, infohash: str) -> bool:
    state = client.state(infohash)
    return state is not None and state.phase == "seeding" and state.is_complete


def wait_for(client: TorrentClient, infohash: str, phase: str, seconds: float = 40) -> None:
    assert wait_until(lambda: (state := client.state(infohash)) and state.phase == phase, seconds), client.state(infohash)


def fetch_all(running: Running, client: TorrentClient, folder: Folder, into: Path) -> None:
    peer = Peer()
    seed = peer.seed(folder)
    into.mkdir(exist_ok=True)
    assert client.add(folder.torrent, into) == folder.infohash
    for _ in range(6):
        running.meet(folder.infohash, peer, seed)
        if wait_until(lambda: is_complete(client, folder.infohash), 30):
            return
    raise AssertionError(client.state(folder.infohash))


def leech(running: Running, folder: Folder, into: Path) -> tuple[Peer, lt.torrent_handle]:
    peer = Peer()
    into.mkdir()
    handle = peer.add(folder.torrent, into)
    handle.connect_peer(running.address)
    return peer, handle


def gets(running: Running, handle: lt.torrent_handle, count: int) -> bool:
    """Whether a leecher has so many pieces in time. It dials again every few seconds: a busy daemon lets a peer wait, or go."""
    for _ in range(30):
        if wait_until(lambda: count_have(handle) == count, 5):
            return True
        handle.connect_peer(running.address)
    raise AssertionError(f"{handle.status().state} {[(peer.ip, peer.flags, peer.total_download) for peer in handle.get_peer_info()]}")


def test_folder_is_fetched_and_served_to_another(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "fetched")
    client = running.open()
    fetch_all(running, client, folder, tmp_path / "held")
    assert folder.is_at(tmp_path / "held")
    state = client.state(folder.infohash)
    assert state and (state.name, state.wanted_bytes, state.have_bytes) == (folder.name, folder.total, folder.total)
    assert [state.infohash for state in client.states()] == [folder.infohash]
    assert client.pieces(folder.infohash) == full_bitfield(folder.count)
    _, leecher = leech(running, folder, tmp_path / "leech")
    assert gets(running, leecher, folder.count)


def test_whole_files_that_lie_there_are_checked_and_served(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "checked")
    client = running.open()
    client.add(folder.torrent, folder.root)
    assert wait_until(lambda: is_complete(client, folder.infohash))
    _, leecher = leech(running, folder, tmp_path / "leech")
    assert gets(running, leecher, folder.count)


def test_check_finds_the_piece_with_a_flipped_byte(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "flipped")
    folder.flip(7)
    client = running.open()
    client.add(folder.torrent, folder.root)
    wait_for(client, folder.infohash, "fetching")
    assert [index for index, have in enumerate(unpack_pieces(client.pieces(folder.infohash), folder.count)) if not have] == [7]


def test_only_the_chosen_files_get_bytes_until_more_are_chosen(running: Running, tmp_path: Path) -> None:
    sizes = {f"aacid__{number:02}": 3 * MIB + number for number in range(12)}
    folder = Folder(tmp_path / "seed", "chosen", sizes, piece=MIB)
    album = ["aacid__04", "aacid__05"]
    client, peer, held = running.open(), Peer(), tmp_path / "held"
    seed = peer.seed(folder)
    held.mkdir()
    client.add(folder.torrent, held, files=album)
    running.meet(folder.infohash, peer, seed)
    assert wait_until(lambda: is_complete(client, folder.infohash))
    state = client.state(folder.infohash)
    assert state and sum(sizes[name] for name in album) <= state.wanted_bytes <= sum(sizes[name] for name in album) + 2 * MIB
    assert folder.is_at(held, *album)
    assert sum(path.stat().st_blocks * 512 for path in held.rglob("*") if path.is_file()) <= state.wanted_bytes + 3 * MIB
    client.choose(folder.infohash, [*album, "aacid__09"])
    others = [Peer(), Peer()]  # qBittorrent let go of the first when it had what it wanted, and calls it again only after a minute
    running.meet(folder.infohash, others[0], others[0].seed(folder))
    assert wait_until(lambda: is_complete(client, folder.infohash) and folder.is_at(held, "aacid__09"))
    assert not folder.is_at(held, "aacid__01")
    client.add(folder.torrent, held)  # again, and all of it
    running.meet(folder.infohash, others[1], others[1].seed(folder))
    assert wait_until(lambda: is_complete(client, folder.infohash) and folder.is_at(held))


def test_where_no_file_is_wanted_nothing_is_written_and_all_is_served(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "served")
    peer, away = Peer(), Folder(tmp_path / "whole", "served")
    path, damaged = folder.flip(3)
    client = running.open()
    client.add(folder.torrent, folder.root, files=())
    running.meet(folder.infohash, peer, peer.seed(away))
    wait_for(client, folder.infohash, "seeding")
    _, leecher = leech(running, folder, tmp_path / "leech")
    assert gets(running, leecher, folder.count - 1)
    assert path.read_bytes() == damaged


def test_limits_hold_and_can_be_lifted(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "limited", {"aacid__a": 1_200_000})
    client, peer, held = running.open(), Peer(), tmp_path / "held"
    seed = peer.seed(folder)
    client.limit(100_000, None)
    settings = client.settings()
    assert 98_000 < (settings.download_limit or 0) <= 100_000 and settings.upload_limit is None
    held.mkdir()
    client.add(folder.torrent, held)
    running.meet(folder.infohash, peer, seed)
    assert wait_until(lambda: seed.status().total_payload_upload > 0)
    assert not wait_until(lambda: client.state(folder.infohash).have_bytes > 700_000, 2)  # what the peer has sent may wait on the way
    client.limit(None, None)
    assert client.settings().download_limit is None
    assert wait_until(lambda: is_complete(client, folder.infohash))


def test_private_torrent_is_announced_to_its_own_tracker_only(running: Running, tmp_path: Path) -> None:
    peer, held = Peer(), tmp_path / "held"
    held.mkdir()
    with serve(tmp_path) as own, serve(tmp_path) as ours:
        client = running.open(trackers=(ours.url + "announce",))
        own.peers = [(peer.address, peer.port)]
        options = TorrentOptions(trackers=(own.url + "announce",), private=True)
        private, public = Folder(tmp_path / "a", "private", options=options), Folder(tmp_path / "b", "public")
        seed = peer.seed(private)
        for folder in (private, public):
            client.add(folder.torrent, held)
        if running.kind == "transmission":  # it calls nobody on loopback
            running.meet(private.infohash, peer, seed)
        assert wait_until(lambda: is_complete(client, private.infohash)), client.states()
        assert wait_until(lambda: public.infohash in ours.announced)
        assert own.announced == {private.infohash} and ours.announced == {public.infohash}


def test_web_seed_gives_what_no_peer_has(running: Running, tmp_path: Path) -> None:
    with serve(tmp_path / "seed") as web:
        folder = Folder(tmp_path / "seed", "from-the-web", options=TorrentOptions(web_seeds=(web.url,)))
        client, held = running.open(), tmp_path / "held"
        held.mkdir()
        client.add(folder.torrent, held)
        assert wait_until(lambda: is_complete(client, folder.infohash) and folder.is_at(held)), client.state(folder.infohash)


def test_what_is_proved_is_not_read_again(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "proved")
    folder.flip(2)  # a client that reads it will notice
    client = running.open()
    client.add(folder.torrent, folder.root, proved=full_bitfield(folder.count))
    reads_anyway = running.kind == "transmission"
    wait_for(client, folder.infohash, "fetching" if reads_anyway else "seeding")
    assert (client.pieces(folder.infohash) == full_bitfield(folder.count)) is not reads_anyway


def test_withheld_piece_is_not_served_until_it_is_trusted(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "withheld")
    whole = Folder(tmp_path / "whole", "withheld")
    client = running.open()
    client.add(folder.torrent, folder.root)
    assert wait_until(lambda: is_complete(client, folder.infohash))
    path, damaged = folder.flip(5)
    client.withhold(folder.infohash, [5])
    client.resume(folder.infohash)
    client = running.restart()
    client.add(folder.torrent, folder.root)
    client.resume(folder.infohash)
    other = Peer()
    running.meet(folder.infohash, other, other.seed(whole))  # who could give the piece
    peer, leecher = leech(running, folder, tmp_path / "leech")
    if running.kind == "embedded":
        assert gets(running, leecher, folder.count - 1)
        assert not unpack_pieces(client.pieces(folder.infohash), folder.count)[5]
    else:
        wait_for(client, folder.infohash, "paused")
    assert not wait_until(lambda: leecher.have_piece(5), 1)
    assert path.read_bytes() == damaged  # mending is not the client's
    path.write_bytes((tmp_path / "whole" / "withheld" / path.name).read_bytes())
    client.trust(folder.infohash, full_bitfield(folder.count))
    assert wait_until(lambda: is_complete(client, folder.infohash)), client.state(folder.infohash)
    _, late = leech(running, folder, tmp_path / "late")
    assert gets(running, late, folder.count)
    del peer


def test_files_mended_by_rename_are_the_ones_that_are_served(running: Running, tmp_path: Path) -> None:
    folder, good = Folder(tmp_path / "seed", "renamed"), Folder(tmp_path / "whole", "renamed")
    client = running.open()
    client.add(folder.torrent, folder.root)
    assert wait_until(lambda: is_complete(client, folder.infohash))
    first, _ = leech(running, folder, tmp_path / "first")
    path, _ = folder.flip(6)
    client.withhold(folder.infohash, [6])
    staged = tmp_path / "staged"
    staged.write_bytes((good.root / good.name / path.name).read_bytes())
    staged.rename(path)
    client.trust(folder.infohash, None)
    assert wait_until(lambda: is_complete(client, folder.infohash)), client.state(folder.infohash)
    _, leecher = leech(running, folder, tmp_path / "second")
    assert gets(running, leecher, folder.count)
    del first


def test_fetch_goes_on_after_the_client_was_killed(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "killed", {"aacid__a": MIB, "aacid__b": MIB})
    client, peer, held = running.open(), Peer(upload_rate_limit=300_000), tmp_path / "held"
    seed = peer.seed(folder)
    held.mkdir()
    client.add(folder.torrent, held)
    running.meet(folder.infohash, peer, seed)
    assert wait_until(lambda: seed.status().total_payload_upload > 600_000)
    client = running.restart()
    peer.session.apply_settings({"upload_rate_limit": 0})
    client.add(folder.torrent, held)
    assert wait_until(lambda: (state := client.state(folder.infohash)) and state.phase not in ("checking", "waiting"))
    running.meet(folder.infohash, peer, seed)
    assert wait_until(lambda: is_complete(client, folder.infohash)), client.state(folder.infohash)
    assert folder.is_at(held)


def test_wrong_pieces_of_a_lying_peer_are_refused(running: Running, tmp_path: Path) -> None:
    lies, truth = Folder(tmp_path / "lies", "lied-about"), Folder(tmp_path / "truth", "lied-about")
    for piece in range(0, lies.count - 1, 2):
        lies.flip(piece)
    client, liar, honest, held = running.open(), Peer(), Peer(), tmp_path / "held"
    held.mkdir()
    client.add(lies.torrent, held)
    lying = liar.seed(lies, is_lying=True)
    running.meet(lies.infohash, liar, lying)
    assert wait_until(lambda: lying.status().total_payload_upload > 0)
    assert not wait_until(lambda: is_complete(client, lies.infohash), 1.5)
    assert not any(unpack_pieces(client.pieces(lies.infohash), lies.count)[0 : lies.count - 1 : 2])
    running.meet(lies.infohash, honest, honest.seed(truth))
    assert wait_until(lambda: is_complete(client, lies.infohash)), client.state(lies.infohash)
    assert truth.is_at(held)


def test_paused_torrent_is_not_served_and_resumed_it_is(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "paused")
    client = running.open()
    client.add(folder.torrent, folder.root)
    assert wait_until(lambda: is_complete(client, folder.infohash))
    client.pause(folder.infohash)
    wait_for(client, folder.infohash, "paused")
    _, early = leech(running, folder, tmp_path / "early")
    assert not wait_until(lambda: count_have(early), 1)
    client.resume(folder.infohash)
    wait_for(client, folder.infohash, "seeding")
    _, late = leech(running, folder, tmp_path / "late")
    assert gets(running, late, folder.count)


def test_removed_torrent_is_forgotten_and_its_files_stay(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "removed")
    client = running.open()
    client.add(folder.torrent, folder.root)
    client.remove(folder.infohash)
    client.remove(folder.infohash)
    assert client.state(folder.infohash) is None and client.states() == []
    assert sorted(path.name for path in (folder.root / folder.name).iterdir()) == sorted(folder.sizes)
    with pytest.raises(NotFoundError):
        client.pieces(folder.infohash)


def test_torrent_that_leads_out_of_its_folder_is_refused(running: Running, tmp_path: Path) -> None:
    info = {b"name": b"x", b"piece length": 16_384, b"pieces": bytes(20), b"files": [{b"length": 5, b"path": [b"..", b"out"]}]}
    client = running.open()
    with pytest.raises(TorrentFormatError):
        client.add(encode({b"info": info}), tmp_path)
    assert client.states() == []


def test_torrent_that_is_held_elsewhere_is_refused_and_unknown_files_too(running: Running, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "seed", "elsewhere")
    client = running.open()
    with pytest.raises(UsageError, match="no-such-file"):
        client.add(folder.torrent, folder.root, files=["no-such-file"])
    client.add(folder.torrent, folder.root)
    (tmp_path / "other").mkdir()
    with pytest.raises(ClientError, match="already has"):
        client.add(folder.torrent, tmp_path / "other")
    with pytest.raises(UsageError, match="no-such-file"):
        client.choose(folder.infohash, ["no-such-file"])


def test_settings_of_the_page_leave_nothing_to_say(running: Running) -> None:
    settings = running.open().settings()
    assert settings.preallocation is False and settings.port_open is not False and settings.listen_port
    assert (settings.incomplete_folder, settings.partial_suffix, settings.queueing, settings.stops_seeding) == ("", "", "", "")


def test_daemon_that_is_not_there_and_wrong_passwords_are_said_plainly(running: Running) -> None:
    if running.daemon is None:
        return
    with pytest.raises(ClientError, match="does not answer") as gone:
        running.open(url="http://127.0.0.1:9")
    with pytest.raises(ClientError, match="refuses this user") as refused:
        running.open(password="a wrong one")
    assert gone.value.hint and refused.value.hint and "a wrong one" not in f"{refused.value}{refused.value.__cause__}"
