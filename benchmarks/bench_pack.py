"""Packing originals: `fonoteca build` on one core, beside the digests alone and beside the programs a person would run."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from archives import gather_ogg, make_archive, megabytes, pinned, run, working_folder
from fonoteca.ground.progress import Silent
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.build import build
from harness import Alternative, compare

PIECE_BYTES = 1 << 20


def take_digests(contents: Sequence[bytes]) -> None:
    """SHA-256 of source, essence and member, SHA-1 of pieces: over the same bytes, in memory, a whole file a call."""
    for content in contents:
        for _ in ("source", "essence", "member"):
            hashlib.sha256(content).hexdigest()
        view = memoryview(content)
        for start in range(0, len(content), PIECE_BYTES):
            hashlib.sha1(view[start : start + PIECE_BYTES]).digest()


def pack(path: Path) -> int:
    """`fonoteca build` without the start of the program; gives how many members were retagged."""
    with open_archive(path, "benchmark") as archive:
        report = build(archive, Silent())
    if report.has_damage:
        raise SystemExit(f"the build set files aside: {report.findings[:3]}")
    return report.members["retag"]


def run_programs(files: Sequence[Path], target: Path) -> None:
    """What a person would type for each file, and one torrent."""
    members, patches = target / "members", target / "patches"
    members.mkdir(parents=True)
    patches.mkdir()
    for file in files:
        member = members / file.name
        run(["cp", file, member])
        run(["vorbiscomment", "-a", "-t", "FONOTECA_ID=0123456789abcdef", "-t", "LICENSE=CC BY-SA 4.0", member])
        run(["ogginfo", member], may_fail=True)  # it finds fault with files that others play
        run(["sha256sum", file, member])
        run(["zstd", "-q", "--patch-from", member, file, "-o", patches / file.name])
    run(["mktorrent", "-t", "1", "-l", "20", "-o", target / "members.torrent", members])


def main() -> None:
    """Both comparisons, on one core, sources in the page cache, everything written to the file system of the checkout."""
    with working_folder() as folder, pinned(1):
        files = gather_ogg(folder / "music")
        template, archive, target = make_archive(folder / "template", folder / "music"), folder / "archive", folder / "programs"

        def renew() -> None:
            shutil.rmtree(archive, ignore_errors=True)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(template, archive)

        def pack_all() -> None:
            if pack(archive) != len(files):
                raise SystemExit("not every file was packed")

        contents = [file.read_bytes() for file in files]
        packing = Alternative("fonoteca build", pack_all, renew)
        amount = megabytes(files)
        compare(
            "Packing originals, one core",
            [Alternative("the digests alone", lambda: take_digests(contents)), packing],
            amount=amount,
            unit="MB",
        )
        contents.clear()
        programs = Alternative("cp … zstd --patch-from", lambda: run_programs(files, target), renew)
        compare("Packing originals, one core", [programs, packing], amount=amount, unit="MB", rounds=3)


if __name__ == "__main__":
    main()
