"""Opus encoding: beside opusenc at the same settings, and on two cores beside one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import soundfile

from archives import pinned, run, working_folder
from fonoteca.audio import OpusRequest, encode_and_check, encode_opus
from fonoteca.ground.workers import Processes, map_in_order
from harness import Alternative, compare
from music import fetch_music

SECONDS = 60
KBITS = 75.0
BIT_RATE = "74.5"  # what is left of it for the packets


def write_excerpts(folder: Path, count: int) -> list[Path]:
    """The first minute of some tracks as FLAC."""
    excerpts = []
    for source in sorted(fetch_music("benchmarks").rglob("wesnoth*/**/*.ogg"), key=lambda path: -path.stat().st_size)[:count]:
        with soundfile.SoundFile(source) as reader:
            excerpts.append(folder / f"{source.stem}.flac")
            soundfile.write(excerpts[-1], reader.read(SECONDS * reader.samplerate, dtype="int16"), reader.samplerate, "PCM_16")
    return excerpts


def run_opusenc(source: Path) -> None:
    """One file by the program that everybody uses; it reports nothing but errors."""
    settings = ["--cvbr", "--bitrate", BIT_RATE, "--comp", "10", "--framesize", "20"]
    run(["opusenc", "--quiet", *settings, source, source.with_suffix(".opus")])


def encode(source: Path) -> None:
    """One file by ours, loudness known, written beside the other one's."""
    made = encode_opus(source, OpusRequest("flac", KBITS, loudness_lufs=-20.0))
    if not made.data:
        raise SystemExit(f"not encoded: {made.findings}")
    source.with_suffix(".ours.opus").write_bytes(made.data)


def check(source: Path) -> None:
    """As `fonoteca build` does: encode, then decode what came out and compare."""
    if not encode_and_check(source, OpusRequest("flac", KBITS)).data:
        raise SystemExit("the check failed")


def each(work: Callable[[Path], None], sources: list[Path]) -> None:
    """One after the other."""
    for source in sources:
        work(source)


def encode_all(processes: Processes, sources: list[Path]) -> None:
    """All files by worker processes."""
    for _, future in map_in_order(lambda source: processes.submit(encode, source), sources, len(sources)):
        future.result()


def main() -> None:
    """Both comparisons; the first bound to one core, the second by the clock, since workers outlive what is timed."""
    with working_folder() as folder:
        sources = write_excerpts(folder, 4)
        amount = float(SECONDS * len(sources))
        alternatives = [
            Alternative("opusenc", lambda: each(run_opusenc, sources)),
            Alternative("fonoteca", lambda: each(encode, sources)),
            Alternative("fonoteca, measured and checked", lambda: each(check, sources)),
        ]
        with pinned(1):
            compare("Opus encoding, one core", alternatives, amount=amount, unit="s of music", rounds=3)
        sizes = [sum(source.with_suffix(suffix).stat().st_size for source in sources) for suffix in (".opus", ".ours.opus")]
        print(f"bytes: opusenc {sizes[0]}, fonoteca {sizes[1]}, {sizes[1] * 8 / amount / 1000:.2f} kbit/s")
        preload = ("fonoteca.audio.encoded_check",)
        with Processes(1, preload) as one, Processes(2, preload) as two:
            counts = [
                Alternative("one process", lambda: encode_all(one, sources)),
                Alternative("two processes", lambda: encode_all(two, sources)),
            ]
            compare("Opus encoding, the clock counts", counts, amount=amount, unit="s of music", rounds=3)


if __name__ == "__main__":
    main()
