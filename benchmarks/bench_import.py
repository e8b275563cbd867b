"""`fonoteca catalogue import`: into the working catalogue, row by row with `add --metadata`, and with `--into` as tables."""

from __future__ import annotations

import json
import random
import shutil
from functools import partial
from pathlib import Path

from archives import pinned, run_fonoteca, working_folder
from harness import Alternative, compare

LINES, LINES_INTO = 60_000, 2_400_000


def write_lines(path: Path, count: int, seed: int = 7) -> Path:
    """Tracks of albums, four in five with an ISRC, with some fields that no schema has."""
    chance = random.Random(seed)
    syllables = [first + second for first in "bcdfghklmnprstvz" for second in "aeiou"]
    words = ["".join(chance.choices(syllables, k=chance.randint(1, 4))).title() for _ in range(20_000)]
    artists = [" ".join(chance.choices(words, k=chance.randint(1, 2))) for _ in range(count // 16 + 1)]
    labels = [f"{chance.choice(words)} Records" for _ in range(500)]
    with path.open("w") as file:
        written = 0
        while written < count:
            artist, shared = chance.choice(artists), {"album": " ".join(chance.choices(words, k=2)), "label": chance.choice(labels)}
            shared |= {"date": f"{chance.randint(1990, 2025)}-{chance.randint(1, 12):02}", "barcode": f"{chance.randrange(10**12):013}"}
            for number in range(1, min(chance.randint(1, 9), count - written) + 1):
                row = shared | {
                    "title": " ".join(chance.choices(words, k=chance.randint(1, 4))), "album_artists": [artist], "disc": 1,
                    "artists": [artist, chance.choice(artists)] if chance.random() < 0.3 else [artist], "number": number,
                    "duration_ms": chance.randint(60_000, 400_000), "explicit": chance.random() < 0.13,
                    "popularity": int(chance.paretovariate(1)) % 100, "extra": {"markets": chance.randint(0, 200)},
                }  # fmt: skip
                if chance.random() < 0.8:
                    row["isrcs"] = [f"QZ{chance.choice('ABCDEF')}{chance.randrange(10):02}{chance.randrange(10**7):07}"]
                file.write(json.dumps(row) + "\n")
                written += 1
    return path


def main() -> None:
    """Lines a second of each way; `--into` on one core and on two, and with the lines themselves."""
    with working_folder() as folder:
        lines, more = write_lines(folder / "lines.jsonl", LINES), write_lines(folder / "more.jsonl", LINES_INTO)
        archive, tables = folder / "archive", folder / "tables"

        def renew() -> None:
            shutil.rmtree(archive, ignore_errors=True)
            shutil.rmtree(tables, ignore_errors=True)
            run_fonoteca("init", archive)

        def again() -> None:
            renew()
            run_fonoteca("catalogue", "import", lines, "--archive", archive)

        def into(cores: int, *options: str) -> None:
            with pinned(cores):
                run_fonoteca("catalogue", "import", more, "--into", tables, *options)

        compare(
            "Importing into the working catalogue",
            [
                Alternative("add --metadata", lambda: run_fonoteca("add", "--metadata", lines, "--archive", archive), renew),
                Alternative("catalogue import", lambda: run_fonoteca("catalogue", "import", lines, "--archive", archive), renew),
                Alternative("without source records",
                            lambda: run_fonoteca("catalogue", "import", lines, "--no-source-records", "--archive", archive), renew),
                Alternative("the same file again", lambda: run_fonoteca("catalogue", "import", lines, "--archive", archive), again),
            ],
            amount=LINES, unit="lines", rounds=3, warm_up=False,
        )  # fmt: skip
        without = "--no-source-records"
        ways = [Alternative(f"--into {without}, {cores} core", partial(into, cores, without), renew) for cores in (1, 2)]
        ways.append(Alternative("--into, 2 cores", partial(into, 2), renew))
        compare("Importing into tables", ways, amount=LINES_INTO, unit="lines", rounds=3, warm_up=False)


if __name__ == "__main__":
    main()
