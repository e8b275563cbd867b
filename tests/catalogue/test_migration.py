"""A working catalogue of an earlier schema becomes one of this schema with every record as it was."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_made import number_id, number_record, records
from test_working_catalogue import file_row

from fonoteca.catalogue import Catalogue, FileRow, TrackRecord, album_id_of, artist_id_of
from fonoteca.catalogue.names import normal_form, search_key
from fonoteca.catalogue.schema import APPLICATION_ID, SCHEMA_VERSION
from fonoteca.catalogue.schema_former import FORMER_MIGRATIONS
from fonoteca.catalogue.search import search
from fonoteca.ground.errors import DatabaseError


class FormerCatalogue:
    """Writes records as schema 2 kept them."""

    def __init__(self, path: Path) -> None:
        self.sql = apsw.Connection(str(path))
        for step in FORMER_MIGRATIONS:
            self.sql.execute(step)
        self.sql.execute(f"PRAGMA user_version = {len(FORMER_MIGRATIONS)}")
        self.sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def row(self, table: str, key: str, **values: Any) -> int:
        number = self.sql.execute(f"SELECT rowid FROM {table} WHERE {key} = ?", (values[key],)).get
        if number is None:
            self.sql.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))
            number = self.sql.last_insert_rowid()
        return int(number)

    def named(self, table: str, key: str, value: str | bytes | None) -> int | None:
        return None if value is None else self.row(table, key, **{key: value})

    def artist(self, name: str, mbid: str | None) -> tuple[int, str | None]:
        number = self.row("artists", "id", id=artist_id_of(name, mbid), mbid=mbid, name=normal_form(name))
        known = self.sql.execute("SELECT name FROM artists WHERE artist = ?", (number,)).get
        return number, None if known == name else name

    def put(self, record: TrackRecord) -> None:
        album = self.album(record)
        track = self.row(
            "tracks", "id", id=record.id, title=record.title, title_key=record.title and search_key(record.title), album=album,
            disc=record.disc, number=record.number, date=record.date, label=self.named("labels", "name", record.label),
            recording_mbid=record.recording_mbid, duration_ms=record.duration_ms, explicit=record.explicit, popularity=record.popularity,
            plays=record.plays, status=record.status, status_reason=record.status_reason, duplicate_of=record.duplicate_of,
            rights=self.named("rights", "uri", record.rights_uri), rights_text=record.rights_text, rights_from=record.rights_from,
            attribution=record.attribution,
        )  # fmt: skip
        are_aligned = len(record.artist_mbids) == len(record.artists) and all(record.artist_mbids)
        for position, name in enumerate(record.artists):
            artist, credited = self.artist(name, record.artist_mbids[position] if are_aligned else None)
            self.sql.execute("INSERT INTO track_artists VALUES (?, ?, ?, ?)", (track, position, artist, credited))
            if position == 0:
                update = "UPDATE artists SET popularity = ?, followers = ? WHERE artist = ?"
                self.sql.execute(update, (record.artist_popularity, record.followers, artist))
        for table, key, values in (("genres", "name", record.genres), ("pictures", "sha256", map(bytes.fromhex, record.pictures))):
            for position, value in enumerate(values):
                number = self.named(table, key, value)
                self.sql.execute(f"INSERT INTO track_{table} VALUES (?, ?, ?)", (track, position, number))
        for position, isrc in enumerate(record.isrcs):
            self.sql.execute("INSERT INTO track_isrcs VALUES (?, ?, ?)", (track, position, isrc))
        forms: dict[str, Any] = {}
        if record.album is not None and record.album != normal_form(record.album):
            forms["album"] = record.album
        if any(name != normal_form(name) for name in record.album_artists):
            forms["album_artists"] = json.dumps(record.album_artists)
        if record.artist_mbids and not are_aligned:
            forms["artist_mbids"] = json.dumps(record.artist_mbids)
        self.sql.executemany("INSERT INTO given_forms VALUES (?, ?, ?)", [(track, field, value) for field, value in forms.items()])

    def album(self, record: TrackRecord) -> int | None:
        if not record.album_artists and record.album is None and record.album_mbid is None and record.barcode is None:
            return None
        public_id = album_id_of(record.album, record.album_artists, record.album_mbid, record.barcode)
        title = None if record.album is None else normal_form(record.album)
        is_new = not self.sql.execute("SELECT count(*) FROM albums WHERE id = ?", (public_id,)).get
        album = self.row(
            "albums", "id", id=public_id, mbid=record.album_mbid, title=title, barcode=record.barcode, popularity=record.album_popularity
        )
        for position, name in enumerate(record.album_artists if is_new else ()):
            self.sql.execute("INSERT INTO album_artists VALUES (?, ?, ?)", (album, position, self.artist(name, None)[0]))
        return album

    def put_file(self, track_id: str, file: FileRow) -> None:
        container = self.row("containers", "name", name=file.container, collection=file.collection)
        track = self.sql.execute("SELECT track FROM tracks WHERE id = ?", (track_id,)).get
        hashes = [bytes.fromhex(text or "") for text in (file.source_sha256, file.essence_sha256)]
        self.row(
            "files", "aacid", track=track, aacid=file.aacid, container=container, sha256=bytes.fromhex(file.sha256), size=file.size,
            format=file.format, tier=file.tier, is_derived=file.is_derived, source_sha256=hashes[0], essence_sha256=hashes[1],
            is_original_restorable=file.is_original_restorable, is_public=file.is_public,
        )  # fmt: skip


@settings(max_examples=40)
@given(st.lists(records(), max_size=4, unique_by=lambda record: record.id))
def test_any_record_of_schema_2_is_the_same_in_schema_3(given_records: list[TrackRecord]) -> None:
    # what artists share is told by all that name them: one teller a name here
    with TemporaryDirectory() as folder:
        former = FormerCatalogue(Path(folder) / "former.sqlite3")
        with Catalogue.create(Path(folder) / "new.sqlite3") as new:
            for record in given_records:
                former.put(record)
                new.put_track(record)
            expected = list(new.iter_tracks())
        former.sql.close()
        with Catalogue.open(Path(folder) / "former.sqlite3") as migrated:
            found = list(migrated.iter_tracks())
            assert [record.id for record in found] == [record.id for record in expected]
            if len(given_records) == 1:
                assert found == given_records
            for record in found:
                assert record == next(other for other in expected if other.id == record.id)
            assert migrated.check() == []


def test_isrcs_barcodes_files_and_words_come_along(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite3"
    former = FormerCatalogue(path)
    given_records = [
        number_record(1, isrcs=("USRC10000001", "QZ5AB1234567"), barcode="0012345678905"),
        number_record(2, isrcs=("USRC10000001", "no isrc", "DEA000000001"), barcode="12345678905", album="Other"),
        number_record(3, isrcs=(), barcode="no number"),
    ]
    short = "A" * 22
    files = {
        number_id(1): file_row(1, aacid=f"aacid__x_files__20260101T000000Z__{number_id(1)}__{short}", is_public=True),
        number_id(2): file_row(2, container="other"),
        number_id(3): file_row(3, aacid=f"aacid__x_files__20260230T000000Z__{number_id(3)}__{short}", is_public=True),
    }
    for record in given_records:
        former.put(record)
        former.put_file(record.id, files[record.id])
    former.sql.close()
    with Catalogue.open(path) as catalogue:
        assert {record.id: record for record in catalogue.iter_tracks()} == {record.id: record for record in given_records}
        assert dict(catalogue.iter_files()) == files
        assert catalogue.find_tracks("USRC10000001") == sorted([number_id(1), number_id(2)])
        assert catalogue.find_tracks(files[number_id(1)].aacid) == [number_id(1)]
        assert catalogue.find_tracks("song 3") == [number_id(3)]
        assert len(catalogue.find("0012345678905")) == 2
        assert len(search(catalogue, "other", kind="album").found) == 1 and len(search(catalogue, "artist", kind="artist").found) == 1
        assert catalogue.statements.value("SELECT count(*) FROM files WHERE aacid IS NULL") == 1
        catalogue.put_track(given_records[0])
        assert catalogue.get_track(number_id(1)) == given_records[0]
        assert not list(catalogue.statements.rows("SELECT 1 FROM sqlite_schema WHERE name LIKE 'former%'"))
        assert not list(catalogue.statements.rows("PRAGMA foreign_key_check"))


def test_migrated_and_new_catalogues_have_the_same_schema(tmp_path: Path) -> None:
    FormerCatalogue(tmp_path / "former.sqlite3").sql.close()
    told = []
    for name in ("former.sqlite3", "new.sqlite3"):
        with Catalogue(tmp_path / name) as catalogue:
            sql = catalogue.statements
            assert sql.value("PRAGMA user_version") == SCHEMA_VERSION
            told.append(sorted(sql.rows("SELECT type, name, tbl_name, sql FROM sqlite_schema")))
    assert told[0] == told[1]


def test_reader_of_an_older_catalogue_is_told_how_to_bring_it_up_to_date(tmp_path: Path) -> None:
    FormerCatalogue(tmp_path / "c.sqlite3").sql.close()
    with pytest.raises(DatabaseError, match="schema 2"):
        Catalogue.open(tmp_path / "c.sqlite3", read_only=True)
    Catalogue.open(tmp_path / "c.sqlite3").close()
    Catalogue.open(tmp_path / "c.sqlite3", read_only=True).close()
