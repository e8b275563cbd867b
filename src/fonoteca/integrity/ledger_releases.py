"""What was published: releases by serial number, and every torrent that one of them held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apsw
import msgspec

from fonoteca.integrity.ledger_rows import PublishedTorrent, Release, column_names, columns_of, insert_row, read_struct


class ReleaseLedger:
    """The part of the ledger that is about releases."""

    connection: apsw.Connection

    def rows(self, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of one statement, streamed; values are bound."""
        return iter(self.connection.execute(statement, values))

    def last_release(self) -> Release | None:
        """The release of the highest serial number, finished or not."""
        statement = f"SELECT {column_names(Release)} FROM releases ORDER BY serial DESC LIMIT 1"
        return next((Release(*row) for row in self.rows(statement)), None)

    def start_release(self, content_sha256: str, second: int) -> Release:
        """The release to make: the one that was begun and not finished, under its number and time, else the next."""
        last = self.last_release()
        if last is None or last.state == "done":
            last = Release(last.serial + 1 if last else 1, second, content_sha256)
        last = msgspec.structs.replace(last, content_sha256=content_sha256)
        insert_row(self.connection, "releases", columns_of(last))
        return last

    def finish_release(self, serial: int, checksums_sha256: str) -> None:
        """It stands."""
        self.connection.execute("UPDATE releases SET state = 'done', checksums_sha256 = ? WHERE serial = ?", (checksums_sha256, serial))

    def checksums_before(self, serial: int) -> str | None:
        """SHA-256 of the SHA256SUMS of the release before; None for the first."""
        statement = "SELECT checksums_sha256 FROM releases WHERE serial < ? AND state = 'done' ORDER BY serial DESC LIMIT 1"
        return next((row[0] for row in self.rows(statement, serial)), None)

    # ---- torrents

    def put_published(self, torrents: Iterable[PublishedTorrent], serial: int) -> None:
        """Release `serial` holds these torrents and no others; what an earlier one held is never forgotten."""
        ended = "UPDATE published_torrents SET last_serial = max(first_serial, ? - 1) WHERE last_serial IS NULL"
        self.connection.execute(ended, (serial,))
        for torrent in torrents:
            columns = columns_of(torrent)
            statement = f"""INSERT INTO published_torrents ({", ".join(columns)}, first_serial) VALUES ({", ".join("?" * len(columns))}, ?)
                ON CONFLICT DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in columns)}, last_serial = NULL"""
            self.connection.execute(statement, (*columns.values(), serial))

    def published_torrents(self, name: str | None = None) -> Iterator[PublishedTorrent]:
        """Every torrent that a release holds or held, of this name or of all, sorted by name and infohash."""
        where, values = ("WHERE name = ?", (name,)) if name is not None else ("", ())
        statement = f"SELECT {column_names(PublishedTorrent)} FROM published_torrents {where} ORDER BY name, infohash"
        for row in self.rows(statement, *values):
            yield read_struct(PublishedTorrent, row)
