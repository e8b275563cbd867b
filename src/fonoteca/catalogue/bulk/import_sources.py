"""Source records of an import: lines compressed in groups where they are read, and put into sources.sqlite3 with their keys at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from fonoteca.catalogue.source_records import RECORDS_A_GROUP, SOURCES, SourceRecords, train_dictionary

_LEVEL = 3  # 46 bytes a line and 1.2 µs, beside 40 and 7.1 at the level of the working catalogue


class LineKeeper(msgspec.Struct, frozen=True):
    """How the lines of a block are kept: the number of their source, its dictionary, and the lines where they are not the block's own."""

    source: int
    dictionary: bytes | None
    originals: tuple[bytes, ...] | None = None


def keep_lines(keeper: LineKeeper, content: bytes, numbers: Sequence[int] | None, seqs: Sequence[int], folder: Path, block: int) -> None:
    """Write the lines at `seqs`, sorted, each once though several rows came of it, and which row came of which."""
    lines: list[bytes] = []
    rows: list[tuple[int, int, int]] = []
    split = content.split(b"\n") if keeper.originals is None else keeper.originals
    last = None
    digest = 0
    for seq in seqs:
        place = seq & 0xFFFFFFFF
        number = numbers[place] if numbers else place
        if number != last:
            line = split[place].rstrip(b"\r")
            digest = digest_of_line(keeper.source, line)
            lines.append(line)
            last = number
        rows.append((seq, digest, len(lines) - 1))
    dictionary = None if keeper.dictionary is None else zstd.ZstdDict(keeper.dictionary).as_digested_dict
    starts = range(0, len(lines), RECORDS_A_GROUP)
    groups = [zstd.compress(b"\n".join(lines[at : at + RECORDS_A_GROUP]), _LEVEL, zstd_dict=dictionary) for at in starts]
    pq.write_table(pa.table({"content": pa.array(groups, pa.binary())}), folder / f"groups-{block:08d}.parquet", compression="none")
    columns = dict(zip(("seq", "digest", "record"), zip(*rows, strict=True), strict=True)) if rows else {}
    if columns:
        table = pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
        pq.write_table(table, folder / f"records-{block:08d}.parquet", compression="lz4")


def digest_of_line(source: int, line: bytes) -> int:
    """By which the same line of one source is known again, as source_records.py does it."""
    return int.from_bytes(hashlib.blake2b(b"%d\n%b" % (source, line), digest_size=8).digest(), signed=True) or 1


class SourceWriter:
    """Makes sources.sqlite3 in `folder`. `sources` are the names in the order of their numbers, `owners` the number for each block."""

    def __init__(self, sql: duckdb.DuckDBPyConnection, parts: Path, folder: Path, names: Sequence[str], owners: Sequence[int]) -> None:
        self._sql, self._parts, self._folder, self._names, self._owners = sql, parts, folder, names, owners

    def write(self, speaking: Iterable[str], dictionaries: Sequence[bytes | None]) -> int:
        """`speaking` are queries of (seq, id): what the row at a seq speaks of. Gives how many lines are kept."""
        if not any(self._parts.glob("records-*.parquet")):
            return 0
        firsts = self._first_records()
        path = str(self._parts / "records-*.parquet").replace("'", "''")
        self._sql.register("firsts", pa.table({"block": pa.array(range(len(firsts)), pa.int64()), "first": pa.array(firsts, pa.int64())}))
        spoken = f"({' UNION ALL '.join(speaking)})"
        self._sql.execute(
            "CREATE OR REPLACE TABLE record_keys AS SELECT s.id, r.digest, min(r.record + f.first) AS record FROM "
            f"read_parquet('{path}') r JOIN {spoken} s USING (seq) JOIN firsts f ON f.block = r.seq >> 32 GROUP BY 1, 2"
        )
        lost = self._sql.execute(
            f"SELECT DISTINCT r.record + f.first FROM read_parquet('{path}') r JOIN firsts f ON f.block = r.seq >> 32 "
            "WHERE r.record + f.first NOT IN (SELECT record FROM record_keys) ORDER BY 1"
        ).fetchall()
        keys = self._sql.execute("SELECT id, digest, record FROM record_keys ORDER BY 1, 2, 3")
        with SourceRecords(self._folder / SOURCES) as records, records.transaction():
            records.put_whole(zip(self._names, dictionaries, strict=True), self._groups(), iter(lambda: keys.fetchmany(10_000), []))
            for (record,) in lost:
                records.clear(record)
        counted = self._sql.execute("SELECT count(DISTINCT record) FROM record_keys").fetchone()
        return counted[0] if counted else 0

    def _first_records(self) -> list[int]:
        """Under which number the first line of each block is known."""
        firsts, groups = [], 1
        for block in range(len(self._owners)):
            firsts.append(groups * RECORDS_A_GROUP)
            path = self._parts / f"groups-{block:08d}.parquet"
            groups += pq.ParquetFile(path).metadata.num_rows if path.exists() else 0
        return firsts

    def _groups(self) -> Iterable[list[tuple[int, bytes]]]:
        for block, source in enumerate(self._owners):
            path = self._parts / f"groups-{block:08d}.parquet"
            if path.exists():
                yield [(source, content) for content in pq.read_table(path)["content"].to_pylist()]


def dictionary_of(lines: Iterable[bytes], parts: Path, source: int) -> bytes | None:
    """The dictionary of a source, trained once from its first lines and kept in the scratch folder."""
    path = parts / f"dictionary-{source}"
    if not path.exists():
        trained = train_dictionary(list(lines))
        path.write_bytes(trained or b"")
    return path.read_bytes() or None
