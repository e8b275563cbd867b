"""Playlists and measures of sound that an import tells, in databases beside its tables; their tracks are found as lines before them say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from fonoteca.catalogue.audio_features import FEATURES, AudioFeatures
from fonoteca.catalogue.identifiers import is_public_id
from fonoteca.catalogue.import_records import FeaturesRow, PlaylistEntry, PlaylistRow
from fonoteca.catalogue.isrc import parse_isrc
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.playlists import PLAYLISTS, Playlist, Playlists

_PLAYLIST, _FEATURES = msgspec.json.Decoder(PlaylistRow), msgspec.json.Decoder(FeaturesRow)
_BATCH = 10_000

_FOREIGN = """
CREATE OR REPLACE TABLE foreign_keys AS
SELECT b.source, f.foreign_id AS key, arg_min(f.key, f.seq) AS track, min(f.seq) AS first
FROM {foreign_ids} f JOIN block_sources b ON b.block = f.seq >> 32 SEMI JOIN entries e ON e.key = f.foreign_id GROUP BY 1, 2
"""
_ISRCS = """
CREATE OR REPLACE TABLE isrc_keys AS
SELECT isrc_number, arg_min(key, first) AS track, min(first) AS first, min(first, 2)[2] AS second FROM (
  SELECT isrc_number, key, min(seq) AS first FROM (
    SELECT isrc_number, key, seq FROM {tracks} WHERE isrc_number IS NOT NULL
    UNION ALL SELECT i.isrc_number, t.key, i.seq FROM {further_isrcs} i JOIN {tracks} t USING (seq)
  ) SEMI JOIN entries USING (isrc_number) GROUP BY 1, 2
) GROUP BY 1
"""
_FOUND = """
CREATE OR REPLACE TABLE found AS
SELECT e.seq, e.place, coalesce(e.public_id, t.id) AS id, e.key, e.position FROM (
  SELECT e.*, coalesce(f.track, i.track) AS track FROM entries e JOIN block_sources b ON b.block = e.seq >> 32
  LEFT JOIN foreign_keys f ON f.source = b.source AND f.key = e.key AND f.first < e.seq
  LEFT JOIN isrc_keys i ON i.isrc_number = e.isrc_number AND i.first < e.seq AND (i.second IS NULL OR i.second > e.seq)
) e LEFT JOIN (
  SELECT key, any_value(id) AS id FROM {tracks} WHERE key IN (SELECT track FROM foreign_keys UNION SELECT track FROM isrc_keys) GROUP BY key
) t ON t.key = e.track ORDER BY e.seq, e.place
"""
_ENTRIES = "CREATE OR REPLACE TABLE entries (seq BIGINT, place BIGINT, key VARCHAR, isrc_number BIGINT, public_id VARCHAR, position BIGINT)"


class BesideWriter:
    """`parts` names what DuckDB reads a table's parts from, `names` are the sources by number, `owners` the number for each block."""

    def __init__(
        self, sql: duckdb.DuckDBPyConnection, scratch: Path, folder: Path, parts: Callable[[str], str], names: Sequence[str],
        owners: Sequence[int],
    ) -> None:  # fmt: skip
        self._sql, self._scratch, self._folder, self._parts, self._names, self._owners = sql, scratch, folder, parts, names, owners
        self.counts: dict[str, int] = {}
        self.unknown: list[tuple[int, int, str]] = []

    def write(self) -> None:
        """Both databases, each where anything is told; `unknown` are block, line and key of measures whose track is not known."""
        run = self._sql.execute
        run(_ENTRIES)
        blocks = pa.table({"block": pa.array(range(len(self._owners)), pa.int64()), "source": pa.array(self._owners, pa.int64())})
        self._sql.register("block_sources", blocks)
        for table in ("playlists", "features"):
            for path in sorted(self._scratch.glob(f"{table}-*.parquet")):
                self._take_entries(table, pq.read_table(path))
        if not run("SELECT 1 FROM entries LIMIT 1").fetchone() and not any(self._scratch.glob("playlists-*.parquet")):
            return
        names = {name: self._parts(name) for name in ("tracks", "further_isrcs", "foreign_ids")}
        for query in (_FOREIGN, _ISRCS, _FOUND):
            run(query.format(**names))
        self._write_playlists()
        self._write_features()

    def _take_entries(self, table: str, part: pa.Table) -> None:
        rows: list[tuple[Any, ...]] = []
        for seq, given in zip(part["seq"].to_pylist(), part["content"].to_pylist(), strict=True):
            if table == "features":
                rows.append(_entry(seq, 0, _FEATURES.decode(given).track, None))
                continue
            position = -1
            for place, one in enumerate(_PLAYLIST.decode(given).tracks):
                entry = one if isinstance(one, PlaylistEntry) else PlaylistEntry(track=one)
                position = position + 1 if entry.position is None else entry.position
                rows.append(_entry(seq, place, entry.track, position))
        if rows:
            names = ("seq", "place", "key", "isrc_number", "public_id", "position")
            kinds = (pa.int64(), pa.int64(), pa.string(), pa.int64(), pa.string(), pa.int64())
            columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
            self._sql.register("more_entries", pa.table(columns, list(names)))
            self._sql.execute("INSERT INTO entries SELECT * FROM more_entries")

    def _found(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Each row of a kind with what its keys mean: (seq, content, [(id, key, position) in order])."""
        entries = "(SELECT seq, list((id, key, position) ORDER BY place) AS entries FROM found GROUP BY seq)"
        query = (
            f"SELECT p.seq, p.content, coalesce(e.entries, []) FROM {self._parts(table)} p LEFT JOIN {entries} e USING (seq) ORDER BY p.seq"
        )
        rows = self._sql.cursor().execute(query)
        while some := rows.fetchmany(_BATCH):
            yield from some

    def _write_playlists(self) -> None:
        if not any(self._scratch.glob("playlists-*.parquet")):
            return
        unknown = count = 0
        with Playlists(self._folder / PLAYLISTS) as playlists, playlists.transaction():
            for seq, content, entries in self._found("playlists"):
                row = _PLAYLIST.decode(content)
                tracks = tuple(id or key for id, key, _ in entries)
                positions = tuple(position for *_, position in entries)
                given = None if positions == tuple(range(len(positions))) else positions
                source = self._names[self._owners[seq >> 32] - 1]
                playlists.put(Playlist(source=source, id=row.id, title=row.title, owner=row.owner, tracks=tracks, positions=given))
                unknown += sum(not is_public_id(track) for track in tracks)
                count += 1
        self.counts |= {"playlists": count, "playlist places without a known track": unknown}

    def _write_features(self) -> None:
        if not any(self._scratch.glob("features-*.parquet")):
            return
        count, waiting = 0, dict[str, list[FeaturesRow]]()
        with AudioFeatures(self._folder / FEATURES) as features, features.transaction():
            for seq, content, ((id, key, _),) in self._found("features"):
                row, block = _FEATURES.decode(content), seq >> 32
                if id is None:
                    self.unknown.append((block, row.line, key))
                    continue
                batch = waiting.setdefault(self._names[self._owners[block] - 1], [])
                batch.append(msgspec.structs.replace(row, track=id))
                count += 1
                if len(batch) >= _BATCH:
                    features.put(self._names[self._owners[block] - 1], batch)
                    batch.clear()
            for source, batch in waiting.items():
                features.put(source, batch)
        self.counts["features"] = count


def _entry(seq: int, place: int, key: str, position: int | None) -> tuple[Any, ...]:
    isrc = None if is_public_id(key) else parse_isrc(key)
    return seq, place, key, None if isrc is None else isrc_number(isrc), key if is_public_id(key) else None, position
