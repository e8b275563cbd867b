"""What a working catalogue and an edition answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from fonoteca.catalogue.counts import CatalogueCounts
from fonoteca.catalogue.finding import find_things, resolve_id
from fonoteca.catalogue.finding_tracks import find_keyed_ids, find_track_ids
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.reading import iterate_records, iterate_selection, read_record
from fonoteca.catalogue.records import AlbumRecord, ArtistRecord, FileRow, Found, SelectionRow, Tombstone, TrackRecord
from fonoteca.catalogue.tables import MetadataRow, PlaysRow
from fonoteca.catalogue.thing_reading import (
    AlbumFacts,
    ArtistFacts,
    ContainerFacts,
    album_facts,
    artist_facts,
    container_facts,
    read_album,
    read_artist,
)
from fonoteca.ground.database import close_database
from fonoteca.ground.errors import FonotecaError

_FILES = """
SELECT aacid, container_name, collection, lower(hex(sha256)), size, format, tier, is_derived, lower(hex(source_sha256)),
  lower(hex(essence_sha256)), is_original_restorable, is_public, id FROM track_files
"""

_YES_OR_NO = frozenset({"may_publish", "may_change", "attribution_required"})


class CatalogueReader(CatalogueCounts):
    """Tracks, files, withdrawals and pictures of one open file."""

    def close(self) -> None:
        """Close the file; repeated calls are harmless."""
        close_database(self.statements.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def is_edition(self) -> bool:
        """Whether this is a published edition, whose row numbers are ranks."""
        return self.statements.is_edition

    def get_track(self, track_id: str) -> TrackRecord | None:
        """The record of one public id, or None."""
        return read_record(self.statements, track_id)

    def get_artist(self, artist_id: str) -> ArtistRecord | None:
        """The record of one artist by public id, or None."""
        return read_artist(self.statements, artist_id)

    def get_album(self, album_id: str) -> AlbumRecord | None:
        """The record of one album by public id, or None."""
        return read_album(self.statements, album_id)

    def facts_of(self, found: Found) -> ArtistFacts | AlbumFacts | ContainerFacts | None:
        """An artist, album or container with what belongs to it; None where it is unknown, or a track."""
        readers = {"artist": artist_facts, "album": album_facts, "container": container_facts}
        reader = readers.get(found.kind)
        return None if reader is None else reader(self.statements, found.id)

    def rights_of(self, track_id: str) -> dict[str, Any]:
        """What the view `may_be_published` says of one track; empty where it is unknown."""
        track = self.statements.value(f"SELECT track FROM tracks WHERE {self.statements.id_is('id')}", (clean_text(track_id),))
        columns = (
            "may_publish",
            "why",
            "rights_uri",
            "rights",
            "rights_text",
            "rights_from",
            "may_change",
            "attribution_required",
            "attribution",
        )
        row = self.statements.row(f"SELECT {', '.join(columns)} FROM may_be_published WHERE track = ?", (track,))
        told = dict(zip(columns, row, strict=True)) if row else {}
        return {name: bool(value) if name in _YES_OR_NO else value for name, value in told.items()}

    def iter_tracks(self, after: str | None = None) -> Iterator[TrackRecord]:
        """Every record sorted by public id, from behind `after`; of an edition by rank, from the first. Streams."""
        return iterate_records(self.statements, after)

    def find_tracks(self, text: str) -> list[str]:
        """Sorted public ids that `text` names: id, AACID, ISRC, MBID, SHA-256 or exact title (NFC, case folded)."""
        return find_track_ids(self.statements, text)

    def find_keyed(self, row: MetadataRow | PlaysRow) -> list[str]:
        """Sorted public ids of the tracks with all of the row's keys but its path, which only the ledger knows; none without such a key."""
        return find_keyed_ids(self.statements, row.id, row.isrc, row.mbid)

    def iter_selection(self) -> Iterator[SelectionRow]:
        """The columns that planning needs, one row a track, sorted by public id; streams."""
        return iterate_selection(self.statements)

    def find(self, text: str) -> list[Found]:
        """What `text` names: id, AACID, ISRC, MBID, SHA-256, UPC or EAN, container, exact title of a track, artist, title of an album.

        The first kind that finds something decides; a retired id gives what replaced it.
        """
        return find_things(self.statements, text)

    def provenance(self, track_id: str) -> dict[str, str]:
        """Field → source of each value that did not come with the file; sorted by field."""
        query = f"SELECT field, source FROM provenance JOIN tracks USING (track) WHERE {self.statements.id_is('id')} ORDER BY field"
        return dict(self.statements.rows(query, (track_id,)))

    def resolve(self, public_id: str) -> str:
        """The id that stands for this one: where it was retired the one that took its place, else itself."""
        return resolve_id(self.statements, public_id)

    # withdrawals

    def is_withdrawn(self, track_id: str) -> bool:
        """Whether a tombstone stands for this id."""
        return self.statements.row("SELECT 1 FROM tombstones WHERE track_id = ?", (clean_text(track_id),)) is not None

    def tombstone_of(self, track_id: str) -> Tombstone | None:
        """The withdrawal of one track."""
        return next(self._tombstones("WHERE track_id = ?", clean_text(track_id)), None)

    def tombstones(self) -> list[Tombstone]:
        """Every withdrawal, sorted by track id."""
        return list(self._tombstones("ORDER BY track_id"))

    def _tombstones(self, which: str, *values: str) -> Iterator[Tombstone]:
        query = f"SELECT track_id, reason, date, code, fate, shows_metadata FROM tombstones {which}"
        for i, r, d, c, f, s in self.statements.rows(query, values):
            yield Tombstone(track_id=i, reason=r, date=d, code=c, fate=f, shows_metadata=bool(s))

    # files, pictures, rights

    def files_of(self, track_id: str) -> list[FileRow]:
        """The held files of a track, in order of AACID."""
        rows = self.statements.rows(f"{_FILES}WHERE {self.statements.id_is('id')} ORDER BY aacid", (track_id,))
        return [_file_row(row)[1] for row in rows]

    def iter_files(self, container: str | None = None) -> Iterator[tuple[str, FileRow]]:
        """(track id, file) in order of AACID, of one container or of all; streams."""
        condition, bindings = ("WHERE container_name = ? ", (container,)) if container is not None else ("", ())
        for row in self.statements.rows(f"{_FILES}{condition}ORDER BY aacid", bindings):
            yield _file_row(row)

    def rights_uris(self) -> list[str]:
        """Every rights URI that a track was given, sorted."""
        return [row[0] for row in self.statements.rows("SELECT uri FROM rights ORDER BY uri")]

    def picture_hashes(self) -> Iterator[str]:
        """SHA-256 of every picture that is known, sorted."""
        return (row[0] for row in self.statements.rows("SELECT lower(hex(sha256)) FROM pictures ORDER BY sha256"))

    def picture_mime(self, sha256: str) -> str | None:
        """The MIME type of one picture; None where nothing is known of it."""
        mime: str | None = self.statements.value("SELECT mime FROM pictures WHERE sha256 = ?", (bytes.fromhex(sha256),))
        return mime

    def check(self) -> list[str]:
        """What PRAGMA integrity_check finds; empty when the database is whole."""
        try:
            return [row[0] for row in self.statements.rows("PRAGMA integrity_check") if row[0] != "ok"]
        except FonotecaError as error:
            return [error.message]


def _file_row(row: tuple[Any, ...]) -> tuple[str, FileRow]:
    values = dict(zip(FileRow.__struct_fields__, row[:-1], strict=True))
    for name in ("is_derived", "is_original_restorable", "is_public"):
        values[name] = bool(values[name])
    for name in ("source_sha256", "essence_sha256"):
        values[name] = values[name] or None
    return row[-1], FileRow(**values)
