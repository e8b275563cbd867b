"""`catalogue import` meets what is known: what shares an ISRC, what was merged, what was withdrawn, names that cannot be stored."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from adding import write_rows
from commands import make_archive
from test_bulk_import import both_ways
from test_catalogue_import import import_

from fonoteca.catalogue import Catalogue, Tombstone, TrackRecord
from fonoteca.catalogue.import_musicbrainz import id_of_release_track
from fonoteca.catalogue.merging import merge_artists
from fonoteca.catalogue.playlists import Playlists
from fonoteca.catalogue.source_records import SourceRecords
from musicbrainz_made import RELEASE

ISRC = "USRC17607839"


def titles(archive: Path) -> list[str | None]:
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        return sorted((track.title for track in catalogue.iter_tracks()), key=str)


def test_songs_that_share_an_isrc_stay_two(tmp_path: Path) -> None:
    rows = [{"isrc": ISRC, "title": "Red Song", "artists": ["Ann"]}, {"isrc": ISRC, "title": "Blue Waltz", "artists": ["Bob"]},
            {"isrc": ISRC, "title": "Red Song", "artists": ["Cy"]}, {"id": "s1", "isrc": ISRC, "title": "Green", "artists": ["Di"]},
            {"id": "s2", "isrc": ISRC, "title": "Green", "artists": ["Di"]}]  # fmt: skip
    one, two, report = both_ways(tmp_path, write_rows(tmp_path / "rows.jsonl", rows))
    assert one["tracks"] == two["tracks"] and len(one["tracks"]) == 5 and not report.has_damage


def test_an_isrc_finds_the_track_that_agrees(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    rows = [{"title": "Red Song", "artists": ["Ann"], "isrcs": [ISRC]}, {"isrc": ISRC, "title": "red song!", "artists": ["ANN"]},
            {"isrc": ISRC, "popularity": 5}]  # fmt: skip
    report = import_(archive, write_rows(tmp_path / "rows.jsonl", rows))
    assert titles(archive) == ["red song!"] and report.counts["tracks changed"] == 2
    import_(archive, write_rows(tmp_path / "more.jsonl", [{"title": "Red Song", "artists": ["Ann"], "album": "A", "isrcs": [ISRC]}]))
    again = import_(archive, write_rows(tmp_path / "again.jsonl", [{"isrc": ISRC, "title": "Red song", "artists": ["Ann"], "album": "C"}]))
    assert again.counts["tracks new"] == 1 and not again.has_damage, "it is set aside for no song of the same name"


def test_a_merge_outlives_the_records_that_it_merged(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    rows = [{"record": "artist", "name": "Prince", "country": "US", "aliases": ["The Kid"]},
            {"record": "artist", "name": "TAFKAP", "country": "XX", "aliases": ["Symbol"], "sort_name": "Tafkap, The"},
            {"title": "Kiss", "artists": ["TAFKAP"]}]  # fmt: skip
    file = write_rows(tmp_path / "rows.jsonl", rows)
    import_(archive, file)
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        merge_artists(catalogue, "TAFKAP", "Prince")
        (kept,) = catalogue.find("Prince")
        before = catalogue.get_artist(kept.id)
    for _ in range(2):
        report = import_(archive, file)
        assert report.counts["artists unchanged"] == 2
    import_(archive, write_rows(tmp_path / "new.jsonl", [{"record": "artist", "name": "TAFKAP", "genres": ["funk"], "aliases": ["Love"]}]))
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        after = catalogue.get_artist(kept.id)
        assert before is not None and after is not None
        assert (after.name, after.country, after.genres) == ("Prince", "US", ("funk",))
        assert {"The Kid", "TAFKAP", "Symbol", "Tafkap, The", "Love"} == {*after.aliases} and after.aliases[:4] == before.aliases
        assert catalogue.statements.value("SELECT count(*) FROM artists") == 1


@pytest.mark.parametrize("hides", [True, False])
def test_what_is_withdrawn_with_its_names_is_told_by_no_line(tmp_path: Path, hides: bool) -> None:
    archive = make_archive(tmp_path / "archive")
    ids = [id_of_release_track(track["id"]) for track in RELEASE["media"][0]["tracks"]]
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        for id in ids:
            catalogue.put_track(TrackRecord(id=id, title="Secret"))
            catalogue.tombstone(Tombstone(track_id=id, reason="x", date="2026-01-01", shows_metadata=not hides))
            if hides:
                catalogue.forget_names(id)
    said = [{"record": "features", "track": ids[0], "tempo": 7}, {"record": "playlist", "id": "p", "title": "P", "tracks": [ids[1]]}]
    import_(archive, write_rows(tmp_path / "release", [RELEASE]))
    import_(archive, write_rows(tmp_path / "said.jsonl", said))
    with SourceRecords(archive / "sources.sqlite3") as sources, Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        assert bool(list(sources.lines_of("musicbrainz"))) != hides and bool(list(sources.lines_of("said"))) != hides
        assert bool(catalogue.statements.value("SELECT count(*) FROM albums")) != hides
    with Playlists(archive / "playlists.sqlite3") as playlists:
        assert playlists.get("p")[0].tracks == (ids[1],)
    assert not (archive / "features.sqlite3").exists()


def test_recording_mbids_are_one_in_any_form(tmp_path: Path) -> None:
    mbid = "33333333-3333-4333-8333-33333333333a"
    rows = [{"title": "a", "recording_mbid": mbid.upper()}, {"label": "L", "mbid": mbid}, {"title": "b", "recording_mbid": mbid}]
    one, two, _ = both_ways(tmp_path, write_rows(tmp_path / "rows.jsonl", rows))
    assert one["tracks"] == two["tracks"] and len(one["tracks"]) == 1


def test_texts_that_cannot_be_stored_make_the_same_ids_both_ways(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(rb"""{"path": "/a\u0000", "title": "a"}
{"title": "b\u0000", "artists": ["x\u0000"], "album": "c\u0000", "id": "i\u0000"}
""")
    one, two, _ = both_ways(tmp_path, tmp_path / "rows.jsonl")
    assert one["tracks"] == two["tracks"] and one["artists"] == two["artists"] and len(one["tracks"]) == 2


def test_half_a_character_is_told_as_what_it_is(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    (tmp_path / "rows.jsonl").write_bytes(rb"""{"title": "\ud800"}
{"title": "\udc00 and more"}
{"title": "\ud83d\ude00", "artists": ["\ud83d\ude0""")
    report = import_(archive, tmp_path / "rows.jsonl")
    facts = [finding.fact for finding in report.findings]
    assert [("surrogates" in fact, "truncated" in fact) for fact in facts] == [(True, False), (True, False), (False, True)]
    assert sqlite3.connect(archive / "catalogue.sqlite3").execute("SELECT count(*) FROM tracks").fetchone() == (0,)
