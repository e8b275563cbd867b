"""What is learned from the rows of an edition while they are written: names for the search, statistics, what may be published."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.columns import numbers_of
from fonoteca.catalogue.bulk.pouring import UNSEEN, Seer
from fonoteca.catalogue.bulk.search_feed import FurtherNames, NameList, TextStore, join_texts
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.statistics_counter import StatisticsCounter

Array = NDArray[Any]
_COUNTED = ("popularity", "duration_ms", "explicit", "isrc_number", "state", "rights", "plays", "album", "label")
_SEEN = {
    "artist_aliases": ("artist", "alias"), "artists": ("artist", "name", "sort_name"), "artist_genres": ("genre",),
    "further_album_artists": ("album", "artist"), "albums": ("album", "title", "artist", "date", "label"), "rights": ("may_publish",),
    "further_isrcs": ("isrc_number",), "further_track_artists": ("track", "artist", "credited_as"),
    "tracks": ("track", "id", "title", "artist", "credited_as", *_COUNTED), "files": ("track", "kind", "size"),
    "track_genres": ("track", "genre"), "tombstones": ("track_id",),
}  # fmt: skip
"""The columns that are looked at."""
_JOINED_AHEAD = 2


class Observers:
    """Sees every table as it is stored, names before what they name; `of` gives what sees a table, by its name.

    Texts for the search are joined in a thread of their own, and not at all without `has_search`.
    """

    def __init__(self, scratch: Path, albums: int, has_search: bool) -> None:
        self.has_search = has_search
        self._thread = ThreadPoolExecutor(1, "texts") if has_search else None
        self._joining: deque[Future[None]] = deque()
        self.texts = scratch / "texts"
        self.texts.mkdir()
        self._stores = {kind: TextStore(self.texts, kind) for kind in ("artist", "album", "track")}
        self._artists, self._albums = NameList(), NameList()
        self._further = {name: FurtherNames(scratch / f"{name}.names") for name in ("artist", "album", "track")}
        self._album_labels = np.zeros(albums + 1, np.int64)
        self.statistics = StatisticsCounter(self._album_labels)
        self.publishable = 0
        self._may_publish, self._buried = np.zeros(1, bool), pa.array([], pa.string())

    def of(self, name: str) -> Seer:
        """What sees the rows of this table."""
        return Seer(_SEEN[name], getattr(self, f"_see_{name}")) if name in _SEEN else UNSEEN

    def _join(self, joins: Callable[[pa.RecordBatch], None], batch: pa.RecordBatch) -> None:
        if self._thread is None:
            return
        self._joining.append(self._thread.submit(joins, batch))
        while len(self._joining) > _JOINED_AHEAD:
            self._joining.popleft().result()

    def names_are_joined(self) -> None:
        """No more texts come."""
        while self._joining:
            self._joining.popleft().result()
        for store in self._stores.values():
            store.finish()
        self._artists, self._albums = NameList(), NameList()

    def _see_artist_aliases(self, batch: pa.RecordBatch) -> None:
        self._join(self._join_artist_aliases, batch)

    def _join_artist_aliases(self, batch: pa.RecordBatch) -> None:
        self._further["artist"].take(batch.column("artist"), batch.column("alias"))

    def _see_artists(self, batch: pa.RecordBatch) -> None:
        self.statistics.add_artists(len(batch))
        self._join(self._join_artists, batch)

    def _join_artists(self, batch: pa.RecordBatch) -> None:
        self._artists.take(batch.column("name"))
        further = self._further["artist"].of(_first(batch), len(batch))
        self._stores["artist"].take(join_texts(batch.column("name"), batch.column("sort_name"), further))

    def _see_artist_genres(self, batch: pa.RecordBatch) -> None:
        self.statistics.add_artist_genres({"genre": numbers_of(batch.column("genre"))[0]})

    def _see_further_album_artists(self, batch: pa.RecordBatch) -> None:
        self._join(self._join_further_album_artists, batch)

    def _join_further_album_artists(self, batch: pa.RecordBatch) -> None:
        self._further["album"].take(batch.column("album"), self._artists.of(batch.column("artist")))

    def _see_albums(self, batch: pa.RecordBatch) -> None:
        self.statistics.add_albums({"date": batch.column("date").cast(pa.string())})
        first = _first(batch)
        self._album_labels[first : first + len(batch)] = numbers_of(batch.column("label"))[0]
        self._join(self._join_albums, batch)

    def _join_albums(self, batch: pa.RecordBatch) -> None:
        self._albums.take(batch.column("title"))
        further = self._further["album"].of(_first(batch), len(batch))
        self._stores["album"].take(join_texts(batch.column("title"), self._artists.of(batch.column("artist")), further))

    def _see_rights(self, batch: pa.RecordBatch) -> None:
        self._may_publish = np.concatenate([self._may_publish, numbers_of(batch.column("may_publish"))[0] != 0])

    def _see_tombstones(self, batch: pa.RecordBatch) -> None:
        self._buried = pa.concat_arrays([self._buried, batch.column("track_id").cast(pa.string())])

    def _see_further_isrcs(self, batch: pa.RecordBatch) -> None:
        self.statistics.add_further_isrcs(numbers_of(batch.column("isrc_number"))[0])

    def _see_further_track_artists(self, batch: pa.RecordBatch) -> None:
        self._join(self._join_further_track_artists, batch)

    def _join_further_track_artists(self, batch: pa.RecordBatch) -> None:
        self._further["track"].take(batch.column("track"), _credited(batch, self._artists))

    def _see_tracks(self, batch: pa.RecordBatch) -> None:
        self.statistics.add_tracks({name: _plain(batch.column(name), name) for name in _COUNTED})
        self._count_publishable(batch)
        self._join(self._join_tracks, batch)

    def _join_tracks(self, batch: pa.RecordBatch) -> None:
        further = self._further["track"].of(_first(batch), len(batch))
        texts = batch.column("title"), _credited(batch, self._artists), further, self._albums.of(batch.column("album"))
        self._stores["track"].take(join_texts(*texts))

    def _count_publishable(self, batch: pa.RecordBatch) -> None:
        may = self._may_publish[numbers_of(batch.column("rights"))[0]] & (numbers_of(batch.column("state"))[0] != STATES.index("withdrawn"))
        if may.any() and len(self._buried):
            may &= ~np.asarray(pc.is_in(batch.column("id"), self._buried))
        self.publishable += int(may.sum())

    def _see_files(self, batch: pa.RecordBatch) -> None:
        self.statistics.add_files({name: numbers_of(batch.column(name))[0] for name in ("track", "kind", "size")})

    def _see_track_genres(self, batch: pa.RecordBatch) -> None:
        self.statistics.add_track_genres({name: numbers_of(batch.column(name))[0] for name in ("track", "genre")})

    def see_index(self, name: str, numbers: Array) -> None:
        """The keys of the next entries of an index."""
        if name == "tracks_by_isrc":
            self.statistics.add_isrcs(numbers)


def _first(batch: pa.RecordBatch) -> int:
    return int(batch.column(0)[0].as_py()) if len(batch) else 1


def _credited(batch: pa.RecordBatch, artists: NameList) -> pa.Array:
    names, credited = artists.of(batch.column("artist")), batch.column("credited_as")
    return names if credited.null_count == len(credited) else pc.coalesce(credited.cast(names.type), names)


def _plain(column: pa.Array, name: str) -> pa.Array:
    if pa.types.is_null(column.type):
        return column.cast(pa.float64() if name == "popularity" else pa.int64())
    return column
