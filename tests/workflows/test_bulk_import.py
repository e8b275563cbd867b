"""`catalogue import --into`: the tables make the edition that the working catalogue of the same lines makes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest
from adding import write_rows
from backports import zstd
from commands import make_archive, run_fonoteca, run_json
from test_catalogue_import import import_, odd_rows

from fonoteca.catalogue import Catalogue, write_edition
from fonoteca.catalogue.source_records import SOURCES, SourceRecords
from fonoteca.cli.run import run as cli
from fonoteca.ground.errors import StoppedError
from fonoteca.ground.progress import Silent
from fonoteca.workflows import bulk_import
from fonoteca.workflows.bulk_import import import_into
from fonoteca.workflows.catalogue_import import ImportOptions, ImportReport
from musicbrainz_made import ARTIST, RECORDING, RELEASE

pytest.importorskip("duckdb")
build = pytest.importorskip("fonoteca.catalogue.bulk.build")
TABLES = (
    "artists", "artist_aliases", "artist_genres", "albums", "further_album_artists", "labels", "genres", "rights", "tracks",
    "further_track_artists", "further_isrcs", "track_genres", "given_forms",
)  # fmt: skip


def rows_of(edition: Path) -> dict[str, list[tuple[Any, ...]]]:
    with apsw.Connection(str(edition), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}


def both_ways(tmp_path: Path, *files: Path) -> tuple[dict[str, list[tuple[Any, ...]]], dict[str, list[tuple[Any, ...]]], ImportReport]:
    archive = make_archive(tmp_path / "archive")
    import_(archive, *files)
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        write_edition(catalogue, tmp_path / "one.sqlite3", title="t", date="2026-01-01")
    report = import_into(files, tmp_path / "tables", ImportOptions(), Silent(), memory_bytes=1 << 30, jobs=2)
    build.build_edition(
        tmp_path / "tables", tmp_path / "two.sqlite3", title="t", date="2026-01-01", memory_bytes=2 << 30, sink="adbc", jobs=1
    )
    return rows_of(tmp_path / "one.sqlite3"), rows_of(tmp_path / "two.sqlite3"), report


def given(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without values that are taken away."""
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


@pytest.mark.parametrize("block", [1 << 24, 3_000])
def test_both_ways_give_the_same_edition(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_import, "BLOCK_BYTES", block)
    rows: list[dict[str, Any]] = [row | {"id": f"foreign-{n}"} for n, row in enumerate(given(odd_rows(300, 5, agree=True)))]
    rows += [{"record": "artist", "name": "Zoë", "mbid": "00000001-1111-4111-8111-111111111111", "country": "NL", "aliases": ["Z"]},
             {"record": "artist", "name": "Ab", "genres": ["fado", "rap"], "popularity": 55}, {"titel": "x"}]  # fmt: skip
    one, two, report = both_ways(tmp_path, write_rows(tmp_path / "rows.jsonl", rows))
    for table in TABLES:
        assert one[table] == two[table], table
    assert report.counts["tracks"] == 300 and report.finding_counts["bad-row"] == 1
    assert len(one["further_track_artists"]) > 50 and len(one["given_forms"]) > 20


def test_lines_of_one_track_are_put_together(tmp_path: Path) -> None:
    mbid = "00000009-2222-4222-8222-222222222222"
    isrcs = [f"USRC1000000{n}" for n in (1, 2, 3)]
    rows = [{"recording_mbid": mbid, "title": "a", "artists": ["x", "y"], "isrcs": isrcs[:2], "genres": ["pop"]},
            {"title": "between", "album": "A", "album_artists": ["x"]},
            {"recording_mbid": mbid, "artists": ["z"], "label": "L", "popularity": 4},
            {"recording_mbid": mbid, "title": "b", "isrcs": isrcs[2:], "genres": ["rap", "fado"], "disc": 2}]  # fmt: skip
    one, two, _ = both_ways(tmp_path, write_rows(tmp_path / "rows.jsonl", rows))
    for table in TABLES:
        if table not in ("artists", "genres"):  # what nothing names any more stays out of one, and has a row in the other
            assert len(one[table]) == len(two[table]), table
    titles = [{row[2] for row in rows["tracks"]} for rows in (one, two)]
    assert titles == [{"b", "between"}] * 2
    assert [row[3:] for row in two["further_isrcs"]] == [row[3:] for row in one["further_isrcs"]]


