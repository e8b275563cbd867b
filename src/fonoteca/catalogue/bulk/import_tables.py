"""Parts of an import put together: shared things numbered, lines of one track joined, every table in the order of its key.

What is said of one artist or album in many lines is gathered out of core by DuckDB; the tracks and their links, which are nearly all of
it, only have their references replaced, part after part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.import_beside import BesideWriter
from fonoteca.catalogue.bulk.import_parts import PARTS
from fonoteca.catalogue.bulk.import_rows import TOLD
from fonoteca.catalogue.bulk.import_sources import SourceWriter
from fonoteca.catalogue.bulk.import_twins import Twins, find_twins
from fonoteca.catalogue.bulk.shapes import table_shapes
from fonoteca.catalogue.bulk.staging import read_ahead
from fonoteca.catalogue.records import RightsRow
from fonoteca.ground.errors import FormatError
from fonoteca.ground.progress import Progress

Array = NDArray[Any]
_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary()}
LINKS = ("further_track_artists", "further_isrcs", "track_genres", "given_forms")
_RIGHTS = 1 << TOLD.index("rights")
EVERY_FIELD = "*"
"""The field of a provenance row that speaks of every value of its track."""

PLAIN_COLUMNS = ("id", "title", "isrc_number", "duration_ms", "isrc", "alias", "value")
"""Columns whose values seldom come twice, so that a dictionary of them is trouble for nothing."""


def _told(column: str, bit: int) -> str:
    """What the last line that tells a column says; None where it denies it."""
    return f"arg_max_null({column}, seq) FILTER (told & {1 << bit} <> 0) AS {column}"


_ARTISTS = f"""
SELECT row_number() OVER (ORDER BY key) AS artist, min(id) AS id,
  coalesce(arg_max(name, seq) FILTER (is_record = 1), min(name)) AS name, {_told("popularity", 0)}, {_told("followers", 1)},
  max(mbid) AS mbid, {_told("sort_name", 2)}, {_told("country", 3)}, key, max(id) <> min(id) AS has_twin,
  max(seq) FILTER (told & 16 <> 0) AS aliases_by, max(seq) FILTER (told & 32 <> 0) AS genres_by
FROM {{artists}} ANTI JOIN unnamed USING (key) GROUP BY key ORDER BY key
"""
_UNNAMED = """
CREATE TABLE unnamed AS
WITH lost AS (
  SELECT DISTINCT p.artist AS key FROM {album_artists} p JOIN albums b ON b.key = p.key AND b.told_by <> p.seq
  EXCEPT SELECT p.artist FROM {album_artists} p JOIN albums b ON b.key = p.key AND b.told_by = p.seq
)
SELECT key FROM lost ANTI JOIN (SELECT key FROM {artists} WHERE is_record = 1) USING (key)
ANTI JOIN (SELECT artist AS key FROM {tracks}) USING (key) ANTI JOIN (SELECT artist AS key FROM {further_track_artists}) USING (key)
"""
"""Artists that only stand at albums whose artists are told by another line."""
_ALBUMS = f"""
SELECT row_number() OVER (ORDER BY key) AS album, min(id) AS id,
  coalesce(arg_max(title, seq) FILTER (is_record = 1), min(title)) AS title, {_told("date", 1)}, {_told("label", 2)}, max(gtin) AS gtin,
  {_told("popularity", 0)}, max(mbid) AS mbid, key, max(id) <> min(id) AS has_twin,
  coalesce(max(seq) FILTER (is_record = 1), min(seq)) AS told_by
