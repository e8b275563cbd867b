"""What is missing is listed by what it would add, the same from a working catalogue and an edition, whatever is counted."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from fonoteca.catalogue.coverage import measure_coverage
from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.isrc_numbers import isrc_text
from fonoteca.catalogue.missing import MissingTrack, missing_groups, missing_tracks
from fonoteca.catalogue.planner import plays_up_to_rank
from fonoteca.catalogue.statistics import count_statistics
from fonoteca.ground.progress import Silent
from fonoteca.workflows.missing import csv_lines, json_lines, list_missing
from made_editions import MadeCatalogue, Shape, opened, write_catalogue

COUNT = 700
HELD, WANTED, DUPLICATE, UNREADABLE, NOT_KEPT, WITHDRAWN = 1, 0, 2, 3, 4, 5


def state(track: int) -> int:
    return {3: DUPLICATE, 4: UNREADABLE, 5: NOT_KEPT, 6: WITHDRAWN, 7: HELD, 8: HELD}.get(track % 9, WANTED)


def plays_of_some(track: int) -> int | None:
    return None if track % 4 else (COUNT - track) * 1000


SHAPES = {
    "by rank": Shape(state=state),
    "counted": Shape(state=state, plays=lambda track: (COUNT - track) ** 2),
    "some counted": Shape(state=state, plays=plays_of_some),
    "none played": Shape(state=state, plays=lambda track: 0),
    "unknown": Shape(state=state, popularity=lambda track, count: None),
    "simple": Shape(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("missing")
    for name, shape in SHAPES.items():
        write_catalogue(made / f"{name} edition", COUNT, shape=shape)
        write_catalogue(made / f"{name} working", COUNT, shape=shape, is_edition=False)
    return made


@pytest.fixture(params=[f"{name} {kind}" for name in SHAPES for kind in ("edition", "working")])
def catalogue(folder: Path, request: pytest.FixtureRequest) -> Iterator[MadeCatalogue]:
    with opened(folder / request.param, is_edition=request.param.endswith("edition")) as found:
        yield found


def gains(catalogue: MadeCatalogue) -> dict[str, tuple[float, int]]:
    """Share of all plays and state of every track, worked out the long way: docs/popularity.md."""
    rows = list(catalogue.statements.rows("SELECT id, popularity, plays, state FROM tracks ORDER BY coalesce(popularity, 0.5) DESC"))
    whole = plays_up_to_rank(len(rows))
    classes = [None if popularity is None else math.floor(popularity) for _, popularity, _, _ in rows]
    share, rank = {}, 0
    for found in dict.fromkeys(classes):
        size = classes.count(found)
        share[found] = (plays_up_to_rank(rank + size) - plays_up_to_rank(rank)) / whole / size
        rank += size
    counted = sum(plays or 0 for _, _, plays, _ in rows)
    law = math.fsum(share[found] for found, (_, _, plays, _) in zip(classes, rows, strict=True) if plays is not None)
    return {
        id: (share[found] if plays is None or not counted else law * plays / counted, state)
        for found, (id, _, plays, state) in zip(classes, rows, strict=True)
    }


def test_each_track_adds_its_share_of_plays_and_the_greatest_come_first(catalogue: MadeCatalogue) -> None:
    expected = gains(catalogue)
    coverage = measure_coverage(catalogue, Silent())
    found = list(missing_tracks(catalogue, TrackFilter(), coverage))
    assert {track.id for track in found} == {id for id, (_, state) in expected.items() if state in (WANTED, UNREADABLE, NOT_KEPT)}
    assert len(found) == coverage.missing and coverage.known == COUNT
    covered = math.fsum(gain for gain, state in expected.values() if state in (HELD, DUPLICATE))
    assert coverage.covered == pytest.approx(covered)
    for track in found:
        assert track.adds == pytest.approx(expected[track.id][0])
    adds = [track.adds for track in found]
    assert adds == sorted(adds, reverse=True)
    reached = coverage.covered
    for track in found:
        reached += track.adds
        assert track.coverage == pytest.approx(reached)


@pytest.mark.parametrize("name", SHAPES)
def test_a_working_catalogue_and_its_edition_tell_the_same(folder: Path, name: str) -> None:
    told: list[list[MissingTrack]] = []
    for kind in ("edition", "working"):
        with opened(folder / f"{name} {kind}", is_edition=kind == "edition") as catalogue:
            told.append(list(missing_tracks(catalogue, TrackFilter(), measure_coverage(catalogue, Silent()))))
    assert told[0] == told[1]


def test_held_all_there_is_nothing_missing_and_all_covered(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "e", 50, shape=Shape(state=lambda track: HELD))
    with opened(tmp_path / "e") as edition:
        coverage = measure_coverage(edition, Silent())
        assert coverage.covered == pytest.approx(1) and coverage.missing == 0
        assert not list(missing_tracks(edition, TrackFilter(), coverage))
        assert not list(missing_groups(edition, "artist", TrackFilter(), coverage))


def test_an_empty_catalogue_misses_nothing(tmp_path: Path) -> None:
    for is_edition in (True, False):
        write_catalogue(tmp_path / str(is_edition), 0, is_edition=is_edition)
        with opened(tmp_path / str(is_edition), is_edition=is_edition) as catalogue:
            report = list_missing(catalogue, None, TrackFilter(), None, Silent())
            assert (report.known, report.missing, list(report.rows)) == (0, 0, [])


@pytest.mark.parametrize("by", ["artist", "label", "year", "country", "album"])
def test_groups_add_up_to_the_tracks_in_them(catalogue: MadeCatalogue, by: str) -> None:
    coverage = measure_coverage(catalogue, Silent())
    tracks = list(missing_tracks(catalogue, TrackFilter(), coverage))
    groups = list(missing_groups(catalogue, by, TrackFilter(), coverage))  # type: ignore[arg-type]
    assert sum(group.missing for group in groups) == len(tracks)
    assert math.fsum(group.share for group in groups) == pytest.approx(math.fsum(track.adds for track in tracks))
    assert [group.share for group in groups] == sorted((group.share for group in groups), reverse=True)
    names = {"artist": lambda track: track.artists, "label": lambda track: track.label, "year": lambda track: track.date[:4],
             "country": lambda track: track.isrc[:2] if track.isrc else None, "album": lambda track: track.album}  # fmt: skip
    if by != "country":  # without an ISRC, the artist's
        assert {group.name for group in groups} == {names[by](track) for track in tracks}
    top = groups[0]
    assert 0 < top.missing <= top.known and top.held < top.known
    assert list(missing_groups(catalogue, by, TrackFilter(), coverage, limit=2)) == groups[:2]  # type: ignore[arg-type]


def test_country_is_that_of_the_isrc_and_else_of_the_artist(catalogue: MadeCatalogue) -> None:
    expected: dict[str | None, int] = {}
    query = "SELECT isrc_number, a.country, t.state FROM tracks t LEFT JOIN artists a USING (artist)"
    for number, country, status in catalogue.statements.rows(query):
        if status in (WANTED, UNREADABLE, NOT_KEPT):
            found = country if number is None else isrc_text(number)[:2]
            expected[found] = expected.get(found, 0) + 1
    groups = missing_groups(catalogue, "country", TrackFilter(), measure_coverage(catalogue, Silent()))
    assert {group.name: group.missing for group in groups} == expected


def test_a_filter_chooses_what_is_listed_and_changes_no_share(catalogue: MadeCatalogue) -> None:
    coverage = measure_coverage(catalogue, Silent())
    every = {track.id: track.adds for track in missing_tracks(catalogue, TrackFilter(), coverage)}
    for wanted in (
        TrackFilter(artist="Artist 3"),
        TrackFilter(year_from=1970, year_to=1979),
        TrackFilter(popularity_from=10, popularity_to=50),
    ):
        chosen = list(missing_tracks(catalogue, wanted, coverage))
        assert all(track.adds == every[track.id] for track in chosen)
        sql, values = wanted.condition(catalogue.is_edition)
        query = f"SELECT t.id FROM tracks t WHERE t.state IN (0, 3, 4) AND {sql}"
        assert sorted(track.id for track in chosen) == sorted(row[0] for row in catalogue.statements.rows(query, values))
        assert sum(group.missing for group in missing_groups(catalogue, "year", wanted, coverage)) == len(chosen)


def test_a_limit_gives_the_head_of_the_list(catalogue: MadeCatalogue) -> None:
    coverage = measure_coverage(catalogue, Silent())
    whole = list(missing_tracks(catalogue, TrackFilter(), coverage))
    assert list(missing_tracks(catalogue, TrackFilter(), coverage, 100)) == whole[:100]


@pytest.mark.parametrize("is_edition", [True, False])
def test_what_is_held_as_another_track_of_the_same_recording_is_not_missing(tmp_path: Path, is_edition: bool) -> None:
    write_catalogue(tmp_path / "c", 30, is_edition=is_edition)  # held: 3, 6, 9, …
    with sqlite3.connect(tmp_path / "c") as writer:
        # 1 is 3's; 4 and 5 are one with 6, which leads; 7 leads 9; 10 and 11 are one, and neither is held
        writer.executemany("INSERT INTO same_recordings VALUES (?, ?, 1)", [(1, 3), (4, 6), (5, 6), (9, 7), (11, 10)])
    with opened(tmp_path / "c", is_edition=is_edition) as catalogue:
        coverage = measure_coverage(catalogue, Silent())
        titles = {track.title for track in missing_tracks(catalogue, TrackFilter(), coverage)}
        assert titles == {f"Song {track}" for track in range(1, 31) if track % 3 and track not in (1, 4, 5, 7)}
        assert coverage.missing == len(titles)


@pytest.mark.parametrize("is_edition", [True, False])
def test_the_filter_of_what_is_missing_means_what_is_missing(tmp_path: Path, is_edition: bool) -> None:
    write_catalogue(tmp_path / "c", 60, is_edition=is_edition, shape=Shape(state=lambda track: track % 6))
    with sqlite3.connect(tmp_path / "c") as writer:
        writer.executemany("INSERT INTO same_recordings VALUES (?, ?, 1)", [(6, 7), (12, 18), (13, 18)])
    with opened(tmp_path / "c", is_edition=is_edition) as catalogue:
        sql, values = TrackFilter(is_missing=True).condition(is_edition)
        missing = {track.id for track in missing_tracks(catalogue, TrackFilter(), measure_coverage(catalogue, Silent()))}
        assert {row[0] for row in catalogue.statements.rows(f"SELECT t.id FROM tracks t WHERE {sql}", values)} == missing
        assert len(missing) < 30


def test_plays_whose_sum_no_number_holds_are_taken_for_the_most_that_can_be(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "c", 40, shape=Shape(plays=lambda track: 2**62))
    with opened(tmp_path / "c") as catalogue:
        coverage = measure_coverage(catalogue, Silent())
        tracks = list(missing_tracks(catalogue, TrackFilter(), coverage))
        assert coverage.covered == pytest.approx(13 / 40) and tracks[-1].coverage == pytest.approx(1)
        groups = list(missing_groups(catalogue, "year", TrackFilter(), coverage))
        assert sum(group.share for group in groups) == pytest.approx(27 / 40)


def test_the_statistics_of_an_edition_say_the_same_as_its_tracks(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "e", 500)
    with opened(tmp_path / "e") as edition:
        counted = measure_coverage(edition, Silent())
    connection = apsw.Connection(str(tmp_path / "e"))
    count_statistics(connection)
    with opened(tmp_path / "e") as edition:
        assert measure_coverage(edition, Silent()) == counted
    # that it was read from there: one more is told than is there
    connection.execute("UPDATE statistics SET number = number + 1 WHERE report = 'popularity' AND bucket = 0")
    connection.close()
    with opened(tmp_path / "e") as edition:
        assert measure_coverage(edition, Silent()).known == 501


# files


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[MadeCatalogue]:
    write_catalogue(tmp_path / "h", 4, shape=Shape(state=lambda track: WANTED))
    with sqlite3.connect(tmp_path / "h") as writer:
        for track, title in enumerate(('=cmd|"/c calc"!A1', '"quoted", with\r\nlines', "+1\t@SUM(A1)", "東京\u202e"), 1):
            writer.execute("UPDATE tracks SET title = ? WHERE track = ?", (title, track))
    with opened(tmp_path / "h") as found:
        yield found


def test_csv_gives_every_text_back_as_it_is(hostile: MadeCatalogue) -> None:
    lines = list(csv_lines(list_missing(hostile, None, TrackFilter(), None, Silent())))
    rows = list(csv.DictReader(lines))
    assert [row["title"] for row in rows] == ['=cmd|"/c calc"!A1', '"quoted", with\r\nlines', "+1\t@SUM(A1)", "東京\u202e"]
    assert all(line.startswith('"') for line in lines)
    assert float(rows[0]["adds"]) > 0 and rows[0]["plays"] == ""


def test_json_lines_give_every_row_back(hostile: MadeCatalogue) -> None:
    rows = [json.loads(line) for line in json_lines(list_missing(hostile, None, TrackFilter(), None, Silent()))]
    assert [row["title"] for row in rows] == ['=cmd|"/c calc"!A1', '"quoted", with\r\nlines', "+1\t@SUM(A1)", "東京\u202e"]
    groups = [json.loads(line) for line in json_lines(list_missing(hostile, "artist", TrackFilter(), None, Silent()))]
    assert groups[0]["name"] == "Artist 1" and groups[0]["missing"] == 4


def test_a_long_export_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    peaks = []
    for count in (6_000, 60_000):
        write_catalogue(tmp_path / str(count), count)
        with opened(tmp_path / str(count)) as edition:
            tracemalloc.start()
            assert sum(1 for _ in csv_lines(list_missing(edition, None, TrackFilter(), None, Silent()))) > count / 2
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 200_000
