"""Lines that speak of one track: the first has its place, and of each value the last that was given counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_TWINS = "SELECT key FROM {tracks} WHERE seq NOT IN (SELECT seq FROM placed) GROUP BY key HAVING count(*) > 1"

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


class Twins:
    """`merged`: the seq of the first line → its row; links by table and first seq.

    `others`: the seqs, sorted, of lines that make no row of their own.
    """

    def __init__(self) -> None:
        self.merged: dict[int, dict[str, Any]] = {}
        self.others: NDArray[np.int64] = np.empty(0, np.int64)
        self.links: dict[str, dict[int, list[dict[str, Any]]]] = {}

    def keep_first(self, tracks: pa.Table) -> pa.Table:
        """A part without lines that come again, each first one with all that its twins say."""
        if not self.merged and not len(self.others):
            return tracks
        seqs = tracks["seq"].to_numpy()
        rows = [self.merged[seq] for seq in seqs[np.isin(seqs, np.array(list(self.merged), np.int64))].tolist()]
        plain = tracks.filter(pa.array(~np.isin(seqs, np.concatenate([self._others_in(seqs), np.array(list(self.merged), np.int64)]))))
        return pa.concat_tables([plain, pa.Table.from_pylist(rows, tracks.schema)]).sort_by("seq") if rows else plain

    def _others_in(self, seqs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `others` that lie between the lowest and the highest of these."""
        if not len(seqs):
            return self.others[:0]
        return self.others[np.searchsorted(self.others, seqs.min()) : np.searchsorted(self.others, seqs.max(), "right")]

    def links_of(self, table: str, links: pa.Table | None, tracks: pa.Table) -> pa.Table:
        """The links of a part that was given by keep_first."""
        assert links is not None
        if not self.merged and not len(self.others):
            return links
        first = np.array(list(self.merged), np.int64)
        plain = links.filter(pa.array(~np.isin(links["seq"].to_numpy(), np.concatenate([self._others_in(links["seq"].to_numpy()), first]))))
        seqs = tracks["seq"].to_numpy()
        rows = [row for seq in seqs[np.isin(seqs, first)].tolist() for row in self.links[table].get(seq, ())]
        return pa.concat_tables([plain, pa.Table.from_pylist(rows, links.schema)]) if rows else plain


def find_twins(sql: duckdb.DuckDBPyConnection, tracks: str, links: Mapping[str, str], recordings: str) -> Twins:
    """Look for ids that several lines have; `tracks`, `links` and `recordings` are what DuckDB reads the parts from."""
    twins = Twins()
    sql.execute("CREATE TABLE placed (seq BIGINT)")
    if sql.execute(f"SELECT 1 FROM {recordings} LIMIT 1").fetchone():
        sql.execute(_PLACED.format(tracks=tracks, recordings=recordings))
    placed = sql.execute("SELECT seq FROM placed ORDER BY seq").fetchnumpy()["seq"].astype(np.int64)
    sql.execute("CREATE TABLE twin_keys AS " + _TWINS.format(tracks=tracks))
    rows = _rows(sql, f"SELECT * FROM {tracks} SEMI JOIN twin_keys USING (key) ANTI JOIN placed USING (seq) ORDER BY seq")
    first: dict[int, int] = {}
    for row in rows:
        seq = first.setdefault(row["key"], row["seq"])
        known = twins.merged.setdefault(seq, row)
        if known is not row:
            credit = row["credited_as"] if row["artist"] is not None else known["credited_as"]
            known |= {name: value for name, value in row.items() if value is not None and name != "seq"} | {"credited_as": credit}
    of = {row["seq"]: first[row["key"]] for row in rows}
    artist_told = {row["seq"] for row in rows if row["artist"] is not None}
    isrc_told = {row["seq"] for row in rows if row["isrc_number"] is not None}
    twins.others = np.sort(np.concatenate([np.array([seq for seq in of if seq not in twins.merged], np.int64), placed]))
    sql.register("twin_lines", pa.table({"seq": pa.array(list(of), pa.int64())}))
    for table, parts in links.items():
        found = _rows(sql, f"SELECT * FROM {parts} SEMI JOIN twin_lines USING (seq) ORDER BY ALL")
        told = {"further_track_artists": artist_told, "further_isrcs": isrc_told}.get(table, set())
        twins.links[table] = _last(found, of, told, by_field=table == "given_forms")
    return twins


def _last(rows: list[dict[str, Any]], of: Mapping[int, int], told: set[int], *, by_field: bool) -> dict[int, list[dict[str, Any]]]:
    """The links of the last line that says any, or of those fields that it says; a line in `told` that has none takes all away."""
    lines: dict[int, dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        lines.setdefault(of[row["seq"]], {}).setdefault(row["seq"], []).append(row)
    for seq in told:
        lines.setdefault(of[seq], {}).setdefault(seq, [])
    chosen: dict[int, list[dict[str, Any]]] = {}
    for first, by_line in lines.items():
        if by_field:
            fields = {row["field"]: row for _, one in sorted(by_line.items()) for row in one}
            chosen[first] = [row | {"seq": first} for row in fields.values()]
        else:
            chosen[first] = [row | {"seq": first} for row in by_line[max(by_line)]]
    return chosen


def _rows(sql: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sql.execute(query).to_arrow_table().to_pylist()
    return found
