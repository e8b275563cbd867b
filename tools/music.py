"""Real music for the demo, the tests and the benchmarks: unpacked from Debian packages, never installed, never committed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {
    "tests": ("fretsonfire-songs-muldjord", "amoebax-data"),
    "benchmarks": ("wesnoth-1.16-music", "singularity-music", "colobot-common-sounds", "asc-music"),
}
"""tests: 17 Ogg Vorbis files, 35 minutes, 38 MB, CC BY-SA 3.0 and Free Art License. benchmarks: 276 MB more, also 48 kHz, MP3 and GPL."""
AUDIO_SUFFIXES = (".ogg", ".opus", ".mp3", ".flac")  # the .wav files in games are effects


class NoMusicError(Exception):
    """The packages cannot be had here; the message says why."""


def choose_cache_folder() -> Path:
    """Where packages lie unpacked: FONOTECA_MUSIC, else the user's cache folder."""
    if named := os.environ.get("FONOTECA_MUSIC"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fonoteca" / "music"


def fetch_music(name: str = "tests", cache: Path | None = None) -> Path:
    """A folder of real music, one subfolder per package; fetched where it is not there yet, NoMusicError where it cannot be."""
    folder = (cache or choose_cache_folder()) / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.parent / f"{name}.lock"):
        if not folder.is_dir():
            partial = folder.with_name(f"{name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            downloads = partial / "downloads"
            downloads.mkdir(parents=True)
            for package in PACKAGES[name]:
                _unpack_audio(_download(package, downloads), partial / package)
            shutil.rmtree(downloads)
            os.replace(partial, folder)
    return folder


def _download(package: str, downloads: Path) -> Path:
    """The .deb, by the machine's package lists, or by lists of our own where it has none: neither needs root."""
    own = downloads / "lists"
    own_lists = ["-o", f"Dir::State::Lists={own}", "-o", f"Dir::Cache={own}", "-o", "Debug::NoLocking=1"]
    try:
        _run_apt(["download", package], downloads)
    except NoMusicError:
        (own / "partial").mkdir(parents=True, exist_ok=True)
        _run_apt([*own_lists, "update"], downloads)
        _run_apt([*own_lists, "download", package], downloads)
    return next(downloads.glob(f"{package}_*.deb"))


def _run_apt(arguments: list[str], folder: Path) -> None:
    options = ["-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"]
    try:
        done = subprocess.run(["apt-get", *options, *arguments], cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise NoMusicError(f"Debian packages cannot be fetched here: {error}") from error
    if done.returncode:
        raise NoMusicError(f"apt-get {arguments[-1]}: {done.stderr.strip() or done.returncode}")


def _unpack_audio(package_file: Path, target: Path) -> None:
    """Regular audio files under `target`, by their last two path components, which are unique and mean something."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package_file)], stdout=subprocess.PIPE) as unpacking:
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
            for member in archive:
                if member.isreg() and member.name.endswith(AUDIO_SUFFIXES) and (content := archive.extractfile(member)):
                    path = target.joinpath(*Path(member.name).parts[-2:])
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.read())
    if unpacking.returncode or not target.is_dir():
        raise NoMusicError(f"{package_file.name} cannot be unpacked, or holds no audio")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Fetch the music named (tests, benchmarks), or that of the tests; print where it lies."""
    try:
        for name in sys.argv[1:] or ["tests"]:
            print(fetch_music(name))
    except (NoMusicError, KeyError) as error:
        print(f"no music: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
