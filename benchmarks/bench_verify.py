"""Verifying a release: beside hashlib over bytes in memory and over the same files, and beside `sha256sum -c`; on one core and two."""

from __future__ import annotations

import hashlib
import os
import subprocess
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

from archives import gather_ogg, make_archive, megabytes, pinned, working_folder
from fonoteca.ground.progress import Silent
from fonoteca.workflows.verify_release import verify_release
from harness import Alternative, compare

NOISE_FILES, NOISE_BYTES = 10, 64_000_000
"""So much noise beside the music, so that a pass over the release takes half a second."""


def write_noise(folder: Path) -> None:
    """WAV files that nothing can compress; they are kept as they came."""
    for number in range(NOISE_FILES):
        with wave.open(str(folder / f"noise{number}.wav"), "wb") as writer:
            writer.setparams((2, 2, 44_100, 0, "NONE", ""))
            writer.writeframes(os.urandom(NOISE_BYTES))


def on_cores(count: int, work: Callable[[], object]) -> Callable[[], None]:
    """The work, bound to so many cores."""

    def run() -> None:
        with pinned(count):
            work()

    return run


def hash_files(files: Sequence[Path]) -> None:
    """SHA-256 as anyone would take it in Python."""
    for file in files:
        with open(file, "rb", buffering=0) as reader:
            hashlib.file_digest(reader, "sha256").hexdigest()


def verify(release: Path) -> None:
    """`fonoteca verify`, without the start of the program."""
    report = verify_release(release, Silent())
    if report.has_damage:
        raise SystemExit(f"the release cannot be verified: {dict(report.counts)}")


def check_sums(release: Path) -> None:
    """`sha256sum -c`, as SHA256SUMS is meant for; OpenSSL, where it is linked, is held to plain instructions."""
    plain = os.environ | {"OPENSSL_ia32cap": ":~0x20000000"}  # bit 29 of the second word: SHA extensions
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=release, check=True, env=plain)


def main() -> None:
    """All of it over the same release, in the page cache."""
    with working_folder() as folder:
        gather_ogg(folder / "music")
        write_noise(folder / "music")
        release = make_archive(folder / "archive", folder / "music", "build", "publish") / "release"
        files = [file for file in sorted(release.rglob("*")) if file.is_file()]
        contents = [file.read_bytes() for file in files]
        amount = megabytes(files)
        alternatives = [
            Alternative("hashlib, in memory", on_cores(1, lambda: [hashlib.sha256(content).digest() for content in contents])),
            Alternative("hashlib, the files", on_cores(1, lambda: hash_files(files))),
            Alternative("fonoteca verify, 1 core", on_cores(1, lambda: verify(release))),
            Alternative("fonoteca verify, 2 cores", on_cores(2, lambda: verify(release))),
        ]
        compare("Verifying", alternatives, amount=amount, unit="MB", rounds=7)
        contents.clear()
        programs = [Alternative("sha256sum -c", on_cores(1, lambda: check_sums(release))), alternatives[2]]
        compare("Verifying, one core", programs, amount=amount, unit="MB", rounds=3)


if __name__ == "__main__":
    main()
