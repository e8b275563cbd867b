"""Guests with real OpenZFS, and a small archive to put on their pools. Tests that use them: pytest.mark.xdist_group("zfs-lab")."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from zfs_lab import BLUEPRINT, DISKS, PLAIN, Guest, opened, opened_pair

FREE_ART = "http://artlibre.org/licence/lal/en/"
ALBUMS = {"Amoebax": ("training", "menu"), "Backgrounds": ("SpikeBackground", "AngusBackground")}


@pytest.fixture
def guest() -> Iterator[Guest]:
    """A guest without a pool, as fresh for each test."""
    with opened(PLAIN) as guest:
        yield guest


@pytest.fixture
def blueprint() -> Iterator[Guest]:
    """A guest with the pool `tank`: 2 × RAIDZ3 × 10 × 22 TB in the files /tmp/v/d01 … d20, and d21 and d22 as spares."""
    with opened(BLUEPRINT) as guest:
        yield guest


@pytest.fixture
def two_guests() -> Iterator[tuple[Guest, Guest]]:
    """Two guests that reach each other as guest1 (10.77.0.1) and guest2 (10.77.0.2); root of each may log in to the other by key."""
    with opened_pair(PLAIN) as pair:
        _exchange_keys(*pair)
        yield pair


@pytest.fixture
def guest_with_disks() -> Iterator[Guest]:
    """A guest with 22 virtual SAS disks of 22 TB, no pool, and udev: names in /dev/disk/by-id; machine.pull_disk and plug_disk."""
    with opened(DISKS) as guest:
        yield guest


def _exchange_keys(*guests: Guest) -> None:
    """Keys of hosts and of root, made for this test, and each other's; sshd under way."""
    make = (
        "rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; mkdir -p -m 700 /root/.ssh; "
        "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; /usr/sbin/sshd"
    )
    for job, guest in [(guest.start(make), guest) for guest in guests]:
        job.wait(120)
        assert guest.run("pidof sshd").out
    for number, (guest, other) in enumerate(zip(guests, reversed(guests), strict=True), 1):
        host, user = (other.get(path).decode() for path in ("/etc/ssh/ssh_host_ed25519_key.pub", "/root/.ssh/id_ed25519.pub"))
        guest.put("/root/.ssh/known_hosts", f"guest{3 - number},10.77.0.{3 - number} {host}".encode())
        guest.put("/root/.ssh/authorized_keys", user.encode())


@pytest.fixture(scope="session")
def small_archive(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of four short real tracks in two albums, built and published: to be copied (put_tree), never changed."""
    top = tmp_path_factory.mktemp("small-archive")
    for album, tracks in ALBUMS.items():
        (top / "Music" / album).mkdir(parents=True)
        for number, track in enumerate(tracks, 1):
            _write_excerpt(music / "amoebax-data" / "music" / f"{track}.ogg", top / "Music" / album / f"{track}.ogg", album, number)
    path = top / "archive"
    for words in (
        ["init", path], ["add", top / "Music", "--rights", FREE_ART, "--archive", path], ["build", "--archive", path],
        ["publish", "--archive", path],
    ):  # fmt: skip
        done = subprocess.run([sys.executable, "-m", "fonoteca", *words], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    return path


def _write_excerpt(source: Path, target: Path, album: str, number: int, seconds: int = 8) -> None:
    """The first seconds of a track, with tags of its own."""
    with soundfile.SoundFile(source) as reader:
        with soundfile.SoundFile(target, "w", reader.samplerate, reader.channels, "VORBIS", format="OGG") as writer:
            writer.title, writer.artist, writer.album, writer.tracknumber, writer.license = (
                target.stem,
                "Amoebax",
                album,
                str(number),
                FREE_ART,
            )
            for block in reader.blocks(reader.samplerate, frames=seconds * reader.samplerate):
                writer.write(block)
