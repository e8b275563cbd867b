"""The whole catalogue at full size: generated, built, looked into; prints minutes, gigabytes and times, extrapolated to 256 million tracks.

    python benchmarks/full_catalogue.py [FOLDER] [--share auto|1|1/2|1/64] [--memory 12GiB] [--leave 8GB] [--keep] [--build-only]

Where the disk is too small it runs the largest share by a power of two that fits, and says so. Results: build/full-catalogue.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from catalogue_load import TRACKS, write_load
from catalogue_questions import ask_all
from fonoteca.catalogue.bulk.build import build_edition
from fonoteca.ground.files import name_beside
from fonoteca.ground.quantities import parse_bytes
from fonoteca.ground.workers import count_cores
from process_watch import Watch, in_own_process

RESULTS = Path(__file__).resolve().parent.parent / "build" / "full-catalogue.json"
STAGING_BYTES, SCRATCH_BYTES, EDITION_BYTES = 92, 105, 244
"""A track, with all that belongs to it: the tables, the most scratch at a time, the edition; measured at 1/16."""
SMALLEST = Fraction(1, 1024)


class Steps:
    """Progress that keeps, for every step, its seconds and what the file grew by; prints them as they come."""

    def __init__(self, growing: Path, watch: Watch) -> None:
        self._growing, self._watch = growing, watch
        self.done: list[dict[str, Any]] = []
        self._what, self._started = "", (0.0, 0.0, 0)

    def _now(self) -> tuple[float, float, int]:
        return time.monotonic(), self._watch.cpu_seconds(), self._growing.stat().st_size if self._growing.exists() else 0

    def start(self, what: str, total: int | None, unit: str) -> None:
        """See Progress."""
        self._what, self._started = what, self._now()

    def advance(self, amount: int = 1) -> None:
        """See Progress."""

    def note(self, text: str) -> None:
        """See Progress."""
        print(text, flush=True)

    def finish(self) -> None:
        """See Progress."""
        step = [now - before for now, before in zip(self._now(), self._started, strict=True)]
        self.done.append({"step": self._what, "seconds": round(step[0], 2), "cpu_seconds": round(step[1], 2), "bytes": step[2]})
        if step[0] > 1:
            print(f"  {self._what:42} {step[0]:8.1f} s {step[1]:8.1f} CPU s {step[2] / 1e9:8.3f} GB", flush=True)


def choose_share(wanted: str, folder: Path, leave_bytes: int) -> Fraction:
    """The share that is asked for, or with "auto" the largest by a power of two that fits on the disk."""
    free = shutil.disk_usage(folder).free - leave_bytes
    each = STAGING_BYTES + SCRATCH_BYTES + EDITION_BYTES
    if wanted != "auto":
        share = Fraction(wanted)
        if share * TRACKS * each > free:
            sys.exit(f"{share} of the catalogue wants {float(share * TRACKS * each) / 1e9:.0f} GB, and {free / 1e9:.0f} GB may be used")
        return share
    share = Fraction(1)
    while share * TRACKS * each > free and share > SMALLEST:
        share /= 2
    if share < 1:
        print(f"the whole catalogue wants {TRACKS * each / 1e9:.0f} GB, {free / 1e9:.0f} GB may be used: {share} of it is run", flush=True)
    return share


def make_tables(folder: Path, share: Fraction) -> dict[str, Any]:
    """The tables, made by a process of its own, so that its memory is not the builder's."""
    started = time.monotonic()
    done = folder / "done.json"
    if not done.exists() or json.loads(done.read_text())["share"] != str(share):
        shutil.rmtree(folder, ignore_errors=True)
        in_own_process(_write, str(folder), str(share))
        done.write_text(json.dumps({"share": str(share)}))
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    print(f"tables: {time.monotonic() - started:.0f} s, {size / 1e9:.2f} GB", flush=True)
    return {"seconds": round(time.monotonic() - started, 1), "bytes": size}


def _write(folder: str, share: str) -> None:
    write_load(Path(folder), Fraction(share))


def build(tables: Path, edition: Path, scratch: Path, memory_bytes: int) -> dict[str, Any]:
    """The edition, watched: what each step took, memory of all processes, the most scratch."""
    with Watch(scratch) as watch:
        steps = Steps(name_beside(edition, "partial"), watch)
        started = time.monotonic()
        counts = build_edition(
            tables, edition, title="Reference workload", date="2026-01-01", scratch=scratch, memory_bytes=memory_bytes, progress=steps
        )
        seconds, cpu = time.monotonic() - started, watch.cpu_seconds()
    memory, scratch_bytes = watch.most_memory, watch.most_on_disk
    print(f"built {counts.tracks:,} tracks, {counts.albums:,} albums, {counts.artists:,} artists, {counts.files:,} files: "
          f"{seconds / 60:.1f} minutes, {cpu:.0f} CPU s, {counts.size / 1e9:.2f} GB, at most {memory / 2**30:.1f} GiB of memory "
          f"and {scratch_bytes / 1e9:.1f} GB of scratch", flush=True)  # fmt: skip
    return {
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "bytes": counts.size, "memory_bytes": memory,
        "scratch_bytes": scratch_bytes, "tracks": counts.tracks, "albums": counts.albums, "artists": counts.artists, "files": counts.files,
        "steps": steps.done,
    }  # fmt: skip


def extrapolate(result: dict[str, Any], share: Fraction) -> dict[str, Any]:
    """What all of it would take, if it grows as it should: in proportion."""
    times = float(1 / share)
    return {
        "minutes": round(result["seconds"] * times / 60, 1), "cpu_seconds": round(result["cpu_seconds"] * times),
        "gigabytes": round(result["bytes"] * times / 1e9, 1), "scratch_gigabytes": round(result["scratch_bytes"] * times / 1e9, 1),
    }  # fmt: skip


def keep(result: dict[str, Any]) -> None:
    """Write what was found so far."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(partial, RESULTS)


def main() -> int:
    """Generate, build, ask, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=RESULTS.parent / "full-catalogue")
    parser.add_argument("--share", default="auto")
    parser.add_argument("--memory", default="12GiB")
    parser.add_argument("--leave", default="8GB")
    parser.add_argument("--keep", action="store_true", help="leave tables and edition where they are")
    parser.add_argument("--build-only", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    tables, edition, scratch = given.folder / "tables", given.folder / "edition.sqlite3", given.folder / "scratch"
    edition.unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)
    share = choose_share(given.share, given.folder, parse_bytes(given.leave))
    result: dict[str, Any] = {"share": str(share), "cores": count_cores(), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    try:
        result["tables"] = make_tables(tables, share)
        scratch.mkdir(exist_ok=True)
        result["build"] = build(tables, edition, scratch, parse_bytes(given.memory))
        result["extrapolated"] = extrapolate(result["build"], share)
        print("extrapolated to all of it:", json.dumps(result["extrapolated"]), flush=True)
        keep(result)
        if not given.build_only:
            result["questions"] = ask_all(edition)
            keep(result)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not given.keep:
            shutil.rmtree(tables, ignore_errors=True)
            edition.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
