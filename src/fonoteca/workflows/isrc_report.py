"""Songs per ISRC: how many tracks carry one code, and which codes were used again for other songs."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from fonoteca.catalogue.same_recordings import RecordingStore
from fonoteca.ground.progress import Progress
from fonoteca.ground.recordings import Recording
from fonoteca.identity import songs_of
from fonoteca.workflows.archive import Archive

READ_AT_ONCE = 2_000
MOST_READ = 1_000  # tracks of one ISRC that are compared; codes on more are stand-ins such as that of silence
IDS_TOLD = 20


class IsrcSong(msgspec.Struct, frozen=True):
    """One song of an ISRC: its first title, artists and duration, how many tracks, and the ids of the first 20."""

    title: str | None
    artists: str
    duration_ms: int | None
    tracks: int
    ids: tuple[str, ...]


class ReusedIsrc(msgspec.Struct, frozen=True):
    """One ISRC that carries different songs: titles or durations are apart."""

    isrc: str
    tracks: int
    songs: tuple[IsrcSong, ...]


class IsrcReport(msgspec.Struct, kw_only=True):
    """`tracks_per_isrc` and `songs_per_isrc` count the ISRCs by how many tracks and songs carry them.

    `reused` tells those with different songs, most songs first, as many as were asked for; `reused_count` counts all of them.
    """

    isrcs: int = 0
    tracks_per_isrc: dict[int, int] = {}
    songs_per_isrc: dict[int, int] = {}
    reused_count: int = 0
    reused: list[ReusedIsrc] = []


def report_isrcs(archive: Archive, progress: Progress, most: int = 10_000) -> IsrcReport:
    """Look at every ISRC once; the report tells the `most` that carry the most songs. Memory does not grow with the catalogue."""
    store = RecordingStore(archive.catalogue.statements)
    tracks, songs = Counter[int](), Counter[int]()
    reused: list[tuple[int, int, str, ReusedIsrc]] = []
    progress.start("looking at ISRCs", None, "ISRCs")
    for isrc, rows, recordings in _by_isrc(store):
        found = songs_of(recordings) if len(rows) > 1 else []
        tracks[len(rows)] += 1
        songs[max(1, len(found))] += 1
        if len(found) > 1:
            told = ReusedIsrc(isrc, len(rows), tuple(_song(song) for song in found))
            _keep_largest(reused, (len(found), len(rows), _falling(isrc), told), most)
        progress.advance()
    progress.finish()
    return IsrcReport(
        isrcs=sum(tracks.values()), tracks_per_isrc=dict(sorted(tracks.items())), songs_per_isrc=dict(sorted(songs.items())),
        reused_count=sum(count for number, count in songs.items() if number > 1),
        reused=[told for *_, told in sorted(reused, key=lambda one: one[:3], reverse=True)],
    )  # fmt: skip


def _falling(isrc: str) -> str:
    """A text that sorts the other way round, so that of equals the first ISRC comes first."""
    return "".join(chr(0x7F - ord(char)) for char in isrc)


def _keep_largest(heap: list[tuple[int, int, str, ReusedIsrc]], one: tuple[int, int, str, ReusedIsrc], most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, one)
    elif most:
        heapq.heappushpop(heap, one)


def _by_isrc(store: RecordingStore) -> Iterator[tuple[str, list[int], list[Recording]]]:
    """Each ISRC with the rows of its tracks, and their recordings where there are several."""
    waiting: list[tuple[str, list[int]]] = []
    size = 0
    for isrc, rows in store.rows_by_isrc():
        waiting.append((isrc, rows))
        size += len(rows)
        if size >= READ_AT_ONCE:
            yield from _read(store, waiting)
            waiting, size = [], 0
    yield from _read(store, waiting)


def _read(store: RecordingStore, waiting: list[tuple[str, list[int]]]) -> Iterable[tuple[str, list[int], list[Recording]]]:
    wanted = (row for _, rows in waiting if len(rows) > 1 for row in rows[:MOST_READ])
    known = {one.row: one for one in store.read(wanted)}
    return [(isrc, rows, [known[row] for row in rows if row in known]) for isrc, rows in waiting]


def _song(song: list[Recording]) -> IsrcSong:
    first = song[0]
    artists = ", ".join(names[0] for names in first.artists)
    return IsrcSong(first.title, artists, first.duration_ms, len(song), tuple(one.id for one in song[:IDS_TOLD]))