def test_dumps_of_musicbrainz_give_the_same_tracks(tmp_path: Path) -> None:
    files = [write_rows(tmp_path / name, [one]) for name, one in {"artist": ARTIST, "release": RELEASE, "recording": RECORDING}.items()]
    one, two, _ = both_ways(tmp_path, *files[:2])
    for table in ("artists", "albums", "tracks", "artist_aliases", "labels"):
        assert one[table] == two[table], table


def test_tables_without_an_album_or_an_artist_make_an_edition(tmp_path: Path) -> None:
    one, two, _ = both_ways(tmp_path, write_rows(tmp_path / "rows.jsonl", [{"title": "a"}, {"title": "b", "isrcs": ["USRC10000001"]}]))
    assert one == two


def test_every_line_is_in_whatever_the_file_is_packed_as(tmp_path: Path) -> None:
    content = b"".join(json.dumps(row).encode() + b"\n" for row in given(odd_rows(200, 6)))
    (tmp_path / "rows.jsonl.zst").write_bytes(zstd.compress(content[:5_000]) + zstd.compress(content[5_000:] + b'{"title": 5}\nnone'))
    told = run_json("catalogue", "import", "--into", tmp_path / "tables", tmp_path / "rows.jsonl.zst", status=3)
    assert told["counts"]["lines"] == 202 and told["finding_counts"]["bad-row"] == 2
    assert [finding["fact"][:8] for finding in told["findings"] if finding["code"] == "bad-row"] == ["line 201", "line 202"]
    run_fonoteca("catalogue", "import", "--into", tmp_path / "tables", tmp_path / "rows.jsonl.zst", status=2)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".") or path.suffix == ".partial"]


