"""Whatever a person types, the catalogue and its edition answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records_made import number_id, number_record
from test_working_catalogue import file_row

from fonoteca.catalogue import (
    AlbumRecord,
    ArtistRecord,
    Catalogue,
    Edition,
    Found,
    Tombstone,
    TrackRecord,
    album_id_of,
    artist_id_of,
    track_id_of,
    write_edition,
)
from fonoteca.ground.errors import UsageError

MBIDS = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abcd"]
ESSENCE = "5e" * 32
HELD = track_id_of(ESSENCE)
AACID = f"aacid__x_files__20260101T000000Z__{HELD}__{'B' * 22}"
ALBUM = album_id_of("Café del Mar", ("Zoë",), MBIDS[1], "0042284205825")


def records() -> Iterator[TrackRecord]:
    yield TrackRecord(
        id=HELD, title="Straße", artists=("Zoë", "Другой"), artist_mbids=(MBIDS[2], MBIDS[3]), album="Café del Mar", album_artists=("Zoë",),
        album_mbid=MBIDS[1], barcode="0042284205825", isrcs=("USRC10000001", "QZ5AB1234567"), recording_mbid=MBIDS[0], popularity=70.0,
        label="Blue", date="1999", status="held",
    )  # fmt: skip
    yield number_record(1, title="Only Once", popularity=90.0)
    yield number_record(2, title="Twice", popularity=None)
    yield number_record(3, title="twice")
    yield number_record(4, title="!!!", artists=("東京事変",), album="群青日和", album_artists=("東京事変",))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalogue, Edition]]:
    folder = tmp_path_factory.mktemp("finding")
    with Catalogue.create(folder / "c.sqlite3") as catalogue:
        for record in records():
            catalogue.put_track(record)
        catalogue.put_file(HELD, file_row(1, aacid=AACID, essence_sha256=ESSENCE, is_public=True, container="x__c", collection="x_files"))
        catalogue.put_file(number_id(1), file_row(2, is_public=True, container="x__c", collection="x_files"))
        catalogue.put_artist(ArtistRecord(name="Zoë", mbid=MBIDS[2], sort_name="Zoe", country="MX", aliases=("Zoe M.",), genres=("rock",)))
        catalogue.add_redirect("2" * 22, "3" * 22, "track", "merged")
        catalogue.add_redirect("3" * 22, HELD, "track", "merged")
        catalogue.add_redirect(ALBUM[::-1], ALBUM, "album", "the same release")
        write_edition(catalogue, folder / "e.sqlite3", title="t", date="2026-01-01")
        with Edition.open(folder / "e.sqlite3") as edition:
            yield catalogue, edition


def found(kind: str, *ids: str) -> list[Found]:
    return [Found(kind, one) for one in sorted(ids)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HELD, found("track", HELD)),
        ("2" * 22, found("track", HELD)),
        (ALBUM[::-1], found("album", ALBUM)),
        (ALBUM, found("album", ALBUM)),
        (artist_id_of("", MBIDS[2]), found("artist", artist_id_of("", MBIDS[2]))),
        ("ISRC US-RC1-00-00001", found("track", HELD, number_id(1))),
        ("qz5ab1234567", found("track", HELD)),
        ("042284205825", found("album", ALBUM)),
        ("0 042284 205825", found("album", ALBUM)),
        ("00042284205825", found("album", ALBUM)),
        ("42284205825", found("album", ALBUM)),
        (MBIDS[0].upper(), found("track", HELD)),
        (f"https://musicbrainz.org/release/{MBIDS[1]}", found("album", ALBUM)),
        (MBIDS[3], found("artist", artist_id_of("", MBIDS[3]))),
        (AACID, found("track", HELD)),
        (file_row(2).aacid, found("track", number_id(1))),
        (file_row(1).sha256.upper(), found("track", HELD)),
        (file_row(1).source_sha256, found("track", HELD)),
        (ESSENCE, found("track", HELD)),
        ("x__c", found("container", "x__c")),
        (" STRASSE ", found("track", HELD)),
        ("TWICE", found("track", number_id(2), number_id(3))),
        ("!!!", found("track", number_id(4))),
        ("zoë", found("artist", artist_id_of("", MBIDS[2]), artist_id_of("Zoë"))),
        ("Zoe M.", found("artist", artist_id_of("", MBIDS[2]))),
        ("東京事変", found("artist", artist_id_of("東京事変"))),
        ("CAFÉ  DEL MAR", found("album", ALBUM)),
        ("群青日和", found("album", album_id_of("群青日和", ("東京事変",)))),
        ("Twic", []),
        ("", []),
        ("\0", []),
        ("f" * 64, []),
        ('"; DROP TABLE tracks; --', []),
        ("AND OR NOT NEAR(", []),
        ("aacid__", []),
        ("\ud800\u202e", []),
        ("x " * 500_000, []),
        ("9" * 22, []),
    ],
)
def test_every_name_finds_its_thing(both: tuple[Catalogue, Edition], text: str, expected: list[Found]) -> None:
    for reader in both:
        assert reader.find(text) == expected


def test_edition_gives_the_records_that_the_catalogue_gives(both: tuple[Catalogue, Edition]) -> None:
    catalogue, edition = both
    assert sorted(edition.iter_tracks(), key=lambda record: record.id) == list(catalogue.iter_tracks())
    for record in records():
        assert edition.get_track(record.id) == catalogue.get_track(record.id)
        public = [row for row in catalogue.files_of(record.id) if row.is_public]
        assert edition.files_of(record.id) == public
        assert edition.find_tracks(record.isrcs[0]) == catalogue.find_tracks(record.isrcs[0])
        assert edition.rights_of(record.id) == catalogue.rights_of(record.id)
    for thing in (*found("artist", artist_id_of("", MBIDS[2])), *found("album", ALBUM)):
        assert edition.facts_of(thing) != edition.facts_of(Found("album", "none"))
    assert edition.get_artist(artist_id_of("", MBIDS[2])) == catalogue.get_artist(artist_id_of("", MBIDS[2]))
    assert edition.resolve("2" * 22) == HELD and edition.resolve("none") == "none"


def test_date_and_label_that_a_whole_album_shares_stand_at_the_album(both: tuple[Catalogue, Edition]) -> None:
    _, edition = both
    album = edition.get_album(ALBUM)
    assert album is not None and (album.date, album.label) == ("1999", "Blue")
    assert edition.statements.row("SELECT date, label FROM tracks WHERE id = ?", (HELD,)) == (None, None)
    track = edition.get_track(HELD)
    assert track is not None and (track.date, track.label) == ("1999", "Blue")


def test_rows_of_an_edition_are_numbered_by_rank(both: tuple[Catalogue, Edition]) -> None:
    sql = both[1].statements
    assert [row[0] for row in sql.rows("SELECT id FROM tracks ORDER BY track")][:2] == [number_id(1), HELD]
    assert sql.value("SELECT count(*) = max(track) FROM tracks") == 1
    assert sql.value("SELECT id FROM tracks ORDER BY track DESC") == number_id(2)
    assert not list(sql.rows("PRAGMA foreign_key_check"))


def test_redirects_never_run_in_a_circle(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        catalogue.add_redirect("a", "b", "track", "why")
        catalogue.add_redirect("b", "c", "track", "why")
        for target in ("a", "b", "c"):
            with pytest.raises(UsageError):
                catalogue.add_redirect("c", target, "track", "why")
        assert catalogue.resolve("a") == "c"


def test_records_of_artists_and_albums_join_what_tracks_name(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        track = next(records())
        catalogue.put_track(track)
        artist = ArtistRecord(
            name="Zoe", mbid=MBIDS[2], sort_name="Zoe, The", country="MX", popularity=5.0, aliases=("Z",), genres=("a", "b")
        )
        album = AlbumRecord(
            title="Café del Mar", artists=("Zoë",), artist_mbids=(MBIDS[2],), mbid=MBIDS[1], barcode="0042284205825", date="2000", label="L"
        )
        for _ in range(2):
            assert catalogue.put_artist(artist) == artist_id_of("", MBIDS[2])
            assert catalogue.put_album(album) == ALBUM
        assert catalogue.get_artist(artist_id_of("", MBIDS[2])) == msgspec.structs.replace(artist, id=artist_id_of("", MBIDS[2]))
        # artists of albums are told under their own names; what the track said stays
        told = msgspec.structs.replace(album, id=ALBUM, artists=("Zoe",), barcode="042284205825")
        assert catalogue.get_album(ALBUM) == told
        changed = {"artist_popularity": 5.0}
        assert catalogue.get_track(HELD) == msgspec.structs.replace(track, **changed)
        catalogue.put_track(track)
        assert catalogue.get_track(HELD) == msgspec.structs.replace(track, **changed)
        assert catalogue.statements.value("SELECT count(*) FROM albums") == 1


@pytest.mark.parametrize("mbids", [(), (MBIDS[2],)])
def test_records_before_and_after_their_tracks_give_the_same_edition(tmp_path: Path, mbids: tuple[str, ...]) -> None:
    album = AlbumRecord(title="Café del Mar", artists=("Zoë",), artist_mbids=mbids, mbid=MBIDS[1], barcode="0042284205825", date="2000")
    artist = ArtistRecord(name="Zoe", mbid=MBIDS[2], sort_name="Zoe, The", aliases=("Z",))
    editions = []
    for order in ("rat", "tar", "atr", "rta", "tartar"):
        with Catalogue.create(tmp_path / f"{order}.sqlite3") as catalogue:
            for step in order:
                if step == "t":
                    for record in records():
                        catalogue.put_track(record)
                elif step == "a":
                    catalogue.put_artist(artist)
                else:
                    catalogue.put_album(album)
            write_edition(catalogue, tmp_path / f"{order}.edition", title="t", date="2026-01-01")
            assert catalogue.get_track(HELD) == next(records())
        editions.append((tmp_path / f"{order}.edition").read_bytes())
    assert len(set(editions)) == 1


def test_albums_and_artists_without_a_track_are_published_and_hidden_ones_are_not(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        catalogue.put_artist(ArtistRecord(name="Alone", aliases=("Lonely",)))
        catalogue.put_album(AlbumRecord(title="Empty", artists=("Nobody",), label="None"))
        catalogue.put_artist(ArtistRecord(name="Hidden", aliases=("Ghost",)))
        catalogue.put_track(number_record(1, artists=("Hidden",), album="Hidden album", album_artists=("Hidden",), label="Hidden label"))
        stone: dict[str, Any] = {"track_id": number_id(1), "reason": "asked", "date": "2026-01-01"}
        catalogue.tombstone(Tombstone(**stone, shows_metadata=False))
        write_edition(catalogue, tmp_path / "e.sqlite3", title="t", date="2026-01-01")
    with Edition.open(tmp_path / "e.sqlite3") as edition:
        assert {row[0] for row in edition.statements.rows("SELECT name FROM artists")} == {"Alone", "Nobody"}
        assert [row[0] for row in edition.statements.rows("SELECT title FROM albums")] == ["Empty"]
        assert edition.get_track(number_id(1)) == TrackRecord(id=number_id(1), status="withdrawn")
    content = (tmp_path / "e.sqlite3").read_bytes()
    assert b"Ghost" not in content and b"idden" not in content and b"ghost" not in content
