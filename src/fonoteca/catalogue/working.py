"""The working catalogue: every known track, held or not, in one SQLite file with one writer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from msgspec import UnsetType

from fonoteca.catalogue.catalogue_reading import CatalogueReader
from fonoteca.catalogue.file_rows import FileRows
from fonoteca.catalogue.identifiers import is_public_id, wanted_track_id_of
from fonoteca.catalogue.migration import MIGRATIONS
from fonoteca.catalogue.names import check_number, check_score, clean_optional, clean_text
from fonoteca.catalogue.popularity import COUNTED, PLAYS_AT_1, PLAYS_AT_100, popularity_of_plays
from fonoteca.catalogue.records import AlbumRecord, ArtistRecord, FileRow, RightsRow, RightsSource, Tombstone, TrackRecord
from fonoteca.catalogue.schema import APPLICATION_ID, STATES, WORKING_SCHEMA
from fonoteca.catalogue.statements import Statements
from fonoteca.catalogue.tables import MetadataRow
from fonoteca.catalogue.writing import LINK_TABLES, TrackWriter, changed_record, clean_record
from fonoteca.ground.database import open_database
from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.ground.things import Status

_NAMES_OF_TRACK = {
    "artists": "SELECT artist FROM track_artists WHERE track = ? UNION SELECT artist FROM album_artists WHERE album = ?",
    "genres": "SELECT genre FROM track_genres WHERE track = ?",
    "pictures": "SELECT picture FROM track_pictures WHERE track = ?",
}
_ARTIST_IS_NAMED = " OR ".join(
    f"EXISTS (SELECT 1 FROM {table} WHERE artist = ?1)" for table in ("tracks", "further_track_artists", "albums", "further_album_artists")
)
_DROP_UNUSED = {
    "further_album_artists": "DELETE FROM further_album_artists WHERE album = ?1 AND NOT EXISTS (SELECT 1 FROM tracks WHERE album = ?1)",
    "recorded_albums": "DELETE FROM recorded_albums WHERE album = ?1 AND NOT EXISTS (SELECT 1 FROM tracks WHERE album = ?1)",
    "albums": "DELETE FROM albums WHERE album = ?1 AND NOT EXISTS (SELECT 1 FROM tracks WHERE album = ?1)",
    "album_search": "DELETE FROM album_search WHERE rowid = ?1 AND NOT EXISTS (SELECT 1 FROM albums WHERE album = ?1)",
    "labels": """DELETE FROM labels WHERE label = ?1 AND NOT EXISTS (SELECT 1 FROM tracks WHERE label = ?1)
        AND NOT EXISTS (SELECT 1 FROM albums WHERE label = ?1)""",
    "artist_aliases": f"DELETE FROM artist_aliases WHERE artist = ?1 AND NOT ({_ARTIST_IS_NAMED})",
    "artist_genres": f"DELETE FROM artist_genres WHERE artist = ?1 AND NOT ({_ARTIST_IS_NAMED})",
    "recorded_artists": f"DELETE FROM recorded_artists WHERE artist = ?1 AND NOT ({_ARTIST_IS_NAMED})",
    "artists": f"DELETE FROM artists WHERE artist = ?1 AND NOT ({_ARTIST_IS_NAMED})",
    "artist_search": "DELETE FROM artist_search WHERE rowid = ?1 AND NOT EXISTS (SELECT 1 FROM artists WHERE artist = ?1)",
    "genres": """DELETE FROM genres WHERE genre = ?1 AND NOT EXISTS (SELECT 1 FROM track_genres WHERE genre = ?1)
        AND NOT EXISTS (SELECT 1 FROM artist_genres WHERE genre = ?1)""",
    "pictures": "DELETE FROM pictures WHERE picture = ?1 AND NOT EXISTS (SELECT 1 FROM track_pictures WHERE picture = ?1)",
}


class Catalogue(CatalogueReader):
    """One open catalogue. Writing calls are atomic each; thousands of them belong in one `transaction()`.

    Nothing here is for use by two threads at once. DatabaseError where the file is damaged or newer.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.statements = Statements(open_database(path, APPLICATION_ID, MIGRATIONS, read_only=read_only, newest=WORKING_SCHEMA), path)
        self._writer = TrackWriter(self.statements)
        self._files = FileRows(self.statements)

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new, empty catalogue at `path`; an existing one is opened and left as it is."""
        return cls(path)

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> Self:
        """The catalogue at `path`; NotFoundError where there is none."""
        if not path.is_file():
            raise NotFoundError(f"there is no catalogue at {path}", "Make an archive with: fonoteca init DIR")
        return cls(path, read_only=read_only)

    @property
    def writer(self) -> TrackWriter:
        """What writes tracks here, for those of this room who write many at once."""
        return self._writer

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written inside, or nothing of it; inside another one it is part of that one."""
        return self.statements.transaction()

    # tracks

    def put_track(self, record: TrackRecord, *, keep_metadata: bool = False) -> None:
        """Insert or wholly replace the track of this id; idempotent.

        `keep_metadata`: fields that apply_metadata, set_popularity or set_rights set before stay, so that a
        source added again does not undo them. A withdrawn track stays withdrawn. FormatError where a value cannot be stored.
        """
        with self.transaction():
            if self.is_withdrawn(record.id):
                record = changed_record(record, {"status": "withdrawn"})
            self._writer.put(self._with_kept_fields(record) if keep_metadata else record)

    def _with_kept_fields(self, record: TrackRecord) -> TrackRecord:
        fields = self.provenance(record.id)
        former = self.get_track(record.id) if fields else None
        return record if former is None else changed_record(record, {name: getattr(former, name) for name in fields})

    # artists, albums, retired ids

    def put_artist(self, record: ArtistRecord) -> str:
        """Insert or replace what is known of an artist beside his tracks; idempotent; gives the public id.

        The name goes before what tracks call him, which they keep. Popularity and followers stay where the record has none.
        """
        with self.transaction():
            artist = self._writer.put_artist(clean_record(record))
            return str(self.statements.value("SELECT id FROM artists WHERE artist = ?", (artist,)))

    def put_album(self, record: AlbumRecord) -> str:
        """Insert or replace what is known of an album beside its tracks; idempotent; gives the public id."""
        with self.transaction():
            album = self._writer.put_album(clean_record(record))
            return str(self.statements.value("SELECT id FROM albums WHERE album = ?", (album,)))

    def add_redirect(self, public_id: str, target: str, kind: str, why: str) -> None:
        """From now on `target` stands for the retired `public_id`; `kind` is track, album or artist. UsageError for a circle."""
        with self.transaction():
            if self.resolve(target) == public_id:
                raise UsageError(f"{target} is itself replaced by {public_id}", "Redirect the other one.")
            row = (clean_text(public_id), clean_text(target), kind, clean_text(why))
            self.statements.run("INSERT OR REPLACE INTO redirects VALUES (?, ?, ?, ?)", row)

    # metadata from elsewhere

    def apply_metadata(self, track_id: str, row: MetadataRow, *, rights_uri: str | None = None, source: str = "metadata") -> None:
        """Set the fields that the row gives, and only those; the provenance of each is kept. Idempotent.

        `rights_uri` is what the row's `rights` statement was found to mean; a sidecar of the file itself goes before it.
        """
        record, changes = self._known(track_id), row.changes()
        if not isinstance(row.rights, UnsetType) and record.rights_from != "sidecar":
            changes |= {"rights_uri": rights_uri, "rights_text": row.rights, "rights_from": "metadata"}
        with self.transaction():
            self._writer.put(changed_record(record, changes))
            self._note_provenance(track_id, changes, source)

    def add_wanted(self, row: MetadataRow, *, rights_uri: str | None = None, source: str = "metadata") -> str:
        """A known track that is not held; gives its public id, the same for the same row. A track that is there keeps its status."""
        track_id = wanted_id_of(row)
        with self.transaction():
            if self.get_track(track_id) is None:
                self._writer.put(TrackRecord(id=track_id, isrcs=isrcs_of(row), recording_mbid=row.recording_mbid or row.mbid))
            self.apply_metadata(track_id, row, rights_uri=rights_uri, source=source)
        return track_id

    def change_track(self, record: TrackRecord, provenance: Mapping[str, str]) -> None:
        """Put the record of a known track back as it is now; `provenance` says who gave each field that is new."""
        with self.transaction():
            self._writer.put(record)
            for field, source in provenance.items():
                self._note_provenance(record.id, [field], source)

    def set_popularity(
        self, track_id: str, *, plays: int | None = None, popularity: float | None = None,
        plays_at_1: int = PLAYS_AT_1, plays_at_100: int = PLAYS_AT_100, source: str = "plays",
    ) -> None:  # fmt: skip
        """Set a count of plays and the score it gives, or a score as it is; a given score goes before the count."""
        check_number("plays", plays, 0)
        score = check_score("popularity", popularity)
        is_counted = score is None and plays is not None
        if is_counted and plays is not None:
            score = popularity_of_plays(plays, plays_at_1, plays_at_100)
        with self.transaction():
            self._change(track_id, "popularity = ?, plays = coalesce(?, plays)", (score, plays))
            self._note_provenance(track_id, ["popularity"], COUNTED if is_counted else source)
            self._note_provenance(track_id, [] if plays is None else ["plays"], source)

    def set_rights(
        self, track_id: str, uri: str | None, *, text: str | None, rights_from: RightsSource | None, attribution: str | None = None
    ) -> None:
        """Set what is known of a track's rights, as one statement; `rights_from` None: there is no statement any more."""
        with self.transaction():
            rights = self._writer.named_row("rights", "rights", "uri", clean_optional(uri))
            columns = (rights, clean_optional(text), rights_from, clean_optional(attribution))
            fields = ["rights_uri", "rights_text", "rights_from", "attribution"]
            self._change(track_id, "rights = ?, rights_text = ?, rights_from = ?, attribution = ?", columns)
            if rights_from is not None:
                self._note_provenance(track_id, fields, rights_from)
            else:
                forget = "DELETE FROM provenance WHERE field = ? AND track = (SELECT track FROM tracks WHERE id = ?)"
                self.statements.run_many(forget, [(field, track_id) for field in fields])

    def _note_provenance(self, track_id: str, fields: Any, source: str) -> None:
        insert = "INSERT OR REPLACE INTO provenance SELECT track, ?, ? FROM tracks WHERE id = ?"
        self.statements.run_many(insert, [(field, clean_text(source), track_id) for field in fields])

    def _known(self, track_id: str) -> TrackRecord:
        record = self.get_track(track_id)
        if record is None:
            raise NotFoundError(f"no track has the id {track_id}", "Look it up with: fonoteca show TITLE, ISRC, MBID or hash")
        return record

    def _change(self, track_id: str, assignments: str, values: tuple[Any, ...]) -> None:
        self.statements.run(f"UPDATE tracks SET {assignments} WHERE id = ?", (*values, clean_text(track_id)))
        if not self.statements.connection.changes():
            self._known(track_id)

    # status, withdrawals

    def set_status(
        self, track_id: str, status: Status, reason: str | None = None, duplicate_of: str | None = None, *, only_if_changed: bool = False
    ) -> None:
        """Say whether the track is held and why not; a withdrawn track stays withdrawn. `only_if_changed` writes nothing in vain."""
        if only_if_changed:
            query = "SELECT status, status_reason FROM tracks WHERE id = ?"
            if self.statements.row(query, (track_id,)) == (status, reason):
                return
        if status != "withdrawn" and self.is_withdrawn(track_id):
            raise UsageError(f"track {track_id} was withdrawn", "A withdrawal is for good; the tombstone says why.")
        values = (STATES.index(status), clean_optional(reason), clean_optional(duplicate_of))
        self._change(track_id, "state = ?, status_reason = ?, duplicate_of = ?", values)

    def tombstone(self, tombstone: Tombstone) -> Tombstone:
        """Withdraw a track for good: status and tombstone in one; gives the one that stands.

        The first date and reason stay, but for a withdrawal that asks for more: that deletes, or hides the names.
        """
        with self.transaction():
            former = self.tombstone_of(tombstone.track_id)
            if former is not None and former.strength >= tombstone.strength:
                return former
            reason = clean_text(tombstone.reason)
            row = (tombstone.track_id, tombstone.code, reason, tombstone.date, tombstone.fate, tombstone.shows_metadata)
            self._change(tombstone.track_id, "state = ?, status_reason = ?", (STATES.index("withdrawn"), reason))
            self.statements.run("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?, ?, ?)", row)
        return tombstone

    def forget_names(self, track_id: str) -> None:
        """Take from a withdrawn track all that is known of it but its id and tombstone; names that nothing else bears go too.

        The file is then written anew, so that nothing is left between the rows; that takes its size in free room.
        """
        with self.transaction():
            track, album, label = self.statements.row("SELECT track, album, label FROM tracks WHERE id = ?", (track_id,)) or (None,) * 3
            links = {name: list(self.statements.rows(query, (track, album)[: query.count("?")])) for name, query in _NAMES_OF_TRACK.items()}
            reason = self.statements.value("SELECT reason FROM tombstones WHERE track_id = ?", (track_id,))
            self._writer.put(TrackRecord(id=track_id, status="withdrawn", status_reason=reason))
            for table in ("provenance", "fingerprints", "same_recordings"):
                self.statements.run(f"DELETE FROM {table} WHERE track = ?", (track,))
            self.statements.run("DELETE FROM same_recordings WHERE leader = ?", (track,))
            self.statements.run("DELETE FROM evidence WHERE track = ?1 OR other = ?1", (track,))
            keys = {"labels": [(label,)], **links}
            keys |= {table: [(album,)] for table in ("further_album_artists", "recorded_albums", "albums", "album_search")}
            keys |= dict.fromkeys(("artist_aliases", "artist_genres", "recorded_artists", "artist_search"), links["artists"])
            for name, drop in _DROP_UNUSED.items():
                self.statements.run_many(drop, keys[name])
            for kind in ("track", "artist", "album"):  # what is deleted stays in the index until then
                self.statements.run(f"INSERT INTO {kind}_search ({kind}_search) VALUES ('optimize')")
            self._writer.forget()
        self.statements.run("VACUUM")

    # files, pictures, rights

    def put_file(self, track_id: str, file: FileRow) -> None:
        """Record where a held file of a track lies; idempotent by AACID. The track's status is not touched.

        `is_public` belongs to the container: what was said last holds for all its files.
        """
        with self.transaction():
            track = self.statements.value("SELECT track FROM tracks WHERE id = ?", (track_id,))
            if track is None:
                self._known(track_id)
            self._files.put(track, track_id, file)

    def drop_container(self, name: str) -> int:
        """Forget a container and where its files lay; gives how many files those were."""
        with self.transaction():
            return self._files.drop_container(name)

    def hide_container(self, name: str) -> None:
        """No edition tells of the files in a container that releases may not hold."""
        self.statements.run("UPDATE containers SET is_public = 0 WHERE name = ?", (name,))

    def put_picture(self, sha256: str, mime: str | None, width: int | None, height: int | None, size: int | None) -> None:
        """Record what is known of one picture; idempotent."""
        upsert = (
            "INSERT INTO pictures (sha256, mime, width, height, size) VALUES (?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET "
            "mime = excluded.mime, width = excluded.width, height = excluded.height, size = excluded.size"
        )
        self.statements.run(upsert, (bytes.fromhex(sha256), clean_optional(mime), width, height, size))

    def put_rights(self, row: RightsRow) -> None:
        """Record what the table of licences says about one rights URI; until then nothing under it may be published."""
        upsert = (
            "INSERT INTO rights (uri, name, may_publish, may_change, attribution_required, why) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (uri) DO UPDATE SET name = excluded.name, may_publish = excluded.may_publish, "
            "may_change = excluded.may_change, attribution_required = excluded.attribution_required, why = excluded.why"
        )
        self.statements.run(upsert, (clean_text(row.uri), row.name, row.may_publish, row.may_change, row.attribution_required, row.why))

    # tracks that turn out to be others

    def merge_wanted(self, wanted_id: str, track_id: str) -> None:
        """A wanted track turned out to be this one: what people said of it comes over, and it is marked its duplicate."""
        wanted, record = self._known(wanted_id), self._known(track_id)
        sources = self.provenance(wanted_id)
        given = {name: getattr(wanted, name) for name in sources}
        missing = {name: value for name, value in given.items() if getattr(record, name) in (None, ())}
        with self.transaction():
            self._writer.put(changed_record(record, missing))
            for name in missing:
                self._note_provenance(track_id, [name], sources[name])
            self.set_status(wanted_id, "duplicate", "a file of it was added", duplicate_of=track_id)

    def remove_track(self, track_id: str) -> None:
        """Forget a track of which nothing is left, such as a damaged file that was replaced by a whole one."""
        with self.transaction():
            track = self.statements.value("SELECT track FROM tracks WHERE id = ?", (track_id,))
            self.statements.run("DELETE FROM track_search WHERE rowid = ?", (track,))
            self.statements.run("DELETE FROM evidence WHERE track = ?1 OR other = ?1", (track,))
            self.statements.run("DELETE FROM same_recordings WHERE track = ?1 OR leader = ?1", (track,))
            for table in (*LINK_TABLES, "provenance", "fingerprints", "files", "tracks"):
                self.statements.run(f"DELETE FROM {table} WHERE track = ?", (track,))


def wanted_id_of(row: MetadataRow) -> str:
    """The public id that a row gives a track which is known by nothing else: the same for the same row."""
    if row.id and is_public_id(row.id):
        return row.id
    names = [row.title or "", *(row.artists or ()), row.album or "", row.path or "", row.id or ""]
    return wanted_track_id_of(row.recording_mbid or row.mbid, isrcs_of(row), names)


def isrcs_of(row: MetadataRow) -> tuple[str, ...]:
    """The ISRCs that a row gives a new track: its values, else its key."""
    return row.isrcs or ((row.isrc,) if row.isrc else ())
