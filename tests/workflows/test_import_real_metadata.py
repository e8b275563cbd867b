"""Real metadata through `catalogue import`: duplicates, names of every script, playlists, odd years, one ISRC on many tracks."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from adding import write_rows
from commands import make_archive
from test_catalogue_import import import_

from fonoteca.catalogue import Catalogue, MetadataRow
from fonoteca.catalogue.audio_features import FIELDS, SCALES, AudioFeatures
from fonoteca.catalogue.playlists import Playlists
from fonoteca.catalogue.source_records import SourceRecords
from real_metadata import charted_tracks, sold_tracks, streamed_tracks

pytestmark = pytest.mark.xdist_group("real metadata")


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("streamed")
    rows = streamed_tracks()
    archive = make_archive(folder / "archive")
    report = import_(archive, write_rows(folder / "streamed.jsonl", rows))
    assert not report.has_damage and report.counts["lines"] == len(rows)
    return archive, [row for row in rows if "record" not in row]


def test_each_id_is_a_track_and_lines_that_come_again_change_it(streamed: tuple[Path, list[dict[str, Any]]]) -> None:
    archive, rows = streamed
    last = {row["id"]: row for row in rows}
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        assert catalogue.count_tracks() == len(last) < len(rows)
        records = {(track.title, track.artists, track.album, track.duration_ms, track.genres) for track in catalogue.iter_tracks()}
    assert records == {
        (row["title"], tuple(row["artists"]), row["album"], row["duration_ms"], tuple(row["genres"])) for row in last.values()
    }


def test_names_of_every_script_are_found(streamed: tuple[Path, list[dict[str, Any]]]) -> None:
    archive, rows = streamed
    foreign = [row for row in rows if any(ord(letter) > 0x24F and letter.isalpha() for letter in row["title"])]
    assert len(foreign) >= 10
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        for row in foreign:
            titles = {catalogue.get_track(id).title for id in catalogue.find_tracks(row["title"])}  # type: ignore[union-attr]
            assert row["title"] in titles


def test_source_records_give_back_the_real_lines(streamed: tuple[Path, list[dict[str, Any]]]) -> None:
    archive, rows = streamed
    with SourceRecords(archive / "sources.sqlite3") as sources:
        lines = [json.loads(line) for line in sources.lines_of("streamed")]
    assert [line for line in lines if "record" not in line] == [row for place, row in enumerate(rows) if row not in rows[:place]]
    with sqlite3.connect(archive / "sources.sqlite3") as database:
        compressed = database.execute("SELECT sum(length(content)) FROM record_groups").fetchone()[0]
    assert compressed < sum(len(json.dumps(line)) for line in lines) / 3


def test_features_are_those_of_the_source(streamed: tuple[Path, list[dict[str, Any]]]) -> None:
    archive, rows = streamed
    with AudioFeatures(archive / "features.sqlite3") as features, SourceRecords(archive / "sources.sqlite3") as sources:
        found = list(features.rows())
        assert len(found) == len({row["id"] for row in rows})
        for id, _, *values in found[::100]:
            told = [json.loads(record.content) for record in sources.records_of(id)]
            given = [line for line in told if line.get("record") == "features"][-1]
            for name, value in zip(FIELDS, values, strict=True):
                assert value == pytest.approx(given[name], abs=0.51 / SCALES.get(name, 1e9)), name


def test_a_shop_with_its_playlists(tmp_path: Path) -> None:
    rows = sold_tracks()
    archive = make_archive(tmp_path / "archive")
    report = import_(archive, write_rows(tmp_path / "shop.jsonl", rows))
    assert not report.has_damage and report.counts["playlist places without a known track"] == 0
    assert (report.counts["tracks new"], report.counts["playlists"]) == (3_503, 18)
    lists = {row["id"]: row["tracks"] for row in rows if row.get("record") == "playlist"}
    with Playlists(archive / "playlists.sqlite3") as playlists, Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        foreign = dict(catalogue.statements.rows("SELECT id, foreign_id FROM foreign_ids"))
        for id, tracks in lists.items():
            assert [foreign[track] for track in playlists.get(id)[0].tracks] == tracks
        assert catalogue.statements.value("SELECT count(*) FROM albums") == 347
        assert playlists.count() == (18, 8_715)


def test_charts_keep_what_the_schema_has_no_field_for(tmp_path: Path) -> None:
    rows = charted_tracks()
    archive = make_archive(tmp_path / "archive")
    import_(archive, write_rows(tmp_path / "charts.jsonl", rows))
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue, SourceRecords(archive / "sources.sqlite3") as sources:
        assert catalogue.count_tracks() == len(rows)
        for track in catalogue.iter_tracks():
            (record,) = sources.records_of(track.id)
            told = json.loads(record.content)
            assert (told["title"], told["date"]) == (track.title, track.date) and told["extra"]["weeks"]


def test_odd_years_and_isrcs_on_many_tracks_are_kept_as_given(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    dates = ["1901", "1905-01-01", "1912", "1920", "2026", "2040-13-45", "soon"]
    rows = [{"title": f"{date} {n}", "date": date, "isrcs": ["GBAYE0601498"]} for date in dates for n in range(3)]
    assert not import_(archive, write_rows(tmp_path / "odd.jsonl", rows)).has_damage
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        assert sorted(track.date or "" for track in catalogue.iter_tracks()) == sorted(dates * 3)
        assert len(catalogue.find_keyed(MetadataRow(isrc="GBAYE0601498"))) == 21
