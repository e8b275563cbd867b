"""Acoustic fingerprints of what is held, made from the files in containers or from their sources."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from fonoteca.audio import Fingerprint, find_fingerprinter, fingerprint_file
from fonoteca.catalogue.same_recordings import RecordingStore
from fonoteca.ground.errors import AudioFormatError, ProgramError, UsageError
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import count_cores, map_in_order, open_threads
from fonoteca.workflows.archive import Archive

COMMITTED_EACH_S = 5


def make_fingerprints(archive: Archive, progress: Progress, *, dry_run: bool = False) -> tuple[int, int]:
    """Fingerprint every held track that has none; gives how many were made and how many could not be. Stopped, the next run goes on.

    UsageError where no program here makes fingerprints. `dry_run` counts what would be made.
    """
    if find_fingerprinter() is None:
        raise UsageError("no program here makes acoustic fingerprints", "Install one with: pip install 'fonoteca[fingerprint]'")
    store = RecordingStore(archive.catalogue.statements)
    if dry_run:
        return sum(_file_of(archive, id) is not None for id in store.without_fingerprint()), 0
    progress.start("fingerprints", store.count_without_fingerprint(), "tracks")
    made, failed = 0, 0
    found: list[tuple[str, Fingerprint]] = []
    kept_at = time.monotonic()
    try:
        for id, fingerprint in _fingerprints(archive, store.without_fingerprint()):
            if fingerprint is None:
                failed += 1
            else:
                found.append((id, fingerprint))
                made += 1
            if time.monotonic() - kept_at >= COMMITTED_EACH_S:
                _keep(archive, store, found)
                kept_at = time.monotonic()
            progress.advance()
    finally:  # one takes seconds where music is long: those that are made are not made again
        _keep(archive, store, found)
    progress.finish()
    return made, failed


def _fingerprints(archive: Archive, ids: Iterable[str]) -> Iterator[tuple[str, Fingerprint | None]]:
    cores = count_cores()
    jobs = ((id, path) for id in ids if (path := _file_of(archive, id)))
    with open_threads(cores) as threads:
        for (id, _), future in map_in_order(lambda job: threads.submit(_fingerprint, job[1]), jobs, 2 * cores):
            yield id, future.result()


def _fingerprint(path: Path) -> Fingerprint | None:
    """None where the file cannot be read as sound: `verify` says why, here it is compared by names."""
    try:
        return fingerprint_file(path)
    except (AudioFormatError, ProgramError):
        return None


def _keep(archive: Archive, store: RecordingStore, found: list[tuple[str, Fingerprint]]) -> None:
    with archive.catalogue.transaction():
        for id, fingerprint in found:
            store.put_fingerprint(id, fingerprint.duration_ms, fingerprint.items)
    found.clear()


def _file_of(archive: Archive, track_id: str) -> Path | None:
    """Where the sound of a track can be read: in its container, else a source that is as it was when it was added."""
    member = archive.ledger.current_member(track_id)
    if member is not None:
        place = archive.containers / member.container / member.aacid
        if place.is_file():
            return place
    for source in archive.ledger.sources_of_track(track_id):
        for place in (*([archive.originals / source.original] if source.original else []), Path(os.fsdecode(source.path))):
            if place.is_file() and place.stat().st_size == source.size:
                return place
    return None
