"""The table `statistics` of an edition: every histogram of its report page, counted once; docs/formats/statistics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import msgspec
import numpy as np

from fonoteca.catalogue.rank_weights import Whole
from fonoteca.catalogue.statistics_counter import MEASURES, UNKNOWN, NameOf, StatisticsCounter, StatisticsRow
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import DatabaseError
from fonoteca.ground.progress import Progress, Silent

STATISTICS_TABLE = f"""
CREATE TABLE IF NOT EXISTS statistics (
  report TEXT NOT NULL, bucket INTEGER NOT NULL, name TEXT, {", ".join(f"{measure} INTEGER NOT NULL" for measure in MEASURES)},
  PRIMARY KEY (report, bucket)
) STRICT, WITHOUT ROWID;
"""
COLUMNS = ("report", "bucket", "name", *MEASURES)

BATCH = 1 << 17
_REBUILD = "Take the edition from its publisher again; its SHA-256 stands in SHA256SUMS."
_NAMES = {
    "labels": "SELECT name FROM main.labels WHERE label = ?",
    "genres": "SELECT name FROM main.genres WHERE genre = ?",
    "rights": "SELECT coalesce(name, uri) FROM main.rights WHERE rights = ?",
    "file_kinds": "SELECT format || ' ' || tier FROM main.file_kinds WHERE kind = ?",
}
_TRACKS = """
SELECT t.track, coalesce(t.popularity, -1), coalesce(t.duration_ms, -1), coalesce(t.explicit, -1), coalesce(t.isrc_number, -1), t.state,
  coalesce(t.rights, 0), coalesce(t.plays, -1), coalesce(t.album, 0), coalesce(t.label, b.label, 0)
FROM {schema}tracks t LEFT JOIN main.albums b USING (album) ORDER BY {order}
"""
_TRACK_COLUMNS = ("track", "popularity", "duration_ms", "explicit", "isrc_number", "state", "rights", "plays", "album", "label")
_RANKED = """t.popularity IS NULL, t.popularity DESC, b.popularity IS NULL, b.popularity DESC, b.album IS NULL, b.id,
  t.disc IS NULL, t.disc, t.number IS NULL, t.number, t.id"""
# the edition moves a date that all tracks of an album share to the album
_ALBUMS = """
SELECT coalesce(b.date, (SELECT CASE WHEN count(DISTINCT t.date) = 1 AND count(t.date) = count(*) THEN max(t.date) END
  FROM main.tracks t WHERE t.album = b.album)) FROM main.albums b
