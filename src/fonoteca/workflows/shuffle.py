"""`shuffle`: tracks in shuffled order with the place of each one's file, for players and for people."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.playlist_files import PlaylistEntry
from fonoteca.catalogue.shuffle import Shuffle, Shuffled, ShuffledTrack, resume_shuffle, start_shuffle
from fonoteca.ground.errors import UsageError
from fonoteca.workflows.read_catalogue import FilePlaces

_FILES = "SELECT container_name, aacid, is_public FROM track_files WHERE track = ? ORDER BY is_public DESC, position"
_SEED_DIGITS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_URL = re.compile("[A-Za-z][A-Za-z0-9+.-]*://[^\\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
SEED_LENGTH = 22  # 128 bits, as many as a key has


class ShuffleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `cursor` goes on with an earlier shuffle; then the filter, if any is given, must be the same."""

    track_filter: TrackFilter = TrackFilter()
    seed: str | None = None
    is_weighted: bool = False
    cursor: str | None = None


def new_seed() -> str:
    """A random seed that is easy to copy."""
    return "".join(secrets.choice(_SEED_DIGITS) for _ in range(SEED_LENGTH))


def open_shuffle(catalogue: Shuffled, options: ShuffleOptions) -> tuple[Shuffle, str | None]:
    """The shuffle, and its seed where it is a new one."""
    if options.cursor is None:
        seed = options.seed if options.seed is not None else new_seed()
        return start_shuffle(catalogue, options.track_filter, seed, is_weighted=options.is_weighted), seed
    if options.seed is not None or options.is_weighted:
        raise UsageError("a cursor has its seed and its weights", "Give --resume without --seed and --weighted.")
    wanted = None if options.track_filter.is_empty else options.track_filter
    return resume_shuffle(catalogue, options.cursor, wanted), None


def playlist_entries(
    catalogue: Shuffled, tracks: Iterator[ShuffledTrack], places: FilePlaces, leave_out: Callable[[], None] | None = None
) -> Iterator[PlaylistEntry]:
    """Each track with its file, where there is one; else with its id as a URN, or not: where `leave_out` is given, that is called."""
    for track in tracks:
        identifier = f"urn:fonoteca:{track.id}"
        place = _locate(catalogue, track, places)
        if place is None and leave_out is not None:
            leave_out()
            continue
        location, uri = place or (identifier, identifier)
        yield PlaylistEntry(
            identifier=identifier, location=location, uri=uri, title=track.title, creator=track.artists, album=track.album,
            duration_ms=track.duration_ms,
        )  # fmt: skip


def places_below(url: str) -> FilePlaces:
    """Where files are in a release that is reached at `url`; UsageError where that is no URL."""
    if not _URL.fullmatch(url):
        raise UsageError(f"--base {url[:200]!r} is no URL", "Give scheme, host and path, without spaces: https://music.example/release/")
    return FilePlaces(url=url)


def _locate(catalogue: Shuffled, track: ShuffledTrack, places: FilePlaces) -> tuple[str, str] | None:
    """(path or URL, URI) of the first file that is here, else of the first that a release has."""
    if track.status != "held":
        return None
    files = list(catalogue.statements.rows(_FILES, (track.row,)))
    if places.containers is not None:
        for container, aacid, _ in files:
            path = Path(os.path.abspath(places.containers)) / container / aacid
            if path.is_file():
                return str(path), path.as_uri()
    if places.url:
        for container, aacid, is_public in files:
            if is_public:
                url = f"{places.url.rstrip('/')}/containers/{quote(container)}/{quote(aacid)}"
                return url, url
    return None
