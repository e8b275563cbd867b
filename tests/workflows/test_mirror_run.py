"""A mirror fetches, proves, seeds, heeds what others find, and lets go; with the client that is built in, over loopback."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from releases_made import DATA, META, MORE, SIZES, Release, new_mirror, random_files, run_once

from fonoteca.ground.errors import ArchiveBusyError, UsageError
from fonoteca.ground.progress import Silent
from fonoteca.integrity.mirror_ledger_rows import Mend
from fonoteca.torrents import read_torrent
from fonoteca.torrents.clients.bitfields import unpack_pieces
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.mirror_client import open_mirror_client
from fonoteca.workflows.mirror_drop import drop
from fonoteca.workflows.mirror_run import MirrorRun
from fonoteca.workflows.mirror_sources import add_source, follow_source
from fonoteca.workflows.mirror_status import read_status
from torrents.swarm import Peer, wait_until
from torrents.web_server import WebServer


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path / "release")
    made.publish()
    return made


@pytest.fixture
def seeder(release: Release) -> Iterator[str]:
    """host:port of a peer that has the whole release."""
    peer = Peer()
    for torrent in (release.folder / "torrents").iterdir():
        peer.add(torrent.read_bytes(), release.folder / "containers")
    yield f"{peer.address}:{peer.port}"
    del peer


def open_held(mirror: Mirror) -> Path:
    return mirror.held / "test" / "containers"


def test_a_mirror_fetches_everything_from_a_peer_and_proves_it(release: Release, seeder: str, tmp_path: Path) -> None:
    lists = release.without_containers(tmp_path / "lists")
    with open_mirror(new_mirror(tmp_path / "mirror", seeder)) as mirror:
        add_source(mirror, str(lists), Silent())
        report = run_once(mirror, 20)
        assert (report.held, report.waiting, report.findings) == (2, [], [])
        assert release.is_held_at(open_held(mirror))
        files = [file for torrent in mirror.ledger.torrents() for file in mirror.ledger.files_of(torrent.infohash)]
        assert len(files) == len(SIZES) + 1 and {file.state for file in files} == {"held"}
        assert all(file.sha256 and file.proved_at and file.mtime_ns for file in files)


def test_where_no_peer_answers_the_web_server_of_the_release_gives_the_bytes(release: Release, tmp_path: Path) -> None:
    server = WebServer(tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, f"{server.url}release", Silent())
        report = run_once(mirror, 20)
        assert report.waiting == [] and release.is_held_at(open_held(mirror))
    server.shutdown()


def test_bytes_come_in_only_in_the_hours_that_are_set(release: Release, seeder: str, tmp_path: Path) -> None:
    hour = time.localtime().tm_hour
    closed = f"{(hour + 3) % 24:02}:00-{(hour + 4) % 24:02}:00"
    lists = release.without_containers(tmp_path / "lists")
    path = new_mirror(tmp_path / "mirror", seeder, hours=closed)
    with open_mirror(path) as mirror:
        add_source(mirror, str(lists), Silent())
        assert run_once(mirror, 3).held == 0
    (path / "mirror.toml").write_text((path / "mirror.toml").read_text().replace(closed, f"{hour:02}:00-{(hour + 2) % 24:02}:00"))
    with open_mirror(path) as mirror:
        assert run_once(mirror, 20).held == 2


def test_what_lies_on_this_machine_is_copied_with_proof_and_needs_no_peer(release: Release, tmp_path: Path) -> None:
    bad = release.folder / "containers" / DATA / "aacid__b"
    good = bad.read_bytes()
    bad.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        report = run_once(mirror, 1)
        assert report.waiting == [DATA] and report.waiting_bytes == len(good) and report.has_damage
        assert release.is_held_at(open_held(mirror), META)
        bad.write_bytes(good)
        assert run_once(mirror, 1).waiting == []
        assert release.is_held_at(open_held(mirror))


def test_a_second_run_reads_nothing_again_and_fetches_nothing(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        run_once(mirror, 1)
        before = {file.path: (file.proved_at, file.mtime_ns) for file in mirror.ledger.oldest(100)}
        inodes = {path: path.stat().st_ino for path in open_held(mirror).rglob("*")}
        assert run_once(mirror, 1).held == 2
        assert {file.path: (file.proved_at, file.mtime_ns) for file in mirror.ledger.oldest(100)} == before
        assert {path: path.stat().st_ino for path in open_held(mirror).rglob("*")} == inodes


def test_a_file_that_was_touched_is_proved_before_it_is_served_again(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        run_once(mirror, 1)
        path = open_held(mirror) / DATA / "aacid__d"
        content = bytearray(path.read_bytes())
        content[20_000] ^= 4
        path.write_bytes(content)
        client = open_mirror_client(mirror)
        report = run_once(mirror, 1, client)
        torrent = next(one for one in mirror.ledger.torrents() if not one.is_metadata)
        file = next(file for file in mirror.ledger.files_of(torrent.infohash) if file.path.endswith("aacid__d"))
        info = read_torrent(mirror.torrent_file(torrent).read_bytes())
        first, last = file.first_byte // info.piece_length, (file.first_byte + file.size - 1) // info.piece_length
        expected = [not first <= index <= last for index in range(len(info.pieces) // 20)]
        assert wait_until(lambda: unpack_pieces(client.pieces(torrent.infohash), len(expected)) == expected)
        client.close()
        assert file.state == "damaged" and path.read_bytes() == content
        assert [finding.code for finding in mirror.ledger.findings("run")] == ["changed"]
        assert report.held == 2


def test_damage_that_another_process_found_is_withheld_and_what_it_mended_is_served(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        run_once(mirror, 1)
        client = open_mirror_client(mirror)
        with mirror.hold("run"):
            run = MirrorRun(mirror, client, Silent(), patience_s=1)
            run.go(once=True)
            torrent = next(one for one in mirror.ledger.torrents() if not one.is_metadata)
            file = next(file for file in mirror.ledger.files_of(torrent.infohash) if file.path.endswith("aacid__a"))
            count = run.admitted[torrent.infohash].piece_count
            mirror.ledger.set_condition(file.infohash, file.position, "damaged")
            run.heed.look()
            assert wait_until(lambda: unpack_pieces(client.pieces(torrent.infohash), count)[:4] == [False, False, False, True])
            path = mirror.file_path(file, torrent)
            path.with_name("new").write_bytes(path.read_bytes())
            os.replace(path.with_name("new"), path)
            mirror.ledger.set_held([(file.infohash, file.position, 1, path.stat().st_mtime_ns)])
            number = mirror.ledger.put_mend(
                Mend(infohash=file.infohash, position=file.position, began_at=1, rung="copy", result="tried", fact="")
            )
            mirror.ledger.end_mend(number, 2, "mended", "")
            run.heed.look()
            assert wait_until(lambda: all(unpack_pieces(client.pieces(torrent.infohash), count)))
        client.close()


def test_a_torrent_whose_bytes_are_not_those_of_the_signed_list_is_never_held(release: Release, tmp_path: Path) -> None:
    release.publish(more_sums={f"containers/{DATA}/aacid__e": "0" * 64})
    peer = Peer()
    for torrent in (release.folder / "torrents").iterdir():
        peer.add(torrent.read_bytes(), release.folder / "containers")
    lists = release.without_containers(tmp_path / "lists")
    with open_mirror(new_mirror(tmp_path / "mirror", f"{peer.address}:{peer.port}")) as mirror:
        add_source(mirror, str(lists), Silent())
        report = run_once(mirror, 15)
        assert [finding.code for finding in report.findings] == ["bad-torrent"] and "aacid__e" in report.findings[0].path
        states = {file.path.rpartition("/")[2]: file.state for file in mirror.ledger.files_in("held", "damaged", "absent")}
        assert states.pop("aacid__e") == "damaged" and set(states.values()) == {"held"}


def test_a_new_release_reuses_what_is_held_and_says_what_is_obsolete(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        run_once(mirror, 1)
        inode = (open_held(mirror) / META).stat().st_ino
        old = next(one for one in mirror.ledger.torrents() if not one.is_metadata)
        release.obsolete = [{"btih": old.infohash, "display_name": DATA, "obsolete": True, "data_size": old.bytes}]
        del release.containers[DATA]
        release.containers[MORE] = random_files(MORE, SIZES)
        release.publish()
        report = run_once(mirror, 1)
        assert report.followed[0].serial == 2 and report.followed[0].obsolete == 1
        assert release.is_held_at(open_held(mirror)) and (open_held(mirror) / META).stat().st_ino == inode
        kept = mirror.ledger.torrent(old.infohash)
        assert kept is not None and kept.is_obsolete and kept.state == "held"  # nobody else is known to have proved it
        assert mirror.torrent_file(kept).is_file() and (open_held(mirror) / DATA / "aacid__a").is_file()
        assert run_once(mirror, 1).held == 3


def test_one_file_is_fetched_out_of_a_container_and_the_rest_later(release: Release, seeder: str, tmp_path: Path) -> None:
    lists = release.without_containers(tmp_path / "lists")
    with open_mirror(new_mirror(tmp_path / "mirror", seeder, budget="25 kB")) as mirror:
        add_source(mirror, str(lists), Silent())
        assert run_once(mirror, 15).held == 1  # the metadata is all that fits
        torrent = next(one for one in mirror.ledger.torrents() if not one.is_metadata)
        for selection in (("aacid__d",), ("aacid__a", "aacid__d"), None):
            mirror.ledger.put_torrent(msgspec.structs.replace(torrent, state="wanted", selection=selection))
            assert run_once(mirror, 15).waiting == []
            held = {file.path.rpartition("/")[2] for file in mirror.ledger.files_of(torrent.infohash, states=("held",))}
            assert held == set(selection or SIZES)
            for name in held:
                assert (open_held(mirror) / DATA / name).read_bytes() == (release.folder / "containers" / DATA / name).read_bytes()


def test_the_budget_is_kept_and_metadata_comes_first(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror", budget="30 kB")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        report = run_once(mirror, 1)
        assert report.held_bytes == 20_000 and not (open_held(mirror) / DATA).exists()


def test_the_last_known_copy_is_dropped_only_by_force(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        run_once(mirror, 1)
        with pytest.raises(UsageError, match="nobody else"):
            drop(mirror, DATA)
        assert release.is_held_at(open_held(mirror))
        stranger = open_held(mirror) / DATA / "mine.txt"
        stranger.write_text("keep")
        assert drop(mirror, DATA, force=True).is_done
        assert [path.name for path in (open_held(mirror) / DATA).iterdir()] == ["mine.txt"]
        assert run_once(mirror, 1).held == 1  # what was dropped by hand is not fetched again
        assert [one.container for one in read_status(mirror).containers] == [META]


def test_a_source_in_place_is_seeded_and_never_written_to(release: Release, tmp_path: Path) -> None:
    def look() -> dict[str, tuple[int, int, int]]:
        return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) for path in release.folder.rglob("*")}

    (release.folder / "containers" / DATA / "aacid__c").unlink()
    before = look()
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent(), in_place=True)
        client = open_mirror_client(mirror)
        report = run_once(mirror, 1, client)
        assert report.waiting == [DATA] and report.held == 1
        follow_source(mirror, "test", Silent())
        torrent = next(one for one in mirror.ledger.torrents() if not one.is_metadata)
        assert wait_until(lambda: any(unpack_pieces(client.pieces(torrent.infohash), 14)))
        client.close()
        drop(mirror, "test", force=True)
    assert look() == before


def test_two_runs_do_not_share_a_mirror(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        with mirror.hold("run"), open_mirror(mirror.path) as other, pytest.raises(ArchiveBusyError):
            run_once(other, 1)
        with mirror.hold("run"):
            assert read_status(mirror).is_running
        assert not read_status(mirror).is_running
