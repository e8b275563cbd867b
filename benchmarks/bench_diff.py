"""A delta between two editions, beside patching the file (zstd --patch-from) and beside fetching it whole (zstd -12)."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from archives import working_folder
from fonoteca.catalogue import Catalogue, TrackRecord, track_id_of, write_edition
from fonoteca.catalogue.edition_apply import apply_delta
from fonoteca.catalogue.edition_diff import write_delta
from harness import measure

TRACKS, CHANGED = 200_000, 2_000


def make_record(number: int, popularity: float) -> TrackRecord:
    """A plausible track, told by its number."""
    return TrackRecord(
        id=track_id_of(hashlib.sha256(b"%d" % number).hexdigest()), title=f"Song of the {number % 9973} {number}",
        artists=(f"Artist {number // 20}",), album=f"Album {number // 10}", number=number % 10 + 1, isrcs=(f"USRC1{number:07d}",),
        duration_ms=180_000 + number, popularity=popularity,
    )  # fmt: skip


def make_editions(folder: Path) -> tuple[Path, Path]:
    """Two editions; between them one track in a hundred changed its popularity, hence its rank."""
    with Catalogue.create(folder / "catalogue.sqlite3") as catalogue:
        with catalogue.transaction():
            for number in range(TRACKS):
                catalogue.put_track(make_record(number, float(number * 7919 % 101)))
        write_edition(catalogue, folder / "old.sqlite3", title="Benchmark", date="2026-01-01")
        with catalogue.transaction():
            for number in range(0, TRACKS, TRACKS // CHANGED):
                catalogue.put_track(make_record(number, float(number * 104_729 % 101)))
        write_edition(catalogue, folder / "new.sqlite3", title="Benchmark", date="2026-02-01")
    return folder / "old.sqlite3", folder / "new.sqlite3"


def pack(*arguments: str | Path) -> None:
    """The zstd program."""
    subprocess.run(["zstd", "-q", "-f", "-T1", "-12", *map(str, arguments)], check=True)


def main() -> None:
    """Bytes that travel and CPU seconds that they cost."""
    with working_folder() as folder:
        old, new = make_editions(folder)
        rows = []
        for name, target, run in (
            ("catalogue diff", folder / "delta.zst", lambda: write_delta(old, new, folder / "delta.zst")),
            ("zstd --patch-from", folder / "patch.zst", lambda: pack("--long=31", f"--patch-from={old}", new, "-o", folder / "patch.zst")),
            ("zstd, the whole edition", folder / "whole.zst", lambda: pack(new, "-o", folder / "whole.zst")),
        ):
            timing = measure(run)
            rows.append((name, target.stat().st_size, timing))
        made = measure(lambda: apply_delta(old, folder / "delta.zst", folder / "made.sqlite3"))
        whole, delta = new.stat().st_size, rows[0][1]
        print(f"\n{TRACKS:,} tracks, {CHANGED:,} changed, {whole / 1e6:.1f} MB; catalogue apply: {made.cpu_s:.1f} CPU-seconds")
        for name, size, timing in rows:
            print(f"  {name:24} {size:>12,} bytes  {size / delta:6.1f} deltas  {timing.cpu_s:6.2f} CPU-seconds")


if __name__ == "__main__":
    main()
