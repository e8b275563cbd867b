"""features.sqlite3: what was measured of each track's sound, as whole numbers; docs/formats/audio-features.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fonoteca.catalogue.import_records import SHARES, FeaturesRow
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.database import close_database, open_database

FEATURES = "features.sqlite3"
APPLICATION_ID = 0x464E4341  # "FNCA"

SCALES = {"tempo": 1_000, "loudness": 1_000, **dict.fromkeys(SHARES, 1_000_000)}
"""What a measure is multiplied by to be kept as a whole number; the others are whole numbers as they come."""
FIELDS = ("key", "mode", "time_signature", *SCALES)
_UNITS = {1_000: "thousandths", 1_000_000: "millionths"}
COLUMNS = tuple(f"{name}_{_UNITS[SCALES[name]]}" if name in SCALES else name for name in FIELDS)
_VIEWED = ", ".join(
    f"m.{column} / {SCALES[name]}.0 AS {name}" if name in SCALES else f"m.{name}" for name, column in zip(FIELDS, COLUMNS, strict=True)
)

MIGRATIONS = (f"""
CREATE TABLE sources (source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE measures (
  id TEXT NOT NULL, source INTEGER NOT NULL REFERENCES sources, {", ".join(f"{name} INTEGER" for name in COLUMNS)},
  PRIMARY KEY (id, source)
) STRICT, WITHOUT ROWID;
CREATE VIEW features AS SELECT m.id, s.name AS source, {_VIEWED} FROM measures m JOIN sources s USING (source);
""",)  # fmt: skip

_INSERT = f"""
INSERT INTO measures (id, source, {", ".join(COLUMNS)}) VALUES (?, ?{", ?" * len(COLUMNS)})
ON CONFLICT (id, source) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)}
WHERE ({", ".join(COLUMNS)}) IS NOT ({", ".join(f"excluded.{name}" for name in COLUMNS)})
"""


class AudioFeatures:
    """The open file. What is kept is what was given, rounded to thousandths (tempo, loudness) and millionths (shares)."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._sql = Statements(open_database(path, APPLICATION_ID, MIGRATIONS, read_only=read_only), path)

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

    def put(self, source: str, features: Iterable[FeaturesRow]) -> int:
        """Insert or wholly replace what this source says of each track (`track` is its public id); gives how many rows changed."""
        with self.transaction():
            number = self._source(source)
            before = self._sql.connection.total_changes()
            self._sql.run_many(_INSERT, [(clean_text(row.track), number, *_values(row)) for row in features])
            return self._sql.connection.total_changes() - before

    def get(self, id: str) -> dict[str, FeaturesRow]:
        """Source → what it says of this public id."""
        query = f"SELECT source, {', '.join(FIELDS)} FROM features WHERE id = ? ORDER BY source"
        return {source: self._row(id, values) for source, *values in self._sql.rows(query, (clean_text(id),))}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """(id, source, then FIELDS) of every track, sorted by id; streams."""
        return self._sql.rows(f"SELECT id, source, {', '.join(FIELDS)} FROM features ORDER BY id, source")

    def _row(self, id: str, values: list[Any]) -> FeaturesRow:
        return FeaturesRow(track=id, **dict(zip(FIELDS, values, strict=True)))

    def _source(self, name: str) -> int:
        found = self._sql.value("SELECT source FROM sources WHERE name = ?", (clean_text(name),))
        if found is None:
            found = self._sql.value("INSERT INTO sources (name) VALUES (?) RETURNING source", (clean_text(name),))
        return int(found)


def _values(row: FeaturesRow) -> Iterator[int | None]:
    for name in FIELDS:
        value = getattr(row, name)
        if name in SCALES:
            yield None if value is None else round(value * SCALES[name])
        else:
            yield None if value == -1 else value  # -1 is how a key that could not be told is given
