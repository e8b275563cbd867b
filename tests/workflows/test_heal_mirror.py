"""A mirror proves on a schedule and heals itself: from peers and web seeds only what covers the damage, and never what is not proved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from damaging import cut, flip, swap
from releases_made import DATA, META, PIECE, SIZES, Release, new_mirror, run_once

from fonoteca.ground.progress import Silent
from fonoteca.workflows.heal import HealOptions, HealReport, heal
from fonoteca.workflows.heal_mirror import open_mirror_to_heal
from fonoteca.workflows.mirror import open_mirror
from fonoteca.workflows.mirror_sources import add_source
from fonoteca.workflows.schedule_mirror_book import open_mirror_book
from fonoteca.workflows.verify_schedule import ProofReport, ScheduleOptions, run_schedule
from torrents.swarm import Peer
from torrents.web_server import serve

DAY = 86_400


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path / "release")
    made.containers[META] = bytes(range(256)) * 4000  # 63 pieces
    made.publish()
    return made


class Seeder(Peer):
    """A peer that has the whole release; counts what it gives."""

    def __init__(self, release: Release) -> None:
        super().__init__()
        self.handles = [self.add(path.read_bytes(), release.folder / "containers") for path in (release.folder / "torrents").iterdir()]

    @property
    def place(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def given(self) -> int:
        return sum(handle.status().total_payload_upload for handle in self.handles)


@pytest.fixture
def seeder(release: Release) -> Iterator[Seeder]:
    peer = Seeder(release)
    yield peer
    del peer


@pytest.fixture
def mirror(release: Release, seeder: Seeder, tmp_path: Path) -> Path:
    """A mirror that holds everything, of which only the peer and the lists are left."""
    path = new_mirror(tmp_path / "mirror", seeder.place)
    lists = release.without_containers(tmp_path / "lists")
    with open_mirror(path) as opened:
        add_source(opened, str(lists), Silent())
        assert run_once(opened, 20).waiting == []
    return path


def held(mirror: Path) -> Path:
    return mirror / "held" / "test"


def prove(mirror: Path, days_later: float = 0, **options: object) -> ProofReport:
    with open_mirror_book(mirror) as (book, name, _, _, small):
        second = book.mirror.now() + round(days_later * DAY)
        chosen = ScheduleOptions(pressure=100, **options)  # type: ignore[arg-type]
        return run_schedule(book, name, chosen, Silent(), now=lambda: second, small_checks=small)


def mend(mirror: Path, timeout_s: float = 20) -> HealReport:
    with open_mirror_to_heal(mirror) as book:
        return heal(book, HealOptions(timeout_s=timeout_s), Silent())


def test_every_damage_is_found_and_mended_from_the_pieces_of_a_peer(release: Release, seeder: Seeder, mirror: Path) -> None:
    folder = held(mirror) / "containers" / DATA
    flip(folder / "aacid__a")
    cut(folder / "aacid__b", 7)
    (folder / "aacid__c").unlink()
    swap(folder / "aacid__d", folder / "aacid__e")
    (folder / "stranger").write_text("?")
    flip(held(mirror) / "containers" / META, 500_000)
    (held(mirror) / "torrents.json").unlink()
    report = prove(mirror, reads_all=True)
    assert dict(report.counts) == {"changed": 2, "wrong-size": 3, "missing": 2, "extra": 1}
    assert report.summary.endswith("7 damaged")
    done = mend(mirror)
    assert (done.mended, done.lost, done.strangers) == (7, 0, 1)
    assert done.by_rung == {"pieces": 4, "local": 3}, "two swapped files mend each other, the list lies where it came from"
    assert release.is_held_at(held(mirror) / "containers")
    report = prove(mirror, reads_all=True)
    assert not report.has_damage and report.read_files > len(SIZES)
    assert not (mirror / "staging" / "heal" / "bad").exists()


def test_of_a_large_file_only_the_bad_piece_is_fetched(release: Release, seeder: Seeder, mirror: Path) -> None:
    before = seeder.given
    flip(held(mirror) / "containers" / META, 30 * PIECE + 5)
    prove(mirror, reads_all=True)
    assert mend(mirror).mended == 1
    assert release.is_held_at(held(mirror) / "containers", META)
    assert seeder.given - before <= 2 * PIECE


def test_a_web_seed_mends_what_no_peer_has(release: Release, tmp_path: Path) -> None:
    path = new_mirror(tmp_path / "mirror")
    with serve(release.folder) as server:
        with open_mirror(path) as opened:
            add_source(opened, server.url, Silent())
            assert run_once(opened, 20).waiting == []
        flip(held(path) / "containers" / DATA / "aacid__d")
        flip(held(path) / "containers" / META, 3)
        prove(path, reads_all=True)
        done = mend(path)
    assert (done.mended, done.lost, dict(done.by_rung)) == (2, 0, {"pieces": 2})
    assert release.is_held_at(held(path) / "containers")


def test_without_checksums_the_pieces_of_the_torrent_prove_and_mend(release: Release, seeder: Seeder, tmp_path: Path) -> None:
    path = new_mirror(tmp_path / "mirror", seeder.place)
    shutil.copytree(release.folder / "torrents", tmp_path / "list" / "torrents")
    shutil.copy(release.folder / "torrents.json", tmp_path / "list")
    with open_mirror(path) as opened:
        add_source(opened, str(tmp_path / "list" / "torrents.json"), Silent())
        assert run_once(opened, 20).waiting == []
        source = opened.ledger.sources()[0].source
        files = [file for torrent in opened.ledger.torrents() for file in opened.ledger.files_of(torrent.infohash)]
    assert {file.sha256 for file in files} == {None}
    containers = path / "held" / source / "containers"
    assert not prove(path, reads_all=True).has_damage
    flip(containers / DATA / "aacid__d", 50_000)
    report = prove(path, reads_all=True)
    assert [Path(finding.path).name for finding in report.listed] == ["aacid__d"]
    (containers / DATA / "aacid__e").unlink()
    prove(path, reads_all=True)
    assert mend(path).lost == 0
    assert release.is_held_at(containers)
    assert not prove(path, reads_all=True).has_damage


def bare_list(release: Release, path: Path, *places: str) -> Path:
    """A mirror that holds a bare list of torrents, so that only pieces prove its files; gives the folder of its containers."""
    new_mirror(path, *places)
    shutil.copytree(release.folder / "torrents", path.parent / "list" / "torrents")
    shutil.copy(release.folder / "torrents.json", path.parent / "list")
    with open_mirror(path) as opened:
        add_source(opened, str(path.parent / "list" / "torrents.json"), Silent())
        assert run_once(opened, 20).waiting == []
        return path / "held" / opened.ledger.sources()[0].source / "containers"


def test_two_damaged_files_of_one_piece_are_mended_from_copies_of_both(release: Release, seeder: Seeder, tmp_path: Path) -> None:
    containers = bare_list(release, tmp_path / "mirror", seeder.place)
    for handle in seeder.handles:
        seeder.session.remove_torrent(handle)
    settings = tmp_path / "mirror" / "mirror.toml"
    before = settings.read_text()
    settings.write_text(before.replace("copies = []", f'copies = ["{release.folder}"]'))
    assert settings.read_text() != before
    sizes = [(path, path.stat().st_size) for path in sorted((containers / DATA).iterdir())]
    for path, size in sizes:
        if size:
            flip(path, size // 2)
    assert prove(tmp_path / "mirror", reads_all=True).damaged > 1
    done = mend(tmp_path / "mirror", timeout_s=2)
    assert done.lost == 0 and set(done.by_rung) == {"local"}
    assert release.is_held_at(containers)
    assert not prove(tmp_path / "mirror", reads_all=True).has_damage


def test_a_damaged_torrent_is_told_where_only_its_pieces_prove_the_files(release: Release, seeder: Seeder, tmp_path: Path) -> None:
    bare_list(release, tmp_path / "mirror", seeder.place)
    with open_mirror(tmp_path / "mirror") as opened:
        torrent = next(opened.torrent_file(row) for row in opened.ledger.torrents() if row.container == DATA)
    whole = torrent.read_bytes()
    torrent.write_bytes(whole[:-30])
    report = prove(tmp_path / "mirror", reads_all=True)
    assert [(finding.code, finding.path) for finding in report.listed] == [("bad-torrent", str(torrent))]
    assert report.has_damage
    torrent.write_bytes(whole)
    assert not prove(tmp_path / "mirror", reads_all=True).has_damage
    with open_mirror(tmp_path / "mirror") as opened:
        assert not list(opened.ledger.findings("verify"))


def test_strangers_in_folders_of_a_held_release_are_found_and_moved_away(mirror: Path) -> None:
    stranger = held(mirror) / "torrents" / "stranger"
    stranger.write_text("?")
    report = prove(mirror, reads_all=True)
    assert [(finding.code, finding.path) for finding in report.listed] == [("extra", str(stranger))]
    assert mend(mirror).strangers == 1
    assert not stranger.exists() and not prove(mirror, reads_all=True).has_damage


def test_wrong_bytes_of_a_peer_are_never_put_in_place(release: Release, mirror: Path, seeder: Seeder, tmp_path: Path) -> None:
    bad_folder = tmp_path / "lies"
    shutil.copytree(release.folder / "containers", bad_folder)
    flip(bad_folder / DATA / "aacid__d")
    for handle in seeder.handles:
        seeder.session.remove_torrent(handle)
    for torrent in (release.folder / "torrents").iterdir():
        seeder.add(torrent.read_bytes(), bad_folder, is_all_here=True)
    victim = held(mirror) / "containers" / DATA / "aacid__d"
    cut(victim, 100)
    prove(mirror, reads_all=True)
    done = mend(mirror, timeout_s=3)
    assert done.lost == 1 and victim.stat().st_size == 100
    (lost,) = done.listed
    assert [attempt.rung for attempt in lost.attempts] == ["local", "patch", "pieces", "off-site"]
    assert f"peer {seeder.place}" in lost.might_have
    report = prove(mirror, reads_all=True)
    assert report.summary.endswith("1 damaged, 1 of them not to be mended")
    victim.write_bytes(release.containers[DATA]["aacid__d"])  # type: ignore[call-overload, index]
    assert not prove(mirror, reads_all=True).has_damage, "what a person put back is seen"


def test_every_byte_of_a_mirror_is_read_within_the_days(mirror: Path) -> None:
    total = prove(mirror, reads_all=True).bytes
    amounts = []
    for day in range(1, 12):
        report = prove(mirror, day, days=5)
        assert report.oldest_days is not None and report.oldest_days <= 5
        amounts.append(report.read_bytes)
    assert sum(amounts[:5]) >= total


def test_a_source_in_place_is_proved_and_never_written_to(release: Release, tmp_path: Path) -> None:
    path = new_mirror(tmp_path / "mirror")
    with open_mirror(path) as opened:
        add_source(opened, str(release.folder), Silent(), in_place=True)
        run_once(opened, 2)
    victim = release.folder / "containers" / DATA / "aacid__a"
    flip(victim)
    bad = victim.read_bytes()
    report = prove(path, reads_all=True)
    assert [Path(finding.path) for finding in report.listed] == [victim]
    assert mend(path).damaged == 0
    assert victim.read_bytes() == bad
