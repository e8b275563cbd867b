"""True shuffle at 4 M tracks: the time to the first track and for each further one, beside ORDER BY random()."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, product
from pathlib import Path

from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.permutation import permutation
from fonoteca.catalogue.random_words import key_of_seed
from fonoteca.catalogue.shuffle import Shuffled, start_shuffle
from fonoteca.catalogue.statistics import count_statistics
from fonoteca.workflows.read_catalogue import open_edition_to_read
from harness import Alternative, compare
from made_editions import write_catalogue

TRACKS = 4_000_000
OPENINGS = 15
FOLLOWING = 5_000
STARTS = 1_000
REFERENCE = 256_039_007
FILTERS = {
    "all": TrackFilter(),
    "held (a third)": TrackFilter(is_held=True),
    "popularity 50–60": TrackFilter(popularity_from=50, popularity_to=60),
    "ten years": TrackFilter(year_from=1990, year_to=1999),
    "one label (1 in 40)": TrackFilter(label="Label 03"),
    "one artist": TrackFilter(artist="Artist 1234"),
}


def main() -> None:
    """Measure an edition made here, or the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=TRACKS)
    parser.add_argument("--edition", type=Path, help="measure this edition instead")
    arguments = parser.parse_args()
    measure_orders()
    with edition(arguments.edition, arguments.tracks) as path:
        measure_first_tracks(path)
        compare_with_sorting(path)


@contextmanager
def edition(given: Path | None, tracks: int) -> Iterator[Path]:
    """The edition to measure."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="bench-shuffle-") as folder:
        path = Path(folder) / "edition.sqlite3"
        write_catalogue(path, tracks)
        add_statistics(path)
        yield path


def add_statistics(path: Path) -> None:
    """The table that real editions have."""
    import apsw

    connection = apsw.Connection(str(path))
    count_statistics(connection)
    connection.close()


def measure_orders() -> None:
    """The order alone, without a catalogue."""
    print(f"\nThe order of {REFERENCE:,} numbers")
    firsts = []
    for number in range(50):
        started = time.process_time()
        permutation(REFERENCE, key_of_seed(str(number))).block(0, 1)
        firsts.append(time.process_time() - started)
    order = permutation(REFERENCE, key_of_seed("a"))
    started = time.process_time()
    order.block(10**6, 3 * 10**6)
    print(f"first {statistics.median(firsts) * 1e3:.2f} ms, then {(time.process_time() - started) / 2e6 * 1e9:.0f} ns each in blocks")


def measure_first_tracks(path: Path) -> None:
    """From an open catalogue to the first track with its names; then each further one."""
    print(f"\n{'':32} {'first: CPU ms':>13} {'clock ms':>9} {'worst':>7} {'then: CPU µs each':>18} {'rows walked':>12}")
    for is_weighted, (name, wanted) in product((False, True), FILTERS.items()):
        firsts = [time_first(path, wanted, str(number), is_weighted) for number in range(OPENINGS)]
        cpu, clock = (sorted(times) for times in zip(*firsts, strict=True))
        each, rows = time_following(path, wanted, is_weighted)
        title = name + (", weighted" if is_weighted else "")
        middle = f"{statistics.median(cpu):13.2f} {statistics.median(clock):9.2f} {clock[-1]:7.2f}"
        print(f"{title:32} {middle} {each:18.1f} {rows:12,}", flush=True)


def time_first(path: Path, wanted: TrackFilter, seed: str, is_weighted: bool) -> tuple[float, float]:
    """Milliseconds, of CPU and on the clock, until the first track is there."""
    with open_edition_to_read(path) as catalogue:
        started = time.process_time(), time.perf_counter()
        next(iter(start_shuffle(catalogue, wanted, seed, is_weighted=is_weighted)))
        return (time.process_time() - started[0]) * 1e3, (time.perf_counter() - started[1]) * 1e3


def time_following(path: Path, wanted: TrackFilter, is_weighted: bool) -> tuple[float, int]:
    """Microseconds of CPU for each further track, and the rows that are walked in all."""
    with open_edition_to_read(path) as catalogue:
        shuffle = start_shuffle(catalogue, wanted, "x", is_weighted=is_weighted)
        tracks = iter(shuffle)
        next(tracks)
        started = time.process_time()
        count = sum(1 for _ in islice(tracks, FOLLOWING))
        return (time.process_time() - started) / max(count, 1) * 1e6, shuffle.size


def compare_with_sorting(path: Path) -> None:
    """From the question to the first track. Only a whole sort gives every track once; LIMIT gives some of them."""
    with open_edition_to_read(path) as catalogue:
        rows = int(catalogue.statements.value("SELECT max(track) FROM tracks"))
        alternatives = [
            Alternative(f"fonoteca, {STARTS} times", lambda: [begin(catalogue, str(seed)) for seed in range(STARTS)]),
            Alternative("ORDER BY random()", lambda: catalogue.statements.row("SELECT track FROM tracks ORDER BY random()")),
            Alternative(
                "ORDER BY random() LIMIT 1", lambda: catalogue.statements.row("SELECT track FROM tracks ORDER BY random() LIMIT 1")
            ),
        ]
        found = compare(f"the first of {rows:,} tracks in random order", alternatives, amount=1, unit="runs", rounds=3)
        for alternative in alternatives[1:]:
            ratio = found.ratio(alternatives[0].name, alternative.name) * STARTS
            print(f"{alternative.name} takes {ratio:,.0f} times the CPU time of a shuffle that begins")


def begin(catalogue: Shuffled, seed: str) -> object:
    """The first track."""
    return next(iter(start_shuffle(catalogue, TrackFilter(), seed)))


if __name__ == "__main__":
    main()
