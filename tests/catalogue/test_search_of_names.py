"""Artists and albums by what is known of themselves, in a working catalogue and in its edition: names, aliases, filters, no track."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from records_made import number_id

from fonoteca.catalogue import AlbumRecord, ArtistRecord, Catalogue, Edition, TrackRecord, album_id_of, artist_id_of, write_edition
from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.merging import merge_artists
from fonoteca.catalogue.search import search

A, B = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def fill(catalogue: Catalogue) -> None:
    with catalogue.transaction():
        catalogue.put_track(
            TrackRecord(id=number_id(1), title="Vogue", artists=("Madonna", "Nile"), album="Ray", album_artists=("Various",), date="1998",
                        label="Sire", isrcs=("USWB19800001",), status="held")
        )  # fmt: skip
        catalogue.put_track(
            TrackRecord(id=number_id(2), title="Heroes", artists=("Bowie",), album="Low", album_artists=("Bowie",), date="1977")
        )
        catalogue.put_artist(
            ArtistRecord(name="Madonna", sort_name="Ciccone, Louise", aliases=("Madge", "Мадонна"), country="US", genres=("pop",))
        )
        catalogue.put_track(TrackRecord(id=number_id(3), title="سلام", artists=("محمد منير",)))
        catalogue.put_artist(ArtistRecord(name="Trackless Band", country="SE", genres=("drone",)))
        catalogue.put_album(AlbumRecord(title="Silent Record", artists=("Trackless Band",), date="1969", label="Apple"))


@pytest.fixture(scope="module", params=["working", "edition"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue | Edition]:
    folder = tmp_path_factory.mktemp("names")
    with Catalogue.create(folder / "c.sqlite3") as catalogue:
        fill(catalogue)
        write_edition(catalogue, folder / "e.sqlite3", title="t", date="2026-01-01")
        if request.param == "working":
            yield catalogue
            return
    with Edition.open(folder / "e.sqlite3") as edition:
        yield edition


def names(
    catalogue: Catalogue | Edition, text: str, kind: Literal["artist", "album"], track_filter: TrackFilter | None = None
) -> list[str]:
    result = search(catalogue, text, track_filter, kind=kind, mends_typos=False)
    return sorted(str(getattr(found, "name", None) or getattr(found, "title", None)) for found in result.found)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("madge", "artist", ["Madonna"]), ("ciccone", "artist", ["Madonna"]), ("madonna louise", "artist", ["Madonna"]),
        ("trackless", "artist", ["Trackless Band"]), ("various", "artist", ["Various"]), ("nile", "artist", ["Nile"]),
        ("vogue", "artist", []), ("various", "album", ["Ray"]), ("various ray", "album", ["Ray"]), ("silent", "album", ["Silent Record"]),
        ("trackless", "album", ["Silent Record"]), ("artist:trackless", "album", ["Silent Record"]), ("madonna", "album", []),
    ],
)  # fmt: skip
def test_artists_and_albums_are_found_by_every_name_of_their_own(
    opened: Catalogue | Edition, text: str, kind: Literal["artist", "album"], expected: list[str]
) -> None:
    assert names(opened, text, kind) == expected


@pytest.mark.parametrize(("text", "words"), [("mohammed", "mhmd"), ("salam mohamed", "slm mhmd"), ("Salam", "slm")])
def test_names_in_scripts_without_vowels_are_found_by_their_consonants_at_last(opened: Catalogue | Edition, text: str, words: str) -> None:
    result = search(opened, text)
    assert result.shown_for == words and [getattr(found, "title", None) for found in result.found] == ["سلام"]


@pytest.mark.parametrize("text", ["Silent Record", "SILENT  record"])
def test_an_album_without_tracks_answers_to_its_title(opened: Catalogue | Edition, text: str) -> None:
    assert [thing.kind for thing in opened.find(text)] == ["album"]


@pytest.mark.parametrize("text", ["Trackless Band", "tracKLESS band", "Madge", "Ciccone, Louise"])
def test_an_artist_answers_to_each_of_his_names(opened: Catalogue | Edition, text: str) -> None:
    assert [thing.kind for thing in opened.find(text)] == ["artist"]


@pytest.mark.parametrize(
    ("track_filter", "kind", "expected"),
    [
        (TrackFilter(is_held=True), "artist", ["Madonna", "Nile", "Various"]),
        (TrackFilter(label="Sire"), "artist", ["Madonna", "Nile", "Various"]),
        (TrackFilter(artist="Trackless Band"), "artist", ["Trackless Band"]), (TrackFilter(country="se"), "artist", ["Trackless Band"]),
        (TrackFilter(genre="drone"), "artist", ["Trackless Band"]),
        (TrackFilter(genre="pop", is_held=True), "artist", ["Madonna", "Nile", "Various"]),
        (TrackFilter(artist="Various"), "album", ["Ray"]), (TrackFilter(artist="Various", year_from=1998, is_held=True), "album", ["Ray"]),
        (TrackFilter(artist="Nile"), "album", ["Ray"]), (TrackFilter(artist="Trackless Band"), "album", ["Silent Record"]),
        (TrackFilter(label="Apple"), "album", ["Silent Record"]), (TrackFilter(year_from=1960, year_to=1969), "album", ["Silent Record"]),
        (TrackFilter(year_from=1960, year_to=1977), "album", ["Low", "Silent Record"]),
        (TrackFilter(label="Apple", is_held=True), "album", []), (TrackFilter(artist="Bowie", year_to=1970), "album", []),
    ],
)  # fmt: skip
def test_filters_ask_every_artist_of_a_track_and_the_row_itself(
    opened: Catalogue | Edition, track_filter: TrackFilter, kind: Literal["artist", "album"], expected: list[str]
) -> None:
    assert names(opened, "", kind, track_filter) == expected


def test_names_that_change_are_found_under_the_new_ones_alone(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        catalogue.put_track(TrackRecord(id=number_id(1), title="x", artists=("Zed",), artist_mbids=(A,), album="L"))
        catalogue.put_artist(ArtistRecord(name="Prince", mbid=A, aliases=("Symbol",)))
        catalogue.put_album(AlbumRecord(title="M", artists=("Prince",), artist_mbids=(A,), mbid=B))
        catalogue.put_artist(ArtistRecord(name="Rogers", mbid=A, aliases=("Jamie",)))
        assert [names(catalogue, text, "artist") for text in ("zed", "prince", "symbol", "jamie")] == [[], [], [], ["Rogers"]]
        assert [names(catalogue, text, "album") for text in ("prince", "rogers")] == [[], ["M"]]


def test_merged_artists_are_found_once_and_their_albums_under_the_name_that_stays(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        fill(catalogue)
        merge_artists(catalogue, "Bowie", "Madonna")
        assert names(catalogue, "bowie", "artist") == ["Madonna"] and names(catalogue, "madonna", "album") == ["Low"]
        assert names(catalogue, "bowie", "album") == []
        stale = "SELECT count(*) FROM {0}_search WHERE rowid NOT IN (SELECT {0} FROM {0}s)"
        assert [catalogue.statements.value(stale.format(kind)) for kind in ("artist", "album")] == [0, 0]


def test_forgotten_names_are_in_no_index(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        fill(catalogue)
        catalogue.set_status(number_id(2), "withdrawn", "gone")
        catalogue.forget_names(number_id(2))
        assert names(catalogue, "bowie", "artist") == names(catalogue, "bowie", "album") == names(catalogue, "low", "album") == []
    assert b"bowie" not in (tmp_path / "c.sqlite3").read_bytes().lower()


def test_ids_are_those_that_tracks_give(opened: Catalogue | Edition) -> None:
    assert [thing.id for thing in opened.find("Trackless Band")] == [artist_id_of("Trackless Band", None)]
    assert [thing.id for thing in opened.find("Silent Record")] == [album_id_of("Silent Record", ("Trackless Band",), None, None)]
