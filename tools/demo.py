"""The main job, shown on real music: an archive made, filled, built, published and verified; works again when run twice."""

from __future__ import annotations

import csv
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy
import soundfile

from music import NoMusicError, fetch_music

ROOT = Path(__file__).resolve().parent.parent
FONOTECA = Path(sys.executable).with_name("fonoteca")
FOUND_DAMAGE = 3


@dataclass(frozen=True)
class Batch:
    """A folder of music and the licence to give to what carries none; None where the tags say it."""

    folder: Path
    rights: str | None


def find_batches(demo: Path) -> list[Batch]:
    """Real music, or where none can be fetched a short piece made here."""
    try:
        music = fetch_music("tests")
    except NoMusicError as error:
        print(f"No Debian archive can be reached ({error}).\nThis demo makes a short piece of music itself instead.\n")
        return [Batch(compose_music(demo / "own-music"), "https://creativecommons.org/publicdomain/zero/1.0/")]
    return [
        Batch(music / "fretsonfire-songs-muldjord", "https://creativecommons.org/licenses/by-sa/3.0/"),
        Batch(music / "amoebax-data", None),  # tagged with the Free Art License
    ]


def compose_music(folder: Path) -> Path:
    """Four variations of a tune, six seconds each, as Ogg Vorbis and FLAC."""
    folder.mkdir(parents=True, exist_ok=True)
    tune = [60, 62, 64, 65, 67, 69, 71, 72, 71, 67, 64, 60]
    for number, transposed in enumerate((0, 3, 5, -4), 1):
        container, codec = ("OGG", "VORBIS") if number % 2 else ("FLAC", "PCM_16")
        path = folder / f"{number:02d} Variation.{container.lower()}"
        if path.exists():
            continue
        sound = numpy.concatenate([play_note(note + transposed) for note in tune])
        with soundfile.SoundFile(path, "w", 44_100, 1, codec, format=container) as file:
            file.title, file.artist, file.album, file.tracknumber = f"Variation {number}", "Fonoteca", "Demo", str(number)
            file.write(sound)
    return folder


def play_note(note: int, seconds: float = 0.5) -> numpy.ndarray:
    """A plucked string: harmonics of MIDI note `note` that die away."""
    time = numpy.arange(int(44_100 * seconds)) / 44_100
    pitch = 440 * 2 ** ((note - 69) / 12)
    overtones = [numpy.sin(2 * numpy.pi * pitch * part * time) / part**1.5 * numpy.exp(-4 * part * time) for part in range(1, 7)]
    sound: numpy.ndarray = 0.3 * numpy.sum(overtones, axis=0)
    return sound


def write_plays(batches: list[Batch], path: Path) -> Path:
    """Invented play counts, so that the popular half is kept as it came and the rest becomes Opus."""
    files = sorted(found for batch in batches for found in batch.folder.rglob("*") if found.suffix in (".ogg", ".flac"))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "plays"])
        writer.writerows([str(found), int(49_000_000 / 50_000 ** (2 * place / len(files)))] for place, found in enumerate(files))
    return path


def run_fonoteca(*arguments: str | Path) -> None:
    """Show the command, run it; stop the demo where it fails. Damage in the music itself does not stop it."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ {shlex.join(['fonoteca', *words])}", flush=True)
    status = subprocess.run([str(FONOTECA), *words], check=False).returncode
    if status and not (status == FOUND_DAMAGE and words[0] == "add"):
        sys.exit(f"\nThe demo stopped: fonoteca {words[0]} ended with exit status {status}.")


def main() -> int:
    """Make the archive, or go on with the one that is there, and say what to try next."""
    demo = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / "build" / "demo"
    archive = demo / "archive"
    demo.mkdir(parents=True, exist_ok=True)
    batches = find_batches(demo)
    here = ("--archive", archive)
    if not (archive / "archive.toml").exists():
        run_fonoteca("init", archive, "--name", "Demo")
    for batch in batches:
        rights = ("--rights", batch.rights) if batch.rights else ()
        plays = ("--plays", write_plays(batches, demo / "plays.csv")) if batch is batches[-1] else ()
        run_fonoteca("add", batch.folder, *rights, *plays, *here)
    for verb in ("plan", "build", "publish", "verify", "status"):
        run_fonoteca(verb, *here)
    run_fonoteca("search", "music", "--limit", "5", *here)
    run_fonoteca("shuffle", "--limit", "5", "--seed", "demo", *here)
    run_fonoteca("stats", demo / "statistics", *here)
    print(describe_next_steps(archive))
    return 0


def describe_next_steps(archive: Path) -> str:
    """What lies where, and commands that work as they stand."""
    fonoteca = f"{shlex.quote(str(FONOTECA))}"
    return f"""
The archive lies in       {archive}
What is published lies in {archive / "release"}

Look at:
  {archive / "release" / "index.html"}   in a browser: what visitors of the archive see
  {archive / "release" / "README.txt"}   how to read everything with standard programs alone
  {archive.parent / "statistics" / "index.html"}   the archive in pictures
  {archive / "archive.toml"}   every choice, with comments

Try next:
  cd {shlex.quote(str(archive))}
  {fonoteca} -h                     what else there is
  {fonoteca} plan --budget 20MB     what to keep where there is room for so much
  {fonoteca} identify --dry-run     recordings that may be the same, and why
  {fonoteca} verify release --json  the proof, for programs
  (cd release && sha256sum --quiet -c SHA256SUMS)   the same proof without fonoteca
"""


if __name__ == "__main__":
    sys.exit(main())
