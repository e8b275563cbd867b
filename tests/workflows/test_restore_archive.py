"""An archive that was lost comes back from its release: catalogue, ledger, settings, containers; and goes on publishing."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from commands import FREE_ART, make_archive, run_fonoteca, run_json, tree_digest, write_plays
from killing import Running

from fonoteca.ground.settings import read_settings
from fonoteca.workflows.published_settings import render_settings, settings_to_tell
from generated_music import write_small_files
from test_pages import embed_cover

MEMBERS = """SELECT aacid, container, m.content, id, size, sha256, source_sha256, essence_sha256, action, hex(patch), encoder,
    samples, loudness_lufs FROM members m JOIN containers ON name = container WHERE state = 'current' ORDER BY 1"""
CONTAINERS = """SELECT name, collection, content, tier, second, data_folder, metadata_file, member_count, data_bytes, metadata_bytes,
    metadata_sha256, data_piece_length, metadata_piece_length, state, hex(data_pieces), hex(metadata_pieces), hex(metadata_pieces_root),
    hex(metadata_piece_layer) FROM containers JOIN container_pieces USING (name) WHERE state = 'current' ORDER BY 1"""
LISTS_OF_A_SERIAL = ("release.json", "README.txt", "index.html", "SHA256SUMS")


def rows(database: Path, sql: str) -> list[Any]:
    with sqlite3.connect(database) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def lost(music_minute: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three releases of an archive with covers, a tail, a hidden withdrawal, a withdrawn track that stays named, and wanted tracks."""
    root = tmp_path_factory.mktemp("lost")
    shutil.copytree(music_minute, root / "music")
    embed_cover(root / "music" / "menu.ogg")
    small = write_small_files(root / "small", 12, seed=5)
    (root / "wanted.jsonl").write_text('{"title": "Never found", "artists": ["Nobody"], "isrc": "ITB001200001"}\n')
    plays = write_plays(root / "plays.csv", {root / "music" / "training.flac": 20, root / "music" / "Spike.wav": 2_000_000})
    archive = make_archive(
        root / "archive", cut_off="0.0", torrent_size='"3 kB"', trackers='["udp://one.example:6969"]', url='"https://music.example/a"',
        hybrid_metadata="true",
    )  # fmt: skip
    run_fonoteca("add", root / "music", root / "small", "--plays", plays, "--metadata", root / "wanted.jsonl", "--rights", FREE_ART,
                 "--archive", archive)  # fmt: skip
    for withdrawn, reason in ((None, ""), (small[0], "court-order"), (small[1], "rights-holder: asked")):
        if withdrawn:
            run_fonoteca("withdraw", withdrawn, "--reason", reason, "--yes", "--archive", archive)
        run_fonoteca("build", "--archive", archive)
        run_fonoteca("publish", "--archive", archive)
    return archive


@pytest.fixture(scope="module")
def restored(lost: Path) -> Path:
    target = lost.parent / "restored"
    report = run_json("init", target, "--from", lost / "release", "--signing-key", lost / "signing" / "release.key")
    assert report["counts"] == {}
    return target


def test_ledger_knows_the_same_containers_and_members(lost: Path, restored: Path) -> None:
    public = " AND is_public ORDER BY"
    for sql in (MEMBERS, CONTAINERS):
        assert rows(restored / "ledger.sqlite3", sql) == rows(lost / "ledger.sqlite3", sql.replace(" ORDER BY", public))


def test_release_stands_and_the_edition_is_written_again_bit_for_bit(lost: Path, restored: Path) -> None:
    before = tree_digest(lost / "release")
    assert tree_digest(restored / "release") == before
    assert run_json("publish", "--archive", restored)["is_new"] is False
    (restored / "release" / "feed.xml").unlink()  # so that all is written again, and counted as another release
    assert run_json("publish", "--archive", restored)["serial"] == 4
    after = tree_digest(restored / "release")
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name.removesuffix(".sig").removesuffix(".minisig") for name in differing} == set(LISTS_OF_A_SERIAL)


def test_restored_archive_verifies_and_gives_originals_back(lost: Path, restored: Path, tmp_path: Path) -> None:
    assert run_json("verify", restored)["counts"] == {}
    track = rows(restored / "catalogue.sqlite3", "SELECT id FROM tracks WHERE title = 'Menu' OR title LIKE '%enu%' LIMIT 1")[0][0]
    run_fonoteca("get", track, "--original", "-o", tmp_path / "menu.ogg", "--archive", restored)
    assert (tmp_path / "menu.ogg").read_bytes() == (lost.parent / "music" / "menu.ogg").read_bytes()


