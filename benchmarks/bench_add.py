"""`fonoteca add` with the full decode: on one core, on two, and beside the programs that tell the same of a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import soundfile

from archives import LICENCE, gather_ogg, pinned, run, run_fonoteca, working_folder
from generated_music import write_small_files
from harness import Alternative, compare

TRACKS = 12
SMALL_FILES = 2_000


def run_programs(files: list[Path]) -> None:
    """Structure, hash, and a decode with loudness, as a person would ask for them."""
    for file in files:
        run(["ogginfo", file], may_fail=True)
        run(["sha256sum", file])
        run(["ffmpeg", "-nostdin", "-threads", "1", "-i", file, "-af", "ebur128=peak=sample", "-f", "null", "-"])


def main() -> None:
    """Real music first, then thousands of small files, where what each file costs beside its decode shows."""
    with working_folder() as folder:
        files = gather_ogg(folder / "music")
        for file in files[TRACKS:]:
            file.unlink()
        files = files[:TRACKS]
        archive = folder / "archive"

        def renew() -> None:
            shutil.rmtree(archive, ignore_errors=True)
            run_fonoteca("init", archive)

        def add(source: Path, cores: int) -> Callable[[], None]:
            def work() -> None:
                with pinned(cores):
                    run_fonoteca("add", source, "--archive", archive, "--rights", LICENCE)

            return work

        def programs() -> None:
            with pinned(1):
                run_programs(files)

        seconds = sum(soundfile.info(file).duration for file in files)
        alternatives = [
            Alternative("ogginfo, sha256sum, ffmpeg", programs),
            Alternative("fonoteca add, 1 core", add(folder / "music", 1), renew),
            Alternative("fonoteca add, 2 cores", add(folder / "music", 2), renew),
        ]
        compare("Adding, decoded", alternatives, amount=seconds, unit="s of music", rounds=3, warm_up=False)
        write_small_files(folder / "small", SMALL_FILES)
        small = [Alternative(f"fonoteca add, {cores} core", add(folder / "small", cores), renew) for cores in (1, 2)]
        compare("Adding small files, decoded", small, amount=SMALL_FILES, unit="files", rounds=1, warm_up=False)


if __name__ == "__main__":
    main()