"""
_EDITION_ALBUMS = "SELECT date FROM main.albums"
_ISRCS = "SELECT isrc_number FROM main.tracks WHERE isrc_number IS NOT NULL ORDER BY isrc_number"


def read_statistics(connection: apsw.Connection) -> list[StatisticsRow]:
    """The table as an edition holds it, in the order of its primary key; DatabaseError where it counts what cannot be."""
    statement = f"SELECT {', '.join(COLUMNS)} FROM main.statistics ORDER BY report, bucket"
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in connection.execute(statement)]
    try:
        found = msgspec.convert(rows, list[StatisticsRow])
    except msgspec.ValidationError as error:
        raise DatabaseError(f"its table of statistics cannot be read: {error}", _REBUILD) from error
    for row in found:
        if row.bucket < UNKNOWN or min(getattr(row, measure) for measure in MEASURES) < 0:
            raise DatabaseError(f"its table of statistics has a number below 0: {row.report} {row.bucket}", _REBUILD)
    return found


def write_statistics(connection: apsw.Connection, rows: Iterable[StatisticsRow]) -> None:
    """Make the table and fill it."""
    connection.execute(STATISTICS_TABLE)
    marks = ", ".join("?" * len(COLUMNS))
    connection.executemany(f"INSERT INTO main.statistics VALUES ({marks})", ([getattr(row, name) for name in COLUMNS] for row in rows))


def count_statistics(connection: apsw.Connection, progress: Progress | None = None) -> list[StatisticsRow]:
    """Count an edition (`main`, its tables filled, its row numbers ranks) by SQL and fill its table `statistics`."""
    rows = counted_rows(connection, is_edition=True, progress=progress)
    write_statistics(connection, rows)
    return rows


def counted_rows(connection: apsw.Connection, *, is_edition: bool, progress: Progress | None = None) -> list[StatisticsRow]:
    """The rows of `statistics` for the catalogue in `main`; writes nothing. Where row numbers are no ranks, tracks are sorted first."""
    reader = _Reader(connection, progress or Silent())
    counter = StatisticsCounter()
    ranks = reader.count_tracks(counter, is_edition)
    reader.count_rest(counter, ranks, is_edition)
    return counter.rows(names_in(connection))


def names_in(connection: apsw.Connection) -> NameOf:
    """What names the buckets: labels, genres, rights and kinds of files by their numbers in `main`."""
    return lambda table, number: next((row[0] for row in connection.execute(_NAMES[table], (number,))), None)


class _Reader:
    """Streams the tables into a counter."""

    def __init__(self, connection: apsw.Connection, progress: Progress) -> None:
        self._connection, self._progress = connection, progress

    def count_tracks(self, counter: StatisticsCounter, is_edition: bool) -> Callable[[Whole], Whole]:
        """Gives what turns row numbers into ranks."""
        highest, total = self._connection.execute("SELECT coalesce(max(track), 0), count(*) FROM main.tracks").fetchone() or (0, 0)
        ranks = np.zeros(0 if is_edition else highest + 1, dtype=np.int64)
        self._progress.start("counting", total, "tracks")
        done = 0
        # a view `temp.tracks` shows scores that settings have changed and nobody has stored yet
        statement = _TRACKS.format(schema="main.", order="t.track") if is_edition else _TRACKS.format(schema="", order=_RANKED)
        for batch in self._batches(statement):
            columns = {name: np.array(column) for name, column in zip(_TRACK_COLUMNS, zip(*batch, strict=True), strict=True)}
            counter.add_tracks(columns)
            if not is_edition:
                ranks[columns["track"]] = np.arange(done + 1, done + 1 + len(batch))
            done += len(batch)
            self._progress.advance(len(batch))
        self._progress.finish()
        return (lambda tracks: tracks) if is_edition else (lambda tracks: ranks[tracks])

    def count_rest(self, counter: StatisticsCounter, ranks: Callable[[Whole], Whole], is_edition: bool) -> None:
        """Albums, artists, files, genres and ISRCs."""
        for batch in self._batches(_EDITION_ALBUMS if is_edition else _ALBUMS):
            counter.add_albums({"date": [row[0] for row in batch]})
        counter.add_artists(int(next(self._connection.execute("SELECT count(*) FROM main.artists"))[0]))
        for columns in self._columns("files", "track", "kind", "size"):
            counter.add_files(columns | {"track": ranks(columns["track"])})
        for columns in self._columns("track_genres", "track", "genre"):
            counter.add_track_genres(columns | {"track": ranks(columns["track"])})
        for columns in self._columns("artist_genres", "genre"):
            counter.add_artist_genres(columns)
        for columns in self._columns("further_isrcs", "isrc_number"):
            counter.add_further_isrcs(columns["isrc_number"])
        for batch in self._batches(_ISRCS):
            counter.add_isrcs(np.array([row[0] for row in batch], dtype=np.int64))

    def _columns(self, table: str, *names: str) -> Iterator[dict[str, Whole]]:
        for batch in self._batches(f"SELECT {', '.join(names)} FROM main.{table}"):
            yield {name: np.array(column, dtype=np.int64) for name, column in zip(names, zip(*batch, strict=True), strict=True)}

    def _batches(self, statement: str) -> Iterator[Sequence[tuple[Any, ...]]]:
        rows = self._connection.execute(statement)
        while batch := list(islice(rows, BATCH)):
            yield batch


_KEYS = ("C", "C♯/D♭", "D", "D♯/E♭", "E", "F", "F♯/G♭", "G", "G♯/A♭", "A", "A♯/B♭", "B")
_MODES = ("minor", "major")
# of several sources for one track the first by name counts
_ONE_SOURCE = "(SELECT id, min(source), {value} AS value FROM features WHERE {field} IS NOT NULL GROUP BY id)"
_FEATURES = {
    "key": ("key", "key", _KEYS),
    "mode": ("mode", "mode", _MODES),
    "tempo": ("tempo", "CAST(round(tempo) AS INTEGER)", ()),
}


def read_features(path: Path) -> list[StatisticsRow]:
    """Keys, modes and tempo (whole beats a minute) counted in a database of audio features; nothing where there is none."""
    if not path.is_file():
        return []
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return [row for report in _FEATURES for row in _count_feature(connection, report)]
        finally:
            connection.close()
    except apsw.Error as error:
        raise translate_database_error(error, path) from error


def _count_feature(connection: apsw.Connection, report: str) -> Iterator[StatisticsRow]:
    field, value, names = _FEATURES[report]
    source = _ONE_SOURCE.format(field=f'"{field}"', value=value)
    for bucket, number in connection.execute(f"SELECT value, count(*) FROM {source} GROUP BY value ORDER BY value"):
        if not names or 0 <= bucket < len(names):
            yield StatisticsRow(report=report, bucket=bucket, name=names[bucket] if names else None, number=number)