def test_restored_archive_takes_new_music_and_publishes_the_next_release(lost: Path, restored: Path, tmp_path: Path) -> None:
    archive = tmp_path / "goes-on"
    run_fonoteca("init", archive, "--from", restored / "release", "--signing-key", lost / "signing" / "release.key")
    serial = run_json("publish", "--archive", archive)["serial"]
    held = run_json("status", "--archive", archive)["tracks"]["held"]
    again = run_json("add", lost.parent / "music", "--rights", FREE_ART, "--archive", archive)
    assert again["counts"].get("kept", 0) == 0  # the same files are known by their bytes
    write_small_files(tmp_path / "new", 3, seed=99)
    run_fonoteca("add", tmp_path / "new", "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    assert run_json("publish", "--archive", archive)["serial"] == serial + 1
    assert run_json("status", "--archive", archive)["tracks"]["held"] == held + 3
    assert run_json("verify", archive)["counts"] == {}


def test_what_no_release_tells_stays_untold(lost: Path, restored: Path) -> None:
    names = "SELECT count(*) FROM tombstones"
    assert rows(restored / "catalogue.sqlite3", names) == rows(lost / "catalogue.sqlite3", names) == [(2,)]
    assert run_json("search", "Never found", "--archive", restored)["found"]


def test_killed_restore_goes_on(lost: Path, tmp_path: Path) -> None:
    chance = random.Random(11)
    target = tmp_path / "target"
    arguments = ("init", target, "--from", lost / "release", "--signing-key", lost / "signing" / "release.key")
    started = time.monotonic()
    run_fonoteca(*arguments)
    seconds = time.monotonic() - started
    expected = {name: digest for name, digest in tree_digest(target).items() if not name.endswith((".sqlite3", ".lock"))}
    for _ in range(3):
        shutil.rmtree(target)
        running = Running(*arguments)
        time.sleep(seconds * (0.3 + 0.6 * chance.random()))
        running.kill()
        run_fonoteca(*arguments, status=None)  # it may have been finished before it was killed
        assert {name: digest for name, digest in tree_digest(target).items() if not name.endswith((".sqlite3", ".lock"))} == expected
        assert rows(target / "ledger.sqlite3", MEMBERS) == rows(
            lost / "ledger.sqlite3", MEMBERS.replace(" ORDER BY", " AND is_public ORDER BY")
        )


def test_incomplete_or_damaged_release_is_refused_with_what_is_wrong(lost: Path, tmp_path: Path) -> None:
    partial = shutil.copytree(lost / "release", tmp_path / "partial")
    gone = sorted((partial / "containers").iterdir())[0]
    shutil.rmtree(gone)
    done = run_fonoteca("init", tmp_path / "a", "--from", partial, status=None)
    assert done.returncode != 0 and gone.name in done.stderr
    flipped = shutil.copytree(lost / "release", tmp_path / "flipped")
    data = bytearray((flipped / "catalogue.sqlite3").read_bytes())
    data[5000] ^= 1
    (flipped / "catalogue.sqlite3").write_bytes(data)
    done = run_fonoteca("init", tmp_path / "b", "--from", flipped, status=None)
    assert done.returncode != 0 and "catalogue.sqlite3" in done.stderr
    damaged = shutil.copytree(lost / "release", tmp_path / "damaged")
    member = sorted(next(path for path in (damaged / "containers").iterdir() if path.is_dir()).iterdir())[0]
    member.write_bytes(member.read_bytes()[:-1] + b"\0")
    run_fonoteca("init", tmp_path / "c", "--from", damaged, status=3)
    full = tmp_path / "full"
    full.mkdir()
    (full / "song.ogg").write_bytes(b"mine")
    assert run_fonoteca("init", full, "--from", lost / "release", status=None).returncode != 0
    assert [path.name for path in full.iterdir()] == ["song.ogg"]


def test_new_key_is_told(lost: Path, tmp_path: Path) -> None:
    assert "--signing-key" in run_fonoteca("init", tmp_path / "a", "--from", lost / "release").stdout


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", cut_off="0.0", trackers='["udp://x.example", "a \\"b\\""]', plays_at_100="7e9")
    settings = read_settings(archive)
    (tmp_path / "archive.toml").write_text(render_settings(settings.name, settings.institution, settings_to_tell(settings)))
    assert read_settings(tmp_path) == settings
