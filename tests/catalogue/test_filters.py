"""The filter of tracks, in a working catalogue and in its edition alike, against a plain reading of the same records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_made import number_id

from fonoteca.catalogue import Catalogue, TrackRecord, artist_id_of, write_edition
from fonoteca.catalogue.filters import TrackFilter, popularity_rows
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.errors import UsageError
from fonoteca.ground.things import Status

DATES = (None, "1999", "1999-05-01", "2001", "not known")
STATES: tuple[Status, ...] = ("held", "wanted", "duplicate", "not-kept", "unreadable")


def made(number: int) -> TrackRecord:
    """A track of which some fields are given."""
    return TrackRecord(
        id=number_id(number),
        title=f"Song {number}",
        artists=("Zoë", f"Artist {number % 3}")[: 1 + number % 2],
        album=f"Album {number % 4}",
        date=DATES[number % 5],
        label=(None, "Sub Pop")[number % 2],
        genres=("fado",) * (number % 3 == 0),
        isrcs=(f"{'GB' if number % 2 else 'US'}UM7{number:07d}", f"SEABC{number:07d}")[: number % 3],
        popularity=None if number % 7 == 0 else number % 11 * 9.5,
        status=STATES[number % 5],
    )


RECORDS = [made(number) for number in range(120)]
CASES: list[tuple[TrackFilter, Callable[[TrackRecord], bool]]] = [
    (TrackFilter(), lambda track: True),
    (TrackFilter(artist="ZOË"), lambda track: "Zoë" in track.artists),
    (TrackFilter(artist="artist 1"), lambda track: "Artist 1" in track.artists),
    (TrackFilter(artist=artist_id_of("Artist 1")), lambda track: "Artist 1" in track.artists),
    (TrackFilter(album="album 2"), lambda track: track.album == "Album 2"),
    (TrackFilter(year_from=1999, year_to=1999), lambda track: (track.date or "").startswith("1999")),
    (TrackFilter(year_from=2000), lambda track: (track.date or "") >= "2000"),
    (TrackFilter(year_to=1999), lambda track: (track.date or "z") < "1999:"),
    (TrackFilter(label="sub pop"), lambda track: track.label == "Sub Pop"),
    (TrackFilter(genre="Fado"), lambda track: "fado" in track.genres),
    (TrackFilter(isrc="gb"), lambda track: any(isrc.startswith("GB") for isrc in track.isrcs)),
    (TrackFilter(isrc="SE-ABC"), lambda track: any(isrc.startswith("SEABC") for isrc in track.isrcs)),
    (TrackFilter(country="us"), lambda track: track.isrcs[:1] != () and track.isrcs[0].startswith("US")),
    (TrackFilter(popularity_from=19, popularity_to=57), lambda track: 19 <= (track.popularity or -1) <= 57),
    (TrackFilter(popularity_to=0), lambda track: track.popularity == 0),
    (TrackFilter(is_held=True), lambda track: track.status == "held"),
    (TrackFilter(is_missing=True), lambda track: track.status in ("wanted", "not-kept", "unreadable")),
    (TrackFilter(status="duplicate"), lambda track: track.status == "duplicate"),
    (TrackFilter(label="Sub Pop", year_from=1999, status="wanted"), lambda track: track.label == "Sub Pop" and track.status == "wanted"),
]  # fmt: skip


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Statements]:
    folder = tmp_path_factory.mktemp("filters")
    catalogue = Catalogue.create(folder / "catalogue.sqlite3")
    with catalogue.transaction():
        for record in RECORDS:
            catalogue.put_track(record)
    write_edition(catalogue, folder / "edition.sqlite3", title="t", date="2026-01-01")
    edition = apsw.Connection(str(folder / "edition.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY)
    return {False: catalogue.statements, True: Statements(edition, folder / "edition.sqlite3")}


@pytest.mark.parametrize("is_edition", [False, True])
@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_filter_passes_the_tracks_that_it_says(both: dict[bool, Statements], number: int, is_edition: bool) -> None:
    track_filter, passes = CASES[number]
    sql, values = track_filter.condition(is_edition)
    found = {id for (id,) in both[is_edition].rows(f"SELECT t.id FROM tracks t WHERE {sql}", values)}
    assert found == {record.id for record in RECORDS if passes(record)}
    assert found or number == 0


@settings(deadline=None)
@given(bounds=st.tuples(*[st.one_of(st.none(), st.floats(-1, 101), st.sampled_from([0.0, 9.5, 95.0]))] * 2))
def test_a_range_of_popularity_is_a_range_of_rows(both: dict[bool, Statements], bounds: tuple[float | None, float | None]) -> None:
    edition = both[True]
    first, last = popularity_rows(edition, *bounds)
    sql, values = TrackFilter(popularity_from=bounds[0], popularity_to=bounds[1]).condition(True)
    expected = [row for (row,) in edition.rows(f"SELECT t.track FROM tracks t WHERE {sql} ORDER BY 1", values)]
    assert list(range(first, last + 1)) == expected


@pytest.mark.parametrize(
    "wrong", [TrackFilter(isrc="?"), TrackFilter(country="sweden"), TrackFilter(year_from=-1), TrackFilter(year_to=10**6),
              TrackFilter(status="lost")],  # type: ignore[arg-type]
)  # fmt: skip
def test_what_can_be_no_value_is_refused(wrong: TrackFilter) -> None:
    with pytest.raises(UsageError):
        wrong.condition(True)


def test_names_are_bound_and_never_sql(both: dict[bool, Statements], tmp_path: Path) -> None:
    for text in ("' OR 1=1 --", '"', "\0", "\ud800", "x" * 100_000, "%", "?"):
        for track_filter in (TrackFilter(artist=text), TrackFilter(album=text), TrackFilter(label=text), TrackFilter(genre=text)):
            for is_edition, statements in both.items():
                sql, values = track_filter.condition(is_edition)
                assert list(statements.rows(f"SELECT t.id FROM tracks t WHERE {sql}", values)) == []