def test_what_cannot_be_read_is_set_aside_as_the_other_way_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"".join(json.dumps({"title": f"Song {n}", "artists": [f"A {n * 7919 % 1000}"]}).encode() + b"\n" for n in range(20_000))
    deep = b'{"title":"deep","extra":{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}}\n"
    (tmp_path / "deep.jsonl").write_bytes(b'{"title": "a"}\n' + deep + b'{"title": "b"}\n')
    whole = zstd.compress(content)
    (tmp_path / "cut.jsonl.zst").write_bytes(whole[: len(whole) * 9 // 10])
    one, two, report = both_ways(tmp_path, tmp_path / "deep.jsonl", tmp_path / "cut.jsonl.zst")
    assert len(one["tracks"]) > 10_000 and one["tracks"] == two["tracks"]
    (again,) = [import_(tmp_path / "archive", tmp_path / "cut.jsonl.zst")]
    assert [finding for finding in report.findings if "cut" in finding.fact] == again.findings
    assert report.files[1].counts["lines"] == again.counts["lines"] and report.files[1].counts["set-aside"] == 1
    assert report.files[0].counts["lines"] == 3 and report.finding_counts["bad-row"] == 2


def test_recordings_that_stand_on_a_release_stand_there_alone(tmp_path: Path) -> None:
    other = RECORDING | {"id": "77777777-7777-4777-8777-777777777777", "title": "Alone"}
    told = {"artist": [ARTIST], "release": [RELEASE], "recording": [RECORDING, other]}
    one, two, report = both_ways(tmp_path, *(write_rows(tmp_path / name, rows) for name, rows in told.items()))
    assert [file.counts["lines"] for file in report.files] == [1, 1, 2]
    ids = [[row[1] for row in rows["tracks"]] for rows in (one, two)]
    assert sorted(ids[0]) == sorted(ids[1]) and len(ids[1]) == 3
    assert len(one["track_genres"]) == len(two["track_genres"]) == 3


def test_of_each_value_the_last_line_counts_and_null_takes_it_away(tmp_path: Path) -> None:
    mbid = ["00000009-2222-4222-8222-22222222222" + digit for digit in "123"]
    full = {"title": "a", "artists": ["x", "y"], "isrcs": ["USRC10000001", "USRC10000002"], "genres": ["pop"], "label": "L", "disc": 1,
            "number": 2, "date": "1999", "duration_ms": 5, "explicit": True, "popularity": 3, "plays": 7, "rights": "CC0",
            "attribution": "me", "album": "A", "album_artists": ["x"], "barcode": "12"}  # fmt: skip
    nothing = {name: [] if isinstance(value, list) else None for name, value in full.items()} | {"title": "b"}
    rows = [{"recording_mbid": mbid[0]} | full, {"recording_mbid": mbid[1]} | full, {"recording_mbid": mbid[0]} | nothing,
            {"recording_mbid": mbid[1], "label": None, "genres": [], "explicit": None}, {"recording_mbid": mbid[2]} | nothing,
            {"recording_mbid": mbid[2]} | full, {"recording_mbid": mbid[2], "title": None},
            {"record": "artist", "name": "x", "country": "NL", "aliases": ["z"], "genres": ["rap"], "popularity": 4, "followers": 5},
            {"record": "artist", "name": "x", "country": None, "aliases": [], "popularity": None},
            {"record": "album", "title": "A", "artists": ["x"], "barcode": "12", "date": "2001", "label": "M", "popularity": 9},
            {"record": "album", "title": "A", "artists": ["x"], "barcode": "12", "date": None, "popularity": None}]  # fmt: skip
    one, two, _ = both_ways(tmp_path, write_rows(tmp_path / "rows.jsonl", rows))
    # of things that nothing names any more one edition has rows, the other has none, so their numbers differ
    for table, name in (("artists", "x"), ("albums", "A")):
        told = [
            [[value for value in row[3:] if not isinstance(value, int)] for row in rows[table] if row[2] == name] for rows in (one, two)
        ]
        assert told[0] == told[1] and len(told[0]) == 1, table
    for table in ("artist_aliases", "artist_genres", "further_isrcs", "further_track_artists", "given_forms"):
        assert len(one[table]) == len(two[table]), table
    columns = columns_of(tmp_path / "two.sqlite3", "tracks")
    numbered = {"label", "rights", "artist", "album"}
    seen = [[{name: row[place] is None if name in numbered else row[place] for place, name in enumerate(columns)} for row in rows["tracks"]]
            for rows in (one, two)]  # fmt: skip
    assert seen[0] == seen[1] and {row["title"] for row in seen[1]} == {"a", "b", None}


def columns_of(edition: Path, table: str) -> list[str]:
    with apsw.Connection(str(edition), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        return [name for _, name, *_ in connection.execute(f"PRAGMA table_xinfo({table})")]


_RUN = """
import sys
from pathlib import Path
from fonoteca.ground.progress import Silent
from fonoteca.workflows import bulk_import
from fonoteca.workflows.catalogue_import import ImportOptions
bulk_import.BLOCK_BYTES = 6_000
if __name__ == "__main__":
    folder, *files = map(Path, sys.argv[1:])
    report = bulk_import.import_into(files, folder, ImportOptions(), Silent(), memory_bytes=1 << 30, jobs=int(sys.argv[0][-4]))
    print(sorted(report.counts.items()), sorted(report.finding_counts.items()), [finding.fact for finding in report.findings])
"""


def content_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_bytes(tmp_path: Path) -> None:
    lines, table = write_rows(tmp_path / "rows.jsonl", [*odd_rows(400, 8), {"titel": "x"}]), tmp_path / "shelf.csv"
    table.write_text("title;artists;disc\n" + "".join(f"Shelf {n};A{n % 7};{n if n % 50 else 'x'}\n" for n in range(500)))
    for jobs in (1, 2):
        (tmp_path / f"run{jobs}.py").write_text(_RUN)
    whole = subprocess.run([sys.executable, tmp_path / "run2.py", tmp_path / "whole", lines, table], capture_output=True, check=True)
    moments, kills = [0.9, 1.6, 2.2, 2.6, 1.2], 0
    for moment in moments:
        run = subprocess.Popen([sys.executable, tmp_path / "run1.py", tmp_path / "tables", lines, table], stderr=subprocess.DEVNULL)
        try:
            run.wait(moment)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
    last = subprocess.run([sys.executable, tmp_path / "run1.py", tmp_path / "tables", lines, table], capture_output=True)
    assert kills > 0
    if last.returncode == 0:  # else an earlier one came to its end
        assert last.stdout == whole.stdout
    assert content_of(tmp_path / "tables") == content_of(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "run1.py", "run2.py", "shelf.csv", "tables", "whole"]


@pytest.mark.parametrize("stage", ["_put_together", "map_in_order"])
def test_a_stopped_run_keeps_what_is_done_and_says_so(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    file = write_rows(tmp_path / "rows.jsonl", [{"title": "a"}])
    with monkeypatch.context() as patch:
        patch.setattr(bulk_import, stage, stopped)
        assert cli(["catalogue", "import", "--into", str(tmp_path / "tables"), str(file)]) == StoppedError.exit_status
    assert "goes on" in capsys.readouterr().err and not (tmp_path / "tables").exists()
    monkeypatch.setattr("fonoteca.catalogue.bulk.import_parts.parse_block", stopped if stage == "_put_together" else None)
    if stage == "_put_together":  # nothing is read again
        assert cli(["catalogue", "import", "--into", str(tmp_path / "tables"), str(file)]) == 0
        assert (tmp_path / "tables" / "tracks.parquet").exists() and len(list(tmp_path.iterdir())) == 2


def test_parts_of_another_file_are_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    file = write_rows(tmp_path / "rows.jsonl", [{"title": "a"}])
    with monkeypatch.context() as patch:
        patch.setattr(bulk_import, "_put_together", stopped)
        with pytest.raises(KeyboardInterrupt):
            import_into([file], tmp_path / "tables", ImportOptions(), Silent(), jobs=1)
    write_rows(file, [{"title": "b"}, {"title": "c"}])
    report = import_into([file], tmp_path / "tables", ImportOptions(), Silent(), jobs=1)
    assert report.counts["tracks"] == 2 and len(list(tmp_path.iterdir())) == 2


def test_playlists_measures_and_lines_are_kept_beside_the_tables_as_in_an_archive(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"title": f"Song {n}", "artists": [f"A {n % 9}"], "extra": {"n": n}} for n in range(600)]
    public = "GcV5ohfP8KjKoRrJJKUjqw"
    rows += [{"record": "features", "track": "their-1", "tempo": 80.0}, {"id": "their-1", "title": "冬", "isrcs": ["USRC10000001"]},
             {"id": "their-2", "title": "shared", "isrcs": ["USRC10000002", "USRC10000003"]}, {"title": "other", "isrcs": ["USRC10000003"]},
             {"id": "their-1", "title": "冬", "isrcs": ["USRC10000001"]},
             {"record": "features", "track": "their-1", "tempo": 92.5, "key": -1, "extra": {"x": 1}},
             {"record": "features", "track": "USRC10000002", "energy": 0.5}, {"record": "features", "track": "USRC10000003", "mode": 1},
             {"record": "playlist", "id": "cold", "title": "Cold", "owner": "me", "tracks": ["USRC10000001", "their-2", "none", public]},
             {"record": "playlist", "id": "gaps", "tracks": [{"track": "their-1", "position": 3}, "USRC10000003"]},
             {"record": "playlist", "id": "empty"}, {"record": "playlist", "id": "cold", "tracks": ["their-1"]},
             {"record": "artist", "name": "A 1", "country": "NL"}, {"record": "album", "title": "B"}, {"titel": "no"}]  # fmt: skip
    told = {"artist": [ARTIST], "release": [RELEASE], "recording": [RECORDING]}
    files = [write_rows(tmp_path / "rows.jsonl", rows), *(write_rows(tmp_path / name, lines) for name, lines in told.items())]
    *_, report = both_ways(tmp_path, *files)
    assert report.counts["playlists"] == 4 and report.counts["features"] == 2 and report.finding_counts["unknown-track"] == 2
    for name, query in {
        "features": "SELECT * FROM features ORDER BY id, source",
        "playlists": "SELECT p.id, title, owner, position, e.id FROM playlists p LEFT JOIN playlist_entries e USING (playlist)",
        "sources": "SELECT name, length(dictionary) > 1000 FROM sources ORDER BY name",
    }.items():
        found = []
        for folder in ("archive", "tables"):
            with apsw.Connection(str(tmp_path / folder / f"{name}.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY) as connection:
                found.append(sorted(connection.execute(query).fetchall(), key=repr))
        assert found[0] == found[1] and found[0], name
    with SourceRecords(tmp_path / "archive" / SOURCES) as one, SourceRecords(tmp_path / "tables" / SOURCES) as two:
        for source in ("rows", "musicbrainz"):
            assert list(one.lines_of(source)) == list(two.lines_of(source)), source
        ids = [list(kept._sql.rows("SELECT id, digest FROM source_records ORDER BY 1, 2")) for kept in (one, two)]
        assert ids[0] == ids[1] and len(ids[0]) > 600
        for id, _ in ids[0][::17]:
            assert [record.content for record in one.records_of(id)] == [record.content for record in two.records_of(id)]
