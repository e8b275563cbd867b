"""`catalogue import`: the same rows give the same catalogue, whether given once or twice, killed or not, one by one or in batches."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import apsw
import pytest
from adding import write_rows
from commands import make_archive, run_fonoteca, run_json
from killing import Running

from fonoteca.catalogue import Catalogue, MetadataRow, Tombstone, TrackRecord, write_edition
from fonoteca.catalogue.audio_features import AudioFeatures
from fonoteca.catalogue.import_records import read_object
from fonoteca.catalogue.playlists import Playlists
from fonoteca.catalogue.source_records import SourceRecords
from fonoteca.ground.progress import Silent
from fonoteca.workflows import catalogue_import
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.catalogue_import import ImportOptions, ImportReport, import_files
from musicbrainz_made import ARTIST, RECORDING, RELEASE

MBIDS = [f"{n:08d}-1111-4111-8111-111111111111" for n in range(4)]


def import_(archive: Path, *files: Path, **options: Any) -> ImportReport:
    with open_archive(archive, "test") as opened:
        return import_files(opened, files, ImportOptions(**options), Silent())


def edition_of(archive: Path, tmp_path: Path) -> bytes:
    target = tmp_path / "edition.sqlite3"
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        write_edition(catalogue, target, title="t", date="2026-01-01")
    return target.read_bytes()


def odd_rows(count: int, seed: int = 1, *, agree: bool = False) -> list[dict[str, Any]]:
    """Rows that share artists, albums, ids and ISRCs, with names that normalise, one MBID under several names, and empty values.

    `agree`: no two rows say different things of one track or artist.
    """
    chance = random.Random(seed)
    names = ["Zoë", "Zoe\u0308", "zoë", "宇多田ヒカル", "A;B", "", "Ab", "Aa", "DROP TABLE tracks"]
    rows = []
    for number in range(count):
        artists = chance.sample(names, chance.randint(0, 3))
        row: dict[str, Any] = {"title": f"Song {chance.randint(0, count)}", "artists": artists}
        if artists and chance.random() < 0.4:
            row["artist_mbids"] = chance.choices(MBIDS, k=len(artists) if chance.random() < 0.8 else 1)
        for field, value in {
            "album": chance.choice(["Fjo\u0308rd", "Fjörd", "B"]), "album_artists": chance.sample(names, 1), "barcode": "123", "disc": 1,
            "date": chance.choice(["1901", "2040", "1999-12-31", ""]), "isrcs": ["USRC17607839", f"QZ5AB{chance.randint(0, 9):07d}"],
            "genres": ["pop", "fado", "pop"][: chance.randint(0, 3)], "label": "L", "popularity": chance.random() * 100,
            "artist_popularity": 5, "followers": number, "album_popularity": 7.5, "plays": chance.randint(0, 10**7), "explicit": None,
            "recording_mbid": f"{chance.randint(0, count):08d}-2222-4222-8222-222222222222", "rights": "CC0", "title": None,
        }.items():  # fmt: skip
            if chance.random() < 0.3:
                row[field] = 9 if agree and field == "followers" else value
        if agree:
            row.pop("recording_mbid", None)
        rows.append(row)
    return rows


def test_batches_give_the_edition_that_one_row_after_the_other_gives(tmp_path: Path) -> None:
    rows = odd_rows(400)
    file = write_rows(tmp_path / "odd.jsonl", rows)
    one, many = make_archive(tmp_path / "one"), make_archive(tmp_path / "many")
    report = import_(many, file, source="metadata")
    assert not report.has_damage and 0 < report.counts["tracks changed"] < report.counts["tracks new"]
    run_fonoteca("add", "--metadata", file, "--archive", one)
    assert edition_of(one, tmp_path) == edition_of(many, tmp_path)
    with Catalogue.open(many / "catalogue.sqlite3") as catalogue:
        found = catalogue.statements.value("SELECT count(*) FROM track_search")
        assert found == catalogue.count_tracks() == report.counts["tracks new"]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_the_size_of_a_batch_makes_no_difference(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_rows(tmp_path / "odd.jsonl", odd_rows(150, 2))
    first, second = make_archive(tmp_path / "first"), make_archive(tmp_path / "second")
    import_(first, file)
    monkeypatch.setattr(catalogue_import, "LINES_A_BATCH", size)
    import_(second, file)
    assert edition_of(first, tmp_path) == edition_of(second, tmp_path)


def dump(archive: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the databases of an archive, by table, but not when it was and how far an import came."""
    rows = {}
    for name in ("catalogue", "sources", "playlists", "features", "ledger"):
        with apsw.Connection(str(archive / f"{name}.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY) as connection:
            query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE 'sqlite_%'"
            for (table,) in connection.execute(query).fetchall():
                if "_search_" not in table:
                    rows[f"{name}.{table}"] = sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
    rows["ledger.findings"] = [row[:-1] for row in rows["ledger.findings"]]
    del rows["catalogue.imports"]
    return rows


def everything(count: int, *, agree: bool = False) -> list[dict[str, Any]]:
    """Rows of every kind, with some that cannot be used."""
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(odd_rows(count, 3, agree=agree)):
        rows.append(row | {"id": f"foreign-{number}", "extra": {"number": number, "text": "x" * (number % 50)}})
        if number % 10 == 0:
            rows.append({"record": "features", "track": f"foreign-{number}", "tempo": 60 + number / 7, "key": number % 12})
            rows.append({"record": "artist", "name": f"Artist {number}", "country": "NL", "aliases": ["Alias"]})
            rows.append({"record": "playlist", "id": str(number % 40), "tracks": [f"foreign-{n}" for n in range(0, number, 7)]})
            rows.append({"record": "album", "title": f"Album {number}", "artists": ["A"], "date": "2001"})
            rows.append({"titel": "wrong"})
    return rows


def test_an_import_given_twice_changes_nothing(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    file = write_rows(tmp_path / "rows.jsonl", everything(300, agree=True))
    first = import_(archive, file)
    before = dump(archive)
    second = import_(archive, file)
    assert first.finding_counts == second.finding_counts == Counter({"bad-row": 30})
    assert second.counts["tracks unchanged"] == first.counts["tracks new"] == 300
    assert second.counts["artists unchanged"] == second.counts["albums unchanged"] == 30
    assert dump(archive) == before


def test_a_run_that_is_killed_at_any_moment_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", everything(6_000))
    whole, killed = make_archive(tmp_path / "whole"), make_archive(tmp_path / "killed")
    begun = time.monotonic()
    told = run_json("catalogue", "import", file, "--archive", whole, status=3)
    took = time.monotonic() - begun
    chance, kills = random.Random(4), 0
    for _ in range(4):
        running = Running("catalogue", "import", file, "--archive", killed)
        running.wait_for_lock(killed)
        time.sleep(chance.random() * took * 0.6)
        kills += running.process.poll() is None
        running.kill()
    again = run_json("catalogue", "import", file, "--archive", killed, status=3)
    assert kills
    if again["files"][0]["after_line"]:
        assert again["counts"] == told["counts"] and again["finding_counts"] == told["finding_counts"]
    assert dump(killed) == dump(whole)


def test_a_run_goes_on_behind_its_last_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_import, "LINES_A_BATCH", 50)
    archive, file = make_archive(tmp_path / "archive"), write_rows(tmp_path / "rows.jsonl", everything(100))
    real, calls = catalogue_import.put_position, []

    def stop(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(*arguments, **options)

    monkeypatch.setattr(catalogue_import, "put_position", stop)
    with pytest.raises(KeyboardInterrupt):
        import_(archive, file)
    monkeypatch.setattr(catalogue_import, "put_position", real)
    report = import_(archive, file)
    assert report.files[0].after_line == 100 and report.counts["lines"] == 150
    assert import_(archive, file).files[0].after_line == 0, "a whole import is read again from its beginning"


def test_a_file_that_changed_is_read_from_its_beginning(tmp_path: Path) -> None:
    archive, file = make_archive(tmp_path / "archive"), write_rows(tmp_path / "rows.jsonl", odd_rows(5))
    with open_archive(archive, "test") as opened:
        identity = catalogue_import.identify_file(file, "rows")
        catalogue_import.put_position(opened.catalogue.statements, identity, 3, Counter(lines=3), is_done=False)
    assert import_(archive, file, dry_run=True).counts["lines"] == 5
    file.write_text(file.read_text() + '{"title": "one more"}\n')
    assert import_(archive, file).counts["lines"] == 6


def test_a_held_track_keeps_its_status_and_a_withdrawn_one_its_silence(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    held, gone = "2" * 22, "3" * 22
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        catalogue.put_track(TrackRecord(id=held, title="Old", status="held"))
        catalogue.put_track(TrackRecord(id=gone, title="Secret"))
        catalogue.tombstone(Tombstone(track_id=gone, reason="x", date="2026-01-01", shows_metadata=False))
        catalogue.forget_names(gone)
    file = write_rows(tmp_path / "rows.jsonl", [{"id": held, "title": "New", "label": None}, {"id": gone, "title": "Secret"}])
    report = import_(archive, file)
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue, SourceRecords(archive / "sources.sqlite3") as sources:
        track = catalogue.get_track(held)
        assert track is not None and (track.title, track.status) == ("New", "held")
        withdrawn = catalogue.get_track(gone)
        assert withdrawn is not None and withdrawn.title is None and not sources.records_of(gone)
    assert report.counts["tracks withdrawn"] == 1


def test_source_records_give_back_every_line(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    rows = everything(200)
    import_(archive, write_rows(tmp_path / "rows.jsonl", rows), source="somebody")
    usable = [row for row in rows if "titel" not in row]
    with SourceRecords(archive / "sources.sqlite3") as sources, Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        kept = [json.loads(line) for line in sources.lines_of("somebody")]
        assert all(row in kept for row in usable) and all(row in usable for row in kept)
        for track in catalogue.iter_tracks():
            assert any(json.loads(record.content).get("extra") for record in sources.records_of(track.id))


def test_source_records_can_be_left_out(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    file = write_rows(tmp_path / "rows.jsonl", [{"title": "x", "id": "their-1"}, {"record": "features", "track": "their-1", "tempo": 7.0}])
    run_fonoteca("catalogue", "import", file, "--no-source-records", "--archive", archive)
    with SourceRecords(archive / "sources.sqlite3") as sources, AudioFeatures(archive / "features.sqlite3") as features:
        assert not list(sources.lines_of("rows")) and len(list(features.rows())) == 1


def test_playlists_and_features_find_tracks_by_each_key(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    public = "4" * 22
    rows = [
        {"id": public, "title": "a", "isrcs": ["USRC10000001"]}, {"id": "theirs", "title": "b", "isrcs": ["USRC10000002"]},
        {"title": "c", "isrcs": ["USRC10000003"]}, {"title": "d", "isrcs": ["USRC10000003"]},
        {"record": "playlist", "id": "p", "tracks": [public, "theirs", "US-RC1-00-00001", "USRC10000003", "nobody"]},
        {"record": "features", "track": "USRC10000002", "tempo": 1.5}, {"record": "features", "track": "nobody", "tempo": 2.5},
    ]  # fmt: skip
    report = import_(archive, write_rows(tmp_path / "rows.jsonl", rows))
    with Playlists(archive / "playlists.sqlite3") as playlists, AudioFeatures(archive / "features.sqlite3") as features:
        (playlist,) = playlists.get("p")
        theirs = next(features.rows())[0]
        assert playlist.tracks == (public, theirs, public, "USRC10000003", "nobody")
    assert report.counts["playlist places without a known track"] == 2 and report.finding_counts == Counter({"unknown-track": 1})


def test_rows_with_keys_find_the_tracks_they_mean(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    rows = [{"title": "a", "isrcs": ["USRC10000001"], "recording_mbid": MBIDS[0]}, {"isrc": "USRC10000001", "popularity": 5},
            {"mbid": MBIDS[0], "label": "L"}, {"mbid": MBIDS[1], "title": "new"},
            {"id": "77", "title": "e"}, {"id": "77", "title": "f"}]  # fmt: skip
    report = import_(archive, write_rows(tmp_path / "rows.jsonl", rows))
    assert (report.counts["tracks new"], report.counts["tracks changed"]) == (3, 3)
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        track = catalogue.get_track(catalogue.find_keyed(MetadataRow(mbid=MBIDS[0]))[0])
        assert track is not None and (track.title, track.popularity, track.label) == ("a", 5.0, "L")
        assert not catalogue.find_tracks("e") and len(catalogue.find_tracks("f")) == 1


def test_a_record_of_an_artist_changes_only_what_it_says(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    rows = [{"record": "artist", "name": "Zoë", "mbid": MBIDS[0], "country": "NL", "aliases": ["Zoe"], "genres": ["fado"]},
            {"record": "artist", "name": "Zoë", "mbid": MBIDS[0], "popularity": 9},
            {"record": "album", "title": "A", "artists": ["Zoë"], "label": "L"},
            {"record": "album", "title": "A", "artists": ["Zoë"], "date": "1"},
            {"title": "t", "artists": ["zoe!"], "artist_mbids": [MBIDS[0]], "album": "A", "album_artists": ["Zoë"]}]  # fmt: skip
    import_(archive, write_rows(tmp_path / "rows.jsonl", rows))
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        sql = catalogue.statements
        assert list(sql.rows("SELECT name, country, popularity FROM artists WHERE mbid IS NOT NULL")) == [("Zoë", "NL", 9.0)]
        assert sql.value("SELECT count(*) FROM artist_aliases") == sql.value("SELECT count(*) FROM artist_genres") == 1
        assert list(sql.rows("SELECT date, (SELECT name FROM labels l WHERE l.label = b.label) FROM albums b")) == [("1", "L")]


def test_musicbrainz_dumps_are_joined_by_mbid(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    files = []
    for name, one in {"artist": ARTIST, "release": RELEASE, "recording": RECORDING}.items():
        files.append(write_rows(tmp_path / name, [one]))
    report = import_(archive, *files)
    assert [file.format for file in report.files] == ["musicbrainz"] * 3 and not report.has_damage
    assert (report.counts["tracks new"], report.counts["albums changed"], report.counts["artists changed"]) == (2, 1, 1)
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        tracks = list(catalogue.iter_tracks())
        assert {track.genres for track in tracks} == {("folk",)} and {track.title for track in tracks} == {"Winter"}
        assert catalogue.statements.value("SELECT count(*) FROM albums") == 1
        assert list(catalogue.statements.rows("SELECT DISTINCT name FROM track_artists JOIN artists USING (artist)")) == [("Zoë",)]


def test_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    told = run_json("catalogue", "import", write_rows(tmp_path / "r.jsonl", everything(20)), "--dry-run", "--archive", archive, status=3)
    assert told["counts"]["track records to use"] == 20 and told["finding_counts"] == {"bad-row": 2}
    assert not (archive / "sources.sqlite3").exists()
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        assert not catalogue.count_tracks()


def test_hostile_values_are_kept_or_told_and_never_obeyed(tmp_path: Path) -> None:
    rows = ['{"title": "a\\u0000b", "artists": ["\\u202e\'; DROP TABLE tracks; --"]}', '{"title": "' + "x" * (17 << 20) + '"}',
            '{"id": "../../etc/passwd", "title": "p"}', '{"title": "n", "disc": 9223372036854775808}',
            '{"record": "playlist", "id": "\\u0000", "title": "\\u0000", "tracks": ["\\u0000"]}',
            '{"title": "n", "duration_ms": 1e99}', '{"path": "\\ud800", "title": "q"}']  # fmt: skip
    (tmp_path / "r.jsonl").write_text("\n".join(rows))
    archive = make_archive(tmp_path / "archive")
    report = import_(archive, tmp_path / "r.jsonl")
    assert 3 <= report.finding_counts["bad-row"] <= 4
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        assert sorted(track.title or "" for track in catalogue.iter_tracks())[:2] == ["a\ufffdb", "p"]


def test_a_line_reads_as_the_object_it_is() -> None:
    line = read_object(Path("x"), 1, b'{"title": "t"}')
    assert line.rows == (MetadataRow(title="t", line=1),)


def test_a_withdrawal_that_hides_names_takes_them_out_of_the_source_records(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    rows = [{"title": f"Song {n}", "artists": ["A"], "extra": {"note": f"secret {n}"}} for n in range(70)]
    import_(archive, write_rows(tmp_path / "rows.jsonl", rows))
    run_fonoteca("withdraw", "Song 66", "--reason", "privacy", "--yes", "--archive", archive)
    with SourceRecords(archive / "sources.sqlite3") as sources:
        kept = [json.loads(line)["title"] for line in sources.lines_of("rows")]
    assert kept == [row["title"] for row in rows if row["title"] != "Song 66"]


def test_what_a_source_said_is_shown_by_any_name_of_the_thing(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    row = {"title": "Winter", "artists": ["Zoë"], "isrcs": ["NLA507700001"], "extra": {"mood": "calm"}}
    import_(archive, write_rows(tmp_path / "rows.jsonl", [row]), source="somebody")
    for name in ("Winter", "NL-A50-77-00001"):
        told = run_json("catalogue", "source", name, "--archive", archive)
        assert [(one["source"], one["record"]) for one in told] == [("somebody", row)]
    assert "no source record" in run_fonoteca("catalogue", "source", "nothing", "--archive", archive, status=1).stderr
