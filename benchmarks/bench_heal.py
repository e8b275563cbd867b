"""Healing one damaged block in a container beside checking all of it again; proving a mirror beside sha256sum and rclone check.

The first argument is the size of the container in gigabytes, 2 without one; docs/performance.md has the figures of 20.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import libtorrent as lt

from archives import pinned, working_folder
from fonoteca.ground.progress import Silent
from fonoteca.integrity import PieceHasher
from fonoteca.integrity.mirror_ledger_rows import MirrorFile, MirrorSource, MirrorTorrent
from fonoteca.torrents import choose_piece_length, make_torrent, read_torrent
from fonoteca.workflows.heal import HealOptions, heal
from fonoteca.workflows.heal_mirror import open_mirror_to_heal
from fonoteca.workflows.mirror import make_mirror, open_mirror
from fonoteca.workflows.schedule_mirror_book import open_mirror_book
from fonoteca.workflows.verify_schedule import ScheduleOptions, run_schedule
from harness import Alternative, compare

NAME = "bench_data__aacid__bench_files__20260101T000000Z--20260101T000000Z"
MEMBER_BYTES = 4_000_000


class Container:
    """A mirror in `folder` that holds one container of members of 4 MB, every byte recorded; its torrent and SHA256SUMS."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.count = folder, max(3, size // MEMBER_BYTES)
        self.mirror = make_mirror(folder / "mirror")
        settings = (self.mirror / "mirror.toml").read_text().replace("dht = true", "dht = false").replace("0.0.0.0:6881", "127.0.0.1:0")
        (self.mirror / "mirror.toml").write_text(settings)
        self.containers = self.mirror / "held" / "bench" / "containers"
        self.data = self.containers / NAME
        self.data.mkdir(parents=True)
        self.sums = folder / "SHA256SUMS"
        self.torrent = self._write()
        self.info = read_torrent(self.torrent)
        self._record()

    def _write(self) -> bytes:
        noise = os.urandom(MEMBER_BYTES)
        length = choose_piece_length(self.count * MEMBER_BYTES)
        hasher, self.hashes = PieceHasher(length), list[str]()
        for number in range(self.count):
            content = number.to_bytes(16, "big") + noise[16:]
            (self.data / f"aacid__{number:05d}").write_bytes(content)
            hasher.update(content)
            self.hashes.append(hashlib.sha256(content).hexdigest())
        self.sums.write_text("".join(f"{sha256}  aacid__{number:05d}\n" for number, sha256 in enumerate(self.hashes)))
        return make_torrent(NAME, [(f"aacid__{number:05d}", MEMBER_BYTES) for number in range(self.count)], length, hasher.finish())

    def _record(self) -> None:
        (self.mirror / "bench.torrent").write_bytes(self.torrent)
        with open_mirror(self.mirror) as mirror, mirror.ledger.transaction():
            mirror.ledger.put_source(MirrorSource(source="bench", location="/nowhere/torrents.json", kind="list"))
            row = MirrorTorrent(
                infohash=self.info.infohash, source="bench", container=NAME, torrent_path="bench.torrent", is_metadata=False,
                bytes=self.info.data_bytes, file_count=self.count, piece_length=self.info.piece_length, state="held",
            )  # fmt: skip
            mirror.ledger.put_torrent(row)
            mirror.ledger.put_files(
                MirrorFile(
                    infohash=row.infohash, position=number, path=f"{NAME}/aacid__{number:05d}", first_byte=number * MEMBER_BYTES,
                    size=MEMBER_BYTES, sha256=sha256, state="held", proved_at=mirror.now(),
                )
                for number, sha256 in enumerate(self.hashes)
            )  # fmt: skip

    def seed_around(self, number: int) -> tuple[lt.session, str]:
        """A peer that has the pieces around one member and nothing else: a copy of all would need the room twice."""
        folder = self.folder / "peer"
        (folder / NAME).mkdir(parents=True)
        for one in range(max(0, number - 2), min(self.count, number + 3)):
            shutil.copyfile(self.data / f"aacid__{one:05d}", folder / NAME / f"aacid__{one:05d}")
        length = self.info.piece_length
        pieces = range(number * MEMBER_BYTES // length, -(-(number + 1) * MEMBER_BYTES // length))
        peer = lt.session({"listen_interfaces": "127.0.0.2:0", "enable_dht": False, "enable_lsd": False, "alert_mask": 0})
        parameters = lt.load_torrent_buffer(self.torrent)
        parameters.save_path = str(folder)
        parameters.have_pieces = [
            piece in pieces for piece in range(len(self.info.pieces) // 20)
        ]  # fmt: skip
        parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        parameters.flags |= lt.torrent_flags.upload_mode
        peer.add_torrent(parameters)
        while not peer.listen_port():
            time.sleep(0.01)
        return peer, f"127.0.0.2:{peer.listen_port()}"


def timed(what: str, work: Callable[[], object]) -> float:
    """Seconds on the clock, told."""
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    print(f"{what:58} {seconds:9.2f} s", flush=True)
    return seconds


def flip(path: Path) -> None:
    """One damaged block in the middle."""
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.seek(MEMBER_BYTES // 2)
        file.write(os.urandom(4096))


def heal_one_block(folder: Path, size: int) -> None:
    """One bad block: healed, and what a recheck of the whole would take instead."""
    container = Container(folder, size)
    number = container.count // 2
    victim = container.data / f"aacid__{number:05d}"
    good = hashlib.sha256(victim.read_bytes()).hexdigest()
    peer, place = container.seed_around(number)
    flip(victim)
    with open_mirror(container.mirror) as mirror:
        mirror.ledger.set_condition(container.info.infohash, number, "damaged")
    print(f"\nOne damaged block in a container of {container.info.data_bytes / 1e9:.1f} GB, {container.count:,} members")

    def mend() -> None:
        with open_mirror_to_heal(container.mirror, [place]) as book:
            report = heal(book, HealOptions(timeout_s=60), Silent())
        assert (report.mended, dict(report.by_rung)) == (1, {"pieces": 1}), report

    healed = timed("fonoteca heal: the pieces from a peer, proved, in place", mend)
    assert hashlib.sha256(victim.read_bytes()).hexdigest() == good
    del peer
    whole = timed("libtorrent rechecks the torrent", lambda: recheck(container))
    summed = timed("sha256sum -c over all members", lambda: check_sums(container))
    proved = timed("fonoteca verify, all members, two cores", lambda: prove(container.mirror))
    print(
        f"healing takes 1/{whole / healed:,.0f} of the recheck, 1/{summed / healed:,.0f} of sha256sum, 1/{proved / healed:,.0f} of verify"
    )


def recheck(container: Container) -> None:
    """As a client does before it seeds what it does not know."""
    session = lt.session({"listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "alert_mask": 0})
    parameters = lt.load_torrent_buffer(container.torrent)
    parameters.save_path = str(container.containers)
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(parameters)
    while not handle.status().is_seeding:
        time.sleep(0.05)


def check_sums(container: Container) -> None:
    """`sha256sum -c`."""
    subprocess.run(["sha256sum", "--quiet", "-c", container.sums], cwd=container.data, check=True)


def check_with_rclone(container: Container) -> None:
    """`rclone check` against the same list, with as many files at once as there are cores."""
    words = ["rclone", "check", "-C", "sha256", "--checkers", "2", "--config", "/dev/null"]
    subprocess.run([*words, container.sums, container.data], check=True, capture_output=True)


def prove(mirror: Path) -> None:
    """All of a mirror, as `verify` does."""
    with open_mirror_book(mirror) as (book, name, _, _, _):
        report = run_schedule(book, name, ScheduleOptions(reads_all=True, pressure=100), Silent(), now=book.mirror.now)
    assert not report.has_damage, report.summary


def compare_proving(folder: Path) -> None:
    """A container that fits into memory: CPU and clock."""
    container = Container(folder, 800_000_000)

    def on_cores(count: int, work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            with pinned(count):
                work()

        return run

    alternatives = [
        Alternative("fonoteca verify, 1 core", on_cores(1, lambda: prove(container.mirror))),
        Alternative("sha256sum -c, 1 core", on_cores(1, lambda: check_sums(container))),
        Alternative("fonoteca verify, 2 cores", on_cores(2, lambda: prove(container.mirror))),
    ]
    if shutil.which("rclone"):
        alternatives.append(Alternative("rclone check, 2 cores", on_cores(2, lambda: check_with_rclone(container))))
    compare("Proving a mirror", alternatives, amount=container.info.data_bytes / 1e6, unit="MB", rounds=5)


def main() -> None:
    """Both, one after the other."""
    with working_folder() as folder:
        (folder / "proving").mkdir()
        compare_proving(folder / "proving")
        shutil.rmtree(folder / "proving")
        room = shutil.disk_usage(folder).free
        size = min(int(float(sys.argv[1]) * 1e9) if len(sys.argv) > 1 else 2_000_000_000, room // 2)
        (folder / "healing").mkdir()
        heal_one_block(folder / "healing", size)


if __name__ == "__main__":
    main()
