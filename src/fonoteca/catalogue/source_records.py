"""sources.sqlite3: what each source said, line for line, in compressed groups; docs/formats/source-records.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from backports import zstd

from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.database import close_database, open_database
from fonoteca.ground.errors import DatabaseError

SOURCES = "sources.sqlite3"
APPLICATION_ID = 0x464E4353  # "FNCS"
RECORDS_A_GROUP = 64
_PLACE_BITS = 6
_LEVEL = 9
_SAMPLES, _DICTIONARY_BYTES = 4_096, 64 << 10
_FEWEST_SAMPLES = 256  # a dictionary of fewer lines costs more than it saves

MIGRATIONS = ("""
CREATE TABLE sources (source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dictionary BLOB) STRICT;
CREATE TABLE record_groups (
  record_group INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, has_dictionary INTEGER NOT NULL, content BLOB NOT NULL
) STRICT;
CREATE TABLE source_records (id TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (id, record)) STRICT, WITHOUT ROWID;
CREATE VIEW where_records_lie AS
SELECT k.id, s.name AS source, g.record_group, k.record & 63 AS place, length(g.content) AS compressed_bytes
FROM source_records k JOIN record_groups g ON g.record_group = k.record >> 6 JOIN sources s USING (source);
""", """
DROP VIEW where_records_lie;
ALTER TABLE source_records RENAME TO former_records;
CREATE TABLE source_records (
  id TEXT NOT NULL, digest INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (id, digest, record)
) STRICT, WITHOUT ROWID;
INSERT INTO source_records SELECT id, 0, record FROM former_records;
DROP TABLE former_records;
CREATE VIEW where_records_lie AS
SELECT k.id, s.name AS source, g.record_group, k.record & 63 AS place, length(g.content) AS compressed_bytes
FROM source_records k JOIN record_groups g ON g.record_group = k.record >> 6 JOIN sources s USING (source);
""")  # fmt: skip


_Line = tuple[Sequence[str], int, bytes]
"""The ids that a line speaks of, its digest, the line."""


def _digest(source: int, content: bytes) -> int:
    """By which the same line of one source is known again; never 0."""
    return int.from_bytes(hashlib.blake2b(b"%d\n%b" % (source, content), digest_size=8).digest(), signed=True) or 1


def train_dictionary(lines: Sequence[bytes]) -> bytes | None:
    """What lines of one source have in common, from the first 4,096 of them; None where they are too few or too much alike."""
    sample = [line for line in lines[:_SAMPLES] if line]
    if len(sample) < _FEWEST_SAMPLES:
        return None
    try:
        return zstd.train_dict(sample, min(_DICTIONARY_BYTES, max(1_024, sum(map(len, sample)) // 16))).dict_content
    except zstd.ZstdError:  # lines that are all alike, or all too short: nothing can be learnt from them
        return None


class SourceRecord(msgspec.Struct, frozen=True):
    """What one source said of a thing: a JSON object, byte for byte as its line was."""

    source: str
    content: bytes


class SourceRecords:
    """The open file. Writing calls belong in a `transaction()`; DatabaseError where the file is damaged or newer."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._sql = Statements(open_database(path, APPLICATION_ID, MIGRATIONS, read_only=read_only), path)
        self._lines = lru_cache(maxsize=64)(self._read_group)
        self._dictionaries: dict[int, zstd.ZstdDict | None] = {}

    def close(self) -> None:
        """Close the file; repeated calls are harmless."""
        close_database(self._sql.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written inside, or nothing of it."""
        return self._sql.transaction()

    def put(self, source: str, records: Iterable[tuple[Sequence[str], bytes]]) -> int:
        """Keep each line under the ids of the things it speaks of; gives how many were new.

        Idempotent: a line that this source is known to have said of the first of its ids is not kept again.
        """
        with self.transaction():
            number, kept = self._source(source), 0
            group: dict[tuple[str, int], _Line] = {}
            for ids, content in records:
                digest = _digest(number, content)
                if ids and (ids[0], digest) not in group and not self._is_known(number, ids[0], digest, content):
                    group[ids[0], digest] = ids, digest, content
                    kept += 1
                if len(group) == RECORDS_A_GROUP:
                    self._put_group(number, list(group.values()))
                    group.clear()
            if group:
                self._put_group(number, list(group.values()))
        return kept

    def prepare(self, source: str, lines: Sequence[bytes]) -> None:
        """Train the source's dictionary from its first lines; a source that has one keeps it."""
        with self.transaction():
            number = self._source(source)
            if self._sql.value("SELECT 1 FROM record_groups WHERE source = ?", (number,)):
                return
            if (trained := train_dictionary(lines)) is not None:
                self._sql.run("UPDATE sources SET dictionary = ? WHERE source = ?", (trained, number))
                self._dictionaries.pop(number, None)

    def put_whole(
        self,
        sources: Iterable[tuple[str, bytes | None]],
        groups: Iterable[Sequence[tuple[int, bytes]]],
        keys: Iterable[Sequence[tuple[str, int, int]]],
    ) -> None:
        """Fill an empty file: sources with their dictionaries, and groups with their source, both numbered from 1; keys in order."""
        dictionaries = {}
        for name, dictionary in sources:
            number = self._source(name)
            dictionaries[number] = dictionary
            self._sql.run("UPDATE sources SET dictionary = ? WHERE source = ?", (dictionary, number))
        insert = "INSERT INTO record_groups (source, has_dictionary, content) VALUES (?, ?, ?)"
        for part in groups:
            self._sql.run_many(insert, [(source, dictionaries[source] is not None, content) for source, content in part])
        for some in keys:
            self._sql.run_many("INSERT INTO source_records VALUES (?, ?, ?)", some)

    def clear(self, record: int) -> None:
        """Empty the line of a record, for all that it speaks of."""
        group = record >> _PLACE_BITS
        lines = self._read_group(group)
        lines[record & (RECORDS_A_GROUP - 1)] = b""
        has = self._sql.row("SELECT source, has_dictionary FROM record_groups WHERE record_group = ?", (group,))
        content = self._compress(lines, self._dictionary(has[0]) if has and has[1] else None)
        self._sql.run("UPDATE record_groups SET content = ? WHERE record_group = ?", (content, group))
        self._sql.run("DELETE FROM source_records WHERE record = ?", (record,))

    def records_of(self, id: str) -> list[SourceRecord]:
        """What every source said of this public id, in the order in which it came."""
        query = (
            "SELECT s.name, k.record FROM source_records k JOIN record_groups g ON g.record_group = k.record >> 6 "
            "JOIN sources s USING (source) WHERE k.id = ? ORDER BY k.record"
        )
        return [SourceRecord(name, self._line(record)) for name, record in self._sql.rows(query, (clean_text(id),))]

    def lines_of(self, source: str) -> Iterator[bytes]:
        """All that a source said, in the order in which it came; streams."""
        query = "SELECT record_group FROM record_groups JOIN sources USING (source) WHERE name = ? ORDER BY record_group"
        for (group,) in self._sql.rows(query, (source,)):
            yield from filter(None, self._read_group(group))

    def forget(self, id: str) -> int:
        """Take every line that speaks of this public id out of its group, for all that it speaks of; gives how many those were."""
        with self.transaction():
            records = [record for (record,) in self._sql.rows("SELECT record FROM source_records WHERE id = ?", (clean_text(id),))]
            for record in records:
                self.clear(record)
            self._lines.cache_clear()
        return len(records)

    def rewrite(self) -> None:
        """Write the file anew, so that nothing is left between the rows; takes its size in free room."""
        self._sql.run("VACUUM")

    @staticmethod
    def _compress(lines: Sequence[bytes], dictionary: zstd.ZstdDict | None) -> bytes:
        return zstd.compress(b"\n".join(lines), _LEVEL, zstd_dict=dictionary)

    def _source(self, name: str) -> int:
        found = self._sql.value("SELECT source FROM sources WHERE name = ?", (clean_text(name),))
        if found is None:
            found = self._sql.value("INSERT INTO sources (name) VALUES (?) RETURNING source", (clean_text(name),))
        return int(found)

    def _is_known(self, source: int, id: str, digest: int, content: bytes) -> bool:
        known = "SELECT 1 FROM source_records WHERE id = ? AND digest = ?"
        if self._sql.value(known, (id, digest)) is not None:
            return True
        # what came before there were digests is compared word for word
        former = list(self._sql.rows("SELECT record FROM source_records WHERE id = ? AND digest = 0", (id,)))
        return any(self._source_of(record) == source and self._line(record) == content for (record,) in former)

    def _source_of(self, record: int) -> int:
        return int(self._sql.value("SELECT source FROM record_groups WHERE record_group = ?", (record >> _PLACE_BITS,)))

    def _put_group(self, source: int, group: list[_Line]) -> None:
        dictionary = self._dictionary(source)
        content = self._compress([line for _, _, line in group], dictionary)
        insert = "INSERT INTO record_groups (source, has_dictionary, content) VALUES (?, ?, ?) RETURNING record_group"
        number = self._sql.value(insert, (source, dictionary is not None, content))
        keys = [(id, digest, number << _PLACE_BITS | place) for place, (ids, digest, _) in enumerate(group) for id in ids]
        self._sql.run_many("INSERT OR IGNORE INTO source_records VALUES (?, ?, ?)", keys)

    def _dictionary(self, source: int) -> zstd.ZstdDict | None:
        if source not in self._dictionaries:
            content = self._sql.value("SELECT dictionary FROM sources WHERE source = ?", (source,))
            self._dictionaries[source] = None if content is None else zstd.ZstdDict(content)
        return self._dictionaries[source]

    def _line(self, record: int) -> bytes:
        return self._lines(record >> _PLACE_BITS)[record & (RECORDS_A_GROUP - 1)]

    def _read_group(self, group: int) -> list[bytes]:
        found = self._sql.row("SELECT source, has_dictionary, content FROM record_groups WHERE record_group = ?", (group,))
        if found is None:
            raise DatabaseError(f"{self.path}: group {group} is not there", "Restore the file from a copy, or import the source again.")
        source, has_dictionary, content = found
        try:
            return zstd.decompress(content, zstd_dict=self._dictionary(source) if has_dictionary else None).split(b"\n")
        except zstd.ZstdError as error:
            raise DatabaseError(
                f"{self.path}: group {group} is damaged: {error}", "Restore the file from a copy, or import the source again."
            ) from error


def forget_source_records(path: Path, id: str) -> None:
    """Take every line about a public id out of the file at `path`, and the bytes with it; nothing happens where there is no file."""
    if path.exists():
        with SourceRecords(path) as sources:
            sources.forget(id)
            sources.rewrite()
