"""What a container under way holds so far, on disk: memory does not grow with its members."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec

from fonoteca.catalogue import FileRow
from fonoteca.integrity import Member


class MadeMembers:
    """Rows for ledger and catalogue in the order in which they were made; SQLite keeps them in a temporary file."""

    def __init__(self) -> None:
        self._connection = apsw.Connection("")
        self._connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096")
        self._connection.execute("CREATE TABLE made (number INTEGER PRIMARY KEY, row BLOB NOT NULL); BEGIN")
        self._decoder = msgspec.msgpack.Decoder(tuple[Member, FileRow | None])
        self.count = 0

    def add(self, member: Member, file: FileRow | None) -> None:
        """One more member, with the row that the catalogue takes for an audio file."""
        self._connection.execute("INSERT INTO made (row) VALUES (?)", (msgspec.msgpack.encode((member, file)),))
        self.count += 1

    def __iter__(self) -> Iterator[tuple[Member, FileRow | None]]:
        for (row,) in self._connection.execute("SELECT row FROM made ORDER BY number"):
            yield self._decoder.decode(row)

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()
