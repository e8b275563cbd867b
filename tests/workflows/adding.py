"""`add` through its Python face, for tests that ask what came of it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.ground.progress import Silent
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.build import build
from fonoteca.workflows.build_report import BuildReport
from fonoteca.workflows.ingest import AddOptions, AddReport, add_files
from fonoteca.workflows.ingest_tables import add_metadata, add_plays
from fonoteca.workflows.lookup import read_status, show_track
from generated_music import make_flac, make_ogg_opus, make_ogg_vorbis, make_wav

MAKERS = {".ogg": make_ogg_vorbis, ".opus": make_ogg_opus, ".flac": make_flac, ".wav": make_wav}
FREE = "https://creativecommons.org/publicdomain/zero/1.0/"


def write_sound(path: Path, sound: str = "a", **tags: str) -> Path:
    """A small file of the format that the suffix says; the same `sound` is the same essence under other tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MAKERS[path.suffix](random.Random(sound), {name.upper(): value for name, value in tags.items()}))
    return path


def add(
    archive: Path, *sources: Path, plays: Path | None = None, metadata: Path | None = None, decode: bool = False, **options: Any
) -> AddReport:
    """One run of add; structure only, unless `decode`."""
    with open_archive(archive, "test") as opened:
        report = add_files(opened, sources, AddOptions(decode=decode, **options), Silent()) if sources else AddReport()
        if metadata is not None:
            add_metadata(opened, metadata, report, Silent())
        if plays is not None:
            add_plays(opened, plays, report, Silent())
    return report


def build_all(archive: Path) -> BuildReport:
    """One run of build."""
    with open_archive(archive, "test") as opened:
        return build(opened, Silent())


def show(archive: Path, track: str | Path) -> dict[str, Any]:
    """What `show --json` tells; None for what it leaves out."""
    with open_archive(archive, "test", read_only=True) as opened:
        told: dict[str, Any] = json.loads(msgspec.json.encode(show_track(opened, str(track))))
    return defaultdict(lambda: None, told)


def statuses(archive: Path) -> dict[str, int]:
    """Tracks by status."""
    with open_archive(archive, "test", read_only=True) as opened:
        return read_status(opened).tracks


def publishable(archive: Path) -> int:
    """Held tracks that may be published."""
    with open_archive(archive, "test", read_only=True) as opened:
        return read_status(opened).publishable


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
