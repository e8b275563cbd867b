"""Lines that speak of one track: the first has its place, and of each value the last line that says it, or denies it, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fonoteca.catalogue.bulk.import_rows import TOLD

Array = NDArray[Any]
_FIELDS = {"artist": ("artists",), "credited_as": ("artists",), "isrc_number": ("isrcs",), "rights_text": ("rights",),
           "album": ("album", "album_artists", "album_mbid", "barcode")}  # fmt: skip
"""The fields that a column of tracks is made of, where it is not the one of its name."""
_LINK_FIELDS = {"further_track_artists": ("artists",), "further_isrcs": ("isrcs",), "track_genres": ("genres",)}
_FORM_FIELDS = {("artist_mbids",): ("artist_mbids",), ("album", "album_artists", "barcode"): _FIELDS["album"]}
"""Which given forms follow the last line that told one of these fields."""

_PLACED = """
INSERT INTO placed
WITH alone AS (
  SELECT key, any_value(recording_mbid) AS mbid, min(seq) AS first FROM {tracks} WHERE key IN (SELECT key FROM {recordings}) GROUP BY key
), elsewhere AS (
  SELECT recording_mbid AS mbid, min(seq) AS first FROM {tracks}
  WHERE recording_mbid IN (SELECT mbid FROM alone) AND key NOT IN (SELECT key FROM alone) GROUP BY recording_mbid
)
SELECT r.seq FROM {recordings} r JOIN alone a ON a.key = r.key JOIN elsewhere e ON e.mbid = a.mbid WHERE e.first < a.first
"""
"""Lines of recordings that earlier lines placed on a release: they make no track of their own."""


def _mask(fields: Sequence[str]) -> int:
    return sum(1 << TOLD.index(field) for field in fields)


class Twins:
    """`first`: the seqs, sorted, of lines that stand for several; `others`: of lines that make no row of their own."""

    def __init__(self, sql: duckdb.DuckDBPyConnection) -> None:
        self._sql = sql
        self.first: Array = np.empty(0, np.int64)
        self.others: Array = np.empty(0, np.int64)

    def settle(self, table: str, part: pa.Table, low: int, high: int) -> pa.Table:
        """The rows of a part, whose seqs run from `low` to below `high`, without lines that come again.

        Each first line has all that its twins say.
        """
        first, others = _between(self.first, low, high), _between(self.others, low, high)
        if not len(first) and not len(others):
            return part
        plain = part.filter(pa.array(~np.isin(part["seq"].to_numpy(), np.concatenate([first, others]))))
        if not len(first):
            return plain
        columns = ", ".join(part.column_names)
        query = f"SELECT {columns} FROM merged_{table} WHERE seq >= {low} AND seq < {high} ORDER BY ALL"
        return pa.concat_tables([plain, self._sql.execute(query).to_arrow_table().cast(part.schema)]).sort_by("seq")


def _between(seqs: Array, low: int, high: int) -> Array:
    return seqs[np.searchsorted(seqs, low) : np.searchsorted(seqs, high)]


def find_twins(
    sql: duckdb.DuckDBPyConnection, tracks: str, links: Mapping[str, str], recordings: str, files: Sequence[Path], memory_bytes: int
) -> Twins:
    """Look for ids that several lines have; `files` are the parts of tracks, the texts what DuckDB reads the parts from."""
    twins = Twins(sql)
    sql.execute("CREATE OR REPLACE TABLE placed (seq BIGINT)")
    if sql.execute(f"SELECT 1 FROM {recordings} LIMIT 1").fetchone():
        sql.execute(_PLACED.format(tracks=tracks, recordings=recordings))
    twins.others = sql.execute("SELECT seq FROM placed ORDER BY seq").fetchnumpy()["seq"].astype(np.int64)
    keys = _repeated_keys(files, memory_bytes)
    if len(keys):
        sql.register("repeated", pa.table({"key": keys}))
        sql.execute(
            f"CREATE OR REPLACE TABLE twin_lines AS SELECT * FROM {tracks} SEMI JOIN repeated USING (key) ANTI JOIN placed USING (seq)"
        )
        sql.unregister("repeated")
        _merge(sql, links)
        seqs = sql.execute("SELECT seq, first FROM twin_keys ORDER BY seq").fetchnumpy()
        is_first = seqs["seq"] == seqs["first"]
        twins.first = seqs["seq"][is_first].astype(np.int64)
        twins.others = np.sort(np.concatenate([twins.others, seqs["seq"][~is_first].astype(np.int64)]))
    return twins


def _repeated_keys(files: Sequence[Path], memory_bytes: int) -> Array:
    """The keys that stand in several lines, sorted; keys are read in as many ranges as memory asks for."""
    count = sum(pq.ParquetFile(path).metadata.num_rows for path in files)
    ranges = 1 + count * 24 // max(memory_bytes, 1)
    width, found = (1 << 63) // ranges + 1, []
    for number in range(ranges):
        pieces = [np.empty(0, np.int64)]
        for path in files:
            keys = pq.read_table(path, columns=["key"])["key"].to_numpy()
            pieces.append(keys if ranges == 1 else keys[keys // width == number])
        keys = np.concatenate(pieces)
        keys.sort()
        found.append(np.unique(keys[1:][keys[1:] == keys[:-1]]))
    return np.concatenate(found)


def _merge(sql: duckdb.DuckDBPyConnection, links: Mapping[str, str]) -> None:
    """Tables merged_NAME: the one row, and the links, that the lines of a track make together, under the seq of the first."""
    names = [name for name, *_ in sql.execute("DESCRIBE twin_lines").fetchall()]
    values = []
    for name in names:
        if name not in ("seq", "key", "id", "told"):
            told = f"told & {_mask(_FIELDS.get(name, (name,)))} <> 0"
            last = f"CASE WHEN bool_or({told}) THEN arg_max_null({name}, seq) FILTER ({told}) ELSE arg_min_null({name}, seq) END"
            values.append(f"{last} AS {name}")
    sql.execute(
        "CREATE OR REPLACE TABLE merged_tracks AS SELECT min(seq) AS seq, key, any_value(id) AS id, bit_or(told) AS told, "
        f"{', '.join(values)} FROM twin_lines GROUP BY key ORDER BY seq"
    )
    sql.execute(
        "CREATE OR REPLACE TABLE twin_keys AS SELECT t.seq, m.seq AS first, t.told FROM twin_lines t JOIN merged_tracks m USING (key)"
    )
    for table, parts in links.items():
        if table == "given_forms":
            pieces = [_last_links(parts, fields, forms) for forms, fields in _FORM_FIELDS.items()]
        else:
            pieces = [_last_links(parts, _LINK_FIELDS[table])]
        sql.execute(f"CREATE OR REPLACE TABLE merged_{table} AS {' UNION ALL '.join(pieces)} ORDER BY seq")


def _last_links(parts: str, fields: Sequence[str], forms: Sequence[str] = ()) -> str:
    last = f"SELECT first, coalesce(max(seq) FILTER (told & {_mask(fields)} <> 0), min(seq)) AS seq FROM twin_keys GROUP BY first"
    which = f" WHERE field IN ({', '.join(repr(form) for form in forms)})" if forms else ""
    return f"SELECT l.* REPLACE (k.first AS seq) FROM {parts} l JOIN ({last}) k ON k.seq = l.seq{which}"
