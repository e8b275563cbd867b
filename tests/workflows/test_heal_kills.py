"""Kill -9 of `heal` at random moments: under every name lie the bad bytes or the good ones, and in the end everything is mended."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest
from commands import copy_archive, run_fonoteca, run_json, tree_digest
from damaging import add_settings, cut, flip, members_of, swap
from killing import Running

pytestmark = pytest.mark.xdist_group("heal kills")


def damage_everything(archive: Path) -> None:
    """Every member, every list, some of everything."""
    members = members_of(archive / "containers")
    swap(*members[:2])
    for number, member in enumerate(members[2:]):
        if number % 3 == 0:
            flip(member)
        elif number % 3 == 1:
            cut(member, 10)
        else:
            member.unlink()
            (archive / "release" / member.relative_to(archive)).unlink()
    for path in sorted((archive / "containers").glob("*.zst")):
        flip(path)
    for name in ("torrents.json", "feed.xml", "SHA256SUMS", "release.json.sig", "docs/rights.md", "catalogue.sqlite3"):
        flip(archive / "release" / name)
    (members[0].parent / "stranger").write_text("?")


def contents(archive: Path) -> dict[str, str]:
    folders = ("containers", "release")
    return {f"{folder}/{name}": sha256 for folder in folders for name, sha256 in tree_digest(archive / folder).items()}


@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_kill_9_of_heal_loses_nothing(built_minute: Path, tmp_path: Path, kills: int) -> None:
    good = contents(built_minute)
    broken = copy_archive(built_minute, tmp_path / "broken")
    damage_everything(broken)
    add_settings(broken, f'[heal]\ncopies = ["{built_minute}"]\n')
    run_json("verify", broken, status=3)
    bad = contents(broken)
    chance = random.Random(kills)
    done = 0
    while done < kills:
        archive = copy_archive(broken, tmp_path / "archive")
        run_for = chance.random() * 0.6
        for _ in range(4):
            if _kill_once(archive, run_for):
                done += 1
            found = contents(archive)
            for name in good.keys() | bad.keys():
                assert found.get(name) in (good.get(name), bad.get(name)), f"{name} is neither what it was nor what it should be"
            run_for = chance.random() * 0.6
        told = run_json("heal", archive, "--timeout", "1")
        assert told["lost"] == 0
        assert contents(archive) == good
        assert not (archive / "staging" / "heal" / "bad").exists() and not (archive / "staging" / "heal" / "new").exists()
        shutil.rmtree(archive)
    archive = copy_archive(broken, tmp_path / "archive")
    run_fonoteca("heal", archive, "--timeout", "1")
    run_fonoteca("verify", archive)


def _kill_once(archive: Path, seconds: float) -> bool:
    """Whether it was killed at its work."""
    running = Running("heal", archive, "--timeout", "1")
    running.wait_for_lock(archive)
    time.sleep(seconds)
    if running.process.poll() is not None:
        status, out, err = running.finish()
        assert status == 0, out + err
        return False
    running.kill()
    assert not running.wait_until_alone()
    return True
