"""Artists and albums as records: read back as they were given, in the working catalogue and in the edition."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from records_made import MBID, NAMES, NUMBER, SCORE, TEXT, records

from fonoteca.catalogue import (
    AlbumRecord,
    ArtistRecord,
    Catalogue,
    Edition,
    TrackRecord,
    album_id_of,
    artist_id_of,
    check_edition,
    write_edition,
)
from fonoteca.catalogue.barcodes import gtin_text, parse_gtin
from fonoteca.catalogue.names import normal_form

OPTIONAL = st.one_of(st.none(), TEXT)
NAME = TEXT.map(normal_form)
BARCODE = st.one_of(st.none(), st.integers(1, 10**14 - 1).map(gtin_text))


@st.composite
def artists(draw: st.DrawFn) -> ArtistRecord:
    return ArtistRecord(
        name=draw(NAME), mbid=draw(st.one_of(st.none(), MBID)), sort_name=draw(OPTIONAL), country=draw(OPTIONAL),
        popularity=draw(st.one_of(st.none(), SCORE)), followers=draw(st.one_of(st.none(), NUMBER)), aliases=draw(NAMES), genres=draw(NAMES),
    )  # fmt: skip


@st.composite
def albums(draw: st.DrawFn) -> AlbumRecord:
    given_artists = draw(st.lists(st.tuples(NAME, MBID), max_size=3, unique_by=lambda pair: pair[1]))
    return AlbumRecord(
        title=draw(st.one_of(st.none(), NAME)), artists=tuple(name for name, _ in given_artists),
        artist_mbids=tuple(mbid for _, mbid in given_artists) if draw(st.booleans()) else (), date=draw(OPTIONAL), label=draw(OPTIONAL),
        barcode=draw(BARCODE), mbid=draw(st.one_of(st.none(), MBID)), popularity=draw(st.one_of(st.none(), SCORE)),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(artists(), artists(), albums())
def test_any_record_of_an_artist_or_album_is_read_back(artist: ArtistRecord, other: ArtistRecord, album: AlbumRecord) -> None:
    other = msgspec.structs.replace(other, name="other", mbid=None, genres=artist.genres)
    with TemporaryDirectory() as folder, Catalogue.create(Path(folder) / "c.sqlite3") as catalogue:
        artist_id, album_id = artist_id_of(artist.name, artist.mbid), album_id_of(album.title, album.artists, album.mbid, album.barcode)
        for _ in range(2):
            assert (catalogue.put_album(album), catalogue.put_artist(artist)) == (album_id, artist_id)
            catalogue.put_artist(other)
        given = msgspec.structs.replace(artist, id=artist_id), msgspec.structs.replace(album, id=album_id)
        assert (catalogue.get_artist(artist_id), catalogue.get_album(album_id)) == given
        write_edition(catalogue, Path(folder) / "e.sqlite3", title="t", date="2026-01-01")
        with Edition.open(Path(folder) / "e.sqlite3") as edition:
            assert (edition.get_artist(artist_id), edition.get_album(album_id)) == given


@settings(max_examples=40, deadline=None)
@given(st.lists(records(), max_size=5, unique_by=lambda record: record.id))
def test_any_record_is_in_the_edition_as_the_catalogue_has_it(tracks: list[TrackRecord]) -> None:
    with TemporaryDirectory() as folder, Catalogue.create(Path(folder) / "c.sqlite3") as catalogue:
        for track in tracks:
            catalogue.put_track(track)
        target = Path(folder) / "e.sqlite3"
        write_edition(catalogue, target, title="t", date="2026-01-01")
        assert check_edition(target) == ()
        with Edition.open(target) as edition:
            expected = [msgspec.structs.replace(record, status_reason=None) for record in catalogue.iter_tracks()]
            assert sorted(edition.iter_tracks(), key=lambda record: record.id) == expected
            assert not list(edition.statements.rows("PRAGMA foreign_key_check"))


@given(st.integers(0, 10**14 - 1), st.integers(0, 6))
def test_barcodes_are_the_same_in_any_padding(number: int, zeros: int) -> None:
    text = gtin_text(number)
    assert parse_gtin(text) == number and len(text) in (12, 13, 14)
    padded = "0" * min(zeros, 14 - len(str(number))) + str(number)
    assert parse_gtin(padded) == number
    assert parse_gtin(f" {text[:1]} {text[1:6]}-{text[6:]} ") == number
    for wrong in ("", "x" + text, "1" * 15, "٣" * 12, text + "\0"):
        assert parse_gtin(wrong) is None
