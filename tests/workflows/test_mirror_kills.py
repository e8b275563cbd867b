"""Kill -9 of a mirror at any moment: what the ledger calls held is good on disk, and the next run goes on to the same end."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import environment, fonoteca_command
from releases_made import DATA, META, MORE, Release, new_mirror, random_files

from torrents.swarm import Peer

MANY = {f"aacid__{number:03}": 60_000 + 700 * number for number in range(40)}


class Fetching:
    """A release that only a peer has, its lists as a source, and a mirror that is killed and started again."""

    def __init__(self, top: Path) -> None:
        self.release = Release(top / "release")
        self.release.containers = {META: random.Random(1).randbytes(300_000), DATA: random_files(DATA, MANY)}
        self.release.publish()
        self.peer = Peer()
        self.lists, self.mirror = top / "lists", top / "mirror"
        self.offer()
        new_mirror(self.mirror, f"{self.peer.address}:{self.peer.port}", download="1 MB")

    def offer(self) -> None:
        """The newest release is there to be followed, and seeded."""
        self.release.without_containers(self.lists)
        for torrent in (self.release.folder / "torrents").iterdir():
            self.peer.add(torrent.read_bytes(), self.release.folder / "containers")

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        command = fonoteca_command("mirror", *arguments, "--mirror", self.mirror)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())

    def finish(self, process: subprocess.Popen[str], *statuses: int) -> str:
        out, err = process.communicate(timeout=120)
        assert process.returncode in (statuses or (0,)), f"{process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return out

    def kill_somewhere(self, process: subprocess.Popen[str], lock: Path, chance: random.Random, seconds: float) -> bool:
        """Kill it while it holds its lock; whether it was still running."""
        held = f"(process {process.pid})".encode()
        end = time.monotonic() + 60
        while process.poll() is None and not (lock.exists() and held in lock.read_bytes()) and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(chance.random() * seconds)
        was_running = process.poll() is None
        process.kill()
        process.communicate()
        return was_running

    def check_held(self) -> int:
        """How many files the ledger calls held; each has the right bytes."""
        containers = self.mirror / "held" / "test" / "containers"
        with sqlite3.connect(f"file:{self.mirror / 'ledger.sqlite3'}?mode=ro", uri=True) as ledger:
            assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            paths = [path for (path,) in ledger.execute("SELECT path FROM files WHERE state = 'held'")]
            assert not ledger.execute("SELECT * FROM files WHERE state IN ('damaged', 'lost')").fetchall()
        for path in paths:
            assert (containers / path).read_bytes() == (self.release.folder / "containers" / path).read_bytes(), path
        return len(paths)


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Fetching]:
    made = Fetching(tmp_path)
    yield made
    del made.peer


def kill_in_fetching(fetching: Fetching, kills: int) -> None:
    chance = random.Random(kills)
    fetching.finish(fetching.start("add", fetching.lists))
    lock = fetching.mirror / "staging" / "run" / ".lock"
    done = number = 0
    met: list[int] = [0]
    window = 1.0
    while done < kills:
        process = fetching.start("run", "--once", "--wait", "60")
        done += fetching.kill_somewhere(process, lock, chance, window)
        held = fetching.check_held()
        window = min(4.0, window * 1.5) if held == met[-1] else window  # on a busy machine nothing comes within a second
        met.append(held)
        if held == len(MANY) + 1:  # all is here: something new to fetch
            number += 1
            fetching.release.containers[f"{MORE[:-1]}{number}"] = random_files(str(number), MANY)
            fetching.release.publish()
            fetching.offer()
    assert len(set(met)) > 3, "the kills all came at the same moment"
    fetching.finish(fetching.start("run", "--once", "--wait", "60"))
    assert fetching.check_held() == 1 + len(MANY) * (number + 1)
    assert fetching.release.is_held_at(fetching.mirror / "held" / "test" / "containers")
    left = {path.name for path in (fetching.mirror / "held" / "test" / "containers").iterdir() if not path.name.startswith(".")}
    assert left == set(fetching.release.containers)


def test_twenty_kills_while_fetching_lose_nothing(fetching: Fetching) -> None:
    kill_in_fetching(fetching, 20)


@pytest.mark.slow
def test_a_hundred_kills_while_fetching_lose_nothing(fetching: Fetching) -> None:
    kill_in_fetching(fetching, 100)


def test_kills_while_a_release_is_taken_leave_one_release_whole(fetching: Fetching) -> None:
    chance = random.Random(5)
    fetching.finish(fetching.start("add", fetching.lists))
    lock = fetching.mirror / "staging" / "lists" / ".lock"
    for number in range(6):
        fetching.release.write(f"docs/{number}.txt", random.Random(number).randbytes(2_000_000))
        fetching.release.publish()
        fetching.release.without_containers(fetching.lists)
        fetching.kill_somewhere(fetching.start("add", fetching.lists), lock, chance, 0.15)
    fetching.finish(fetching.start("add", fetching.lists))
    held = fetching.mirror / "held" / "test"
    for path in fetching.lists.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (held / path.relative_to(fetching.lists)).read_bytes()
    with sqlite3.connect(f"file:{fetching.mirror / 'ledger.sqlite3'}?mode=ro", uri=True) as ledger:
        assert ledger.execute("SELECT serial FROM sources").fetchall() == [(fetching.release.serial,)]