FROM {{albums}} GROUP BY key ORDER BY key
"""
_NAMED = (
    "SELECT row_number() OVER (ORDER BY key) AS {one}, min(name) AS name, key, min(name) <> max(name) AS has_twin FROM {parts} "
    "GROUP BY key ORDER BY key"
)


class TableMaker:
    """Makes the tables of `folder` from the part files in `scratch`, which stay."""

    def __init__(self, scratch: Path, folder: Path, memory_bytes: int, jobs: int, progress: Progress) -> None:
        self._scratch, self._folder, self._progress = scratch, folder, progress
        for left in scratch.glob("gathering.duckdb*"):
            left.unlink()
        self._sql = duckdb.connect(str(scratch / "gathering.duckdb"))
        self._memory_bytes = memory_bytes
        self._sql.execute(f"SET memory_limit = '{memory_bytes // 2 >> 20}MiB'")
        self._sql.execute(f"SET threads = {jobs}")
        self._sql.execute(f"SET temp_directory = '{str(scratch / 'spill').replace(chr(39), chr(39) * 2)}'")
        self._keys: dict[str, Array] = {}
        self.rows: dict[str, int] = {}

    def make(
        self, sources: Sequence[str], rights: Mapping[str, RightsRow | None], dictionaries: Mapping[str, bytes | None]
    ) -> dict[str, int]:
        """Write TABLE.parquet for every table; gives the rows of each. `sources`: of each block; `rights`: of each statement.

        `dictionaries`: of every source, in the order of their numbers; None where its lines are kept without one, or not at all.
        """
        self._gather()
        links = {name: self._parts(name) for name in LINKS}
        files = sorted(self._scratch.glob("tracks-*.parquet"))
        twins = find_twins(self._sql, self._parts("tracks"), links, self._parts("recording_lines"), files, self._memory_bytes // 4)
        self._write_rights(rights)
        self._write_tracks(sources, rights, twins)
        self._write_beside(sources, dictionaries)
        self._sql.close()
        for name, shape in table_shapes().items():
            if name not in self.rows:
                schema = pa.schema([(column.name, _TYPES[column.type]) for column in shape.columns])
                pq.write_table(schema.empty_table(), self._folder / f"{name}.parquet")
                self.rows[name] = 0
        return self.rows

    def _write_beside(self, sources: Sequence[str], dictionaries: Mapping[str, bytes | None]) -> None:
        """Playlists, measures and source records."""
        names = list(dictionaries)
        owners = [names.index(source) + 1 for source in sources]
        self.beside = BesideWriter(self._sql, self._scratch, self._folder, self._parts, names, owners)
        self.beside.write()
        speaking = [f"SELECT seq, id FROM {self._parts('tracks')} ANTI JOIN placed USING (seq)"]
        speaking += [f"SELECT seq, id FROM {self._parts(table)} WHERE is_record = 1" for table in ("artists", "albums")]
        speaking.append(f"SELECT seq, 'playlist:' || id FROM {self._parts('playlists')}")
        if any(self._scratch.glob("features-*.parquet")):
            speaking.append("SELECT f.seq, f.id FROM found f WHERE f.position IS NULL AND f.id IS NOT NULL")
        tracks = self._parts("tracks")
        if self._sql.execute("SELECT 1 FROM placed LIMIT 1").fetchone():
            others = f"(SELECT DISTINCT recording_mbid, id FROM {tracks} ANTI JOIN placed USING (seq))"
            speaking.append(f"SELECT t.seq, o.id FROM {tracks} t SEMI JOIN placed USING (seq) JOIN {others} o USING (recording_mbid)")
        writer = SourceWriter(self._sql, self._scratch, self._folder, names, owners)
        if kept := writer.write(speaking, [dictionaries.get(name) for name in names]):
            self.beside.counts["source records"] = kept

    def _parts(self, table: str) -> str:
        """The part files of a table as DuckDB reads them; an empty table of the same columns where there are none."""
        if any(self._scratch.glob(f"{table}-*.parquet")):
            path = str(self._scratch / f"{table}-*.parquet").replace("'", "''")
            return f"read_parquet('{path}')"
        kinds = {pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.string(): "VARCHAR"}
        columns = ", ".join(f"CAST(NULL AS {kinds[kind]}) AS {name}" for name, kind in PARTS[table].items())
        return f"(SELECT {columns} WHERE false)"

    def _gather(self) -> None:
        run = self._sql.execute
        for table, one in (("labels", "label"), ("genres", "genre")):
            run(f"CREATE TABLE {table} AS " + _NAMED.format(one=one, parts=self._parts(table)))
            self._keep_keys(table)
            self._write_query(table, f"SELECT {one}, name FROM {table} ORDER BY {one}")
        run("CREATE TABLE albums AS " + _ALBUMS.format(albums=self._parts("albums")))
        run(_UNNAMED.format(**{name: self._parts(name) for name in ("album_artists", "artists", "tracks", "further_track_artists")}))
        run("CREATE TABLE artists AS " + _ARTISTS.format(artists=self._parts("artists")))
        for table in ("artists", "albums"):
            self._keep_keys(table)
        self._write_query(
            "artists", "SELECT artist, id, name, popularity, followers, mbid, sort_name, country FROM artists ORDER BY artist"
        )
        for table, value in (("artist_aliases", "alias"), ("artist_genres", "g.genre")):
            parts = self._parts(table)
            join = "JOIN genres g ON g.key = p.genre" if table == "artist_genres" else ""
            last = "genres_by" if join else "aliases_by"
            query = f"SELECT a.artist, p.position, {value} FROM {parts} p JOIN artists a ON a.key = p.key AND a.{last} = p.seq {join}"
            self._write_query(table, f"{query} ORDER BY 1, 2")
        self._write_albums()

    def _write_albums(self) -> None:
        """Artists of an album are those that its own record names, else those that its first track does."""
        self._sql.execute(
            f"CREATE TABLE album_links AS SELECT b.album, p.position, a.artist FROM {self._parts('album_artists')} p "
            "JOIN albums b ON b.key = p.key AND b.told_by = p.seq JOIN artists a ON a.key = p.artist"
        )
        self._write_query(
            "albums",
            "SELECT b.album, b.id, b.title, k.artist, b.date, l.label, b.gtin, b.popularity, b.mbid FROM albums b "
            "LEFT JOIN album_links k ON k.album = b.album AND k.position = 0 LEFT JOIN labels l ON l.key = b.label ORDER BY 1",
        )
        self._write_query("further_album_artists", "SELECT album, position, artist FROM album_links WHERE position > 0 ORDER BY 1, 2")

    def _keep_keys(self, table: str) -> None:
        """The keys in the order of the numbers 1, 2, 3 …; two names under one key would be joined, so that is refused."""
        twin = self._sql.execute(f"SELECT key FROM {table} WHERE has_twin LIMIT 1").fetchone()
        if twin:
            raise FormatError(
                f"two {table} have ids that agree in 63 bits ({twin[0]})",
                "Import the files in two folders, and report it: the odds are tiny.",
            )
        self._keys[table] = self._sql.execute(f"SELECT key FROM {table} ORDER BY key").fetchnumpy()["key"].astype(np.int64)

    def _write_query(self, table: str, query: str) -> None:
        path = str(self._folder / f"{table}.parquet").replace("'", "''")
        # preserve_insertion_order keeps the order of the query
        counted = self._sql.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)").fetchone()
        self.rows[table] = int(counted[0]) if counted else 0

    def _write_rights(self, rights: Mapping[str, RightsRow | None]) -> None:
        rows = sorted({row.uri: row for row in rights.values() if row is not None}.values(), key=lambda row: row.uri)
        self._rights = {row.uri: number for number, row in enumerate(rows, 1)}
        columns = {
            "rights": list(self._rights.values()), "uri": [row.uri for row in rows], "name": [row.name for row in rows],
            "may_publish": [int(row.may_publish) for row in rows], "may_change": [int(row.may_change) for row in rows],
            "attribution_required": [int(row.attribution_required) for row in rows], "why": [row.why for row in rows],
        }  # fmt: skip
        schema = pa.schema([(column.name, _TYPES[column.type]) for column in table_shapes()["rights"].columns])
        pq.write_table(pa.table(columns, schema), self._folder / "rights.parquet", compression="zstd")
        self.rows["rights"] = len(rows)

    # tracks and their links

    def _write_tracks(self, sources: Sequence[str], rights: Mapping[str, RightsRow | None], twins: Twins) -> None:
        names = ("tracks", *LINKS, "provenance")
        shapes = {name: table_shapes()[name] for name in names}
        schemas = {name: pa.schema([(column.name, _TYPES[column.type]) for column in shape.columns]) for name, shape in shapes.items()}
        writers = {name: self._writer(name, schemas[name]) for name in names}
        self._artist_names = self._sql.execute("SELECT name FROM artists ORDER BY artist").to_arrow_table()["name"].combine_chunks()
        self.rows |= dict.fromkeys(names, 0)
        try:
            for tables in read_ahead(self._finished(sources, rights, twins, schemas), 2):
                for name, table in tables.items():
                    if table.num_rows:
                        writers[name].write_table(table)
                    self.rows[name] += table.num_rows
                self._progress.advance(tables["tracks"].num_rows)
        finally:
            for writer in writers.values():
                writer.close()

    def _writer(self, table: str, schema: pa.Schema) -> pq.ParquetWriter:
        repeated = [name for name in schema.names if name not in PLAIN_COLUMNS]
        return pq.ParquetWriter(
            self._folder / f"{table}.parquet", schema, compression="zstd", use_dictionary=repeated,
        )  # fmt: skip

    def _finished(
        self, sources: Sequence[str], rights: Mapping[str, RightsRow | None], twins: Twins, schemas: Mapping[str, pa.Schema]
    ) -> Iterator[dict[str, pa.Table]]:
        before = 0
        for block, source in enumerate(sources):
            tracks = self._read("tracks", block)
            if not len(tracks):
                continue
            seqs = tracks["seq"].to_numpy()
            numbers = before + 1 + np.arange(len(seqs))
            before += len(seqs)
            low, high = block << 32, block + 1 << 32
            kept = twins.settle("tracks", tracks, low, high)
            made = {"tracks": self._track_table(kept, numbers[np.searchsorted(seqs, kept["seq"].to_numpy())], rights, schemas["tracks"])}
            for name in LINKS:
                links = twins.settle(name, self._read(name, block), low, high)
                track = numbers[np.searchsorted(seqs, links["seq"].to_numpy())]
                made[name] = self._link_table(name, links, track, schemas[name])
            columns = {"track": made["tracks"]["track"], "field": EVERY_FIELD, "source": source}
            made["provenance"] = _with_constants(columns, len(kept), schemas["provenance"])
            yield made

    def _read(self, table: str, block: int) -> pa.Table:
        path = self._scratch / f"{table}-{block:08d}.parquet"
        return pq.read_table(path) if path.exists() else pa.schema(list(PARTS[table].items())).empty_table()

    def _track_table(self, part: pa.Table, numbers: Array, rights: Mapping[str, RightsRow | None], schema: pa.Schema) -> pa.Table:
        columns: dict[str, Any] = {name: part[name] for name in schema.names if name in part.column_names}
        columns["track"] = pa.array(numbers)
        for name, table in (("artist", "artists"), ("album", "albums"), ("label", "labels")):
            columns[name] = self._number(table, part[name])
        columns["credited_as"] = self._credit(columns["artist"], part["credited_as"])
        columns["state"] = pa.array(np.zeros(len(part), np.int64))
        number = {text: self._rights[row.uri] for text, row in rights.items() if row is not None}
        if part["rights_text"].null_count < len(part):
            columns["rights"] = pa.array([number.get(text) for text in part["rights_text"].to_pylist()], pa.int64())
        is_told = pa.array(part["told"].to_numpy() & _RIGHTS != 0)  # null denies
        columns["rights_from"] = pc.if_else(is_told, "metadata", pa.scalar(None, pa.string()))
        nothing = {name: pa.nulls(len(part), schema.field(name).type) for name in schema.names if name not in columns}
        columns |= nothing
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def _link_table(self, name: str, part: pa.Table, numbers: Array, schema: pa.Schema) -> pa.Table:
        columns: dict[str, Any] = {column: part[column] for column in part.column_names if column != "seq"}
        columns["track"] = pa.array(numbers)
        if "artist" in columns:
            columns["artist"] = self._number("artists", part["artist"])
            columns["credited_as"] = self._credit(columns["artist"], part["credited_as"])
        if "genre" in columns:
            columns["genre"] = self._number("genres", part["genre"])
        table = pa.table([columns[column] for column in schema.names], schema=schema)
        return table.sort_by([(column, "ascending") for column in table_shapes()[name].key])

    def _number(self, table: str, keys: pa.ChunkedArray) -> pa.Array:
        """The row numbers of keys; NULL stays NULL."""
        keys = keys.combine_chunks()
        places = np.searchsorted(self._keys[table], keys.fill_null(0).to_numpy(zero_copy_only=False)) + 1
        return pa.array(places, pa.int64(), mask=np.asarray(keys.is_null()) if keys.null_count else None)

    def _credit(self, artists: pa.Array, given: pa.ChunkedArray) -> pa.Array:
        """The names as given, where the artist is called something else."""
        given = given.combine_chunks()
        if given.null_count == len(given):
            return given
        called = self._artist_names.take(pc.subtract(artists, 1))
        return pc.if_else(pc.fill_null(pc.not_equal(given, called), False), given, pa.scalar(None, pa.string()))


def _with_constants(columns: Mapping[str, Any], rows: int, schema: pa.Schema) -> pa.Table:
    """A table of `rows` rows, in which a text stands for a column that has it in every row."""
    arrays = [
        pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([column])).cast(pa.string())
        if isinstance(column, str)
        else column
        for column in columns.values()
    ]
    return pa.table(dict(zip(columns, arrays, strict=True))).cast(schema)
